//! Messages.

use geodesic_core::module::check_authority;
use geodesic_core::{Coin, Ctx, Event, Int, StateError, TxError};
use geodesic_proto::geodesic::rewards::v1 as pb;

use crate::errors::Error;
use crate::events::EventRewardClaimed;
use crate::keys::{EPOCH, PARAMS, SHARE};
use crate::params::Params;
use crate::ports::Ports;
use crate::settle::load_params;

/// Epochs in one claim at most.
const EPOCHS_MAX: usize = 100;

/// Replaces the parameters.
pub(crate) fn update_params(
    ctx: &mut Ctx,
    msg: &pb::MsgUpdateParams,
) -> Result<pb::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let params = msg.params.clone().ok_or_else(|| Error::InvalidParams("params are missing".to_owned()))?;
    PARAMS.set(ctx, &Params::try_from(params)?.into())?;
    Ok(pb::MsgUpdateParamsResponse {})
}

/// Stateless checks of a claim.
pub(crate) fn check_epochs(msg: &pb::MsgClaim) -> Result<(), Error> {
    let n = msg.epochs.len();
    if n == 0 || n > EPOCHS_MAX {
        return Err(Error::InvalidEpochs(format!("{n} epochs, allowed are 1 to {EPOCHS_MAX}")));
    }
    if !msg.epochs.is_sorted_by(|a, b| a < b) {
        return Err(Error::InvalidEpochs("they do not ascend".to_owned()));
    }
    Ok(())
}

/// Pays the participant, whoever sends. Of several epochs, all can be claimed or none is.
pub(crate) fn claim(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgClaim,
) -> Result<pb::MsgClaimResponse, Error> {
    check_epochs(msg)?;
    let sender = ctx.account(&msg.sender).map_err(TxError::from)?;
    let address = ctx.account(&msg.participant).map_err(TxError::from)?;
    let not_allowed = || Error::NotAllowed(msg.sender.clone());
    let participant = address.as_20().ok_or_else(not_allowed)?;
    if !ports.may_act_for(ctx, &sender, &participant)? {
        return Err(not_allowed());
    }
    let mut shares = Vec::new();
    let mut total = Int::ZERO;
    for epoch in &msg.epochs {
        let (share, amount) = claimable(ctx, &participant, *epoch)?;
        total = total.checked_add(amount).map_err(|_| StateError::Invariant("sum of rewards".to_owned()))?;
        shares.push(share);
    }
    let coin = Coin { denom: load_params(ctx)?.denom().to_owned(), amount: total };
    for mut share in shares {
        share.claimed_at = ctx.block.height;
        SHARE.set(ctx, &(participant, share.epoch), &share)?;
        let (epoch, amount) = (share.epoch, share.amount);
        ctx.emit(Event::typed(&EventRewardClaimed { participant: share.participant, epoch, amount }));
    }
    ports.pay(ctx, &address, &coin)?;
    Ok(pb::MsgClaimResponse { amount: vec![(&coin).into()] })
}

fn claimable(ctx: &Ctx, participant: &[u8; 20], epoch: u64) -> Result<(pb::Share, Int), Error> {
    let share = SHARE.get(ctx, &(*participant, epoch))?.ok_or(Error::NoReward(epoch))?;
    let from = EPOCH.get(ctx, &epoch)?.map_or(u64::MAX, |e| e.claim_height);
    if ctx.block.height < from {
        return Err(Error::EpochOpen(epoch, from));
    }
    if share.claimed_at > 0 {
        return Err(Error::AlreadyClaimed(epoch, share.claimed_at));
    }
    let amount =
        share.amount.parse().map_err(|_| StateError::Invariant(format!("reward {:?}", share.amount)))?;
    Ok((share, amount))
}
