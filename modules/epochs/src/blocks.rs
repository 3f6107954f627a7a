//! The epoch of a block.

use geodesic_core::{Ctx, Event, StateError};
use geodesic_proto::geodesic::epochs::v1 as pb;

use crate::events::EventEpochStarted;
use crate::keys::{CURRENT, EPOCH, PARAMS};
use crate::params::Params;
use crate::schedule::Epoch;

/// The running epoch; `None` before the first block.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn current(ctx: &Ctx) -> Result<Option<Epoch>, StateError> {
    match CURRENT.get(ctx)? {
        Some(index) => by_index(ctx, index),
        None => Ok(None),
    }
}

/// The epoch of an index; `None` if it has not begun.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn by_index(ctx: &Ctx, index: u64) -> Result<Option<Epoch>, StateError> {
    Ok(EPOCH.get(ctx, &index)?.map(Epoch::from))
}

/// Begins the next epoch when the current one is over.
pub(crate) fn begin_block(ctx: &mut Ctx) -> Result<(), StateError> {
    let index = match current(ctx)? {
        Some(epoch) if ctx.block.height < epoch.end => return Ok(()),
        Some(epoch) => epoch.index.saturating_add(1),
        None => 0,
    };
    let epoch = Epoch::new(index, ctx.block.height, &params(ctx)?);
    EPOCH.set(ctx, &index, &pb::Epoch::from(epoch))?;
    CURRENT.set(ctx, &index)?;
    ctx.emit(Event::typed(&EventEpochStarted { index, start: epoch.start, end: epoch.end }));
    Ok(())
}

/// The parameters that the next epoch begins with.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn params(ctx: &Ctx) -> Result<Params, StateError> {
    let stored = PARAMS.load(ctx)?;
    Params::try_from(stored).map_err(|e| StateError::Invariant(e.to_string()))
}
