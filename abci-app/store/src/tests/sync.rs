//! Snapshots for state sync: a restored store goes on as the one that the snapshot is of, and nothing else is taken.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use geodesic_core::store::{ChangeSet, Range, Reader, StoreId};
use proptest::prelude::*;

use super::{ACC, BANK, INDEX, Rng, STORES, open, small};
use crate::hash::{self, Hash};
use crate::sync::{Decoder, Folder, Meta, Restore};
use crate::{Committed, Error, Options, Pruning, Snapshot, Store, rollback, rollback_heights};

/// A store with some random blocks.
fn filled(path: &Path, seed: u64, options: Options, blocks: u64) -> Store {
    let store = Store::open(path, options, &STORES).unwrap();
    let mut rng = Rng(seed);
    for height in 1..=blocks {
        commit(&store, height, rng.block());
    }
    store
}

fn commit(store: &Store, height: u64, changes: ChangeSet) -> Hash {
    store.stage(height, changes).unwrap();
    store.commit(b"").unwrap().app_hash
}

/// The snapshot of a height.
fn bytes(store: &Store, height: u64) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |part: &[u8]| {
        all.extend_from_slice(part);
        Ok::<_, Error>(())
    };
    store.export(height).unwrap().write(&mut add).unwrap();
    all
}

fn entries(snapshot: &Snapshot, store: StoreId) -> Vec<(Vec<u8>, Vec<u8>)> {
    snapshot.range(store, &Range::default()).unwrap().map(|e| e.unwrap()).collect()
}

/// Feeds a snapshot in pieces of some length; the index is copied.
fn restore(store: &Arc<Store>, of: &Snapshot, snapshot: &[u8], piece: usize) -> Result<Committed, Error> {
    let mut restore = Restore::begin(store, of.height(), Some(of.app_hash()))?;
    for piece in snapshot.chunks(piece) {
        restore.feed(piece)?;
    }
    restore.finish(|_, put| entries(of, INDEX).iter().try_for_each(|(key, value)| put(INDEX, key, value)))
}

/// An empty store that has taken a snapshot.
fn restored(path: &Path, of: &Store, height: u64) -> Store {
    let (store, at) = (Arc::new(open(path)), of.snapshot_at(height).unwrap());
    let committed = restore(&store, &at, &bytes(of, height), 700).unwrap();
    assert_eq!(committed, Committed { height, app_hash: at.app_hash() });
    Arc::into_inner(store).unwrap()
}

fn is_empty(store: &Store) {
    assert_eq!((store.latest(), store.heights()), (None, (0, 0)));
    assert_eq!(store.snapshot().get(ACC, b"a").unwrap(), None);
    assert!(matches!(store.snapshot_at(1), Err(Error::Unavailable { oldest: 0, latest: 0, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]

    /// States with many checkpoints and prunings behind them; blocks, restarts and snapshots after the restore.
    #[test]
    fn a_restored_store_goes_on_as_the_first_one(seed: u64, blocks in 1_u64..70, piece in 1_usize..5_000) {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let first = filled(dirs[0].path(), seed, small(), blocks);
        let second = Arc::new(open(dirs[1].path()));
        let at = first.snapshot();
        let snapshot = bytes(&first, blocks);
        prop_assert_eq!(Some(restore(&second, &at, &snapshot, piece).unwrap()), first.latest());
        prop_assert_eq!(bytes(&second, blocks), snapshot, "the snapshot of the snapshot");
        for store in STORES {
            prop_assert_eq!(entries(&second.snapshot(), store), entries(&at, store));
        }
        second.verify().unwrap();
        let mut second = Arc::into_inner(second).unwrap();
        let mut rng = Rng(seed ^ 1);
        for height in blocks + 1..blocks + 40 {
            let block = rng.block();
            prop_assert_eq!(commit(&first, height, block.clone()), commit(&second, height, block));
            if rng.below(7) == 0 {
                drop(second);
                second = open(dirs[1].path());
                second.verify().unwrap();
            }
            prop_assert_eq!(entries(&second.snapshot_at(blocks).unwrap(), BANK), entries(&at, BANK));
        }
        let error = second.snapshot_at(blocks - 1).unwrap_err();
        let latest = blocks + 39;
        prop_assert_eq!(error, Error::Unavailable { height: blocks - 1, oldest: blocks, latest });
        let key = entries(&second.snapshot(), ACC)[0].0.clone();
        prop_assert_eq!(second.snapshot().prove(ACC, &key).unwrap(), first.snapshot().prove(ACC, &key).unwrap());
        prop_assert_eq!(bytes(&first, blocks + 39), bytes(&second, blocks + 39));
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused(input in prop::collection::vec(any::<u8>(), 0..400), cut: usize) {
        let read = |parts: &[&[u8]]| {
            let mut decoder = Decoder::new(1, None, &STORES);
            let done = parts.iter().try_for_each(|part| decoder.feed(part, &mut |_, _, _| Ok(())));
            (done.map_err(|e| e.to_string()), decoder.is_complete())
        };
        let (head, tail) = input.split_at(cut % (input.len() + 1));
        prop_assert_eq!(read(&[&input]), read(&[head, tail]));
    }
}

/// Nodes differ in what they keep, when they wrote checkpoints, and how often they were started.
#[test]
fn the_snapshots_of_two_nodes_are_the_same_bytes() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let frugal = Options { pruning: Pruning::Everything, checkpoint_writes: 100, cache_bytes: 0, ..small() };
    let first = filled(dirs[0].path(), 5, small(), 60);
    let second = filled(dirs[1].path(), 5, frugal, 60);
    assert_eq!(bytes(&first, 60), bytes(&second, 60));
    drop(second);
    let second = Store::open(dirs[1].path(), frugal, &STORES).unwrap();
    assert_eq!(bytes(&first, 60), bytes(&second, 60));
    let third = restored(dirs[2].path(), &first, 55);
    let mut rng = Rng(5);
    let blocks: Vec<_> = (1..=60).map(|_| rng.block()).collect();
    for (height, block) in (1..).zip(blocks).skip(55) {
        commit(&third, height, block);
    }
    assert_eq!(bytes(&first, 60), bytes(&third, 60));
    let folders = [&first, &third].map(|store| {
        let folder = Folder::new(dirs[0].path().join(format!("snapshots-{}", store.heights().0)));
        folder.make(&store.export(60).unwrap(), 1_000, || true).unwrap()
    });
    assert_eq!(folders[0], folders[1]);
    assert!(folders[0].chunks() > 5);
}

/// While a snapshot is written, blocks go on and everything is pruned that may be.
#[test]
fn a_snapshot_is_of_its_height_whatever_is_committed_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { pruning: Pruning::Everything, proof_versions: 3, ..small() };
    let store = filled(dir.path(), 6, options, 40);
    let want = bytes(&store, 40);
    let export = store.export(40).unwrap();
    let (mut rng, mut height, mut got) = (Rng(7), 40, Vec::new());
    let mut while_blocks_go_on = |part: &[u8]| {
        got.extend_from_slice(part);
        for _ in 0..30 {
            height += 1;
            commit(&store, height, rng.block());
        }
        Ok::<_, Error>(())
    };
    export.write(&mut while_blocks_go_on).unwrap();
    assert!(height > 100);
    assert_eq!(got, want);
    assert!(store.snapshot_at(40).is_ok() && store.heights().0 <= 40, "kept as long as it is needed");
    drop(export);
    for _ in 0..40 {
        height += 1;
        commit(&store, height, rng.block());
    }
    assert!(store.heights().0 > 60, "and then let go");
    assert!(matches!(store.export(40), Err(Error::Unavailable { .. })));
    drop(store);
    let keeps = Options { pruning: Pruning::Nothing, ..options };
    let store = filled(&dir.path().join("keeps"), 6, keeps, 40);
    assert!(matches!(store.export(20), Err(Error::NoProof { height: 20, latest: 40, .. })));
}

/// Every byte counts: any other one, any end before the end and anything behind it is refused, and leaves nothing.
#[test]
fn a_snapshot_with_any_other_byte_is_refused() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = filled(dirs[0].path(), 8, small(), 3);
    let (at, good) = (first.snapshot(), bytes(&first, 3));
    let refused = |snapshot: &[u8]| {
        let mut decoder = Decoder::new(3, Some(at.app_hash()), &STORES);
        let fed = decoder.feed(snapshot, &mut |_, _, _| Ok(()));
        fed.is_err() || !decoder.is_complete()
    };
    assert!(!refused(&good));
    for place in 0..good.len() {
        let mut snapshot = good.clone();
        snapshot[place] ^= 1 << (place % 8);
        assert!(refused(&snapshot), "byte {place}");
        assert!(refused(&good[..place]), "cut at {place}");
    }
    assert!(refused(&[good.as_slice(), &[0]].concat()));

    let second = Arc::new(open(dirs[1].path()));
    for (name, snapshot) in [
        ("a value", {
            let mut s = good.clone();
            *s.last_mut().unwrap() ^= 1;
            s
        }),
        ("the end", good[..good.len() - 1].to_vec()),
        ("more", [good.as_slice(), &[1, 1]].concat()),
        ("another state", bytes(&filled(&dirs[0].path().join("other"), 9, small(), 3), 3)),
        ("nothing", Vec::new()),
    ] {
        let error = restore(&second, &at, &snapshot, 100).unwrap_err();
        assert!(matches!(error, Error::Snapshot(_)), "{name}: {error}");
        is_empty(&second);
    }
    assert_eq!(restore(&second, &at, &good, 100).unwrap().app_hash, at.app_hash());
    second.verify().unwrap();
}

/// What a stranger makes up costs little: hashes are asked for early, lengths are not waited for.
#[test]
fn a_made_up_snapshot_is_refused_early() {
    let root = [7; 32];
    let mut header = vec![3, 1, 3];
    header.extend_from_slice(b"acc");
    header.extend_from_slice(&root);
    let app_hash = hash::app_hash(&[("acc".to_owned(), root)]);
    let read = |parts: &[&[u8]]| {
        let mut decoder = Decoder::new(3, Some(app_hash), &STORES);
        let mut leaves = 0;
        let fed = parts.iter().try_for_each(|part| {
            decoder.feed(part, &mut |_, _, _| {
                leaves += 1;
                Ok(())
            })
        });
        (fed.map_err(|e| e.to_string()), leaves)
    };
    assert_eq!(read(&[&header]), (Ok(()), 0));
    let leaf: &[u8] = &[0, 1, 1, b'k', 1, b'v'];
    let leaves: Vec<u8> = [&[1, 1][..], leaf].concat().repeat(400);
    for (name, parts, text) in [
        ("a leaf", vec![&header[..], leaf], "has another hash"),
        ("deep", vec![&header, &[1; 500]], "too deep"),
        ("many leaves", vec![&header, &leaves], "too deep"),
        ("a top node", vec![&header, &[2, 1, 9, 200, 7], &[9; 64]], "another hash than its parent"),
        ("a long value", vec![&header, &[0, 1, 1, b'k', 0xff, 0xff, 0xff, 0xff, 0x7f]], "a value of"),
        ("a long key", vec![&header, &[0, 1, 0xff, 0xff, 0x7f]], "a key of"),
        ("an empty key", vec![&header, &[0, 1, 0, 0]], "an empty key"),
        ("a later version", vec![&header, &[1, 4]], "version 4"),
        ("a number", vec![&header, &[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]], "too long"),
        ("a kind", vec![&header, &[3]], "kind [3]"),
        ("height", vec![&[4, 0]], "of height 4"),
        ("stores", vec![&[3, 0xff, 0x7f]], "16383 stores"),
        ("a name", vec![&[3, 1, 0xff, 0x7f]], "a name of 16383"),
    ] {
        let (done, leaves) = read(&parts);
        let error = done.unwrap_err();
        assert!(error.contains(text) && leaves <= 256, "{name}: {error}");
    }
    // A balanced tree of 512 leaves whose hashes are left out.
    let mut wide = Vec::new();
    fn tree(depth: u32, out: &mut Vec<u8>, leaf: &[u8]) {
        if depth == 0 {
            return out.extend_from_slice(leaf);
        }
        out.extend_from_slice(&[1, 1]);
        tree(depth - 1, out, leaf);
        tree(depth - 1, out, leaf);
    }
    tree(9, &mut wide, leaf);
    let (done, leaves) = read(&[&header, &wide]);
    assert!(done.unwrap_err().contains("more than 256 leaves") && leaves == 256);
}

/// A process that is killed while it restores finds an empty store, and says so.
#[test]
fn a_kill_in_a_restore_leaves_an_empty_store() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = filled(dirs[0].path(), 10, small(), 30);
    let (at, snapshot) = (first.snapshot(), bytes(&first, 30));
    let pieces: Vec<&[u8]> = snapshot.chunks(snapshot.len() / 4).collect();
    for killed in 0..=pieces.len() {
        let store = Arc::new(open(dirs[1].path()));
        assert_eq!(store.cleared_restore(), (killed > 0).then_some(30));
        is_empty(&store);
        let mut restore = Restore::begin(&store, 30, Some(at.app_hash())).unwrap();
        pieces[..killed].iter().for_each(|piece| restore.feed(piece).unwrap());
        assert_eq!(store.stage(1, ChangeSet::new()).unwrap_err(), Error::Restoring);
        restore.kill();
    }
    // In the last steps: the state as it stands on disk when the index is made.
    let store = Arc::new(open(dirs[1].path()));
    let mut restore = Restore::begin(&store, 30, Some(at.app_hash())).unwrap();
    restore.feed(&snapshot).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let stopped = restore.finish(|_, put| {
        put(INDEX, b"a", b"b")?;
        for file in fs::read_dir(dirs[1].path()).unwrap() {
            let file = file.unwrap();
            // RocksDB removes what it does not need any more at its leisure.
            if let Err(error) = fs::copy(file.path(), copy.path().join(file.file_name())) {
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }
        }
        Err(Error::Options("the index fails".to_owned()))
    });
    assert_eq!(stopped.unwrap_err(), Error::Options("the index fails".to_owned()));
    is_empty(&store);
    let killed = open(copy.path());
    assert_eq!(killed.cleared_restore(), Some(30));
    is_empty(&killed);
    let mut rng = Rng(10);
    assert_eq!(commit(&killed, 1, rng.block()), commit(&store, 1, Rng(10).block()), "both begin anew");
}

/// Blocks are not thrown away for a snapshot, a snapshot is for another.
#[test]
fn only_a_state_without_blocks_is_replaced() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let first = filled(dirs[0].path(), 11, small(), 20);
    let busy = Arc::new(filled(dirs[1].path(), 12, small(), 3));
    assert_eq!(Restore::begin(&busy, 20, None).unwrap_err(), Error::NotEmpty { height: 3 });
    assert_eq!(busy.latest().unwrap().height, 3);

    let second = Arc::new(restored(dirs[2].path(), &first, 15));
    drop(Restore::begin(&second, 20, None).unwrap());
    is_empty(&second);
    assert_eq!(restore(&second, &first.snapshot(), &bytes(&first, 20), 999).unwrap().height, 20);
    second.verify().unwrap();
    assert_eq!(restore(&second, &first.snapshot(), &bytes(&first, 20), 999).unwrap().height, 20);
    commit(&second, 21, ChangeSet::new());
    assert_eq!(Restore::begin(&second, 20, None).unwrap_err(), Error::NotEmpty { height: 21 });
    assert!(matches!(Restore::begin(&second, 0, None).unwrap_err(), Error::Snapshot(_)));
    drop(second);
    // Back as far as the snapshot, and no further.
    assert_eq!(rollback_heights(dirs[2].path()).unwrap(), (20, 21));
    rollback(dirs[2].path(), 20).unwrap();
    let second = open(dirs[2].path());
    assert_eq!(second.latest(), first.latest());
    commit(&second, 21, ChangeSet::new());
}

#[test]
fn a_folder_holds_whole_snapshots_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir.path().join("db"), 13, small(), 12);
    let folder = Folder::new(dir.path().join("snapshots"));
    assert_eq!((folder.list().unwrap(), folder.clean().unwrap()), (vec![], 0));
    let make = |height| folder.make(&store.export(height).unwrap(), 500, || true);
    let metas: Vec<Meta> = [8, 10, 12].map(|height| make(height).unwrap()).into();
    assert_eq!(folder.list().unwrap(), [(12, 1), (10, 1), (8, 1)]);
    let meta = folder.get(10, 1).unwrap().unwrap();
    assert_eq!(meta, metas[1]);
    assert_eq!(Meta::decode(&meta.encode()).unwrap(), meta);
    let parts = (meta.height, meta.format, meta.chunks(), &meta.hash[..], meta.metadata());
    assert_eq!(Meta::from_parts(parts.0, parts.1, parts.2, parts.3, &parts.4).unwrap(), meta);
    let chunks: Vec<_> = (0..meta.chunks()).map(|i| folder.chunk(&meta, i).unwrap().unwrap()).collect();
    assert!(chunks.len() > 2 && chunks[..chunks.len() - 1].iter().all(|c| c.len() == 500));
    assert_eq!(chunks.concat(), bytes(&store, 10));
    assert_eq!(folder.chunk(&meta, meta.chunks()).unwrap(), None);
    assert!(make(10).unwrap_err().to_string().contains("there is one of height 10, format 1 already"));

    // An interrupted one, by its own will and by a kill.
    let stopped = folder.make(&store.export(11).unwrap(), 500, || false).unwrap_err();
    assert!(stopped.to_string().contains("interrupted"));
    std::mem::forget(folder.draft(11, 1).unwrap());
    assert_eq!(folder.list().unwrap().len(), 3);
    assert_eq!(folder.clean().unwrap(), 1);
    assert_eq!(folder.clean().unwrap(), 0);

    folder.prune(0).unwrap();
    folder.prune(2).unwrap();
    assert_eq!(folder.list().unwrap(), [(12, 1), (10, 1)]);
    assert_eq!((folder.delete(12, 1).unwrap(), folder.delete(12, 1).unwrap()), (true, false));
    assert_eq!(folder.get(12, 1).unwrap(), None);
    // Bytes that the disk has changed are not given to others.
    let path = dir.path().join("snapshots/10-1/1");
    fs::write(&path, vec![0; 500]).unwrap();
    assert!(matches!(folder.chunk(&meta, 1), Err(Error::Snapshot(_))));
    fs::write(dir.path().join("snapshots/10-1/_snapshot"), b"x").unwrap();
    assert!(matches!(folder.get(10, 1), Err(Error::Snapshot(_))));
}

#[test]
fn descriptions_out_of_bounds_are_refused() {
    let meta = Meta { height: 5, format: 1, hash: [1; 32], chunk_hashes: vec![[2; 32]; 3] };
    let good = meta.metadata();
    let short = [&good[..], &[0x0a, 3, 1, 2, 3]].concat();
    for (name, height, chunks, hash, metadata, text) in [
        ("height 0", 0, 3, 32, &good, "height 0"),
        ("height", u64::MAX, 3, 32, &good, "height 184"),
        ("no chunks", 5, 0, 32, &good, "0 chunks"),
        ("many chunks", 5, 100_001, 32, &good, "100001 chunks"),
        ("other number", 5, 4, 32, &good, "hashes of 3 chunks for 4"),
        ("hash", 5, 3, 31, &good, "its hash has 31 bytes"),
        ("hash of a chunk", 5, 4, 32, &short, "the hash of a chunk has 3 bytes"),
        ("garbage", 5, 3, 32, &vec![0xff; 9], "does not decode"),
        ("long", 5, 3, 32, &vec![0; 4_000_001], "4000001 bytes of metadata"),
    ] {
        let error = Meta::from_parts(height, 1, chunks, &vec![1; hash], metadata).unwrap_err();
        assert!(error.to_string().contains(text), "{name}: {error}");
    }
    assert!(Meta::decode(&[0xff; 20]).is_err() && Meta::decode(&[]).is_err());
}

/// Other nodes read these bytes: a change needs a new format number.
#[test]
fn format_1_is_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let set = |key: &[u8], value: &[u8]| (key.to_vec(), Some(value.to_vec()));
    for height in 1..=3_u8 {
        let changes = ChangeSet::from([
            (ACC, [set(&[b'a', height], b"1"), set(b"z", &[height])].into()),
            (INDEX, [set(b"i", b"x")].into()),
        ]);
        commit(&store, height.into(), changes);
    }
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let want = [
        "03 03 03 616363 5b828471e9311ffb0fc99d0f2aa9a8653607c33f72b1cbe009da01b0126d8a3d",
        &format!("04 62616e6b {empty} 05 7175696574 {empty}"),
        "01 03 01 03 00 01 02 6101 01 31 00 02 02 6102 01 31",
        "01 03 00 03 02 6103 01 31 00 03 01 7a 01 03",
    ];
    assert_eq!(hash::hex(&bytes(&store, 3)), want.concat().replace(' ', ""));
    let many = ChangeSet::from([(BANK, (0..300_u16).map(|n| set(&n.to_be_bytes(), b"v")).collect())]);
    commit(&store, 4, many);
    let folder = Folder::new(dir.path().join("snapshots"));
    let meta = folder.make(&store.export(4).unwrap(), 1_000, || true).unwrap();
    assert_eq!((meta.format, meta.chunks()), (1, 3));
    let frozen = [hash::hex(&meta.hash), hash::hex(&hash::sha256(&meta.encode()))];
    assert_eq!(
        frozen,
        [
            "f7cedf870ede565f37a7e8ae2d061bfa82bfbcc651939a23f0425802c437f707",
            "29fb45d2f59a7e363c438e00016a3ab1dd317a800c38fc96c4b665dfccfbe479",
        ]
    );
}
