//! Validators come into the set, leave it, and are jailed (`val_state_change.go`).

use std::collections::BTreeMap;

use geodesic_core::store::Range;
use geodesic_core::{Address, Ctx, Int, Overflow, StateError};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::tendermint::abci::ValidatorUpdate;

use crate::delegate::{bonded_to_not_bonded, not_bonded_to_bonded};
use crate::errors::{Error, broken};
use crate::keys::{self, len};
use crate::params::Params;
use crate::ports::{Hook, Ports};
use crate::sets::{self, Member};
use crate::time::Time;
use crate::types::{Status, Validator, read_int};
use crate::validators::{
    dequeue, enqueue, existing, mature, rank, remove_validator, set_validator, unrank, validator,
};

/// The next number of an unbonding.
pub(crate) fn next_unbonding_id(ctx: &mut Ctx) -> Result<u64, Error> {
    let id = keys::UNBONDING_ID.get(ctx)?.unwrap_or_default().checked_add(1).ok_or(Overflow)?;
    keys::UNBONDING_ID.set(ctx, &id)?;
    Ok(id)
}

/// Makes an imported unbonding known by its number; the next one is above all that were imported.
pub(crate) fn import_unbonding_id(
    ctx: &mut Ctx,
    id: u64,
    key: Vec<u8>,
    kind: UnbondingKind,
) -> Result<(), StateError> {
    if id == 0 {
        return Ok(()); // a genesis that was written without numbers
    }
    let last = keys::UNBONDING_ID.get(ctx)?.unwrap_or_default();
    if id > last {
        keys::UNBONDING_ID.set(ctx, &id)?;
    }
    index_unbonding(ctx, id, key, kind)
}

/// What an unbonding's number stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UnbondingKind {
    Delegation = 1,
    Redelegation = 2,
    Validator = 3,
}

/// Makes an unbonding's record known by its number.
pub(crate) fn index_unbonding(
    ctx: &mut Ctx,
    id: u64,
    key: Vec<u8>,
    kind: UnbondingKind,
) -> Result<(), StateError> {
    keys::UNBONDING_INDEX.set(ctx, &id, &key)?;
    #[allow(clippy::as_conversions)] // the discriminant is the value
    keys::UNBONDING_TYPE.set(ctx, &id, &(kind as u64))
}

fn bond(ctx: &mut Ctx, ports: &dyn Ports, v: &mut Validator) -> Result<(), Error> {
    unrank(ctx, v)?;
    v.status = Status::Bonded;
    set_validator(ctx, v)?;
    rank(ctx, v)?;
    dequeue(ctx, v)?;
    let consensus = v.consensus();
    Ok(ports.hook(ctx, Hook::AfterValidatorBonded { consensus: &consensus, operator: &v.address })?)
}

fn begin_unbonding(ctx: &mut Ctx, ports: &dyn Ports, v: &mut Validator) -> Result<(), Error> {
    let params = Params::load(ctx)?;
    unrank(ctx, v)?;
    let id = next_unbonding_id(ctx)?;
    v.status = Status::Unbonding;
    v.unbonding_time = Time::of_block(ctx).plus(params.unbonding_time_ns);
    v.unbonding_height = height(ctx)?;
    v.unbonding_ids.push(id);
    set_validator(ctx, v)?;
    rank(ctx, v)?;
    enqueue(ctx, v)?;
    let consensus = v.consensus();
    ports.hook(ctx, Hook::AfterValidatorBeginUnbonding { consensus: &consensus, operator: &v.address })?;
    index_unbonding(ctx, id, keys::VALIDATORS.key(&len(&v.address)), UnbondingKind::Validator)?;
    Ok(ports.hook(ctx, Hook::AfterUnbondingInitiated { id })?)
}

/// The block's height as entries hold it.
pub(crate) fn height(ctx: &Ctx) -> Result<i64, Error> {
    Ok(i64::try_from(ctx.block.height).map_err(|_| Overflow)?)
}

/// Jails a validator: it leaves the set at the end of the block.
///
/// # Errors
/// [`Error::ValidatorJailed`] if it is jailed already.
pub fn jail(ctx: &mut Ctx, v: &mut Validator) -> Result<(), Error> {
    if v.jailed {
        return Err(Error::ValidatorJailed);
    }
    v.jailed = true;
    set_validator(ctx, v)?;
    unrank(ctx, v)
}

/// Frees a validator. Under `compute` its power comes back at the next activation.
///
/// # Errors
/// Code 1 of codespace `undefined` if it is not jailed.
pub fn unjail(ctx: &mut Ctx, v: &mut Validator) -> Result<(), Error> {
    if !v.jailed {
        return Err(Error::unregistered(format!("cannot unjail already unjailed validator {}", v.operator)));
    }
    v.jailed = false;
    set_validator(ctx, v)?;
    rank(ctx, v)
}

/// Powers that the tokens give under `stake`: the `max_validators` highest, those without power left out.
pub(crate) fn stake_targets(ctx: &Ctx) -> Result<Vec<(Address, u64)>, Error> {
    let max = usize::try_from(Params::load(ctx)?.max_validators).unwrap_or(usize::MAX);
    let all = Range::prefix(keys::POWER_INDEX.prefix_bytes()).reversed();
    let mut targets = Vec::new();
    for entry in keys::POWER_INDEX.walk(ctx, &all)?.take(max) {
        let (key, operator) = entry?;
        if key.power == 0 {
            break;
        }
        targets.push((operator, key.power));
    }
    Ok(targets)
}

/// Makes the set what `targets` says, in its order, and records it as the one in force from `from` on.
///
/// Those that come in are bonded, those that are no longer there begin to unbond; the coins of both change pools.
pub(crate) fn apply(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    mut targets: Vec<(Address, u64)>,
    from: u64,
) -> Result<(), Error> {
    sets::bound_total(&mut targets);
    let last = keys::LAST_VALIDATOR_POWER.prefix(ctx, &())?.collect::<Result<Vec<_>, _>>()?;
    let mut last: BTreeMap<Address, i64> = last.into_iter().map(|(key, power)| (key.0, power)).collect();
    let (mut coming, mut going, mut total) = (Int::ZERO, Int::ZERO, Int::ZERO);
    let (mut updates, mut members) = (Vec::new(), Vec::new());
    for (operator, power) in targets {
        let mut v = existing(ctx, &operator)?;
        if !v.is_bonded() {
            bond(ctx, ports, &mut v)?;
            coming = coming.checked_add(v.tokens)?;
        }
        let signed = i64::try_from(power).map_err(|_| Overflow)?;
        if last.remove(&operator) != Some(signed) {
            updates.push(sets::update(&v.pub_key, signed));
            keys::LAST_VALIDATOR_POWER.set(ctx, &len(&operator), &signed)?;
        }
        total = total.checked_add(power.into())?;
        members.push(Member { operator, pub_key: v.pub_key, power });
    }
    for operator in last.into_keys() {
        let mut v = existing(ctx, &operator)?;
        begin_unbonding(ctx, ports, &mut v)?;
        going = going.checked_add(v.tokens)?;
        keys::LAST_VALIDATOR_POWER.delete(ctx, &len(&operator))?;
        updates.push(sets::update(&v.pub_key, 0));
    }
    move_pools(ctx, ports, coming, going)?;
    write_updates(ctx, total, updates)?;
    Ok(sets::record(ctx, from, members)?)
}

/// One transfer for all that come and go.
fn move_pools(ctx: &mut Ctx, ports: &dyn Ports, coming: Int, going: Int) -> Result<(), Error> {
    let net = coming.checked_sub(going)?;
    if net.is_positive() {
        not_bonded_to_bonded(ctx, ports, net)
    } else if net.is_negative() {
        bonded_to_not_bonded(ctx, ports, net.negate())
    } else {
        Ok(())
    }
}

fn write_updates(ctx: &mut Ctx, total: Int, updates: Vec<ValidatorUpdate>) -> Result<(), StateError> {
    if !updates.is_empty() {
        keys::LAST_TOTAL_POWER.set(ctx, &keys::IntProto { int: total.to_string() })?;
    }
    keys::VALIDATOR_UPDATES.set(ctx, &pb::ValidatorUpdates { updates })
}

/// Ends the unbonding of validators whose time is over; those without delegations are removed.
pub(crate) fn unbond_mature_validators(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), Error> {
    for operator in mature(ctx)? {
        let address = ctx.valoper(&operator).map_err(|e| broken(format!("{operator}: {e}")))?;
        let mut v = existing(ctx, &address)?;
        if v.status != Status::Unbonding {
            return Err(broken(format!("{operator} is in the queue, but not unbonding")));
        }
        if v.on_hold > 0 {
            continue;
        }
        for id in &v.unbonding_ids {
            keys::UNBONDING_INDEX.delete(ctx, id)?;
        }
        v.status = Status::Unbonded;
        set_validator(ctx, &v)?;
        if v.shares.is_zero() {
            remove_validator(ctx, ports, &address)?;
        }
        dequeue(ctx, &v)?;
    }
    Ok(())
}

/// Sum of the powers in the set last returned.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn last_total_power(ctx: &Ctx) -> Result<Int, StateError> {
    let total = keys::LAST_TOTAL_POWER.get(ctx)?.unwrap_or_default().int;
    read_int("last_total_power", &total).map_err(StateError::Invariant)
}

/// Power of an operator in the set last returned, 0 outside it.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn last_power(ctx: &Ctx, operator: &Address) -> Result<u64, StateError> {
    let power = keys::LAST_VALIDATOR_POWER.get(ctx, &len(operator))?.unwrap_or_default();
    Ok(u64::try_from(power).unwrap_or_default())
}

/// Validators of the set last returned, ascending by operator.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn last_validators(ctx: &Ctx) -> Result<Vec<Validator>, StateError> {
    let mut validators = Vec::new();
    for entry in keys::LAST_VALIDATOR_POWER.prefix(ctx, &())? {
        let (operator, _) = entry?;
        validators.extend(validator(ctx, &operator.0)?);
    }
    Ok(validators)
}
