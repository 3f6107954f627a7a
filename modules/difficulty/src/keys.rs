//! Every entry of the store `difficulty`.

use geodesic_core::{Item, Map, Pb, StoreId};
use geodesic_proto::geodesic::difficulty::v1 as pb;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("difficulty");

/// `0x00 -> Params`.
pub static PARAMS: Item<pb::Params, Pb> = Item::new(STORE, &[0]);

/// `0x01 | epoch:be64 -> Target`.
pub static TARGET: Map<u64, pb::Target, Pb> = Map::new(STORE, &[1]);

/// `0x02 -> be64`, the epoch of the newest target.
pub static NEWEST: Item<u64> = Item::new(STORE, &[2]);
