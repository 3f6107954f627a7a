//! Votes of the last commit, and what they lead to (`x/slashing/keeper/infractions.go`).

use geodesic_core::{Address, Ctx, Overflow, StateError};
use geodesic_proto::cosmos::slashing::v1beta1::ValidatorSigningInfo;

use crate::hooks::new_info;
use crate::keys::{SIGNING_INFO, len};
use crate::params::Params;
use crate::ports::Ports;
use crate::{bitmap, events, time};

/// A validator's part in the last commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Consensus address.
    pub consensus: Address,
    /// Power at the block that the commit is of.
    pub power: u64,
    /// Whether it voted, be it for nil: the flag is not `BLOCK_ID_FLAG_ABSENT`.
    pub signed: bool,
}

/// Counts who signed, and slashes and jails whoever missed too much. Once a block, with all votes of its last commit.
///
/// # Errors
/// [`StateError`] if the disk fails or the books are wrong.
pub fn handle_votes(ctx: &mut Ctx, ports: &dyn Ports, votes: &[Vote]) -> Result<(), StateError> {
    let params = Params::load(ctx)?;
    votes.iter().try_for_each(|vote| handle_vote(ctx, ports, &params, vote))
}

fn overflow(e: Overflow) -> StateError {
    StateError::Invariant(e.to_string())
}

fn info(ctx: &Ctx, consensus: &Address) -> Result<ValidatorSigningInfo, StateError> {
    match SIGNING_INFO.get(ctx, &len(consensus))? {
        Some(info) => Ok(info),
        None => new_info(ctx, consensus).map_err(overflow),
    }
}

fn handle_vote(ctx: &mut Ctx, ports: &dyn Ports, params: &Params, vote: &Vote) -> Result<(), StateError> {
    let (consensus, missed) = (&vote.consensus, !vote.signed);
    let Some(validator) = ports.validator_by_consensus(ctx, consensus)? else {
        tracing::warn!(?consensus, "vote of a validator that is not there any more: skipped");
        return Ok(());
    };
    if validator.jailed {
        return Ok(());
    }
    let mut info = info(ctx, consensus)?;
    let offset = u64::try_from(info.index_offset).unwrap_or_default();
    let index = offset.checked_rem(params.signed_blocks_window).unwrap_or_default();
    info.index_offset = info.index_offset.saturating_add(1);
    if bitmap::record(ctx, consensus, index, missed)? {
        let change = if missed { 1 } else { -1 };
        info.missed_blocks_counter = info.missed_blocks_counter.saturating_add(change);
    }
    if missed {
        events::liveness(ctx, consensus, info.missed_blocks_counter);
    }
    let start = u64::try_from(info.start_height).unwrap_or_default();
    let past_start = ctx.block.height > start.saturating_add(params.signed_blocks_window);
    let too_many = info.missed_blocks_counter > params.max_missed().map_err(overflow)?;
    if past_start && too_many && !validator.unbonded {
        punish_downtime(ctx, ports, params, vote, &mut info)?;
    }
    SIGNING_INFO.set(ctx, &len(consensus), &info)
}

fn punish_downtime(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    params: &Params,
    vote: &Vote,
    info: &mut ValidatorSigningInfo,
) -> Result<(), StateError> {
    let consensus = &vote.consensus;
    // The commit is of the block before, and its powers are of the height before that. Before the first height nothing
    // can have left, so 0 does for what is below.
    let height = ctx.block.height.saturating_sub(2);
    let burned = ports.slash(ctx, consensus, height, vote.power, params.slash_fraction_downtime)?;
    events::slashed_for_downtime(ctx, consensus, vote.power, burned);
    ports.jail(ctx, consensus)?;
    info.jailed_until = Some(time::after_block(ctx, params.downtime_jail_ns));
    // Else it would be slashed again as soon as it is back.
    info.missed_blocks_counter = 0;
    info.index_offset = 0;
    bitmap::clear(ctx, consensus)?;
    tracing::info!(validator = info.address, %burned, "validator slashed and jailed for downtime");
    Ok(())
}

/// Slashes, jails for good and tombstones a validator that signed two blocks of `height` with `power`.
///
/// Returns whether it did: not if the validator does not exist, is unbonded, or is tombstoned already.
///
/// # Errors
/// [`StateError`] if the disk fails or the books are wrong.
pub fn punish_double_sign(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    consensus: &Address,
    height: u64,
    power: u64,
) -> Result<bool, StateError> {
    let found = ports.validator_by_consensus(ctx, consensus)?;
    let Some(validator) = found.filter(|v| !v.unbonded) else { return Ok(false) };
    let mut info = info(ctx, consensus)?;
    if info.tombstoned {
        return Ok(false);
    }
    let fraction = Params::load(ctx)?.slash_fraction_double_sign;
    let burned = ports.slash(ctx, consensus, height.saturating_sub(1), power, fraction)?;
    events::slashed_for_double_sign(ctx, consensus, power, burned);
    if !validator.jailed {
        ports.jail(ctx, consensus)?;
        events::jailed(ctx, consensus);
    }
    info.jailed_until = Some(time::END);
    info.tombstoned = true;
    tracing::info!(validator = info.address, height, %burned, "validator tombstoned for a double sign");
    SIGNING_INFO.set(ctx, &len(consensus), &info)?;
    Ok(true)
}

/// Jails a validator, for what another module punishes it, until `downtime_jail_duration` from now, or longer if it was to stay
/// longer. Does nothing if it does not exist.
///
/// # Errors
/// [`StateError`] if the disk fails or the books are wrong.
pub fn jail(ctx: &mut Ctx, ports: &dyn Ports, consensus: &Address) -> Result<(), StateError> {
    let Some(validator) = ports.validator_by_consensus(ctx, consensus)? else { return Ok(()) };
    let mut info = info(ctx, consensus)?;
    let until = time::after_block(ctx, Params::load(ctx)?.downtime_jail_ns);
    if !validator.jailed {
        ports.jail(ctx, consensus)?;
        events::jailed(ctx, consensus);
    }
    info.jailed_until = info.jailed_until.into_iter().chain([until]).max_by_key(|t| (t.seconds, t.nanos));
    tracing::info!(validator = info.address, "validator jailed");
    SIGNING_INFO.set(ctx, &len(consensus), &info)
}
