//! Roots, proofs and app hashes written by cosmos/iavl and the SDK's multistore (`fixtures/iavl.json`).

use std::collections::BTreeMap;

use prost::Message;
use serde::Deserialize;

use crate::hash::{self, hex};
use crate::proof;
use crate::tree::Tree;
use crate::trees::Trees;

#[derive(Deserialize)]
struct File {
    trees: Vec<TreeCase>,
    multistore: Vec<Commit>,
}

#[derive(Deserialize)]
struct TreeCase {
    name: String,
    initial_version: u64,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    ops: Option<Vec<Op>>,
    root: String,
    size: u32,
    height: u8,
    #[serde(default)]
    proofs: Vec<ProofCase>,
}

#[derive(Deserialize)]
struct Op {
    key: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct ProofCase {
    key: String,
    value: String,
    proof: String,
}

#[derive(Deserialize)]
struct Commit {
    stores: BTreeMap<String, Vec<Op>>,
    roots: BTreeMap<String, String>,
    app_hash: String,
    #[serde(default)]
    proofs: Vec<StoreProof>,
}

#[derive(Deserialize)]
struct StoreProof {
    store: String,
    key: String,
    value: String,
    ops: Vec<String>,
    data: Vec<String>,
}

type Values = BTreeMap<Vec<u8>, Vec<u8>>;

fn file() -> File {
    serde_json::from_str(include_str!("../../fixtures/iavl.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    ::hex::decode(text).unwrap()
}

fn apply(tree: &mut Tree, values: &mut Values, version: u64, ops: &[Op]) {
    for op in ops {
        let key = bytes(&op.key);
        match &op.value {
            Some(value) => {
                tree.set(&key, hash::leaf(version, &key, &bytes(value))).unwrap();
                values.insert(key, bytes(value));
            }
            None => assert_eq!(tree.remove(&key).unwrap(), values.remove(&key).is_some()),
        }
    }
}

fn prove(tree: &Tree, version: u64, values: &Values, key: &[u8]) -> (String, String) {
    let root = tree.version(version).unwrap().unwrap();
    let mut value_of = |key: &[u8]| Ok(values.get(key).cloned());
    let (value, proof) = proof::iavl(tree, root, key, &mut value_of).unwrap();
    (hex(&value.unwrap_or_default()), hex(&proof.encode_to_vec()))
}

#[test]
fn every_root_and_proof_of_iavl() {
    let mut proofs = 0;
    for case in file().trees {
        let (mut tree, mut values) = (Tree::default(), Values::new());
        for (version, want) in (case.initial_version.max(1)..).zip(&case.versions) {
            let name = format!("{} version {version}", case.name);
            tree.begin(version);
            // Staging again begins from the same version.
            tree.set(b"dropped", [7; 32]).unwrap();
            tree.begin(version);
            apply(&mut tree, &mut values, version, want.ops.as_deref().unwrap_or_default());
            assert_eq!(hex(&tree.root_hash().unwrap()), want.root, "{name}");
            tree.commit();
            let root = tree.version(version).unwrap();
            assert_eq!(root.map_or(0, |root| tree.size(root).unwrap()), want.size, "{name}");
            let height = root.filter(|r| !r.is_leaf()).map_or(0, |r| tree.inner(r).unwrap().height());
            assert_eq!(height, want.height, "{name}");
            for proof in &want.proofs {
                let got = prove(&tree, version, &values, &bytes(&proof.key));
                assert_eq!(got, (proof.value.clone(), proof.proof.clone()), "{name} key {}", proof.key);
                proofs += 1;
            }
            tree.forget_below(version.saturating_sub(3));
        }
    }
    assert!(proofs > 100, "{proofs} proofs checked");
}

#[test]
fn every_app_hash_and_two_step_proof_of_the_multistore() {
    let names = ["acc", "bank", "gov", "params", "staking"];
    let mut trees = Trees::new(names);
    let mut values: BTreeMap<String, Values> = BTreeMap::new();
    let mut proofs = 0;
    for (version, commit) in (1..).zip(file().multistore) {
        trees.stage(version, BTreeMap::new()).unwrap();
        for (store, ops) in &commit.stores {
            apply(trees.get_mut(store).unwrap(), values.entry(store.clone()).or_default(), version, ops);
        }
        let mut root = |name: &str| trees.get_mut(name).unwrap().root_hash().unwrap();
        let roots = names.map(|name| (name.to_owned(), root(name)));
        let got: BTreeMap<_, _> = roots.iter().map(|(name, root)| (name.clone(), hex(root))).collect();
        assert_eq!(got, commit.roots, "roots of {version}");
        assert_eq!(hex(&hash::app_hash(&roots)), commit.app_hash, "app hash of {version}");
        trees.commit(version);
        for want in &commit.proofs {
            let tree = trees.get(&want.store).unwrap();
            let (value, iavl) = prove(tree, version, &values[&want.store], &bytes(&want.key));
            let simple = hex(&proof::simple(&roots, &want.store).unwrap().encode_to_vec());
            assert_eq!((&value, vec![iavl, simple]), (&want.value, want.data.clone()), "{}", want.key);
            assert_eq!(want.ops, ["ics23:iavl", "ics23:simple"]);
            proofs += 1;
        }
    }
    assert!(proofs > 5, "{proofs} proofs checked");
}
