#![doc = include_str!("../README.md")]

mod cache;
mod checkpoint;
mod codec;
mod db;
mod error;
#[cfg(feature = "floor")]
mod floor;
mod hash;
mod load;
mod merge;
mod names;
mod options;
mod proof;
mod prune;
mod record;
mod rollback;
mod slab;
mod snapshot;
mod store;
pub mod sync;
mod tree;
mod trees;

#[cfg(test)]
mod tests;

pub use codec::MAX_KEY;
pub use error::{Error, Result};
#[cfg(feature = "floor")]
pub use floor::Floor;
pub use hash::Hash;
pub use options::{Options, Pruning};
pub use proof::{Proof, ProofOp};
pub use rollback::{rollback, rollback_heights};
pub use snapshot::Snapshot;
pub use store::{Committed, Store};
#[cfg(any(test, feature = "failpoints"))]
pub use store::{FailHook, FailPoint};
