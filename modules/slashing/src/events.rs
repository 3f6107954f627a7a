//! Events, as the SDK's (`x/slashing/types/events.go`).

use geodesic_core::{Address, Ctx, Event, Int};

/// The text of a consensus address on this chain.
pub(crate) fn valcons(ctx: &Ctx, consensus: &Address) -> String {
    consensus.to_bech32(&ctx.block.valcons_prefix())
}

pub(crate) fn liveness(ctx: &mut Ctx, consensus: &Address, missed_blocks: i64) {
    let event = Event::new("liveness")
        .attr("address", valcons(ctx, consensus))
        .attr("missed_blocks", missed_blocks)
        .attr("height", ctx.block.height);
    ctx.emit(event);
}

pub(crate) fn slashed_for_downtime(ctx: &mut Ctx, consensus: &Address, power: u64, burned: Int) {
    let address = valcons(ctx, consensus);
    let event = Event::new("slash")
        .attr("address", &address)
        .attr("power", power)
        .attr("reason", "missing_signature")
        .attr("jailed", &address)
        .attr("burned_coins", burned);
    ctx.emit(event);
}

pub(crate) fn slashed_for_double_sign(ctx: &mut Ctx, consensus: &Address, power: u64, burned: Int) {
    let event = Event::new("slash")
        .attr("address", valcons(ctx, consensus))
        .attr("power", power)
        .attr("reason", "double_sign")
        .attr("burned_coins", burned);
    ctx.emit(event);
}

pub(crate) fn jailed(ctx: &mut Ctx, consensus: &Address) {
    let event = Event::new("slash").attr("jailed", valcons(ctx, consensus));
    ctx.emit(event);
}
