//! What the application keeps about the chain itself.

use geodesic_core::{BlockInfo, Ctx, Item, Pb, State, StateError, StoreId};
use geodesic_proto::geodesic::app::v1::ChainInfo;

/// The application's own store, outside the app hash: everything in it stands in headers and genesis.
pub(crate) const STORE: StoreId = StoreId::flat("app");

/// `0x00 -> ChainInfo`.
static CHAIN_INFO: Item<ChainInfo, Pb> = Item::new(STORE, &[0]);

/// The block that the state is of; `None` before InitChain.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn load(state: &State) -> Result<Option<BlockInfo>, StateError> {
    let ctx = Ctx::new(BlockInfo::default(), state.clone());
    Ok(CHAIN_INFO.get(&ctx)?.map(|c| BlockInfo {
        chain_id: c.chain_id,
        prefix: c.prefix,
        initial_height: c.initial_height,
        height: c.height,
        time_ns: c.time_ns,
        hash: c.block_hash,
        proposer: c.proposer,
        app_hash: Vec::new(),
        next_validators_hash: Vec::new(),
    }))
}

/// Writes the block of the context as the one that the state is of.
///
/// # Errors
/// [`StateError`] if gas runs out.
pub(crate) fn save(ctx: &mut Ctx) -> Result<(), StateError> {
    let b = &ctx.block;
    let info = ChainInfo {
        chain_id: b.chain_id.clone(),
        prefix: b.prefix.clone(),
        initial_height: b.initial_height,
        height: b.height,
        time_ns: b.time_ns,
        block_hash: b.hash.clone(),
        proposer: b.proposer.clone(),
    };
    CHAIN_INFO.set(ctx, &info)
}
