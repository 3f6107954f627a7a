//! What the writes of a block cost at least: one synced batch, nothing read, no tree. Benchmarks compare blocks with it.

use std::path::Path;

use crate::codec::{history_key, history_prefix};
use crate::db::{Cf, Db};
use crate::error::Result;
use crate::hash::Hash;
use crate::options::Options;

/// A database without trees.
pub struct Floor(Db);

impl Floor {
    /// The database at `path`, set up as a store's is.
    ///
    /// # Errors
    /// RocksDB's.
    pub fn open(path: &Path, options: &Options) -> Result<Self> {
        Db::open(path, options).map(Self)
    }

    /// Writes the entries as a commit does: the value, what it replaces, and key and hash in the log; returns once all is on
    /// disk.
    ///
    /// # Errors
    /// RocksDB's.
    pub fn write(&self, height: u64, entries: &[(Vec<u8>, Vec<u8>, Hash)]) -> Result<()> {
        let mut batch = self.0.batch();
        let mut log = Vec::new();
        for (key, value, hash) in entries {
            batch.put(Cf::Flat, key, value)?;
            batch.put(Cf::History, &history_key(&history_prefix(key), height), value)?;
            log.extend_from_slice(key);
            log.extend_from_slice(hash);
        }
        batch.put(Cf::Log, &height.to_be_bytes(), &log)?;
        batch.write()
    }
}
