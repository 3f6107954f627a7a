//! Coins go into validators and come back (`delegation.go`), with the SDK's order of store accesses.

use geodesic_core::store::Range;
use geodesic_core::{Address, Coins, Ctx, Dec, Event, Int, Sdk, StateError};
use geodesic_proto::cosmos::staking::v1beta1 as pb;

use crate::entries::{UnbondingDelegation, UnbondingEntry};
use crate::errors::{Error, broken};
use crate::keys::{self, len};
use crate::params::Params;
use crate::ports::{BONDED_POOL, Hook, NOT_BONDED_POOL, Ports};
use crate::status::{UnbondingKind, height, index_unbonding, jail, next_unbonding_id};
use crate::time::Time;
use crate::types::{Delegation, Status, Validator};
use crate::validators::{change, existing, remove_validator, validator};

/// The delegation of a delegator to an operator.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn delegation(
    ctx: &Ctx,
    delegator: &Address,
    operator: &Address,
) -> Result<Option<Delegation>, StateError> {
    keys::DELEGATIONS.get(ctx, &(len(delegator), len(operator)))
}

/// The coins that a delegator takes back from an operator.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn unbonding(
    ctx: &Ctx,
    delegator: &Address,
    operator: &Address,
) -> Result<Option<UnbondingDelegation>, StateError> {
    keys::UNBONDINGS.get(ctx, &(len(delegator), len(operator)))
}

fn set_delegation(
    ctx: &mut Ctx,
    delegator: &Address,
    operator: &Address,
    d: &Delegation,
) -> Result<(), StateError> {
    keys::DELEGATIONS.set(ctx, &(len(delegator), len(operator)), d)?;
    keys::DELEGATIONS_BY_VALIDATOR.set(ctx, &(len(operator), delegator.clone()), &())
}

/// Writes a delegation that genesis brings.
pub(crate) fn import_delegation(
    ctx: &mut Ctx,
    delegator: &Address,
    operator: &Address,
    d: &Delegation,
) -> Result<(), StateError> {
    set_delegation(ctx, delegator, operator, d)
}

fn remove_delegation(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    operator: &Address,
) -> Result<(), Error> {
    ports.hook(ctx, Hook::BeforeDelegationRemoved { delegator, operator })?;
    keys::DELEGATIONS.delete(ctx, &(len(delegator), len(operator)))?;
    Ok(keys::DELEGATIONS_BY_VALIDATOR.delete(ctx, &(len(operator), delegator.clone()))?)
}

/// Writes the coins on their way, or forgets them if none are left.
pub(crate) fn put_unbonding(
    ctx: &mut Ctx,
    delegator: &Address,
    operator: &Address,
    u: &UnbondingDelegation,
) -> Result<(), StateError> {
    let (key, index) = ((len(delegator), len(operator)), (len(operator), len(delegator)));
    if u.entries.is_empty() {
        keys::UNBONDINGS.delete(ctx, &key)?;
        keys::UNBONDINGS_BY_VALIDATOR.delete(ctx, &index)
    } else {
        keys::UNBONDINGS.set(ctx, &key, u)?;
        keys::UNBONDINGS_BY_VALIDATOR.set(ctx, &index, &())
    }
}

/// Moves coins out of the pool of bonded validators.
pub(crate) fn bonded_to_not_bonded(ctx: &mut Ctx, ports: &dyn Ports, amount: Int) -> Result<(), Error> {
    let coins = Params::load(ctx)?.coins(amount)?;
    Ok(ports.send_between_pools(ctx, BONDED_POOL, NOT_BONDED_POOL, &coins)?)
}

/// Moves coins into the pool of bonded validators.
pub(crate) fn not_bonded_to_bonded(ctx: &mut Ctx, ports: &dyn Ports, amount: Int) -> Result<(), Error> {
    let coins = Params::load(ctx)?.coins(amount)?;
    Ok(ports.send_between_pools(ctx, NOT_BONDED_POOL, BONDED_POOL, &coins)?)
}

/// Where delegated coins come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The delegator's account.
    Account,
    /// A pool: the bonded one, or the other.
    Pool { bonded: bool },
}

/// Gives a validator coins; returns the shares for them.
pub(crate) fn delegate(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    amount: Int,
    source: Source,
    v: &mut Validator,
) -> Result<Dec, Error> {
    if v.invalid_exchange_rate() {
        return Err(Error::InvalidExchangeRate);
    }
    let operator = v.address.clone();
    let mut d = match delegation(ctx, delegator, &operator)? {
        Some(d) => {
            ports.hook(ctx, Hook::BeforeDelegationSharesModified { delegator, operator: &operator })?;
            d
        }
        None => {
            ports.hook(ctx, Hook::BeforeDelegationCreated { delegator, operator: &operator })?;
            Delegation {
                delegator: ctx.account_text(delegator),
                validator: v.operator.clone(),
                shares: Dec::ZERO,
            }
        }
    };
    match source {
        Source::Account => {
            let coins = Params::load(ctx)?.coins(amount)?;
            let pool = if v.is_bonded() { BONDED_POOL } else { NOT_BONDED_POOL };
            ports.delegate_coins(ctx, delegator, pool, &coins)?;
        }
        Source::Pool { bonded: true } if !v.is_bonded() => bonded_to_not_bonded(ctx, ports, amount)?,
        Source::Pool { bonded: false } if v.is_bonded() => not_bonded_to_bonded(ctx, ports, amount)?,
        Source::Pool { .. } => {}
    }
    let issued = change(ctx, v, |v| v.add_tokens(amount))?;
    d.shares = d.shares.checked_add(issued)?;
    set_delegation(ctx, delegator, &operator, &d)?;
    ports.hook(ctx, Hook::AfterDelegationModified { delegator, operator: &operator })?;
    Ok(issued)
}

/// Takes shares of a delegation back; returns the tokens they are worth, which the caller then moves.
///
/// An operator that falls below its minimum self delegation is jailed.
pub(crate) fn unbond(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    operator: &Address,
    shares: Dec,
) -> Result<Int, Error> {
    let mut d = delegation(ctx, delegator, operator)?.ok_or(Error::NoDelegatorForAddress)?;
    ports.hook(ctx, Hook::BeforeDelegationSharesModified { delegator, operator })?;
    if d.shares < shares {
        return Err(Error::NotEnoughDelegationShares(d.shares.to_string()));
    }
    let mut v = validator(ctx, operator)?.ok_or(Error::NoValidator)?;
    d.shares = d.shares.checked_sub(shares)?;
    if delegator == operator && !v.jailed {
        let own = v.tokens_from_shares(d.shares)?.truncate_int();
        if own < v.min_self_delegation {
            jail(ctx, &mut v)?;
            v = existing(ctx, operator)?;
        }
    }
    if d.shares.is_zero() {
        remove_delegation(ctx, ports, delegator, operator)?;
    } else {
        set_delegation(ctx, delegator, operator, &d)?;
        ports.hook(ctx, Hook::AfterDelegationModified { delegator, operator })?;
    }
    let amount = change(ctx, &mut v, |v| v.remove_shares(shares))?;
    if v.shares.is_zero() && v.is_unbonded() {
        remove_validator(ctx, ports, operator)?;
    }
    Ok(amount)
}

/// Shares that so many tokens of a delegation are, at most all of it (`ValidateUnbondAmount`).
pub(crate) fn shares_to_unbond(
    ctx: &Ctx,
    delegator: &Address,
    operator: &Address,
    amount: Int,
) -> Result<Dec, Error> {
    let v = validator(ctx, operator)?.ok_or(Error::NoValidator)?;
    let d = delegation(ctx, delegator, operator)?.ok_or(Error::NoDelegation)?;
    let shares = v.shares_from_tokens(amount)?;
    if v.shares_from_tokens_truncated(amount)? > d.shares {
        return Err(Sdk::InvalidRequest.with("invalid shares amount").into());
    }
    Ok(shares.min(d.shares))
}

/// Begins to return coins; returns when they are free, and how many.
pub(crate) fn undelegate(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    operator: &Address,
    shares: Dec,
) -> Result<(Time, Int), Error> {
    let v = validator(ctx, operator)?.ok_or(Error::NoValidator)?;
    let entries = unbonding(ctx, delegator, operator)?.map_or(0, |u| u.entries.len());
    let max = usize::try_from(Params::load(ctx)?.max_entries).unwrap_or(usize::MAX);
    if entries >= max {
        return Err(Error::MaxUnbondingDelegationEntries);
    }
    let amount = unbond(ctx, ports, delegator, operator, shares)?;
    if v.is_bonded() {
        bonded_to_not_bonded(ctx, ports, amount)?;
    }
    let completion = Time::of_block(ctx).plus(Params::load(ctx)?.unbonding_time_ns);
    let u = add_unbonding(ctx, ports, delegator, &v, completion, amount)?;
    let key = completion.sortable();
    let mut queue = keys::UNBONDING_QUEUE.get(ctx, &key)?.unwrap_or_default();
    queue.pairs.push(pb::DvPair { delegator_address: u.delegator, validator_address: u.validator });
    keys::UNBONDING_QUEUE.set(ctx, &key, &queue)?;
    Ok((completion, amount))
}

fn add_unbonding(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    v: &Validator,
    completion: Time,
    amount: Int,
) -> Result<UnbondingDelegation, Error> {
    let id = next_unbonding_id(ctx)?;
    let mut u = unbonding(ctx, delegator, &v.address)?.unwrap_or_else(|| UnbondingDelegation {
        delegator: ctx.account_text(delegator),
        validator: v.operator.clone(),
        entries: Vec::new(),
    });
    let is_new = u.add(height(ctx)?, completion, amount, id)?;
    put_unbonding(ctx, delegator, &v.address, &u)?;
    if is_new {
        let key = keys::UNBONDINGS.key(&(len(delegator), len(&v.address)));
        index_unbonding(ctx, id, key, UnbondingKind::Delegation)?;
        unbonding_hook(ctx, ports, id)?;
    }
    Ok(u)
}

/// Of this hook the SDK only logs what it says.
pub(crate) fn unbonding_hook(ctx: &mut Ctx, ports: &dyn Ports, id: u64) -> Result<(), Error> {
    match ports.hook(ctx, Hook::AfterUnbondingInitiated { id }).map_err(Error::from) {
        Err(e) if e.is_fatal() => Err(e),
        _ => Ok(()),
    }
}

/// Puts the coins on their way that genesis brings into the queue.
pub(crate) fn import_unbonding(
    ctx: &mut Ctx,
    u: &UnbondingDelegation,
    e: &UnbondingEntry,
) -> Result<(), StateError> {
    let key = e.completion_time.sortable();
    let mut queue = keys::UNBONDING_QUEUE.get(ctx, &key)?.unwrap_or_default();
    let (delegator_address, validator_address) = (u.delegator.clone(), u.validator.clone());
    queue.pairs.push(pb::DvPair { delegator_address, validator_address });
    keys::UNBONDING_QUEUE.set(ctx, &key, &queue)
}

/// Returns the coins whose time is over.
pub(crate) fn complete_unbondings(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), Error> {
    let mut end = keys::UNBONDING_QUEUE.key(&Time::of_block(ctx).sortable());
    end.push(0);
    let start = keys::UNBONDING_QUEUE.prefix_bytes().to_vec();
    let range = Range { start, end: Some(end), reverse: false };
    let due = keys::UNBONDING_QUEUE.walk(ctx, &range)?.collect::<Result<Vec<_>, _>>()?;
    due.iter().try_for_each(|(key, _)| keys::UNBONDING_QUEUE.delete(ctx, key))?;
    for pair in due.into_iter().flat_map(|(_, queue)| queue.pairs) {
        let delegator = ctx.account(&pair.delegator_address).map_err(|e| broken(e.to_string()))?;
        let operator = ctx.valoper(&pair.validator_address).map_err(|e| broken(e.to_string()))?;
        match ctx.atomic(|ctx| complete_unbonding(ctx, ports, &delegator, &operator)) {
            Ok(coins) => ctx.emit(
                Event::new("complete_unbonding")
                    .attr("amount", coins)
                    .attr("validator", pair.validator_address)
                    .attr("delegator", pair.delegator_address),
            ),
            Err(e) if e.is_fatal() => return Err(e),
            // Slashed or cancelled to the last coin, or returned with an entry of the same time.
            Err(e) => tracing::debug!(delegator = pair.delegator_address, error = %e, "nothing to return"),
        }
    }
    Ok(())
}

fn complete_unbonding(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    operator: &Address,
) -> Result<Coins, Error> {
    let mut u = unbonding(ctx, delegator, operator)?.ok_or(Error::NoUnbondingDelegation)?;
    let params = Params::load(ctx)?;
    let now = Time::of_block(ctx);
    let (done, left): (Vec<_>, Vec<_>) = u.entries.into_iter().partition(|e| e.is_done(now));
    let mut returned = Coins::default();
    for entry in done {
        keys::UNBONDING_INDEX.delete(ctx, &entry.id)?;
        let coins = params.coins(entry.balance)?;
        if !coins.is_empty() {
            ports.undelegate_coins(ctx, NOT_BONDED_POOL, delegator, &coins)?;
            returned = returned.checked_add(&coins)?;
        }
    }
    u.entries = left;
    put_unbonding(ctx, delegator, operator, &u)?;
    Ok(returned)
}

/// Delegators' unbondings from an operator.
pub(crate) fn unbondings_from(
    ctx: &Ctx,
    operator: &Address,
) -> Result<Vec<(Address, UnbondingDelegation)>, Error> {
    let index = keys::UNBONDINGS_BY_VALIDATOR.prefix(ctx, &len(operator))?;
    let delegators: Vec<Address> = index.map(|e| e.map(|((_, d), ())| d.0)).collect::<Result<_, _>>()?;
    let load = |d: Address| {
        let u = unbonding(ctx, &d, operator)?
            .ok_or_else(|| broken(format!("unbonding of {d:?} is not there")))?;
        Ok((d, u))
    };
    delegators.into_iter().map(load).collect()
}

/// Whether coins of a validator are in the pool of bonded ones.
pub(crate) const fn pool_of(status: Status) -> &'static str {
    match status {
        Status::Bonded => BONDED_POOL,
        Status::Unbonding | Status::Unbonded => NOT_BONDED_POOL,
    }
}
