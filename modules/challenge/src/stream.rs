//! Philox4x32-10 streams and what is read from a nonce's and an epoch's: input, target, permutation.
use crate::hash::{Hash, tag};
use crate::shape::Shape;

/// Blocks computed at a time.
pub const LANES: usize = 16;
/// Their bytes.
pub const CHUNK: usize = 16 * LANES;

/// The streams of one hash. Block `i` of sub-stream `s` is Philox4x32-10 with key `(le32 h[0..4], le32 h[4..8])` and
/// counter `(i, s, le32 h[8..12], le32 h[12..16])`; any block can be had alone.
///
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    rest: [u32; 2],
}

impl Stream {
    /// The streams of `hash`; its last 16 bytes are not used.
    pub fn new(hash: &Hash) -> Self {
        let word = |at: usize| u32::from_le_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
        Self { key: [word(0), word(4)], rest: [word(8), word(12)] }
    }

    /// Four words: block `index` of sub-stream `sub`.
    #[inline]
    pub fn block(&self, sub: u32, index: u32) -> [u32; 4] {
        self.lanes::<1>(sub, index).map(|[word]| word as u32)
    }

    /// Blocks `first ..` of sub-stream `sub`, word by word: the low halves of `N` lanes; the high halves are garbage. So
    /// laid out, a round is six vector instructions, whatever the width of a vector.
    #[inline(always)]
    fn lanes<const N: usize>(&self, sub: u32, first: u32) -> [[u64; N]; 4] {
        const LOW: u64 = u32::MAX as u64;
        let mut x0 = std::array::from_fn(|i| u64::from(first.wrapping_add(i as u32)));
        let [mut x1, mut x2, mut x3] = [sub, self.rest[0], self.rest[1]].map(|word| [u64::from(word); N]);
        let mut key = self.key;
        for _ in 0..10 {
            for i in 0..N {
                let a = (x0[i] & LOW).wrapping_mul(0xD251_1F53);
                let b = (x2[i] & LOW).wrapping_mul(0xCD9E_8D57);
                (x0[i], x1[i]) = ((b >> 32) ^ x1[i] ^ u64::from(key[0]), b);
                (x2[i], x3[i]) = ((a >> 32) ^ x3[i] ^ u64::from(key[1]), a);
            }
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        [x0, x1, x2, x3]
    }

    /// The bytes of [`LANES`] blocks of sub-stream `sub`, from block `first` on. Inlined, so that a caller compiled for
    /// wider vectors gets them.
    #[inline(always)]
    pub fn chunk(&self, sub: u32, first: u32, out: &mut [u8; CHUNK]) {
        let [x0, x1, x2, x3] = self.lanes::<LANES>(sub, first);
        let (blocks, _) = out.as_chunks_mut::<16>();
        for (i, out) in blocks.iter_mut().enumerate() {
            let low = (x0[i] & u64::from(u32::MAX)) | (x1[i] << 32);
            let high = (x2[i] & u64::from(u32::MAX)) | (x3[i] << 32);
            *out = (u128::from(low) | (u128::from(high) << 64)).to_le_bytes();
        }
    }

    /// The words of sub-stream `sub`, from its first.
    pub fn words(&self, sub: u32) -> impl Iterator<Item = u32> + use<> {
        self.words_from(sub, 0)
    }

    /// The words of sub-stream `sub`, from block `first` on.
    pub fn words_from(&self, sub: u32, first: u32) -> impl Iterator<Item = u32> + use<> {
        let stream = *self;
        (first..=u32::MAX).flat_map(move |index| stream.block(sub, index))
    }

    /// Calls `put(word)` for the first `count` words of sub-stream `sub`.
    fn each_word(&self, sub: u32, count: usize, mut put: impl FnMut(u32)) {
        for index in 0..count.div_ceil(4) {
            let left = count - 4 * index;
            self.block(sub, index as u32).into_iter().take(left).for_each(&mut put);
        }
    }

    /// Fills `out` with the bytes of sub-stream `sub` from byte `start` (below 2^36) on. Inlined as [`Stream::chunk`].
    #[inline(always)]
    pub fn bytes(&self, sub: u32, start: u64, out: &mut [u8]) {
        let (mut index, skip) = ((start / 16) as u32, (start % 16) as usize);
        let mut chunk = [0; CHUNK];
        let mut rest = out;
        if skip > 0 {
            self.chunk(sub, index, &mut chunk);
            let (now, later) = rest.split_at_mut(rest.len().min(CHUNK - skip));
            now.copy_from_slice(&chunk[skip..skip + now.len()]);
            // A whole chunk ends with a block, so the next one begins with one.
            (rest, index) = (later, index.wrapping_add(LANES as u32));
        }
        let (chunks, last) = rest.as_chunks_mut::<CHUNK>();
        for out in chunks {
            self.chunk(sub, index, out);
            index = index.wrapping_add(LANES as u32);
        }
        if !last.is_empty() {
            self.chunk(sub, index, &mut chunk);
            last.copy_from_slice(&chunk[..last.len()]);
        }
    }
}

/// Sum of the four bytes of `word`, less 510: nearly normal, symmetric, magnitude at most 510.
#[inline]
pub(crate) fn four(word: u32) -> i32 {
    let [a, b, c, d] = word.to_le_bytes().map(i32::from);
    a + b + c + d - 510
}

/// Value `j` of a nonce's input, from word j of its stream: `(7 four(word)) >> 4`; magnitude below 2^8.
#[inline(always)]
pub fn input_value(word: u32) -> i16 {
    // The sum of four bytes, added in two steps within the word; none can overflow.
    let pairs = (word & 0x00FF_00FF).wrapping_add((word >> 8) & 0x00FF_00FF);
    let sum = (pairs & 0xFFFF).wrapping_add(pairs >> 16) as i32;
    (sum.wrapping_sub(510).wrapping_mul(7) >> 4) as i16
}

/// Input of a nonce, `[T, d]` row-major: `h[j] = (7 four(word j of sub-stream 0)) >> 4`.
pub fn input(shape: &Shape, nonce_hash: &Hash) -> Vec<i32> {
    let count = shape.seq as usize * shape.dim as usize;
    let mut h = Vec::with_capacity(count);
    Stream::new(nonce_hash).each_word(0, count, |word| h.push((7 * four(word)) >> 4));
    h
}

/// Target of an epoch, `[V]`: `t[i] = four(word i)` of sub-stream 0 of `tag("target", epoch_key)`.
pub fn target(shape: &Shape, epoch_key: &Hash) -> Vec<i32> {
    let count = shape.vocab as usize;
    let mut t = Vec::with_capacity(count);
    Stream::new(&tag("target", &[epoch_key])).each_word(0, count, |word| t.push(four(word)));
    t
}

/// Uniform number below `n` (at least 1) by Lemire's method: rejects a word while
/// `word * n mod 2^32 < (2^32 - n) mod n`.
#[inline(always)]
fn below(n: u32, words: &mut impl Iterator<Item = u32>) -> u32 {
    words
        .map(|word| u64::from(word) * u64::from(n))
        // `(2^32 - n) mod n` is below n, so the division is needed only when the low half is.
        .find(|m| {
            let low = *m as u32;
            low >= n || low >= n.wrapping_neg() % n
        })
        .map_or(0, |m| (m >> 32) as u32)
}

/// Shuffles `values`: Fisher-Yates from the top, by Lemire's method on `words`.
#[inline(always)]
pub fn shuffle<T>(values: &mut [T], mut words: impl Iterator<Item = u32>) {
    for i in (1..values.len()).rev() {
        values.swap(i, below(i as u32 + 1, &mut words) as usize);
    }
}

/// Permutation of a nonce, `[V]`: `0..V` shuffled by the words of sub-stream 1.
pub fn permutation(shape: &Shape, nonce_hash: &Hash) -> Vec<u32> {
    let mut p: Vec<u32> = (0..shape.vocab).collect();
    shuffle(&mut p, Stream::new(nonce_hash).words(1));
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lemire_rejects_the_words_that_would_bias() {
        // n = 3: threshold (2^32 - 3) mod 3 = 1, so only a low half of 0 is refused: word 0.
        for (name, n, words, want) in [
            ("zero is refused for 3", 3, vec![0, 0x8000_0000], 1),
            ("one is kept for 3", 3, vec![1], 0),
            ("a power of two refuses nothing", 4, vec![0], 0),
            ("low half at the threshold of 3 is kept", 3, vec![0xAAAA_AAAB], 2),
            ("largest word", 3, vec![u32::MAX], 2),
            // n = 3 * 2^30: threshold 2^30; words 0 and 3 give low halves 0 and 2^30.
            ("low half at a large threshold is kept", 3 << 30, vec![0, 3], 2),
            ("n = 1 is always 0", 1, vec![u32::MAX], 0),
        ] {
            let mut it = words.into_iter();
            assert_eq!(below(n, &mut it), want, "{name}");
            assert_eq!(it.next(), None, "{name}: words left");
        }
    }

    #[test]
    fn bytes_from_any_start_agree_with_the_words() {
        let stream = Stream::new(&tag("test", &[]));
        let all: Vec<u8> = stream.words(5).take(256).flat_map(u32::to_le_bytes).collect();
        for start in [0, 1, 15, 16, 17, 100] {
            for len in [0, 1, 15, 16, 33, 100, 256, 700, 800] {
                let mut out = vec![0; len];
                stream.bytes(5, start as u64, &mut out);
                assert_eq!(out, all[start..start + len], "start {start}, length {len}");
            }
        }
    }

    #[test]
    fn input_values_are_the_formula() {
        for word in Stream::new(&tag("test", &[])).words(0).take(4096).chain([0, u32::MAX, 0xFF, 0xFF00_0000])
        {
            assert_eq!(i32::from(input_value(word)), (7 * four(word)) >> 4, "{word:#x}");
        }
    }

    #[test]
    fn four_spans_its_range() {
        assert_eq!([four(0), four(u32::MAX), four(0x7F80_7F80)], [-510, 510, 0]);
    }
}
