//! A tree that hashes and balances exactly as cosmos/iavl v1, with its last versions.
//!
//! Nodes are never changed once their version is committed: a write copies the path to the root. Nodes made by
//! the version being staged are changed in place. A version remembers which nodes of the one before it no longer
//! has; they are freed when the version before is forgotten. Values are not held: a leaf needs only its hash.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::error::Result;
use crate::hash::{self, Hash};
use crate::slab::{KeyId, Keys, Slab};

/// A node; the upper bit tells leaves from inner nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

const LEAF: u32 = 1 << 31;

impl NodeId {
    pub(crate) fn is_leaf(self) -> bool {
        self.0 & LEAF != 0
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) hash: Hash,
    pub(crate) version: u64,
    pub(crate) key: KeyId,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Inner {
    pub(crate) hash: Hash,
    /// Version in the upper 56 bits, height in the lower 8: 56 bytes a node instead of 64.
    stamp: u64,
    pub(crate) left: NodeId,
    pub(crate) right: NodeId,
    /// First key of the right subtree.
    key: KeyId,
    pub(crate) size: u32,
}

impl Inner {
    fn new(version: u64, left: NodeId, right: NodeId, key: KeyId) -> Self {
        Self { hash: [0; 32], stamp: version.wrapping_shl(8), left, right, key, size: 0 }
    }

    pub(crate) fn version(&self) -> u64 {
        self.stamp.wrapping_shr(8)
    }

    pub(crate) fn height(&self) -> u8 {
        let [height, ..] = self.stamp.to_le_bytes();
        height
    }

    fn set_height(&mut self, height: u8) {
        self.stamp = self.version().wrapping_shl(8) | u64::from(height);
    }

    fn child(&self, side: Side) -> NodeId {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    fn set_child(&mut self, side: Side, child: NodeId) {
        match side {
            Side::Left => self.left = child,
            Side::Right => self.right = child,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Nodes and keys that a version no longer has, or that it made.
#[derive(Debug, Default)]
struct Changed {
    nodes: Vec<NodeId>,
    keys: Vec<KeyId>,
}

#[derive(Debug)]
struct Version {
    height: u64,
    root: Option<NodeId>,
    /// What the version before had and this one has not.
    gone: Changed,
}

/// What is left of a subtree after a removal.
struct Removed {
    node: Option<NodeId>,
    /// New first key, if it was the first leaf that went.
    first: Option<KeyId>,
}

/// The keys below and above a key.
pub(crate) type Neighbours<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A tree and its versions; see the module.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    leaves: Slab<Leaf>,
    inners: Slab<Inner>,
    keys: Keys,
    versions: VecDeque<Version>,
    working: u64,
    root: Option<NodeId>,
    made: Changed,
    gone: Changed,
}

impl Tree {
    /// Begins version `height` from the last committed one; what was staged before is dropped.
    pub(crate) fn begin(&mut self, height: u64) {
        let made = std::mem::take(&mut self.made);
        self.free(made);
        self.gone = Changed::default();
        self.root = self.versions.back().and_then(|v| v.root);
        self.working = height;
    }

    /// Makes the staged version a committed one. Returns how many nodes are kept only for the versions before.
    pub(crate) fn commit(&mut self) -> usize {
        self.made = Changed::default();
        let gone = std::mem::take(&mut self.gone);
        let count = gone.nodes.len();
        self.versions.push_back(Version { height: self.working, root: self.root, gone });
        count
    }

    /// Forgets the versions below `height`, but not the last one.
    pub(crate) fn forget_below(&mut self, height: u64) {
        while self.versions.get(1).is_some_and(|next| next.height <= height) {
            self.versions.pop_front();
            if let Some(first) = self.versions.front_mut() {
                let gone = std::mem::take(&mut first.gone);
                self.free(gone);
            }
        }
    }

    /// The root at `height`: `None` if that version is not held, `Some(None)` if it is empty.
    pub(crate) fn version(&self, height: u64) -> Option<Option<NodeId>> {
        let at = self.versions.binary_search_by_key(&height, |v| v.height).ok()?;
        self.versions.get(at).map(|v| v.root)
    }

    fn free(&mut self, changed: Changed) {
        for node in changed.nodes {
            if node.is_leaf() {
                self.leaves.remove(node.0 & !LEAF);
            } else {
                self.inners.remove(node.0);
            }
        }
        for key in changed.keys {
            self.keys.remove(key);
        }
    }

    pub(crate) fn leaf(&self, id: NodeId) -> Result<&Leaf> {
        self.leaves.get(id.0 & !LEAF)
    }

    pub(crate) fn inner(&self, id: NodeId) -> Result<&Inner> {
        self.inners.get(id.0)
    }

    fn inner_mut(&mut self, id: NodeId) -> Result<&mut Inner> {
        self.inners.get_mut(id.0)
    }

    pub(crate) fn key(&self, id: KeyId) -> Result<&[u8]> {
        self.keys.get(id)
    }

    fn height(&self, id: NodeId) -> Result<u8> {
        if id.is_leaf() { Ok(0) } else { Ok(self.inner(id)?.height()) }
    }

    pub(crate) fn size(&self, id: NodeId) -> Result<u32> {
        if id.is_leaf() { Ok(1) } else { Ok(self.inner(id)?.size) }
    }

    pub(crate) fn node_version(&self, id: NodeId) -> Result<u64> {
        if id.is_leaf() { Ok(self.leaf(id)?.version) } else { Ok(self.inner(id)?.version()) }
    }

    pub(crate) fn node_hash(&self, id: NodeId) -> Result<Hash> {
        if id.is_leaf() { Ok(self.leaf(id)?.hash) } else { Ok(self.inner(id)?.hash) }
    }

    fn add_leaf(&mut self, leaf: Leaf) -> Result<NodeId> {
        Ok(NodeId(self.leaves.insert(leaf, LEAF)? | LEAF))
    }

    fn add_inner(&mut self, inner: Inner) -> Result<NodeId> {
        Ok(NodeId(self.inners.insert(inner, LEAF)?))
    }

    /// Sets the leaf of `key`; `hash` is the leaf's hash, its version being the one begun.
    pub(crate) fn set(&mut self, key: &[u8], hash: Hash) -> Result<()> {
        self.root = Some(match self.root {
            None => self.new_leaf(key, hash)?.0,
            Some(root) => self.set_at(root, key, hash)?.0,
        });
        Ok(())
    }

    fn new_leaf(&mut self, key: &[u8], hash: Hash) -> Result<(NodeId, KeyId)> {
        let key = self.keys.insert(key)?;
        self.made.keys.push(key);
        let leaf = self.add_leaf(Leaf { hash, version: self.working, key })?;
        self.made.nodes.push(leaf);
        Ok((leaf, key))
    }

    /// Returns the subtree, and whether the key was there before (then no height changed).
    fn set_at(&mut self, at: NodeId, key: &[u8], hash: Hash) -> Result<(NodeId, bool)> {
        if at.is_leaf() {
            return self.set_leaf(at, key, hash);
        }
        let node = self.own(at)?;
        let inner = *self.inner(node)?;
        let side = if key < self.key(inner.key)? { Side::Left } else { Side::Right };
        let (child, replaced) = self.set_at(inner.child(side), key, hash)?;
        self.inner_mut(node)?.set_child(side, child);
        if replaced {
            return Ok((node, true));
        }
        self.refresh(node)?;
        Ok((self.balance(node)?, false))
    }

    fn set_leaf(&mut self, at: NodeId, key: &[u8], hash: Hash) -> Result<(NodeId, bool)> {
        let old = *self.leaf(at)?;
        let (left, right, split) = match key.cmp(self.key(old.key)?) {
            Ordering::Equal if old.version == self.working => {
                self.leaves.get_mut(at.0 & !LEAF)?.hash = hash;
                return Ok((at, true));
            }
            Ordering::Equal => {
                let leaf = self.add_leaf(Leaf { hash, version: self.working, key: old.key })?;
                self.made.nodes.push(leaf);
                self.gone.nodes.push(at);
                return Ok((leaf, true));
            }
            Ordering::Less => (self.new_leaf(key, hash)?.0, at, old.key),
            Ordering::Greater => {
                let (leaf, key) = self.new_leaf(key, hash)?;
                (at, leaf, key)
            }
        };
        let node = self.add_inner(Inner::new(self.working, left, right, split))?;
        self.made.nodes.push(node);
        self.refresh(node)?;
        Ok((node, false))
    }

    /// Removes the leaf of `key`; `false` if there is none, and then nothing changes.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<bool> {
        let Some(root) = self.root else { return Ok(false) };
        let leaf = self.leaf(self.descend(root, key)?)?;
        if self.key(leaf.key)? != key {
            return Ok(false);
        }
        self.root = self.remove_at(root, key)?.node;
        Ok(true)
    }

    fn remove_at(&mut self, at: NodeId, key: &[u8]) -> Result<Removed> {
        if at.is_leaf() {
            let key = self.leaf(at)?.key;
            self.gone.nodes.push(at);
            self.gone.keys.push(key);
            return Ok(Removed { node: None, first: None });
        }
        let inner = *self.inner(at)?;
        let side = if key < self.key(inner.key)? { Side::Left } else { Side::Right };
        let removed = self.remove_at(inner.child(side), key)?;
        let Some(child) = removed.node else {
            // The sibling moves up as it is, with its old version.
            self.gone.nodes.push(at);
            let first = (side == Side::Left).then_some(inner.key);
            return Ok(Removed { node: Some(inner.child(side.other())), first });
        };
        let node = self.own(at)?;
        let slot = self.inner_mut(node)?;
        slot.set_child(side, child);
        let first = match (side, removed.first) {
            (Side::Left, first) => first,
            (Side::Right, None) => None,
            (Side::Right, Some(first)) => {
                slot.key = first;
                None
            }
        };
        self.refresh(node)?;
        Ok(Removed { node: Some(self.balance(node)?), first })
    }

    /// The node itself if the version begun made it, else a copy of it in that version.
    fn own(&mut self, id: NodeId) -> Result<NodeId> {
        let mut inner = *self.inner(id)?;
        if inner.version() == self.working {
            return Ok(id);
        }
        inner.stamp = self.working.wrapping_shl(8) | u64::from(inner.height());
        let copy = self.add_inner(inner)?;
        self.made.nodes.push(copy);
        self.gone.nodes.push(id);
        Ok(copy)
    }

    /// Height and size from the children.
    fn refresh(&mut self, id: NodeId) -> Result<()> {
        let Inner { left, right, .. } = *self.inner(id)?;
        let height = self.height(left)?.max(self.height(right)?).saturating_add(1);
        let size = self.size(left)?.saturating_add(self.size(right)?);
        let node = self.inner_mut(id)?;
        node.set_height(height);
        node.size = size;
        Ok(())
    }

    /// How much higher the left child is.
    fn lean(&self, id: NodeId) -> Result<i16> {
        let inner = self.inner(id)?;
        let (left, right) = (self.height(inner.left)?, self.height(inner.right)?);
        Ok(i16::from(left).saturating_sub(i16::from(right)))
    }

    fn balance(&mut self, id: NodeId) -> Result<NodeId> {
        let lean = self.lean(id)?;
        let (heavy, wrong) = match lean {
            2.. => (Side::Left, Ordering::Less),
            ..=-2 => (Side::Right, Ordering::Greater),
            _ => return Ok(id),
        };
        let child = self.inner(id)?.child(heavy);
        if self.lean(child)?.cmp(&0) == wrong {
            let child = self.rotate(child, heavy.other())?;
            self.inner_mut(id)?.set_child(heavy, child);
        }
        self.rotate(id, heavy)
    }

    /// Lifts the child on `side` above the node. Both get the version begun.
    fn rotate(&mut self, id: NodeId, side: Side) -> Result<NodeId> {
        let node = self.own(id)?;
        let child = self.inner(node)?.child(side);
        let top = self.own(child)?;
        let middle = self.inner(top)?.child(side.other());
        self.inner_mut(node)?.set_child(side, middle);
        self.inner_mut(top)?.set_child(side.other(), node);
        self.refresh(node)?;
        self.refresh(top)?;
        Ok(top)
    }

    /// Root hash of the version begun.
    pub(crate) fn root_hash(&mut self) -> Result<Hash> {
        match self.root {
            None => Ok(hash::empty_root()),
            Some(root) => self.rehash(root, &mut Vec::with_capacity(128)),
        }
    }

    /// Nodes of older versions have their hash; those of the version begun are reached through each other.
    fn rehash(&mut self, id: NodeId, scratch: &mut Vec<u8>) -> Result<Hash> {
        if id.is_leaf() {
            return Ok(self.leaf(id)?.hash);
        }
        let inner = *self.inner(id)?;
        if inner.version() != self.working {
            return Ok(inner.hash);
        }
        let left = self.rehash(inner.left, scratch)?;
        let right = self.rehash(inner.right, scratch)?;
        let hash = hash::inner(scratch, (inner.height(), inner.size, inner.version()), &left, &right);
        self.inner_mut(id)?.hash = hash;
        Ok(hash)
    }

    /// The leaf where a search for `key` ends.
    fn descend(&self, mut at: NodeId, key: &[u8]) -> Result<NodeId> {
        while !at.is_leaf() {
            let inner = self.inner(at)?;
            at = if key < self.key(inner.key)? { inner.left } else { inner.right };
        }
        Ok(at)
    }

    /// The path from the root to the leaf where a search for `key` ends: inner nodes with the side taken.
    pub(crate) fn path(&self, root: NodeId, key: &[u8]) -> Result<(Leaf, Vec<(Inner, Side)>)> {
        let (mut at, mut path) = (root, Vec::new());
        while !at.is_leaf() {
            let inner = *self.inner(at)?;
            let side = if key < self.key(inner.key)? { Side::Left } else { Side::Right };
            path.push((inner, side));
            at = inner.child(side);
        }
        Ok((*self.leaf(at)?, path))
    }

    /// The last key below and the first key above `key`, which must not be in the tree.
    pub(crate) fn neighbours(&self, root: NodeId, key: &[u8]) -> Result<Neighbours<'_>> {
        let (leaf, path) = self.path(root, key)?;
        let found = self.key(leaf.key)?;
        // The other neighbour is at the near edge of the last subtree that was not entered on its side.
        let turned =
            |side: Side| path.iter().rev().find(|(_, s)| *s == side).map(|(i, s)| i.child(s.other()));
        if found < key {
            let next = turned(Side::Left).map(|n| self.edge(n, Side::Left)).transpose()?;
            Ok((Some(found), next))
        } else {
            let previous = turned(Side::Right).map(|n| self.edge(n, Side::Right)).transpose()?;
            Ok((previous, Some(found)))
        }
    }

    /// Key of the outermost leaf on `side`.
    fn edge(&self, mut at: NodeId, side: Side) -> Result<&[u8]> {
        while !at.is_leaf() {
            at = self.inner(at)?.child(side);
        }
        self.key(self.leaf(at)?.key)
    }

    /// A leaf of a tree that is being loaded, and its key.
    pub(crate) fn load_leaf(&mut self, version: u64, key: &[u8], hash: Hash) -> Result<(NodeId, KeyId)> {
        let key = self.keys.insert(key)?;
        Ok((self.add_leaf(Leaf { hash, version, key })?, key))
    }

    /// An inner node over loaded children; `key` is the first of the right one. Hashes it.
    pub(crate) fn load_inner(
        &mut self,
        version: u64,
        (left, right): (NodeId, NodeId),
        key: KeyId,
        scratch: &mut Vec<u8>,
    ) -> Result<NodeId> {
        let id = self.add_inner(Inner::new(version, left, right, key))?;
        self.refresh(id)?;
        let (left, right) = (self.node_hash(left)?, self.node_hash(right)?);
        let inner = self.inner_mut(id)?;
        inner.hash = hash::inner(scratch, (inner.height(), inner.size, version), &left, &right);
        Ok(id)
    }

    /// Makes a loaded root the committed version of `height`.
    pub(crate) fn load_version(&mut self, height: u64, root: Option<NodeId>) {
        self.versions.push_back(Version { height, root, gone: Changed::default() });
        self.begin(height);
    }

    /// Keys and hashes of the leaves under `root`, in order, given to `visit`.
    pub(crate) fn for_each_leaf(
        &self,
        root: NodeId,
        visit: &mut impl FnMut(&Leaf, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut todo = vec![root];
        while let Some(at) = todo.pop() {
            if at.is_leaf() {
                let leaf = self.leaf(at)?;
                visit(leaf, self.key(leaf.key)?)?;
            } else {
                let inner = self.inner(at)?;
                todo.extend([inner.right, inner.left]);
            }
        }
        Ok(())
    }
}
