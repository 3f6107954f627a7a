//! Opening: from the records on disk back to the trees, checked at every height.

use geodesic_core::store::StoreId;

use crate::checkpoint::Checkpoints;
use crate::codec::{flat_key, store_end};
use crate::db::{Cf, Db};
use crate::error::{Error, Result};
use crate::hash;
use crate::options::Options;
use crate::prune::Pruner;
use crate::record::{self, Commit, FORMAT, Kept, Logged};
use crate::trees::Trees;

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
            trees.begin(base);
            check_app_hash(&mut trees, base, &Commit::get(db, base)?)?;
        }
        None if kept.log != kept.first => return Err(Error::damaged("there is no checkpoint of the trees")),
        None => {}
    }
    let first = base.map_or(kept.log, |base| base.saturating_add(1));
    for replayed in first..=height {
        replay(db, &mut trees, stores, replayed)?;
        trees.forget(options, None);
    }
    Ok(Loaded { height, commit, trees, checkpoints, pruner: Pruner::new(kept) })
}

fn replay(db: &Db, trees: &mut Trees, stores: &[StoreId], height: u64) -> Result<()> {
    trees.begin(height);
    record::read_log(db, height, &mut |store, key, write| {
        if !stores.iter().any(|s| s.name() == store) {
            return Err(Error::MissingStore(store.to_owned()));
        }
        match write {
            Logged::SetLeaf(hash) => trees.get_mut(store)?.set(key, hash),
            Logged::Delete if trees.has(store) => trees.get_mut(store)?.remove(key).map(|_| ()),
            Logged::Delete | Logged::Set => Ok(()),
        }
    })?;
    check_app_hash(trees, height, &Commit::get(db, height)?)?;
    trees.commit(height);
    Ok(())
}

/// Compares the version begun with what was committed. Stores that came later are empty, and left out.
fn check_app_hash(trees: &mut Trees, height: u64, commit: &Commit) -> Result<()> {
    let mut roots = trees.roots()?;
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
