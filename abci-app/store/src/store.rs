//! The store: stage a block, commit it, hand out snapshots.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use geodesic_core::store::{ChangeSet, StoreId, Writes};

use crate::cache::Cache;
use crate::checkpoint::Checkpoints;
use crate::codec::{MAX_KEY, flat_key, history_key, history_prefix, to_u64};
use crate::db::{Batch, Cf, Db};
use crate::error::{Error, Result};
use crate::hash::{self, Hash};
use crate::options::Options;
use crate::prune::Pruner;
use crate::record::{self, Commit, LogWriter, Logged};
use crate::snapshot::{Shared, Snapshot};
use crate::tree::TreeWrite;
use crate::trees::{TreeWrites, Trees};
use crate::{load, names, sync};

/// A committed version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its height.
    pub height: u64,
    /// The app hash that the next header carries.
    pub app_hash: Hash,
}

/// Where a test may stop a commit.
#[cfg(any(test, feature = "failpoints"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// Nothing of the block is on disk.
    BeforeWrite,
    /// The block is on disk, nobody was told.
    AfterWrite,
}

/// Called at each [`FailPoint`]; `true` makes the commit fail there. It may also end the process.
#[cfg(any(test, feature = "failpoints"))]
pub type FailHook = Box<dyn Fn(FailPoint) -> bool + Send + Sync>;

/// All state of the chain, in one directory. Share it as `Arc<Store>`: readers never wait for a commit, except for
/// proofs, which wait while a block is staged.
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) published: RwLock<Arc<Snapshot>>,
    writer: Mutex<Writer>,
    pub(crate) options: Options,
    pub(crate) stores: Vec<StoreId>,
    pub(crate) cleared_restore: Option<u64>,
    #[cfg(any(test, feature = "failpoints"))]
    fail_hook: RwLock<Option<FailHook>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("latest", &self.latest()).finish_non_exhaustive()
    }
}

pub(crate) struct Writer {
    pub(crate) staged: Option<Staged>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) pruner: Pruner,
    /// A commit failed: what is on disk is not known.
    failed: bool,
    /// A snapshot is being restored.
    pub(crate) restoring: bool,
}

pub(crate) struct Staged {
    height: u64,
    commit: Commit,
    writes: Vec<Write>,
}

/// One write, with what it replaces.
struct Write {
    store: StoreId,
    /// Name of the store and key, as on disk.
    flat_key: Vec<u8>,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
    leaf: Option<Hash>,
}

impl Write {
    fn key(&self) -> &[u8] {
        self.flat_key.get(self.store.name().len().saturating_add(1)..).unwrap_or_default()
    }
}

impl Store {
    /// Opens or creates the store at `path` with these `stores`: rebuilds the trees and checks them against the
    /// committed app hashes.
    ///
    /// # Errors
    /// [`Error::AppHash`] and [`Error::Storage`] on damage, [`Error::Format`] on another program's database,
    /// [`Error::MissingStore`] if it has a store that is not in `stores`, [`Error::StoreName`], [`Error::Options`].
    pub fn open(path: &Path, options: Options, stores: &[StoreId]) -> Result<Self> {
        options.check()?;
        names::check(stores)?;
        let db = Db::open(path, &options)?;
        let cleared_restore = sync::clear_unfinished(&db)?;
        let trees = Trees::new(stores.iter().filter(|s| s.is_proven()).map(|s| s.name()));
        let loaded = load::load(&db, trees, stores, &options)?;
        let (height, oldest) = (loaded.height, loaded.pruner.kept().history);
        let shared = Arc::new(Shared {
            db,
            cache: Cache::new(options.cache_bytes),
            trees: RwLock::new(loaded.trees),
            begun: AtomicU64::new(height),
            done: AtomicU64::new(height),
            oldest: AtomicU64::new(oldest),
            pins: Mutex::default(),
        });
        let snapshot = Arc::new(Snapshot::new(Arc::clone(&shared), height, loaded.commit));
        let (checkpoints, pruner) = (loaded.checkpoints, loaded.pruner);
        Ok(Self {
            shared,
            published: RwLock::new(snapshot),
            writer: Mutex::new(Writer { staged: None, checkpoints, pruner, failed: false, restoring: false }),
            options,
            stores: stores.to_vec(),
            cleared_restore,
            #[cfg(any(test, feature = "failpoints"))]
            fail_hook: RwLock::new(None),
        })
    }

    /// The last committed version, `None` before the first.
    pub fn latest(&self) -> Option<Committed> {
        let snapshot = self.snapshot();
        (snapshot.height() > 0)
            .then(|| Committed { height: snapshot.height(), app_hash: snapshot.app_hash() })
    }

    /// The last committed version, or an empty one of height 0.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// First and last height that `snapshot_at` can give; zeros before the first commit.
    pub fn heights(&self) -> (u64, u64) {
        let latest = self.snapshot().height();
        if latest == 0 { (0, 0) } else { (self.shared.oldest.load(SeqCst), latest) }
    }

    /// The committed version of a height.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it was pruned or is not committed yet.
    pub fn snapshot_at(&self, height: u64) -> Result<Arc<Snapshot>> {
        let latest = self.snapshot();
        if height == latest.height() && height > 0 {
            return Ok(latest);
        }
        let (oldest, _) = self.heights();
        if height == 0 || height < oldest || height > latest.height() {
            return Err(Error::Unavailable { height, oldest, latest: latest.height() });
        }
        let commit = Commit::get(&self.shared.db, height)?;
        Ok(Arc::new(Snapshot::new(Arc::clone(&self.shared), height, commit)))
    }

    /// The bytes given to the commit of the last height.
    ///
    /// # Errors
    /// [`Error::Storage`] if the disk fails.
    pub fn extra(&self) -> Result<Option<Vec<u8>>> {
        let key = record::at(record::EXTRA, self.snapshot().height());
        Ok(self.shared.db.get(Cf::Meta, &key)?.map(|bytes| bytes.to_vec()))
    }

    /// Computes the app hash of `height` with `changes` on top of the last committed version. Nothing is written and
    /// no reader sees it; staging again replaces it. The first height may be any above 0.
    ///
    /// # Errors
    /// [`Error::Height`] if it does not follow, [`Error::UnknownStore`], [`Error::KeyLength`], [`Error::Storage`],
    /// [`Error::Failed`].
    pub fn stage(&self, height: u64, changes: ChangeSet) -> Result<Hash> {
        let mut writer = self.writer()?;
        writer.staged = None;
        let latest = self.snapshot();
        let want = if latest.height() == 0 { height.max(1) } else { latest.height().saturating_add(1) };
        if height != want {
            return Err(Error::Height { want, got: height });
        }
        let mut writes = Vec::new();
        for (store, changes) in changes {
            self.collect(store, height, changes, &mut writes)?;
        }
        let mut by_tree = TreeWrites::new();
        for write in writes.iter().filter(|w| w.store.is_proven()) {
            let tree_write = TreeWrite { key: write.key(), leaf: write.leaf, present: write.old.is_some() };
            by_tree.entry(write.store.name()).or_default().push(tree_write);
        }
        let count = by_tree.values().map(|w| to_u64(w.len())).fold(latest.writes(), u64::saturating_add);
        let mut trees = self.shared.trees.write().unwrap_or_else(PoisonError::into_inner);
        let roots = trees.stage(height, by_tree)?;
        drop(trees);
        let app_hash = hash::app_hash(&roots);
        let commit = Commit { app_hash, writes: count, roots };
        writer.staged = Some(Staged { height, commit, writes });
        Ok(app_hash)
    }

    /// The writes of a store, with what they replace; deletions of nothing fall away.
    fn collect(&self, store: StoreId, height: u64, changes: Writes, out: &mut Vec<Write>) -> Result<()> {
        if !self.stores.contains(&store) {
            return Err(Error::UnknownStore(store.name().to_owned()));
        }
        for (key, new) in changes {
            if key.is_empty() || key.len() > MAX_KEY {
                return Err(Error::KeyLength { store: store.name(), len: key.len(), max: MAX_KEY });
            }
            let flat_key = flat_key(store.name(), &key);
            let old = self.shared.latest(&flat_key, false)?;
            if old.is_none() && new.is_none() {
                continue;
            }
            let leaf =
                new.as_ref().filter(|_| store.is_proven()).map(|value| hash::leaf(height, &key, value));
            out.push(Write { store, flat_key, old, new, leaf });
        }
        Ok(())
    }

    /// Writes what is staged, with `extra`, in one batch; returns once it is on disk and published.
    ///
    /// # Errors
    /// [`Error::NothingStaged`]; [`Error::Storage`], after which every call answers [`Error::Failed`]: the process
    /// should end, opening again shows whether the block was written.
    pub fn commit(&self, extra: &[u8]) -> Result<Committed> {
        let mut writer = self.writer()?;
        let staged = writer.staged.take().ok_or(Error::NothingStaged)?;
        writer.failed = true;
        let committed = self.write(&mut writer, staged, extra)?;
        writer.failed = false;
        Ok(committed)
    }

    fn write(&self, writer: &mut Writer, staged: Staged, extra: &[u8]) -> Result<Committed> {
        let Staged { height, commit, writes } = staged;
        let shared = &self.shared;
        let last = self.snapshot();
        let mut batch = shared.db.batch();
        put_writes(&mut batch, height, &writes, last.height() == 0)?;
        commit.put(&mut batch, height)?;
        batch.put(Cf::Meta, &record::at(record::EXTRA, height), extra)?;
        record::put_number(&mut batch, "latest", height)?;
        {
            let trees = shared.trees.read().unwrap_or_else(PoisonError::into_inner);
            writer.checkpoints.begin_if_due(last.height(), last.writes(), &trees, &self.options);
            writer.checkpoints.advance(&trees, &self.options, &mut batch)?;
        }
        let (base, pinned) = (writer.checkpoints.oldest(), shared.pinned());
        writer.pruner.advance(&shared.db, &mut batch, height, writes.len(), (base, pinned), &self.options)?;
        shared.oldest.store(writer.pruner.kept().history, SeqCst);
        shared.begun.store(height, SeqCst);
        #[cfg(any(test, feature = "failpoints"))]
        self.fail_here(FailPoint::BeforeWrite)?;
        batch.write()?;
        #[cfg(any(test, feature = "failpoints"))]
        self.fail_here(FailPoint::AfterWrite)?;
        for write in writes {
            shared.cache.put(write.flat_key, write.new, || true);
        }
        {
            let mut trees = shared.trees.write().unwrap_or_else(PoisonError::into_inner);
            trees.commit(height);
            let pinned = writer.checkpoints.pinned().into_iter().chain(pinned).min();
            trees.forget(&self.options, pinned);
        }
        shared.done.store(height, SeqCst);
        let app_hash = commit.app_hash;
        let snapshot = Arc::new(Snapshot::new(Arc::clone(shared), height, commit));
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(Committed { height, app_hash })
    }

    /// The writer, unless a commit failed, a snapshot is being restored, or a thread panicked in it.
    pub(crate) fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer_restoring()?;
        if writer.restoring { Err(Error::Restoring) } else { Ok(writer) }
    }

    /// The writer, for who restores a snapshot.
    pub(crate) fn writer_restoring(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.lock().map_err(|_| Error::Failed)?;
        if writer.failed { Err(Error::Failed) } else { Ok(writer) }
    }

    /// Compares every latest value with its leaf, and the number of both: minutes of work, for operators who doubt
    /// their disk.
    ///
    /// # Errors
    /// [`Error::Storage`] naming the first difference.
    pub fn verify(&self) -> Result<()> {
        let _writer = self.writer()?;
        let trees = self.shared.trees.read().unwrap_or_else(PoisonError::into_inner);
        load::verify(&self.shared.db, &trees, self.snapshot().height())
    }

    /// Installs a hook for crash tests.
    #[cfg(any(test, feature = "failpoints"))]
    pub fn set_fail_hook(&self, hook: FailHook) {
        *self.fail_hook.write().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }

    #[cfg(any(test, feature = "failpoints"))]
    fn fail_here(&self, point: FailPoint) -> Result<()> {
        let hook = self.fail_hook.read().unwrap_or_else(PoisonError::into_inner);
        if hook.as_ref().is_some_and(|hook| hook(point)) {
            return Err(Error::damaged(format!("fail point {point:?}")));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn db(&self) -> &Db {
        &self.shared.db
    }

    #[cfg(test)]
    pub(crate) fn proof_heights(&self) -> (u64, u64) {
        self.shared.trees.read().unwrap().held()
    }
}

/// Values, history and log. The first height has no history: there is nothing before it.
fn put_writes(batch: &mut Batch<'_>, height: u64, writes: &[Write], first: bool) -> Result<()> {
    let mut log = LogWriter::new(height);
    for write in writes {
        let key = &write.flat_key;
        if !first {
            let mut record = vec![u8::from(write.old.is_some())];
            record.extend_from_slice(write.old.as_deref().unwrap_or_default());
            batch.put(Cf::History, &history_key(&history_prefix(key), height), &record)?;
        }
        let logged = match &write.new {
            None => {
                batch.delete(Cf::Flat, key)?;
                Logged::Delete
            }
            Some(value) => {
                batch.put(Cf::Flat, key, value)?;
                let present = write.old.is_some();
                write.leaf.map_or(Logged::Set, |hash| Logged::SetLeaf { hash, present })
            }
        };
        log.add(batch, write.store.name(), write.key(), logged)?;
    }
    log.flush(batch)
}
