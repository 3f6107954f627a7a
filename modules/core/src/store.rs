//! What a committed version looks like to the state machine, and an in-memory one for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A named store of one module. Two of a name are the same store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId {
    name: &'static str,
    proven: bool,
}

impl StoreId {
    /// A store whose entries are leaves of a Merkle tree, and whose root is in the app hash.
    pub const fn tree(name: &'static str) -> Self {
        Self { name, proven: true }
    }

    /// A store outside the app hash, for indexes that can be derived from a tree.
    pub const fn flat(name: &'static str) -> Self {
        Self { name, proven: false }
    }

    /// The SDK's name of the store, such as `bank`.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether its root is part of the app hash.
    pub const fn is_proven(self) -> bool {
        self.proven
    }
}

/// Writes of one store: `None` deletes.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Writes of a block, by store.
pub type ChangeSet = BTreeMap<StoreId, Writes>;

/// The disk failed or its content is damaged: never the sender's fault, always fatal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage: {0}")]
pub struct StorageError(pub String);

/// One entry of a store.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Takes entries of a store outside the app hash, which follow from those of the trees.
pub type PutEntry<'a> = dyn FnMut(StoreId, &Entry) -> Result<(), StorageError> + 'a;

/// A half-open range of keys, walked upwards or downwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Range {
    /// First key that belongs to it.
    pub start: Vec<u8>,
    /// First key that does not; `None` is the end of the store.
    pub end: Option<Vec<u8>>,
    /// Walk from the end to the start.
    pub reverse: bool,
}

impl Range {
    /// All keys that begin with `prefix`, upwards.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), end: prefix_end(prefix), reverse: false }
    }

    /// The same keys, walked the other way.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reverse = !self.reverse;
        self
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// First key above every key with this prefix; `None` if there is none (empty or all `0xff`).
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if let Some(next) = last.checked_add(1) {
            *last = next;
            return Some(end);
        }
        end.pop();
    }
    None
}

/// Iterator over the entries of a range.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, StorageError>> + 'a>;

/// One committed version, shared by everyone who reads it.
pub trait Reader: Send + Sync {
    /// The value at `key`.
    ///
    /// # Errors
    /// [`StorageError`] if the disk fails.
    fn get(&self, store: StoreId, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// The entries of a range, in its order.
    ///
    /// # Errors
    /// [`StorageError`] if the disk fails; each item may also be one.
    fn range<'a>(&'a self, store: StoreId, range: &Range) -> Result<Entries<'a>, StorageError>;
}

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// A version in memory, for tests and for genesis.
#[derive(Debug, Clone, Default)]
pub struct MemStore {
    stores: Arc<BTreeMap<StoreId, Content>>,
}

impl MemStore {
    /// The version that follows this one by `changes`.
    #[must_use]
    pub fn apply(&self, changes: &ChangeSet) -> Self {
        let mut stores = self.stores.as_ref().clone();
        for (id, writes) in changes {
            let store = stores.entry(*id).or_default();
            for (key, value) in writes {
                match value {
                    Some(v) => store.insert(key.clone(), v.clone()),
                    None => store.remove(key),
                };
            }
        }
        Self { stores: Arc::new(stores) }
    }

    /// Every entry of a store.
    pub fn entries(&self, store: StoreId) -> Vec<Entry> {
        self.stores.get(&store).into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

impl Reader for MemStore {
    fn get(&self, store: StoreId, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.stores.get(&store).and_then(|s| s.get(key)).cloned())
    }

    fn range<'a>(&'a self, store: StoreId, range: &Range) -> Result<Entries<'a>, StorageError> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        if range.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let Some(map) = self.stores.get(&store) else {
            return Ok(Box::new(std::iter::empty()));
        };
        let end = range.end.as_deref().map_or(Unbounded, Excluded);
        let entries = map
            .range::<[u8], _>((Included(range.start.as_slice()), end))
            .map(|(k, v)| Ok((k.clone(), v.clone())));
        Ok(if range.reverse { Box::new(entries.rev()) } else { Box::new(entries) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix() {
        for (name, prefix, want) in [
            ("next byte", &b"a"[..], Some(b"b".to_vec())),
            ("carries over 0xff", &[1, 0xff], Some(vec![2])),
            ("no key is above", &[0xff, 0xff], None),
            ("everything", &[], None),
        ] {
            assert_eq!(prefix_end(prefix), want, "{name}");
        }
    }
}
