//! Crashes and damage: a block is there or it is not, and a damaged database says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use geodesic_core::store::{ChangeSet, Reader, StoreId};

use super::{ACC, BANK, Rng, STORES, open, small};
use crate::db::{Cf, Db};
use crate::{Error, FailPoint, Options, Store, record};

#[test]
fn a_crash_in_a_commit_leaves_the_height_before_or_the_height() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng(31);
    let mut want = None;
    for height in 1..=60 {
        let point = if rng.below(2) == 0 { FailPoint::BeforeWrite } else { FailPoint::AfterWrite };
        let block = rng.block();
        let store = open(dir.path());
        assert_eq!(store.latest(), want);
        let app_hash = store.stage(height, block.clone()).unwrap();
        let hit = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&hit);
        store.set_fail_hook(Box::new(move |at| at == point && !seen.swap(true, Ordering::SeqCst)));
        store.commit(b"crashed").unwrap_err();
        assert!(hit.load(Ordering::SeqCst));
        assert_eq!(store.latest(), want, "nothing was published");
        assert_eq!(store.commit(b"again").unwrap_err(), Error::Failed);
        assert_eq!(store.stage(height, block.clone()).unwrap_err(), Error::Failed);
        drop(store);

        let store = open(dir.path());
        store.verify().unwrap();
        let written = store.latest().map(|c| c.height) == Some(height);
        assert_eq!(written, point == FailPoint::AfterWrite);
        if written {
            assert_eq!(store.latest().unwrap().app_hash, app_hash);
            assert_eq!(store.extra().unwrap().unwrap(), b"crashed");
        } else {
            assert_eq!(store.latest(), want);
            assert_eq!(store.stage(height, block).unwrap(), app_hash, "replayed");
            store.commit(b"replayed").unwrap();
        }
        want = store.latest();
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_staged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let set = |store, key: Vec<u8>| ChangeSet::from([(store, [(key, Some(vec![1]))].into())]);
    assert_eq!(store.commit(b"").unwrap_err(), Error::NothingStaged);
    assert_eq!(store.stage(0, ChangeSet::new()).unwrap_err(), Error::Height { want: 1, got: 0 });
    store.stage(7, set(ACC, vec![1])).unwrap();
    store.commit(b"").unwrap();
    for (name, height, changes, want) in [
        ("the same height", 7, set(ACC, vec![1]), Error::Height { want: 8, got: 7 }),
        ("a gap", 9, set(ACC, vec![1]), Error::Height { want: 8, got: 9 }),
        ("no such store", 8, set(StoreId::tree("x"), vec![1]), Error::UnknownStore("x".into())),
        ("a tree as flat", 8, set(StoreId::flat("acc"), vec![1]), Error::UnknownStore("acc".into())),
        ("no key", 8, set(ACC, vec![]), Error::KeyLength { store: "acc", len: 0, max: crate::MAX_KEY }),
        (
            "long key",
            8,
            set(BANK, vec![0; crate::MAX_KEY + 1]),
            Error::KeyLength { store: "bank", len: crate::MAX_KEY + 1, max: crate::MAX_KEY },
        ),
    ] {
        store.stage(8, set(ACC, vec![2])).unwrap();
        assert_eq!(store.stage(height, changes).unwrap_err(), want, "{name}");
        assert_eq!(store.commit(b"").unwrap_err(), Error::NothingStaged, "{name}");
    }
    store.stage(8, set(BANK, vec![0; crate::MAX_KEY])).unwrap();
    assert_eq!(store.snapshot().get(BANK, &[0; crate::MAX_KEY]).unwrap(), None, "staged is not visible");
    store.commit(b"").unwrap();
    assert_eq!(store.snapshot().get(BANK, &[0; crate::MAX_KEY]).unwrap(), Some(vec![1]));
    drop(store);
    let error = Store::open(dir.path(), small(), &[ACC, ACC]).unwrap_err();
    assert_eq!(error, Error::StoreName("acc".into()));
    let bad = Options { checkpoint_bytes: 0, ..small() };
    assert!(matches!(Store::open(dir.path(), bad, &STORES), Err(Error::Options(_))));
}

/// Changes one record of a good database and opens it.
fn opened_after(change: impl FnOnce(&Db, &mut crate::db::Batch<'_>)) -> Result<Store, Error> {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut rng = Rng(32);
    for height in 1..=30 {
        store.stage(height, rng.block()).unwrap();
        store.commit(b"").unwrap();
    }
    drop(store);
    let db = Db::open(dir.path(), &small()).unwrap();
    let mut batch = db.batch();
    change(&db, &mut batch);
    batch.write().unwrap();
    drop(db);
    let store = Store::open(dir.path(), small(), &STORES)?;
    store.verify()?;
    Ok(store)
}

fn all(db: &Db, cf: Cf) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    db.scan(cf, vec![], vec![0xff; 16], &mut |k, v| {
        found.push((k.to_vec(), v.to_vec()));
        Ok(())
    })
    .unwrap();
    found
}

#[test]
fn a_damaged_record_is_named() {
    opened_after(|_, _| ()).unwrap();
    for (cf, text) in
        [(Cf::Chunks, "checksum of chunk"), (Cf::Log, "checksum of log"), (Cf::Flat, "leaf differ")]
    {
        let error = opened_after(|db, batch| {
            let (key, mut value) = all(db, cf).into_iter().rev().find(|(_, v)| v.len() > 3).unwrap();
            if cf == Cf::Flat {
                let found =
                    all(db, cf).into_iter().find(|(k, v)| k.starts_with(b"bank") && v.len() > 3).unwrap();
                (value, _) = (found.1, ());
                value[1] ^= 1;
                batch.put(cf, &found.0, &value).unwrap();
                return;
            }
            value[1] ^= 1;
            batch.put(cf, &key, &value).unwrap();
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(text), "{cf:?}: {error}");
    }
}

#[test]
fn trees_that_do_not_give_the_app_hash_are_refused() {
    let error = opened_after(|db, batch| {
        let mut commit = record::Commit::get(db, 30).unwrap();
        commit.app_hash[0] ^= 1;
        commit.put(batch, 30).unwrap();
    })
    .unwrap_err();
    assert!(matches!(error, Error::AppHash { height: 30, .. }), "{error}");
    assert!(error.to_string().ends_with("the database is damaged"));
    let error = opened_after(|db, batch| {
        for (key, _) in all(db, Cf::Log) {
            if key.starts_with(&29_u64.to_be_bytes()) {
                batch.delete(Cf::Log, &key).unwrap();
            }
        }
    })
    .unwrap_err();
    assert!(matches!(error, Error::AppHash { height: 29, .. }), "{error}");
}

#[test]
fn another_format_is_refused() {
    let error = opened_after(|_, batch| record::put_number(batch, "format", 99).unwrap()).unwrap_err();
    assert_eq!(error, Error::Format { found: 99, supported: record::FORMAT });
    let error = opened_after(|_, batch| batch.delete(Cf::Meta, b"format").unwrap()).unwrap_err();
    assert!(error.to_string().contains("record format is missing"), "{error}");
}

/// Flips a byte in every file in turn: the store opens with the right hash, or does not open, or fails at reading.
#[test]
fn a_flipped_byte_in_a_file_never_gives_a_wrong_state() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut rng, mut hashes) = (Rng(33), vec![[0; 32]]);
    for height in 1..=40 {
        hashes.push(store.stage(height, rng.block()).unwrap());
        store.commit(b"").unwrap();
    }
    drop(store);
    drop(open(dir.path()));
    let mut noticed = 0;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.starts_with("LOG") || name == "LOCK" || name == "IDENTITY" || name.starts_with("OPTIONS") {
            continue;
        }
        for part in 0..4 {
            let copy = tempfile::tempdir().unwrap();
            for file in std::fs::read_dir(dir.path()).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
            let mut bytes = std::fs::read(copy.path().join(&name)).unwrap();
            if bytes.is_empty() {
                continue;
            }
            let at = (bytes.len() - 1) * part / 3;
            bytes[at] ^= 0x10;
            std::fs::write(copy.path().join(&name), bytes).unwrap();
            let opened = Store::open(copy.path(), small(), &STORES);
            let Ok(store) = opened else {
                noticed += 1;
                continue;
            };
            let whole = store.verify();
            let latest = store.latest().map_or((0, [0; 32]), |c| (c.height as usize, c.app_hash));
            if whole.is_ok() && latest.0 == 40 {
                assert_eq!(latest.1, hashes[40], "{name} byte {at}");
            } else {
                assert!(latest.0 == 0 || latest.1 == hashes[latest.0], "{name} byte {at}");
                noticed += 1;
            }
        }
    }
    assert!(noticed > 0);
}
