//! Keys that may sign for an account, and the addresses they give.

use geodesic_core::Address;
use geodesic_core::address::hash20;
use geodesic_proto::any;
use geodesic_proto::cosmos::crypto::multisig::LegacyAminoPubKey;
use geodesic_proto::cosmos::crypto::{ed25519, secp256k1, secp256r1};
use geodesic_proto::prost::Name as _;
use geodesic_proto::prost::encoding::encode_varint;
use geodesic_proto::prost_types::Any;
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

/// Bytes of a compressed secp256k1 key.
pub const SECP256K1_LEN: usize = 33;
/// Bytes of a compressed secp256r1 key.
pub const SECP256R1_LEN: usize = 33;
/// Bytes of an ed25519 key.
pub const ED25519_LEN: usize = 32;
/// Deepest nesting of keys: a single one in a group in a group in a group.
pub const MAX_DEPTH: u32 = 4;
/// Most keys of one multisignature key, nested ones not counted.
pub const MAX_KEYS: usize = 100;

/// Amino's prefix of each kind of key: the first bytes of the SHA-256 of its registered name.
const AMINO_SECP256K1: [u8; 4] = [0xeb, 0x5a, 0xe9, 0x87];
const AMINO_ED25519: [u8; 4] = [0x16, 0x24, 0xde, 0x64];
const AMINO_MULTISIG: [u8; 4] = [0x22, 0xc1, 0xf7, 0xe2];

/// Why an `Any` is no key of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PubKeyError {
    /// A kind of key that accounts cannot have.
    #[error("public key type {0:?} is not supported")]
    Type(String),
    /// Its bytes are no such message.
    #[error("public key does not decode: {0}")]
    Decode(String),
    /// Not as many bytes as such a key has.
    #[error("invalid pubkey size: {len} bytes, expected {expected}")]
    Size {
        /// Bytes there.
        len: usize,
        /// Bytes that belong there.
        expected: usize,
    },
    /// Bytes that are no point of secp256r1.
    #[error("invalid pubkey: no compressed point of secp256r1")]
    Point,
    /// A threshold that can never, or always, be reached.
    #[error("multisignature threshold {threshold} of {keys} keys, allowed are 1 to {keys}")]
    Threshold {
        /// Signatures needed.
        threshold: u32,
        /// Keys there.
        keys: usize,
    },
    /// Too many keys.
    #[error("multisignature of {0} keys, allowed are {MAX_KEYS}")]
    Keys(usize),
    /// Multisignatures of multisignatures of ...
    #[error("multisignature keys nested deeper than {MAX_DEPTH}")]
    Depth,
}

/// A key that signs for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PubKey {
    /// Compressed point of secp256k1; whether it is on the curve shows when a signature is verified.
    Secp256k1([u8; SECP256K1_LEN]),
    /// Compressed point of secp256r1, on the curve. As in the SDK it cannot be a member of a multisignature: amino has no
    /// name for it.
    Secp256r1([u8; SECP256R1_LEN]),
    /// ed25519. It can be stored, but a transaction that it signs is refused, as in the SDK.
    Ed25519([u8; ED25519_LEN]),
    /// `threshold` of `keys`.
    Multisig {
        /// Signatures needed, 1 to the number of keys.
        threshold: u32,
        /// Keys, in the order that signatures refer to; the same one may be there twice.
        keys: Vec<PubKey>,
    },
}

impl PubKey {
    /// The key in an `Any`.
    ///
    /// # Errors
    /// [`PubKeyError`] names what is wrong with it.
    pub fn from_any(value: &Any) -> Result<Self, PubKeyError> {
        Self::nested(value, MAX_DEPTH)
    }

    fn nested(value: &Any, depth: u32) -> Result<Self, PubKeyError> {
        let decode = |e: any::Error| PubKeyError::Decode(e.to_string());
        let depth = depth.checked_sub(1).ok_or(PubKeyError::Depth)?;
        if value.type_url == any::type_url::<secp256k1::PubKey>() {
            let key: secp256k1::PubKey = any::unpack(value).map_err(decode)?;
            return Ok(Self::Secp256k1(sized(&key.key)?));
        }
        if value.type_url == any::type_url::<ed25519::PubKey>() {
            let key: ed25519::PubKey = any::unpack(value).map_err(decode)?;
            return Ok(Self::Ed25519(sized(&key.key)?));
        }
        if value.type_url == any::type_url::<secp256r1::PubKey>() && depth == MAX_DEPTH - 1 {
            let key: secp256r1::PubKey = any::unpack(value).map_err(decode)?;
            return secp256r1_point(&key.key);
        }
        if value.type_url != any::type_url::<LegacyAminoPubKey>() {
            return Err(PubKeyError::Type(value.type_url.clone()));
        }
        let key: LegacyAminoPubKey = any::unpack(value).map_err(decode)?;
        let (threshold, count) = (key.threshold, key.public_keys.len());
        if count > MAX_KEYS {
            return Err(PubKeyError::Keys(count));
        }
        if threshold == 0 || usize::try_from(threshold).map_or(true, |t| t > count) {
            return Err(PubKeyError::Threshold { threshold, keys: count });
        }
        let keys = key.public_keys.iter().map(|k| Self::nested(k, depth)).collect::<Result<_, _>>()?;
        Ok(Self::Multisig { threshold, keys })
    }

    /// The key as an `Any`, in the one encoding that is stored.
    pub fn to_any(&self) -> Any {
        match self {
            Self::Secp256k1(key) => any::pack(&secp256k1::PubKey { key: key.to_vec() }),
            Self::Secp256r1(key) => any::pack(&secp256r1::PubKey { key: key.to_vec() }),
            Self::Ed25519(key) => any::pack(&ed25519::PubKey { key: key.to_vec() }),
            Self::Multisig { threshold, keys } => any::pack(&LegacyAminoPubKey {
                threshold: *threshold,
                public_keys: keys.iter().map(Self::to_any).collect(),
            }),
        }
    }

    /// Address of the account that the key signs for.
    ///
    /// secp256k1: `RIPEMD-160(SHA-256(key))`; secp256r1: the 32 bytes of `SHA-256(SHA-256(type name) | key)` (ADR-028);
    /// ed25519: `SHA-256(key)[..20]`; multisignature: `SHA-256(amino encoding)[..20]`.
    pub fn address(&self) -> Address {
        match self {
            Self::Secp256k1(key) => {
                let hash: [u8; 20] = Ripemd160::digest(Sha256::digest(key)).into();
                Address::from(hash)
            }
            Self::Secp256r1(key) => {
                let name = Sha256::digest(secp256r1::PubKey::full_name());
                let hash: [u8; 32] = Sha256::new().chain_update(name).chain_update(key).finalize().into();
                Address::from(hash)
            }
            Self::Ed25519(key) => Address::from(hash20(key)),
            Self::Multisig { .. } => Address::from(hash20(&self.amino())),
        }
    }

    /// Amino's binary encoding; that of secp256r1, which has none, are its bytes.
    pub fn amino(&self) -> Vec<u8> {
        match self {
            Self::Secp256r1(key) => key.to_vec(),
            Self::Secp256k1(key) => with_length(&AMINO_SECP256K1, key),
            Self::Ed25519(key) => with_length(&AMINO_ED25519, key),
            Self::Multisig { threshold, keys } => {
                let mut out = [AMINO_MULTISIG.as_slice(), &[0x08]].concat();
                encode_varint(u64::from(*threshold), &mut out);
                for key in keys {
                    out.extend(with_length(&[0x12], &key.amino()));
                }
                out
            }
        }
    }

    /// How many signatures it may take: 1, or that of all keys of a multisignature.
    pub fn count(&self) -> usize {
        match self {
            Self::Secp256k1(_) | Self::Secp256r1(_) | Self::Ed25519(_) => 1,
            Self::Multisig { keys, .. } => keys.iter().map(Self::count).fold(0, usize::saturating_add),
        }
    }
}

fn secp256r1_point(bytes: &[u8]) -> Result<PubKey, PubKeyError> {
    let key: [u8; SECP256R1_LEN] = sized(bytes)?;
    // SEC1 has a third form of this length, which the SDK does not take.
    let compressed = matches!(key, [2 | 3, ..]);
    match p256::PublicKey::from_sec1_bytes(&key) {
        Ok(_) if compressed => Ok(PubKey::Secp256r1(key)),
        _ => Err(PubKeyError::Point),
    }
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], PubKeyError> {
    bytes.try_into().map_err(|_| PubKeyError::Size { len: bytes.len(), expected: N })
}

fn with_length(prefix: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut out = prefix.to_vec();
    encode_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), &mut out); // a usize has at most 64 bits
    out.extend_from_slice(bytes);
    out
}
