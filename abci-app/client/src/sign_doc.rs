//! The bytes that a signature covers, by sign mode.

use std::str::FromStr;

use geodesic_proto::amino_json;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::{SignDoc, Tx};
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
    /// What amino JSON has no words for.
    #[error("{0}; use --sign-mode direct")]
    Amino(#[from] amino_json::SignDocError),
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
    /// [`Error::Amino`].
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
            Self::AminoJson => {
                let fee = auth_info.fee.unwrap_or_default();
                let Place { chain_id, account_number, sequence } = place;
                let text = amino_json::sign_doc(chain_id, account_number, sequence, &body, &fee)?;
                Ok(text.into_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geodesic_proto::cosmos::tx::v1beta1::TxBody;
    use geodesic_proto::prost_types::Any;

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
        let mut tx = Tx { body: Some(TxBody { unordered: true, ..TxBody::default() }), ..Tx::default() };
        let text = String::from_utf8(Mode::AminoJson.sign_bytes(&tx, place).unwrap()).unwrap();
        assert!(text.ends_with(r#","unordered":true}"#), "{text}");
        tx.body.as_mut().unwrap().extension_options.push(Any::default());
        let error = Mode::AminoJson.sign_bytes(&tx, place).unwrap_err().to_string();
        assert!(error.contains("extension options; use --sign-mode direct"), "{error}");
        assert!(Mode::Direct.sign_bytes(&tx, place).is_ok());
    }
}
