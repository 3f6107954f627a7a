//! Coins go from one validator to another (`delegation.go`).

use geodesic_core::store::Range;
use geodesic_core::{Address, Coins, Ctx, Dec, Event, Sdk, StateError};
use geodesic_proto::cosmos::staking::v1beta1 as pb;

use crate::delegate::{Source, delegate, put_unbonding, shares_to_unbond, unbond, unbonding, unbonding_hook};
use crate::entries::{Redelegation, RedelegationEntry};
use crate::errors::{Error, broken};
use crate::keys::{self, len};
use crate::msgs::{check_denom, delegator, operator, positive};
use crate::params::Params;
use crate::ports::Ports;
use crate::status::{UnbondingKind, height, index_unbonding, next_unbonding_id};
use crate::time::Time;
use crate::types::Status;
use crate::validators::validator;

/// What a delegator moved from one operator to another.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn redelegation(
    ctx: &Ctx,
    delegator: &Address,
    source: &Address,
    destination: &Address,
) -> Result<Option<Redelegation>, StateError> {
    keys::REDELEGATIONS.get(ctx, &(len(delegator), len(source), len(destination)))
}

/// All that was moved away from an operator.
pub(crate) fn redelegations_from(ctx: &Ctx, source: &Address) -> Result<Vec<Redelegation>, Error> {
    let index = keys::REDELEGATIONS_BY_SOURCE.prefix(ctx, &len(source))?;
    let found: Vec<(Address, Address)> =
        index.map(|e| e.map(|((_, from, to), ())| (from.0, to.0))).collect::<Result<_, _>>()?;
    let load = |(from, to): (Address, Address)| {
        redelegation(ctx, &from, source, &to)?
            .ok_or_else(|| broken(format!("redelegation of {from:?} is not there")))
    };
    found.into_iter().map(load).collect()
}

/// Writes a redelegation, or forgets it if no entries are left.
pub(crate) fn put_redelegation(
    ctx: &mut Ctx,
    delegator: &Address,
    source: &Address,
    destination: &Address,
    r: &Redelegation,
) -> Result<(), StateError> {
    let (d, s, t) = (len(delegator), len(source), len(destination));
    let key = (d.clone(), s.clone(), t.clone());
    let by_source = (s.clone(), d.clone(), t.clone());
    let by_destination = (t, d, s);
    if r.entries.is_empty() {
        keys::REDELEGATIONS.delete(ctx, &key)?;
        keys::REDELEGATIONS_BY_SOURCE.delete(ctx, &by_source)?;
        keys::REDELEGATIONS_BY_DESTINATION.delete(ctx, &by_destination)
    } else {
        keys::REDELEGATIONS.set(ctx, &key, r)?;
        keys::REDELEGATIONS_BY_SOURCE.set(ctx, &by_source, &())?;
        keys::REDELEGATIONS_BY_DESTINATION.set(ctx, &by_destination, &())
    }
}

/// Begins to move coins; returns until when they answer for the source, `None` if they do not.
fn begin(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    from: &Address,
    source: &Address,
    destination: &Address,
    shares: Dec,
) -> Result<Option<Time>, Error> {
    if source == destination {
        return Err(Error::SelfRedelegation);
    }
    let mut to = validator(ctx, destination)?.ok_or(Error::BadRedelegationDst)?;
    let v = validator(ctx, source)?.ok_or(Error::BadRedelegationSrc)?;
    let receiving =
        keys::REDELEGATIONS_BY_DESTINATION.prefix(ctx, &(len(source), len(from)))?.next().is_some();
    if receiving {
        return Err(Error::TransitiveRedelegation);
    }
    if let Some(r) = redelegation(ctx, from, source, destination)? {
        let max = usize::try_from(Params::load(ctx)?.max_entries).unwrap_or(usize::MAX);
        if r.entries.len() >= max {
            return Err(Error::MaxRedelegationEntries);
        }
    }
    let amount = unbond(ctx, ports, from, source, shares)?;
    if amount.is_zero() {
        return Err(Error::TinyRedelegation);
    }
    let pool = Source::Pool { bonded: v.is_bonded() };
    let shares_dst = delegate(ctx, ports, from, amount, pool, &mut to)?;
    let Some((completion_time, creation_height)) = begin_info(ctx, source)? else { return Ok(None) };
    let id = next_unbonding_id(ctx)?;
    let mut r = redelegation(ctx, from, source, destination)?.unwrap_or_else(|| Redelegation {
        delegator: ctx.account_text(from),
        source: v.operator,
        destination: to.operator,
        entries: Vec::new(),
    });
    r.entries.push(RedelegationEntry {
        creation_height,
        completion_time,
        initial_balance: amount,
        shares_dst,
        id,
        on_hold: 0,
    });
    put_redelegation(ctx, from, source, destination, &r)?;
    let key = keys::REDELEGATIONS.key(&(len(from), len(source), len(destination)));
    index_unbonding(ctx, id, key, UnbondingKind::Redelegation)?;
    unbonding_hook(ctx, ports, id)?;
    enqueue(ctx, &r, completion_time)?;
    Ok(Some(completion_time))
}

/// When redelegated coins are free, and the height that counts as their beginning; `None` if they are free at once.
///
/// A source that left the set before began then: its delegators' coins answer no longer than those of undelegators.
fn begin_info(ctx: &Ctx, source: &Address) -> Result<Option<(Time, i64)>, Error> {
    // The last share may have taken an unbonded source with it; the SDK refuses that too.
    let v = validator(ctx, source)?.ok_or(Error::NoValidator)?;
    let unbonding_time = Params::load(ctx)?.unbonding_time_ns;
    Ok(match v.status {
        Status::Bonded => Some((Time::of_block(ctx).plus(unbonding_time), height(ctx)?)),
        Status::Unbonding => Some((v.unbonding_time, v.unbonding_height)),
        Status::Unbonded => None,
    })
}

/// Puts a redelegation into the queue, once for each entry.
pub(crate) fn enqueue(ctx: &mut Ctx, r: &Redelegation, completion: Time) -> Result<(), StateError> {
    let key = completion.sortable();
    let mut queue = keys::REDELEGATION_QUEUE.get(ctx, &key)?.unwrap_or_default();
    queue.triplets.push(pb::DvvTriplet {
        delegator_address: r.delegator.clone(),
        validator_src_address: r.source.clone(),
        validator_dst_address: r.destination.clone(),
    });
    keys::REDELEGATION_QUEUE.set(ctx, &key, &queue)
}

/// Moves coins from one validator to another.
pub(crate) fn begin_redelegate(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgBeginRedelegate,
) -> Result<pb::MsgBeginRedelegateResponse, Error> {
    let wrong = |which: &str, e| {
        Error::from(Sdk::InvalidAddress.with(format!("invalid {which} validator address: {e}")))
    };
    let source = ctx.valoper(&msg.validator_src_address).map_err(|e| wrong("source", e))?;
    let destination = ctx.valoper(&msg.validator_dst_address).map_err(|e| wrong("destination", e))?;
    let from = delegator(ctx, &msg.delegator_address)?;
    let coin = positive(msg.amount.as_ref(), "invalid shares amount")?;
    let shares = shares_to_unbond(ctx, &from, &source, coin.amount)?;
    check_denom(&Params::load(ctx)?, &coin)?;
    let completion = begin(ctx, ports, &from, &source, &destination, shares)?.unwrap_or(Time::FIRST);
    ctx.emit(
        Event::new("redelegate")
            .attr("source_validator", &msg.validator_src_address)
            .attr("destination_validator", &msg.validator_dst_address)
            .attr("amount", coin)
            .attr("completion_time", completion.rfc3339()),
    );
    Ok(pb::MsgBeginRedelegateResponse { completion_time: Some(completion.to_message()) })
}

/// Gives coins that are on their way back to their validator.
pub(crate) fn cancel_unbonding(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgCancelUnbondingDelegation,
) -> Result<pb::MsgCancelUnbondingDelegationResponse, Error> {
    let operator = operator(ctx, &msg.validator_address)?;
    let from = delegator(ctx, &msg.delegator_address)?;
    let coin = positive(msg.amount.as_ref(), "invalid amount")?;
    if msg.creation_height <= 0 {
        return Err(Sdk::InvalidRequest.with("invalid height").into());
    }
    check_denom(&Params::load(ctx)?, &coin)?;
    let mut v = validator(ctx, &operator)?.ok_or(Error::NoValidator)?;
    if v.invalid_exchange_rate() {
        return Err(Error::InvalidExchangeRate);
    }
    if v.jailed {
        return Err(Error::ValidatorJailed);
    }
    let mut u = unbonding(ctx, &from, &operator)?.ok_or_else(|| no_unbonding(msg))?;
    let position = u.entries.iter().position(|e| e.creation_height == msg.creation_height);
    let Some((i, entry)) = position.and_then(|i| Some((i, u.entries.get_mut(i)?))) else {
        let what = format!("unbonding delegation entry is not found at block height {}", msg.creation_height);
        return Err(Sdk::NotFound.with(what).into());
    };
    if entry.balance < coin.amount {
        let what = "amount is greater than the unbonding delegation entry balance";
        return Err(Sdk::InvalidRequest.with(what).into());
    }
    if entry.completion_time < Time::of_block(ctx) {
        return Err(Sdk::InvalidRequest.with("unbonding delegation is already processed").into());
    }
    let left = entry.balance.checked_sub(coin.amount)?;
    entry.balance = left;
    entry.initial_balance = entry.initial_balance.checked_sub(coin.amount)?;
    if left.is_zero() {
        u.entries.remove(i);
    }
    delegate(ctx, ports, &from, coin.amount, Source::Pool { bonded: false }, &mut v)?;
    put_unbonding(ctx, &from, &operator, &u)?;
    ctx.emit(
        Event::new("cancel_unbonding_delegation")
            .attr("amount", coin)
            .attr("validator", &msg.validator_address)
            .attr("delegator", &msg.delegator_address)
            .attr("creation_height", msg.creation_height),
    );
    Ok(pb::MsgCancelUnbondingDelegationResponse {})
}

/// A gRPC status, which the SDK gives no code.
fn no_unbonding(msg: &pb::MsgCancelUnbondingDelegation) -> Error {
    let (delegator, validator) = (&msg.delegator_address, &msg.validator_address);
    Error::unregistered(format!(
        "rpc error: code = NotFound desc = unbonding delegation with delegator {delegator} not found for validator {validator}"
    ))
}

/// Ends the redelegations whose time is over.
pub(crate) fn complete_redelegations(ctx: &mut Ctx) -> Result<(), Error> {
    let mut end = keys::REDELEGATION_QUEUE.key(&Time::of_block(ctx).sortable());
    end.push(0);
    let start = keys::REDELEGATION_QUEUE.prefix_bytes().to_vec();
    let range = Range { start, end: Some(end), reverse: false };
    let due = keys::REDELEGATION_QUEUE.walk(ctx, &range)?.collect::<Result<Vec<_>, _>>()?;
    due.iter().try_for_each(|(key, _)| keys::REDELEGATION_QUEUE.delete(ctx, key))?;
    for t in due.into_iter().flat_map(|(_, queue)| queue.triplets) {
        match ctx.atomic(|ctx| complete(ctx, &t)) {
            Ok(coins) => ctx.emit(
                Event::new("complete_redelegation")
                    .attr("amount", coins)
                    .attr("delegator", t.delegator_address)
                    .attr("source_validator", t.validator_src_address)
                    .attr("destination_validator", t.validator_dst_address),
            ),
            Err(e) if e.is_fatal() => return Err(e),
            // Ended with an entry of the same time.
            Err(e) => tracing::debug!(delegator = t.delegator_address, error = %e, "nothing to end"),
        }
    }
    Ok(())
}

fn complete(ctx: &mut Ctx, t: &pb::DvvTriplet) -> Result<Coins, Error> {
    let from = ctx.account(&t.delegator_address).map_err(|e| broken(e.to_string()))?;
    let source = ctx.valoper(&t.validator_src_address).map_err(|e| broken(e.to_string()))?;
    let destination = ctx.valoper(&t.validator_dst_address).map_err(|e| broken(e.to_string()))?;
    let mut r = redelegation(ctx, &from, &source, &destination)?.ok_or(Error::NoRedelegation)?;
    let params = Params::load(ctx)?;
    let now = Time::of_block(ctx);
    let (done, left): (Vec<_>, Vec<_>) = r.entries.into_iter().partition(|e| e.is_done(now));
    let mut ended = Coins::default();
    for entry in done {
        keys::UNBONDING_INDEX.delete(ctx, &entry.id)?;
        ended = ended.checked_add(&params.coins(entry.initial_balance)?)?;
    }
    r.entries = left;
    put_redelegation(ctx, &from, &source, &destination, &r)?;
    Ok(ended)
}
