//! Deletes what no reader may ask for any more, a bounded part per commit.

use crate::codec::{flat_key, history_key, history_prefix};
use crate::db::{Batch, Cf, Db};
use crate::error::Result;
use crate::options::Options;
use crate::record::{self, COMMIT, EXTRA, Kept};

/// What is kept, and how far pruning should go.
#[derive(Debug, Default)]
pub(crate) struct Pruner {
    kept: Kept,
    target: u64,
}

impl Pruner {
    pub(crate) fn new(kept: Kept) -> Self {
        Self { kept, target: 0 }
    }

    pub(crate) fn kept(&self) -> Kept {
        self.kept
    }

    /// Prunes within the commit of `height`, which makes `written` history entries. `base` is the oldest checkpoint:
    /// the log after it stays, and so does all of it while there is no checkpoint. `pinned` is the oldest height that is
    /// being read, whose history stays.
    pub(crate) fn advance(
        &mut self,
        db: &Db,
        batch: &mut Batch<'_>,
        height: u64,
        written: usize,
        (base, pinned): (Option<u64>, Option<u64>),
        options: &Options,
    ) -> Result<()> {
        let before = self.kept;
        if before == Kept::default() {
            self.kept = Kept { first: height, history: height, log: height };
        }
        if let Some(from) = options.pruning.keep_from(height) {
            self.target = self.target.max(from);
        }
        let target = self.target.min(pinned.unwrap_or(u64::MAX));
        let mut budget = options.prune_entries.saturating_add(written);
        while self.kept.history < target && budget > 0 {
            let next = self.kept.history.saturating_add(1);
            record::read_log(db, next, &mut |store, key, _| {
                budget = budget.saturating_sub(1);
                batch.delete(Cf::History, &history_key(&history_prefix(&flat_key(store, key)), next))
            })?;
            budget = budget.saturating_sub(1);
            self.kept.history = next;
        }
        let log_to = self.kept.history.min(base.unwrap_or(0));
        while self.kept.log < log_to && budget > 0 {
            let gone = self.kept.log;
            record::log_parts(db, gone, &mut |key, _| batch.delete(Cf::Log, key))?;
            batch.delete(Cf::Meta, &record::at(COMMIT, gone))?;
            batch.delete(Cf::Meta, &record::at(EXTRA, gone))?;
            budget = budget.saturating_sub(1);
            self.kept.log = gone.saturating_add(1);
        }
        if self.kept == before { Ok(()) } else { self.kept.put(batch) }
    }
}
