//! From logits to a distance, and from a distance to a leaf.
use sha2::{Digest, Sha256};

use crate::hash::Hash;

/// A distance on the unit sphere in units of 2^-32; between 0 and 2^33.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distance(
    /// Units of 2^-32.
    pub u64,
);

/// The distance below which a nonce is a hit, in units of 2^-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RTarget(
    /// Units of 2^-32.
    pub u64,
);

impl Distance {
    /// Farthest point: 2.
    pub const MAX: Self = Self(1 << 33);

    /// `D < r_target`.
    pub fn is_hit(self, r_target: RTarget) -> bool {
        self.0 < r_target.0
    }
}

/// What a commitment holds of one nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// The nonce, which is also the leaf's index.
    pub nonce: u64,
    /// Its distance.
    pub distance: Distance,
    /// SHA-256 of its logits as little-endian i32, not permuted.
    pub logits_hash: Hash,
}

impl Leaf {
    /// [`leaf_hash`] of its fields.
    pub fn hash(&self) -> Hash {
        leaf_hash(self.nonce, self.distance, &self.logits_hash)
    }
}

/// Distance of permuted logits to the target, in units of 2^-32:
/// `dot = sum l[perm[i]] t[i]`, `q = isqrt((sum l^2)(sum t^2))`, `c = clamp(floor(dot 2^32 / q), +-2^32)`,
/// `D = isqrt((2 (2^32 - c)) << 32)`; 2^33 for q = 0.
///
/// # Shapes
/// `logits`, `permutation`, `target`: `[V]`; the values of a valid shape's network and target, so that 128 bits hold
/// every intermediate.
pub fn distance(logits: &[i32], permutation: &[u32], target: &[i32]) -> Distance {
    let square = |x: &i32| u128::from(x.unsigned_abs()).pow(2);
    let permuted = permutation.iter().map(|p| i128::from(logits[*p as usize]));
    let dot: i128 = permuted.zip(target).map(|(l, t)| l * i128::from(*t)).sum();
    distance_of(dot, logits.iter().map(square).sum::<u128>(), target.iter().map(square).sum::<u128>())
}

/// [`distance`] from the sums `l[perm[i]] t[i]`, `l^2` and `t^2`.
pub fn distance_of(dot: i128, logits: u128, target: u128) -> Distance {
    chord(dot, (logits * target).isqrt())
}

/// Chord between directions of scalar product `dot / q`.
fn chord(dot: i128, q: u128) -> Distance {
    const ONE: i128 = 1 << 32;
    if q == 0 {
        return Distance::MAX;
    }
    let c = (dot * ONE).div_euclid(q as i128).clamp(-ONE, ONE);
    Distance((((2 * (ONE - c)) as u128) << 32).isqrt() as u64)
}

/// Logits as little-endian i32.
pub fn logits_bytes(logits: &[i32]) -> Vec<u8> {
    logits.iter().flat_map(|l| l.to_le_bytes()).collect()
}

/// SHA-256 of the logits as little-endian i32.
pub fn logits_hash(logits: &[i32]) -> Hash {
    let mut hasher = Sha256::new();
    let mut bytes = [0; 1024];
    for part in logits.chunks(bytes.len() / 4) {
        let bytes = &mut bytes[..4 * part.len()];
        bytes.chunks_exact_mut(4).zip(part).for_each(|(out, l)| out.copy_from_slice(&l.to_le_bytes()));
        hasher.update(bytes);
    }
    hasher.finalize().into()
}

/// `SHA-256(0x00 || be64(nonce) || be64(D) || logits_hash)`.
pub fn leaf_hash(nonce: u64, distance: Distance, logits_hash: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(nonce.to_be_bytes());
    hasher.update(distance.0.to_be_bytes());
    hasher.update(logits_hash);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: [u32; 4] = [0, 1, 2, 3];

    #[test]
    fn corners() {
        for (name, logits, target, want) in [
            ("no logits: q = 0", [0; 4], [1, 2, 3, 4], 1 << 33),
            ("no target: q = 0", [1, 2, 3, 4], [0; 4], 1 << 33),
            ("same direction", [2, 4, 6, 8], [1, 2, 3, 4], 0),
            ("opposite", [-1, -2, -3, -4], [1, 2, 3, 4], 1 << 33),
            ("orthogonal: sqrt 2", [1, 0, 0, 0], [0, 1, 0, 0], 6_074_000_999),
        ] {
            assert_eq!(distance(&logits, &IDENTITY, &target).0, want, "{name}");
        }
    }

    #[test]
    fn a_cosine_above_one_is_clamped() {
        // q is rounded down, so the quotient can pass 1.
        assert_eq!(chord(2, 1), Distance(0));
        assert_eq!(chord(-2, 1), Distance(1 << 33));
        assert_eq!(distance(&[1, 1, 0, 0], &IDENTITY, &[1, 2, 0, 0]), Distance(0), "3 / isqrt(10) is 1");
    }

    #[test]
    fn the_cosine_is_floored() {
        // dot = -1, q = 3: floor(-2^32 / 3) = -1431655766, one below truncation.
        assert_eq!(chord(-1, 3).0, ((2u128 * ((1 << 32) + 1_431_655_766)) << 32).isqrt() as u64);
    }

    #[test]
    fn the_permutation_moves_logits() {
        let (l, t) = ([7, 0, 0, 0], [0, 0, 5, 0]);
        assert_eq!(distance(&l, &[1, 2, 0, 3], &t), Distance(0), "l[perm[2]] = l[0] meets t[2]");
    }

    #[test]
    fn a_hit_is_strictly_below() {
        let d = Distance(5);
        assert_eq!([4, 5, 6].map(|r| d.is_hit(RTarget(r))), [false, false, true]);
    }
}
