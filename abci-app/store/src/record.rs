//! Records of the database other than entries; all carry a checksum.
//!
//! | key in the default column family | record |
//! |---|---|
//! | `format` | `uvarint`, the format of the whole database |
//! | `latest` | `uvarint`, the last committed height |
//! | `restoring` | `uvarint`, height of a snapshot that is being restored: nothing else counts |
//! | `kept` | [`Kept`] |
//! | `commit/ be64(height)` | [`Commit`] |
//! | `extra/ be64(height)` | bytes of the application |
//! | `checkpoint/ be64(height)` | [`Manifest`](crate::checkpoint::Manifest) |

use crate::codec::{put_bytes, put_uvarint, seal, to_u64, unseal};
use crate::db::{Batch, Cf, Db, Visit};
use crate::error::{Error, Result};
use crate::hash::Hash;

/// Format that this program writes and reads.
pub(crate) const FORMAT: u64 = 2;

pub(crate) const COMMIT: &[u8] = b"commit/";
pub(crate) const EXTRA: &[u8] = b"extra/";
pub(crate) const CHECKPOINT: &[u8] = b"checkpoint/";

/// `prefix | be64(height)`.
pub(crate) fn at(prefix: &[u8], height: u64) -> Vec<u8> {
    [prefix, &height.to_be_bytes()].concat()
}

/// What a commit added to the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Commit {
    pub(crate) app_hash: Hash,
    /// Writes to trees since the first height.
    pub(crate) writes: u64,
    /// Root per store with a tree, by name.
    pub(crate) roots: Vec<(String, Hash)>,
}

impl Commit {
    pub(crate) fn put(&self, batch: &mut Batch<'_>, height: u64) -> Result<()> {
        let mut out = self.app_hash.to_vec();
        put_uvarint(&mut out, self.writes);
        put_uvarint(&mut out, to_u64(self.roots.len()));
        for (name, root) in &self.roots {
            put_bytes(&mut out, name.as_bytes());
            out.extend_from_slice(root);
        }
        batch.put(Cf::Meta, &at(COMMIT, height), &seal(out))
    }

    pub(crate) fn get(db: &Db, height: u64) -> Result<Self> {
        let what = format!("commit {height}");
        let record = db.get(Cf::Meta, &at(COMMIT, height))?;
        let record = record.ok_or_else(|| Error::damaged(format!("{what} is missing")))?;
        let mut input = unseal(&record, &what)?;
        let (app_hash, writes) = (input.hash()?, input.uvarint()?);
        let mut roots = Vec::new();
        for _ in 0..input.uvarint()? {
            roots.push((input.text()?, input.hash()?));
        }
        Ok(Self { app_hash, writes, roots })
    }
}

/// A number on record, if there is one.
pub(crate) fn get_number(db: &Db, key: &str) -> Result<Option<u64>> {
    let Some(record) = db.get(Cf::Meta, key.as_bytes())? else { return Ok(None) };
    Ok(Some(unseal(&record, key)?.uvarint()?))
}

pub(crate) fn put_number(batch: &mut Batch<'_>, key: &str, n: u64) -> Result<()> {
    let mut out = Vec::new();
    put_uvarint(&mut out, n);
    batch.put(Cf::Meta, key.as_bytes(), &seal(out))
}

/// A logged write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logged {
    Delete,
    /// To a store without a tree.
    Set,
    /// To a tree.
    SetLeaf {
        /// Of the new leaf.
        hash: Hash,
        /// Whether it replaces one.
        present: bool,
    },
}

/// Called with store, key and write of each entry of a log.
pub(crate) type VisitLog<'a> = dyn FnMut(&str, &[u8], Logged) -> Result<()> + 'a;

/// Largest part of a block's log, so that no record is huge.
const PART: usize = 1 << 20;

/// Writes the log of one height, in parts.
pub(crate) struct LogWriter {
    height: u64,
    part: u32,
    store: &'static str,
    out: Vec<u8>,
}

impl LogWriter {
    pub(crate) fn new(height: u64) -> Self {
        Self { height, part: 0, store: "", out: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        batch: &mut Batch<'_>,
        store: &'static str,
        key: &[u8],
        write: Logged,
    ) -> Result<()> {
        if self.out.len() > PART {
            self.flush(batch)?;
        }
        if self.out.is_empty() || self.store != store {
            self.store = store;
            self.out.push(3);
            put_bytes(&mut self.out, store.as_bytes());
        }
        match write {
            Logged::Delete => self.out.push(0),
            Logged::Set => self.out.push(1),
            Logged::SetLeaf { hash, present } => {
                self.out.push(if present { 4 } else { 2 });
                self.out.extend_from_slice(&hash);
            }
        }
        put_bytes(&mut self.out, key);
        Ok(())
    }

    pub(crate) fn flush(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        if !self.out.is_empty() {
            let key = [self.height.to_be_bytes().as_slice(), &self.part.to_be_bytes()].concat();
            batch.put(Cf::Log, &key, &seal(std::mem::take(&mut self.out)))?;
            self.part = self.part.saturating_add(1);
        }
        Ok(())
    }
}

/// Gives every part of the log of `height` to `visit`, key and record.
pub(crate) fn log_parts(db: &Db, height: u64, visit: &mut Visit<'_>) -> Result<()> {
    let (from, to) = (height.to_be_bytes().to_vec(), height.saturating_add(1).to_be_bytes().to_vec());
    db.scan(Cf::Log, from, to, visit)
}

/// Gives every write of `height` to `visit`, in order.
pub(crate) fn read_log(db: &Db, height: u64, visit: &mut VisitLog<'_>) -> Result<()> {
    log_parts(db, height, &mut |_, record| {
        let mut input = unseal(record, &format!("log {height}"))?;
        let mut store = String::new();
        while !input.is_empty() {
            let write = match input.byte()? {
                0 => Logged::Delete,
                1 => Logged::Set,
                kind @ (2 | 4) => Logged::SetLeaf { hash: input.hash()?, present: kind == 4 },
                3 => {
                    store = input.text()?;
                    continue;
                }
                other => return Err(Error::damaged(format!("log {height} has an entry of kind {other}"))),
            };
            visit(&store, input.bytes()?, write)?;
        }
        Ok(())
    })
}

/// What is kept of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    /// First height that was ever committed; 0 if the state came by a snapshot: then the log alone does not make the trees.
    pub(crate) first: u64,
    /// First readable height.
    pub(crate) history: u64,
    /// First height of the log.
    pub(crate) log: u64,
}

impl Kept {
    pub(crate) fn put(self, batch: &mut Batch<'_>) -> Result<()> {
        let mut out = Vec::new();
        for n in [self.first, self.history, self.log] {
            put_uvarint(&mut out, n);
        }
        batch.put(Cf::Meta, b"kept", &seal(out))
    }

    pub(crate) fn get(db: &Db) -> Result<Self> {
        let record = db.get(Cf::Meta, b"kept")?.ok_or_else(|| Error::damaged("record kept is missing"))?;
        let mut input = unseal(&record, "kept")?;
        Ok(Self { first: input.uvarint()?, history: input.uvarint()?, log: input.uvarint()? })
    }
}
