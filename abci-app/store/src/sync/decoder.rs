//! Reads a snapshot as it comes, in pieces of any length, and believes nothing that the app hash does not cover.

use std::collections::{BTreeMap, VecDeque};

use geodesic_core::store::StoreId;

use super::format::{GROUP, Item, Roots, Top, whole};
use crate::error::{Error, Result};
use crate::hash::{self, Hash};
use crate::slab::KeyId;
use crate::tree::{NodeId, Tree};

/// Depth that no balanced tree with 32-bit ids reaches.
const DEPTH_MAX: usize = 64;

/// Takes store, key and value of each leaf. Its group is not checked yet: should the snapshot be bad, they must go.
pub type Sink<'a> = dyn FnMut(&'static str, &[u8], &[u8]) -> Result<()> + 'a;

/// A node whose children are being read.
struct Frame {
    version: u64,
    /// Hashes of the children, if they are known.
    children: Option<(Hash, Hash)>,
    left: Option<(NodeId, KeyId)>,
}

/// Reader of a snapshot; see the module.
pub struct Decoder {
    height: u64,
    /// What the roots must give; `None` takes what the header has.
    want: Option<Hash>,
    /// What has come and is not read.
    buffer: Vec<u8>,
    roots: Option<Roots>,
    names: Vec<&'static str>,
    /// Trees to come, with their roots.
    todo: VecDeque<(&'static str, Hash)>,
    trees: BTreeMap<&'static str, Tree>,
    stack: Vec<Frame>,
    /// Leaves since the last hash that was known.
    group: u32,
    scratch: Vec<u8>,
}

/// What a whole snapshot holds.
pub(crate) struct Decoded {
    pub(crate) app_hash: Hash,
    pub(crate) roots: Roots,
    /// The trees that are not empty.
    pub(crate) trees: BTreeMap<&'static str, Tree>,
}

fn bad<T>(what: impl std::fmt::Display) -> Result<T> {
    Err(Error::Snapshot(what.to_string()))
}

/// Hash of the node that comes next, or that is complete, if it is known.
fn expected(stack: &[Frame], todo: &VecDeque<(&'static str, Hash)>) -> Option<Hash> {
    let Some(parent) = stack.last() else { return todo.front().map(|(_, root)| *root) };
    parent.children.map(|(left, right)| if parent.left.is_none() { left } else { right })
}

impl Decoder {
    /// Reader of a snapshot of `height` for a program with these `stores`. `app_hash` is what the chain has at that height;
    /// without it the snapshot proves only that it belongs together.
    pub fn new(height: u64, app_hash: Option<Hash>, stores: &[StoreId]) -> Self {
        Self {
            height,
            want: app_hash,
            buffer: Vec::new(),
            roots: None,
            names: stores.iter().filter(|s| s.is_proven()).map(|s| s.name()).collect(),
            todo: VecDeque::new(),
            trees: BTreeMap::new(),
            stack: Vec::new(),
            group: 0,
            scratch: Vec::with_capacity(128),
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if this is not the state with that app hash, and what `sink` returns; then it is over.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let read = if self.roots.is_none() { self.header(rest)? } else { self.node(rest, sink)? };
            let Some(read) = read else { break };
            rest = rest.get(read..).unwrap_or_default();
        }
        let read = buffer.len().saturating_sub(rest.len());
        buffer.drain(..read);
        self.buffer = buffer;
        Ok(())
    }

    /// The app hash that the roots give, once the header has come.
    pub fn app_hash(&self) -> Option<Hash> {
        self.roots.as_ref().map(|roots| hash::app_hash(roots))
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.roots.is_some() && self.todo.is_empty() && self.stack.is_empty() && self.buffer.is_empty()
    }

    /// What the snapshot holds.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if something is missing.
    pub(crate) fn finish(self) -> Result<Decoded> {
        let complete = self.is_complete();
        match (complete, self.roots) {
            (true, Some(roots)) => Ok(Decoded { app_hash: hash::app_hash(&roots), roots, trees: self.trees }),
            _ => bad("it ends early"),
        }
    }

    fn header(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(((height, roots), read)) = whole(bytes, |source| source.header())? else { return Ok(None) };
        let app_hash = hash::app_hash(&roots);
        if height != self.height {
            return bad(format_args!("it is of height {height}, not of {}", self.height));
        }
        if let Some(want) = self.want.filter(|want| *want != app_hash) {
            let (got, want) = (hash::hex(&app_hash), hash::hex(&want));
            return bad(format_args!("its app hash is {got}, the chain's at height {height} is {want}"));
        }
        for (name, root) in &roots {
            let Some(name) = self.names.iter().find(|known| *known == name) else {
                return bad(format_args!("it has a store {name} that this program does not know"));
            };
            if *root != hash::empty_root() {
                self.todo.push_back((name, *root));
            }
        }
        self.roots = Some(roots);
        Ok(Some(read))
    }

    fn node(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Option<usize>> {
        let Some((store, _)) = self.todo.front().copied() else { return bad("something follows its end") };
        let height = self.height;
        let Some((item, read)) = whole(bytes, |source| source.item(height))? else { return Ok(None) };
        if self.stack.len() >= DEPTH_MAX {
            return bad("a tree is too deep");
        }
        match item {
            Item::Leaf { version, key, value } => {
                self.group = self.group.saturating_add(1);
                if self.group > GROUP {
                    return bad(format_args!("more than {GROUP} leaves without a hash"));
                }
                sink(store, key, value)?;
                let hash = hash::leaf(version, key, value);
                let leaf = self.trees.entry(store).or_default().load_leaf(version, key, hash)?;
                self.complete(store, leaf)?;
            }
            Item::Inner { version } => self.stack.push(Frame { version, children: None, left: None }),
            Item::Top(top) => self.top(&top)?,
        }
        Ok(Some(read))
    }

    fn top(&mut self, top: &Top) -> Result<()> {
        if expected(&self.stack, &self.todo) != Some(top.hash()) {
            return bad("a node has another hash than its parent says");
        }
        let children = Some((top.left, top.right));
        self.stack.push(Frame { version: top.version, children, left: None });
        Ok(())
    }

    /// A node is there with all below it, and perhaps those above it.
    fn complete(&mut self, store: &'static str, mut done: (NodeId, KeyId)) -> Result<()> {
        let Some(tree) = self.trees.get_mut(store) else { return bad("a node of no tree") };
        loop {
            if let Some(want) = expected(&self.stack, &self.todo) {
                if tree.node_hash(done.0)? != want {
                    return bad(format_args!("a part of store {store} has another hash than the chain's"));
                }
                self.group = 0;
            }
            let Some(mut parent) = self.stack.pop() else { break };
            let Some(left) = parent.left else {
                parent.left = Some(done);
                self.stack.push(parent);
                return Ok(());
            };
            let node = tree.load_inner(parent.version, (left.0, done.0), done.1, &mut self.scratch)?;
            done = (node, left.1);
        }
        tree.load_version(self.height, Some(done.0));
        self.todo.pop_front();
        Ok(())
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("height", &self.height).finish_non_exhaustive()
    }
}
