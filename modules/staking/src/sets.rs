//! Who signs at which height, and what CometBFT is told of it.
//!
//! Updates returned at height H hold from H + 2. The sets of heights h - 1 to h + 2 are kept; a set is written where it
//! changes only. CometBFT stops the chain when asked to remove a key that it does not have, to empty its set, or to
//! exceed a total power of `2^63 / 8`: what is returned is the difference to the set last returned, and no more.

use std::collections::BTreeMap;

use geodesic_core::store::Range;
use geodesic_core::{Address, Ctx, StateError};
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_proto::tendermint::abci::ValidatorUpdate;
use geodesic_proto::tendermint::crypto::{PublicKey, public_key};

use crate::keys;
use crate::types::consensus_address;

/// CometBFT's bound on the sum of all powers (`MaxTotalVotingPower`).
pub const MAX_TOTAL_POWER: u64 = i64::MAX.unsigned_abs() / 8;

/// Blocks from returning a set to its first signatures.
const DELAY: u64 = 2;

/// A validator of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Operator; 20 bytes in every set under `compute`.
    pub operator: Address,
    /// Ed25519 key.
    pub pub_key: [u8; 32],
    /// Power, above 0.
    pub power: u64,
}

impl Member {
    /// Consensus address: the first 20 bytes of the key's SHA-256.
    pub fn consensus(&self) -> [u8; 20] {
        consensus_address(&self.pub_key)
    }
}

/// An update as CometBFT reads it; power 0 removes.
pub(crate) fn update(pub_key: &[u8; 32], power: i64) -> ValidatorUpdate {
    let key = PublicKey { sum: Some(public_key::Sum::Ed25519(pub_key.to_vec())) };
    ValidatorUpdate { pub_key: Some(key), power }
}

/// Halves all powers, rounded up, until their sum is at most [`MAX_TOTAL_POWER`].
pub fn bound_total(powers: &mut [(Address, u64)]) {
    let total = |powers: &[(Address, u64)]| powers.iter().map(|(_, p)| u128::from(*p)).sum::<u128>();
    while total(powers) > u128::from(MAX_TOTAL_POWER) && powers.iter().any(|(_, p)| *p > 1) {
        powers.iter_mut().for_each(|(_, p)| *p = p.div_ceil(2));
    }
}

/// What turns `last` into `next`: changed and new keys with their power, missing ones with 0, ascending by key.
pub fn diff(last: &[Member], next: &[Member]) -> Vec<ValidatorUpdate> {
    let mut changes: BTreeMap<[u8; 32], u64> = last.iter().map(|m| (m.pub_key, 0)).collect();
    changes.extend(next.iter().map(|m| (m.pub_key, m.power)));
    for m in last {
        if changes.get(&m.pub_key) == Some(&m.power) {
            changes.remove(&m.pub_key);
        }
    }
    // Sums are at most MAX_TOTAL_POWER, so every power fits.
    changes.iter().map(|(key, power)| update(key, i64::try_from(*power).unwrap_or(i64::MAX))).collect()
}

/// The validators that sign at `height`, ascending by key; empty if that set is not known (any more).
///
/// Known are the sets from the one before the last ended block to two after it.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn validator_set_at(ctx: &Ctx, height: u64) -> Result<Vec<Member>, StateError> {
    Ok(in_force(ctx, height)?.map(|(_, members)| members).unwrap_or_default())
}

/// The newest set that begins at `height` or before, and where it begins.
fn in_force(ctx: &Ctx, height: u64) -> Result<Option<(u64, Vec<Member>)>, StateError> {
    let range = up_to(height);
    let mut found = keys::SETS.walk(ctx, &range.reversed())?;
    let Some((from, set)) = found.next().transpose()? else { return Ok(None) };
    Ok(Some((from, members(&set)?)))
}

fn up_to(height: u64) -> Range {
    let mut end = keys::SETS.key(&height);
    end.push(0);
    Range { start: keys::SETS.prefix_bytes().to_vec(), end: Some(end), reverse: false }
}

fn members(set: &own::ValidatorSet) -> Result<Vec<Member>, StateError> {
    let read = |m: &own::Member| {
        let operator = Address::try_new(m.operator.clone()).ok()?;
        Some(Member { operator, pub_key: m.pub_key.as_slice().try_into().ok()?, power: m.power })
    };
    let damaged = || StateError::Invariant("a validator set holds something that is no validator".to_owned());
    set.members.iter().map(|m| read(m).ok_or_else(damaged)).collect()
}

/// Height from which a set that the block returns is in force.
pub(crate) fn next_height(ctx: &Ctx) -> u64 {
    ctx.block.height.saturating_add(DELAY)
}

/// Notes that `next` signs from `from` on. An empty set is not noted: the old one goes on signing.
pub(crate) fn record(ctx: &mut Ctx, from: u64, mut next: Vec<Member>) -> Result<(), StateError> {
    next.sort_by_key(|m| m.pub_key);
    let last = validator_set_at(ctx, from)?;
    if next.is_empty() || next == last {
        return Ok(());
    }
    let member = |m: &Member| own::Member {
        operator: m.operator.as_bytes().to_vec(),
        pub_key: m.pub_key.to_vec(),
        power: m.power,
    };
    keys::SETS.set(ctx, &from, &own::ValidatorSet { members: next.iter().map(member).collect() })
}

/// Forgets the sets that were last in force before the one of the block before this.
pub(crate) fn prune(ctx: &mut Ctx) -> Result<(), StateError> {
    let oldest = ctx.block.height.saturating_sub(1);
    let Some((keep, _)) = in_force(ctx, oldest)? else { return Ok(()) };
    let range = Range { end: Some(keys::SETS.key(&keep)), ..up_to(oldest) };
    let old: Vec<u64> =
        keys::SETS.walk(ctx, &range)?.map(|e| e.map(|(height, _)| height)).collect::<Result<_, _>>()?;
    old.iter().try_for_each(|height| keys::SETS.delete(ctx, height))
}

/// What CometBFT is to be told at the end of the block, ascending by key: the difference to what it was told before.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn validator_updates(ctx: &Ctx) -> Result<Vec<ValidatorUpdate>, StateError> {
    let from = next_height(ctx);
    match in_force(ctx, from)? {
        Some((at, next)) if at == from => {
            let last = validator_set_at(ctx, from.saturating_sub(1))?;
            Ok(diff(&last, &next))
        }
        _ => Ok(Vec::new()),
    }
}
