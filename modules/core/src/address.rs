//! Account addresses: bytes in state, bech32 on the wire.

use std::borrow::Cow;

use bech32::primitives::checksum::{Checksum as _, Engine};
use bech32::primitives::iter::Fe32IterExt as _;
use bech32::{Bech32, Fe32, Hrp};
use sha2::{Digest, Sha256};

/// Most bytes an address may have (`types/address.go`).
pub const MAX_LEN: usize = 255;

/// Address of a module's account: the first 20 bytes of `SHA-256(name)` (`x/auth/types.NewModuleAddress`).
pub fn module_address(name: &str) -> Address {
    Address::from(hash20(name.as_bytes()))
}

/// The first 20 bytes of the SHA-256 of `bytes`: the address of an ed25519 key (`crypto/tmhash.SumTruncated`).
pub fn hash20(bytes: &[u8]) -> [u8; 20] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut out = [0; 20];
    out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    out
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("empty address string is not allowed")]
    Empty,
    /// Not bech32.
    #[error("decoding bech32 failed: {0}")]
    Bech32(String),
    /// Another chain's or another kind's.
    #[error("hrp does not match bech32 prefix: expected '{expected}' got '{got}': internal logic error")]
    Prefix {
        /// The prefix that belongs here.
        expected: String,
        /// The prefix found.
        got: String,
    },
    /// Too long or empty.
    #[error("{}: unknown address", if *.0 == 0 { "addresses cannot be empty".to_owned() } else { format!("address max length is 255, got {}", .0) })]
    Length(usize),
}

/// Bytes of an account, 20 for keys, 32 for derived accounts, at most [`MAX_LEN`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(Vec<u8>);

impl Address {
    /// An address of these bytes.
    ///
    /// # Errors
    /// [`AddressError::Length`] if there are none or more than [`MAX_LEN`].
    pub fn try_new(bytes: impl Into<Vec<u8>>) -> Result<Self, AddressError> {
        let bytes = bytes.into();
        match bytes.len() {
            1..=MAX_LEN => Ok(Self(bytes)),
            n => Err(AddressError::Length(n)),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes if there are just 20, as every key's address has.
    pub fn as_20(&self) -> Option<[u8; 20]> {
        self.0.as_slice().try_into().ok()
    }

    /// The address that a text with this prefix means.
    ///
    /// # Errors
    /// [`AddressError`] names what is wrong with it.
    pub fn from_bech32(prefix: &str, text: &str) -> Result<Self, AddressError> {
        if text.trim().is_empty() {
            return Err(AddressError::Empty);
        }
        let (hrp, bytes) = decode(text)?;
        if hrp != prefix {
            return Err(AddressError::Prefix { expected: prefix.to_owned(), got: hrp });
        }
        Self::try_new(bytes)
    }

    /// The address as text with this prefix; empty if the prefix is no bech32 prefix.
    pub fn to_bech32(&self, prefix: &str) -> String {
        let Ok(hrp) = Hrp::parse(prefix) else { return String::new() };
        let mut text = String::new();
        match bech32::encode_lower_to_fmt::<Bech32, _>(&mut text, hrp, &self.0) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

impl From<[u8; 32]> for Address {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<[u8; 20]> for Address {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes.to_vec())
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Most characters of a bech32 text: addresses may exceed BIP-173's 90.
const MAX_TEXT: usize = 1023;

/// Prefix and bytes of a bech32 text (not bech32m) of up to 1023 characters. Every address has one text, but for its case.
///
/// # Errors
/// [`AddressError::Bech32`] says what is wrong, in the SDK's words.
pub fn decode(text: &str) -> Result<(String, Vec<u8>), AddressError> {
    decode_text(text).map_err(AddressError::Bech32)
}

fn decode_text(text: &str) -> Result<(String, Vec<u8>), String> {
    if !(8..=MAX_TEXT).contains(&text.len()) {
        return Err(format!("invalid bech32 string length {}", text.len()));
    }
    let (mut lower, mut upper) = (false, false);
    for byte in text.bytes() {
        if !(33..=126).contains(&byte) {
            return Err(format!("invalid character in string: '{}'", char::from(byte)));
        }
        lower |= byte.is_ascii_lowercase();
        upper |= byte.is_ascii_uppercase();
        if lower && upper {
            return Err("string not all lowercase or all uppercase".to_owned());
        }
    }
    let text = if upper { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) };
    let (prefix, data) = match text.rsplit_once('1') {
        Some((prefix, data)) if !prefix.is_empty() && data.len() >= CHECKSUM => (prefix, data),
        Some((prefix, _)) => return Err(format!("invalid separator index {}", prefix.len())),
        None => return Err("invalid separator index -1".to_owned()),
    };
    let read = |c| {
        Fe32::from_char(c).map_err(|_| format!("invalid character not part of charset: {}", u32::from(c)))
    };
    let values = data.chars().map(read).collect::<Result<Vec<_>, _>>()?;
    let hrp = Hrp::parse(prefix).map_err(|e| e.to_string())?;
    // Every account that is read passes here: nothing is written anew to compare it.
    let mut engine = Engine::<Bech32>::new();
    engine.input_hrp(hrp);
    values.iter().for_each(|value| engine.input_fe(*value));
    let (values, _) = values.split_at_checked(values.len().saturating_sub(CHECKSUM)).unwrap_or_default();
    if *engine.residue() != Bech32::TARGET_RESIDUE {
        let right: String = values.iter().copied().with_checksum::<Bech32>(&hrp).chars().collect();
        let checksum =
            |text: &str| text.get(text.len().saturating_sub(CHECKSUM)..).unwrap_or_default().to_owned();
        return Err(format!("invalid checksum (expected {} got {})", checksum(&right), checksum(&text)));
    }
    // Bits that fill no byte: fewer than a value has, and none is set.
    let left = values.len().saturating_mul(5) % 8;
    let filled = values.last().map_or(0, |value| value.to_u8()) & !(u8::MAX << left);
    if left >= 5 || filled != 0 {
        return Err("invalid incomplete group".to_owned());
    }
    Ok((prefix.to_owned(), values.iter().copied().fes_to_bytes().collect()))
}

/// Characters of a checksum.
const CHECKSUM: usize = 6;
