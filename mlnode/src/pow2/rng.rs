//! Random numbers as NumPy makes them: SHA-256 entropy, `SeedSequence`, PCG64 (XSL-RR), permutations.
//!
//! Source: numpy/random/bit_generator.pyx, src/pcg64, src/distributions; vectors: `fixtures/rng.json`.
use sha2::{Digest, Sha256};

/// Words of a pool of entropy.
const POOL: usize = 4;
const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

/// Entropy of a seed string: SHA-256 of `"{seed}_{i}"` for i below `hashes`, read as little-endian words.
pub fn entropy(seed: &str, hashes: u32) -> Vec<u32> {
    let digests = (0..hashes).map(|i| Sha256::digest(format!("{seed}_{i}")));
    digests.flat_map(|d| words(&d)).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// NumPy's `SeedSequence` of a list of words: its pool, out of which generators are seeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedSequence {
    /// The pool.
    pub pool: [u32; POOL],
}

fn fold(x: u32) -> u32 {
    x ^ (x >> 16)
}

fn mix(x: u32, y: u32) -> u32 {
    fold(x.wrapping_mul(0xCA01_F9DD).wrapping_sub(y.wrapping_mul(0x4973_F715)))
}

/// A hash whose constant moves on with every word.
struct Hasher {
    constant: u32,
    multiplier: u32,
}

impl Hasher {
    fn next(&mut self, word: u32) -> u32 {
        let word = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        fold(word.wrapping_mul(self.constant))
    }
}

impl SeedSequence {
    /// The sequence of these words of entropy.
    pub fn new(entropy: &[u32]) -> Self {
        let mut hash = Hasher { constant: 0x43B0_D7E5, multiplier: 0x931E_8875 };
        let mut words = entropy.iter().copied();
        let mut pool = [0; POOL].map(|_: u32| hash.next(words.next().unwrap_or(0)));
        for source in 0..POOL {
            for target in (0..POOL).filter(|target| *target != source) {
                let word = hash.next(pool.get(source).copied().unwrap_or(0));
                pool.iter_mut().skip(target).take(1).for_each(|x| *x = mix(*x, word));
            }
        }
        for word in words {
            pool.iter_mut().for_each(|x| *x = mix(*x, hash.next(word)));
        }
        Self { pool }
    }

    /// Four words of 64 bits, as `generate_state(4, uint64)` gives.
    pub fn state(&self) -> [u64; 4] {
        let mut hash = Hasher { constant: 0x8B51_F9DD, multiplier: 0x58F3_8DED };
        let mut words = self.pool.iter().cycle().map(|word| hash.next(*word));
        let mut next = || u64::from(words.next().unwrap_or(0));
        [(); 4].map(|()| next() | (next() << 32))
    }
}

/// PCG64 with XSL-RR output; the state is stepped before each output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pcg64 {
    /// State.
    pub state: u128,
    /// Increment, odd.
    pub increment: u128,
    /// High half of a word whose low half was given out.
    half: Option<u32>,
}

impl Pcg64 {
    /// Generator seeded by a string; `hashes` digests of entropy.
    pub fn from_seed(seed: &str, hashes: u32) -> Self {
        Self::new(&SeedSequence::new(&entropy(seed, hashes)))
    }

    /// Generator seeded by a sequence.
    pub fn new(sequence: &SeedSequence) -> Self {
        let [a, b, c, d] = sequence.state().map(u128::from);
        let mut pcg = Self { state: 0, increment: (((c << 64) | d) << 1) | 1, half: None };
        pcg.step();
        pcg.state = pcg.state.wrapping_add((a << 64) | b);
        pcg.step();
        pcg
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    /// Next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.step();
        ((self.state >> 64) as u64 ^ self.state as u64).rotate_right((self.state >> 122) as u32)
    }

    /// Next 32 bits: the low half of a word, then its high half.
    pub fn next_u32(&mut self) -> u32 {
        if let Some(high) = self.half.take() {
            return high;
        }
        let word = self.next_u64();
        self.half = Some((word >> 32) as u32);
        word as u32
    }

    /// Next number of `[0, 1)`, a multiple of 2^-53.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform number up to and including `max`: words are masked, and rejected above `max`.
    fn up_to(&mut self, max: u32) -> u32 {
        let mask = u32::MAX.checked_shr(max.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// `Generator.permutation(n)`: Fisher-Yates from the top.
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut p: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            p.swap(i as usize, self.up_to(i) as usize);
        }
        p
    }
}
