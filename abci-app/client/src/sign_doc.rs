//! The bytes that a signature covers, by sign mode.

use std::fmt::Write as _;
use std::str::FromStr;

use geodesic_proto::amino_json::{self, AminoError};
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, Fee, SignDoc, Tx, TxBody};
use prost::Message as _;

use crate::tx::Place;

/// How a transaction is turned into the bytes that are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `SIGN_MODE_DIRECT`: the protobuf encoding.
    Direct,
    /// `SIGN_MODE_LEGACY_AMINO_JSON`: sorted JSON, which groups and hardware wallets sign.
    AminoJson,
}

/// Why there is nothing to sign.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A mode that is not offered.
    #[error("sign mode {0:?} is not available; use direct or amino-json")]
    Mode(String),
    /// Settings that amino JSON has no words for.
    #[error("amino-json does not cover {0}; use --sign-mode direct")]
    NotCovered(&'static str),
    /// A message without amino JSON.
    #[error("amino JSON of message {index}: {source}")]
    Amino {
        /// Which message.
        index: usize,
        /// What is wrong.
        source: AminoError,
    },
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "direct" => Ok(Self::Direct),
            "amino-json" => Ok(Self::AminoJson),
            other => Err(Error::Mode(other.chars().take(32).collect())),
        }
    }
}

impl Mode {
    /// Its number in transactions.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Direct => SignMode::Direct.into(),
            Self::AminoJson => SignMode::LegacyAminoJson.into(),
        }
    }

    /// The mode of a number in a transaction.
    ///
    /// # Errors
    /// [`Error::Mode`].
    pub fn from_number(number: i32) -> Result<Self, Error> {
        match SignMode::try_from(number) {
            Ok(SignMode::Direct) => Ok(Self::Direct),
            Ok(SignMode::LegacyAminoJson) => Ok(Self::AminoJson),
            Ok(other) => Err(Error::Mode(other.as_str_name().to_owned())),
            Err(_) => Err(Error::Mode(number.to_string())),
        }
    }

    /// What is signed. A direct signature also covers the signers that stand in the transaction.
    ///
    /// # Errors
    /// [`Error::NotCovered`], [`Error::Amino`].
    pub fn sign_bytes(self, tx: &Tx, place: Place<'_>) -> Result<Vec<u8>, Error> {
        let body = tx.body.clone().unwrap_or_default();
        let auth_info = tx.auth_info.clone().unwrap_or_default();
        match self {
            Self::Direct => Ok(SignDoc {
                body_bytes: body.encode_to_vec(),
                auth_info_bytes: auth_info.encode_to_vec(),
                chain_id: place.chain_id.to_owned(),
                account_number: place.account_number,
            }
            .encode_to_vec()),
            Self::AminoJson => amino(&body, &auth_info, place).map(String::into_bytes),
        }
    }
}

/// Sorted keys, numbers as text; payer, granter and the height only if they are set.
fn amino(body: &TxBody, auth_info: &AuthInfo, place: Place<'_>) -> Result<String, Error> {
    for (is_set, what) in [
        (!body.extension_options.is_empty(), "extension options"),
        (!body.non_critical_extension_options.is_empty(), "extension options"),
        (body.unordered, "unordered transactions"),
        (body.timeout_timestamp.is_some(), "a timeout timestamp"),
    ] {
        if is_set {
            return Err(Error::NotCovered(what));
        }
    }
    let message = |(index, any)| amino_json::any(any).map_err(|source| Error::Amino { index, source });
    let messages = body.messages.iter().enumerate().map(message).collect::<Result<Vec<_>, _>>()?.join(",");
    let fee = amino_fee(&auth_info.fee.clone().unwrap_or_default());
    let (chain_id, memo) = (amino_json::text(place.chain_id), amino_json::text(&body.memo));
    let mut out = format!(
        "{{\"account_number\":\"{}\",\"chain_id\":{chain_id},\"fee\":{fee},\"memo\":{memo},\"msgs\":[{messages}],\"sequence\":\"{}\"",
        place.account_number, place.sequence
    );
    if body.timeout_height > 0 {
        let _ = write!(out, ",\"timeout_height\":\"{}\"", body.timeout_height); // writing to a string cannot fail
    }
    out.push('}');
    Ok(out)
}

fn amino_fee(fee: &Fee) -> String {
    let coin = |coin: &Coin| {
        let amount = if coin.amount.is_empty() { "0" } else { &coin.amount };
        let denom = match coin.denom.as_str() {
            "" => String::new(),
            denom => format!(",\"denom\":{}", amino_json::text(denom)),
        };
        format!("{{\"amount\":{}{denom}}}", amino_json::text(amount))
    };
    let amount = fee.amount.iter().map(coin).collect::<Vec<_>>().join(",");
    let mut out = format!("{{\"amount\":[{amount}],\"gas\":\"{}\"", fee.gas_limit);
    for (name, value) in [("granter", &fee.granter), ("payer", &fee.payer)] {
        if !value.is_empty() {
            let _ = write!(out, ",\"{name}\":{}", amino_json::text(value)); // as above
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_by_name_and_number() {
        for mode in [Mode::Direct, Mode::AminoJson] {
            assert_eq!(Mode::from_number(mode.number()).unwrap(), mode);
        }
        assert!("textual".parse::<Mode>().unwrap_err().to_string().contains("use direct or amino-json"));
        assert!(Mode::from_number(2).unwrap_err().to_string().contains("SIGN_MODE_TEXTUAL"));
    }

    #[test]
    fn amino_refuses_what_it_would_leave_unsigned() {
        let place = Place { chain_id: "c", account_number: 0, sequence: 0 };
        let mut tx = Tx { body: Some(TxBody::default()), ..Tx::default() };
        assert!(Mode::AminoJson.sign_bytes(&tx, place).is_ok());
        tx.body.as_mut().unwrap().unordered = true;
        assert!(Mode::AminoJson.sign_bytes(&tx, place).unwrap_err().to_string().contains("unordered"));
        assert!(Mode::Direct.sign_bytes(&tx, place).is_ok());
    }
}
