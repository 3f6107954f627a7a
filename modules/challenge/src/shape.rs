//! Shape of a network: thirteen numbers, valid only together.
use crate::hash::{Hash, tag};

/// The numbers of a shape, not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShapeParams {
    /// `d`, width of the residual stream.
    pub dim: u32,
    /// `L`, layers.
    pub layers: u32,
    /// `H`, attention heads.
    pub heads: u32,
    /// `f`, width of the gated feed-forward part.
    pub ffn: u32,
    /// `V`, outputs.
    pub vocab: u32,
    /// `T`, input positions.
    pub seq: u32,
    /// Largest magnitude of an activation.
    pub amax: u32,
    /// Weights are the odd numbers of magnitude at most `2^wbits - 1`.
    pub wbits: u32,
    /// `sQ`, shift after q, k, v, gate and up.
    pub shift_q: u32,
    /// `sO`, shift after the output of attention.
    pub shift_o: u32,
    /// `sD`, shift after the output of the feed-forward part.
    pub shift_d: u32,
    /// `sS`, shift of attention scores.
    pub shift_s: u32,
    /// `sM`, shift of the gated product.
    pub shift_m: u32,
}

/// Why a shape is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// A field is out of its range: name, value, smallest, largest.
    Range(&'static str, u32, u32, u32),
    /// `heads` does not divide `dim`, or `dim / heads` is odd: dim, heads.
    Heads(u32, u32),
    /// `kv_heads` does not divide `heads` (profile `pow2-f16`): heads, kv_heads.
    KvHeads(u32, u32),
    /// `amax * wmax * max(dim, ffn)` is 2^24 or more, so that sums would not be exact in f32.
    Inexact(u64),
    /// A matrix or the input has more values than its stream: name, values, largest.
    Stream(&'static str, u64, u64),
}

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Range(name, value, min, max) => {
                write!(f, "{name} is {value}, must be between {min} and {max}")
            }
            Self::Heads(dim, heads) => {
                write!(f, "heads {heads} must divide dim {dim} into even parts")
            }
            Self::KvHeads(heads, kv_heads) => write!(f, "kv_heads {kv_heads} must divide heads {heads}"),
            Self::Inexact(sum) => {
                write!(f, "amax * wmax * max(dim, ffn) is {sum}, must be below {EXACT_LIMIT}")
            }
            Self::Stream(name, values, max) => {
                write!(f, "{name} needs {values} values of one stream, at most {max}")
            }
        }
    }
}

impl std::error::Error for ShapeError {}

/// Sums below this are exact in f32, in any order.
const EXACT_LIMIT: u64 = 1 << 24;
/// Bytes of a sub-stream: 2^32 blocks of 16.
const STREAM_BYTES: u64 = 1 << 36;
/// Largest number of layers whose sub-streams `8 l + m` and `8 L` fit 32 bits.
const LAYERS_MAX: u32 = (1 << 29) - 1;

const fn params(name: &'static str, n: [u32; 13]) -> (&'static str, ShapeParams) {
    let [dim, layers, heads, ffn, vocab, seq, amax, wbits, shift_q, shift_o, shift_d, shift_s, shift_m] = n;
    let shape = ShapeParams {
        dim,
        layers,
        heads,
        ffn,
        vocab,
        seq,
        amax,
        wbits,
        shift_q,
        shift_o,
        shift_d,
        shift_s,
        shift_m,
    };
    (name, shape)
}

/// The built-in shapes, by name. The table is normative; `tests/shapes.rs` shows where the shifts come from.
pub const BUILT_IN: [(&str, ShapeParams); 5] = [
    params("micro", [64, 2, 2, 160, 256, 8, 15, 7, 9, 5, 5, 2, 2]),
    params("local", [128, 4, 4, 384, 512, 16, 15, 7, 10, 5, 6, 2, 2]),
    params("cpu", [512, 8, 8, 1536, 2048, 32, 15, 7, 11, 6, 7, 2, 2]),
    params("gpu-5b", [4096, 32, 32, 8192, 8192, 128, 15, 7, 12, 8, 8, 3, 2]),
    params("gpu-18b", [1792, 64, 64, 49152, 8196, 256, 7, 5, 10, 4, 6, 0, 1]),
];

/// A valid shape. Reads as its [`ShapeParams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape(ShapeParams);

impl std::ops::Deref for Shape {
    type Target = ShapeParams;
    fn deref(&self) -> &ShapeParams {
        &self.0
    }
}

impl TryFrom<ShapeParams> for Shape {
    type Error = ShapeError;
    fn try_from(params: ShapeParams) -> Result<Self, ShapeError> {
        Self::try_new(params)
    }
}

impl Shape {
    /// The shape, if it is valid: H divides d into even parts, `amax * wmax * max(d, f) < 2^24`, V >= 2,
    /// 1 <= T <= 1024, 1 <= wbits <= 7, 1 <= amax <= 47, shifts <= 30, and no stream runs out of its 2^32 blocks.
    ///
    /// # Errors
    /// [`ShapeError`] with the first rule broken.
    pub fn try_new(p: ShapeParams) -> Result<Self, ShapeError> {
        for (name, value, min, max) in [
            ("dim", p.dim, 1, u32::MAX),
            ("layers", p.layers, 1, LAYERS_MAX),
            ("heads", p.heads, 1, u32::MAX),
            ("ffn", p.ffn, 1, u32::MAX),
            ("vocab", p.vocab, 2, u32::MAX),
            ("seq", p.seq, 1, 1024),
            ("amax", p.amax, 1, 47),
            ("wbits", p.wbits, 1, 7),
            ("shift_q", p.shift_q, 0, 30),
            ("shift_o", p.shift_o, 0, 30),
            ("shift_d", p.shift_d, 0, 30),
            ("shift_s", p.shift_s, 0, 30),
            ("shift_m", p.shift_m, 0, 30),
        ] {
            if value < min || value > max {
                return Err(ShapeError::Range(name, value, min, max));
            }
        }
        if !p.dim.is_multiple_of(p.heads) || !(p.dim / p.heads).is_multiple_of(2) {
            return Err(ShapeError::Heads(p.dim, p.heads));
        }
        let sum = u64::from(p.amax) * ((1 << p.wbits) - 1) * u64::from(p.dim.max(p.ffn));
        if sum >= EXACT_LIMIT {
            return Err(ShapeError::Inexact(sum));
        }
        let area = |a: u32, b: u32| u64::from(a) * u64::from(b);
        for (name, values, max) in [
            ("an attention matrix", area(p.dim, p.dim), STREAM_BYTES),
            ("a feed-forward matrix", area(p.dim, p.ffn), STREAM_BYTES),
            ("the head", area(p.dim, p.vocab), STREAM_BYTES),
            ("the input", area(p.dim, p.seq), STREAM_BYTES / 4),
        ] {
            if values > max {
                return Err(ShapeError::Stream(name, values, max));
            }
        }
        Ok(Self(p))
    }

    /// The built-in shape of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let (_, params) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        Self::try_new(*params).ok()
    }

    /// Name of the shape, if it is built in.
    pub fn name(&self) -> Option<&'static str> {
        BUILT_IN.iter().find(|(_, p)| *p == self.0).map(|(name, _)| *name)
    }

    /// `tag("shape", be32 of d, L, H, f, V, T, amax, wbits, sQ, sO, sD, sS, sM)`.
    pub fn hash(&self) -> Hash {
        let p = &self.0;
        let numbers = [
            p.dim, p.layers, p.heads, p.ffn, p.vocab, p.seq, p.amax, p.wbits, p.shift_q, p.shift_o,
            p.shift_d, p.shift_s, p.shift_m,
        ];
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        tag("shape", &[&bytes])
    }

    /// `hd = d / H`, width of a head.
    pub fn head_dim(&self) -> usize {
        (self.dim / self.heads) as usize
    }

    /// `wmax = 2^wbits - 1`.
    pub fn wmax(&self) -> i32 {
        (1 << self.wbits) - 1
    }

    /// Number of weights: `L (4 d^2 + 3 d f) + V d`, saturating.
    pub fn weights(&self) -> u64 {
        let [d, f, v, l] = [self.dim, self.ffn, self.vocab, self.layers].map(u64::from);
        (4 * d * d + 3 * d * f).saturating_mul(l).saturating_add(v * d)
    }

    /// Multiplications of a weight with an activation that one nonce needs, the savings at the last position taken;
    /// saturating. Twice that many operations.
    pub fn products(&self) -> u64 {
        let [d, f, v, l, t] = [self.dim, self.ffn, self.vocab, self.layers, self.seq].map(u64::from);
        let whole = (4 * d * d + 3 * d * f).saturating_mul(t).saturating_mul(l - 1);
        let last = (2 * d * d).saturating_mul(t).saturating_add(2 * d * d + 3 * d * f);
        whole.saturating_add(last).saturating_add(v * d)
    }
}
