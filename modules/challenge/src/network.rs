//! The reference network: plain integers, one nonce at a time, in the order of the specification.
use std::borrow::Cow;

use crate::distance::{Leaf, distance, logits_hash};
use crate::hash::{Address, Hash, nonce_hash};
use crate::ops::{attend, clamp, clip, gate, linear, norm, rope, rq};
use crate::shape::Shape;
use crate::stream::{input, permutation, target};
use crate::weights::{Matrix, Weights};

/// A nonce computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// What a commitment holds of it.
    pub leaf: Leaf,
    /// Its logits, `[V]`, not permuted.
    pub logits: Vec<i32>,
}

/// The network of one shape and epoch key.
#[derive(Clone, Debug)]
pub struct Network {
    shape: Shape,
    epoch_key: Hash,
    target: Vec<i32>,
    weights: Weights,
    /// All matrices, in order of their sub-streams; `None` when they are generated for each use.
    held: Option<Vec<Vec<i8>>>,
}

impl Network {
    /// Holds all weights: one byte each.
    pub fn new(shape: Shape, epoch_key: Hash) -> Self {
        let mut network = Self::on_the_fly(shape, epoch_key);
        let mut all: Vec<Matrix> = (0..shape.layers).flat_map(Matrix::of_layer).collect();
        all.push(Matrix::Head);
        network.held = Some(all.into_iter().map(|m| network.weights.matrix(m)).collect());
        network
    }

    /// Holds no weights: each matrix is generated for each use. Slow, and small.
    pub fn on_the_fly(shape: Shape, epoch_key: Hash) -> Self {
        let weights = Weights::new(shape, &epoch_key);
        Self { shape, epoch_key, target: target(&shape, &epoch_key), weights, held: None }
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its epoch key.
    pub fn epoch_key(&self) -> &Hash {
        &self.epoch_key
    }

    /// Target of the epoch, `[V]`.
    pub fn target(&self) -> &[i32] {
        &self.target
    }

    fn matrix(&self, matrix: Matrix) -> Cow<'_, [i8]> {
        // Seven matrices a layer are held, eight sub-streams a layer are reserved.
        let sub = matrix.sub_stream(&self.shape) as usize;
        match &self.held {
            Some(held) => Cow::Borrowed(&held[sub - sub / 8]),
            None => Cow::Owned(self.weights.matrix(matrix)),
        }
    }

    /// `clamp(rq(a W^T, sQ))`.
    fn project(&self, a: &[i32], matrix: Matrix) -> Vec<i32> {
        let (_, columns) = matrix.size(&self.shape);
        let mut out = linear(a, &self.matrix(matrix), columns);
        out.iter_mut().for_each(|x| *x = clamp(rq(*x, self.shape.shift_q), self.shape.amax as i32));
        out
    }

    /// `h = clip(h + rq(a W^T, shift))`.
    fn add(&self, h: &mut [i32], a: &[i32], matrix: Matrix, shift: u32) {
        let (_, columns) = matrix.size(&self.shape);
        let branch = linear(a, &self.matrix(matrix), columns);
        h.iter_mut().zip(branch).for_each(|(h, x)| *h = clip(*h + rq(x, shift)));
    }

    fn norms(&self, h: &[i32]) -> Vec<i32> {
        h.chunks_exact(self.shape.dim as usize).flat_map(|t| norm(t, self.shape.amax as i32)).collect()
    }

    /// Turns every head of `x` (positions `first..`).
    fn ropes(&self, x: &mut [i32], first: usize) {
        for (t, token) in x.chunks_exact_mut(self.shape.dim as usize).enumerate() {
            for head in token.chunks_exact_mut(self.shape.head_dim()) {
                rope(head, first + t, self.shape.amax as i32);
            }
        }
    }

    /// Outputs of attention for the queries of positions `first..`; `k` and `v` hold all positions.
    fn attention(&self, q: &[i32], k: &[i32], v: &[i32], first: usize) -> Vec<i32> {
        let (d, hd) = (self.shape.dim as usize, self.shape.head_dim());
        let mut out = Vec::with_capacity(q.len());
        for (t, token) in q.chunks_exact(d).enumerate() {
            for (i, head) in token.chunks_exact(hd).enumerate() {
                let slices = |x| -> Vec<&[i32]> {
                    <[i32]>::chunks_exact(x, d).take(first + t + 1).map(|row| &row[i * hd..][..hd]).collect()
                };
                out.extend(attend(head, &slices(k), &slices(v), &self.shape));
            }
        }
        out
    }

    /// One layer. The last one leaves only the last position, because nothing later reads the others.
    fn layer(&self, mut h: Vec<i32>, l: u32, last: bool) -> Vec<i32> {
        let d = self.shape.dim as usize;
        let a = self.norms(&h);
        let mut k = self.project(&a, Matrix::K(l));
        let v = self.project(&a, Matrix::V(l));
        let first = if last { self.shape.seq as usize - 1 } else { 0 };
        let mut h = h.split_off(first * d);
        let mut q = self.project(&a[first * d..], Matrix::Q(l));
        self.ropes(&mut q, first);
        self.ropes(&mut k, 0);
        let o = self.attention(&q, &k, &v, first);
        self.add(&mut h, &o, Matrix::O(l), self.shape.shift_o);

        let a = self.norms(&h);
        let g = self.project(&a, Matrix::Gate(l));
        let u = self.project(&a, Matrix::Up(l));
        let m: Vec<i32> = g.into_iter().zip(u).map(|(g, u)| gate(g, u, &self.shape)).collect();
        self.add(&mut h, &m, Matrix::Down(l), self.shape.shift_d);
        h
    }

    /// Logits of the nonce with this hash, `[V]`: `norm(h)[T-1] . head^T`.
    pub fn logits(&self, nonce_hash: &Hash) -> Vec<i32> {
        self.logits_of(nonce_hash, &(0..self.shape.layers).collect::<Vec<_>>())
    }

    /// Logits that these layers alone give, in this order: what one who leaves layers out would have. Each is below the
    /// shape's number of layers.
    pub fn logits_of(&self, nonce_hash: &Hash, layers: &[u32]) -> Vec<i32> {
        let mut h = input(&self.shape, nonce_hash);
        for (i, l) in layers.iter().enumerate() {
            h = self.layer(h, *l, i + 1 == layers.len());
        }
        let h = h.split_off(h.len() - self.shape.dim as usize);
        linear(&self.norms(&h), &self.matrix(Matrix::Head), self.shape.dim as usize)
    }

    /// Leaf and logits of a nonce of a participant's node.
    pub fn score(&self, participant: &Address, node_id: u32, nonce: u64) -> Scored {
        let hash = nonce_hash(&self.epoch_key, participant, node_id, nonce);
        let logits = self.logits(&hash);
        let distance = distance(&logits, &permutation(&self.shape, &hash), &self.target);
        Scored { leaf: Leaf { nonce, distance, logits_hash: logits_hash(&logits) }, logits }
    }
}
