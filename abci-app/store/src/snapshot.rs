//! A committed version, readable while later ones are committed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use geodesic_core::store::{Entries, Range, Reader, StorageError, StoreId};

use crate::cache::Cache;
use crate::codec::{flat_key, history_key, history_prefix, split_history_key, store_end};
use crate::db::{Cf, Db};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::merge;
use crate::proof::{self, Proof};

use crate::record::Commit;
use crate::trees::{Roots, Trees};

/// What the store and all its snapshots share.
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) cache: Cache,
    pub(crate) trees: RwLock<Trees>,
    /// Height of the last batch that was begun: set before it is written.
    pub(crate) begun: AtomicU64,
    /// Height of the last batch that was written and is in the cache.
    pub(crate) done: AtomicU64,
    /// First readable height: raised before history is deleted.
    pub(crate) oldest: AtomicU64,
    /// Heights that are being exported, with how often: their nodes and history stay.
    pub(crate) pins: Mutex<BTreeMap<u64, usize>>,
}

impl Shared {
    /// First height that is being exported.
    pub(crate) fn pinned(&self) -> Option<u64> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).keys().next().copied()
    }

    /// The latest value of an entry. What it says of an older height is up to the caller.
    pub(crate) fn latest(&self, key: &[u8], fill: bool) -> Result<Option<Vec<u8>>> {
        if let Some(value) = self.cache.get(key) {
            return Ok(value);
        }
        let before = self.begun.load(SeqCst);
        let quiet = self.done.load(SeqCst) == before;
        let value = self.db.get(Cf::Flat, key)?.map(|v| v.to_vec());
        if fill && quiet {
            // No commit began between the two looks, so none wrote the entry.
            self.cache.put(key.to_vec(), value.clone(), || self.begun.load(SeqCst) == before);
        }
        Ok(value)
    }

    /// What the entry held at `height` if it was changed after it.
    fn superseded(&self, key: &[u8], height: u64) -> Result<Option<Option<Vec<u8>>>> {
        let prefix = history_prefix(key);
        let (from, to) = (history_key(&prefix, height.saturating_add(1)), history_key(&prefix, u64::MAX));
        let mut iter = self.db.iter(Cf::History, from, to)?;
        iter.seek_to_first();
        let Some((key, record)) = iter.item() else {
            iter.status()?;
            return Ok(None);
        };
        split_history_key(key)?;
        Ok(Some(old_value(record)?))
    }
}

/// `0` absent, `1 value` present.
pub(crate) fn old_value(record: &[u8]) -> Result<Option<Vec<u8>>> {
    match record.split_first() {
        Some((0, [])) => Ok(None),
        Some((1, value)) => Ok(Some(value.to_vec())),
        _ => Err(Error::damaged("history record")),
    }
}

/// One committed version. Cheap to share; reads stay the same whatever is committed later, until its height is
/// pruned: then they fail.
///
/// Reading asks for the latest value first and then whether the entry was changed since: the order matters, because a
/// commit writes the new value and the old one in the same batch.
pub struct Snapshot {
    shared: Arc<Shared>,
    height: u64,
    commit: Commit,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("height", &self.height).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>, height: u64, commit: Commit) -> Self {
        Self { shared, height, commit }
    }

    /// Its height; 0 before the first commit.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// App hash of its height, which the header of the next one carries; zeros before the first commit.
    pub fn app_hash(&self) -> Hash {
        self.commit.app_hash
    }

    /// Root of a store's tree.
    pub fn root(&self, store: StoreId) -> Option<Hash> {
        self.commit.roots.iter().find(|(name, _)| name == store.name()).map(|(_, root)| *root)
    }

    /// Root per store with a tree, by name.
    pub(crate) fn roots(&self) -> &Roots {
        &self.commit.roots
    }

    pub(crate) fn writes(&self) -> u64 {
        self.commit.writes
    }

    /// The value at `key` with its proof, or a proof that there is none.
    ///
    /// # Errors
    /// [`Error::NoProof`] if the trees of this height are no longer in memory, [`Error::EmptyStore`],
    /// [`Error::UnknownStore`] for a store without a tree, [`Error::Storage`].
    pub fn prove(&self, store: StoreId, key: &[u8]) -> Result<Proof> {
        let simple = proof::simple(&self.commit.roots, store.name())?;
        let trees = self.shared.trees.read().unwrap_or_else(PoisonError::into_inner);
        let tree = trees.get(store.name())?;
        let root = tree.version(self.height).ok_or_else(|| {
            let (oldest, latest) = trees.held();
            Error::NoProof { height: self.height, oldest, latest }
        })?;
        let root = root.ok_or(Error::EmptyStore(store.name()))?;
        let mut value_of = |key: &[u8]| self.value(&flat_key(store.name(), key));
        let (value, iavl) = proof::iavl(tree, root, key, &mut value_of)?;
        Ok(Proof { store: store.name(), key: key.to_vec(), value, iavl, simple })
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if self.height == 0 {
            return Ok(None);
        }
        let latest = self.shared.latest(key, self.height == self.shared.done.load(SeqCst))?;
        if self.is_newest() {
            return Ok(latest);
        }
        let value = self.shared.superseded(key, self.height)?.unwrap_or(latest);
        self.check_kept()?;
        Ok(value)
    }

    /// Whether no later batch was begun, so that what was read before this question was of this height.
    fn is_newest(&self) -> bool {
        self.shared.begun.load(SeqCst) <= self.height
    }

    fn check_kept(&self) -> Result<()> {
        let oldest = self.shared.oldest.load(SeqCst);
        if oldest <= self.height {
            return Ok(());
        }
        Err(Error::Unavailable { height: self.height, oldest, latest: self.shared.done.load(SeqCst) })
    }

    pub(crate) fn entries<'a>(&'a self, store: StoreId, range: &Range) -> Result<Entries<'a>> {
        if self.height == 0 || range.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let lower = flat_key(store.name(), &range.start);
        let upper =
            range.end.as_deref().map_or_else(|| store_end(store.name()), |end| flat_key(store.name(), end));
        // Each iterator sees the database as it is when it is made: first the latest values, then the history.
        let latest = merge::Latest::new(&self.shared.db, lower.clone(), upper.clone(), range.reverse)?;
        let changed = if self.is_newest() {
            None
        } else {
            let changed = merge::Changed::new(&self.shared.db, &lower, &upper, range.reverse, self.height)?;
            self.check_kept()?;
            Some(changed)
        };
        let skip = store.name().len().saturating_add(1);
        Ok(Box::new(merge::Merge::new(latest, changed, skip)))
    }
}

impl Reader for Snapshot {
    fn get(&self, store: StoreId, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.value(&flat_key(store.name(), key))?)
    }

    fn range<'a>(&'a self, store: StoreId, range: &Range) -> Result<Entries<'a>, StorageError> {
        Ok(self.entries(store, range)?)
    }
}
