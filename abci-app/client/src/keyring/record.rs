//! One key's file.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use rand_core::RngCore as _;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{Error, Record};
use crate::account_key::AccountKey;
use crate::key::{PublicKey, SecretKey};

const VERSION: u32 = 1;
/// scrypt with N = 2^17, r = 8, p = 1: 128 MiB and a third of a second a guess.
const LOG_N: u8 = 17;
const R: u32 = 8;
const P: u32 = 1;
/// A file may ask for no more than this: 1 GiB.
const LOG_N_MAX: u8 = 20;

/// A key's file, checked as far as that goes without a passphrase.
pub(super) struct Stored {
    key: AccountKey,
    file: KeyFile,
}

/// Private key in the clear or encrypted; neither: it is not here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    /// Compressed secp256k1 key, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// A group or a key of another kind, as JSON with its `@type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_key: Option<serde_json::Value>,
    /// Private key, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<Encrypted>,
    /// The private key is in the operating system's store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    in_os: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encrypted {
    kdf: String,
    log_n: u8,
    r: u32,
    p: u32,
    /// 16 bytes, base64.
    salt: String,
    cipher: String,
    /// 12 bytes, base64.
    nonce: String,
    /// The 32 bytes of the key and 16 of authentication, base64; the public key is authenticated with it.
    ciphertext: String,
}

impl Stored {
    fn new(public: PublicKey, private_key: Option<Secret>, encrypted: Option<Encrypted>) -> Self {
        let public_key = Some(STANDARD.encode(public.as_bytes()));
        let file =
            KeyFile { version: VERSION, public_key, other_key: None, private_key, encrypted, in_os: false };
        Self { key: public.into(), file }
    }

    pub(super) fn new_public(key: &AccountKey) -> Result<Self, Error> {
        if let AccountKey::Secp256k1(public) = key {
            return Ok(Self::new(*public, None, None));
        }
        let json = key.to_json().map_err(std::io::Error::other)?;
        let other_key = Some(serde_json::from_str(&json).map_err(std::io::Error::other)?);
        let file = KeyFile {
            version: VERSION,
            public_key: None,
            other_key,
            private_key: None,
            encrypted: None,
            in_os: false,
        };
        Ok(Self { key: key.clone(), file })
    }

    pub(super) fn new_in_os(secret: &SecretKey) -> Self {
        let mut stored = Self::new(secret.public(), None, None);
        stored.file.in_os = true;
        stored
    }

    pub(super) fn new_plain(secret: &SecretKey) -> Self {
        let private_key = Secret(STANDARD.encode(secret.to_bytes().as_slice()));
        Self::new(secret.public(), Some(private_key), None)
    }

    pub(super) fn encrypt(secret: &SecretKey, passphrase: &str) -> Result<Self, Error> {
        let (mut salt, mut nonce) = ([0; 16], [0; 12]);
        rand_core::OsRng.fill_bytes(&mut salt);
        rand_core::OsRng.fill_bytes(&mut nonce);
        let public = secret.public();
        let broken = || Error::Prompt(std::io::Error::other("passphrase cannot be used"));
        let key = derive(passphrase, &salt, LOG_N, R, P).ok_or_else(broken)?;
        let plain = secret.to_bytes();
        let payload = Payload { msg: plain.as_slice(), aad: public.as_bytes() };
        let ciphertext = cipher(&key).encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| broken())?;
        let encrypted = Encrypted {
            kdf: "scrypt".to_owned(),
            log_n: LOG_N,
            r: R,
            p: P,
            salt: STANDARD.encode(salt),
            cipher: "chacha20poly1305".to_owned(),
            nonce: STANDARD.encode(nonce),
            ciphertext: STANDARD.encode(ciphertext),
        };
        Ok(Self::new(public, None, Some(encrypted)))
    }

    pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { path: path.to_owned(), reason };
        let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if file.version != VERSION {
            return Err(malformed(format!("version {}, this program reads {VERSION}", file.version)));
        }
        let key = match (&file.public_key, &file.other_key) {
            (Some(text), None) => {
                let public = STANDARD.decode(text).map_err(|error| malformed(error.to_string()))?;
                PublicKey::from_bytes(&public).map_err(|error| malformed(error.to_string()))?.into()
            }
            (None, Some(json)) if file.private_key.is_none() && file.encrypted.is_none() => {
                AccountKey::from_json(&json.to_string()).map_err(|error| malformed(error.to_string()))?
            }
            _ => return Err(malformed("one public key belongs there".to_owned())),
        };
        Ok(Self { key, file })
    }

    pub(super) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(Zeroizing::new(serde_json::to_vec_pretty(&self.file).map_err(std::io::Error::other)?))
    }

    /// The public half of a key whose private half is in the operating system's store.
    pub(super) fn in_os(&self) -> Option<&PublicKey> {
        match &self.key {
            AccountKey::Secp256k1(public) if self.file.in_os => Some(public),
            _ => None,
        }
    }

    pub(super) fn encrypted(&self) -> bool {
        self.file.encrypted.is_some()
    }

    /// The private key of a plain file.
    pub(super) fn plain(&self, path: &Path) -> Result<Option<SecretKey>, Error> {
        let Some(secret) = &self.file.private_key else { return Ok(None) };
        let malformed = |reason: &str| Error::Malformed { path: path.to_owned(), reason: reason.to_owned() };
        let bytes = STANDARD.decode(&secret.0).map(Zeroizing::new);
        let key = SecretKey::from_bytes(&bytes.map_err(|_| malformed("private key is not base64"))?)?;
        if !self.is_of(&key) {
            return Err(malformed("private and public key do not belong together"));
        }
        Ok(Some(key))
    }

    /// The private key of an encrypted file; `None` if the passphrase is wrong or the file was changed.
    pub(super) fn decrypt(&self, passphrase: &str, path: &Path) -> Result<Option<SecretKey>, Error> {
        let malformed = |reason: &str| Error::Malformed { path: path.to_owned(), reason: reason.to_owned() };
        let Some(e) = &self.file.encrypted else { return Err(malformed("nothing is encrypted")) };
        if e.kdf != "scrypt" || e.cipher != "chacha20poly1305" {
            return Err(malformed("only scrypt and chacha20poly1305 are known"));
        }
        if e.log_n > LOG_N_MAX || e.r > R || e.p > 4 {
            return Err(malformed("asks for more memory or time than any key needs"));
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| malformed("not base64"));
        let nonce: [u8; 12] = decode(&e.nonce)?.try_into().map_err(|_| malformed("nonce is not 12 bytes"))?;
        let key = derive(passphrase, &decode(&e.salt)?, e.log_n, e.r, e.p);
        let key = key.ok_or_else(|| malformed("parameters of scrypt are invalid"))?;
        let ciphertext = decode(&e.ciphertext)?;
        let AccountKey::Secp256k1(public) = &self.key else { return Ok(None) };
        let payload = Payload { msg: ciphertext.as_slice(), aad: public.as_bytes() };
        let Ok(plain) = cipher(&key).decrypt(Nonce::from_slice(&nonce), payload) else { return Ok(None) };
        let secret = SecretKey::from_bytes(&Zeroizing::new(plain))?;
        Ok(Some(secret).filter(|secret| self.is_of(secret)))
    }

    fn is_of(&self, secret: &SecretKey) -> bool {
        self.key == secret.public().into()
    }

    pub(super) fn record(&self, name: &str) -> Record {
        let local = self.file.encrypted.is_some() || self.file.private_key.is_some() || self.file.in_os;
        Record { name: name.to_owned(), key: self.key.clone(), local }
    }
}

fn cipher(key: &Zeroizing<[u8; 32]>) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(Key::from_slice(key.as_slice()))
}

fn derive(passphrase: &str, salt: &[u8], log_n: u8, r: u32, p: u32) -> Option<Zeroizing<[u8; 32]>> {
    let params = scrypt::Params::new(log_n, r, p, 32).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.as_bytes(), salt, &params, key.as_mut_slice()).ok()?;
    Some(key)
}
