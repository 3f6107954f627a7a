//! The one kind of entry of the store `evidence`, as in the SDK (`x/evidence/types/keys.go`).

use geodesic_core::{Map, Pb, StoreId};
use geodesic_proto::prost_types::Any;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("evidence");

/// `0x00 | SHA-256 of the Equivocation -> Any`, the Equivocation.
pub static EVIDENCE: Map<[u8; 32], Any, Pb> = Map::new(STORE, &[0]);
