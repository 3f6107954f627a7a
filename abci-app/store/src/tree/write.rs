//! Writing to a tree: insertion, replacement, removal, rotation, hashing.

use std::cmp::Ordering;

use super::{Inner, LEAF, Leaf, NodeId, Side, Tree, TreeWrite};
use crate::error::{Error, Result};
use crate::hash::{self, Hash};
use crate::slab::KeyId;

/// What is left of a subtree after a removal.
struct Removed {
    node: Option<NodeId>,
    /// New first key, if it was the first leaf that went.
    first: Option<KeyId>,
}

fn missing() -> Error {
    Error::damaged("a value has no leaf")
}

impl Tree {
    /// Applies writes sorted by key, each key once. Replacements are made together, so that the nodes above several
    /// of them are visited once. That gives the same tree: they move nothing, and a node that an insertion or removal
    /// moves away from above a replaced leaf is new in this version anyway.
    pub(crate) fn apply(&mut self, writes: &[TreeWrite<'_>]) -> Result<()> {
        let replaced: Vec<_> = writes.iter().filter(|w| w.present && w.leaf.is_some()).copied().collect();
        if !replaced.is_empty() {
            let root = self.root.ok_or_else(missing)?;
            self.root = Some(self.replace_at(root, &replaced)?);
        }
        for write in writes {
            match write.leaf {
                Some(hash) if !write.present => self.set(write.key, hash)?,
                None if !self.remove(write.key)? => return Err(missing()),
                _ => {}
            }
        }
        Ok(())
    }

    fn replace_at(&mut self, at: NodeId, writes: &[TreeWrite<'_>]) -> Result<NodeId> {
        if at.is_leaf() {
            let old = self.leaf(at)?.key;
            let [TreeWrite { key, leaf: Some(hash), .. }] = writes else { return Err(missing()) };
            if self.key(old)? != *key {
                return Err(missing());
            }
            return Ok(self.set_leaf(at, key, *hash)?.0);
        }
        let node = self.own(at)?;
        let Inner { left, right, key, .. } = *self.inner(node)?;
        let split = self.key(key)?;
        let (below, above) = writes.split_at(writes.partition_point(|w| w.key < split));
        if !below.is_empty() {
            let left = self.replace_at(left, below)?;
            self.inner_mut(node)?.left = left;
        }
        if !above.is_empty() {
            let right = self.replace_at(right, above)?;
            self.inner_mut(node)?.right = right;
        }
        Ok(node)
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
            Ordering::Equal if old.version > self.committed => {
                let leaf = self.leaves.get_mut(at.0 & !LEAF)?;
                (leaf.hash, leaf.version) = (hash, self.working);
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
        if !self.has(key)? {
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

    /// The node itself if no committed version has it, else a copy, in the version begun.
    fn own(&mut self, id: NodeId) -> Result<NodeId> {
        let mut inner = *self.inner(id)?;
        let mine = inner.version() > self.committed;
        inner.stamp = self.working.wrapping_shl(8) | u64::from(inner.height());
        if mine {
            self.inner_mut(id)?.stamp = inner.stamp;
            return Ok(id);
        }
        let copy = self.add_inner(inner)?;
        self.made.nodes.push(copy);
        self.gone.nodes.push(id);
        Ok(copy)
    }

    /// Height and size from the children.
    pub(super) fn refresh(&mut self, id: NodeId) -> Result<()> {
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

    /// Committed nodes have their hash; the others are reached through each other.
    fn rehash(&mut self, id: NodeId, scratch: &mut Vec<u8>) -> Result<Hash> {
        if id.is_leaf() {
            return Ok(self.leaf(id)?.hash);
        }
        let inner = *self.inner(id)?;
        if inner.version() <= self.committed {
            return Ok(inner.hash);
        }
        let left = self.rehash(inner.left, scratch)?;
        let right = self.rehash(inner.right, scratch)?;
        let hash = hash::inner(scratch, (inner.height(), inner.size, inner.version()), &left, &right);
        self.inner_mut(id)?.hash = hash;
        Ok(hash)
    }
}
