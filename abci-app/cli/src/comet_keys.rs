//! CometBFT's key files: `node_key.json`, `priv_validator_key.json`, `priv_validator_state.json`.

use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use geodesic_client::files;
use geodesic_client::vrf::ed25519_address;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::{Zeroize, Zeroizing};

use crate::home::Home;

const PRIVATE_TYPE: &str = "tendermint/PrivKeyEd25519";
const PUBLIC_TYPE: &str = "tendermint/PubKeyEd25519";

/// Amino's JSON of a key.
#[derive(Serialize, Deserialize)]
struct Typed {
    r#type: String,
    value: String,
}

impl Drop for Typed {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
struct NodeKeyFile {
    priv_key: Typed,
}

#[derive(Serialize, Deserialize)]
struct ValidatorKeyFile {
    address: String,
    pub_key: Typed,
    priv_key: Typed,
}

/// The private key as CometBFT keeps it: seed, then public key.
fn private(key: &SigningKey) -> Typed {
    Typed { r#type: PRIVATE_TYPE.to_owned(), value: STANDARD.encode(Zeroizing::new(key.to_keypair_bytes())) }
}

fn parse_private(typed: &Typed) -> anyhow::Result<SigningKey> {
    if typed.r#type != PRIVATE_TYPE {
        bail!("type is {:?}, wanted {PRIVATE_TYPE:?}", typed.r#type);
    }
    let bytes = Zeroizing::new(STANDARD.decode(&typed.value).context("value is not base64")?);
    let pair: Zeroizing<[u8; 64]> =
        Zeroizing::new(bytes.as_slice().try_into().map_err(|_| anyhow::anyhow!("value is not 64 bytes"))?);
    SigningKey::from_keypair_bytes(&pair).context("public and private half do not belong together")
}

fn address_text(public: &[u8; 32]) -> String {
    hex::encode_upper(ed25519_address(public))
}

/// CometBFT's id of a node.
#[must_use]
pub fn node_id(public: &[u8; 32]) -> String {
    hex::encode(ed25519_address(public))
}

/// Public half of the key in `config/node_key.json`.
///
/// # Errors
/// No such file, open to others, or no key.
pub fn load_node_key(home: &Home) -> anyhow::Result<[u8; 32]> {
    let path = home.config("node_key.json");
    let at = || format!("{} is no node key", path.display());
    let file: NodeKeyFile = serde_json::from_slice(&files::read_private(&path)?).with_context(at)?;
    Ok(parse_private(&file.priv_key).with_context(at)?.verifying_key().to_bytes())
}

/// Public half of the key in `config/priv_validator_key.json`.
///
/// # Errors
/// No such file, open to others, or no key.
pub fn load_validator_key(home: &Home) -> anyhow::Result<[u8; 32]> {
    let path = home.config("priv_validator_key.json");
    let at = || format!("{} is no validator key", path.display());
    let file: ValidatorKeyFile = serde_json::from_slice(&files::read_private(&path)?).with_context(at)?;
    let public = parse_private(&file.priv_key).with_context(at)?.verifying_key().to_bytes();
    if file.pub_key.value != STANDARD.encode(public) || file.address != address_text(&public) {
        return Err(anyhow::anyhow!("pub_key or address is not the private key's")).with_context(at);
    }
    Ok(public)
}

/// Writes `config/node_key.json` unless it is there; returns the public half.
///
/// # Errors
/// The system's, or a file that is no key.
pub fn ensure_node_key(home: &Home) -> anyhow::Result<[u8; 32]> {
    let path = home.config("node_key.json");
    if !path.exists() {
        let key = SigningKey::generate(&mut rand_core::OsRng);
        write(&path, &NodeKeyFile { priv_key: private(&key) })?;
    }
    load_node_key(home)
}

/// Writes `config/priv_validator_key.json` and `data/priv_validator_state.json` unless they are there; returns the
/// public half. A `seed` gives the key, else the system's randomness.
///
/// # Errors
/// The system's, or a file that is no key, or another one than the seed's.
pub fn ensure_validator_key(home: &Home, seed: Option<&[u8; 32]>) -> anyhow::Result<[u8; 32]> {
    let path = home.config("priv_validator_key.json");
    let key = match seed {
        Some(seed) => SigningKey::from_bytes(seed),
        None => SigningKey::generate(&mut rand_core::OsRng),
    };
    if !path.exists() {
        let public = key.verifying_key().to_bytes();
        let file = ValidatorKeyFile {
            address: address_text(&public),
            pub_key: Typed { r#type: PUBLIC_TYPE.to_owned(), value: STANDARD.encode(public) },
            priv_key: private(&key),
        };
        write(&path, &file)?;
    }
    let public = load_validator_key(home)?;
    if seed.is_some() && public != key.verifying_key().to_bytes() {
        bail!("{} holds another key than the mnemonic's; move it away first", path.display());
    }
    let state = home.data("priv_validator_state.json");
    // What was signed is never forgotten: a validator that signs a height again is slashed.
    if !state.exists() {
        files::write_private_new(&state, empty_state().as_bytes())?;
    }
    Ok(public)
}

/// The state of a validator that has signed nothing.
#[must_use]
pub fn empty_state() -> String {
    format!("{:#}", json!({ "height": "0", "round": 0, "step": 0 }))
}

fn write(path: &Path, file: &impl Serialize) -> anyhow::Result<()> {
    let json = Zeroizing::new(serde_json::to_vec_pretty(file)?);
    Ok(files::write_private_new(path, &json)?)
}

/// `{"@type": "/cosmos.crypto.ed25519.PubKey", "key": ..}`, as tools of the Cosmos SDK read a consensus key.
#[must_use]
pub fn public_json(public: &[u8; 32]) -> serde_json::Value {
    json!({ "@type": "/cosmos.crypto.ed25519.PubKey", "key": STANDARD.encode(public) })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(&dir.path().join("home")).unwrap();
        home.create().unwrap();
        (dir, home)
    }

    #[test]
    fn keys_are_private_stay_and_belong_together() {
        let (_dir, home) = home();
        let (node, validator) = (ensure_node_key(&home).unwrap(), ensure_validator_key(&home, None).unwrap());
        assert_eq!(ensure_node_key(&home).unwrap(), node);
        assert_eq!(ensure_validator_key(&home, None).unwrap(), validator);
        assert_ne!(node, validator);
        for path in ["node_key.json", "priv_validator_key.json"].map(|name| home.config(name)) {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(ensure_validator_key(&home, Some(&[7; 32])).is_err(), "a key is never replaced");

        let path = home.config("priv_validator_key.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(&address_text(&validator), &"A".repeat(40))).unwrap();
        assert!(format!("{:#}", load_validator_key(&home).unwrap_err()).contains("pub_key or address"));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_the_remedy() {
        let (_dir, home) = home();
        ensure_node_key(&home).unwrap();
        let path = home.config("node_key.json");
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = format!("{:#}", load_node_key(&home).unwrap_err());
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
    }

    /// Written by `cometbft init` of v0.38.25.
    #[test]
    fn cometbfts_own_files_are_read() {
        let (_dir, home) = home();
        let node = r#"{"priv_key":{"type":"tendermint/PrivKeyEd25519","value":"VpyO3NaKqKco1gonTWLOCj5wl7uMsTEa5lEQTBEzQCQA89D1CmKYNHIHDeRBviske5UZv6eZdDi000XopBPGFg=="}}"#;
        let validator = r#"{
            "address": "D0B16A4EF48D59FF79C549B09E1BFD10D3D29277",
            "pub_key": {"type": "tendermint/PubKeyEd25519", "value": "6KS6sO99B6mlkl5sADqzWr71TIsTvp0OrRlc2JKOwlI="},
            "priv_key": {"type": "tendermint/PrivKeyEd25519",
                "value": "sgRxiVBvvOkDARJwYAn/ecqnDfGl4CcuiMyvGAPzvFzopLqw730HqaWSXmwAOrNavvVMixO+nQ6tGVzYko7CUg=="}}"#;
        files::write_private_new(&home.config("node_key.json"), node.as_bytes()).unwrap();
        files::write_private_new(&home.config("priv_validator_key.json"), validator.as_bytes()).unwrap();
        assert_eq!(node_id(&load_node_key(&home).unwrap()).len(), 40);
        let public = ensure_validator_key(&home, None).unwrap();
        assert_eq!(address_text(&public), "D0B16A4EF48D59FF79C549B09E1BFD10D3D29277");
        assert_eq!(public_json(&public)["key"], "6KS6sO99B6mlkl5sADqzWr71TIsTvp0OrRlc2JKOwlI=");
    }
}
