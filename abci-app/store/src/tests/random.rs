//! Random writes: the tree against its plain twin, proofs against the public verifier, restarts at every height.

use std::collections::BTreeMap;

use geodesic_core::store::{MemStore, Reader};
use ics23::HostFunctionsManager as Host;
use proptest::prelude::*;

use super::{ACC, BANK, INDEX, QUIET, Rng, STORES, naive, open, small};
use crate::hash::{self, Hash};
use crate::tree::{Tree, TreeWrite};
use crate::{Error, Proof, Store};

type Ops = Vec<(u8, Option<u8>)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_tree_hashes_like_its_plain_twin(
        versions in prop::collection::vec(prop::collection::vec((any::<u8>(), any::<Option<u8>>()), 0..60), 1..30),
        keys in 4_u8..=255,
    ) {
        let versions: Vec<Ops> = versions;
        let (mut tree, mut twin) = (Tree::default(), None);
        let mut roots = BTreeMap::new();
        for (version, ops) in (1_u64..).zip(&versions) {
            tree.begin(version);
            if version % 3 == 0 {
                // A proposal that is dropped leaves no trace.
                for (key, _) in ops {
                    tree.set(&[key.wrapping_mul(7)], [0; 32]).unwrap();
                    tree.remove(&[*key]).unwrap();
                }
                tree.begin(version);
            }
            if version % 2 == 0 {
                // A block: sorted, each key once, replacements together.
                let block: BTreeMap<_, _> = ops.iter().map(|(k, v)| ([k % keys, 1], *v)).collect();
                let mut writes = Vec::new();
                for (key, value) in &block {
                    let present = tree.has(key).unwrap();
                    if let Some(value) = value {
                        let leaf = Some(hash::leaf(version, key, &[*value]));
                        writes.push(TreeWrite { key, leaf, present });
                        twin = Some(naive::set(twin.as_ref(), key, &[*value], version));
                    } else if present {
                        writes.push(TreeWrite { key, leaf: None, present });
                        twin = naive::remove(twin.as_ref().unwrap(), key, version).unwrap();
                    }
                }
                tree.apply(&writes).unwrap();
            }
            for (key, value) in ops.iter().filter(|_| version % 2 == 1) {
                let key = &[key % keys, 1][..];
                match value {
                    Some(value) => {
                        tree.set(key, hash::leaf(version, key, &[*value])).unwrap();
                        twin = Some(naive::set(twin.as_ref(), key, &[*value], version));
                    }
                    None => {
                        let removed = twin.as_ref().map_or(Err(()), |t| naive::remove(t, key, version));
                        prop_assert_eq!(tree.remove(key).unwrap(), removed.is_ok());
                        twin = removed.unwrap_or(twin);
                    }
                }
            }
            let want = twin.as_ref().map_or_else(hash::empty_root, |t| t.hash());
            prop_assert_eq!(tree.root_hash().unwrap(), want);
            tree.commit();
            roots.insert(version, want);
            tree.forget_below(version.saturating_sub(5));
            for (version, want) in roots.range(version.saturating_sub(5).max(1)..) {
                prop_assert_eq!(root_of(&tree, *version), *want, "version {} is still whole", version);
            }
        }
    }
}

/// Hash of a version from its nodes alone.
fn root_of(tree: &Tree, version: u64) -> Hash {
    fn walk(tree: &Tree, id: crate::tree::NodeId) -> Hash {
        if id.is_leaf() {
            return tree.leaf(id).unwrap().hash;
        }
        let inner = *tree.inner(id).unwrap();
        let (left, right) = (walk(tree, inner.left), walk(tree, inner.right));
        let head = (inner.height(), inner.size, inner.version());
        assert_eq!(inner.hash, hash::inner(&mut Vec::new(), head, &left, &right));
        inner.hash
    }
    tree.version(version).unwrap().map_or_else(hash::empty_root, |root| walk(tree, root))
}

/// What a light client does with a proof.
fn accepted(proof: &Proof, app_hash: &Hash) -> bool {
    let (iavl, tendermint) = (ics23::iavl_spec(), ics23::tendermint_spec());
    let Some(ics23::commitment_proof::Proof::Exist(step)) = &proof.simple.proof else { return false };
    let root = step.value.clone();
    let name = proof.store.as_bytes();
    let entry = match &proof.value {
        Some(value) => ics23::verify_membership::<Host>(&proof.iavl, &iavl, &root, &proof.key, value),
        None => ics23::verify_non_membership::<Host>(&proof.iavl, &iavl, &root, &proof.key),
    };
    entry && ics23::verify_membership::<Host>(&proof.simple, &tendermint, &app_hash.to_vec(), name, &root)
}

#[test]
fn proofs_of_any_key_at_recent_heights_convince_a_light_client_and_no_others_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut rng = Rng(3);
    for height in 1..=40 {
        let mut block = rng.block();
        // The verifier refuses empty values, as every ICS-23 verifier does.
        block.values_mut().for_each(|writes| writes.retain(|_, v| v.as_ref().is_none_or(|v| !v.is_empty())));
        store.stage(height, block).unwrap();
        store.commit(b"").unwrap();
    }
    let (oldest, latest) = store.proof_heights();
    assert_eq!((oldest, latest), (28, 40));
    let (mut present, mut absent) = (0, 0);
    for height in oldest..=latest {
        let snapshot = store.snapshot_at(height).unwrap();
        for _ in 0..30 {
            let (id, key) = (if rng.below(2) == 0 { ACC } else { BANK }, rng.key());
            let proof = snapshot.prove(id, &key).unwrap();
            assert_eq!(proof.value, snapshot.get(id, &key).unwrap());
            assert!(accepted(&proof, &snapshot.app_hash()), "{id:?} {key:?} at {height}");
            *if proof.value.is_some() { &mut present } else { &mut absent } += 1;

            let mut wrong = proof.clone();
            wrong.value = match wrong.value {
                Some(_) => None,
                None => Some(b"x".to_vec()),
            };
            assert!(!accepted(&wrong, &snapshot.app_hash()), "the opposite");
            let mut wrong = proof.clone();
            wrong.key.push(1);
            assert!(wrong.value.is_none() || !accepted(&wrong, &snapshot.app_hash()), "another key");
            let other = store.snapshot_at(if height == latest { oldest } else { latest }).unwrap();
            assert!(!accepted(&proof, &other.app_hash()), "another height");
            let wrong = Proof { store: if id == ACC { "bank" } else { "acc" }, ..proof };
            assert!(!accepted(&wrong, &snapshot.app_hash()), "another store");
        }
    }
    assert!(present > 50 && absent > 50, "{present} present, {absent} absent");

    let at = |height| store.snapshot_at(height).unwrap();
    assert_eq!(at(40).prove(QUIET, b"x").unwrap_err(), Error::EmptyStore("quiet"));
    assert_eq!(at(40).prove(INDEX, b"x").unwrap_err(), Error::UnknownStore("index".into()));
    let want = Error::NoProof { height: 27, oldest: 28, latest: 40 };
    assert_eq!(at(27).prove(ACC, b"x").unwrap_err(), want);
}

#[test]
fn a_restart_after_any_block_changes_nothing() {
    let (dir, steady) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let steady = open(steady.path());
    let (mut rng, mut model) = (Rng(11), MemStore::default());
    let mut restarted_proofs = 0;
    for height in 5..=70 {
        let block = rng.block();
        model = model.apply(&block);
        let want = steady.stage(height, block.clone()).unwrap();
        steady.commit(b"").unwrap();

        let store = open(dir.path());
        assert_eq!(store.latest().map(|c| c.height), (height > 5).then_some(height - 1));
        store.stage(height, Rng(height + 1000).block()).unwrap();
        assert_eq!(store.stage(height, block).unwrap(), want, "height {height}");
        store.commit(&height.to_le_bytes()).unwrap();
        drop(store);

        let store = open(dir.path());
        assert_eq!(store.latest().unwrap().app_hash, want);
        assert_eq!(store.extra().unwrap().unwrap(), height.to_le_bytes());
        store.verify().unwrap();
        restarted_proofs += store.proof_heights().1 - store.proof_heights().0;
        for id in STORES {
            let all = geodesic_core::store::Range::default();
            let got: Vec<_> = store.snapshot().range(id, &all).unwrap().map(|e| e.unwrap()).collect();
            assert_eq!(got, model.entries(id), "{id:?} at {height}");
        }
    }
    assert!(restarted_proofs > 66, "older versions are there again after most restarts");
}

#[test]
fn checkpoints_leave_nothing_behind_and_unchanged_parts_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = |n: u32| n.to_be_bytes().to_vec();
    let all = (0..20_000).map(|n| (key(n), Some(vec![1]))).collect();
    store.stage(1, [(ACC, all)].into()).unwrap();
    store.commit(b"").unwrap();
    let mut chunks = Vec::new();
    for height in 2..600 {
        store.stage(height, [(ACC, [(key(77), Some(height.to_be_bytes().to_vec()))].into())].into()).unwrap();
        store.commit(b"").unwrap();
        chunks.push(crate::checkpoint::chunks_on_disk(store.db()).unwrap());
    }
    let whole = *chunks.iter().max().unwrap();
    assert!((79..160).contains(&whole), "one copy of 20000 leaves in chunks of up to 256, {whole} chunks");
    assert!(chunks.last().unwrap() + 20 > whole, "parts that change come and go, {chunks:?}");
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.latest().unwrap().height, 599);
    store.verify().unwrap();
}

#[test]
fn a_store_that_came_later_starts_empty() {
    let dir = tempfile::tempdir().unwrap();
    let before = Store::open(dir.path(), small(), &[ACC]).unwrap();
    before.stage(1, [(ACC, [(vec![1], Some(vec![1]))].into())].into()).unwrap();
    let old = before.commit(b"").unwrap();
    drop(before);
    let after = open(dir.path());
    assert_eq!(after.latest(), Some(old));
    let hash = after.stage(2, [(BANK, [(vec![1], Some(vec![1]))].into())].into()).unwrap();
    after.commit(b"").unwrap();
    drop(after);
    let after = open(dir.path());
    assert_eq!(after.latest().unwrap().app_hash, hash);
    let proof = after.snapshot().prove(BANK, &[1]).unwrap();
    assert!(accepted(&proof, &hash));
    drop(after);
    let error = Store::open(dir.path(), small(), &[ACC]).unwrap_err();
    assert_eq!(error, Error::MissingStore("bank".into()));
}
