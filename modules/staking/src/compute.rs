//! Power under `power_source = compute`: the share of proven work, limited by the delegated coins.

use std::collections::{BTreeMap, BTreeSet};

use geodesic_core::fixed::split;
use geodesic_core::store::Range;
use geodesic_core::{Address, Ctx, Event, Int, StateError};
use geodesic_proto::geodesic::staking::v1 as own;

use crate::errors::{Error, broken};
use crate::keys;
use crate::math::{self, SHARE_ONE, Step};
use crate::params::{ComputeParams, Params};
use crate::ports::Ports;
use crate::sets;
use crate::time::Time;
use crate::types::{Validator, read_time};
use crate::validators::{all_validators, validator};

/// The 20 bytes of an operator's account.
pub type Operator = [u8; 20];

/// The increases of one activation may make up this part of the old total: a third.
const RAMP: u64 = 3;

/// Sets the shares that the next activation gives power for: each weight's part of all weights.
///
/// Replaces what was set before. Without any weight above 0 there is nothing to activate.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn compute_set_shares(ctx: &mut Ctx, weights: &[(Operator, u128)]) -> Result<(), StateError> {
    for operator in all_keys(ctx)? {
        keys::PENDING.delete(ctx, &operator)?;
    }
    let mut sums = BTreeMap::<Operator, u128>::new();
    for (operator, weight) in weights {
        let sum = sums.entry(*operator).or_default();
        *sum = sum.saturating_add(*weight);
    }
    let weights: Vec<u128> = sums.values().copied().collect();
    for (operator, share) in sums.keys().zip(split(SHARE_ONE.into(), &weights)) {
        if share > 0 {
            keys::PENDING.set(ctx, operator, &u64::try_from(share).unwrap_or(SHARE_ONE))?;
        }
    }
    Ok(())
}

fn all_keys(ctx: &Ctx) -> Result<Vec<Operator>, StateError> {
    keys::PENDING.prefix(ctx, &())?.map(|e| e.map(|(operator, _)| operator)).collect()
}

fn all(ctx: &Ctx, map: &keys::Numbers) -> Result<BTreeMap<Operator, u64>, StateError> {
    map.prefix(ctx, &())?.collect()
}

/// Power that the collateral still allows: the one in force, lower if coins left or were burned, 0 in jail.
fn fallen(v: Option<&Validator>, share: u64, power: u64, params: &ComputeParams) -> Result<u64, Error> {
    match v.filter(|v| !v.jailed) {
        Some(v) => Ok(power.min(math::power(share, v.tokens, params)?)),
        None => Ok(0),
    }
}

/// Highest power first, of equal powers the lower address; the first `max` of those that have any.
fn highest(powers: impl IntoIterator<Item = (Operator, u64)>, max: usize) -> Vec<(Operator, u64)> {
    let mut ranked: Vec<_> = powers.into_iter().filter(|(_, power)| *power > 0).collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.truncate(max);
    ranked
}

fn max_validators(ctx: &Ctx) -> Result<usize, StateError> {
    Ok(usize::try_from(Params::load(ctx)?.max_validators).unwrap_or(usize::MAX))
}

/// The set of the block: powers in force, lowered by what happened to collateral and jails in it.
///
/// Whoever has no power or is beyond `max_validators` loses it until the next activation.
pub(crate) fn targets(ctx: &mut Ctx) -> Result<Vec<(Address, u64)>, Error> {
    let params = ComputeParams::load(ctx)?;
    let old = all(ctx, &keys::POWERS)?;
    let mut now = Vec::with_capacity(old.len());
    for (operator, power) in &old {
        let share = keys::SHARES.get(ctx, operator)?.unwrap_or_default();
        let v = validator(ctx, &Address::from(*operator))?;
        now.push((*operator, fallen(v.as_ref(), share, *power, &params)?));
    }
    let set = highest(now, max_validators(ctx)?);
    let new: BTreeMap<Operator, u64> = set.iter().copied().collect();
    for (operator, power) in &old {
        match new.get(operator) {
            Some(p) if p == power => {}
            Some(p) => keys::POWERS.set(ctx, operator, p)?,
            None => keys::POWERS.delete(ctx, operator)?,
        }
    }
    Ok(set.into_iter().map(|(operator, power)| (operator.into(), power)).collect())
}

/// Whether an operator may have power: a validator that is not in jail, and a VRF key.
fn qualified(
    ctx: &Ctx,
    ports: &dyn Ports,
    operator: &Operator,
    v: Option<Validator>,
) -> Result<Option<Validator>, StateError> {
    match v.filter(|v| !v.jailed) {
        Some(v) if ports.has_vrf_key(ctx, operator)? => Ok(Some(v)),
        _ => Ok(None),
    }
}

/// Gives power for the shares set by [`compute_set_shares`], in the set that the block returns.
///
/// Powers move from the old to the new by the largest fraction that keeps the sum of increases within a third of the old
/// total (of the set last returned, if all of it is in jail), and at least 1. If nobody qualifies all stays as it is.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn compute_activate(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), StateError> {
    activate(ctx, ports).map_err(|e| e.into_state("activation"))
}

fn activate(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), Error> {
    let params = ComputeParams::load(ctx)?;
    let pending = all(ctx, &keys::PENDING)?;
    let (mut steps, tokens) = steps(ctx, ports, &params, &pending)?;
    if steps.values().all(|s| s.new.1 == 0) {
        return Ok(());
    }
    let max = max_validators(ctx)?;
    keep_highest(&mut steps, max);
    let old_total = steps.values().fold(0_u64, |sum, s| sum.saturating_add(s.old.1));
    let allowed = allowed(ctx, old_total)?;
    let mut moves: Vec<Step> = steps.values().copied().collect();
    let wanted = math::wanted(&moves);
    math::ramp(&mut moves, allowed);
    for (step, moved) in steps.values_mut().zip(moves) {
        *step = moved;
    }
    keep_highest(&mut steps, max);
    let increases = steps.values().fold(0_u64, |sum, s| sum.saturating_add(s.new.1.saturating_sub(s.old.1)));
    write(ctx, &steps, &tokens)?;
    let new_total = steps.values().fold(0_u64, |sum, s| sum.saturating_add(s.new.1));
    ctx.emit(Event::typed(&own::EventPowersActivated {
        old_total,
        new_total,
        wanted_increase: wanted,
        granted_increase: increases,
    }));
    Ok(())
}

type Steps = BTreeMap<Operator, Step>;
type Tokens = BTreeMap<Operator, Int>;

/// Everybody's way from what it has, after this block's falls, to what its work gives; and the collateral.
fn steps(
    ctx: &Ctx,
    ports: &dyn Ports,
    params: &ComputeParams,
    pending: &BTreeMap<Operator, u64>,
) -> Result<(Steps, Tokens), Error> {
    let powers = all(ctx, &keys::POWERS)?;
    let operators: BTreeSet<Operator> = powers.keys().chain(pending.keys()).copied().collect();
    let (mut steps, mut tokens) = (Steps::new(), Tokens::new());
    for operator in operators {
        let v = validator(ctx, &Address::from(operator))?;
        let old_share = keys::SHARES.get(ctx, &operator)?.unwrap_or_default();
        let old_power = powers.get(&operator).copied().unwrap_or_default();
        let old_power = fallen(v.as_ref(), old_share, old_power, params)?;
        let share = pending.get(&operator).copied().unwrap_or_default();
        if let Some(v) = &v {
            tokens.insert(operator, v.tokens);
        }
        let new_power = match qualified(ctx, ports, &operator, v)? {
            Some(v) => math::power(share, v.tokens, params)?,
            None => 0,
        };
        steps.insert(operator, Step { old: (old_share, old_power), new: (share, new_power) });
    }
    Ok((steps, tokens))
}

/// Takes the new power of all but the `max` highest.
fn keep_highest(steps: &mut Steps, max: usize) {
    let kept: BTreeSet<Operator> =
        highest(steps.iter().map(|(o, s)| (*o, s.new.1)), max).into_iter().map(|(o, _)| o).collect();
    for (operator, step) in steps.iter_mut() {
        if !kept.contains(operator) {
            step.new.1 = 0;
        }
    }
}

/// Sum of the increases that one activation may bring.
fn allowed(ctx: &Ctx, old_total: u64) -> Result<u64, StateError> {
    let total = if old_total == 0 {
        let set = sets::validator_set_at(ctx, sets::next_height(ctx))?;
        set.iter().fold(0_u64, |sum, m| sum.saturating_add(m.power))
    } else {
        old_total
    };
    Ok(if total == 0 { u64::MAX } else { total.checked_div(RAMP).unwrap_or_default().max(1) })
}

/// Replaces shares and powers, and remembers the collateral of all who have a share.
fn write(ctx: &mut Ctx, steps: &Steps, tokens: &Tokens) -> Result<(), Error> {
    for map in [&keys::SHARES, &keys::POWERS, &keys::PENDING] {
        for operator in all(ctx, map)?.keys() {
            map.delete(ctx, operator)?;
        }
    }
    for (operator, Step { new: (share, power), .. }) in steps {
        if *share > 0 {
            keys::SHARES.set(ctx, operator, share)?;
        }
        if *power > 0 {
            keys::POWERS.set(ctx, operator, power)?;
        }
    }
    let height = ctx.block.height;
    let time = Time::of_block(ctx).to_message();
    keys::ACTIVATIONS.set(ctx, &height, &time)?;
    for (operator, tokens) in tokens {
        keys::BACKINGS.set(ctx, &(height, *operator), tokens)?;
    }
    forget_activations(ctx)
}

/// Forgets activations that were followed by another longer than the unbonding time ago.
fn forget_activations(ctx: &mut Ctx) -> Result<(), Error> {
    let limit = Time::of_block(ctx).minus(Params::load(ctx)?.unbonding_time_ns);
    let activations = keys::ACTIVATIONS.prefix(ctx, &())?.collect::<Result<Vec<_>, _>>()?;
    for pair in activations.windows(2) {
        let [(height, _), (_, until)] = pair else { continue };
        if read_time("time", Some(until)).map_err(broken)? >= limit {
            break;
        }
        let backings = keys::BACKINGS.prefix(ctx, height)?.collect::<Result<Vec<_>, _>>()?;
        backings.iter().try_for_each(|(key, _)| keys::BACKINGS.delete(ctx, key))?;
        keys::ACTIVATIONS.delete(ctx, height)?;
    }
    Ok(())
}

/// The collateral that an operator had at the last activation in a block before `height`; `None` if it had no share then, or
/// that is too long ago.
///
/// An activation ends its block, so one in the block of the infraction itself gave the power to nobody who committed it:
/// a double sign at height g is looked up with g - 1, and its power came from g - 2 or earlier. Genesis is at height 0, before
/// everything.
pub(crate) fn backing_at(ctx: &Ctx, operator: &Address, height: i64) -> Result<Option<Int>, Error> {
    let Some(operator) = operator.as_20() else { return Ok(None) };
    let end = keys::ACTIVATIONS.key(&u64::try_from(height).unwrap_or_default().max(1));
    let start = keys::ACTIVATIONS.prefix_bytes().to_vec();
    let range = Range { start, end: Some(end), reverse: true };
    match keys::ACTIVATIONS.walk(ctx, &range)?.next().transpose()? {
        Some((activation, _)) => Ok(keys::BACKINGS.get(ctx, &(activation, operator))?),
        None => Ok(None),
    }
}

/// Collateral of an operator: the tokens delegated to it, 0 if it has no validator.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn collateral(ctx: &Ctx, operator: &Operator) -> Result<Int, StateError> {
    Ok(validator(ctx, &Address::from(*operator))?.map_or(Int::ZERO, |v| v.tokens))
}

/// Shares and powers of a chain's beginning, in proportion to the tokens of those who qualify. Does nothing if there are
/// shares already.
pub(crate) fn begin(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), Error> {
    if keys::SHARES.prefix(ctx, &())?.next().is_some() {
        return Ok(());
    }
    let params = ComputeParams::load(ctx)?;
    let mut tokens = Tokens::new();
    for v in all_validators(ctx)? {
        let Some(operator) = v.address.as_20() else { continue };
        if let Some(v) = qualified(ctx, ports, &operator, Some(v))? {
            tokens.insert(operator, v.tokens);
        }
    }
    let weights: Vec<u128> = tokens.values().map(|t| t.to_u128().unwrap_or(u128::MAX)).collect();
    let mut steps = Steps::new();
    for ((operator, tokens), share) in tokens.iter().zip(split(SHARE_ONE.into(), &weights)) {
        let share = u64::try_from(share).unwrap_or(SHARE_ONE);
        steps.insert(*operator, Step { old: (0, 0), new: (share, math::power(share, *tokens, &params)?) });
    }
    keep_highest(&mut steps, max_validators(ctx)?);
    write(ctx, &steps, &tokens)
}
