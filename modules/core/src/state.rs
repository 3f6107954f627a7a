//! Writes in layers over a committed version: block, transaction, message.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use crate::store::{ChangeSet, Entries, Entry, Range, Reader, StorageError, StoreId, Writes};

/// A committed version and the layers of writes on top of it. The last layer takes the writes.
#[derive(Clone)]
pub struct State {
    base: Arc<dyn Reader>,
    layers: Vec<Layer>,
}

/// Few stores are touched by one layer: a linear search beats a map.
#[derive(Clone, Default)]
struct Layer(Vec<(StoreId, Writes)>);

impl Layer {
    fn get(&self, store: StoreId) -> Option<&Writes> {
        self.0.iter().find(|(id, _)| *id == store).map(|(_, w)| w)
    }

    fn get_mut(&mut self, store: StoreId) -> Option<&mut Writes> {
        if self.get(store).is_none() {
            self.0.push((store, Writes::new()));
        }
        self.0.iter_mut().find(|(id, _)| *id == store).map(|(_, w)| w)
    }
}

impl State {
    /// A state without writes on `base`.
    pub fn new(base: Arc<dyn Reader>) -> Self {
        Self { base, layers: vec![Layer::default()] }
    }

    /// The value at `key`, newest layer first.
    ///
    /// # Errors
    /// [`StorageError`] if the disk fails.
    pub fn get(&self, store: StoreId, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        for layer in self.layers.iter().rev() {
            if let Some(value) = layer.get(store).and_then(|w| w.get(key)) {
                return Ok(value.clone());
            }
        }
        self.base.get(store, key)
    }

    /// Writes a value, or deletes with `None`.
    pub fn put(&mut self, store: StoreId, key: &[u8], value: Option<Vec<u8>>) {
        if let Some(writes) = self.layers.last_mut().and_then(|l| l.get_mut(store)) {
            writes.insert(key.to_vec(), value);
        }
    }

    /// Begins a layer whose writes [`State::merge`] keeps and [`State::discard`] drops.
    pub fn branch(&mut self) {
        self.layers.push(Layer::default());
    }

    /// Ends the newest layer, its writes kept.
    pub fn merge(&mut self) {
        if self.layers.len() < 2 {
            return;
        }
        let Some(top) = self.layers.pop() else { return };
        let Some(below) = self.layers.last_mut() else { return };
        for (store, writes) in top.0 {
            // One by one: `append` would build the larger map anew for each of many small ones.
            if let Some(into) = below.get_mut(store) {
                into.extend(writes);
            }
        }
    }

    /// Ends the newest layer, its writes dropped.
    pub fn discard(&mut self) {
        if self.layers.len() >= 2 {
            self.layers.pop();
        }
    }

    /// How many layers there are.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// Drops the layers above `depth`; the first one stays.
    pub fn unwind(&mut self, depth: usize) {
        self.layers.truncate(depth.max(1));
    }

    /// The entries of a range, all layers merged, in its order.
    ///
    /// # Errors
    /// [`StorageError`] if the disk fails; each item may also be one.
    pub fn range(&self, store: StoreId, range: &Range) -> Result<Merged<'_>, StorageError> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let mut over: BTreeMap<&[u8], &Option<Vec<u8>>> = BTreeMap::new();
        if !range.is_empty() {
            let end = range.end.as_deref().map_or(Unbounded, Excluded);
            for writes in self.layers.iter().filter_map(|l| l.get(store)) {
                let bounds = (Included(range.start.as_slice()), end);
                over.extend(writes.range::<[u8], _>(bounds).map(|(k, v)| (k.as_slice(), v)));
            }
        }
        let mut over: Vec<_> = over.into_iter().collect();
        if range.reverse {
            over.reverse();
        }
        let base = self.base.range(store, range)?;
        Ok(Merged { over: over.into_iter().peekable(), base: base.peekable(), reverse: range.reverse })
    }

    /// All writes, layers merged, ready to be committed.
    pub fn into_changes(mut self) -> ChangeSet {
        while self.layers.len() > 1 {
            self.merge();
        }
        self.layers.pop().map(|l| l.0.into_iter().collect()).unwrap_or_default()
    }

    /// The same writes without ending the state.
    pub fn changes(&self) -> ChangeSet {
        self.clone().into_changes()
    }
}

type Overlay<'a> = std::vec::IntoIter<(&'a [u8], &'a Option<Vec<u8>>)>;

/// Entries of a range with the layers' writes laid over the base.
pub struct Merged<'a> {
    over: Peekable<Overlay<'a>>,
    base: Peekable<Entries<'a>>,
    reverse: bool,
}

impl Iterator for Merged<'_> {
    type Item = Result<Entry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        loop {
            let order = match (self.over.peek(), self.base.peek()) {
                (None, _) | (_, Some(Err(_))) => Greater,
                (Some(_), None) => Less,
                (Some((o, _)), Some(Ok((b, _)))) => {
                    let order = (*o).cmp(b.as_slice());
                    if self.reverse { order.reverse() } else { order }
                }
            };
            match order {
                Greater => return self.base.next(),
                Equal => drop(self.base.next()),
                Less => {}
            }
            let (key, value) = self.over.next()?;
            if let Some(value) = value {
                return Some(Ok((key.to_vec(), value.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemStore;
    use proptest::prelude::*;

    const S: StoreId = StoreId::tree("s");

    #[derive(Debug, Clone)]
    enum Op {
        Put(u8, Option<u8>),
        Branch,
        Merge,
        Discard,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            6 => (0_u8..12, prop::option::of(any::<u8>())).prop_map(|(k, v)| Op::Put(k, v)),
            2 => Just(Op::Branch),
            1 => Just(Op::Merge),
            1 => Just(Op::Discard),
        ];
        prop::collection::vec(op, 0..60)
    }

    proptest! {
        /// Layers behave like a stack of whole copies.
        #[test]
        fn layers_equal_a_stack_of_copies(start in prop::collection::btree_map(0_u8..12, any::<u8>(), 0..8), ops in ops(), lo in 0_u8..12, hi in 0_u8..13) {
            let writes = start.iter().map(|(k, v)| (vec![*k], Some(vec![*v]))).collect();
            let base = MemStore::default().apply(&ChangeSet::from([(S, writes)]));
            let mut state = State::new(Arc::new(base.clone()));
            let mut model = vec![start];
            for op in ops {
                match op {
                    Op::Put(k, v) => {
                        state.put(S, &[k], v.map(|v| vec![v]));
                        let top = model.last_mut().unwrap();
                        match v { Some(v) => top.insert(k, v), None => top.remove(&k) };
                    }
                    Op::Branch => { state.branch(); model.push(model.last().unwrap().clone()); }
                    Op::Merge if model.len() > 1 => { state.merge(); let t = model.pop().unwrap(); *model.last_mut().unwrap() = t; }
                    Op::Discard if model.len() > 1 => { state.discard(); model.pop(); }
                    Op::Merge | Op::Discard => {}
                }
            }
            let top = model.last().unwrap();
            for k in 0..12 {
                prop_assert_eq!(state.get(S, &[k]).unwrap(), top.get(&k).map(|v| vec![*v]));
            }
            let range = Range { start: vec![lo], end: Some(vec![hi]), reverse: false };
            let want: Vec<Entry> = top.iter().filter(|(k, _)| (lo..hi).contains(k)).map(|(k, v)| (vec![*k], vec![*v])).collect();
            let got: Vec<Entry> = state.range(S, &range).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(&got, &want);
            let mut back: Vec<Entry> = state.range(S, &range.reversed()).unwrap().map(Result::unwrap).collect();
            back.reverse();
            prop_assert_eq!(&back, &want);
            let bottom = state.clone();
            let all: Vec<Entry> = base.apply(&bottom.into_changes()).entries(S);
            prop_assert_eq!(all, top.iter().map(|(k, v)| (vec![*k], vec![*v])).collect::<Vec<_>>());
        }
    }
}
