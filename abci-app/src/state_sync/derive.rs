//! What stands outside the trees, derived from them: nobody could prove it, so nobody sends it.

use std::sync::Arc;

use geodesic_core::store::PutEntry;
use geodesic_core::{BlockInfo, Ctx, StateError};
use geodesic_store::Snapshot;

use crate::block::state_on;
use crate::info;

/// Gives every entry of the stores without a tree to `put`: the indexes of the modules, and what the application keeps of the
/// chain. `genesis` is chain id and initial height.
///
/// # Errors
/// A text: the state is of another chain, does not decode, or the disk fails.
pub(super) fn all(
    snapshot: &Arc<Snapshot>,
    genesis: Option<&(String, u64)>,
    put: &mut PutEntry<'_>,
) -> Result<(), String> {
    let ctx = Ctx::new(BlockInfo::default(), state_on(snapshot));
    let text = |e: StateError| e.to_string();
    geodesic_auth::keeper::index(&ctx, put).map_err(text)?;
    geodesic_bank::keeper::index(&ctx, put).map_err(text)?;
    let mut ctx = Ctx::new(block(&ctx, snapshot.height(), genesis)?, state_on(snapshot));
    info::save(&mut ctx).map_err(text)?;
    for (store, writes) in ctx.into_state().into_changes() {
        for (key, value) in writes {
            put(store, &(key, value.unwrap_or_default())).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// The block that the state is of, as far as the state knows. Its hash is not in it, and no later block asks for it; its time and
/// proposer are those of the header that staking keeps, if it keeps any.
fn block(ctx: &Ctx, height: u64, genesis: Option<&(String, u64)>) -> Result<BlockInfo, String> {
    let text = |e: StateError| e.to_string();
    let prefix = geodesic_auth::keeper::prefix(ctx).map_err(text)?.ok_or("it has no accounts")?;
    let kept = geodesic_staking::keys::HISTORICAL.get(ctx, &height).map_err(text)?;
    let header = kept.and_then(|kept| kept.header);
    let chain_id = match (&header, genesis) {
        (Some(header), Some((chain_id, _))) if header.chain_id != *chain_id => {
            return Err(format!(
                "it is of chain {:?}, config/genesis.json is of {chain_id:?}",
                header.chain_id
            ));
        }
        (Some(header), _) => header.chain_id.clone(),
        (None, Some((chain_id, _))) => chain_id.clone(),
        (None, None) => {
            return Err("neither the state nor config/genesis.json says of which chain it is".to_owned());
        }
    };
    let time = header.as_ref().and_then(|header| header.time.as_ref());
    let time_ns = time.map_or(0, |t| t.seconds.saturating_mul(1_000_000_000).saturating_add(t.nanos.into()));
    Ok(BlockInfo {
        chain_id,
        prefix,
        initial_height: genesis.map_or(1, |(_, height)| *height),
        height,
        time_ns,
        proposer: header.map(|header| header.proposer_address).unwrap_or_default(),
        ..BlockInfo::default()
    })
}
