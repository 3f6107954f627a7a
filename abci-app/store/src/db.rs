//! RocksDB: column families, settings, batches.

use std::path::Path;

use geodesic_core::store::StorageError;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    DBRawIterator, ReadOptions, WriteBatch, WriteOptions,
};

use crate::error::{Error, Result};
use crate::options::Options;

/// Column families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cf {
    /// `flat_key -> value`: latest values.
    Flat,
    /// `history_key(key, height) -> 0 | 1 value`: what the key held until `height` changed it.
    History,
    /// `be64(height) | be32(part) -> writes`.
    Log,
    /// `be64(id) -> part of a tree`.
    Chunks,
    /// Everything else, see `record.rs`.
    Meta,
}

impl Cf {
    const ALL: [Self; 5] = [Self::Flat, Self::History, Self::Log, Self::Chunks, Self::Meta];

    fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::History => "history",
            Self::Log => "log",
            Self::Chunks => "chunks",
            Self::Meta => rocksdb::DEFAULT_COLUMN_FAMILY_NAME,
        }
    }
}

impl From<rocksdb::Error> for Error {
    fn from(error: rocksdb::Error) -> Self {
        Self::Storage(StorageError(error.into_string()))
    }
}

/// Called with key and value of each entry of a scan.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// The database.
pub(crate) struct Db(DB);

impl Db {
    pub(crate) fn open(path: &Path, options: &Options) -> Result<Self> {
        let mut db = rocksdb::Options::default();
        db.create_if_missing(true);
        db.create_missing_column_families(true);
        db.set_paranoid_checks(true);
        db.set_db_write_buffer_size(options.write_buffer_bytes);
        db.set_max_total_wal_size(256 << 20);
        db.set_max_open_files(512);
        db.set_keep_log_file_num(4);
        db.set_max_background_jobs(2);
        let cache = Cache::new_lru_cache(options.block_cache_bytes)?;
        let families =
            Cf::ALL.map(|cf| ColumnFamilyDescriptor::new(cf.name(), Self::family(cf, &cache, options)));
        Ok(Self(DB::open_cf_descriptors(&db, path, families)?))
    }

    fn family(cf: Cf, cache: &Cache, options: &Options) -> rocksdb::Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_format_version(5);
        // Indexes and filters (about 2 bytes an entry) stay outside of the cache: one is as large as a shard of it, and
        // they would push each other out at every read.
        table.set_cache_index_and_filter_blocks(false);
        table.set_block_size(4 << 10);
        if cf == Cf::Flat {
            table.set_bloom_filter(10.0, false);
        }
        let mut family = rocksdb::Options::default();
        family.set_block_based_table_factory(&table);
        family.set_compression_type(DBCompressionType::None);
        family.set_write_buffer_size(options.write_buffer_bytes.div_euclid(2).max(1 << 20));
        family
    }

    fn cf(&self, cf: Cf) -> Result<&ColumnFamily> {
        self.0.cf_handle(cf.name()).ok_or_else(|| Error::damaged(format!("no column family {}", cf.name())))
    }

    pub(crate) fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>> {
        Ok(self.0.get_pinned_cf(self.cf(cf)?, key)?)
    }

    /// Iterator over the keys in `[lower, upper)`, not yet placed.
    pub(crate) fn iter(&self, cf: Cf, lower: Vec<u8>, upper: Vec<u8>) -> Result<DBRawIterator<'_>> {
        let mut read = ReadOptions::default();
        read.set_iterate_lower_bound(lower);
        read.set_iterate_upper_bound(upper);
        Ok(self.0.raw_iterator_cf_opt(self.cf(cf)?, read))
    }

    /// Gives every entry of `[lower, upper)` to `visit`, in order.
    pub(crate) fn scan(&self, cf: Cf, lower: Vec<u8>, upper: Vec<u8>, visit: &mut Visit<'_>) -> Result<()> {
        let mut iter = self.iter(cf, lower, upper)?;
        iter.seek_to_first();
        while let Some((key, value)) = iter.item() {
            visit(key, value)?;
            iter.next();
        }
        Ok(iter.status()?)
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch { db: self, batch: WriteBatch::default() }
    }
}

/// Writes that become visible, and durable, together.
pub(crate) struct Batch<'a> {
    db: &'a Db,
    batch: WriteBatch,
}

impl Batch<'_> {
    pub(crate) fn put(&mut self, cf: Cf, key: &[u8], value: &[u8]) -> Result<()> {
        self.batch.put_cf(self.db.cf(cf)?, key, value);
        Ok(())
    }

    pub(crate) fn delete(&mut self, cf: Cf, key: &[u8]) -> Result<()> {
        self.batch.delete_cf(self.db.cf(cf)?, key);
        Ok(())
    }

    /// Deletes every entry; no key begins with 16 bytes of `0xff`.
    pub(crate) fn clear(&mut self, cf: Cf) -> Result<()> {
        self.batch.delete_range_cf(self.db.cf(cf)?, &[][..], &[0xff; 16][..]);
        Ok(())
    }

    /// Returns once the batch is on disk.
    pub(crate) fn write(self) -> Result<()> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.0.write_opt(self.batch, &options)?)
    }
}
