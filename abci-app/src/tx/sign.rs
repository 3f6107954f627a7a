//! The bytes that a signature covers.

use geodesic_auth::PubKey;
use geodesic_core::Address;
use geodesic_proto::amino_json;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::{SignDoc, SignDocDirectAux};
use geodesic_proto::prost::Message;

use super::decode::Tx;

/// Who signs, and for which chain.
#[derive(Debug, Clone, Copy)]
pub struct SignerData<'a> {
    /// The account.
    pub address: &'a Address,
    /// Its key.
    pub pub_key: &'a PubKey,
    /// Chain id.
    pub chain_id: &'a str,
    /// Number of the account, 0 at genesis.
    pub account_number: u64,
    /// Sequence that the signer claims: that of the account, or 0 in an unordered transaction.
    pub sequence: u64,
}

/// The bytes to sign in a mode ([`SignMode`]).
///
/// `SIGN_MODE_DIRECT`: `SignDoc{body_bytes, auth_info_bytes, chain_id, account_number}` over the bytes as they came.
/// `SIGN_MODE_DIRECT_AUX`: [`SignDocDirectAux`] without the fee, for signers other than the fee payer.
/// `SIGN_MODE_LEGACY_AMINO_JSON`: the JSON of the same things with sorted keys, see [`amino_json::sign_doc`].
///
/// # Errors
/// A text for other modes, for a fee payer who does not sign the fee, and for what amino JSON does not cover.
pub fn sign_bytes(mode: i32, signer: SignerData<'_>, tx: &Tx) -> Result<Vec<u8>, String> {
    match SignMode::try_from(mode) {
        Ok(SignMode::Direct) => Ok(SignDoc {
            body_bytes: tx.body_bytes.clone(),
            auth_info_bytes: tx.auth_info_bytes.clone(),
            chain_id: signer.chain_id.to_owned(),
            account_number: signer.account_number,
        }
        .encode_to_vec()),
        Ok(SignMode::DirectAux) => direct_aux(signer, tx),
        Ok(SignMode::LegacyAminoJson) => amino(signer, tx).map(String::into_bytes),
        Ok(other) => Err(format!("unsupported sign mode {}", other.as_str_name())),
        Err(_) => Err(format!("unsupported sign mode {mode}")),
    }
}

/// The fee payer's address is compared, not its text as in the SDK: a text in capitals names the same account.
fn direct_aux(signer: SignerData<'_>, tx: &Tx) -> Result<Vec<u8>, String> {
    if tx.fee_payer().map_err(|e| e.log)? == signer.address {
        return Err("the fee payer cannot sign with SIGN_MODE_DIRECT_AUX: unauthorized".to_owned());
    }
    // The tip, which the document could hold, is ignored since the SDK 0.50.
    Ok(SignDocDirectAux {
        body_bytes: tx.body_bytes.clone(),
        public_key: Some(signer.pub_key.to_any()),
        chain_id: signer.chain_id.to_owned(),
        account_number: signer.account_number,
        sequence: signer.sequence,
        ..SignDocDirectAux::default()
    }
    .encode_to_vec())
}

fn amino(signer: SignerData<'_>, tx: &Tx) -> Result<String, String> {
    if tx.has_non_critical {
        return Err("SIGN_MODE_LEGACY_AMINO_JSON does not cover unknown fields".to_owned());
    }
    let fee = tx.fee().map_err(|e| e.log)?;
    let (number, sequence) = (signer.account_number, signer.sequence);
    amino_json::sign_doc(signer.chain_id, number, sequence, &tx.body, fee).map_err(|e| e.to_string())
}
