//! Every entry of the store `slashing`, as in the SDK (`x/slashing/types/keys.go`).

use geodesic_core::item::{Key, LenAddress};
use geodesic_core::{Address, Item, Map, Pb, StoreId};
use geodesic_proto::cosmos::slashing::v1beta1 as pb;
use geodesic_proto::prost_types::Any;

use crate::bitmap::Chunk;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("slashing");

/// `0x00 -> Params`.
pub static PARAMS: Item<pb::Params, Pb> = Item::new(STORE, &[0]);

/// `0x01 | len | consensus address -> ValidatorSigningInfo`.
pub static SIGNING_INFO: Map<LenAddress, pb::ValidatorSigningInfo, Pb> = Map::new(STORE, &[1]);

/// `0x02 | len | consensus address | chunk:le64 -> 1024 bits`, 1 for a missed block.
pub static MISSED: Map<(LenAddress, ChunkIndex), Chunk> = Map::new(STORE, &[2]);

/// `0x03 | len | consensus address -> Any`, the consensus key.
pub static PUB_KEY: Map<LenAddress, Any, Pb> = Map::new(STORE, &[3]);

/// Number of a chunk, little-endian, so byte order is not number order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkIndex(pub u64);

impl Key for ChunkIndex {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.to_le_bytes().write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        Key::read(input).map(|bytes| Self(u64::from_le_bytes(bytes)))
    }
}

/// An address as a key's part.
pub(crate) fn len(address: &Address) -> LenAddress {
    LenAddress(address.clone())
}
