//! The hash rules: cosmos/iavl v1 for trees, CometBFT's simple map for the app hash.
//!
//! ```text
//! leaf  = sha256(varint(0) | varint(1) | varint(version) | bytes(key) | bytes(sha256(value)))
//! inner = sha256(varint(height) | varint(size) | varint(version) | bytes(left) | bytes(right))
//! app   = RFC 6962 tree over the stores by name, leaf = bytes(name) | bytes(sha256(root))
//! ```
//! `varint` is the zig-zag one, `bytes(x)` is the length of `x` as an unsigned varint, then `x`.

use sha2::{Digest, Sha256};

use crate::codec::{put_bytes, put_uvarint};

/// SHA-256 output.
pub type Hash = [u8; 32];

/// `sha256(data)`.
pub(crate) fn sha256(data: &[u8]) -> Hash {
    Sha256::digest(data).into()
}

/// Root of a tree without leaves, as in RFC 6962: the hash of nothing.
pub(crate) fn empty_root() -> Hash {
    sha256(&[])
}

/// Go's `binary.PutVarint` of a number that is not negative.
pub(crate) fn put_varint(out: &mut Vec<u8>, n: u64) {
    put_uvarint(out, n.wrapping_shl(1));
}

/// `varint(0) | varint(1) | varint(version)`: what a leaf's preimage begins with.
pub(crate) fn leaf_prefix(version: u64) -> Vec<u8> {
    let mut out = vec![0, 2];
    put_varint(&mut out, version);
    out
}

/// Hash of a leaf.
pub(crate) fn leaf(version: u64, key: &[u8], value: &[u8]) -> Hash {
    let mut preimage = leaf_prefix(version);
    put_bytes(&mut preimage, key);
    put_bytes(&mut preimage, &sha256(value));
    sha256(&preimage)
}

/// `varint(height) | varint(size) | varint(version)`.
pub(crate) fn put_inner_prefix(out: &mut Vec<u8>, height: u8, size: u32, version: u64) {
    put_varint(out, u64::from(height));
    put_varint(out, u64::from(size));
    put_varint(out, version);
}

/// Hash of an inner node; `scratch` saves an allocation per node.
pub(crate) fn inner(
    scratch: &mut Vec<u8>,
    (height, size, version): (u8, u32, u64),
    left: &Hash,
    right: &Hash,
) -> Hash {
    scratch.clear();
    put_inner_prefix(scratch, height, size, version);
    put_bytes(scratch, left);
    put_bytes(scratch, right);
    sha256(scratch)
}

/// Hash of `roots`, a list by name: the app hash.
pub(crate) fn app_hash(roots: &[(String, Hash)]) -> Hash {
    simple_root(&roots.iter().map(|(name, root)| simple_leaf(name, root)).collect::<Vec<_>>())
}

/// Path from the leaf at `index` up to the app hash: per step the sibling, and whether it is on the right.
pub(crate) fn app_hash_path(roots: &[(String, Hash)], index: usize) -> Vec<(bool, Hash)> {
    let leaves: Vec<Hash> = roots.iter().map(|(name, root)| simple_leaf(name, root)).collect();
    let mut path = Vec::new();
    simple_path(&leaves, index, &mut path);
    path
}

fn simple_leaf(name: &str, root: &Hash) -> Hash {
    let mut preimage = vec![0];
    put_bytes(&mut preimage, name.as_bytes());
    put_bytes(&mut preimage, &sha256(root));
    sha256(&preimage)
}

/// Splits at the largest power of two below the length.
fn split(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    let half = leaves.len().checked_next_power_of_two().unwrap_or(0).wrapping_shr(1);
    leaves.split_at_checked(half).unwrap_or((leaves, &[]))
}

fn simple_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = split(leaves);
            let mut preimage = vec![1];
            preimage.extend_from_slice(&simple_root(left));
            preimage.extend_from_slice(&simple_root(right));
            sha256(&preimage)
        }
    }
}

fn simple_path(leaves: &[Hash], index: usize, path: &mut Vec<(bool, Hash)>) {
    if leaves.len() < 2 {
        return;
    }
    let (left, right) = split(leaves);
    match index.checked_sub(left.len()) {
        None => {
            simple_path(left, index, path);
            path.push((true, simple_root(right)));
        }
        Some(index) => {
            simple_path(right, index, path);
            path.push((false, simple_root(left)));
        }
    }
}

/// Lower-case hex, for messages.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
