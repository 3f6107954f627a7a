//! A range at a height: the latest entries, overlaid with what entries held that were changed since.

use std::cmp::Ordering;

use geodesic_core::store::{Entry, StorageError};
use rocksdb::DBRawIterator;

use crate::codec::{history_bound, history_key, split_history_key, unescape};
use crate::db::{Cf, Db};
use crate::error::Result;
use crate::snapshot::old_value;

/// Walks the latest values.
pub(crate) struct Latest<'a> {
    iter: DBRawIterator<'a>,
    reverse: bool,
}

impl<'a> Latest<'a> {
    pub(crate) fn new(db: &'a Db, lower: Vec<u8>, upper: Vec<u8>, reverse: bool) -> Result<Self> {
        let mut iter = db.iter(Cf::Flat, lower, upper)?;
        if reverse {
            iter.seek_to_last();
        } else {
            iter.seek_to_first();
        }
        Ok(Self { iter, reverse })
    }

    fn peek(&self) -> Result<Option<&[u8]>> {
        let key = self.iter.key();
        if key.is_none() {
            self.iter.status()?;
        }
        Ok(key)
    }

    fn value(&self) -> Vec<u8> {
        self.iter.value().unwrap_or_default().to_vec()
    }

    fn step(&mut self) {
        if self.reverse {
            self.iter.prev();
        } else {
            self.iter.next();
        }
    }
}

/// Walks the entries that were changed after a height, with what they held at it.
pub(crate) struct Changed<'a> {
    iter: DBRawIterator<'a>,
    reverse: bool,
    height: u64,
    current: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl<'a> Changed<'a> {
    pub(crate) fn new(db: &'a Db, lower: &[u8], upper: &[u8], reverse: bool, height: u64) -> Result<Self> {
        let mut iter = db.iter(Cf::History, history_bound(lower), history_bound(upper))?;
        if reverse {
            iter.seek_to_last();
        } else {
            iter.seek_to_first();
        }
        let mut changed = Self { iter, reverse, height, current: None };
        changed.step()?;
        Ok(changed)
    }

    /// Goes to the next entry whose first change after the height is on record.
    fn step(&mut self) -> Result<()> {
        self.current = None;
        let after = self.height.saturating_add(1);
        loop {
            let Some(key) = self.iter.key() else { return Ok(self.iter.status()?) };
            let (prefix, changed_at) = split_history_key(key)?;
            let prefix = prefix.to_vec();
            match (changed_at > self.height, self.reverse) {
                // Older changes only, so far: look behind them.
                (false, false) => {
                    self.iter.seek(history_key(&prefix, after));
                    continue;
                }
                (false, true) => {
                    self.iter.seek_for_prev(history_key(&prefix, 0));
                    continue;
                }
                (true, false) => {}
                // The last change; the first one after the height counts.
                (true, true) => self.iter.seek(history_key(&prefix, after)),
            }
            let Some(record) = self.iter.value() else { return Ok(self.iter.status()?) };
            self.current = Some((unescape(&prefix)?, old_value(record)?));
            if self.reverse {
                self.iter.seek_for_prev(history_key(&prefix, 0));
            } else {
                self.iter.seek(history_key(&prefix, u64::MAX));
            }
            return Ok(());
        }
    }
}

/// The range; after an error it ends.
pub(crate) struct Merge<'a> {
    latest: Latest<'a>,
    changed: Option<Changed<'a>>,
    /// Bytes of the store's name in each key.
    skip: usize,
    ended: bool,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(latest: Latest<'a>, changed: Option<Changed<'a>>, skip: usize) -> Self {
        Self { latest, changed, skip, ended: false }
    }

    fn advance(&mut self) -> Result<Option<Entry>> {
        loop {
            let latest = self.latest.peek()?;
            let old = self.changed.as_ref().and_then(|c| c.current.as_ref()).map(|(key, _)| key.as_slice());
            let order = match (latest, old) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) if self.latest.reverse => b.cmp(a),
                (Some(a), Some(b)) => a.cmp(b),
            };
            if order == Ordering::Less {
                let entry = latest.map(|key| (self.entry_key(key), self.latest.value()));
                self.latest.step();
                return Ok(entry);
            }
            if order == Ordering::Equal {
                self.latest.step();
            }
            let Some(changed) = self.changed.as_mut() else { continue };
            let taken = changed.current.take();
            changed.step()?;
            if let Some((key, Some(value))) = taken {
                return Ok(Some((self.entry_key(&key), value)));
            }
        }
    }

    fn entry_key(&self, key: &[u8]) -> Vec<u8> {
        key.get(self.skip..).unwrap_or_default().to_vec()
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<Entry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().map_err(StorageError::from).transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
