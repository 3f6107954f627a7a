//! Keyrings on disk, as their users meet them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use geodesic_client::address::Kind;
use geodesic_client::key::SecretKey;
use geodesic_client::keyring::{Backend, Error, Keyring};
use geodesic_client::prompt::Prompt;
use zeroize::Zeroizing;

/// Answers each question with the next text.
struct Answers(Mutex<Vec<&'static str>>);

impl Prompt for Answers {
    fn passphrase(&self, _: &str) -> io::Result<Zeroizing<String>> {
        let mut answers = self.0.lock().unwrap();
        if answers.is_empty() {
            return Err(io::Error::other("asked once too often"));
        }
        Ok(Zeroizing::new(answers.remove(0).to_owned()))
    }
}

fn open(backend: Backend, dir: &Path, answers: &[&'static str]) -> Keyring {
    Keyring::open(backend, dir, Box::new(Answers(Mutex::new(answers.to_vec())))).unwrap()
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

#[test]
fn every_backend_adds_lists_shows_renames_and_deletes() {
    for backend in [Backend::File, Backend::Test, Backend::Memory] {
        let dir = tempfile::tempdir().unwrap();
        let mut keyring = open(backend, dir.path(), &["long enough", "long enough"]);
        assert!(keyring.list().unwrap().is_empty());
        keyring.add("bob", &key(2)).unwrap();
        keyring.add_public("cold", &key(3).public().into()).unwrap();
        keyring.add("alice", &key(1)).unwrap();
        let names: Vec<String> = keyring.list().unwrap().into_iter().map(|r| r.name).collect();
        assert_eq!(names, ["alice", "bob", "cold"], "{backend}");

        let address = Kind::Validator.encode("geo", &key(2).public().address()).unwrap();
        assert_eq!(keyring.get(&address).unwrap().name, "bob", "any prefix");
        assert_eq!(*keyring.secret("bob").unwrap().to_bytes(), [2; 32]);
        assert_eq!(keyring.get("cold").unwrap().kind(), "offline");
        assert!(matches!(keyring.secret("cold"), Err(Error::Offline(_))));
        assert!(matches!(keyring.add("bob", &key(9)), Err(Error::Exists(_))));
        assert!(matches!(keyring.add("other", &key(2)), Err(Error::SameAddress { name }) if name == "bob"));

        assert!(matches!(keyring.rename("bob", "alice"), Err(Error::Exists(_))));
        assert_eq!(keyring.rename("bob", "robert").unwrap().name, "robert");
        assert!(matches!(keyring.get("bob"), Err(Error::NotFound { .. })));
        assert_eq!(*keyring.secret("robert").unwrap().to_bytes(), [2; 32]);
        keyring.delete("robert").unwrap();
        assert!(matches!(keyring.delete("robert"), Err(Error::NotFound { .. })));
        assert_eq!(keyring.list().unwrap().len(), 2);
    }
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    open(Backend::File, dir.path(), &["correct horse", "correct horse"]).add("alice", &key(1)).unwrap();
    let path = dir.path().join("keyring-file/alice.json");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("scrypt") && !text.contains("AQEBAQEBAQEB"), "no private key in the clear");

    let wrong = open(Backend::File, dir.path(), &["wrong horse"]);
    let error = wrong.secret("alice").unwrap_err();
    assert!(error.to_string().starts_with("wrong passphrase for key \"alice\""), "{error}");
    let right = open(Backend::File, dir.path(), &["correct horse"]);
    assert_eq!(*right.secret("alice").unwrap().to_bytes(), [1; 32]);
    assert!(right.secret("alice").is_ok(), "asked once only");
    assert!(open(Backend::File, dir.path(), &[]).list().is_ok(), "listing asks for nothing");

    // A second key takes the same passphrase, typed once.
    let mut second = open(Backend::File, dir.path(), &["wrong horse"]);
    assert!(matches!(second.add("bob", &key(2)), Err(Error::Passphrase { .. })));
    open(Backend::File, dir.path(), &["correct horse"]).add("bob", &key(2)).unwrap();
    assert_eq!(
        *open(Backend::File, dir.path(), &["correct horse"]).secret("bob").unwrap().to_bytes(),
        [2; 32]
    );
}

#[test]
fn a_new_passphrase_is_long_enough_and_typed_twice_alike() {
    let dir = tempfile::tempdir().unwrap();
    let add = |answers: &[&'static str]| {
        open(Backend::File, dir.path(), answers).add("alice", &key(1)).unwrap_err()
    };
    assert!(matches!(add(&["short"]), Error::ShortPassphrase(5)));
    assert!(matches!(add(&["long enough", "long enoug"]), Error::Mismatch));
    assert!(matches!(add(&[]), Error::Prompt(_)));
    assert!(!dir.path().join("keyring-file").exists(), "nothing is left behind");
}

#[test]
fn a_changed_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(Backend::File, dir.path(), &["correct horse", "correct horse"]).add("alice", &key(1)).unwrap();
    let path = dir.path().join("keyring-file/alice.json");
    let original: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let other =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key(2).public().as_bytes());
    for (name, pointer, value, want) in [
        ("another public key", "/public_key", serde_json::json!(other), "wrong passphrase"),
        ("no public key", "/public_key", serde_json::json!("AAAA"), "public key is not 33 bytes"),
        ("too much memory", "/encrypted/log_n", serde_json::json!(31), "more memory or time"),
        ("too much time", "/encrypted/p", serde_json::json!(1000), "more memory or time"),
        ("another cipher", "/encrypted/cipher", serde_json::json!("rot13"), "are known"),
        ("a later version", "/version", serde_json::json!(2), "this program reads 1"),
    ] {
        let mut changed = original.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        fs::write(&path, changed.to_string()).unwrap();
        let keyring = open(Backend::File, dir.path(), &["correct horse"]);
        let error = keyring.secret("alice").unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

#[test]
fn keys_that_others_may_read_are_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    open(Backend::Test, dir.path(), &[]).add("alice", &key(1)).unwrap();
    let folder = dir.path().join("keyring-test");
    fs::set_permissions(folder.join("alice.json"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = open(Backend::Test, dir.path(), &[]).secret("alice").unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Keyring::open(Backend::Test, dir.path(), Box::new(Answers(Mutex::default()))).err().unwrap();
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn names_stay_inside_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut keyring = open(Backend::Test, dir.path(), &[]);
    for name in ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a\0b", &"x".repeat(65)] {
        assert!(matches!(keyring.add(name, &key(1)), Err(Error::Name(_))), "{name:?}");
        assert!(matches!(keyring.get(name), Err(Error::Name(_))), "{name:?}");
    }
    assert!("kwallet".parse::<Backend>().unwrap_err().to_string().contains("use file"));
}
