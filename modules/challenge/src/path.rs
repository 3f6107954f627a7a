//! What a verifier asks of a leaf and its path. Every direction and subtree size comes from the nonce and the count,
//! never from the path.
use crate::distance::{Leaf, RTarget};
use crate::hash::Hash;
use crate::merkle::{Commitment, Node, split};

/// Most siblings a path can have: counts are below 2^64.
pub const DEPTH_MAX: usize = 64;

/// Siblings of a leaf, from the leaf's to the root's child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Hash and hits of each sibling, lowest first.
    pub siblings: Vec<Node>,
}

/// Why a leaf with its path does not belong to a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The nonce is not below the count (also for a count of zero): nonce, count.
    Index(u64, u64),
    /// The path has another length than the place of the leaf asks for: got, wanted.
    Length(usize, usize),
    /// A sibling claims more hits than it has leaves: place from the leaf, hits, leaves.
    TooManyHits(usize, u64, u64),
    /// The sums do not fit 64 bits.
    Overflow,
    /// The hits of leaf and siblings add to another number than was committed: got, committed.
    Hits(u64, u64),
    /// The path leads to another root.
    Root(Hash),
    /// The leaf is not a hit, but a hit was asked for: its distance, the target.
    NotAHit(u64, u64),
    /// The leaf is another hit than the one asked for: its rank, the rank asked for.
    Rank(u64, u64),
}

impl std::fmt::Display for PathError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index(nonce, count) => write!(f, "nonce {nonce} is not below count {count}"),
            Self::Length(got, want) => write!(f, "path has {got} siblings, {want} are needed"),
            Self::TooManyHits(at, hits, leaves) => {
                write!(f, "sibling {at} claims {hits} hits among {leaves} leaves")
            }
            Self::Overflow => write!(f, "sum of hits does not fit 64 bits"),
            Self::Hits(got, want) => write!(f, "path sums to {got} hits, {want} were committed"),
            Self::Root(_) => write!(f, "path does not lead to the committed root"),
            Self::NotAHit(d, r) => write!(f, "leaf with distance {d} is no hit for target {r}"),
            Self::Rank(got, want) => write!(f, "leaf is hit {got}, hit {want} was asked for"),
        }
    }
}

impl std::error::Error for PathError {}

/// For each sibling of leaf `index`, lowest first: whether it stands left, and how many leaves it has.
fn places(index: u64, count: u64) -> Vec<(bool, u64)> {
    let (mut index, mut size, mut places) = (index, count, Vec::new());
    while size > 1 {
        let k = split(size);
        if index < k {
            places.push((false, size - k));
            size = k;
        } else {
            places.push((true, k));
            (index, size) = (index - k, size - k);
        }
    }
    places.reverse();
    places
}

/// Walks up and returns the number of hits left of the leaf.
fn walk(commitment: &Commitment, r_target: RTarget, leaf: &Leaf, path: &Path) -> Result<u64, PathError> {
    if leaf.nonce >= commitment.count {
        return Err(PathError::Index(leaf.nonce, commitment.count));
    }
    let places = places(leaf.nonce, commitment.count);
    if path.siblings.len() != places.len() {
        return Err(PathError::Length(path.siblings.len(), places.len()));
    }
    let (mut node, mut hits_left) = (Node::of_leaf(leaf, r_target), 0_u64);
    for (at, (sibling, (is_left, leaves))) in path.siblings.iter().zip(places).enumerate() {
        // The node walked so far keeps `hits <= leaves` by induction: it starts as a flag.
        if sibling.hits > leaves {
            return Err(PathError::TooManyHits(at, sibling.hits, leaves));
        }
        let (left, right) = if is_left { (sibling, &node) } else { (&node, sibling) };
        let joined = Node::join(left, right).ok_or(PathError::Overflow)?;
        if is_left {
            hits_left = hits_left.checked_add(sibling.hits).ok_or(PathError::Overflow)?;
        }
        node = joined;
    }
    if node.hits != commitment.hits {
        return Err(PathError::Hits(node.hits, commitment.hits));
    }
    if node.hash != commitment.root {
        return Err(PathError::Root(node.hash));
    }
    Ok(hits_left)
}

/// Checks that `leaf` is the leaf number `leaf.nonce` of `commitment`.
///
/// Costs at most 65 hashes; a path of a wrong length is refused before the first.
///
/// # Errors
/// [`PathError`], the first rule broken.
pub fn verify(commitment: &Commitment, r_target: RTarget, leaf: &Leaf, path: &Path) -> Result<(), PathError> {
    walk(commitment, r_target, leaf, path).map(|_| ())
}

/// Checks that `leaf` belongs to `commitment` and is its hit number `rank`, counted from 0.
///
/// # Errors
/// [`PathError`], the first rule broken.
pub fn verify_hit_rank(
    commitment: &Commitment,
    r_target: RTarget,
    leaf: &Leaf,
    path: &Path,
    rank: u64,
) -> Result<(), PathError> {
    let before = walk(commitment, r_target, leaf, path)?;
    if !leaf.distance.is_hit(r_target) {
        return Err(PathError::NotAHit(leaf.distance.0, r_target.0));
    }
    if before != rank {
        return Err(PathError::Rank(before, rank));
    }
    Ok(())
}
