//! The end of a block: what is due at its height.

use geodesic_core::{Ctx, StateError};

use crate::draw;
use crate::ports::Ports;
use crate::settle;

/// Does what the height is for: beginning, draw, settlement or activation of the running epoch.
pub(crate) fn end_block(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), StateError> {
    let Some(window) = ports.window(ctx)? else { return Ok(()) };
    match ctx.block.height {
        h if h == window.start => draw::begin(ctx, ports, &window),
        h if h == window.draw => draw::draw(ctx, ports, &window),
        h if h == window.settle => settle::settle(ctx, ports, &window),
        h if h == window.activate => settle::activate(ctx, ports, &window),
        _ => Ok(()),
    }
}
