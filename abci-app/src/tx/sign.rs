//! The bytes that a signature covers.

use geodesic_core::Address;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::SignDoc;
use geodesic_proto::prost::Message;

use super::decode::Tx;

/// Who signs, and for which chain.
#[derive(Debug, Clone, Copy)]
pub struct SignerData<'a> {
    /// The account.
    pub address: &'a Address,
    /// Chain id.
    pub chain_id: &'a str,
    /// Number of the account, 0 at genesis.
    pub account_number: u64,
    /// Sequence of the account.
    pub sequence: u64,
}

/// The bytes to sign in a mode ([`SignMode`]).
///
/// `SIGN_MODE_DIRECT`: `SignDoc{body_bytes, auth_info_bytes, chain_id, account_number}` over the bytes as they came.
///
/// # Errors
/// A text for other modes.
pub fn sign_bytes(mode: i32, signer: SignerData<'_>, tx: &Tx) -> Result<Vec<u8>, String> {
    match SignMode::try_from(mode) {
        Ok(SignMode::Direct) => Ok(SignDoc {
            body_bytes: tx.body_bytes.clone(),
            auth_info_bytes: tx.auth_info_bytes.clone(),
            chain_id: signer.chain_id.to_owned(),
            account_number: signer.account_number,
        }
        .encode_to_vec()),
        Ok(other) => Err(format!("unsupported sign mode {}", other.as_str_name())),
        Err(_) => Err(format!("unsupported sign mode {mode}")),
    }
}
