//! The target of each epoch.

use geodesic_challenge::r_target;
use geodesic_core::{Ctx, Event, StateError};
use geodesic_proto::geodesic::difficulty::v1 as pb;

use crate::events::EventTargetSet;
use crate::keys::{NEWEST, PARAMS, TARGET};
use crate::math::retarget;
use crate::params::Params;
use crate::ports::Ports;

/// `(r_target in 2^-32, p in 2^-64)` of an epoch; `None` before the epoch before it is settled.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn target(ctx: &Ctx, epoch: u64) -> Result<Option<(u64, u64)>, StateError> {
    Ok(TARGET.get(ctx, &epoch)?.map(|t| (t.r_target, t.p)))
}

/// Books the accepted hits of an epoch and sets the target of the next.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn settle(ctx: &mut Ctx, ports: &dyn Ports, epoch: u64, accepted_hits: u64) -> Result<(), StateError> {
    let params = load_params(ctx)?;
    let mut settled = TARGET
        .get(ctx, &epoch)?
        .ok_or_else(|| StateError::Invariant(format!("epoch {epoch} is settled but had no target")))?;
    settled.accepted_hits = accepted_hits;
    TARGET.set(ctx, &epoch, &settled)?;
    let (p_min, p_max) = params.bounds();
    let p = retarget(settled.p, accepted_hits, params.wanted(), p_min, p_max);
    set(ctx, ports, epoch.saturating_add(1), p)
}

/// Writes the target of `epoch` with the share `p`.
pub(crate) fn set(ctx: &mut Ctx, ports: &dyn Ports, epoch: u64, p: u64) -> Result<(), StateError> {
    let vocab = ports.vocab(ctx)?;
    let r = r_target(p, vocab).map_err(|e| StateError::Invariant(e.to_string()))?.0;
    TARGET.set(ctx, &epoch, &pb::Target { epoch, r_target: r, p, accepted_hits: 0 })?;
    NEWEST.set(ctx, &epoch)?;
    ctx.emit(Event::typed(&EventTargetSet { epoch, r_target: r, p }));
    Ok(())
}

/// The parameters in force.
pub(crate) fn load_params(ctx: &Ctx) -> Result<Params, StateError> {
    Params::try_from(PARAMS.load(ctx)?).map_err(|e| StateError::Invariant(e.to_string()))
}
