//! Preparing a state for a chain that begins at its first height again (`simapp/export.go`).

use geodesic_core::{Address, Ctx, StateError};

use crate::blocks::new_set;
use crate::delegate::put_unbonding;
use crate::errors::{Error, broken};
use crate::keys;
use crate::ports::Ports;
use crate::redelegate::put_redelegation;
use crate::sets;
use crate::status::jail;
use crate::types::Status;
use crate::validators::{all_validators, dequeue, enqueue, set_validator};

/// Forgets at which heights unbondings and redelegations began, and jails the validators that `allowed` does not name,
/// unless it names none. The state is to be exported, not to be committed.
///
/// # Errors
/// An operator in `allowed` that is no validator; or nobody is left to make blocks.
pub fn for_zero_height(ctx: &mut Ctx, ports: &dyn Ports, allowed: &[Address]) -> Result<(), Error> {
    let mut validators = all_validators(ctx)?;
    for operator in allowed {
        if !validators.iter().any(|v| v.address == *operator) {
            let text = ctx.valoper_text(operator);
            return Err(Error::unregistered(format!("{text} is to stay free of jail, but is no validator")));
        }
    }
    for v in validators.iter_mut().filter(|v| !allowed.is_empty() && !allowed.contains(&v.address)) {
        if !v.jailed {
            jail(ctx, v)?;
        }
    }
    let from = sets::next_height(ctx);
    new_set(ctx, ports, from)?;
    if keys::LAST_VALIDATOR_POWER.prefix(ctx, &())?.next().is_none() {
        return Err(Error::unregistered("no validator is left to make blocks"));
    }
    for mut v in all_validators(ctx)? {
        let queued = v.status == Status::Unbonding;
        if queued {
            dequeue(ctx, &v)?;
        }
        v.unbonding_height = 0;
        set_validator(ctx, &v)?;
        if queued {
            enqueue(ctx, &v)?;
        }
    }
    reset_entries(ctx)
}

fn reset_entries(ctx: &mut Ctx) -> Result<(), Error> {
    let parse = |e: geodesic_core::address::AddressError| broken(e.to_string());
    let unbondings = keys::UNBONDINGS.prefix(ctx, &())?.collect::<Result<Vec<_>, StateError>>()?;
    for (_, mut u) in unbondings {
        u.entries.iter_mut().for_each(|e| e.creation_height = 0);
        let (delegator, operator) =
            (ctx.account(&u.delegator).map_err(parse)?, ctx.valoper(&u.validator).map_err(parse)?);
        put_unbonding(ctx, &delegator, &operator, &u)?;
    }
    let redelegations = keys::REDELEGATIONS.prefix(ctx, &())?.collect::<Result<Vec<_>, StateError>>()?;
    for (_, mut r) in redelegations {
        r.entries.iter_mut().for_each(|e| e.creation_height = 0);
        let delegator = ctx.account(&r.delegator).map_err(parse)?;
        let (source, destination) =
            (ctx.valoper(&r.source).map_err(parse)?, ctx.valoper(&r.destination).map_err(parse)?);
        put_redelegation(ctx, &delegator, &source, &destination, &r)?;
    }
    Ok(())
}
