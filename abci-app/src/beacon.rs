//! Vote extensions and the transaction that carries them into the next block (DESIGN 6.2).

use bytes::Bytes;
use geodesic_core::{Ctx, StateError, TxError};
use geodesic_proto::cosmos::tx::v1beta1::{TxBody, TxRaw};
use geodesic_proto::geodesic::seeds::v1::MsgBeacon;
use geodesic_proto::prost::Message;
use geodesic_proto::tendermint::types::ConsensusParams;
use geodesic_proto::{any, strict};
use geodesic_seeds::Proofs;
use tendermint_proto::v0_38::abci::{ExecTxResult, ExtendedCommitInfo};

use crate::wiring;

/// Whether the block of `height` begins with a beacon transaction: always after a height whose votes carry extensions.
pub(crate) fn is_due(ctx: &Ctx, params: &ConsensusParams, height: u64) -> Result<bool, StateError> {
    let enabled = geodesic_consensus::vote_extensions_enable_height(params);
    Ok(enabled != 0 && height > enabled.max(ctx.block.initial_height) && wiring::is_compute(ctx)?)
}

/// The transaction: a `TxRaw` whose body holds the message, without signer, fee or signature.
pub(crate) fn encode(msg: &MsgBeacon) -> Vec<u8> {
    let body = TxBody { messages: vec![any::pack(msg)], ..TxBody::default() };
    TxRaw { body_bytes: body.encode_to_vec(), ..TxRaw::default() }.encode_to_vec()
}

/// The message of a transaction that is just what [`encode`] makes of it.
pub(crate) fn decode(tx: &[u8]) -> Option<MsgBeacon> {
    let raw = TxRaw::decode(tx).ok()?;
    strict::reject_unknown_fields(&raw.body_bytes, "cosmos.tx.v1beta1.TxBody", strict::Policy::Strict)
        .ok()?;
    let body = TxBody::decode(raw.body_bytes.as_slice()).ok()?;
    let msg = match body.messages.as_slice() {
        [message] => any::unpack::<MsgBeacon>(message).ok()?,
        _ => return None,
    };
    (encode(&msg) == tx).then_some(msg)
}

/// Writes the beacon of the block. Returns the result of the block's first transaction if that is a beacon's place.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn begin(
    ctx: &mut Ctx,
    params: &ConsensusParams,
    first: Option<&Bytes>,
) -> Result<Option<ExecTxResult>, StateError> {
    if !wiring::is_compute(ctx)? {
        geodesic_seeds::advance(ctx, None)?;
        return Ok(None);
    }
    if !is_due(ctx, params, ctx.block.height)? {
        geodesic_seeds::advance(ctx, None)?;
        return Ok(None);
    }
    let msg = first.and_then(|tx| decode(tx));
    geodesic_seeds::advance(ctx, msg.as_ref())?;
    let result = match (&msg, first) {
        (Some(_), _) => ExecTxResult::default(),
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            let e: TxError = geodesic_seeds::Error::InvalidBeacon("it does not decode".to_owned()).into();
            let (code, codespace, log) = crate::convert::error(Some(e));
            ExecTxResult { code, codespace, log, ..ExecTxResult::default() }
        }
    };
    Ok(Some(result))
}

/// What this node's vote for the height after the context's carries: the VRF proof, or nothing without a key.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn extension(ctx: &Ctx, secret: Option<&[u8; 32]>, height: u64) -> Result<Vec<u8>, StateError> {
    if !wiring::is_compute(ctx)? {
        return Ok(Vec::new());
    }
    let Some(secret) = secret.and_then(|s| Option::from(vrf_r255::SecretKey::from_bytes(*s))) else {
        return Ok(Vec::new());
    };
    let secret: vrf_r255::SecretKey = secret;
    // At the first height the context is of none; an imported state has the beacon of the height before.
    let before = geodesic_seeds::beacon(ctx, height.saturating_sub(1))?.unwrap_or_default();
    let input = geodesic_seeds::extension_input(&ctx.block.chain_id, height, &before);
    Ok(secret.prove(&input).to_bytes().to_vec())
}

/// The validators of the set of the context's height with the keys in force then.
fn proofs(ctx: &Ctx) -> Result<Proofs, StateError> {
    let height = ctx.block.height;
    let mut set = Proofs::new();
    for member in geodesic_staking::validator_set_at(ctx, height)? {
        let Some(operator) = member.operator.as_20() else { continue };
        // A member without a key has power that no proof can show; it counts in the total.
        let key = geodesic_seeds::key_in_force(ctx, &operator, height)?.unwrap_or_default();
        set.insert(member.consensus(), (key, member.power));
    }
    Ok(set)
}

/// The beacon transaction of a proposer for the block after the context's.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn propose(ctx: &Ctx, commit: Option<&ExtendedCommitInfo>) -> Result<Vec<u8>, StateError> {
    let votes = commit.map(|c| c.votes.as_slice()).unwrap_or_default();
    let extensions: Vec<(Vec<u8>, Vec<u8>)> = votes
        .iter()
        .filter_map(|v| Some((v.validator.as_ref()?.address.to_vec(), v.vote_extension.to_vec())))
        .collect();
    geodesic_seeds::collect(ctx, &proofs(ctx)?, &extensions).map(|msg| encode(&msg))
}

/// Checks a proposal's beacon transaction for the block after the context's.
///
/// # Errors
/// What is wrong with it, or the state's failure.
pub(crate) fn check(ctx: &Ctx, tx: Option<&Bytes>) -> Result<(), TxError> {
    let msg = tx.and_then(|tx| decode(tx));
    let msg =
        msg.ok_or_else(|| geodesic_seeds::Error::InvalidBeacon("the first transaction is none".to_owned()))?;
    Ok(geodesic_seeds::check_proofs(ctx, &proofs(ctx)?, &msg)?)
}
