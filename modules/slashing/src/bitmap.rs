//! Missed blocks of a validator, a bit each, in chunks.

use geodesic_core::item::Key;
use geodesic_core::{Address, Ctx, StateError};

use crate::keys::{ChunkIndex, MISSED, len};

/// Bits of a chunk (`MissedBlockBitmapChunkSize`).
const CHUNK_BITS: u64 = 1024;
const WORD_BITS: u64 = 64;

/// 1024 bits, as the Go package `bits-and-blooms/bitset` writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chunk([u64; 16]);

/// Word and mask of a bit below [`CHUNK_BITS`].
fn place(bit: u64) -> (usize, u64) {
    let word = usize::try_from(bit / WORD_BITS).unwrap_or(usize::MAX);
    (word, 1 << (bit % WORD_BITS))
}

impl Chunk {
    fn get(&self, bit: u64) -> bool {
        let (word, mask) = place(bit);
        self.0.get(word).is_some_and(|w| w & mask != 0)
    }

    fn flip(&mut self, bit: u64) {
        let (word, mask) = place(bit);
        if let Some(w) = self.0.get_mut(word) {
            *w ^= mask;
        }
    }
}

impl Key for Chunk {
    fn write(&self, out: &mut Vec<u8>) {
        CHUNK_BITS.write(out);
        self.0.iter().for_each(|w| w.write(out));
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        if u64::read(input)? != CHUNK_BITS {
            return None;
        }
        let mut words = [0; 16];
        for word in &mut words {
            *word = Key::read(input)?;
        }
        Some(Self(words))
    }
}

/// Makes the bit of `index` what `missed` says; returns whether it was different.
pub(crate) fn record(
    ctx: &mut Ctx,
    consensus: &Address,
    index: u64,
    missed: bool,
) -> Result<bool, StateError> {
    let key = (len(consensus), ChunkIndex(index / CHUNK_BITS));
    let mut chunk = MISSED.get(ctx, &key)?.unwrap_or_default();
    let bit = index % CHUNK_BITS;
    if chunk.get(bit) == missed {
        return Ok(false);
    }
    chunk.flip(bit);
    MISSED.set(ctx, &key, &chunk)?;
    Ok(true)
}

/// Indexes of the missed blocks, ascending.
pub(crate) fn missed(ctx: &Ctx, consensus: &Address) -> Result<Vec<u64>, StateError> {
    let mut indexes = Vec::new();
    for entry in MISSED.prefix(ctx, &len(consensus))? {
        let ((_, ChunkIndex(chunk)), bits) = entry?;
        let first = chunk.saturating_mul(CHUNK_BITS);
        indexes.extend((0..CHUNK_BITS).filter(|bit| bits.get(*bit)).map(|bit| first.saturating_add(bit)));
    }
    indexes.sort_unstable(); // keys are little-endian
    Ok(indexes)
}

/// Forgets all missed blocks.
pub(crate) fn clear(ctx: &mut Ctx, consensus: &Address) -> Result<(), StateError> {
    let keys: Vec<_> = MISSED
        .prefix(ctx, &len(consensus))?
        .map(|entry| entry.map(|(key, _)| key))
        .collect::<Result<_, _>>()?;
    keys.iter().try_for_each(|key| MISSED.delete(ctx, key))
}
