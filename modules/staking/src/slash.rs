//! Coins burned for an infraction (`slash.go`).

use geodesic_core::{Address, Ctx, Dec, Int};

use crate::compute;
use crate::delegate::{delegation, pool_of, put_unbonding, unbond, unbonding, unbondings_from};
use crate::entries::{Redelegation, RedelegationEntry, UnbondingDelegation};
use crate::errors::Error;
use crate::params::{Params, PowerSource};
use crate::ports::{BONDED_POOL, Hook, NOT_BONDED_POOL, Ports};
use crate::redelegate::redelegations_from;
use crate::status::height;
use crate::time::Time;
use crate::types::{POWER_REDUCTION, Status, Validator};
use crate::validators::{existing, remove_tokens, validator, validator_by_consensus};

/// Whose coins are burned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offender<'a> {
    /// The validator with this consensus address.
    Consensus(&'a Address),
    /// The validator of this operator.
    Operator(&'a Address),
}

impl Offender<'_> {
    /// The validator, if it is still there.
    pub(crate) fn find(self, ctx: &Ctx) -> Result<Option<Validator>, Error> {
        Ok(match self {
            Self::Consensus(address) => validator_by_consensus(ctx, address)?,
            Self::Operator(address) => validator(ctx, address)?,
        })
    }
}

/// What the fraction is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stake {
    /// The tokens behind a power at the infraction. Under `compute`, where power is no coins: the collateral that stood
    /// behind the power in force at that height.
    Power(u64),
    /// So many tokens, if the caller knows what was there at the infraction.
    Tokens(Int),
}

/// Burns `fraction` of the stake that an infraction at `infraction_height` concerns, and returns what was burned.
///
/// Coins that began to leave at that height or later pay their part of it first, the delegators who are still there the
/// rest, as far as there is any.
///
/// Under `stake` this is the SDK's `Slash`: unbonded validators are an error, and what unbondings and redelegations lost
/// is not part of the result. Under `compute` the status does not matter, nor whether the validator still exists; the
/// stake is at most what was there and can still be reached; and the result is all that was burned.
///
/// # Errors
/// Code 1 of codespace `undefined` for a negative fraction, a height in the future, or, under `stake`, an unbonded
/// validator; those of the bank and of hooks.
pub fn slash(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    offender: Offender<'_>,
    infraction_height: u64,
    stake: Stake,
    fraction: Dec,
) -> Result<Int, Error> {
    if fraction.is_negative() {
        return Err(Error::unregistered(format!(
            "attempted to slash with a negative slash factor: {fraction}"
        )));
    }
    let now = ctx.block.height;
    if infraction_height > now {
        let what = format!(
            "impossible attempt to slash future infraction at height {infraction_height} but we are at height {now}"
        );
        return Err(Error::unregistered(what));
    }
    let infraction = i64::try_from(infraction_height).map_err(|_| geodesic_core::Overflow)?;
    match PowerSource::load(ctx)? {
        PowerSource::Stake => slash_stake(ctx, ports, offender, infraction, stake, fraction),
        PowerSource::Compute => slash_compute(ctx, ports, offender, infraction, stake, fraction),
    }
}

fn slash_stake(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    offender: Offender<'_>,
    infraction: i64,
    stake: Stake,
    fraction: Dec,
) -> Result<Int, Error> {
    let tokens = match stake {
        Stake::Power(power) => Int::from(power).checked_mul(POWER_REDUCTION.into())?,
        Stake::Tokens(tokens) => tokens,
    };
    let amount = Dec::from_int(tokens).checked_mul(fraction)?.truncate_int();
    let Some(v) = offender.find(ctx)? else {
        tracing::warn!(?offender, "ignored a slash of a validator that does not exist");
        return Ok(Int::ZERO);
    };
    if v.is_unbonded() {
        return Err(Error::unregistered(format!(
            "should not be slashing unbonded validator: {}",
            v.operator
        )));
    }
    before_modified(ctx, ports, &v.address)?;
    // As in the SDK, what left in the block of the infraction is not looked for.
    let owed = if infraction < height(ctx)? {
        slash_leaving(ctx, ports, &v.address, infraction, fraction)?.0
    } else {
        Int::ZERO
    };
    slash_validator(ctx, ports, &v.address, amount.checked_sub(owed)?)
}

fn slash_compute(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    offender: Offender<'_>,
    infraction: i64,
    stake: Stake,
    fraction: Dec,
) -> Result<Int, Error> {
    let fraction = fraction.min(Dec::ONE);
    let v = offender.find(ctx)?;
    let operator = match (&v, offender) {
        (Some(v), _) => v.address.clone(),
        (None, Offender::Operator(operator)) => operator.clone(),
        (None, Offender::Consensus(_)) => return Ok(Int::ZERO),
    };
    let reachable = reachable(ctx, &operator, v.as_ref(), infraction)?;
    let tokens = match stake {
        Stake::Tokens(tokens) => tokens.min(reachable),
        Stake::Power(_) => {
            compute::backing_at(ctx, &operator, infraction)?.map_or(reachable, |b| b.min(reachable))
        }
    };
    let amount = Dec::from_int(tokens).checked_mul(fraction)?.truncate_int();
    if v.is_some() {
        before_modified(ctx, ports, &operator)?;
    }
    let (owed, burned) = slash_leaving(ctx, ports, &operator, infraction, fraction)?;
    let rest = match v {
        Some(_) => slash_validator(ctx, ports, &operator, amount.checked_sub(owed)?)?,
        None => Int::ZERO,
    };
    Ok(burned.checked_add(rest)?)
}

/// Tokens that are there, and those that began to leave at the infraction or later and can still be reached.
fn reachable(ctx: &Ctx, operator: &Address, v: Option<&Validator>, infraction: i64) -> Result<Int, Error> {
    let now = Time::of_block(ctx);
    let mut sum = v.map_or(Int::ZERO, |v| v.tokens);
    for (_, u) in unbondings_from(ctx, operator)? {
        for entry in u.entries.iter().filter(|e| e.is_liable(infraction, now)) {
            sum = sum.checked_add(entry.initial_balance)?;
        }
    }
    for r in redelegations_from(ctx, operator)? {
        for entry in r.entries.iter().filter(|e| e.is_liable(infraction, now)) {
            sum = sum.checked_add(entry.initial_balance)?;
        }
    }
    Ok(sum)
}

/// Of this hook the SDK only logs what it says.
fn before_modified(ctx: &mut Ctx, ports: &dyn Ports, operator: &Address) -> Result<(), Error> {
    quiet(ports.hook(ctx, Hook::BeforeValidatorModified { operator }).map_err(Error::from))
}

fn quiet(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(e) if e.is_fatal() => Err(e),
        _ => Ok(()),
    }
}

/// Slashes what left at the infraction or later; returns what it owed, and what was burned of it.
fn slash_leaving(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    operator: &Address,
    infraction: i64,
    fraction: Dec,
) -> Result<(Int, Int), Error> {
    let (mut owed, mut burned) = (Int::ZERO, Int::ZERO);
    for (delegator, u) in unbondings_from(ctx, operator)? {
        let (o, b) = slash_unbonding(ctx, ports, &delegator, operator, u, infraction, fraction)?;
        (owed, burned) = (owed.checked_add(o)?, burned.checked_add(b)?);
    }
    for r in redelegations_from(ctx, operator)? {
        let (o, b) = slash_redelegation(ctx, ports, &r, infraction, fraction)?;
        (owed, burned) = (owed.checked_add(o)?, burned.checked_add(b)?);
    }
    Ok((owed, burned))
}

/// `fraction` of so many coins, rounded down.
fn part(fraction: Dec, coins: Int) -> Result<Int, Error> {
    Ok(fraction.mul_int(coins)?.truncate_int())
}

fn slash_unbonding(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    operator: &Address,
    mut u: UnbondingDelegation,
    infraction: i64,
    fraction: Dec,
) -> Result<(Int, Int), Error> {
    let now = Time::of_block(ctx);
    let (mut owed, mut burned) = (Int::ZERO, Int::ZERO);
    for entry in u.entries.iter_mut().filter(|e| e.is_liable(infraction, now)) {
        let due = part(fraction, entry.initial_balance)?;
        owed = owed.checked_add(due)?;
        let paid = due.min(entry.balance);
        entry.balance = entry.balance.checked_sub(paid)?;
        burned = burned.checked_add(paid)?;
    }
    if burned.is_positive() {
        put_unbonding(ctx, delegator, operator, &u)?;
    }
    burn(ctx, ports, NOT_BONDED_POOL, burned)?;
    Ok((owed, burned))
}

/// Redelegated coins pay out of what the delegator took back from the destination since, then out of its delegation.
fn slash_redelegation(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    r: &Redelegation,
    infraction: i64,
    fraction: Dec,
) -> Result<(Int, Int), Error> {
    let now = Time::of_block(ctx);
    let parse = |e: geodesic_core::address::AddressError| crate::errors::broken(e.to_string());
    let delegator = ctx.account(&r.delegator).map_err(parse)?;
    let destination = ctx.valoper(&r.destination).map_err(parse)?;
    let (mut owed, mut bonded, mut not_bonded) = (Int::ZERO, Int::ZERO, Int::ZERO);
    for entry in r.entries.iter().filter(|e| e.is_liable(infraction, now)) {
        let due = part(fraction, entry.initial_balance)?;
        owed = owed.checked_add(due)?;
        let paid = pay_from_unbonding(ctx, &delegator, &destination, due, infraction)?;
        not_bonded = not_bonded.checked_add(paid)?;
        let left = due.checked_sub(paid)?;
        let Some((status, paid)) =
            pay_from_delegation(ctx, ports, &delegator, &destination, entry, left, fraction)?
        else {
            continue;
        };
        let pool = if status == Status::Bonded { &mut bonded } else { &mut not_bonded };
        *pool = pool.checked_add(paid)?;
    }
    burn(ctx, ports, BONDED_POOL, bonded)?;
    burn(ctx, ports, NOT_BONDED_POOL, not_bonded)?;
    Ok((owed, bonded.checked_add(not_bonded)?))
}

fn pay_from_unbonding(
    ctx: &mut Ctx,
    delegator: &Address,
    destination: &Address,
    due: Int,
    infraction: i64,
) -> Result<Int, Error> {
    let now = Time::of_block(ctx);
    let Some(mut u) = unbonding(ctx, delegator, destination)? else { return Ok(Int::ZERO) };
    let mut left = due;
    for entry in u.entries.iter_mut().filter(|e| e.is_liable(infraction, now)) {
        let paid = left.min(entry.balance);
        left = left.checked_sub(paid)?;
        entry.balance = entry.balance.checked_sub(paid)?;
    }
    if left < due {
        put_unbonding(ctx, delegator, destination, &u)?;
    }
    Ok(due.checked_sub(left)?)
}

fn pay_from_delegation(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    destination: &Address,
    entry: &RedelegationEntry,
    left: Int,
    fraction: Dec,
) -> Result<Option<(Status, Int)>, Error> {
    let shares = fraction.checked_mul(entry.shares_dst)?;
    if shares.is_zero() || left.is_zero() {
        return Ok(None);
    }
    let Some(d) = delegation(ctx, delegator, destination)? else { return Ok(None) };
    // Where the coins are, asked before the last shares may take the validator with them.
    let status = existing(ctx, destination)?.status;
    let tokens = unbond(ctx, ports, delegator, destination, shares.min(d.shares))?;
    Ok(Some((status, tokens)))
}

/// Burns so many of a validator's tokens, as far as it has them.
fn slash_validator(ctx: &mut Ctx, ports: &dyn Ports, operator: &Address, amount: Int) -> Result<Int, Error> {
    let mut v = existing(ctx, operator)?;
    let burned = amount.min(v.tokens).max(Int::ZERO);
    if burned.is_zero() {
        return Ok(burned);
    }
    let fraction = Dec::from_int(burned).quo_round_up(Dec::from_int(v.tokens))?.min(Dec::ONE);
    quiet(ports.hook(ctx, Hook::BeforeValidatorSlashed { operator, fraction }).map_err(Error::from))?;
    remove_tokens(ctx, &mut v, burned)?;
    burn(ctx, ports, pool_of(v.status), burned)?;
    tracing::info!(validator = v.operator, %burned, "validator slashed");
    Ok(burned)
}

fn burn(ctx: &mut Ctx, ports: &dyn Ports, pool: &'static str, amount: Int) -> Result<(), Error> {
    if !amount.is_positive() {
        return Ok(());
    }
    let coins = Params::load(ctx)?.coins(amount)?;
    Ok(ports.burn(ctx, pool, &coins)?)
}
