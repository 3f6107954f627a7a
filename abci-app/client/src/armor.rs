//! Private keys as text under a passphrase, as `keys export` of the Cosmos SDK writes them (`crypto/armor.go`, 0.50).
//!
//! OpenPGP armor around the amino encoding of the key, encrypted by ChaCha20-Poly1305 under a key of Argon2id. Older
//! ones, by XSalsa20-Poly1305 under the SHA-256 of a bcrypt hash, are read but not written.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::XSalsa20Poly1305;
use rand_core::RngCore as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::key::SecretKey;

/// What stands after `BEGIN` and `END`.
const BLOCK: &str = "TENDERMINT PRIVATE KEY";
/// Longest text that is read.
pub const TEXT_MAX: usize = 16 << 10;
/// Characters of a line.
const LINE: usize = 64;
/// Amino's prefix of `tendermint/PrivKeySecp256k1`, and the length that follows it.
const AMINO_SECP256K1: [u8; 5] = [0xe1, 0xb0, 0xf7, 0x9b, 32];
/// Argon2id: passes, KiB, lanes.
const ARGON2: (u32, u32, u32) = (1, 64 << 10, 4);
const BCRYPT_COST: u32 = 12;
/// Bytes of the nonce before an older text's encryption.
const SECRETBOX_NONCE: usize = 24;

/// Why a text gives no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not armor, or not that of a private key.
    #[error("this is no armored private key: {0}")]
    Armor(&'static str),
    /// A way of making keys of passphrases that is not known.
    #[error("key derivation {0:?} is not known; known are argon2 and bcrypt")]
    Kdf(String),
    /// A kind of key that signs nothing here.
    #[error("key type {0:?} is not available; use secp256k1")]
    Type(String),
    /// Decryption fails.
    #[error("wrong passphrase, or the text was changed")]
    Passphrase,
    /// The cipher or the derivation refuses its parameters.
    #[error("the passphrase cannot be used")]
    Derivation,
}

/// The key as armored text that only the passphrase opens; without a line end, as the SDK's.
///
/// # Errors
/// [`Error::Derivation`].
pub fn encrypt(secret: &SecretKey, passphrase: &str) -> Result<String, Error> {
    let mut salt = [0; 16];
    rand_core::OsRng.fill_bytes(&mut salt);
    let mut plain = Zeroizing::new(AMINO_SECP256K1.to_vec());
    plain.extend_from_slice(secret.to_bytes().as_slice());
    // The nonce is zero, because each salt makes a key that encrypts once.
    let cipher = ChaCha20Poly1305::new(argon2_key(passphrase, &salt)?.as_slice().into());
    let sealed = cipher.encrypt(&[0; 12].into(), plain.as_slice()).map_err(|_| Error::Derivation)?;
    let mut out = format!(
        "-----BEGIN {BLOCK}-----\nkdf: argon2\nsalt: {}\ntype: secp256k1\n\n",
        hex::encode_upper(salt)
    );
    let base64 = STANDARD.encode(&sealed);
    for (i, c) in base64.chars().enumerate() {
        if i > 0 && i % LINE == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    let [_, crc @ ..] = crc24(&sealed).to_be_bytes();
    out.push_str(&format!("\n={}\n-----END {BLOCK}-----", STANDARD.encode(crc)));
    Ok(out)
}

/// The key in an armored text.
///
/// # Errors
/// [`Error`].
pub fn decrypt(text: &str, passphrase: &str) -> Result<SecretKey, Error> {
    let (headers, sealed) = decode(text)?;
    let header = |name: &str| headers.get(name).copied().unwrap_or_default();
    let salt = hex::decode(header("salt")).ok().filter(|salt| !salt.is_empty());
    let salt = salt.ok_or(Error::Armor("its salt is missing or not hexadecimal"))?;
    let plain = match header("kdf") {
        "argon2" => {
            let cipher = ChaCha20Poly1305::new(argon2_key(passphrase, &salt)?.as_slice().into());
            cipher.decrypt(&[0; 12].into(), sealed.as_slice())
        }
        "bcrypt" => {
            let (nonce, sealed) = sealed.split_at_checked(SECRETBOX_NONCE).ok_or(Error::Passphrase)?;
            let cipher = XSalsa20Poly1305::new(bcrypt_key(passphrase, &salt)?.as_slice().into());
            cipher.decrypt(nonce.into(), sealed)
        }
        other => return Err(Error::Kdf(other.chars().take(32).collect())),
    };
    let plain = Zeroizing::new(plain.map_err(|_| Error::Passphrase)?);
    let kind = match header("type") {
        "" => "secp256k1",
        kind => kind,
    };
    let key = plain.strip_prefix(AMINO_SECP256K1.as_slice()).and_then(|key| SecretKey::from_bytes(key).ok());
    key.filter(|_| kind == "secp256k1").ok_or_else(|| Error::Type(kind.chars().take(32).collect()))
}

fn argon2_key(passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let (passes, kib, lanes) = ARGON2;
    let params = argon2::Params::new(kib, passes, lanes, Some(32)).map_err(|_| Error::Derivation)?;
    let mut key = Zeroizing::new([0; 32]);
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .map_err(|_| Error::Derivation)?;
    Ok(key)
}

/// SHA-256 of the text `$2a$12$SALT-AND-HASH`.
fn bcrypt_key(passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let salt = salt.try_into().map_err(|_| Error::Armor("its salt is not 16 bytes"))?;
    let hash = bcrypt::hash_with_salt(passphrase, BCRYPT_COST, salt).map_err(|_| Error::Derivation)?;
    let text = Zeroizing::new(hash.format_for_version(bcrypt::Version::TwoA));
    Ok(Zeroizing::new(Sha256::digest(text.as_bytes()).into()))
}

/// Headers and content of the armor; text before and after it is skipped.
fn decode(text: &str) -> Result<(BTreeMap<&str, &str>, Vec<u8>), Error> {
    if text.len() > TEXT_MAX {
        return Err(Error::Armor("it is longer than any key"));
    }
    let (begin, end) = (format!("-----BEGIN {BLOCK}-----"), format!("-----END {BLOCK}-----"));
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != begin).skip(1);
    let mut headers = BTreeMap::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").ok_or(Error::Armor("a header has no colon"))?;
        headers.insert(name, value);
    }
    let (mut base64, mut crc, mut ended) = (String::new(), None, false);
    for line in lines {
        match line.strip_prefix('=') {
            _ if line == end => {
                ended = true;
                break;
            }
            Some(checksum) => crc = Some(checksum),
            None => base64.push_str(line),
        }
    }
    if !ended {
        return Err(Error::Armor("it does not begin or end as one"));
    }
    let content = STANDARD.decode(base64).map_err(|_| Error::Armor("its content is not base64"))?;
    let [_, expected @ ..] = crc24(&content).to_be_bytes();
    match crc {
        Some(checksum) if STANDARD.decode(checksum).ok().as_deref() != Some(expected.as_slice()) => {
            Err(Error::Armor("its checksum is wrong"))
        }
        _ => Ok((headers, content)),
    }
}

/// Checksum of OpenPGP armor (RFC 4880, section 6.1).
fn crc24(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 0x80_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x86_4cfb } & 0xff_ffff;
    bytes.iter().fold(0xb7_04ce, |crc, byte| (0..8).fold(crc ^ (u32::from(*byte) << 16), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_the_sdk_wrote_is_read() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/fixtures/sign.json")).unwrap();
        for key in vectors["keys"].as_array().unwrap() {
            let secret = decrypt(key["armored"].as_str().unwrap(), "password1").unwrap();
            assert_eq!(STANDARD.encode(secret.to_bytes().as_slice()), key["private"].as_str().unwrap());
        }
    }

    #[test]
    fn what_is_written_is_read_with_its_passphrase_alone() {
        let secret = SecretKey::random();
        let text = encrypt(&secret, "correct horse").unwrap();
        assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        let around = format!("my key:\r\n{}\r\nthe end", text.replace('\n', "\r\n"));
        for text in [&text, &around] {
            assert_eq!(decrypt(text, "correct horse").unwrap().public(), secret.public());
        }
        assert!(matches!(decrypt(&text, "wrong horse"), Err(Error::Passphrase)));
        assert_ne!(text, encrypt(&secret, "correct horse").unwrap(), "a salt is used once");
    }

    #[test]
    fn what_is_no_armor_is_refused_with_the_reason() {
        let text = encrypt(&SecretKey::random(), "correct horse").unwrap();
        let crc = text.lines().rev().nth(1).unwrap().to_owned();
        let salt = text.lines().find(|line| line.starts_with("salt")).unwrap().to_owned();
        for (name, text, want) in [
            ("nothing", String::new(), "begin or end"),
            ("a public key", text.replace("PRIVATE KEY", "PUBLIC KEY"), "begin or end"),
            ("cut off", text.replace("-----END", "-----"), "begin or end"),
            ("a wrong checksum", text.replace(&crc, "=AAAA"), "checksum"),
            ("another kdf", text.replace("argon2", "scrypt"), "scrypt"),
            ("another type", text.replace("secp256k1", "sr25519"), "sr25519"),
            ("no salt", text.replace(&format!("{salt}\n"), ""), "salt"),
            (
                "a changed salt",
                text.replace(&salt, "salt: 00112233445566778899AABBCCDDEEFF"),
                "wrong passphrase",
            ),
            (
                "bcrypt with a short salt",
                text.replace("argon2", "bcrypt").replace(&salt, "salt: 00"),
                "16 bytes",
            ),
            ("too long", text.repeat(80), "longer"),
        ] {
            let error = decrypt(&text, "correct horse").unwrap_err().to_string();
            assert!(error.contains(want), "{name}: {error}");
        }
    }
}
