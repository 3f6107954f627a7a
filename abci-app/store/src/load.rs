//! Opening: from the records on disk back to the trees, checked at every height.

use std::collections::BTreeMap;

use geodesic_core::store::StoreId;

use crate::checkpoint::Checkpoints;
use crate::codec::{flat_key, store_end};
use crate::db::{Cf, Db};
use crate::error::{Error, Result};
use crate::hash::{self, Hash};
use crate::options::Options;
use crate::prune::Pruner;
use crate::record::{self, Commit, FORMAT, Kept, Logged};
use crate::tree::TreeWrite;
use crate::trees::{Roots, TreeWrites, Trees};

/// State of a store just opened.
pub(crate) struct Loaded {
    pub(crate) height: u64,
    pub(crate) commit: Commit,
    pub(crate) trees: Trees,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) pruner: Pruner,
}

/// The last committed height, 0 if there is none. A new database gets its format.
pub(crate) fn latest_height(db: &Db) -> Result<u64> {
    let latest = record::get_number(db, "latest")?;
    match record::get_number(db, "format")? {
        Some(FORMAT) => Ok(latest.unwrap_or(0)),
        Some(found) => Err(Error::Format { found, supported: FORMAT }),
        None if latest.is_some() => Err(Error::damaged("record format is missing")),
        None => {
            let mut batch = db.batch();
            record::put_number(&mut batch, "format", FORMAT)?;
            batch.write()?;
            Ok(0)
        }
    }
}

pub(crate) fn load(db: &Db, mut trees: Trees, stores: &[StoreId], options: &Options) -> Result<Loaded> {
    let height = latest_height(db)?;
    if height == 0 {
        let (commit, checkpoints, pruner) = Default::default();
        return Ok(Loaded { height, commit, trees, checkpoints, pruner });
    }
    let commit = Commit::get(db, height)?;
    let missing = commit.roots.iter().find(|(name, _)| !trees.has(name));
    if let Some((name, _)) = missing {
        return Err(Error::MissingStore(name.clone()));
    }
    let kept = Kept::get(db)?;
    let (checkpoints, base) = Checkpoints::load(db, &mut trees, (height, commit.writes), options)?;
    match base {
        Some(base) => {
            let roots = trees.stage(base, TreeWrites::new())?;
            check_app_hash(roots, base, &Commit::get(db, base)?)?;
        }
        None if kept.log != kept.first => return Err(Error::damaged("there is no checkpoint of the trees")),
        None => {}
    }
    let first = base.map_or(kept.log, |base| base.saturating_add(1));
    let mut skipped = None;
    for replayed in first..=height {
        let record = Commit::get(db, replayed)?;
        let log = read(db, stores, replayed)?;
        if commit.writes.saturating_sub(record.writes) > options.replay_whole() {
            trees.skip(replayed, tree_writes(&log))?;
            skipped = Some((replayed, record));
            continue;
        }
        if let Some((last, record)) = skipped.take() {
            let roots = trees.roots()?;
            check_app_hash(roots, last, &record)?;
            trees.commit(last);
        }
        let roots = trees.stage(replayed, tree_writes(&log))?;
        check_app_hash(roots, replayed, &record)?;
        trees.commit(replayed);
        trees.forget(options, None);
    }
    Ok(Loaded { height, commit, trees, checkpoints, pruner: Pruner::new(kept) })
}

/// Key, new leaf, and whether the key was there.
type LoggedWrite = (Vec<u8>, Option<Hash>, bool);

/// Writes of a height to trees.
fn read<'a>(db: &Db, stores: &'a [StoreId], height: u64) -> Result<BTreeMap<&'a str, Vec<LoggedWrite>>> {
    let mut log = BTreeMap::<_, Vec<_>>::new();
    record::read_log(db, height, &mut |name, key, write| {
        let store = stores.iter().find(|s| s.name() == name);
        let store = store.ok_or_else(|| Error::MissingStore(name.to_owned()))?;
        let (leaf, present) = match write {
            Logged::SetLeaf { hash, present } => (Some(hash), present),
            Logged::Delete if store.is_proven() => (None, true),
            Logged::Delete | Logged::Set => return Ok(()),
        };
        log.entry(store.name()).or_default().push((key.to_vec(), leaf, present));
        Ok(())
    })?;
    Ok(log)
}

fn tree_writes<'a>(log: &'a BTreeMap<&str, Vec<LoggedWrite>>) -> TreeWrites<'a> {
    let write = |(key, leaf, present): &'a LoggedWrite| TreeWrite { key, leaf: *leaf, present: *present };
    log.iter().map(|(name, log)| (*name, log.iter().map(write).collect())).collect()
}

/// Compares the roots of the trees with what was committed. Stores that came later are empty, and left out.
fn check_app_hash(mut roots: Roots, height: u64, commit: &Commit) -> Result<()> {
    roots.retain(|(name, root)| {
        commit.roots.iter().any(|(known, _)| known == name) || *root != hash::empty_root()
    });
    let got = hash::app_hash(&roots);
    if got == commit.app_hash {
        return Ok(());
    }
    Err(Error::AppHash { height, want: hash::hex(&commit.app_hash), got: hash::hex(&got) })
}

/// Every leaf of `height` has its value, and there are no other values.
pub(crate) fn verify(db: &Db, trees: &Trees, height: u64) -> Result<()> {
    for (name, tree) in trees.iter() {
        let mut iter = db.iter(Cf::Flat, flat_key(name, &[]), store_end(name))?;
        iter.seek_to_first();
        let differ = |key: &[u8]| {
            Error::damaged(format!("key {} of store {name} and its leaf differ", hash::hex(key)))
        };
        if let Some(root) = tree.version(height).flatten() {
            tree.for_each_leaf(root, &mut |leaf, key| {
                let good = iter.item().is_some_and(|(k, value)| {
                    k == flat_key(name, key) && hash::leaf(leaf.version, key, value) == leaf.hash
                });
                iter.status()?;
                iter.next();
                if good { Ok(()) } else { Err(differ(key)) }
            })?;
        }
        if let Some(key) = iter.key() {
            return Err(differ(key));
        }
        iter.status()?;
    }
    Ok(())
}
