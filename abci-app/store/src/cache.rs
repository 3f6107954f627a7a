//! Latest values in memory, so that execution rarely asks RocksDB.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;

/// Rough cost of an entry besides its bytes.
const OVERHEAD: usize = 80;

type Value = Option<Box<[u8]>>;

/// Bounded by bytes; what was used in the last two generations stays.
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    /// Bytes of a generation of a shard.
    limit: usize,
}

#[derive(Default)]
struct Shard {
    young: BTreeMap<Vec<u8>, Value>,
    old: BTreeMap<Vec<u8>, Value>,
    young_bytes: usize,
}

impl Cache {
    pub(crate) fn new(bytes: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, limit: bytes.div_euclid(SHARDS.saturating_mul(2)) }
    }

    fn shard(&self, key: &[u8]) -> Option<MutexGuard<'_, Shard>> {
        // FNV-1a; the key's order of bytes says nothing about the use of an entry.
        let hash = key
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        let index = usize::try_from(hash.wrapping_shr(32)).unwrap_or(0).checked_rem(SHARDS)?;
        // A shard is consistent after every statement, a panic elsewhere does not spoil it.
        Some(self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value on record: `Some(None)` if it is known that there is none.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut shard = self.shard(key)?;
        if let Some(value) = shard.young.get(key) {
            return Some(value.as_deref().map(<[u8]>::to_vec));
        }
        let (key, value) = shard.old.remove_entry(key)?;
        let copy = value.as_deref().map(<[u8]>::to_vec);
        self.insert(&mut shard, key, value);
        Some(copy)
    }

    /// Records a value if `still_true` when nobody else can change the entry.
    pub(crate) fn put(&self, key: Vec<u8>, value: Option<Vec<u8>>, still_true: impl FnOnce() -> bool) {
        let Some(mut shard) = self.shard(&key) else { return };
        if still_true() {
            self.insert(&mut shard, key, value.map(Into::into));
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }

    /// An entry is in one generation only.
    fn insert(&self, shard: &mut Shard, key: Vec<u8>, value: Value) {
        let added = cost(key.len(), &value);
        if let Some(held) = shard.young.get_mut(&key) {
            let freed = cost(key.len(), held);
            *held = value;
            shard.young_bytes = shard.young_bytes.saturating_sub(freed).saturating_add(added);
            if shard.young_bytes > self.limit {
                shard.young.remove(&key);
                shard.young_bytes = shard.young_bytes.saturating_sub(added);
            }
            return;
        }
        shard.old.remove(&key);
        if added > self.limit {
            return;
        }
        if shard.young_bytes.saturating_add(added) > self.limit {
            shard.old = std::mem::take(&mut shard.young);
            shard.young_bytes = 0;
        }
        shard.young_bytes = shard.young_bytes.saturating_add(added);
        shard.young.insert(key, value);
    }
}

fn cost(key_len: usize, value: &Value) -> usize {
    key_len.saturating_add(value.as_ref().map_or(0, |v| v.len())).saturating_add(OVERHEAD)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(cache: &Cache) -> usize {
        let mut sum = 0;
        for shard in &cache.shards {
            let shard = shard.lock().unwrap();
            for (key, value) in shard.young.iter().chain(&shard.old) {
                sum += key.len() + value.as_ref().map_or(0, |v| v.len()) + OVERHEAD;
            }
        }
        sum
    }

    #[test]
    fn a_value_that_is_no_longer_true_is_not_recorded() {
        let cache = Cache::new(1 << 20);
        cache.put(b"a".to_vec(), Some(b"1".to_vec()), || true);
        cache.put(b"a".to_vec(), Some(b"2".to_vec()), || false);
        cache.put(b"b".to_vec(), None, || true);
        assert_eq!(cache.get(b"a"), Some(Some(b"1".to_vec())));
        assert_eq!(cache.get(b"b"), Some(None));
        assert_eq!(cache.get(b"c"), None);
    }

    proptest! {
        #[test]
        fn it_never_lies_and_stays_within_its_bytes(
            puts in prop::collection::vec((0_u8..100, prop::option::of(0_usize..300)), 0..400),
            limit in prop::sample::select(vec![0_usize, 20_000, 60_000]),
        ) {
            let cache = Cache::new(limit);
            let mut model = BTreeMap::new();
            for (key, len) in puts {
                let value = len.map(|len| vec![key; len]);
                cache.put(vec![key; 3], value.clone(), || true);
                model.insert(key, value);
                let held = cache.get(&[key; 3]);
                prop_assert!(held.is_none() || held.as_ref() == model.get(&key));
                prop_assert!(bytes(&cache) <= limit);
            }
            for (key, value) in model {
                let held = cache.get(&[key; 3]);
                prop_assert!(held.is_none() || held == Some(value));
            }
        }
    }
}
