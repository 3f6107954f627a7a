//! The one entry of the store `consensus`, as in the SDK (`x/consensus/keeper/keeper.go`).

use geodesic_core::{Item, Pb, StoreId};
use geodesic_proto::tendermint::types::ConsensusParams;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("consensus");

/// `Consensus -> ConsensusParams`.
pub static PARAMS: Item<ConsensusParams, Pb> = Item::new(STORE, b"Consensus");
