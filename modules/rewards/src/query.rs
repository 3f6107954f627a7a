//! Queries.

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::page::paginate;
use geodesic_core::{Coin, Ctx, Int, QueryError};
use geodesic_proto::geodesic::rewards::v1 as pb;

use crate::keys::{BY_EPOCH, EPOCH, PARAMS, SHARE};
use crate::settle::load_params;

/// Answers `/geodesic.rewards.v1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next() {
        Some("Params") => answer(request, |_: pb::QueryParamsRequest| {
            Ok(pb::QueryParamsResponse { params: Some(PARAMS.load(ctx)?) })
        }),
        Some("Epoch") => answer(request, |r| epoch(ctx, &r)),
        Some("Claimable") => answer(request, |r| claimable(ctx, &r)),
        Some("History") => answer(request, |r: pb::QueryHistoryRequest| {
            let participant = participant(ctx, &r.participant)?;
            let (shares, page) =
                paginate(ctx, &SHARE, &participant, r.pagination.as_ref(), |_, share| Ok(Some(share)))?;
            Ok(pb::QueryHistoryResponse { shares, pagination: Some(page) })
        }),
        _ => Err(unknown_method(path)),
    }
}

fn participant(ctx: &Ctx, text: &str) -> Result<[u8; 20], QueryError> {
    let address =
        ctx.account(text).map_err(|e| QueryError::InvalidArgument(format!("participant {text:?}: {e}")))?;
    address
        .as_20()
        .ok_or_else(|| QueryError::InvalidArgument(format!("participant {text:?} is not 20 bytes")))
}

fn epoch(ctx: &Ctx, r: &pb::QueryEpochRequest) -> Result<pb::QueryEpochResponse, QueryError> {
    let reward = EPOCH
        .get(ctx, &r.epoch)?
        .ok_or_else(|| QueryError::NotFound(format!("epoch {} is not settled", r.epoch)))?;
    let (shares, page) = paginate(ctx, &BY_EPOCH, &r.epoch, r.pagination.as_ref(), |(epoch, who), ()| {
        Ok(SHARE.get(ctx, &(who, epoch))?)
    })?;
    Ok(pb::QueryEpochResponse { reward: Some(reward), shares, pagination: Some(page) })
}

fn claimable(ctx: &Ctx, r: &pb::QueryClaimableRequest) -> Result<pb::QueryClaimableResponse, QueryError> {
    let participant = participant(ctx, &r.participant)?;
    let (shares, page) = paginate(ctx, &SHARE, &participant, r.pagination.as_ref(), |(_, epoch), share| {
        let open = EPOCH.get(ctx, &epoch)?.is_some_and(|e| e.claim_height <= ctx.block.height);
        Ok((open && share.claimed_at == 0).then_some(share))
    })?;
    let mut sum = Int::ZERO;
    for share in &shares {
        let amount = share.amount.parse::<Int>().ok().and_then(|a| sum.checked_add(a).ok());
        sum = amount.ok_or_else(|| {
            QueryError::Internal(format!("reward {:?} of epoch {}", share.amount, share.epoch))
        })?;
    }
    let total = Coin { denom: load_params(ctx)?.denom().to_owned(), amount: sum };
    let total = if sum.is_zero() { Vec::new() } else { vec![(&total).into()] };
    Ok(pb::QueryClaimableResponse { shares, total, pagination: Some(page) })
}
