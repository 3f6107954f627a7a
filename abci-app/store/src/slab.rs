//! Dense storage with 32-bit ids, in blocks that never move: a growing `Vec` would copy everything and hold
//! it twice for a moment.

use crate::error::{Error, Result};

const BLOCK: usize = 4096;

fn index(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

fn lost() -> Error {
    Error::damaged("a tree names a node that does not exist")
}

/// Items by id; ids of removed items are used again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    blocks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: Vec::new() }
    }
}

impl<T: Copy> Slab<T> {
    pub(crate) fn get(&self, id: u32) -> Result<&T> {
        let (block, slot) = (index(id).div_euclid(BLOCK), index(id).rem_euclid(BLOCK));
        self.blocks.get(block).and_then(|b| b.get(slot)).ok_or_else(lost)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Result<&mut T> {
        let (block, slot) = (index(id).div_euclid(BLOCK), index(id).rem_euclid(BLOCK));
        self.blocks.get_mut(block).and_then(|b| b.get_mut(slot)).ok_or_else(lost)
    }

    /// Stores an item; ids stay below `limit`.
    pub(crate) fn insert(&mut self, item: T, limit: u32) -> Result<u32> {
        if let Some(id) = self.free.pop() {
            *self.get_mut(id)? = item;
            return Ok(id);
        }
        if self.blocks.last().is_none_or(|b| b.len() >= BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let full = self.blocks.len().saturating_sub(1).saturating_mul(BLOCK);
        let last = self.blocks.last_mut().ok_or_else(lost)?;
        let id = u32::try_from(full.saturating_add(last.len())).unwrap_or(u32::MAX);
        if id >= limit {
            return Err(Error::damaged(format!("a tree has more than {limit} nodes")));
        }
        last.push(item);
        Ok(id)
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.free.push(id);
    }
}

/// Id of a key in [`Keys`]: size class in the upper 6 bits, place in the lower 26.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(u32);

const PLACE_BITS: u32 = 26;
const STEP: usize = 8;
/// Keys up to `STEP * 31 - 1` bytes share blocks with others of their size; longer ones live alone.
const CLASSES: usize = 32;
const CELLS: usize = 256;

/// Keys of a tree, each held once, with less than `STEP` bytes of waste for the usual lengths.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    classes: [Class; CLASSES],
    long: Vec<Box<[u8]>>,
}

#[derive(Debug, Default)]
struct Class {
    blocks: Vec<Box<[u8]>>,
    used: u32,
    free: Vec<u32>,
}

impl Keys {
    /// Class of a length, zero for long keys. A cell is one byte of length, then the key.
    fn class(len: usize) -> usize {
        let class = len.saturating_add(STEP).div_euclid(STEP);
        if class < CLASSES { class } else { 0 }
    }

    fn split(id: KeyId) -> (usize, u32) {
        (index(id.0.wrapping_shr(PLACE_BITS)), id.0 & ((1 << PLACE_BITS) - 1))
    }

    pub(crate) fn get(&self, id: KeyId) -> Result<&[u8]> {
        let (class, place) = Self::split(id);
        if class == 0 {
            return self.long.get(index(place)).map(AsRef::as_ref).ok_or_else(lost);
        }
        let cell = self.classes.get(class).and_then(|c| c.cell(class, place)).ok_or_else(lost)?;
        let (len, rest) = cell.split_first().ok_or_else(lost)?;
        rest.get(..usize::from(*len)).ok_or_else(lost)
    }

    pub(crate) fn insert(&mut self, key: &[u8]) -> Result<KeyId> {
        let class = Self::class(key.len());
        let slot = self.classes.get_mut(class).ok_or_else(lost)?;
        let place = slot.free.pop().unwrap_or(slot.used);
        if place >= 1 << PLACE_BITS {
            return Err(Error::damaged("too many keys of one length"));
        }
        slot.used = slot.used.max(place.saturating_add(1));
        if class == 0 {
            match self.long.get_mut(index(place)) {
                Some(old) => *old = key.into(),
                None => self.long.push(key.into()),
            }
        } else {
            let cell = slot.cell_mut(class, place).ok_or_else(lost)?;
            let (len, rest) = cell.split_first_mut().ok_or_else(lost)?;
            *len = u8::try_from(key.len()).map_err(|_| lost())?;
            rest.get_mut(..key.len()).ok_or_else(lost)?.copy_from_slice(key);
        }
        let class = u32::try_from(class).unwrap_or(0).wrapping_shl(PLACE_BITS);
        Ok(KeyId(class | place))
    }

    pub(crate) fn remove(&mut self, id: KeyId) {
        let (class, place) = Self::split(id);
        if let (0, Some(key)) = (class, self.long.get_mut(index(place))) {
            *key = Box::default();
        }
        if let Some(slot) = self.classes.get_mut(class) {
            slot.free.push(place);
        }
    }
}

impl Class {
    fn locate(class: usize, place: u32) -> (usize, usize, usize) {
        let size = class.saturating_mul(STEP);
        let start = index(place).rem_euclid(CELLS).saturating_mul(size);
        (index(place).div_euclid(CELLS), start, start.saturating_add(size))
    }

    fn cell(&self, class: usize, place: u32) -> Option<&[u8]> {
        let (block, start, end) = Self::locate(class, place);
        self.blocks.get(block)?.get(start..end)
    }

    fn cell_mut(&mut self, class: usize, place: u32) -> Option<&mut [u8]> {
        let (block, start, end) = Self::locate(class, place);
        if block == self.blocks.len() {
            let size = class.saturating_mul(STEP).saturating_mul(CELLS);
            self.blocks.push(vec![0; size].into_boxed_slice());
        }
        self.blocks.get_mut(block)?.get_mut(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_come_back_and_places_are_used_again() {
        let mut keys = Keys::default();
        let make = |n: usize| vec![u8::try_from(n % 251).unwrap(); n];
        let ids: Vec<_> = (0..700).map(|n| keys.insert(&make(n)).unwrap()).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(keys.get(*id).unwrap(), make(n), "{n}");
        }
        for n in [0, 7, 8, 246, 247, 248, 500] {
            keys.remove(ids[n]);
            assert_eq!(keys.insert(&make(n)).unwrap(), ids[n], "{n}");
        }
    }
}
