//! Messages.

use geodesic_core::module::check_authority;
use geodesic_core::{Ctx, Event, TxError};
use geodesic_proto::cosmos::consensus::v1 as pb;
use geodesic_proto::json::to_json;
use geodesic_proto::tendermint::types::ConsensusParams;

use crate::keys::PARAMS;
use crate::rules::{validate, validate_enable_height};
use crate::vote_extensions_enable_height;

/// The SDK gives these errors no code of their own.
fn refuse(reason: impl ToString) -> TxError {
    TxError::new("undefined", 1, reason.to_string())
}

/// Replaces block, evidence and validator parameters, and the height of vote extensions if it is given.
pub(crate) fn update_params(
    ctx: &mut Ctx,
    msg: &pb::MsgUpdateParams,
) -> Result<pb::MsgUpdateParamsResponse, TxError> {
    check_authority(ctx, &msg.authority)?;
    if msg.block.is_none() || msg.evidence.is_none() || msg.validator.is_none() {
        return Err(refuse("all parameters must be present"));
    }
    let old = PARAMS.load(ctx)?;
    let new = ConsensusParams {
        block: msg.block,
        evidence: msg.evidence,
        validator: msg.validator.clone(),
        version: Some(old.version.unwrap_or_default()),
        abci: msg.abci.or(old.abci),
    };
    validate(&new).map_err(refuse)?;
    let heights = (vote_extensions_enable_height(&old), vote_extensions_enable_height(&new));
    validate_enable_height(heights.0, heights.1, ctx.block.height).map_err(refuse)?;
    PARAMS.set(ctx, &new)?;
    let shown = to_json(&new).map_err(refuse)?;
    ctx.emit(
        Event::new("update_consensus_params").attr("authority", &msg.authority).attr("parameters", shown),
    );
    Ok(pb::MsgUpdateParamsResponse {})
}
