//! Every entry of the store `rewards`.

use geodesic_core::{Item, Map, Pb, StoreId};
use geodesic_proto::geodesic::rewards::v1 as pb;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("rewards");

/// `0x00 -> Params`.
pub static PARAMS: Item<pb::Params, Pb> = Item::new(STORE, &[0]);

/// `0x01 | epoch:be64 -> EpochReward`.
pub static EPOCH: Map<u64, pb::EpochReward, Pb> = Map::new(STORE, &[1]);

/// `0x02 | participant:20 | epoch:be64 -> Share`.
pub static SHARE: Map<([u8; 20], u64), pb::Share, Pb> = Map::new(STORE, &[2]);

/// `0x03 | epoch:be64 | participant:20 ->`, the shares by epoch.
pub static BY_EPOCH: Map<(u64, [u8; 20]), ()> = Map::new(STORE, &[3]);
