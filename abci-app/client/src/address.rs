//! Bech32 addresses of accounts, validators and consensus keys.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};

/// Most bytes of an address.
pub const MAX_LEN: usize = 255;

/// What an address names; decides what follows the chain's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `geo1...`
    Account,
    /// `geovaloper1...`
    Validator,
    /// `geovalcons1...`
    Consensus,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not bech32.
    #[error("address {text:?} is not bech32: {reason}")]
    Bech32 {
        /// At most 96 characters of it.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// Another chain's or another kind's.
    #[error("address {text} begins with {got}, expected {expected}")]
    Prefix {
        /// The address.
        text: String,
        /// The prefix found.
        got: String,
        /// The prefix that belongs here.
        expected: String,
    },
    /// Not as long as needed.
    #[error("address {text} has {got} bytes, expected {expected}")]
    Length {
        /// The address.
        text: String,
        /// Bytes found.
        got: usize,
        /// Bytes that belong here.
        expected: &'static str,
    },
    /// A prefix that bech32 does not allow.
    #[error("bech32 prefix {0:?} is invalid")]
    InvalidPrefix(String),
}

impl Kind {
    /// The full prefix on a chain whose accounts begin with `prefix`.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> String {
        let suffix = match self {
            Self::Account => "",
            Self::Validator => "valoper",
            Self::Consensus => "valcons",
        };
        format!("{prefix}{suffix}")
    }

    /// The address as text on a chain whose accounts begin with `prefix`.
    ///
    /// # Errors
    /// [`Error::InvalidPrefix`].
    pub fn encode(self, prefix: &str, bytes: &[u8]) -> Result<String, Error> {
        encode(&self.prefix(prefix), bytes)
    }

    /// The bytes of an address of this kind on a chain whose accounts begin with `prefix`.
    ///
    /// # Errors
    /// [`Error`] names the address and what is wrong with it.
    pub fn decode(self, prefix: &str, text: &str) -> Result<Vec<u8>, Error> {
        let (got, bytes) = decode(text)?;
        let expected = self.prefix(prefix);
        if got == expected { Ok(bytes) } else { Err(Error::Prefix { text: text.to_owned(), got, expected }) }
    }

    /// [`Kind::decode`] of an address of 20 bytes, as every key has.
    ///
    /// # Errors
    /// [`Error`] names the address and what is wrong with it.
    pub fn decode_20(self, prefix: &str, text: &str) -> Result<[u8; 20], Error> {
        let bytes = self.decode(prefix, text)?;
        let got = bytes.len();
        bytes.try_into().map_err(|_| Error::Length { text: text.to_owned(), got, expected: "20" })
    }
}

/// Bytes as bech32 with this full prefix.
///
/// # Errors
/// [`Error::InvalidPrefix`].
pub fn encode(full_prefix: &str, bytes: &[u8]) -> Result<String, Error> {
    let invalid = || Error::InvalidPrefix(full_prefix.chars().take(96).collect());
    let hrp = Hrp::parse(full_prefix).map_err(|_| invalid())?;
    let mut text = String::new();
    bech32::encode_lower_to_fmt::<Bech32, _>(&mut text, hrp, bytes).map_err(|_| invalid())?;
    Ok(text)
}

/// Full prefix and bytes of a bech32 text (not bech32m).
///
/// # Errors
/// [`Error::Bech32`], [`Error::Length`] for none or more than [`MAX_LEN`] bytes.
pub fn decode(text: &str) -> Result<(String, Vec<u8>), Error> {
    let shown = || text.chars().take(96).collect::<String>();
    let checked = CheckedHrpstring::new::<Bech32>(text)
        .map_err(|error| Error::Bech32 { text: shown(), reason: error.to_string() })?;
    let bytes: Vec<u8> = checked.byte_iter().collect();
    match bytes.len() {
        1..=MAX_LEN => Ok((checked.hrp().to_lowercase(), bytes)),
        got => Err(Error::Length { text: shown(), got, expected: "1 to 255" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_stand_for_each_other() {
        let text = Kind::Validator.encode("geo", &[7; 20]).unwrap();
        assert!(text.starts_with("geovaloper1"), "{text}");
        assert_eq!(Kind::Validator.decode_20("geo", &text).unwrap(), [7; 20]);
        let wrong = Kind::Account.decode("geo", &text).unwrap_err();
        assert!(matches!(wrong, Error::Prefix { ref expected, .. } if expected == "geo"), "{wrong}");
        let long = Kind::Account.encode("geo", &[1; 32]).unwrap();
        assert!(matches!(Kind::Account.decode_20("geo", &long), Err(Error::Length { got: 32, .. })));
        assert!(matches!(decode("geo1x"), Err(Error::Bech32 { .. })));
        assert!(matches!(encode("", &[1]), Err(Error::InvalidPrefix(_))));
    }
}
