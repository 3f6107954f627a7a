//! ICS-23 proofs with the stock specs: an entry against its store's root, the root against the app hash.

use ics23::commitment_proof::Proof as Kind;
use ics23::{CommitmentProof, ExistenceProof, HashOp, InnerOp, LeafOp, LengthOp, NonExistenceProof};
use prost::Message;

use crate::codec::to_u64;
use crate::error::{Error, Result};
use crate::hash::{self, Hash};
use crate::tree::{NodeId, Side, Tree};

/// One step of a proof as ABCI carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofOp {
    /// `ics23:iavl` or `ics23:simple`.
    pub kind: &'static str,
    /// Key of the entry, or name of the store.
    pub key: Vec<u8>,
    /// Encoded `CommitmentProof`.
    pub data: Vec<u8>,
}

/// An entry, or its absence, proven up to the app hash.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Name of the store.
    pub store: &'static str,
    /// Key that was asked for.
    pub key: Vec<u8>,
    /// Its value; `None` is proven absent.
    pub value: Option<Vec<u8>>,
    /// Entry to root, by `ics23::iavl_spec`.
    pub iavl: CommitmentProof,
    /// Root to app hash, by `ics23::tendermint_spec`.
    pub simple: CommitmentProof,
}

impl Proof {
    /// The two steps, as `abci_query` returns them.
    pub fn ops(&self) -> [ProofOp; 2] {
        [
            ProofOp { kind: "ics23:iavl", key: self.key.clone(), data: self.iavl.encode_to_vec() },
            ProofOp {
                kind: "ics23:simple",
                key: self.store.as_bytes().to_vec(),
                data: self.simple.encode_to_vec(),
            },
        ]
    }
}

/// Proof that `root` of store `name` is in the app hash of `roots`.
pub(crate) fn simple(roots: &[(String, Hash)], name: &str) -> Result<CommitmentProof> {
    let index = roots.iter().position(|(n, _)| n == name);
    let index = index.ok_or_else(|| Error::UnknownStore(name.to_owned()))?;
    let root = roots.get(index).map(|(_, root)| root.to_vec()).unwrap_or_default();
    let path = hash::app_hash_path(roots, index).into_iter().map(|(sibling_is_right, sibling)| {
        let mut prefix = vec![1];
        let mut suffix = Vec::new();
        if sibling_is_right { &mut suffix } else { &mut prefix }.extend_from_slice(&sibling);
        InnerOp { hash: HashOp::Sha256.into(), prefix, suffix }
    });
    Ok(exists(name.as_bytes().to_vec(), root, vec![0], path.collect()))
}

/// Looks up a value.
pub(crate) type ValueOf<'a> = dyn FnMut(&[u8]) -> Result<Option<Vec<u8>>> + 'a;

/// Proof of `key` in the tree under `root`, or of its absence. `value_of` looks up a value at the tree's height.
pub(crate) fn iavl(
    tree: &Tree,
    root: NodeId,
    key: &[u8],
    value_of: &mut ValueOf<'_>,
) -> Result<(Option<Vec<u8>>, CommitmentProof)> {
    if let Some(value) = value_of(key)? {
        return Ok((Some(value.clone()), commitment(Kind::Exist(existence(tree, root, key, value)?))));
    }
    let (left, right) = tree.neighbours(root, key)?;
    let mut side = |neighbour: Option<&[u8]>| match neighbour {
        None => Ok(None),
        Some(key) => {
            let value = value_of(key)?.ok_or_else(|| Error::damaged("a leaf has no value"))?;
            existence(tree, root, key, value).map(Some)
        }
    };
    let proof = NonExistenceProof { key: key.to_vec(), left: side(left)?, right: side(right)? };
    Ok((None, commitment(Kind::Nonexist(proof))))
}

fn existence(tree: &Tree, root: NodeId, key: &[u8], value: Vec<u8>) -> Result<ExistenceProof> {
    let (leaf, path) = tree.path(root, key)?;
    if tree.key(leaf.key)? != key || hash::leaf(leaf.version, key, &value) != leaf.hash {
        return Err(Error::damaged(format!("the tree does not hold the value of key {}", hash::hex(key))));
    }
    let mut ops = Vec::with_capacity(path.len());
    for (inner, side) in path.into_iter().rev() {
        let length = u8::try_from(to_u64(size_of::<Hash>())).unwrap_or(u8::MAX);
        let (mut prefix, mut suffix) = (Vec::with_capacity(80), Vec::new());
        hash::put_inner_prefix(&mut prefix, inner.height(), inner.size, inner.version());
        prefix.push(length);
        match side {
            Side::Left => {
                suffix.push(length);
                suffix.extend_from_slice(&tree.node_hash(inner.right)?);
            }
            Side::Right => {
                prefix.extend_from_slice(&tree.node_hash(inner.left)?);
                prefix.push(length);
            }
        }
        ops.push(InnerOp { hash: HashOp::Sha256.into(), prefix, suffix });
    }
    Ok(existence_proof(key.to_vec(), value, hash::leaf_prefix(leaf.version), ops))
}

fn existence_proof(key: Vec<u8>, value: Vec<u8>, prefix: Vec<u8>, path: Vec<InnerOp>) -> ExistenceProof {
    let leaf = LeafOp {
        hash: HashOp::Sha256.into(),
        prehash_key: HashOp::NoHash.into(),
        prehash_value: HashOp::Sha256.into(),
        length: LengthOp::VarProto.into(),
        prefix,
    };
    ExistenceProof { key, value, leaf: Some(leaf), path }
}

fn exists(key: Vec<u8>, value: Vec<u8>, prefix: Vec<u8>, path: Vec<InnerOp>) -> CommitmentProof {
    commitment(Kind::Exist(existence_proof(key, value, prefix, path)))
}

fn commitment(kind: Kind) -> CommitmentProof {
    CommitmentProof { proof: Some(kind) }
}
