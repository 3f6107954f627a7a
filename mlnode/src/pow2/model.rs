//! The network in f32: Llama's layout on slices, matrix products by the `gemm` crate.
//!
//! ```text
//! norm(h, w) = h / sqrt(mean(h^2) + eps) * w
//! h += Wo attention(rope(Wq a), rope(Wk a), Wv a),  a = norm(h);     h += W2 (silu(W1 a) * W3 a),  a = norm(h)
//! logits = Wout norm(h) of the last position;        exp, cos, sin, pow come from the libm crate
//! ```
// Lengths are checked where values enter, and every index below follows from the shape.
#![allow(clippy::indexing_slicing)]
use super::error::Error;
use super::shape::{Parameter, Shape};
use super::weights::Weights;
use crate::kernels::float::gemm_nt;

/// The network of one shape and block hash.
#[derive(Debug)]
pub struct Model {
    shape: Shape,
    weights: Weights,
    /// Cosine and sine of every position and pair, `[T, hd / 2, 2]`.
    turns: Vec<[f32; 2]>,
}

/// Cosine and sine of each pair of a head at a position.
pub fn turns(shape: &Shape, position: u32) -> Vec<[f32; 2]> {
    let hd = shape.head_dim();
    let turn = |pair: usize| {
        let exponent = (2 * pair) as f32 / hd as f32;
        let frequency = 1.0 / libm::pow(shape.rope_theta.into(), exponent.into()) as f32;
        let angle = f64::from(position as f32 * frequency);
        [libm::cos(angle) as f32, libm::sin(angle) as f32]
    };
    (0..hd / 2).map(turn).collect()
}

impl Model {
    /// A network with these weights.
    pub fn new(shape: Shape, weights: Weights) -> Self {
        Self { shape, weights, turns: (0..shape.seq).flat_map(|t| turns(&shape, t)).collect() }
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Logits `[nonces, V]` of inputs `[nonces, T, d]`.
    ///
    /// # Errors
    /// [`Error::Value`] if the input is no whole number of nonces.
    pub fn logits(&self, input: &[f32]) -> Result<Vec<f32>, Error> {
        self.logits_after(input, self.shape.layers)
    }

    /// Logits after the first `layers` layers alone: what a cheat would compute.
    ///
    /// # Errors
    /// [`Error::Value`] if the input is no whole number of nonces, or there are fewer layers.
    pub fn logits_after(&self, input: &[f32], layers: u32) -> Result<Vec<f32>, Error> {
        let (d, size) = (self.shape.dim as usize, self.shape.input_len());
        if input.is_empty() || !input.len().is_multiple_of(size) {
            return Err(Error::value("length of input", input.len(), format!("a multiple of {size}")));
        }
        if layers > self.shape.layers {
            return Err(Error::value("layers", layers, format!("at most {}", self.shape.layers)));
        }
        let mut h = input.to_vec();
        for l in 0..layers {
            h = self.layer(h, l, l + 1 == layers);
        }
        if layers == 0 {
            h = last_rows(&h, size, d);
        }
        let a = self.norm(&h, "norm");
        Ok(self.product(&a, "output", self.shape.vocab as usize))
    }

    fn values(&self, name: &str, rows: usize, columns: usize) -> std::borrow::Cow<'_, [f32]> {
        self.weights.values(&Parameter { name: format!("{name}.weight"), rows, columns })
    }

    /// `a W^T` for a matrix of `out` rows.
    fn product(&self, a: &[f32], name: &str, out: usize) -> Vec<f32> {
        self.product_of(a, name, out, self.shape.dim as usize)
    }

    fn product_of(&self, a: &[f32], name: &str, out: usize, columns: usize) -> Vec<f32> {
        let rows = a.len() / columns;
        let mut product = vec![0.0; rows * out];
        gemm_nt(a, &self.values(name, out, columns), &mut product, (rows, out, columns));
        product
    }

    fn norm(&self, h: &[f32], name: &str) -> Vec<f32> {
        let d = self.shape.dim as usize;
        let w = self.values(name, 1, d);
        let mut out = Vec::with_capacity(h.len());
        for row in h.chunks_exact(d) {
            let mean = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / d as f64;
            let scale = 1.0 / (mean as f32 + self.shape.norm_eps).sqrt();
            out.extend(row.iter().zip(w.iter()).map(|(x, w)| x * scale * w));
        }
        out
    }

    /// One layer; the last one that is computed leaves only the last position, because nothing later reads the others.
    fn layer(&self, h: Vec<f32>, l: u32, last: bool) -> Vec<f32> {
        let (d, kv, f) = (self.shape.dim as usize, self.shape.kv_dim(), self.shape.hidden as usize);
        let name = |part: &str| format!("layers.{l}.{part}");
        let mut a = self.norm(&h, &name("attention_norm"));
        let mut k = self.product(&a, &name("attention.wk"), kv);
        let v = self.product(&a, &name("attention.wv"), kv);
        let (mut h, mut first) = (h, 0);
        if last {
            let size = self.shape.input_len();
            (a, h) = (last_rows(&a, size, d), last_rows(&h, size, d));
            first = self.shape.seq as usize - 1;
        }
        let mut q = self.product(&a, &name("attention.wq"), d);
        self.rope(&mut q, d, first);
        self.rope(&mut k, kv, 0);
        let o = self.attention(&q, &k, &v, first);
        add(&mut h, &self.product(&o, &name("attention.wo"), d));

        let a = self.norm(&h, &name("ffn_norm"));
        let mut m = self.product(&a, &name("feed_forward.w1"), f);
        let up = self.product(&a, &name("feed_forward.w3"), f);
        m.iter_mut().zip(&up).for_each(|(g, u)| *g *= u / (1.0 + libm::expf(-*g)));
        add(&mut h, &self.product_of(&m, &name("feed_forward.w2"), d, f));
        h
    }

    /// Turns the pairs of every head of rows of `width`, whose positions are `first..T`, nonce by nonce.
    fn rope(&self, x: &mut [f32], width: usize, first: usize) {
        let (hd, t) = (self.shape.head_dim(), self.shape.seq as usize);
        for (row, i) in x.chunks_exact_mut(width).zip((first..t).cycle()) {
            let turns = &self.turns[i * hd / 2..(i + 1) * hd / 2];
            for (pair, [c, s]) in row.as_chunks_mut::<2>().0.iter_mut().zip(turns.iter().cycle()) {
                let [a, b] = *pair;
                *pair = [a * c - b * s, a * s + b * c];
            }
        }
    }

    /// Causal attention of queries `[nonces, T - first, d]` to keys and values `[nonces, T, kv]`.
    fn attention(&self, q: &[f32], k: &[f32], v: &[f32], first: usize) -> Vec<f32> {
        let (d, kv, t) = (self.shape.dim as usize, self.shape.kv_dim(), self.shape.seq as usize);
        let (hd, group) = (self.shape.head_dim(), (self.shape.heads / self.shape.kv_heads) as usize);
        let scale = 1.0 / (hd as f32).sqrt();
        let mut out = vec![0.0; q.len()];
        let mut scores = Vec::with_capacity(t);
        for (index, (q, out)) in q.chunks_exact(d).zip(out.chunks_exact_mut(d)).enumerate() {
            let (nonce, position) = (index / (t - first), first + index % (t - first));
            let from = nonce * t;
            for (head, (q, out)) in q.chunks_exact(hd).zip(out.chunks_exact_mut(hd)).enumerate() {
                let at = |i: usize| (from + i) * kv + head / group * hd;
                scores.clear();
                scores.extend((0..=position).map(|i| dot(q, &k[at(i)..at(i) + hd]) * scale));
                softmax(&mut scores);
                for (i, p) in scores.iter().enumerate() {
                    out.iter_mut().zip(&v[at(i)..at(i) + hd]).for_each(|(o, v)| *o += p * v);
                }
            }
        }
        out
    }
}

/// The last `d` of every `size` values.
fn last_rows(x: &[f32], size: usize, d: usize) -> Vec<f32> {
    x.chunks_exact(size).flat_map(|nonce| &nonce[size - d..]).copied().collect()
}

fn add(h: &mut [f32], x: &[f32]) {
    h.iter_mut().zip(x).for_each(|(h, x)| *h += x);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn softmax(x: &mut [f32]) {
    let best = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    x.iter_mut().for_each(|x| *x = libm::expf(*x - best));
    let sum: f32 = x.iter().sum();
    x.iter_mut().for_each(|x| *x /= sum);
}
