//! The trees of all stores, moving together.

use std::collections::{BTreeMap, VecDeque};
use std::thread::{Scope, ScopedJoinHandle};

use geodesic_core::store::StorageError;

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::options::Options;
use crate::tree::{Tree, TreeWrite};

/// Fewer writes are done sooner than a thread starts.
const WORTH_A_THREAD: usize = 500;

/// Writes by store.
pub(crate) type TreeWrites<'a> = BTreeMap<&'a str, Vec<TreeWrite<'a>>>;

/// Roots by name.
pub(crate) type Roots = Vec<(String, Hash)>;

/// A root that is known, or being computed.
enum Root<'scope> {
    Now(Hash),
    Later(ScopedJoinHandle<'scope, Result<Hash>>),
}

impl Root<'_> {
    fn wait(self) -> Result<Hash> {
        match self {
            Self::Now(root) => Ok(root),
            Self::Later(thread) => join(thread),
        }
    }
}

/// Starts a thread of `scope`.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> Result<T> + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, Result<T>>> {
    let thread = std::thread::Builder::new().spawn_scoped(scope, work);
    thread.map_err(|error| Error::Storage(StorageError(error.to_string())))
}

/// Waits for a thread.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| Error::Storage(StorageError("a tree's thread panicked".into())))?
}

#[derive(Debug, Default)]
pub(crate) struct Trees {
    trees: BTreeMap<&'static str, Tree>,
    /// Heights held, and the nodes that each made superfluous.
    heights: VecDeque<(u64, usize)>,
    superfluous: usize,
}

impl Trees {
    pub(crate) fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let trees = names.into_iter().map(|name| (name, Tree::default())).collect();
        Self { trees, ..Self::default() }
    }

    /// Trees of which some were loaded as they are at `height`, and the others are empty.
    pub(crate) fn loaded(
        names: impl IntoIterator<Item = &'static str>,
        mut loaded: BTreeMap<&'static str, Tree>,
        height: u64,
    ) -> Self {
        let mut trees = Self::new(names);
        for (name, tree) in &mut trees.trees {
            match loaded.remove(name) {
                Some(loaded) => *tree = loaded,
                None => tree.load_version(height, None),
            }
        }
        trees.add_height(height, 0);
        trees
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Tree> {
        self.trees.get(name).ok_or_else(|| Error::UnknownStore(name.into()))
    }

    #[cfg(test)]
    pub(crate) fn get_mut(&mut self, name: &str) -> Result<&mut Tree> {
        self.trees.get_mut(name).ok_or_else(|| Error::UnknownStore(name.into()))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Tree)> {
        self.trees.iter().map(|(name, tree)| (*name, tree))
    }

    /// Begins version `height` of every tree and applies `writes`, sorted by key, to it. Returns all roots by name.
    pub(crate) fn stage(&mut self, height: u64, writes: TreeWrites<'_>) -> Result<Roots> {
        self.each(writes, |tree, writes| {
            tree.begin(height);
            tree.apply(writes)?;
            tree.root_hash()
        })
    }

    /// Applies the writes of `height`, of which nothing else is wanted: no hash, no version of its own.
    pub(crate) fn skip(&mut self, height: u64, writes: TreeWrites<'_>) -> Result<()> {
        self.each(writes, |tree, writes| {
            tree.skip_to(height);
            tree.apply(writes)?;
            Ok(Hash::default())
        })?;
        Ok(())
    }

    /// Roots after heights that were skipped.
    pub(crate) fn roots(&mut self) -> Result<Roots> {
        self.each(TreeWrites::new(), |tree, _| tree.root_hash())
    }

    /// Does the work of every tree. Trees with many writes work at the same time; they know nothing of each other, so
    /// the result is the same.
    fn each(
        &mut self,
        mut writes: TreeWrites<'_>,
        work: impl Fn(&mut Tree, &[TreeWrite<'_>]) -> Result<Hash> + Sync,
    ) -> Result<Roots> {
        if let Some(name) = writes.keys().find(|name| !self.trees.contains_key(*name)) {
            return Err(Error::UnknownStore((*name).to_owned()));
        }
        let work = &work;
        std::thread::scope(|scope| {
            let mut roots = Vec::new();
            for (name, tree) in &mut self.trees {
                let writes = writes.remove(name).unwrap_or_default();
                let root = if writes.len() >= WORTH_A_THREAD {
                    Root::Later(spawn(scope, move || work(tree, &writes))?)
                } else {
                    Root::Now(work(tree, &writes)?)
                };
                roots.push(((*name).to_owned(), root));
            }
            roots.into_iter().map(|(name, root)| Ok((name, root.wait()?))).collect()
        })
    }

    /// Every tree by name, to be changed apart from the others.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Tree)> {
        self.trees.iter_mut().map(|(name, tree)| (*name, tree))
    }

    pub(crate) fn commit(&mut self, height: u64) {
        let count = self.trees.values_mut().map(Tree::commit).fold(0, usize::saturating_add);
        self.add_height(height, count);
    }

    /// The trees were loaded as they are at `height`.
    pub(crate) fn add_height(&mut self, height: u64, superfluous: usize) {
        self.heights.push_back((height, superfluous));
        self.superfluous = self.superfluous.saturating_add(superfluous);
    }

    /// Forgets old versions as the options say, but none from `pinned` on.
    pub(crate) fn forget(&mut self, options: &Options, pinned: Option<u64>) {
        let Some((latest, _)) = self.heights.back().copied() else { return };
        let from = latest.saturating_sub(options.proof_versions);
        let pinned = pinned.unwrap_or(latest);
        while let (Some((oldest, _)), Some((next, gone))) =
            (self.heights.front().copied(), self.heights.get(1).copied())
        {
            let wanted = oldest >= from && self.superfluous <= options.proof_nodes;
            if wanted || oldest >= pinned {
                break;
            }
            self.trees.values_mut().for_each(|tree| tree.forget_below(next));
            self.superfluous = self.superfluous.saturating_sub(gone);
            self.heights.pop_front();
            if let Some(first) = self.heights.front_mut() {
                first.1 = 0;
            }
        }
    }

    /// Leaves of all trees at `height`.
    pub(crate) fn leaves(&self, height: u64) -> u64 {
        let leaves = |tree: &Tree| tree.version(height).flatten().and_then(|root| tree.size(root).ok());
        self.trees.values().filter_map(leaves).map(u64::from).fold(0, u64::saturating_add)
    }

    /// First and last height held.
    pub(crate) fn held(&self) -> (u64, u64) {
        let height = |entry: Option<&(u64, usize)>| entry.map_or(0, |(height, _)| *height);
        (height(self.heights.front()), height(self.heights.back()))
    }
}
