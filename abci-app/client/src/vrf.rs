//! The VRF key of an operator (suite vrf-r255): its file, its proofs. And ed25519 keys of nodes.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_challenge::chain_tag;
use geodesic_proto::geodesic::seeds::v1::MsgRegisterVrfKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::address::{self, Kind};
use crate::files;

/// `type` of a VRF key file.
pub const KEY_TYPE: &str = "vrf-r255";
/// Bytes of a proof.
pub const PROOF_LEN: usize = 80;

/// Why a key file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no, or others may read the file.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// The file holds something else.
    #[error("{path} is no {KEY_TYPE} key file: {reason}")]
    Malformed {
        /// Where.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// An address of another chain or kind.
    #[error(transparent)]
    Address(#[from] address::Error),
}

/// A VRF private key.
pub struct VrfKey(vrf_r255::SecretKey);

/// `{"type": "vrf-r255", "public_key": base64 of 32 bytes, "secret_key": base64 of 32 bytes}`, mode 0600.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    r#type: String,
    public_key: String,
    secret_key: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}

impl VrfKey {
    /// A key of fresh randomness from the operating system.
    #[must_use]
    pub fn generate() -> Self {
        Self(vrf_r255::SecretKey::generate(rand_core::OsRng))
    }

    /// The key of 32 bytes; `None` if they are no scalar.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        Option::from(vrf_r255::SecretKey::from_bytes(bytes)).map(Self)
    }

    /// The key in a file.
    ///
    /// # Errors
    /// [`Error::Files`] if it cannot be read or is open to others, [`Error::Malformed`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let malformed =
            |reason: &str| Error::Malformed { path: path.display().to_string(), reason: reason.to_owned() };
        let bytes = files::read_private(path)?;
        let file: KeyFile = serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))?;
        if file.r#type != KEY_TYPE {
            return Err(malformed("its type is another"));
        }
        let secret = STANDARD.decode(&file.secret_key).map(Zeroizing::new);
        let secret = secret.map_err(|_| malformed("secret_key is not base64"))?;
        let secret: [u8; 32] =
            secret.as_slice().try_into().map_err(|_| malformed("secret_key is not 32 bytes"))?;
        let key = Self::from_bytes(secret).ok_or_else(|| malformed("secret_key is no scalar"))?;
        if file.public_key != STANDARD.encode(key.public()) {
            return Err(malformed("public and secret key do not belong together"));
        }
        Ok(key)
    }

    /// Writes the key where nothing is yet, mode 0600.
    ///
    /// # Errors
    /// [`Error::Files`], also if something is there.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let file = KeyFile {
            r#type: KEY_TYPE.to_owned(),
            public_key: STANDARD.encode(self.public()),
            secret_key: STANDARD.encode(self.0.to_bytes()),
        };
        let json = serde_json::to_vec_pretty(&file).map(Zeroizing::new);
        let json = json.map_err(|error| Error::Malformed {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(files::write_private_new(path, &json)?)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        vrf_r255::PublicKey::from(self.0).to_bytes()
    }

    /// Proof of 80 bytes over an input.
    #[must_use]
    pub fn prove(&self, input: &[u8]) -> [u8; PROOF_LEN] {
        self.0.prove(input).to_bytes()
    }

    /// Output and proof over an input.
    #[must_use]
    pub fn evaluate(&self, input: &[u8]) -> ([u8; 64], [u8; PROOF_LEN]) {
        let proof = self.prove(input);
        // Own proofs verify.
        (verify(&self.public(), input, &proof).unwrap_or([0; 64]), proof)
    }

    /// The message that registers this key for an operator, with the proof that it is held.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn register(&self, chain_id: &str, prefix: &str, operator: &str) -> Result<MsgRegisterVrfKey, Error> {
        let bytes = Kind::Account.decode(prefix, operator)?;
        Ok(MsgRegisterVrfKey {
            operator: operator.to_owned(),
            public_key: self.public().to_vec(),
            proof: self.prove(&possession_input(chain_id, &bytes)).to_vec(),
        })
    }
}

/// What a proof of possession proves: `tag("vrf-key", chain_id, operator)`.
#[must_use]
pub fn possession_input(chain_id: &str, operator: &[u8]) -> [u8; 32] {
    chain_tag("vrf-key", &[chain_id.as_bytes(), operator])
}

/// What the vote extension of `height` proves: `tag("vrf", chain_id, be64(height), beacon(height - 1))`.
#[must_use]
pub fn extension_input(chain_id: &str, height: u64, beacon_before: &[u8]) -> [u8; 32] {
    chain_tag("vrf", &[chain_id.as_bytes(), &height.to_be_bytes(), beacon_before])
}

/// What the draw of an auditor proves: `tag("audit", A, address)`, A the beacon at X.
#[must_use]
pub fn audit_input(beacon: &[u8; 32], auditor: &[u8; 20]) -> [u8; 32] {
    chain_tag("audit", &[beacon, auditor])
}

/// The output of a proof by `key` over `input`; `None` if anything is malformed or does not fit.
#[must_use]
pub fn verify(key: &[u8], input: &[u8], proof: &[u8]) -> Option<[u8; 64]> {
    let key = vrf_r255::PublicKey::from_bytes(key.try_into().ok()?)?;
    let proof = vrf_r255::Proof::from_bytes(proof.try_into().ok()?)?;
    key.verify(input, &proof).into()
}

/// A fresh ed25519 key: seed and public key, for node and consensus keys.
#[must_use]
pub fn ed25519_generate() -> (Zeroizing<[u8; 32]>, [u8; 32]) {
    let key = ed25519_dalek::SigningKey::generate(&mut rand_core::OsRng);
    (Zeroizing::new(key.to_bytes()), key.verifying_key().to_bytes())
}

/// CometBFT's address of an ed25519 key, also its node id: the first 20 bytes of its SHA-256.
#[must_use]
pub fn ed25519_address(public: &[u8; 32]) -> [u8; 20] {
    use sha2::Digest as _;
    let mut address = [0; 20];
    let hash = sha2::Sha256::digest(public);
    address.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_proves_possession() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vrf_key.json");
        let key = VrfKey::generate();
        key.save(&path).unwrap();
        assert!(key.save(&path).is_err(), "not overwritten");
        let again = VrfKey::load(&path).unwrap();
        assert_eq!(again.public(), key.public());

        let operator = Kind::Account.encode("geo", &[5; 20]).unwrap();
        let message = again.register("chain-1", "geo", &operator).unwrap();
        assert!(
            verify(&message.public_key, &possession_input("chain-1", &[5; 20]), &message.proof).is_some()
        );
        assert!(
            verify(&message.public_key, &possession_input("chain-2", &[5; 20]), &message.proof).is_none()
        );
        assert!(key.register("chain-1", "cosmos", &operator).is_err());
        let (output, proof) = key.evaluate(b"x");
        assert_eq!(verify(&key.public(), b"x", &proof), Some(output));
    }

    #[test]
    fn a_file_of_something_else_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vrf_key.json");
        let (a, b) = (VrfKey::generate(), VrfKey::generate());
        let text = |t: &str, p: [u8; 32], s: [u8; 32]| {
            format!(
                r#"{{"type":"{t}","public_key":"{}","secret_key":"{}"}}"#,
                STANDARD.encode(p),
                STANDARD.encode(s)
            )
        };
        for (name, text, want) in [
            ("another type", text("ed25519", a.public(), a.0.to_bytes()), "type"),
            ("two keys", text(KEY_TYPE, b.public(), a.0.to_bytes()), "belong together"),
            ("no scalar", text(KEY_TYPE, a.public(), [0xff; 32]), "scalar"),
            ("no json", "x".to_owned(), "expected value"),
        ] {
            files::write_private(&path, text.as_bytes()).unwrap();
            let error = VrfKey::load(&path).err().unwrap().to_string();
            assert!(error.contains(want), "{name}: {error}");
        }
    }
}
