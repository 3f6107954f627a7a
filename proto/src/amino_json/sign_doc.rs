//! The document that `SIGN_MODE_LEGACY_AMINO_JSON` signs.

use std::fmt::Write as _;

use super::{AminoError, any, rfc3339_nano, text};
use crate::cosmos::base::v1beta1::Coin;
use crate::cosmos::tx::v1beta1::{Fee, TxBody};

/// Why a transaction has no such document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignDocError {
    /// It would leave a part unsigned.
    #[error("SIGN_MODE_LEGACY_AMINO_JSON does not cover {0}")]
    NotCovered(&'static str),
    /// A timeout that is no time.
    #[error("timeout_timestamp is no time")]
    Time,
    /// A message without amino JSON.
    #[error("amino JSON of message {index}: {source}")]
    Message {
        /// Which message.
        index: usize,
        /// What is wrong.
        source: AminoError,
    },
}

/// `{"account_number","chain_id","fee":{"amount","gas","granter","payer"},"memo","msgs","sequence","timeout_height",
/// "timeout_timestamp","unordered"}`; granter, payer, timeouts and `unordered` only if they are set. Source: `StdSignDoc`
/// of the Cosmos SDK (`x/auth/migrations/legacytx`).
///
/// # Errors
/// [`SignDocError`]. Fields that the decoder did not know are the caller's to refuse.
pub fn sign_doc(
    chain_id: &str,
    account_number: u64,
    sequence: u64,
    body: &TxBody,
    fee: &Fee,
) -> Result<String, SignDocError> {
    if !(body.extension_options.is_empty() && body.non_critical_extension_options.is_empty()) {
        return Err(SignDocError::NotCovered("extension options"));
    }
    let message = |(index, message)| any(message).map_err(|source| SignDocError::Message { index, source });
    let messages = body.messages.iter().enumerate().map(message).collect::<Result<Vec<_>, _>>()?.join(",");
    let (fee, chain_id, memo) = (show_fee(fee), text(chain_id), text(&body.memo));
    let mut out = format!(
        "{{\"account_number\":\"{account_number}\",\"chain_id\":{chain_id},\"fee\":{fee},\"memo\":{memo},\"msgs\":[{messages}],\
         \"sequence\":\"{sequence}\""
    );
    if body.timeout_height > 0 {
        let _ = write!(out, ",\"timeout_height\":\"{}\"", body.timeout_height); // writing to a string cannot fail
    }
    if let Some(time) = &body.timeout_timestamp {
        let time = rfc3339_nano(time).ok_or(SignDocError::Time)?;
        let _ = write!(out, ",\"timeout_timestamp\":\"{time}\""); // as above
    }
    if body.unordered {
        out.push_str(",\"unordered\":true");
    }
    out.push('}');
    Ok(out)
}

fn show_fee(fee: &Fee) -> String {
    let coin = |coin: &Coin| {
        let amount = if coin.amount.is_empty() { "0" } else { &coin.amount };
        let denom = match coin.denom.as_str() {
            "" => String::new(),
            denom => format!(",\"denom\":{}", text(denom)),
        };
        format!("{{\"amount\":{}{denom}}}", text(amount))
    };
    let amount = fee.amount.iter().map(coin).collect::<Vec<_>>().join(",");
    let mut out = format!("{{\"amount\":[{amount}],\"gas\":\"{}\"", fee.gas_limit);
    for (name, value) in [("granter", &fee.granter), ("payer", &fee.payer)] {
        if !value.is_empty() {
            let _ = write!(out, ",\"{name}\":{}", text(value)); // as above
        }
    }
    out.push('}');
    out
}
