//! What a chain knows of profile `pow2-f16`, in integers: the shape of its network, which hits are sampled, when one is bad.
//! The network itself is computed in floats, by compute nodes alone.
use crate::cap::{VOCAB_MAX, VOCAB_MIN};
use crate::distance::{Distance, RTarget};
use crate::draw::{Position, Sample};
use crate::hash::{Address, Hash, chain_tag, first_u64, prefixed};
use crate::shape::ShapeError;

/// The numbers of a float network's shape, not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FloatShapeParams {
    /// Width of the residual stream.
    pub dim: u32,
    /// Layers.
    pub layers: u32,
    /// Heads of queries.
    pub heads: u32,
    /// Heads of keys and values, each shared by `heads / kv_heads` heads of queries.
    pub kv_heads: u32,
    /// Width of the feed-forward part.
    pub hidden: u32,
    /// Outputs.
    pub vocab: u32,
    /// Input positions.
    pub seq: u32,
    /// Added to the mean square in a norm, in units of 10^-9.
    pub norm_eps: u32,
    /// Base of the rotary positions' frequencies.
    pub rope_theta: u32,
}

const fn params(n: [u32; 7]) -> FloatShapeParams {
    let [dim, layers, heads, kv_heads, hidden, vocab, seq] = n;
    FloatShapeParams {
        dim,
        layers,
        heads,
        kv_heads,
        hidden,
        vocab,
        seq,
        norm_eps: 10_000,
        rope_theta: 10_000,
    }
}

/// The built-in shapes, by name: that of the vectors, one for a local network, one that a processor computes in milliseconds,
/// and the one of 2.95 billion parameters.
pub const FLOAT_BUILT_IN: [(&str, FloatShapeParams); 4] = [
    ("tiny", params([64, 2, 4, 2, 224, 128, 8])),
    ("local", params([128, 4, 4, 4, 384, 512, 16])),
    ("small", params([256, 8, 8, 8, 1024, 1024, 16])),
    ("3b", params([1024, 32, 32, 32, 28_672, 8196, 128])),
];

/// A valid shape. Reads as its [`FloatShapeParams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FloatShape(FloatShapeParams);

impl std::ops::Deref for FloatShape {
    type Target = FloatShapeParams;
    fn deref(&self) -> &FloatShapeParams {
        &self.0
    }
}

impl FloatShape {
    /// The shape, if its numbers fit together and are no larger than any device could compute.
    ///
    /// # Errors
    /// [`ShapeError`] with the first rule broken.
    pub fn try_new(p: FloatShapeParams) -> Result<Self, ShapeError> {
        for (name, value, min, max) in [
            ("dim", p.dim, 2, 1 << 16),
            ("layers", p.layers, 1, 1 << 10),
            ("heads", p.heads, 1, 1 << 10),
            ("kv_heads", p.kv_heads, 1, 1 << 10),
            ("hidden", p.hidden, 1, 1 << 20),
            ("vocab", p.vocab, VOCAB_MIN, VOCAB_MAX),
            ("seq", p.seq, 1, 1 << 12),
            ("norm_eps", p.norm_eps, 1, 1_000_000_000),
            ("rope_theta", p.rope_theta, 1, 1_000_000_000),
        ] {
            if value < min || value > max {
                return Err(ShapeError::Range(name, value, min, max));
            }
        }
        if !p.dim.is_multiple_of(p.heads) || !(p.dim / p.heads).is_multiple_of(2) {
            return Err(ShapeError::Heads(p.dim, p.heads));
        }
        if !p.heads.is_multiple_of(p.kv_heads) {
            return Err(ShapeError::KvHeads(p.heads, p.kv_heads));
        }
        Ok(Self(p))
    }

    /// The built-in shape of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let (_, params) = FLOAT_BUILT_IN.iter().find(|(n, _)| *n == name)?;
        Self::try_new(*params).ok()
    }

    /// Name of the shape, if it is built in.
    pub fn name(&self) -> Option<&'static str> {
        FLOAT_BUILT_IN.iter().find(|(_, p)| *p == self.0).map(|(name, _)| *name)
    }

    /// `SHA-256("geodesic/pow2-f16/1/shape" || 0x00 || be32 of d, L, H, KV, f, V, T, norm_eps, rope_theta)`.
    pub fn hash(&self) -> Hash {
        let p = &self.0;
        let numbers =
            [p.dim, p.layers, p.heads, p.kv_heads, p.hidden, p.vocab, p.seq, p.norm_eps, p.rope_theta];
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        prefixed("geodesic/pow2-f16/1/", "shape", &[&bytes])
    }
}

/// Most samples that one auditor takes of a prover.
pub const HIT_SAMPLES_MAX: u32 = 256;

/// The samples of the auditor with VRF output `a_i` for `prover` under profile `pow2-f16`: hits alone, each at most once, one
/// in each of `m = min(n, N)` strata of the N hits. `u = u64(tag("sample", a_i, j, be32(k)))`; sample k is the hit of number
/// `lo + floor(u (hi - lo) / 2^64)`, `lo = floor(k N / m)`, `hi = floor((k + 1) N / m)`.
pub fn sample_hits(a_i: &Hash, prover: &Address, n: u32, total_hits: u64) -> Vec<Sample> {
    let m = u64::from(n).min(total_hits) as u32; // no larger than n
    let edge = |k: u32| (u128::from(k) * u128::from(total_hits) / u128::from(m)) as u64; // at most N
    let sample = |k: u32| {
        let u = first_u64(&chain_tag("sample", &[a_i, prover, &k.to_be_bytes()]));
        let (lo, width) = (edge(k), edge(k + 1) - edge(k));
        let within = ((u128::from(u) * u128::from(width)) >> 64) as u64;
        Sample { k, position: Position::Hit(lo + within) }
    };
    (0..m).map(sample).collect()
}

/// True if a sampled hit does not stand under profile `pow2-f16`: its distance, re-computed, is above `r_target + eps`.
pub fn is_bad(distance: Distance, r_target: RTarget, eps: u64) -> bool {
    distance.0 > r_target.0.saturating_add(eps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_shapes_are_valid_and_known_by_their_names() {
        for (name, _) in FLOAT_BUILT_IN {
            assert_eq!(FloatShape::by_name(name).unwrap().name(), Some(name));
        }
        assert_eq!(FloatShape::by_name("huge"), None);
    }

    #[test]
    fn a_hit_is_bad_above_the_target_and_its_tolerance() {
        for (name, distance, want) in
            [("below", 99, false), ("at the edge", 110, false), ("above", 111, true), ("none", 1 << 33, true)]
        {
            assert_eq!(is_bad(Distance(distance), RTarget(100), 10), want, "{name}");
        }
    }
}
