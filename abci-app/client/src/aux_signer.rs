//! What a signer hands to whoever pays the fee: `AuxSignerData`.

use geodesic_proto::amino_json;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::{AuxSignerData, Fee, SignDocDirectAux, TxBody};
use prost::Message as _;

use crate::key::SecretKey;
use crate::sign_doc;
use crate::tx::Place;

/// A body signed by one who does not pay: with `SIGN_MODE_DIRECT_AUX`, or in amino JSON over no fee at all.
///
/// # Errors
/// [`sign_doc::Error::Amino`].
pub fn aux_signer_data(
    key: &SecretKey,
    address: &str,
    body: &TxBody,
    amino_json: bool,
    place: Place<'_>,
) -> Result<AuxSignerData, sign_doc::Error> {
    let Place { chain_id, account_number, sequence } = place;
    let doc = SignDocDirectAux {
        body_bytes: body.encode_to_vec(),
        public_key: Some(key.public().to_any()),
        chain_id: chain_id.to_owned(),
        account_number,
        sequence,
        ..SignDocDirectAux::default()
    };
    let (mode, bytes) = match amino_json {
        true => {
            let text = amino_json::sign_doc(chain_id, account_number, sequence, body, &Fee::default())?;
            (SignMode::LegacyAminoJson, text.into_bytes())
        }
        false => (SignMode::DirectAux, doc.encode_to_vec()),
    };
    Ok(AuxSignerData {
        address: address.to_owned(),
        sign_doc: Some(doc),
        mode: mode.into(),
        sig: key.sign(&bytes).to_vec(),
    })
}
