//! The validators' records and indexes, with the SDK's order of store accesses.

use geodesic_core::store::Range;
use geodesic_core::{Address, Ctx, Int, StateError};
use geodesic_proto::cosmos::staking::v1beta1 as pb;

use crate::errors::{Error, broken};
use crate::keys::{self, PowerKey, QueueKey, len};
use crate::ports::{Hook, Ports};
use crate::time::Time;
use crate::types::Validator;

/// The validator of an operator.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn validator(ctx: &Ctx, operator: &Address) -> Result<Option<Validator>, StateError> {
    keys::VALIDATORS.get(ctx, &len(operator))
}

/// The validator whose key has this consensus address.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn validator_by_consensus(ctx: &Ctx, consensus: &Address) -> Result<Option<Validator>, StateError> {
    match keys::VALIDATORS_BY_CONS.get(ctx, &len(consensus))? {
        Some(operator) => validator(ctx, &operator),
        None => Ok(None),
    }
}

/// Every validator, ascending by operator.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn all_validators(ctx: &Ctx) -> Result<Vec<Validator>, StateError> {
    keys::VALIDATORS.prefix(ctx, &())?.map(|entry| entry.map(|(_, v)| v)).collect()
}

/// A validator that something in state refers to.
pub(crate) fn existing(ctx: &Ctx, operator: &Address) -> Result<Validator, Error> {
    validator(ctx, operator)?
        .ok_or_else(|| broken(format!("validator {operator:?} is referred to, but not there")))
}

pub(crate) fn set_validator(ctx: &mut Ctx, v: &Validator) -> Result<(), StateError> {
    keys::VALIDATORS.set(ctx, &len(&v.address), v)
}

pub(crate) fn set_by_consensus(ctx: &mut Ctx, v: &Validator) -> Result<(), StateError> {
    keys::VALIDATORS_BY_CONS.set(ctx, &len(&v.consensus()), &v.address)
}

fn power_key(v: &Validator) -> Result<PowerKey, Error> {
    Ok(PowerKey { power: v.stake_power()?, operator: v.address.clone() })
}

/// Ranks a validator, jailed or not (`SetNewValidatorByPowerIndex`).
pub(crate) fn rank_new(ctx: &mut Ctx, v: &Validator) -> Result<(), Error> {
    Ok(keys::POWER_INDEX.set(ctx, &power_key(v)?, &v.address)?)
}

/// Ranks a validator unless it is jailed (`SetValidatorByPowerIndex`).
pub(crate) fn rank(ctx: &mut Ctx, v: &Validator) -> Result<(), Error> {
    if v.jailed { Ok(()) } else { rank_new(ctx, v) }
}

/// Takes a validator, with the tokens it has, out of the ranks.
pub(crate) fn unrank(ctx: &mut Ctx, v: &Validator) -> Result<(), Error> {
    Ok(keys::POWER_INDEX.delete(ctx, &power_key(v)?)?)
}

/// Changes tokens or shares, and the rank with them.
pub(crate) fn change<T>(
    ctx: &mut Ctx,
    v: &mut Validator,
    f: impl FnOnce(&mut Validator) -> Result<T, Error>,
) -> Result<T, Error> {
    unrank(ctx, v)?;
    let result = f(v)?;
    set_validator(ctx, v)?;
    rank(ctx, v)?;
    Ok(result)
}

/// Takes tokens that were burned out of a validator; its shares are worth less then.
pub(crate) fn remove_tokens(ctx: &mut Ctx, v: &mut Validator, tokens: Int) -> Result<(), Error> {
    change(ctx, v, |v| {
        v.tokens = v.tokens.checked_sub(tokens)?;
        Ok(())
    })
}

/// Removes a validator that is out of the set and has nothing left.
pub(crate) fn remove_validator(ctx: &mut Ctx, ports: &dyn Ports, operator: &Address) -> Result<(), Error> {
    let Some(v) = validator(ctx, operator)? else { return Ok(()) };
    if !v.is_unbonded() {
        return Err(Error::BadRemoveValidator(
            "cannot call RemoveValidator on bonded or unbonding validators",
        ));
    }
    if v.tokens.is_positive() {
        return Err(Error::BadRemoveValidator(
            "attempting to remove a validator which still contains tokens",
        ));
    }
    let consensus = v.consensus();
    keys::VALIDATORS.delete(ctx, &len(operator))?;
    keys::VALIDATORS_BY_CONS.delete(ctx, &len(&consensus))?;
    unrank(ctx, &v)?;
    // The SDK only logs what this hook says.
    match ports
        .hook(ctx, Hook::AfterValidatorRemoved { consensus: &consensus, operator })
        .map_err(Error::from)
    {
        Err(e) if e.is_fatal() => Err(e),
        _ => Ok(()),
    }
}

fn queue_key(v: &Validator) -> QueueKey {
    let height = u64::try_from(v.unbonding_height).unwrap_or_default();
    QueueKey { time: v.unbonding_time.sortable(), height }
}

/// Puts a validator into the queue of those that leave the set.
pub(crate) fn enqueue(ctx: &mut Ctx, v: &Validator) -> Result<(), StateError> {
    let key = queue_key(v);
    let mut addresses = keys::VALIDATOR_QUEUE.get(ctx, &key)?.unwrap_or_default();
    addresses.addresses.push(v.operator.clone());
    keys::VALIDATOR_QUEUE.set(ctx, &key, &addresses)
}

/// Takes a validator out of the queue, if it is there.
pub(crate) fn dequeue(ctx: &mut Ctx, v: &Validator) -> Result<(), StateError> {
    let key = queue_key(v);
    let mut addresses = keys::VALIDATOR_QUEUE.get(ctx, &key)?.unwrap_or_default();
    addresses.addresses.retain(|a| *a != v.operator);
    if addresses.addresses.is_empty() {
        keys::VALIDATOR_QUEUE.delete(ctx, &key)
    } else {
        keys::VALIDATOR_QUEUE.set(ctx, &key, &addresses)
    }
}

/// Operators, as text, whose time of leaving the set is over at the block.
pub(crate) fn mature(ctx: &Ctx) -> Result<Vec<String>, StateError> {
    let now = QueueKey { time: Time::of_block(ctx).sortable(), height: ctx.block.height };
    let mut end = keys::VALIDATOR_QUEUE.key(&now);
    end.push(0);
    let start = keys::VALIDATOR_QUEUE.prefix_bytes().to_vec();
    let mut operators = Vec::new();
    for entry in keys::VALIDATOR_QUEUE.walk(ctx, &Range { start, end: Some(end), reverse: false })? {
        let (key, pb::ValAddresses { addresses }) = entry?;
        if key.height <= now.height && key.time <= now.time {
            operators.extend(addresses);
        }
    }
    Ok(operators)
}
