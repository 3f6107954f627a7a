//! Old heights: reads equal a model whatever was committed since, pruning keeps what it must, rollback.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use geodesic_core::store::{Entry, MemStore, Range, Reader, StorageError, StoreId};

use super::{ACC, BANK, INDEX, Rng, STORES, open, small};
use crate::{Error, Options, Pruning, Store, rollback, rollback_heights};

fn collect(reader: &dyn Reader, store: StoreId, range: &Range) -> Vec<Entry> {
    reader.range(store, range).unwrap().map(|entry| entry.unwrap()).collect()
}

fn commit(store: &Store, height: u64, rng: &mut Rng, models: &mut BTreeMap<u64, MemStore>) {
    let block = rng.block();
    let last = models.last_key_value().map(|(_, m)| m.clone()).unwrap_or_default();
    models.insert(height, last.apply(&block));
    store.stage(height, block).unwrap();
    store.commit(b"").unwrap();
}

fn assert_same(snapshot: &dyn Reader, model: &MemStore, rng: &mut Rng, what: &str) {
    for store in STORES {
        assert_eq!(collect(snapshot, store, &Range::default()), model.entries(store), "{what} {store:?}");
        for _ in 0..10 {
            let key = rng.key();
            assert_eq!(snapshot.get(store, &key).unwrap(), model.get(store, &key).unwrap(), "{what} {key:?}");
            let end = (rng.below(3) > 0).then(|| rng.key());
            let range = Range { start: key, end, reverse: rng.below(2) == 0 };
            assert_eq!(collect(snapshot, store, &range), collect(model, store, &range), "{what} {range:?}");
        }
    }
}

#[test]
fn every_height_reads_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut rng, mut models) = (Rng(21), BTreeMap::new());
    let empty = store.snapshot();
    let mut held = Vec::new();
    for height in 100..=150 {
        commit(&store, height, &mut rng, &mut models);
        held.push(store.snapshot());
    }
    assert_eq!(store.heights(), (100, 150));
    assert_same(&*empty, &MemStore::default(), &mut rng, "before the first");
    for snapshot in &held {
        assert_same(&**snapshot, &models[&snapshot.height()], &mut rng, "held");
    }
    drop(empty);
    drop((held, store));
    let store = open(dir.path());
    for height in 100..=150 {
        assert_same(&*store.snapshot_at(height).unwrap(), &models[&height], &mut rng, "asked for");
    }
    for height in [0, 99, 151] {
        let want = Error::Unavailable { height, oldest: 100, latest: 150 };
        assert_eq!(store.snapshot_at(height).unwrap_err(), want);
    }
}

#[test]
fn an_iterator_does_not_see_later_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut rng, mut models) = (Rng(22), BTreeMap::new());
    commit(&store, 1, &mut rng, &mut models);
    let snapshot = store.snapshot();
    let mut entries = snapshot.range(ACC, &Range::default()).unwrap();
    let mut got = vec![entries.next().unwrap().unwrap()];
    for height in 2..20 {
        commit(&store, height, &mut rng, &mut models);
    }
    got.extend(entries.map(|e| e.unwrap()));
    assert_eq!(got, models[&1].entries(ACC));
}

#[test]
fn pruning_keeps_what_is_promised_and_deletes_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let pruning = Pruning::Custom { keep_recent: 7, interval: 10 };
    let options = Options { pruning, prune_entries: 30, ..small() };
    let store = Store::open(dir.path(), options, &STORES).unwrap();
    let (mut rng, mut models) = (Rng(23), BTreeMap::new());
    commit(&store, 1, &mut rng, &mut models);
    let first = store.snapshot();
    for height in 2..=99 {
        commit(&store, height, &mut rng, &mut models);
        let (oldest, latest) = store.heights();
        assert_eq!(latest, height);
        assert!(oldest + 7 <= height || oldest == 1, "{oldest} at {height}");
        for height in [oldest, latest - rng.below(latest - oldest + 1)] {
            assert_same(&*store.snapshot_at(height).unwrap(), &models[&height], &mut rng, "kept");
        }
    }
    assert_eq!(store.heights(), (83, 99), "the round of 90 is done");
    let want = Error::Unavailable { height: 82, oldest: 83, latest: 99 };
    assert_eq!(store.snapshot_at(82).unwrap_err(), want);
    let error = first.get(ACC, &rng.key()).and_then(|_| first.get(BANK, &rng.key())).unwrap_err();
    assert_eq!(error.0, "height 1 is not available, heights 83 to 99 are");
    drop((first, store));
    let store = Store::open(dir.path(), options, &STORES).unwrap();
    assert_eq!(store.heights(), (83, 99));
    let mut changes = 0_usize;
    let all = |cf| {
        let mut count = 0_usize;
        store
            .db()
            .scan(cf, vec![], vec![0xff; 9], &mut |_, _| {
                count += 1;
                Ok(())
            })
            .unwrap();
        count
    };
    for height in 84..=99 {
        crate::record::read_log(store.db(), height, &mut |_, _, _| {
            changes += 1;
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(all(crate::db::Cf::History), changes, "one entry a change that is kept");
    assert!(all(crate::db::Cf::Log) < 40, "the log goes with the checkpoints");
    drop(store);
    let want = Error::Unavailable { height: 82, oldest: 83, latest: 99 };
    assert_eq!(rollback(dir.path(), 82).unwrap_err(), want);
    assert_eq!(rollback_heights(dir.path()).unwrap(), (83, 99));
    rollback(dir.path(), 83).unwrap();
    let store = Store::open(dir.path(), options, &STORES).unwrap();
    assert_same(&*store.snapshot(), &models[&83], &mut rng, "the last that can be had");
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn rollback_restores_the_height_and_the_blocks_after_it_replay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut rng, mut models, mut hashes) = (Rng(24), BTreeMap::new(), BTreeMap::new());
    let mut blocks = BTreeMap::new();
    for height in 1..=60 {
        let block = rng.block();
        let last = models.last_key_value().map(|(_, m): (_, &MemStore)| m.clone()).unwrap_or_default();
        models.insert(height, last.apply(&block));
        hashes.insert(height, store.stage(height, block.clone()).unwrap());
        store.commit(&height.to_be_bytes()).unwrap();
        blocks.insert(height, block);
    }
    drop(store);
    for to in [60, 59, 55, 30, 1] {
        let back = tempfile::tempdir().unwrap();
        copy(dir.path(), back.path());
        let committed = rollback(back.path(), to).unwrap();
        assert_eq!((committed.height, committed.app_hash), (to, hashes[&to]));
        let store = open(back.path());
        assert_eq!(store.latest(), Some(committed));
        assert_eq!(store.extra().unwrap().unwrap(), to.to_be_bytes());
        assert_same(&*store.snapshot(), &models[&to], &mut rng, "rolled back");
        store.verify().unwrap();
        for (height, block) in blocks.range(to + 1..) {
            assert_eq!(store.stage(*height, block.clone()).unwrap(), hashes[height], "{height} after {to}");
            store.commit(b"").unwrap();
        }
        drop(store);
        assert_eq!(open(back.path()).latest().unwrap().app_hash, hashes[&60]);
    }
    for height in [0, 61] {
        let want = Error::Unavailable { height, oldest: 1, latest: 60 };
        assert_eq!(rollback(dir.path(), height).unwrap_err(), want);
    }
}

#[test]
fn readers_are_right_while_blocks_are_committed() {
    let dir = tempfile::tempdir().unwrap();
    let pruning = Pruning::Custom { keep_recent: 40, interval: 10 };
    let store = Store::open(dir.path(), Options { pruning, ..small() }, &STORES).unwrap();
    let write = |height: u64| {
        // Each height writes its number under all keys it does not delete, and under `n` in every store.
        let mut rng = Rng(height);
        let mut block = rng.block();
        for writes in block.values_mut() {
            writes.retain(|key, _| key != b"n");
            writes.values_mut().flatten().for_each(|v| *v = height.to_be_bytes().to_vec());
            writes.insert(b"n".to_vec(), Some(height.to_be_bytes().to_vec()));
        }
        store.stage(height, block).unwrap();
        store.commit(b"").unwrap();
    };
    write(1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4_u64)
            .map(|seed| {
                let (store, done) = (&store, &done);
                scope.spawn(move || {
                    let (mut rng, mut reads) = (Rng(seed), 0);
                    while !done.load(Ordering::SeqCst) || reads == 0 {
                        let latest = store.snapshot();
                        let height = latest.height().saturating_sub(rng.below(20)).max(1);
                        let Ok(snapshot) = store.snapshot_at(height) else { continue };
                        let read = |id| {
                            let n = snapshot.get(id, b"n")?.unwrap();
                            assert_eq!(n, height.to_be_bytes());
                            let range = Range { reverse: seed % 2 == 0, ..Range::default() };
                            for entry in snapshot.range(id, &range)? {
                                let (key, value) = entry?;
                                assert!(value.as_slice() <= &height.to_be_bytes()[..]);
                                let again = snapshot.get(id, &key)?;
                                assert_eq!(again.as_ref(), Some(&value), "{key:?} at {height}");
                            }
                            Ok::<_, StorageError>(())
                        };
                        if let Err(error) = [ACC, BANK, INDEX].into_iter().try_for_each(read) {
                            // A reader that the machine let wait for twenty blocks: it is told so.
                            assert!(store.heights().0 > height, "{error}");
                            continue;
                        }
                        let proof = snapshot.prove(BANK, b"n");
                        assert!(matches!(proof, Ok(_) | Err(Error::NoProof { .. })), "{proof:?}");
                        assert!(
                            proof.is_err() || proof.unwrap().value == Some(height.to_be_bytes().to_vec())
                        );
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        (2..250).for_each(write);
        done.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| assert!(reader.join().unwrap() > 0));
    });
}
