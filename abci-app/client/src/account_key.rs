//! Public keys that accounts can have: single ones, and groups of which some must sign.

use geodesic_proto::any;
use geodesic_proto::cosmos::crypto::multisig::LegacyAminoPubKey;
use geodesic_proto::cosmos::crypto::{ed25519, secp256k1};
use geodesic_proto::json::{self, JsonError};
use prost::encoding::encode_varint;
use prost_types::Any;
use sha2::{Digest as _, Sha256};

use crate::key::PublicKey;

/// Most keys of one group.
pub const KEYS_MAX: usize = 100;
/// Deepest nesting of groups.
const DEPTH_MAX: u32 = 4;

/// Amino's prefix of each kind of key: the first bytes of the SHA-256 of its registered name.
const AMINO_SECP256K1: [u8; 5] = [0xeb, 0x5a, 0xe9, 0x87, 33];
const AMINO_ED25519: [u8; 5] = [0x16, 0x24, 0xde, 0x64, 32];
const AMINO_GROUP: [u8; 4] = [0x22, 0xc1, 0xf7, 0xe2];

/// Why something is no key of an account.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kind of key that accounts cannot have.
    #[error(
        "public key type {0:?} is not known; use /cosmos.crypto.secp256k1.PubKey, /cosmos.crypto.ed25519.PubKey or /cosmos.crypto.multisig.LegacyAminoPubKey"
    )]
    Type(String),
    /// Its bytes are no key.
    #[error("public key is malformed: {0}")]
    Malformed(String),
    /// A threshold that cannot be reached, or is none.
    #[error("threshold {threshold} of {keys} keys; it must be 1 to the number of keys")]
    Threshold {
        /// Signatures needed.
        threshold: u32,
        /// Keys there.
        keys: usize,
    },
    /// More keys than a group has.
    #[error("{0} keys, a group has at most {KEYS_MAX}")]
    TooMany(usize),
    /// Groups of groups of ...
    #[error("groups are nested deeper than {DEPTH_MAX}")]
    Depth,
}

/// The public key of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountKey {
    /// The usual one.
    Secp256k1(PublicKey),
    /// ed25519, of validators; accounts may have it, but it signs no transaction.
    Ed25519([u8; 32]),
    /// A group, of which some must sign.
    Group(Group),
}

/// `threshold` of `keys` sign for the account: the SDK's `LegacyAminoPubKey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    threshold: u32,
    keys: Vec<AccountKey>,
}

impl Group {
    /// The group of these keys, in this order.
    ///
    /// # Errors
    /// [`Error::Threshold`], [`Error::TooMany`].
    pub fn new(threshold: u32, keys: Vec<AccountKey>) -> Result<Self, Error> {
        if keys.len() > KEYS_MAX {
            return Err(Error::TooMany(keys.len()));
        }
        if threshold == 0 || threshold as usize > keys.len() {
            return Err(Error::Threshold { threshold, keys: keys.len() });
        }
        Ok(Self { threshold, keys })
    }

    /// How many must sign.
    #[must_use]
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Its keys, in the order that signatures refer to.
    #[must_use]
    pub fn keys(&self) -> &[AccountKey] {
        &self.keys
    }

    /// Whether the key is one of the group's, or of a group in it.
    #[must_use]
    pub fn contains(&self, key: &AccountKey) -> bool {
        self.keys
            .iter()
            .any(|own| own == key || matches!(own, AccountKey::Group(inner) if inner.contains(key)))
    }
}

impl From<PublicKey> for AccountKey {
    fn from(key: PublicKey) -> Self {
        Self::Secp256k1(key)
    }
}

impl AccountKey {
    /// The key in an `Any`, as transactions and accounts carry it.
    ///
    /// # Errors
    /// [`Error`] names what is wrong with it.
    pub fn from_any(value: &Any) -> Result<Self, Error> {
        Self::nested(value, DEPTH_MAX)
    }

    fn nested(value: &Any, depth: u32) -> Result<Self, Error> {
        let malformed = |error: &dyn std::fmt::Display| Error::Malformed(error.to_string());
        let depth = depth.checked_sub(1).ok_or(Error::Depth)?;
        if value.type_url == any::type_url::<secp256k1::PubKey>() {
            let key: secp256k1::PubKey = any::unpack(value).map_err(|error| malformed(&error))?;
            return Ok(Self::Secp256k1(PublicKey::from_bytes(&key.key).map_err(|error| malformed(&error))?));
        }
        if value.type_url == any::type_url::<ed25519::PubKey>() {
            let key: ed25519::PubKey = any::unpack(value).map_err(|error| malformed(&error))?;
            let key = key.key.try_into().map_err(|_| malformed(&"an ed25519 key has 32 bytes"))?;
            return Ok(Self::Ed25519(key));
        }
        if value.type_url != any::type_url::<LegacyAminoPubKey>() {
            return Err(Error::Type(value.type_url.chars().take(96).collect()));
        }
        let group: LegacyAminoPubKey = any::unpack(value).map_err(|error| malformed(&error))?;
        let keys = group.public_keys.iter().take(KEYS_MAX + 1).map(|key| Self::nested(key, depth));
        Ok(Self::Group(Group::new(group.threshold, keys.collect::<Result<_, _>>()?)?))
    }

    /// The key as transactions and accounts carry it.
    #[must_use]
    pub fn to_any(&self) -> Any {
        match self {
            Self::Secp256k1(key) => key.to_any(),
            Self::Ed25519(key) => any::pack(&ed25519::PubKey { key: key.to_vec() }),
            Self::Group(group) => any::pack(&LegacyAminoPubKey {
                threshold: group.threshold,
                public_keys: group.keys.iter().map(Self::to_any).collect(),
            }),
        }
    }

    /// The key that JSON such as `{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"..."}` describes.
    ///
    /// # Errors
    /// [`Error`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let value: Any = json::from_json(text).map_err(|error| Error::Malformed(error.to_string()))?;
        Self::from_any(&value)
    }

    /// The key as JSON, as the SDK writes it.
    ///
    /// # Errors
    /// [`JsonError`], which the kinds of keys exclude.
    pub fn to_json(&self) -> Result<String, JsonError> {
        json::to_json(&self.to_any())
    }

    /// The account's 20 bytes: of secp256k1 `RIPEMD-160(SHA-256(key))`, of ed25519 `SHA-256(key)[..20]`, of a group
    /// `SHA-256(amino encoding)[..20]`.
    #[must_use]
    pub fn address(&self) -> [u8; 20] {
        match self {
            Self::Secp256k1(key) => key.address(),
            Self::Ed25519(key) => first_20(key),
            Self::Group(_) => first_20(&self.amino()),
        }
    }

    fn amino(&self) -> Vec<u8> {
        match self {
            Self::Secp256k1(key) => [AMINO_SECP256K1.as_slice(), key.as_bytes()].concat(),
            Self::Ed25519(key) => [AMINO_ED25519.as_slice(), key].concat(),
            Self::Group(group) => {
                let mut out = [AMINO_GROUP.as_slice(), &[0x08]].concat();
                encode_varint(u64::from(group.threshold), &mut out);
                for key in &group.keys {
                    let key = key.amino();
                    out.push(0x12);
                    encode_varint(key.len() as u64, &mut out);
                    out.extend(key);
                }
                out
            }
        }
    }
}

fn first_20(bytes: &[u8]) -> [u8; 20] {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    std::array::from_fn(|i| hash.get(i).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use prost::Message as _;
    use serde_json::Value;

    use super::*;
    use crate::address::Kind;

    #[test]
    fn a_group_is_the_sdks() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/fixtures/sign.json")).unwrap();
        let group = &vectors["multisig"];
        let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        let keys: Vec<AccountKey> = group["public"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| PublicKey::from_bytes(&bytes(key)).unwrap().into())
            .collect();
        let key = AccountKey::Group(Group::new(2, keys.clone()).unwrap());
        assert_eq!(key.to_any().encode_to_vec(), bytes(&group["any"]));
        assert_eq!(
            Kind::Account.encode("cosmos", &key.address()).unwrap(),
            group["address"].as_str().unwrap()
        );
        assert_eq!(AccountKey::from_json(&key.to_json().unwrap()).unwrap(), key);

        let AccountKey::Group(inner) = &key else { panic!() };
        let nested = Group::new(1, vec![keys[0].clone(), key.clone()]).unwrap();
        assert!(nested.contains(&keys[2]) && inner.contains(&keys[1]) && !inner.contains(&key));
    }

    #[test]
    fn what_is_no_key_is_named() {
        let key: AccountKey = crate::key::SecretKey::random().public().into();
        for (name, error, want) in [
            ("none needed", Group::new(0, vec![key.clone()]).unwrap_err().to_string(), "threshold 0 of 1"),
            (
                "too many needed",
                Group::new(2, vec![key.clone()]).unwrap_err().to_string(),
                "threshold 2 of 1",
            ),
            ("too large", Group::new(1, vec![key.clone(); 101]).unwrap_err().to_string(), "101 keys"),
            (
                "another type",
                AccountKey::from_json(r#"{"@type":"/cosmos.bank.v1beta1.MsgSend"}"#).unwrap_err().to_string(),
                "MsgSend",
            ),
            (
                "no point",
                AccountKey::from_json(r#"{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"AAAA"}"#)
                    .unwrap_err()
                    .to_string(),
                "33 bytes",
            ),
            ("no JSON", AccountKey::from_json("{").unwrap_err().to_string(), "malformed"),
        ] {
            assert!(error.contains(want), "{name}: {error}");
        }
        let mut deep = key;
        for _ in 0..5 {
            deep = AccountKey::Group(Group::new(1, vec![deep]).unwrap());
        }
        assert!(matches!(AccountKey::from_any(&deep.to_any()), Err(Error::Depth)));
    }
}
