//! What follows from strings: the inputs, permutations and the target of a challenge.
use half::f16;

use super::error::Error;
use super::rng::Pcg64;

/// Longest seed string part, in bytes: a block hash, or a public key.
pub const SEED_BYTES_MAX: usize = 256;

/// How an input, drawn in f64, is rounded before the network reads it as f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputType {
    /// To f16: the profile.
    F16,
    /// To f32, for comparison.
    F32,
}

impl InputType {
    /// The type of this name.
    ///
    /// # Errors
    /// [`Error::Value`], naming the types there are.
    pub fn by_name(name: &str) -> Result<Self, Error> {
        match name {
            "f16" => Ok(Self::F16),
            "f32" => Ok(Self::F32),
            _ => Err(Error::value("input type", name, "f16 or f32")),
        }
    }

    /// `x`, rounded. f16 is made from the f32, as PyTorch does.
    pub fn round(self, x: f64) -> f32 {
        match self {
            Self::F16 => f16::from_f32(x as f32).to_f32(),
            Self::F32 => x as f32,
        }
    }
}

/// Checks that a part of a seed string is not empty and not too long.
///
/// # Errors
/// [`Error::Value`].
pub fn check_seed(name: &'static str, seed: &str) -> Result<(), Error> {
    if seed.is_empty() || seed.len() > SEED_BYTES_MAX {
        return Err(Error::value(name, seed.len(), format!("1 to {SEED_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Input of a nonce: `count` standard normals, rounded.
pub fn input(hash: &str, key: &str, nonce: u64, count: usize, kind: InputType) -> Vec<f32> {
    let mut rng = Pcg64::from_seed(&format!("{hash}_{key}_nonce{nonce}"), 4);
    rng.normals(count).map(|x| kind.round(x)).collect()
}

/// Permutation of a nonce's `vocab` logits.
pub fn permutation(hash: &str, key: &str, nonce: u64, vocab: u32) -> Vec<u32> {
    Pcg64::from_seed(&format!("{hash}_{key}_nonce_{nonce}_permutations"), 1).permutation(vocab)
}

/// Sum in NumPy's order: halves of multiples of eight down to 128 values, eight running sums within.
fn pairwise_sum(x: &[f64]) -> f64 {
    if x.len() > 128 {
        let half = x.len() / 2;
        let (left, right) = x.split_at(half - half % 8);
        return pairwise_sum(left) + pairwise_sum(right);
    }
    let (eights, rest) = x.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, x)| *sum += x);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, x| sum + x)
}

/// Target of a block hash: `vocab` standard normals, scaled to length 1.
pub fn target(hash: &str, vocab: u32) -> Vec<f64> {
    let x: Vec<f64> = Pcg64::from_seed(&format!("{hash}_target"), 1).normals(vocab as usize).collect();
    let squares: Vec<f64> = x.iter().map(|x| x * x).collect();
    let norm = pairwise_sum(&squares).sqrt();
    x.into_iter().map(|x| x / norm).collect()
}
