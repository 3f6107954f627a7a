//! Work of every block.

use geodesic_core::{Ctx, StateError};

use crate::compute;
use crate::delegate::complete_unbondings;
use crate::errors::Error;
use crate::historical;
use crate::params::PowerSource;
use crate::ports::Ports;
use crate::redelegate::complete_redelegations;
use crate::sets;
use crate::status::{apply, stake_targets, unbond_mature_validators};

/// Keeps the header and the validators for IBC.
pub(crate) fn begin_block(ctx: &mut Ctx) -> Result<(), StateError> {
    historical::track(ctx)
}

/// Makes the new validator set, then returns coins whose time is over.
///
/// In this order, so that with the shortest unbonding time a validator leaves and is free in one block.
pub(crate) fn end_block(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), StateError> {
    let run = |ctx: &mut Ctx| {
        let from = sets::next_height(ctx);
        new_set(ctx, ports, from)?;
        unbond_mature_validators(ctx, ports)?;
        complete_unbondings(ctx, ports)?;
        complete_redelegations(ctx)?;
        Ok::<_, Error>(sets::prune(ctx)?)
    };
    run(ctx).map_err(|e| e.into_state("end of block"))
}

/// Makes the set that the power source says, in force from `from` on.
pub(crate) fn new_set(ctx: &mut Ctx, ports: &dyn Ports, from: u64) -> Result<(), Error> {
    let targets = match PowerSource::load(ctx)? {
        PowerSource::Stake => stake_targets(ctx)?,
        PowerSource::Compute => compute::targets(ctx)?,
    };
    apply(ctx, ports, targets, from)
}
