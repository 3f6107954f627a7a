//! Shape of the float network, and the parameters that follow from it.
use geodesic_challenge::{FLOAT_BUILT_IN, FloatShape, FloatShapeParams};

use super::error::Error;

/// The numbers of a shape, not yet checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShapeParams {
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
    /// Added to the mean square in a norm.
    pub norm_eps: f32,
    /// Base of the rotary positions' frequencies.
    pub rope_theta: f32,
}

/// A valid shape. Reads as its [`ShapeParams`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape(ShapeParams);

impl std::ops::Deref for Shape {
    type Target = ShapeParams;
    fn deref(&self) -> &ShapeParams {
        &self.0
    }
}

/// A named parameter: a matrix `[rows, columns]`, or a norm's weights, `rows` = 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, as the published implementation has it: it decides the values.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

impl From<FloatShapeParams> for ShapeParams {
    fn from(p: FloatShapeParams) -> Self {
        Self {
            dim: p.dim,
            layers: p.layers,
            heads: p.heads,
            kv_heads: p.kv_heads,
            hidden: p.hidden,
            vocab: p.vocab,
            seq: p.seq,
            norm_eps: (f64::from(p.norm_eps) / 1e9) as f32,
            rope_theta: p.rope_theta as f32,
        }
    }
}

impl From<FloatShape> for Shape {
    fn from(shape: FloatShape) -> Self {
        // What is valid on a chain is valid here: the same rules, and fewer outputs.
        Self((*shape).into())
    }
}

/// Smallest pool of weights.
const POOL_MIN: u64 = 50_000;

impl Shape {
    /// The shape, if its numbers fit together and are no larger than any device could compute.
    ///
    /// # Errors
    /// [`Error::Value`] with the first rule broken.
    pub fn try_new(p: ShapeParams) -> Result<Self, Error> {
        for (name, value, min, max) in [
            ("dim", p.dim, 2, 1 << 16),
            ("layers", p.layers, 1, 1 << 10),
            ("heads", p.heads, 1, 1 << 10),
            ("kv_heads", p.kv_heads, 1, 1 << 10),
            ("hidden", p.hidden, 1, 1 << 20),
            ("vocab", p.vocab, 2, 1 << 20),
            ("seq", p.seq, 1, 1 << 12),
        ] {
            if value < min || value > max {
                return Err(Error::value(name, value, format!("{min} to {max}")));
            }
        }
        if !p.dim.is_multiple_of(p.heads) || !(p.dim / p.heads).is_multiple_of(2) {
            let expected = format!("a number that divides dim {} into even parts", p.dim);
            return Err(Error::value("heads", p.heads, expected));
        }
        if !p.heads.is_multiple_of(p.kv_heads) {
            let expected = format!("a number that divides heads {}", p.heads);
            return Err(Error::value("kv_heads", p.kv_heads, expected));
        }
        for (name, value, min, max) in
            [("norm_eps", p.norm_eps, 1e-12, 1.0), ("rope_theta", p.rope_theta, 1.0, 1e9)]
        {
            // Written so that NaN is refused.
            if !(value >= min && value <= max) {
                return Err(Error::value(name, value, format!("{min} to {max}")));
            }
        }
        Ok(Self(p))
    }

    /// The built-in shape of this name.
    ///
    /// # Errors
    /// [`Error::Value`], naming the shapes there are.
    pub fn by_name(name: &str) -> Result<Self, Error> {
        let found = FloatShape::by_name(name).map(Self::from);
        found.ok_or_else(|| Error::value("shape", name, FLOAT_BUILT_IN.map(|(n, _)| n).join(", ")))
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        (self.dim / self.heads) as usize
    }

    /// Width of all keys of a position.
    pub fn kv_dim(&self) -> usize {
        self.head_dim() * self.kv_heads as usize
    }

    /// Values of a nonce's input.
    pub fn input_len(&self) -> usize {
        self.seq as usize * self.dim as usize
    }

    /// All parameters, in the published order; the embeddings are counted, and never used.
    pub fn parameters(&self) -> Vec<Parameter> {
        let [d, f, v] = [self.dim, self.hidden, self.vocab].map(|x| x as usize);
        let kv = self.kv_dim();
        let one = |name: String, rows, columns| Parameter { name, rows, columns };
        let mut all = vec![one("tok_embeddings.weight".into(), v, d)];
        for l in 0..self.layers {
            let of_layer = [
                ("attention.wq", d, d),
                ("attention.wk", kv, d),
                ("attention.wv", kv, d),
                ("attention.wo", d, d),
                ("feed_forward.w1", f, d),
                ("feed_forward.w2", d, f),
                ("feed_forward.w3", f, d),
                ("attention_norm", 1, d),
                ("ffn_norm", 1, d),
            ];
            all.extend(
                of_layer.map(|(name, rows, columns)| one(format!("layers.{l}.{name}.weight"), rows, columns)),
            );
        }
        all.push(one("norm.weight".into(), 1, d));
        all.push(one("output.weight".into(), v, d));
        all
    }

    /// Number of all parameters' values; below 2^50.
    pub fn total(&self) -> u64 {
        let [d, f, v, l] = [self.dim, self.hidden, self.vocab, self.layers].map(u64::from);
        let kv = self.kv_dim() as u64;
        l * (2 * d * d + 2 * kv * d + 3 * d * f + 2 * d) + 2 * v * d + d
    }

    /// Values of the pool: 5 % of all parameters, at least 50,000.
    pub fn pool(&self) -> u64 {
        (self.total() / 20).max(POOL_MIN)
    }

    /// Bytes that weights need: the pool, the largest parameter where it is larger than the pool, rotary positions and
    /// the target.
    pub fn weight_bytes(&self) -> u64 {
        let [d, f, v, t] = [self.dim, self.hidden, self.vocab, self.seq].map(u64::from);
        let largest = d * f.max(v).max(d);
        let tiled = if largest > self.pool() { largest } else { 0 };
        4 * (self.pool() + tiled + t * self.head_dim() as u64 + 4 * v)
    }

    /// Bytes that a nonce needs while it is computed, an upper bound.
    pub fn nonce_bytes(&self) -> u64 {
        let [d, f, v, t] = [self.dim, self.hidden, self.vocab, self.seq].map(u64::from);
        4 * (t * (8 * d + 2 * f + 1) + 4 * v)
    }
}
