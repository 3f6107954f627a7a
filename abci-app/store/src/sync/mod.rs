//! State sync: a committed version as a snapshot in chunks, and a snapshot as the state of an empty store.
//!
//! The snapshots of two nodes at one height are the same bytes. What comes from others is bounded and checked against the
//! app hash before it counts; [`Error::Snapshot`](crate::Error::Snapshot) says that it is bad, any other error that this node is.

mod decoder;
mod export;
mod folder;
mod format;
mod meta;
mod restore;

pub use decoder::{Decoder, Sink};
pub use export::Export;
pub use folder::{Draft, Folder};
pub use format::FORMAT;
pub use meta::{CHUNK_BYTES, CHUNK_MAX, CHUNKS_MAX, Meta};
pub(crate) use restore::clear_unfinished;
pub use restore::{Index, Restore};
