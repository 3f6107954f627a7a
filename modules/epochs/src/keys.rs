//! Every entry of the store `epochs`.

use geodesic_core::{Item, Map, Pb, StoreId};
use geodesic_proto::geodesic::epochs::v1 as pb;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("epochs");

/// `0x00 -> Params`, in force from the next epoch.
pub static PARAMS: Item<pb::Params, Pb> = Item::new(STORE, &[0]);

/// `0x01 -> be64`, index of the current epoch.
pub static CURRENT: Item<u64> = Item::new(STORE, &[1]);

/// `0x02 | index:be64 -> Epoch`.
pub static EPOCH: Map<u64, pb::Epoch, Pb> = Map::new(STORE, &[2]);
