//! Taking heights back, offline.

use std::path::Path;

use crate::checkpoint::Manifest;
use crate::codec::{flat_key, history_key, history_prefix};
use crate::db::{Cf, Db};
use crate::error::{Error, Result};
use crate::load::latest_height;
use crate::options::Options;
use crate::record::{self, CHECKPOINT, COMMIT, Commit, EXTRA, Kept};
use crate::snapshot::old_value;
use crate::store::Committed;

/// First and last height that [`rollback`] can take the store at `path` back to; zeros before the first commit.
///
/// # Errors
/// [`Error::Storage`] if another process has it open, [`Error::Format`].
pub fn rollback_heights(path: &Path) -> Result<(u64, u64)> {
    reach(&Db::open(path, &Options::default())?)
}

/// Takes the store at `path`, which nobody else has open, back to `height`, one height at a time: a crash leaves it at
/// a height in between, from where it goes on or back again.
///
/// # Errors
/// [`Error::Unavailable`] if the height was pruned, is not committed yet, or is older than the oldest checkpoint of the
/// trees; [`Error::Storage`], [`Error::Format`].
pub fn rollback(path: &Path, height: u64) -> Result<Committed> {
    let db = Db::open(path, &Options::default())?;
    let (oldest, latest) = reach(&db)?;
    if height < oldest || height > latest || latest == 0 {
        return Err(Error::Unavailable { height, oldest, latest });
    }
    for undone in (height.saturating_add(1)..=latest).rev() {
        undo(&db, undone)?;
    }
    let commit = Commit::get(&db, height)?;
    Ok(Committed { height, app_hash: commit.app_hash })
}

/// First height that the history and the checkpoints reach, and the last one.
fn reach(db: &Db) -> Result<(u64, u64)> {
    let latest = latest_height(db)?;
    if latest == 0 {
        return Ok((0, 0));
    }
    let kept = Kept::get(db)?;
    // Without a checkpoint at or below it, a height is rebuilt from the first one, which needs all of the log.
    let base =
        if kept.log == kept.first { Some(kept.first) } else { Manifest::all(db)?.first().map(|m| m.height) };
    Ok((kept.history.max(base.unwrap_or(latest)), latest))
}

/// Takes the last height back, in one batch.
fn undo(db: &Db, height: u64) -> Result<()> {
    let mut batch = db.batch();
    record::read_log(db, height, &mut |store, key, _| {
        let key = flat_key(store, key);
        let history = history_key(&history_prefix(&key), height);
        let record = db.get(Cf::History, &history)?;
        let record =
            record.ok_or_else(|| Error::damaged(format!("a change of height {height} is missing")))?;
        match old_value(&record)? {
            Some(value) => batch.put(Cf::Flat, &key, &value)?,
            None => batch.delete(Cf::Flat, &key)?,
        }
        batch.delete(Cf::History, &history)
    })?;
    record::log_parts(db, height, &mut |key, _| batch.delete(Cf::Log, key))?;
    for prefix in [COMMIT, EXTRA, CHECKPOINT] {
        batch.delete(Cf::Meta, &record::at(prefix, height))?;
    }
    record::put_number(&mut batch, "latest", height.saturating_sub(1))?;
    batch.write()
}
