//! Writes a committed version as a snapshot while blocks go on.

use std::sync::{Arc, PoisonError};

use geodesic_core::store::{Entries, Range, StoreId};

use super::format::{GROUP, Item, Top, VALUE_MAX, put_header, put_item};
use crate::error::{Error, Result};
use crate::hash::{self, Hash};
use crate::snapshot::{Shared, Snapshot};
use crate::store::Store;
use crate::tree::{NodeId, Tree};

/// Nodes read at a time: a block that is staged waits for no more.
const STEP: usize = 512;

/// Keeps the nodes and the history of a height while it lives.
struct Pin {
    shared: Arc<Shared>,
    height: u64,
}

impl Pin {
    fn new(shared: &Arc<Shared>, height: u64) -> Self {
        let mut pins = shared.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let count = pins.entry(height).or_insert(0_usize);
        *count = count.saturating_add(1);
        Self { shared: Arc::clone(shared), height }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.shared.pins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = pins.get_mut(&self.height) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                pins.remove(&self.height);
            }
        }
    }
}

/// A version to be written; as long as this lives, nothing of it is pruned.
pub struct Export {
    snapshot: Arc<Snapshot>,
    /// Stores with a tree, by name.
    stores: Vec<StoreId>,
    pin: Pin,
}

impl Store {
    /// The version of `height`, to be written as a snapshot.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is not kept, [`Error::NoProof`] if its trees are no longer in memory.
    pub fn export(&self, height: u64) -> Result<Export> {
        // No commit forgets anything in between.
        let _writer = self.writer()?;
        let snapshot = self.snapshot_at(height)?;
        let (oldest, latest) = self.shared.trees.read().unwrap_or_else(PoisonError::into_inner).held();
        if height < oldest || height > latest {
            return Err(Error::NoProof { height, oldest, latest });
        }
        let mut stores: Vec<_> = self.stores.iter().filter(|s| s.is_proven()).copied().collect();
        stores.sort();
        let pin = Pin::new(&self.shared, height);
        Ok(Export { snapshot, stores, pin })
    }
}

/// A node as it stands in memory, the value left out.
enum Node {
    Leaf { version: u64, key: Vec<u8>, hash: Hash },
    Inner(u64),
    Top(Top),
}

impl Export {
    /// Its height.
    pub fn height(&self) -> u64 {
        self.pin.height
    }

    /// Gives the bytes of the snapshot to `out`, some at a time.
    ///
    /// # Errors
    /// [`Error::Storage`] if the database is damaged, and what `out` returns.
    pub fn write<E: From<Error>>(&self, mut out: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut bytes = Vec::new();
        put_header(&mut bytes, self.height(), self.snapshot.roots());
        out(&bytes)?;
        for (name, root) in self.snapshot.roots() {
            if *root == hash::empty_root() {
                continue;
            }
            let store = self.stores.iter().find(|store| store.name() == name);
            let store = *store.ok_or_else(|| Error::MissingStore(name.clone()))?;
            let mut values = self.snapshot.entries(store, &Range::default())?;
            let mut todo = Vec::from_iter(self.root(store)?);
            while !todo.is_empty() {
                bytes.clear();
                for node in self.step(store, &mut todo)? {
                    put_node(&mut bytes, &node, store, &mut values)?;
                }
                out(&bytes)?;
            }
        }
        Ok(())
    }

    fn root(&self, store: StoreId) -> Result<Option<NodeId>> {
        let trees = self.pin.shared.trees.read().unwrap_or_else(PoisonError::into_inner);
        let root = trees.get(store.name())?.version(self.height());
        root.ok_or_else(|| Error::damaged("a pinned version is gone"))
    }

    /// The next nodes of a tree; `todo` has the next one last.
    fn step(&self, store: StoreId, todo: &mut Vec<NodeId>) -> Result<Vec<Node>> {
        let trees = self.pin.shared.trees.read().unwrap_or_else(PoisonError::into_inner);
        let tree = trees.get(store.name())?;
        let mut nodes = Vec::with_capacity(STEP);
        while nodes.len() < STEP {
            let Some(id) = todo.pop() else { break };
            nodes.push(node(tree, id)?);
            if !id.is_leaf() {
                let inner = tree.inner(id)?;
                todo.extend([inner.right, inner.left]);
            }
        }
        Ok(nodes)
    }
}

fn node(tree: &Tree, id: NodeId) -> Result<Node> {
    if id.is_leaf() {
        let leaf = tree.leaf(id)?;
        return Ok(Node::Leaf { version: leaf.version, key: tree.key(leaf.key)?.to_vec(), hash: leaf.hash });
    }
    let inner = tree.inner(id)?;
    let version = inner.version();
    if inner.size <= GROUP {
        return Ok(Node::Inner(version));
    }
    let (left, right) = (tree.node_hash(inner.left)?, tree.node_hash(inner.right)?);
    Ok(Node::Top(Top { version, height: inner.height(), size: inner.size, left, right }))
}

/// Appends a node; a leaf with the next value, which must be its own.
fn put_node(bytes: &mut Vec<u8>, node: &Node, store: StoreId, values: &mut Entries<'_>) -> Result<()> {
    match node {
        Node::Inner(version) => put_item(bytes, &Item::Inner { version: *version }),
        Node::Top(top) => put_item(bytes, &Item::Top(top.clone())),
        Node::Leaf { version, key, hash } => {
            let (found, value) = values.next().transpose()?.unwrap_or_default();
            if found != *key || hash::leaf(*version, key, &value) != *hash {
                let (key, store) = (hash::hex(key), store.name());
                return Err(Error::damaged(format!("key {key} of store {store} and its leaf differ")));
            }
            if value.len() > VALUE_MAX {
                let len = value.len();
                return Err(Error::Snapshot(format!(
                    "a value of {len} bytes, at most {VALUE_MAX} are allowed"
                )));
            }
            put_item(bytes, &Item::Leaf { version: *version, key, value: &value });
        }
    }
    Ok(())
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("height", &self.height()).finish_non_exhaustive()
    }
}
