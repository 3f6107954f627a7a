//! The trees of all stores, moving together.

use std::collections::{BTreeMap, VecDeque};

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::options::Options;
use crate::tree::Tree;

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

    pub(crate) fn get(&self, name: &str) -> Result<&Tree> {
        self.trees.get(name).ok_or_else(|| Error::UnknownStore(name.into()))
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Result<&mut Tree> {
        self.trees.get_mut(name).ok_or_else(|| Error::UnknownStore(name.into()))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Tree)> {
        self.trees.iter().map(|(name, tree)| (*name, tree))
    }

    pub(crate) fn begin(&mut self, height: u64) {
        self.trees.values_mut().for_each(|tree| tree.begin(height));
    }

    /// Root of every tree in the version begun, by name.
    pub(crate) fn roots(&mut self) -> Result<Vec<(String, Hash)>> {
        self.trees.iter_mut().map(|(name, tree)| Ok(((*name).to_owned(), tree.root_hash()?))).collect()
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

    /// First and last height held.
    pub(crate) fn held(&self) -> (u64, u64) {
        let height = |entry: Option<&(u64, usize)>| entry.map_or(0, |(height, _)| *height);
        (height(self.heights.front()), height(self.heights.back()))
    }
}
