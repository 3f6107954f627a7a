//! Philox4x32-10 streams and what is read from a nonce's and an epoch's: input, target, permutation.
use crate::hash::{Hash, tag};
use crate::shape::Shape;

/// The streams of one hash. Block `i` of sub-stream `s` is Philox4x32-10 with key `(le32 h[0..4], le32 h[4..8])` and
/// counter `(i, s, le32 h[8..12], le32 h[12..16])`; any block can be had alone.
///
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
#[derive(Clone, Copy, Debug)]
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
        let mut x = [index, sub, self.rest[0], self.rest[1]];
        let mut key = self.key;
        for _ in 0..10 {
            let a = u64::from(x[0]) * 0xD251_1F53;
            let b = u64::from(x[2]) * 0xCD9E_8D57;
            x = [(b >> 32) as u32 ^ x[1] ^ key[0], b as u32, (a >> 32) as u32 ^ x[3] ^ key[1], a as u32];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        x
    }

    /// The words of sub-stream `sub`, from its first.
    pub fn words(&self, sub: u32) -> impl Iterator<Item = u32> + use<> {
        let stream = *self;
        (0..=u32::MAX).flat_map(move |index| stream.block(sub, index))
    }

    /// Calls `put(word)` for the first `count` words of sub-stream `sub`.
    fn each_word(&self, sub: u32, count: usize, mut put: impl FnMut(u32)) {
        for index in 0..count.div_ceil(4) {
            let left = count - 4 * index;
            self.block(sub, index as u32).into_iter().take(left).for_each(&mut put);
        }
    }

    /// Fills `out` with the bytes of sub-stream `sub` from byte `start` (below 2^36) on.
    pub fn bytes(&self, sub: u32, start: u64, out: &mut [u8]) {
        let (mut index, mut skip) = ((start / 16) as u32, (start % 16) as usize);
        let mut rest = out;
        while !rest.is_empty() {
            let mut block = [0; 16];
            for (bytes, word) in block.chunks_exact_mut(4).zip(self.block(sub, index)) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            let (now, later) = rest.split_at_mut(rest.len().min(16 - skip));
            now.copy_from_slice(&block[skip..skip + now.len()]);
            (rest, skip, index) = (later, 0, index.wrapping_add(1));
        }
    }
}

/// Sum of the four bytes of `word`, less 510: nearly normal, symmetric, magnitude at most 510.
#[inline]
pub(crate) fn four(word: u32) -> i32 {
    let [a, b, c, d] = word.to_le_bytes().map(i32::from);
    a + b + c + d - 510
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

/// Permutation of a nonce, `[V]`: Fisher-Yates from the top, on the words of sub-stream 1.
pub fn permutation(shape: &Shape, nonce_hash: &Hash) -> Vec<u32> {
    let mut words = Stream::new(nonce_hash).words(1);
    let mut p: Vec<u32> = (0..shape.vocab).collect();
    for i in (1..shape.vocab).rev() {
        p.swap(i as usize, below(i + 1, &mut words) as usize);
    }
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
        let all: Vec<u8> = stream.words(5).take(64).flat_map(u32::to_le_bytes).collect();
        for start in [0, 1, 15, 16, 17, 100] {
            for len in [0, 1, 15, 16, 33, 100] {
                let mut out = vec![0; len];
                stream.bytes(5, start as u64, &mut out);
                assert_eq!(out, all[start..start + len], "start {start}, length {len}");
            }
        }
    }

    #[test]
    fn four_spans_its_range() {
        assert_eq!([four(0), four(u32::MAX), four(0x7F80_7F80)], [-510, 510, 0]);
    }
}
