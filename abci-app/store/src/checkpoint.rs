//! Trees on disk: from time to time a version is written in chunks, over several commits; a start loads a
//! checkpoint and replays the log of the blocks after it.
//!
//! A chunk is a subtree of at most [`CHUNK_LEAVES`] leaves, in pre-order: `uvarint(version * 2 + 1)` for an inner
//! node, `uvarint(version * 2) | bytes(key) | hash` for a leaf. The manifest holds the rest of each tree the same
//! way: `uvarint(version * 2 + 1)` for an inner node, `uvarint(chunk * 2)` for a chunk. Heights, sizes, the keys and
//! hashes of inner nodes follow from these. A subtree that did not change since the checkpoint before keeps its chunk.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{Input, put_bytes, put_uvarint, seal, unseal};
use crate::db::{Batch, Cf, Db};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::record::{self, CHECKPOINT};
use crate::slab::KeyId;
use crate::tree::{NodeId, Tree};
use crate::trees::{Trees, join, spawn};

/// Leaves of the largest chunk: small, so that few changes rewrite little; large, so that lists of chunks are short.
const CHUNK_LEAVES: u32 = 256;

/// Depth that no balanced tree with 32-bit ids reaches.
const MAX_DEPTH: u32 = 64;

/// Chunk per node that is the root of one.
type ChunkRoots = BTreeMap<(&'static str, NodeId), u64>;

/// A finished checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    pub(crate) height: u64,
    /// Writes to trees up to its height.
    pub(crate) writes: u64,
    /// Per store the part of the tree above the chunks.
    tops: Vec<(String, Vec<u8>)>,
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_uvarint(&mut out, self.height);
        put_uvarint(&mut out, self.writes);
        for (name, top) in &self.tops {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, top);
        }
        seal(out)
    }

    pub(crate) fn decode(record: &[u8]) -> Result<Self> {
        let mut input = unseal(record, "checkpoint")?;
        let (height, writes) = (input.uvarint()?, input.uvarint()?);
        let mut tops = Vec::new();
        while !input.is_empty() {
            tops.push((input.text()?, input.bytes()?.to_vec()));
        }
        Ok(Self { height, writes, tops })
    }

    /// All of a database, oldest first.
    pub(crate) fn all(db: &Db) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        let (from, to) = (record::at(CHECKPOINT, 0), record::at(CHECKPOINT, u64::MAX));
        db.scan(Cf::Meta, from, to, &mut |_, record| {
            all.push(Self::decode(record)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Ids of its chunks.
    fn chunks(&self) -> Result<BTreeSet<u64>> {
        let mut ids = BTreeSet::new();
        for (_, top) in &self.tops {
            let mut input = Input(top);
            while !input.is_empty() {
                let item = input.uvarint()?;
                if item & 1 == 0 {
                    ids.insert(item.wrapping_shr(1));
                }
            }
        }
        Ok(ids)
    }
}

/// A checkpoint being written.
struct Walk {
    done: Manifest,
    /// Stores to do, last first.
    stores: Vec<(&'static str, Option<NodeId>)>,
    store: &'static str,
    top: Vec<u8>,
    /// Nodes of `store` to do, next one last.
    todo: Vec<NodeId>,
    roots: ChunkRoots,
}

/// The checkpoints of a database: those on disk, and the one being written.
#[derive(Default)]
pub(crate) struct Checkpoints {
    /// Height, writes and chunks, oldest first.
    kept: Vec<(u64, u64, BTreeSet<u64>)>,
    /// Height of the checkpoint that `roots` belongs to.
    roots_height: u64,
    roots: ChunkRoots,
    next_chunk: u64,
    walk: Option<Walk>,
}

impl Checkpoints {
    /// First height that can be rebuilt, if there is a checkpoint.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.kept.first().map(|(height, ..)| *height)
    }

    /// Height of the version being written, whose nodes must stay.
    pub(crate) fn pinned(&self) -> Option<u64> {
        self.walk.as_ref().map(|walk| walk.done.height)
    }

    /// Begins a checkpoint of the last committed version if one is due.
    pub(crate) fn begin_if_due(&mut self, height: u64, writes: u64, trees: &Trees, options: &Options) {
        let (last, last_writes) = self.kept.last().map_or((0, 0), |(height, writes, _)| (*height, *writes));
        let aged = last == 0 || height.saturating_sub(last) >= options.proof_versions;
        let full =
            writes.saturating_sub(last_writes) >= options.checkpoint_writes.max(trees.leaves(height) / 8);
        if self.walk.is_some() || height <= last || !(aged || full) {
            return;
        }
        let mut stores: Vec<_> =
            trees.iter().filter_map(|(name, tree)| Some((name, tree.version(height)?))).collect();
        stores.reverse();
        let done = Manifest { height, writes, tops: Vec::new() };
        self.walk =
            Some(Walk { done, stores, store: "", top: Vec::new(), todo: Vec::new(), roots: BTreeMap::new() });
    }

    /// Writes the next chunks of the checkpoint, about as many bytes as the options allow, and the manifest when it
    /// is complete; then drops the checkpoints that are no longer needed.
    pub(crate) fn advance(&mut self, trees: &Trees, options: &Options, batch: &mut Batch<'_>) -> Result<()> {
        let Some(mut walk) = self.walk.take() else { return Ok(()) };
        let mut written = 0_usize;
        while written < options.checkpoint_bytes {
            let Some(node) = walk.todo.pop() else {
                if walk.next_store() {
                    continue;
                }
                return self.finish(walk, options, batch);
            };
            let tree = trees.get(walk.store)?;
            let version = tree.node_version(node)?;
            let place = (walk.store, node);
            let known = self.roots.get(&place).copied().filter(|_| version <= self.roots_height);
            let chunk = match known {
                Some(chunk) => chunk,
                None if tree.size(node)? > CHUNK_LEAVES => {
                    put_uvarint(&mut walk.top, version.wrapping_shl(1) | 1);
                    let inner = tree.inner(node)?;
                    walk.todo.extend([inner.right, inner.left]);
                    continue;
                }
                None => {
                    let mut out = Vec::new();
                    encode(tree, node, &mut out)?;
                    let chunk = self.next_chunk;
                    self.next_chunk = chunk.saturating_add(1);
                    written = written.saturating_add(out.len());
                    batch.put(Cf::Chunks, &chunk.to_be_bytes(), &seal(out))?;
                    chunk
                }
            };
            put_uvarint(&mut walk.top, chunk.wrapping_shl(1));
            walk.roots.insert(place, chunk);
        }
        self.walk = Some(walk);
        Ok(())
    }

    fn finish(&mut self, walk: Walk, options: &Options, batch: &mut Batch<'_>) -> Result<()> {
        let done = walk.done;
        batch.put(Cf::Meta, &record::at(CHECKPOINT, done.height), &done.encode())?;
        self.kept.push((done.height, done.writes, done.chunks()?));
        self.roots_height = done.height;
        self.roots = walk.roots;
        let from = done.height.saturating_sub(options.proof_versions);
        while self.kept.get(1).is_some_and(|(height, ..)| *height <= from) {
            self.drop_checkpoint(0, batch)?;
        }
        // The second is the next base, the last is the newest: the one between serves nobody.
        while self.kept.len() > 3 {
            self.drop_checkpoint(2, batch)?;
        }
        Ok(())
    }

    fn drop_checkpoint(&mut self, index: usize, batch: &mut Batch<'_>) -> Result<()> {
        let (height, _, chunks) = self.kept.remove(index);
        batch.delete(Cf::Meta, &record::at(CHECKPOINT, height))?;
        for chunk in chunks.iter().filter(|c| !self.kept.iter().any(|(.., other)| other.contains(c))) {
            batch.delete(Cf::Chunks, &chunk.to_be_bytes())?;
        }
        Ok(())
    }

    /// The checkpoints of a database, and in `trees` the one that a start at `latest` should replay from: the
    /// oldest within reach, so that proofs at recent heights are there again, else the newest.
    pub(crate) fn load(
        db: &Db,
        trees: &mut Trees,
        (latest, writes): (u64, u64),
        options: &Options,
    ) -> Result<(Self, Option<u64>)> {
        let manifests = Manifest::all(db)?;
        let mut all = Self::default();
        for manifest in &manifests {
            all.kept.push((manifest.height, manifest.writes, manifest.chunks()?));
        }
        all.next_chunk =
            all.kept.iter().filter_map(|(.., c)| c.last()).max().map_or(0, |c| c.saturating_add(1));
        all.sweep(db)?;
        let in_reach = |m: &&Manifest| {
            writes.saturating_sub(m.writes) <= options.replay_whole()
                && latest.saturating_sub(m.height) <= options.proof_versions
        };
        let Some(base) = manifests.iter().find(in_reach).or(manifests.last()) else { return Ok((all, None)) };
        if let Some((name, _)) = base.tops.iter().find(|(name, _)| !trees.has(name)) {
            return Err(Error::MissingStore(name.clone()));
        }
        let roots: Vec<ChunkRoots> = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (store, tree) in trees.iter_mut() {
                let Some((_, top)) = base.tops.iter().find(|(name, _)| name == store) else { continue };
                let mut loader =
                    Loader { db, store, roots: ChunkRoots::new(), scratch: Vec::with_capacity(128) };
                threads.push(spawn(scope, move || {
                    let root = loader.top(tree, top)?;
                    tree.load_version(base.height, root);
                    Ok(loader.roots)
                })?);
            }
            threads.into_iter().map(join).collect::<Result<_>>()
        })?;
        all.roots = roots.into_iter().flatten().collect();
        all.roots_height = base.height;
        trees.add_height(base.height, 0);
        Ok((all, Some(base.height)))
    }

    /// Deletes the chunks of a checkpoint that was not finished: they have the highest ids.
    fn sweep(&self, db: &Db) -> Result<()> {
        let mut batch = db.batch();
        let (from, to) = (self.next_chunk.to_be_bytes().to_vec(), u64::MAX.to_be_bytes().to_vec());
        let mut found = false;
        db.scan(Cf::Chunks, from, to, &mut |key, _| {
            found = true;
            batch.delete(Cf::Chunks, key)
        })?;
        if found { batch.write() } else { Ok(()) }
    }
}

impl Walk {
    /// Closes the store that is done and opens the next one; `false` if there is none.
    fn next_store(&mut self) -> bool {
        if !self.store.is_empty() {
            self.done.tops.push((self.store.to_owned(), std::mem::take(&mut self.top)));
        }
        let Some((store, root)) = self.stores.pop() else { return false };
        self.store = store;
        self.todo.extend(root);
        true
    }
}

fn encode(tree: &Tree, node: NodeId, out: &mut Vec<u8>) -> Result<()> {
    if node.is_leaf() {
        let leaf = tree.leaf(node)?;
        put_uvarint(out, leaf.version.wrapping_shl(1));
        put_bytes(out, tree.key(leaf.key)?);
        out.extend_from_slice(&leaf.hash);
        return Ok(());
    }
    let inner = tree.inner(node)?;
    put_uvarint(out, inner.version().wrapping_shl(1) | 1);
    encode(tree, inner.left, out)?;
    encode(tree, inner.right, out)
}

struct Loader<'a> {
    db: &'a Db,
    store: &'static str,
    roots: ChunkRoots,
    scratch: Vec<u8>,
}

/// A loaded subtree and its first key.
type Loaded = (NodeId, KeyId);

impl Loader<'_> {
    fn top(&mut self, tree: &mut Tree, top: &[u8]) -> Result<Option<NodeId>> {
        if top.is_empty() {
            return Ok(None);
        }
        let mut input = Input(top);
        let (root, _) = self.top_node(tree, &mut input, 0)?;
        if input.is_empty() { Ok(Some(root)) } else { Err(Error::damaged("checkpoint has nodes left over")) }
    }

    fn top_node(&mut self, tree: &mut Tree, input: &mut Input<'_>, depth: u32) -> Result<Loaded> {
        let item = input.uvarint()?;
        let number = item.wrapping_shr(1);
        if item & 1 == 0 {
            return self.chunk(tree, number);
        }
        let depth = deeper(depth)?;
        let left = self.top_node(tree, input, depth)?;
        let right = self.top_node(tree, input, depth)?;
        self.join(tree, number, left, right)
    }

    fn chunk(&mut self, tree: &mut Tree, id: u64) -> Result<Loaded> {
        let what = format!("chunk {id}");
        let record = self.db.get(Cf::Chunks, &id.to_be_bytes())?;
        let record = record.ok_or_else(|| Error::damaged(format!("{what} is missing")))?;
        let mut input = unseal(&record, &what)?;
        let loaded = self.node(tree, &mut input, 0)?;
        if !input.is_empty() {
            return Err(Error::damaged(format!("{what} has nodes left over")));
        }
        self.roots.insert((self.store, loaded.0), id);
        Ok(loaded)
    }

    fn node(&mut self, tree: &mut Tree, input: &mut Input<'_>, depth: u32) -> Result<Loaded> {
        let item = input.uvarint()?;
        let version = item.wrapping_shr(1);
        if item & 1 == 0 {
            let key = input.bytes()?;
            return tree.load_leaf(version, key, input.hash()?);
        }
        let depth = deeper(depth)?;
        let left = self.node(tree, input, depth)?;
        let right = self.node(tree, input, depth)?;
        self.join(tree, version, left, right)
    }

    fn join(&mut self, tree: &mut Tree, version: u64, left: Loaded, right: Loaded) -> Result<Loaded> {
        let node = tree.load_inner(version, (left.0, right.0), right.1, &mut self.scratch)?;
        Ok((node, left.1))
    }
}

fn deeper(depth: u32) -> Result<u32> {
    let depth = depth.saturating_add(1);
    if depth > MAX_DEPTH { Err(Error::damaged("a tree is too deep")) } else { Ok(depth) }
}

/// Number of chunks on disk; tests see by it that none is left behind.
#[cfg(test)]
pub(crate) fn chunks_on_disk(db: &Db) -> Result<u64> {
    let mut count = 0_u64;
    let (from, to) = (0_u64.to_be_bytes().to_vec(), u64::MAX.to_be_bytes().to_vec());
    db.scan(Cf::Chunks, from, to, &mut |_, _| {
        count = count.saturating_add(1);
        Ok(())
    })?;
    Ok(count)
}
