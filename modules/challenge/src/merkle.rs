//! Merkle-sum tree over the leaves of one node: RFC 6962's shape, each node with the number of hits below it.
use sha2::{Digest, Sha256};

use crate::distance::{Leaf, RTarget};
use crate::hash::Hash;
use crate::path::Path;

/// A node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Hash of the node.
    pub hash: Hash,
    /// Hits among the leaves below.
    pub hits: u64,
}

impl Node {
    /// The node of one leaf.
    pub(crate) fn of_leaf(leaf: &Leaf, r_target: RTarget) -> Self {
        Self { hash: leaf.hash(), hits: u64::from(leaf.distance.is_hit(r_target)) }
    }

    /// `SHA-256(0x01 || left || be64(hits left) || right || be64(hits right))` with the sum of hits; `None` if the
    /// sum does not fit.
    pub(crate) fn join(left: &Self, right: &Self) -> Option<Self> {
        let hits = left.hits.checked_add(right.hits)?;
        let mut hasher = Sha256::new();
        hasher.update([1]);
        for node in [left, right] {
            hasher.update(node.hash);
            hasher.update(node.hits.to_be_bytes());
        }
        Some(Self { hash: hasher.finalize().into(), hits })
    }
}

/// What the chain keeps of one node's epoch: leaves `0 .. count`, how many are hits, and the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Leaves.
    pub count: u64,
    /// Hits among them.
    pub hits: u64,
    /// Root of the tree.
    pub root: Hash,
}

/// Why a tree refuses a question or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// The leaf's nonce is not the next one: its nonce, the next.
    NotNext(u64, u64),
    /// The count is zero or above the leaves there are: count, leaves.
    Count(u64, u64),
    /// The index is not below the count: index, count.
    Index(u64, u64),
}

impl std::fmt::Display for TreeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotNext(nonce, next) => write!(f, "leaf has nonce {nonce}, the next is {next}"),
            Self::Count(count, len) => {
                write!(f, "count is {count}, the tree has {len} leaves, at least 1 is needed")
            }
            Self::Index(index, count) => write!(f, "leaf {index} is not below count {count}"),
        }
    }
}

impl std::error::Error for TreeError {}

/// A growing tree, which answers for every prefix of its leaves: a node that commits to more and more keeps one.
///
/// Holds every complete subtree, 80 bytes a leaf. Appending costs at most two hashes a leaf, a root or path of any
/// prefix `O(log^2)`.
#[derive(Clone, Debug)]
pub struct MerkleSum {
    r_target: RTarget,
    /// `levels[k][i]`: the complete subtree over leaves `i 2^k .. (i+1) 2^k`.
    levels: Vec<Vec<Node>>,
}

/// Largest power of two below `n` (at least 2): where a tree of `n` leaves splits.
pub(crate) fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

impl MerkleSum {
    /// An empty tree whose leaves are hits below `r_target`.
    pub fn new(r_target: RTarget) -> Self {
        Self { r_target, levels: vec![Vec::new()] }
    }

    /// Leaves so far, which is the next nonce.
    pub fn len(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// Whether there is no leaf yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the leaf of the next nonce.
    ///
    /// # Errors
    /// [`TreeError::NotNext`] when its nonce is another.
    pub fn push(&mut self, leaf: &Leaf) -> Result<(), TreeError> {
        if leaf.nonce != self.len() {
            return Err(TreeError::NotNext(leaf.nonce, self.len()));
        }
        self.append(leaf);
        Ok(())
    }

    /// Appends a leaf whatever its nonce is: for vectors whose nonces do not begin at 0. Its paths verify only if the
    /// nonce is its index.
    pub fn append(&mut self, leaf: &Leaf) {
        self.levels[0].push(Node::of_leaf(leaf, self.r_target));
        for k in 0.. {
            let [.., left, right] = self.levels[k].as_slice() else { return };
            if !self.levels[k].len().is_multiple_of(2) {
                return;
            }
            let Some(parent) = Node::join(left, right) else { return }; // sums of flags fit
            if k + 1 == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[k + 1].push(parent);
        }
    }

    /// Node over leaves `from .. from + size`, which must be a subtree of some prefix's tree.
    fn node(&self, from: u64, size: u64) -> Node {
        if size.is_power_of_two() {
            let k = size.ilog2();
            return self.levels[k as usize][(from >> k) as usize];
        }
        let left = self.node(from, split(size));
        let right = self.node(from + split(size), size - split(size));
        Node::join(&left, &right).unwrap_or(left) // sums of flags fit
    }

    fn check(&self, count: u64) -> Result<(), TreeError> {
        if count == 0 || count > self.len() { Err(TreeError::Count(count, self.len())) } else { Ok(()) }
    }

    /// Commitment to the first `count` leaves.
    ///
    /// # Errors
    /// [`TreeError::Count`] for none or more than there are.
    pub fn commitment(&self, count: u64) -> Result<Commitment, TreeError> {
        self.check(count)?;
        let node = self.node(0, count);
        Ok(Commitment { count, hits: node.hits, root: node.hash })
    }

    /// Path of leaf `index` in the tree of the first `count` leaves.
    ///
    /// # Errors
    /// [`TreeError::Count`], [`TreeError::Index`].
    pub fn path(&self, count: u64, index: u64) -> Result<Path, TreeError> {
        self.check(count)?;
        if index >= count {
            return Err(TreeError::Index(index, count));
        }
        let (mut from, mut size, mut siblings) = (0, count, Vec::new());
        while size > 1 {
            let k = split(size);
            if index - from < k {
                siblings.push(self.node(from + k, size - k));
                size = k;
            } else {
                siblings.push(self.node(from, k));
                (from, size) = (from + k, size - k);
            }
        }
        siblings.reverse();
        Ok(Path { siblings })
    }

    /// Index of the hit number `rank` (from 0) among the first `count` leaves, found by the sums; `None` if there are
    /// no more than `rank` hits, or the count is zero or above the leaves there are.
    pub fn kth_hit(&self, count: u64, rank: u64) -> Option<u64> {
        self.check(count).ok()?;
        if rank >= self.node(0, count).hits {
            return None;
        }
        let (mut from, mut size, mut rank) = (0, count, rank);
        while size > 1 {
            let k = split(size);
            let left = self.node(from, k).hits;
            if rank < left {
                size = k;
            } else {
                (from, size, rank) = (from + k, size - k, rank - left);
            }
        }
        Some(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_rfc_6962() {
        let got: Vec<u64> = [2, 3, 4, 5, 7, 8, 9, u64::MAX].into_iter().map(split).collect();
        assert_eq!(got, [1, 2, 2, 4, 4, 4, 8, 1 << 63]);
    }
}
