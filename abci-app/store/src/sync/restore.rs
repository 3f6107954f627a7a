//! A snapshot becomes the state of an empty store.
//!
//! What comes is written where it belongs, under a record that says so; the last batch takes the record away and makes the
//! height the committed one. Until then the store is empty for everybody, and a start clears it.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, PoisonError};

use geodesic_core::store::StoreId;

use super::decoder::{Decoded, Decoder};
use super::format::HEIGHT_MAX;
use crate::checkpoint::Checkpoints;
use crate::codec::flat_key;
use crate::db::{Cf, Db};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::prune::Pruner;
use crate::record::{self, Commit, Kept};
use crate::snapshot::Snapshot;
use crate::store::{Committed, Store};
use crate::trees::Trees;

/// Record of a restore that has begun: `uvarint`, its height.
const RESTORING: &str = "restoring";

/// Bytes that are written at a time.
const BATCH: usize = 4 << 20;

/// Takes the entries of stores without a tree: store, key, value.
pub type Index<'a> = dyn FnMut(StoreId, &[u8], &[u8]) -> Result<()> + 'a;

/// A restore that goes on; dropped before its end it leaves the store empty.
#[derive(Debug)]
pub struct Restore {
    store: Arc<Store>,
    height: u64,
    decoder: Option<Decoder>,
    pending: Pending,
}

/// Entries that are to be written.
#[derive(Debug, Default)]
struct Pending {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Pending {
    fn add(&mut self, db: &Db, store: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.entries.push((flat_key(store, key), value.to_vec()));
        if self.bytes > BATCH { self.flush(db) } else { Ok(()) }
    }

    fn flush(&mut self, db: &Db) -> Result<()> {
        let mut batch = db.batch();
        for (key, value) in self.entries.drain(..) {
            batch.put(Cf::Flat, &key, &value)?;
        }
        self.bytes = 0;
        batch.write()
    }
}

/// Takes away what an interrupted restore left; returns its height if there was one.
pub(crate) fn clear_unfinished(db: &Db) -> Result<Option<u64>> {
    let height = record::get_number(db, RESTORING)?;
    if height.is_some() {
        clear(db)?;
    }
    Ok(height)
}

/// Empties a database, in one batch.
fn clear(db: &Db) -> Result<()> {
    let mut batch = db.batch();
    for cf in [Cf::Flat, Cf::History, Cf::Log, Cf::Chunks, Cf::Meta] {
        batch.clear(cf)?;
    }
    record::put_number(&mut batch, "format", record::FORMAT)?;
    batch.write()
}

impl Restore {
    /// Begins to restore the state of `height`, which hashes to `app_hash`; without that the snapshot alone says what its state
    /// is. A store that has another restored state, and no block after it, gives that up.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] if the store has blocks, [`Error::Snapshot`] if there can be no such height, [`Error::Storage`].
    pub fn begin(store: &Arc<Store>, height: u64, app_hash: Option<Hash>) -> Result<Self> {
        if height == 0 || height > HEIGHT_MAX {
            return Err(Error::Snapshot(format!("it is of height {height}, heights are 1 to {HEIGHT_MAX}")));
        }
        {
            let mut writer = store.writer()?;
            let latest = store.snapshot().height();
            let kept = writer.pruner.kept();
            if latest > 0 && !(kept.first == 0 && kept.log == latest) {
                return Err(Error::NotEmpty { height: latest });
            }
            store.forget(&mut writer)?;
            let mut batch = store.shared.db.batch();
            record::put_number(&mut batch, RESTORING, height)?;
            batch.write()?;
            writer.restoring = true;
        }
        let decoder = Some(Decoder::new(height, app_hash, &store.stores));
        Ok(Self { store: Arc::clone(store), height, decoder, pending: Pending::default() })
    }

    /// Reads the next bytes of the snapshot, as many as there are.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if they are not of the chain's state, [`Error::Storage`]; then it is over.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { store, decoder, pending, .. } = self;
        let Some(decoder) = decoder else { return Err(Error::Snapshot("it was bad before".to_owned())) };
        let db = &store.shared.db;
        let read = decoder.feed(bytes, &mut |store, key, value| pending.add(db, store, key, value));
        if read.is_err() {
            self.decoder = None;
        }
        read
    }

    /// Commits the state. `index` writes the stores without a tree, which follow from those that have one.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it is not complete, [`Error::Storage`], and what `index` returns; then the store is empty.
    pub fn finish<E: From<Error>>(
        mut self,
        index: impl FnOnce(&Arc<Snapshot>, &mut Index<'_>) -> Result<(), E>,
    ) -> Result<Committed, E> {
        let decoder = self.decoder.take().ok_or_else(|| Error::Snapshot("it was bad before".to_owned()))?;
        let Decoded { app_hash, roots, trees } = decoder.finish()?;
        let store = Arc::clone(&self.store);
        let (height, shared) = (self.height, &store.shared);
        self.pending.flush(&shared.db)?;
        let commit = Commit { app_hash, writes: 0, roots };
        {
            let names = store.stores.iter().filter(|s| s.is_proven()).map(|s| s.name());
            let mut slot = shared.trees.write().unwrap_or_else(PoisonError::into_inner);
            *slot = Trees::loaded(names, trees, height);
        }
        for number in [&shared.oldest, &shared.begun, &shared.done] {
            number.store(height, SeqCst);
        }
        let snapshot = Arc::new(Snapshot::new(Arc::clone(shared), height, commit.clone()));
        let pending = &mut self.pending;
        index(&snapshot, &mut |of, key, value| {
            if of.is_proven() || !store.stores.contains(&of) {
                return Err(Error::UnknownStore(of.name().to_owned()));
            }
            pending.add(&shared.db, of.name(), key, value)
        })?;
        pending.flush(&shared.db)?;
        // The index may have looked for what it wrote.
        shared.cache.clear();
        let mut writer = store.writer_restoring()?;
        writer.checkpoints = self.commit(&commit)?;
        writer.pruner = Pruner::new(Kept { first: 0, history: height, log: height });
        writer.restoring = false;
        *store.published.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(Committed { height, app_hash })
    }

    /// Writes a checkpoint of the trees, and with its last part the records that make the height the committed one.
    fn commit(&self, commit: &Commit) -> Result<Checkpoints> {
        let shared = &self.store.shared;
        let trees = shared.trees.read().unwrap_or_else(PoisonError::into_inner);
        let mut checkpoints = Checkpoints::default();
        checkpoints.begin_if_due(self.height, commit.writes, &trees, &self.store.options);
        loop {
            let mut batch = shared.db.batch();
            checkpoints.advance(&trees, &self.store.options, &mut batch)?;
            if checkpoints.pinned().is_some() {
                batch.write()?;
                continue;
            }
            commit.put(&mut batch, self.height)?;
            batch.put(Cf::Meta, &record::at(record::EXTRA, self.height), &[])?;
            record::put_number(&mut batch, "latest", self.height)?;
            Kept { first: 0, history: self.height, log: self.height }.put(&mut batch)?;
            batch.delete(Cf::Meta, RESTORING.as_bytes())?;
            batch.write()?;
            return Ok(checkpoints);
        }
    }
}

#[cfg(test)]
impl Restore {
    /// Leaves everything as it is, as a kill of the process does.
    pub(crate) fn kill(self) {
        self.store.writer_restoring().unwrap().restoring = false;
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        let Ok(mut writer) = self.store.writer_restoring() else { return };
        if writer.restoring {
            // What cannot be cleared now is cleared at the next start: the record is still there.
            if self.store.forget(&mut writer).is_ok() {
                writer.restoring = false;
                self.store.shared.oldest.store(0, SeqCst);
                self.store.shared.begun.store(0, SeqCst);
            }
        }
    }
}

impl Store {
    /// Height of a restore that was interrupted before this start, and whose remains were cleared.
    pub fn cleared_restore(&self) -> Option<u64> {
        self.cleared_restore
    }

    /// Makes the store an empty one, on disk and in memory.
    fn forget(&self, writer: &mut crate::store::Writer) -> Result<()> {
        let shared = &self.shared;
        // Whoever still reads the version that goes is told so, and nothing is remembered of what it reads.
        shared.oldest.store(u64::MAX, SeqCst);
        shared.begun.store(u64::MAX, SeqCst);
        shared.done.store(0, SeqCst);
        clear(&shared.db)?;
        shared.cache.clear();
        let names = self.stores.iter().filter(|s| s.is_proven()).map(|s| s.name());
        *shared.trees.write().unwrap_or_else(PoisonError::into_inner) = Trees::new(names);
        let empty = Snapshot::new(Arc::clone(shared), 0, Commit::default());
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(empty);
        writer.staged = None;
        writer.checkpoints = Checkpoints::default();
        writer.pruner = Pruner::default();
        Ok(())
    }
}
