//! Every entry of the store `seeds`.

use geodesic_core::{Item, Map, Pb, StoreId};
use geodesic_proto::geodesic::seeds::v1 as pb;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("seeds");

/// `0x00 -> Params`.
pub static PARAMS: Item<pb::Params, Pb> = Item::new(STORE, &[0]);

/// `0x01 | height:be64 -> Beacon`, the last `beacon_history` heights.
pub static BEACON: Map<u64, pb::Beacon, Pb> = Map::new(STORE, &[1]);

/// `0x02 | operator:20 -> VrfKey`.
pub static VRF_KEY: Map<[u8; 20], pb::VrfKey, Pb> = Map::new(STORE, &[2]);

/// `0x03 | public key:32 -> operator:20`, so that no two operators share a key.
pub static KEY_OWNER: Map<[u8; 32], [u8; 20]> = Map::new(STORE, &[3]);

/// `0x04 -> be64`, height of the last beacon.
pub static LAST: Item<u64> = Item::new(STORE, &[4]);
