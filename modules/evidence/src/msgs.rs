//! The message (`x/evidence/keeper/msg_server.go`).

use geodesic_core::{Ctx, Sdk};
use geodesic_proto::cosmos::evidence::v1beta1 as pb;

use crate::equivocation::{ROUTE, hash, unpack, validate};
use crate::errors::Error;
use crate::keys::EVIDENCE;

/// Refuses evidence, and says why.
pub(crate) fn submit(ctx: &Ctx, msg: &pb::MsgSubmitEvidence) -> Result<pb::MsgSubmitEvidenceResponse, Error> {
    ctx.account(&msg.submitter)
        .map_err(|e| Sdk::InvalidAddress.with(format_args!("invalid submitter address: {e}")))?;
    let given = msg.evidence.as_ref().filter(|any| !any.type_url.is_empty());
    let given = given.ok_or_else(|| Error::Invalid("missing evidence".to_owned()))?;
    let e = unpack(given).map_err(|e| Sdk::TxDecode.with(e))?;
    validate(&e).map_err(|e| Error::Invalid(format!("failed basic validation: {e}")))?;
    let hash = hash(&e);
    match EVIDENCE.get(ctx, &hash)? {
        Some(_) => Err(Error::Exists(hex::encode_upper(hash))),
        None => Err(Error::NoHandler(ROUTE)),
    }
}
