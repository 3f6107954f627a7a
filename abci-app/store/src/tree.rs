//! A tree that hashes and balances exactly as cosmos/iavl v1, with its last versions.
//!
//! Nodes are never changed once their version is committed: a write copies the path to the root. Nodes made by
//! the version being staged are changed in place. A version remembers which nodes of the one before it no longer
//! has; they are freed when the version before is forgotten. Values are not held: a leaf needs only its hash.

mod write;

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

/// The keys below and above a key.
pub(crate) type Neighbours<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A write to a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeWrite<'a> {
    pub(crate) key: &'a [u8],
    /// Hash of the new leaf, `None` to remove it.
    pub(crate) leaf: Option<Hash>,
    /// Whether the key is there; it must be, to be removed.
    pub(crate) present: bool,
}

/// A tree and its versions; see the module.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    leaves: Slab<Leaf>,
    inners: Slab<Inner>,
    keys: Keys,
    versions: VecDeque<Version>,
    /// Version that writes give to nodes.
    working: u64,
    /// Last committed version: nodes of later ones belong to nobody else and are changed in place.
    committed: u64,
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
        self.committed = self.versions.back().map_or(0, |v| v.height);
    }

    /// Goes on to version `height` without committing the one begun: only the last of several will be looked at.
    pub(crate) fn skip_to(&mut self, height: u64) {
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

    /// Whether the version begun has the key.
    pub(crate) fn has(&self, key: &[u8]) -> Result<bool> {
        let Some(root) = self.root else { return Ok(false) };
        let leaf = self.leaf(self.descend(root, key)?)?;
        Ok(self.key(leaf.key)? == key)
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
