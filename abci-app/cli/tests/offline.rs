//! Keys and transactions without a node, by the real program, compared with what `simd` of Cosmos SDK 0.50.15 prints
//! (`fixtures/simd`, see its README).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PLACE: [&str; 7] = ["--offline", "-a", "7", "-s", "3", "--chain-id", "test-1"];
const GENERATE: [&str; 2] = ["--generate-only", "--offline"];

/// A home with the keys of the fixtures: `k1`, `k2`, `k3` and the group of two of them.
struct Home(tempfile::TempDir);

impl Home {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn new() -> Self {
        let home = Self::empty();
        for i in 1..=3 {
            home.ok(&["keys", "import-hex", &format!("k{i}"), &format!("0{i}").repeat(32)]);
        }
        home.ok(&["keys", "add", "group", "--multisig", "k1,k2,k3", "--multisig-threshold", "2"]);
        home
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("home")
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_geod"));
        command.args(args).arg("--home").arg(self.path()).stdin(Stdio::null());
        command.env("GEOD_KEYRING_BACKEND", "test").env("GEOD_PREFIX", "cosmos");
        command
    }

    fn ok(&self, args: &[&str]) -> String {
        succeeded(&self.command(args).output().unwrap(), args)
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(!output.status.success(), "{args:?} was not refused");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs with lines on standard input.
    fn typed(&self, args: &[&str], lines: &str) -> Output {
        typed(self.command(args), lines)
    }

    /// The output of a command in a file.
    fn saved(&self, name: &str, args: &[&[&str]]) -> String {
        let path = self.file(name);
        fs::write(&path, self.ok(&args.concat())).unwrap();
        path
    }

    fn address(&self, name: &str, kind: &str) -> String {
        self.ok(&["keys", "show", name, "-a", "--bech", kind]).trim().to_owned()
    }
}

fn typed(mut command: Command, lines: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn succeeded(output: &Output, args: &[&str]) -> String {
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What `simd` printed.
fn simd(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/simd").join(name)).unwrap()
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/simd").join(name).display().to_string()
}

#[test]
fn keys_are_shown_as_simd_shows_them() {
    let home = Home::new();
    home.ok(&["keys", "add", "unsorted", "--multisig", "k3,k1", "--nosort"]);
    for (name, args) in [
        ("group.json", &["keys", "show", "group", "-o", "json"][..]),
        ("unsorted.json", &["keys", "show", "unsorted", "-o", "json"]),
        ("list.json", &["keys", "list", "-o", "json"]),
        ("show.json", &["keys", "show", "k1", "-o", "json"]),
        ("show_val.yaml", &["keys", "show", "k1", "--bech", "val"]),
        ("parse.json", &["keys", "parse", &"01".repeat(20), "-o", "json"]),
    ] {
        assert_eq!(home.ok(args).trim(), simd(name).trim(), "{name}");
    }
    // simd leaves the name of a group that is only shown empty.
    let multi = home.ok(&["keys", "show", "k1", "k2", "--multisig-threshold", "2", "-o", "json"]);
    assert_eq!(multi.trim().replace("\"multi\",\"type\"", "\"\",\"type\""), simd("show_multi.json").trim());
    assert!(
        home.refused(&["keys", "add", "x", "--multisig", "k1", "--multisig-threshold", "2"])
            .contains("2 of 1")
    );
}

#[test]
fn a_signer_who_does_not_pay_signs_as_with_simd() {
    let home = Home::new();
    let (k1, k2) = (home.address("k1", "acc"), home.address("k2", "acc"));
    let send = [&["tx", "bank", "send", &k1, &k2, "5stake", "--aux"], &PLACE[..]].concat();
    let with = |flags: &[&str]| home.ok(&[&send[..], flags].concat());
    let aux: Value = serde_json::from_str(&with(&[])).unwrap();
    assert_eq!(aux, serde_json::from_str::<Value>(&simd("aux.json")).unwrap());
    let amino: Value = serde_json::from_str(&with(&["--sign-mode", "amino-json"])).unwrap();
    assert_eq!(amino, serde_json::from_str::<Value>(&simd("aux_amino.json")).unwrap());
    // simd leaves out what the flags say of the body; a signature that covers less than was asked for helps nobody.
    let noted: Value = serde_json::from_str(&with(&["--note", "n", "--timeout-height", "9"])).unwrap();
    assert_ne!(noted["sign_doc"]["body_bytes"], aux["sign_doc"]["body_bytes"]);
    let direct = home.refused(&[&send[..], &["--sign-mode", "direct"]].concat());
    assert!(direct.contains("--aux signs with direct-aux or amino-json, not with direct"), "{direct}");
    let group = home.address("group", "acc");
    let of_group = [&["tx", "bank", "send", &group, &k2, "5stake", "--aux"], &PLACE[..]].concat();
    assert!(home.refused(&of_group).contains("group is a group"));
}

#[test]
fn generated_transactions_are_those_of_simd() {
    let home = Home::new();
    let of = |name: &str| home.address(name, "acc");
    let (group, k1, k2) = (of("group"), of("k1"), of("k2"));
    let (val1, val2) = (home.address("k1", "val"), home.address("k2", "val"));
    let validator = fixture("validator.json");
    let note = "a <note> & more";
    let send =
        ["bank", "send", &group, &k2, "5stake", "--fees", "10stake", "--gas", "100000", "--note", note];
    for (name, args) in [
        ("unsigned.json", &[&send[..], &["--timeout-height", "77"]].concat()[..]),
        ("send.json", &["bank", "send", &k1, &k2, "5stake,7atoken", "--gas-prices", "0.0251stake"]),
        ("multi_send.json", &["bank", "multi-send", &k1, &k2, &group, "5stake"]),
        ("multi_send_split.json", &["bank", "multi-send", &k1, &k2, &group, "10stake", "--split"]),
        ("create_validator.json", &["staking", "create-validator", &validator, "--from", "k1"]),
        (
            "edit_validator.json",
            &[
                "staking",
                "edit-validator",
                "--new-moniker",
                "new",
                "--commission-rate",
                "0.15",
                "--from",
                "k1",
            ],
        ),
        (
            "delegate.json",
            &[
                "staking",
                "delegate",
                &val2,
                "5stake",
                "--from",
                "k1",
                "--fee-payer",
                "k2",
                "--fee-granter",
                "group",
            ],
        ),
        ("unbond.json", &["staking", "unbond", &val2, "5stake", "--from", "k1"]),
        ("redelegate.json", &["staking", "redelegate", &val2, &val1, "5stake", "--from", "k1"]),
        ("cancel_unbond.json", &["staking", "cancel-unbond", &val2, "5stake", "9", "--from", "k1"]),
        ("unjail.json", &["slashing", "unjail", "--from", "k1"]),
    ] {
        let line = [&["tx"][..], args, &GENERATE].concat();
        assert_eq!(home.ok(&line).trim(), simd(name).trim(), "{name}");
    }
}

#[test]
fn signed_transactions_are_those_of_simd_bit_by_bit() {
    let home = Home::new();
    let send = fixture("send.json");
    for (name, extra) in [
        ("direct.json", &[][..]),
        ("amino.json", &["--sign-mode", "amino-json"]),
        ("signature.json", &["--signature-only"]),
    ] {
        let line = [&["tx", "sign", &send, "--from", "k1"], &PLACE[..], extra].concat();
        assert_eq!(home.ok(&line).trim(), simd(name).trim(), "{name}");
    }
    let encoded = home.ok(&["tx", "encode", &fixture("signed.json")]);
    assert_eq!(encoded.trim(), simd("signed.b64").trim());
    assert_eq!(home.ok(&["tx", "decode", encoded.trim()]).trim(), simd("decoded.json").trim());
    let hex = hex::encode_upper(
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.trim()).unwrap(),
    );
    assert_eq!(home.ok(&["tx", "decode", "--hex", &hex]).trim(), simd("decoded.json").trim());
    let stranger = home.refused(&[&["tx", "sign", &send, "--from", "k2"], &PLACE[..]].concat());
    assert!(stranger.contains("tx intended signer does not match the given signer: k2"), "{stranger}");
}

#[test]
fn a_group_signs_as_with_simd_and_its_signature_is_verified() {
    let home = Home::new();
    let unsigned = fixture("unsigned.json");
    let mut parts = Vec::new();
    for key in ["k1", "k2", "k3"] {
        let args = ["tx", "sign", &unsigned, "--from", key, "--multisig", "group"];
        parts.push(home.saved(&format!("{key}.sig.json"), &[&args, &PLACE]));
    }
    for (part, name) in [(&parts[0], "k1.sig.json"), (&parts[2], "k3.sig.json")] {
        assert_eq!(fs::read_to_string(part).unwrap().trim(), simd(name).trim(), "{name}");
    }
    let multisign = ["tx", "multisign", &unsigned, "group"];
    let signed = home.saved("signed.json", &[&multisign, &[&parts[2], &parts[0]], &PLACE]);
    assert_eq!(fs::read_to_string(&signed).unwrap().trim(), simd("signed.json").trim());

    let shown = home.ok(&[&["tx", "validate-signatures", &signed], &PLACE[..]].concat());
    assert!(shown.contains(&home.address("group", "acc")) && shown.contains("[OK]"), "{shown}");
    // All three, and by the other name of the command.
    let all = home.saved(
        "all.json",
        &[&["tx", "multi-sign", &unsigned, "group"], &[&parts[0], &parts[1], &parts[2]], &PLACE],
    );
    home.ok(&[&["tx", "validate-signatures", &all], &PLACE[..]].concat());
    // One is too few, another sequence is not what was signed, and a changed amount neither.
    let one = home.saved("one.json", &[&multisign, &[&parts[1]], &PLACE]);
    let changed = home.file("changed.json");
    fs::write(&changed, fs::read_to_string(&signed).unwrap().replace("\"amount\":\"5\"", "\"amount\":\"6\""))
        .unwrap();
    for file in [&one, &changed] {
        let error = home.refused(&[&["tx", "validate-signatures", file], &PLACE[..]].concat());
        assert!(error.contains("signatures validation failed"), "{error}");
    }
    let elsewhere = ["--offline", "-a", "7", "-s", "4", "--chain-id", "test-1"];
    let error = home.refused(&[&multisign[..], &[&parts[0], &parts[1]], &elsewhere].concat());
    assert!(error.contains("couldn't verify signature for address"), "{error}");
    let direct = [
        &["tx", "sign", &unsigned, "--from", "k1", "--multisig", "group", "--sign-mode", "direct"],
        &PLACE[..],
    ];
    assert!(home.refused(&direct.concat()).contains("amino-json"));
}

#[test]
fn batches_of_a_group_are_signed_with_ascending_sequences() {
    let home = Home::new();
    let txs = home.file("txs.json");
    fs::write(&txs, simd("unsigned.json").trim().to_owned() + "\n" + simd("unsigned.json").trim() + "\n")
        .unwrap();
    let part = |key: &str| {
        let args = ["tx", "sign-batch", &txs, "--from", key, "--multisig", "group"];
        home.saved(&format!("{key}.sigs.json"), &[&args, &PLACE])
    };
    let (one, three) = (part("k1"), part("k3"));
    let signed = home.ok(&[&["tx", "multisign-batch", &txs, "group", &one, &three], &PLACE[..]].concat());
    let lines: Vec<&str> = signed.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], simd("signed.json").trim());
    for (i, line) in lines.iter().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["auth_info"]["signer_infos"][0]["sequence"], (3 + i).to_string());
        let (file, sequence) = (home.file("line.json"), (3 + i).to_string());
        fs::write(&file, line).unwrap();
        let place = ["--offline", "-a", "7", "-s", &sequence, "--chain-id", "test-1"];
        home.ok(&[&["tx", "validate-signatures", &file], &place[..]].concat());
    }
    let send = fixture("send.json");
    let append = ["tx", "sign-batch", &send, &send, "--append", "--from", "k1"];
    let value: Value = serde_json::from_str(&home.ok(&[&append[..], &PLACE].concat())).unwrap();
    assert_eq!(value["body"]["messages"].as_array().unwrap().len(), 2);
    assert_eq!(value["auth_info"]["fee"]["gas_limit"], "400000");
    assert_eq!(value["auth_info"]["fee"]["amount"][0]["amount"], "10040");
}

#[test]
fn armor_of_the_sdk_is_imported_and_ours_goes_around() {
    let home = Home::new();
    let typed = |args: &[&str], lines: &str| succeeded(&home.typed(args, lines), args);
    home.ok(&["keys", "delete", "k1", "-y"]);
    // Both were made by the SDK of the key k1: argon2 by simd, bcrypt as before 0.50.
    for (i, name) in ["k1.asc", "bcrypt.asc"].into_iter().enumerate() {
        let new = format!("again{i}");
        let wrong = home.typed(&["keys", "import", &new, &fixture(name)], "password2\n");
        assert!(String::from_utf8(wrong.stderr).unwrap().contains("wrong passphrase"), "{name}");
        typed(&["keys", "import", &new, &fixture(name)], "password1\n");
        let hex = home.ok(&["keys", "export", &new, "--unarmored-hex", "--unsafe", "-y"]);
        assert_eq!(hex.trim(), "01".repeat(32), "{name}");
        home.ok(&["keys", "delete", &new, "-y"]);
    }
    let armored = typed(&["keys", "export", "k2"], "correct horse\n");
    let before = home.address("k2", "acc");
    home.ok(&["keys", "delete", "k2", "-y"]);
    typed(&["keys", "import", "k2", "-"], &format!("{armored}correct horse\n"));
    assert_eq!(home.address("k2", "acc"), before);
    assert!(home.refused(&["keys", "export", "k2", "--unsafe"]).contains("must be used together"));
}

#[test]
fn an_encrypted_keyring_takes_its_passphrase_from_standard_input() {
    let home = Home::empty();
    let run = |args: &[&str], lines: &str| {
        let mut command = home.command(args);
        command.env("GEOD_KEYRING_BACKEND", "file");
        typed(command, lines)
    };
    let words = "abandon ".repeat(11) + "about";
    let add = ["keys", "add", "alice", "--recover", "-o", "json"];
    let added: Value =
        serde_json::from_str(&succeeded(&run(&add, &format!("{words}\npassword1\npassword1\n")), &add))
            .unwrap();
    assert_eq!(added["address"], "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4");
    assert!(added.get("mnemonic").is_none(), "recovered words are not shown");
    let send = fixture("send.json");
    let sign = [&["tx", "sign", &send, "--from", "alice"], &PLACE[..]].concat();
    let wrong = run(&sign, "password2\n");
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("wrong passphrase"));
    // Listing asks for nothing.
    assert!(succeeded(&run(&["keys", "list"], ""), &["keys", "list"]).contains("alice"));
    // An existing name is overwritten only after a yes.
    let no = run(&["keys", "add", "alice"], "n\n");
    assert!(String::from_utf8(no.stderr).unwrap().contains("aborted"));
    let yes = ["keys", "add", "alice", "-o", "json"];
    let again: Value = serde_json::from_str(&succeeded(&run(&yes, "y\npassword1\n"), &yes)).unwrap();
    assert_ne!(again["address"], added["address"]);
    assert_eq!(again["mnemonic"].as_str().unwrap().split(' ').count(), 24);
    let dry = ["keys", "add", "alice", "--dry-run", "-o", "json"];
    succeeded(&run(&dry, ""), &dry);
}

/// Nobody answers on this bus: what a server without a desktop looks like.
#[cfg(target_os = "linux")]
#[test]
fn without_a_desktop_the_os_keyring_names_the_remedy() {
    let home = Home::empty();
    let mut command = home.command(&["keys", "add", "alice"]);
    command.env("GEOD_KEYRING_BACKEND", "os").env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("use --keyring-backend file"), "{error}");
    assert!(!home.path().join("keyring-os").exists(), "nothing is kept of a key that is not there");
}

#[test]
fn variables_stand_between_flags_and_files() {
    let home = Home::new();
    let k2 = home.address("k2", "acc");
    let line = [&["tx", "bank", "send", "k1", &k2, "1stake"], &GENERATE[..]].concat();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.command(args);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let note = |value: &Value| value["body"]["memo"].as_str().unwrap().to_owned();
    assert_eq!(note(&run(&line, &[("GEOD_NOTE", "of the environment")])), "of the environment");
    assert_eq!(note(&run(&line, &[("GEOD_NOTE", "")])), "", "an empty variable is none");
    let flag = [&line[..], &["--note", "of the flag"]].concat();
    let both =
        run(&flag, &[("GEOD_NOTE", "of the environment"), ("GEOD_GAS", "123"), ("GEOD_TIMEOUT_HEIGHT", "9")]);
    assert_eq!(note(&both), "of the flag");
    assert_eq!(both["auth_info"]["fee"]["gas_limit"], "123");
    assert_eq!(both["body"]["timeout_height"], "9");
    // Switches too.
    let line = ["tx", "bank", "send", "k1", &k2, "1stake"];
    run(&line, &[("GEOD_GENERATE_ONLY", "1"), ("GEOD_OFFLINE", "true")]);
}

#[test]
fn configuration_is_read_changed_and_completed() {
    let home = Home::empty();
    home.ok(&["init", "one", "--chain-id", "test-1"]);
    assert_eq!(home.ok(&["config", "home"]).trim(), home.path().display().to_string());
    home.ok(&["config", "set", "client", "broadcast-mode", "async"]);
    assert_eq!(home.ok(&["config", "get", "client", "broadcast-mode"]).trim(), "async");
    let view: Value =
        serde_json::from_str(&home.ok(&["config", "view", "client", "--output-format", "json"])).unwrap();
    // The names that the SDK's own client.toml has.
    for name in ["chain-id", "keyring-backend", "output", "node", "broadcast-mode"] {
        assert!(view[name].is_string(), "{name}");
    }
    let path = home.path().join("config/app.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("halt-height = 0", "halt-height = 7").replace("[mempool]", "[old]"))
        .unwrap();
    home.ok(&["config", "migrate", "app"]);
    assert_eq!(home.ok(&["config", "get", "app", "halt-height"]).trim(), "7");
    assert_eq!(home.ok(&["config", "get", "app", "mempool.max-txs"]).trim(), "-1");
}

#[test]
fn every_shell_gets_a_script() {
    let home = Home::empty();
    for (shell, text) in [
        ("bash", "complete -F _geod"),
        ("zsh", "#compdef geod"),
        ("fish", "complete -c geod"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = home.ok(&["completion", shell]);
        assert!(script.contains(text) && script.contains("validate-signatures"), "{shell}");
    }
}
