//! secp256k1 keys of accounts: BIP-39 words, BIP-44 paths, addresses, signatures.

use bip32::{DerivationPath, XPrv};
use bip39::Mnemonic;
use geodesic_proto::any;
use geodesic_proto::cosmos::crypto::secp256k1::PubKey;
use k256::ecdsa::signature::{Signer as _, Verifier as _};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use prost_types::Any;
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Words of a new mnemonic: 256 bits of entropy.
pub const WORDS: usize = 24;
/// Coin type of Cosmos, which Ledger's Cosmos app knows.
pub const COIN_TYPE: u32 = 118;

/// Why a text or bytes are no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Words that are not BIP-39, or whose checksum is wrong.
    #[error("mnemonic is invalid: {0}")]
    Mnemonic(bip39::Error),
    /// A path that BIP-32 does not know.
    #[error("derivation path {0:?} is invalid, expected one such as m/44'/118'/0'/0/0")]
    Path(String),
    /// A scalar that is zero or above the order of the curve, or a wrong length.
    #[error("private key is not 32 bytes of a secp256k1 scalar")]
    Secret,
    /// Bytes that are no compressed point.
    #[error("public key is not 33 bytes of a compressed secp256k1 point")]
    Public,
}

/// A private key; wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of BIP-39 words (English, no passphrase) at a BIP-32 path.
    ///
    /// # Errors
    /// [`Error::Mnemonic`], [`Error::Path`].
    pub fn from_mnemonic(words: &str, path: &str) -> Result<Self, Error> {
        Self::from_mnemonic_and(words, "", path)
    }

    /// The key of BIP-39 words and a BIP-39 passphrase at a BIP-32 path.
    ///
    /// # Errors
    /// [`Error::Mnemonic`], [`Error::Path`].
    pub fn from_mnemonic_and(words: &str, passphrase: &str, path: &str) -> Result<Self, Error> {
        let mnemonic = parse_mnemonic(words)?;
        let invalid = || Error::Path(path.chars().take(64).collect());
        let path: DerivationPath = path.parse().map_err(|_| invalid())?;
        let seed = Zeroizing::new(mnemonic.to_seed(passphrase));
        let key = XPrv::derive_from_path(seed.as_slice(), &path).map_err(|_| invalid())?;
        Ok(Self(key.private_key().clone()))
    }

    /// A key of fresh randomness from the operating system.
    #[must_use]
    pub fn random() -> Self {
        Self(SigningKey::random(&mut rand_core::OsRng))
    }

    /// The key of 32 bytes.
    ///
    /// # Errors
    /// [`Error::Secret`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        // `from_slice` alone would fill up shorter ones with zeros.
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| Error::Secret)?;
        SigningKey::from_slice(bytes).map(Self).map_err(|_| Error::Secret)
    }

    /// The key's 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 33];
        bytes.copy_from_slice(self.0.verifying_key().to_encoded_point(true).as_bytes());
        PublicKey(bytes)
    }

    /// Signature of the message's SHA-256, deterministic (RFC 6979), with the low s that Cosmos demands: r, then s.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature: Signature = self.0.sign(message);
        signature.normalize_s().unwrap_or(signature).to_bytes().into()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey of {}", hex::encode(self.public().0))
    }
}

/// A compressed public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 33]);

impl PublicKey {
    /// The key of a compressed point.
    ///
    /// # Errors
    /// [`Error::Public`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; 33] = bytes.try_into().map_err(|_| Error::Public)?;
        VerifyingKey::from_sec1_bytes(&bytes).map_err(|_| Error::Public)?;
        Ok(Self(bytes))
    }

    /// The compressed point.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// The account's 20 bytes: `RIPEMD-160(SHA-256(key))`.
    #[must_use]
    pub fn address(&self) -> [u8; 20] {
        Ripemd160::digest(Sha256::digest(self.0)).into()
    }

    /// The key as transactions carry it.
    #[must_use]
    pub fn to_any(&self) -> Any {
        any::pack(&PubKey { key: self.0.to_vec() })
    }

    /// Whether [`SecretKey::sign`] of this key made `signature` of `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let (Ok(key), Ok(signature)) =
            (VerifyingKey::from_sec1_bytes(&self.0), Signature::from_slice(signature))
        else {
            return false;
        };
        signature.normalize_s().is_none() && key.verify(message, &signature).is_ok()
    }
}

/// `m/44'/coin_type'/account'/0/index`.
#[must_use]
pub fn hd_path(coin_type: u32, account: u32, index: u32) -> String {
    format!("m/44'/{coin_type}'/{account}'/0/{index}")
}

/// Fresh words of 256 bits.
///
/// # Errors
/// [`Error::Mnemonic`], which the number of words excludes.
pub fn new_mnemonic() -> Result<Zeroizing<String>, Error> {
    let mnemonic = Mnemonic::generate(WORDS).map_err(Error::Mnemonic)?;
    Ok(Zeroizing::new(mnemonic.to_string()))
}

/// Words of entropy that the caller supplies, 16 to 32 bytes.
///
/// # Errors
/// [`Error::Mnemonic`] for another length.
pub fn mnemonic_of(entropy: &[u8]) -> Result<Zeroizing<String>, Error> {
    Ok(Zeroizing::new(Mnemonic::from_entropy(entropy).map_err(Error::Mnemonic)?.to_string()))
}

/// Whether a text is words that give a key.
#[must_use]
pub fn is_mnemonic(text: &str) -> bool {
    parse_mnemonic(&text.to_lowercase()).is_ok()
}

fn parse_mnemonic(words: &str) -> Result<Mnemonic, Error> {
    Mnemonic::parse_in(bip39::Language::English, words.trim()).map_err(Error::Mnemonic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: &str =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    #[test]
    fn what_is_no_key_is_refused() {
        let last_word_wrong = ABOUT.replace("about", "abandon");
        assert!(matches!(
            SecretKey::from_mnemonic(&last_word_wrong, "m/44'/118'/0'/0/0"),
            Err(Error::Mnemonic(_))
        ));
        assert!(matches!(SecretKey::from_mnemonic(ABOUT, "44/118"), Err(Error::Path(_))));
        assert!(matches!(SecretKey::from_mnemonic(ABOUT, "m/44'/2147483648'/0'/0/0"), Err(Error::Path(_))));
        assert!(matches!(SecretKey::from_bytes(&[0; 32]), Err(Error::Secret)));
        assert!(matches!(SecretKey::from_bytes(&[1; 31]), Err(Error::Secret)));
        assert!(matches!(PublicKey::from_bytes(&[9; 33]), Err(Error::Public)));
    }

    #[test]
    fn new_words_are_24_and_never_twice_the_same() {
        let (a, b) = (new_mnemonic().unwrap(), new_mnemonic().unwrap());
        assert_eq!(a.split(' ').count(), WORDS);
        assert_ne!(*a, *b);
        let key = SecretKey::from_mnemonic(&a, &hd_path(COIN_TYPE, 0, 0)).unwrap();
        assert!(key.public().verify(b"m", &key.sign(b"m")));
        assert!(!key.public().verify(b"n", &key.sign(b"m")));
    }
}
