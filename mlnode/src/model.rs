//! The network on plain buffers: the steps of the specification, a share of nonces at a time.
use geodesic_challenge::{
    Distance, Hash, Matrix as Source, Shape, Stream, Weights, distance_of, shuffle, target,
};

use crate::kernels::{BLOCK, Kernel, Line, Matrix, Panel, Rows, Scratch, blocks, multiply, pack, product};
use crate::simd::Level;
use crate::steps::{self, Requant, Turns};

#[derive(Debug)]
struct Layer {
    q: Matrix,
    /// k over v, so that one product gives both.
    kv: Matrix,
    o: Matrix,
    /// Blocks of gate and up in turns, so that one product gives both side by side.
    gate_up: Matrix,
    down: Matrix,
}

/// Weights of one epoch key, for one kernel.
#[derive(Debug)]
pub(crate) struct Model {
    shape: Shape,
    by: (Kernel, Level),
    layers: Vec<Layer>,
    head: Matrix,
    turns: Turns,
    /// Target of the epoch, `[V]`, and the sum of its squares.
    target: Vec<i32>,
    target_norm: u128,
}

/// Buffers of one thread, kept between calls, so that a share of the size before allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Residual stream `[rows, d]`.
    h: Vec<i16>,
    /// Normalised rows.
    a: Vec<i8>,
    /// Queries, then outputs of attention.
    q: Vec<i8>,
    /// Keys beside values.
    kv: Vec<i8>,
    /// Gated products.
    m: Vec<i8>,
    /// Sums of the rows that are multiplied next.
    totals: Vec<i32>,
    scratch: Scratch,
    attention: Attention,
    /// `[nonces, V]`.
    logits: Vec<i32>,
    shuffled: Vec<i32>,
    words: Vec<u32>,
}

/// Buffers of a head's attention.
#[derive(Debug, Default)]
struct Attention {
    raw: Vec<u8>,
    keys: Vec<Line>,
    values: Vec<Line>,
    scores: Vec<i32>,
    p: Vec<i8>,
    z: Vec<i32>,
    sums: Vec<i32>,
}

/// Length of a row of `n` activations: whole blocks.
fn padded(n: u32) -> usize {
    (n as usize).next_multiple_of(BLOCK)
}

/// Values past the last row, which a product of its last head may read.
const SLACK: usize = 4;

impl Model {
    /// Generates the weights with `threads` threads.
    pub(crate) fn new(shape: Shape, epoch_key: &Hash, by: (Kernel, Level), threads: usize) -> Self {
        let weights = Weights::new(shape, epoch_key);
        let packed = |places: Vec<(Source, usize)>| pack(by, &shape, &weights, &places, threads);
        let of = |source| packed(blocks(&shape, source).collect());
        let layer = |l| {
            let [q, k, v, o, gate, up, down] = Source::of_layer(l);
            let in_turns = blocks(&shape, gate).zip(blocks(&shape, up));
            Layer {
                q: of(q),
                kv: packed(blocks(&shape, k).chain(blocks(&shape, v)).collect()),
                o: of(o),
                gate_up: packed(in_turns.flat_map(|(gate, up)| [gate, up]).collect()),
                down: of(down),
            }
        };
        let target = target(&shape, epoch_key);
        Self {
            shape,
            by,
            layers: (0..shape.layers).map(layer).collect(),
            head: of(Source::Head),
            turns: Turns::new(&shape),
            target_norm: target.iter().map(|t| u128::from(t.unsigned_abs()).pow(2)).sum(),
            target,
        }
    }

    /// Bytes of the weights of a shape, an upper bound.
    pub(crate) fn bytes(shape: &Shape, kernel: Kernel) -> u64 {
        let [d, f, v] =
            [shape.dim, shape.ffn, shape.vocab].map(|n| u64::from(n).next_multiple_of(BLOCK as u64));
        let layer = (4 * d * d).saturating_add(3 * d * f).saturating_add(4096);
        let weights = layer.saturating_mul(shape.layers.into()).saturating_add(v.saturating_mul(d));
        weights.saturating_mul(kernel.weight_bytes())
    }

    /// Bytes of a workspace for one nonce, an upper bound.
    pub(crate) fn nonce_bytes(shape: &Shape, kernel: Kernel) -> u64 {
        let [d, f, v, t] = [shape.dim, shape.ffn, shape.vocab, shape.seq].map(|n| u64::from(n) + 16);
        // h in i16, a, q, k and v, m; sums of rows; attention of a head; logits, shuffled, words.
        let bytes = t * (6 * d + f + 4) + t * (5 * t + 8 * d) + 12 * v;
        // Operands and result of a product, the widest of which is that of gate and up or the head.
        let floats = if kernel == Kernel::F32 { 4 * t * (d.max(f) + (2 * f).max(2 * d)) + 4 * v } else { 0 };
        bytes + floats
    }

    fn requant(&self, total: i32, shift: u32) -> Requant {
        Requant::new(total, self.shape.wmax(), shift, self.shape.amax)
    }

    /// `each(row, first output, sums, sum of the row)` of rows of `a` of `stride` values.
    fn product(
        &self,
        (a, stride, count): (&[i8], usize, usize),
        w: &Matrix,
        (totals, scratch): (&mut Vec<i32>, &mut Scratch),
        mut each: impl FnMut(usize, usize, &[i32], i32),
    ) {
        totals.resize(count, 0);
        steps::totals(self.by.1, a, stride, w.k, totals);
        let rows = Rows { values: a, stride, count, amax: self.shape.amax };
        product(self.by, rows, (w, self.shape.wmax() as u32), scratch, |row, first, sums| {
            each(row, first, sums, totals.get(row).copied().unwrap_or(0));
        });
    }

    /// Logits of the nonces with these hashes, `[V]` each, into the workspace.
    fn forward(&self, hashes: &[Hash], ws: &mut Workspace) {
        let (t, d) = (self.shape.seq as usize, self.shape.dim as usize);
        let (rows, dp, fp) = (hashes.len() * t, padded(self.shape.dim), padded(self.shape.ffn));
        ws.h.resize(rows * d, 0);
        ws.a.resize(rows * dp + SLACK, 0);
        ws.q.resize(rows * dp + SLACK, 0);
        ws.kv.resize(rows * 2 * dp + SLACK, 0);
        ws.m.resize(rows * fp + SLACK, 0);
        for (hash, h) in hashes.iter().zip(ws.h.chunks_exact_mut(t * d)) {
            steps::input(self.by.1, Stream::new(hash), h);
        }
        let mut count = rows;
        for (index, layer) in self.layers.iter().enumerate() {
            let is_last = index + 1 == self.layers.len();
            self.attention(layer, ws, hashes.len(), is_last);
            count = if is_last { hashes.len() } else { count };
            self.feed_forward(layer, ws, count);
        }
        let Workspace { h, a, totals, scratch, logits, .. } = ws;
        let v = self.shape.vocab as usize;
        logits.resize(count * v, 0);
        self.norm(h, a, count);
        self.product((a, dp, count), &self.head, (totals, scratch), |row, first, sums, total| {
            let out = logits.get_mut(row * v + first..(row + 1) * v).unwrap_or(&mut []);
            steps::logits(self.by.1, sums, self.requant(total, 0), out);
        });
    }

    fn norm(&self, h: &[i16], a: &mut [i8], count: usize) {
        let (d, dp) = (self.shape.dim as usize, padded(self.shape.dim));
        let (Some(h), Some(a)) = (h.get(..count * d), a.get_mut(..count * dp)) else { return };
        steps::norm(self.by.1, h, d, self.shape.amax, a, dp);
    }

    /// The first half of a layer. The last one goes on with the last position of each nonce alone, because nothing
    /// later reads the others.
    fn attention(&self, layer: &Layer, ws: &mut Workspace, nonces: usize, is_last: bool) {
        let (by, shape, dp) = (self.by.1, &self.shape, padded(self.shape.dim));
        let (t, d) = (shape.seq as usize, shape.dim as usize);
        let Workspace { h, a, q, kv, totals, scratch, attention, .. } = ws;
        self.norm(h, a, nonces * t);
        self.product((a, dp, nonces * t), &layer.kv, (totals, scratch), |row, first, sums, total| {
            let out = kv.get_mut(row * 2 * dp + first..(row + 1) * 2 * dp).unwrap_or(&mut []);
            steps::requant(by, sums, self.requant(total, shape.shift_q), out);
        });
        let queries = if is_last { 1 } else { t };
        if is_last {
            for nonce in 0..nonces {
                let from = nonce * t + t - 1;
                h.copy_within(from * d..(from + 1) * d, nonce * d);
                a.copy_within(from * dp..(from + 1) * dp, nonce * dp);
            }
        }
        let count = nonces * queries;
        self.product((a, dp, count), &layer.q, (totals, scratch), |row, first, sums, total| {
            let out = q.get_mut(row * dp + first..(row + 1) * dp).unwrap_or(&mut []);
            steps::requant(by, sums, self.requant(total, shape.shift_q), out);
        });
        for nonce in 0..nonces {
            let (Some(q), Some(kv)) = (q.get_mut(nonce * queries * dp..), kv.get_mut(nonce * t * 2 * dp..))
            else {
                return;
            };
            self.attend(q, queries, kv, attention);
        }
        self.product((q, dp, count), &layer.o, (totals, scratch), |row, first, sums, total| {
            let h = h.get_mut(row * d + first..(row + 1) * d).unwrap_or(&mut []);
            steps::residual(by, sums, self.requant(total, shape.shift_o), h);
        });
    }

    /// Attention of the last `queries` positions of a nonce, whose outputs take the place of the queries.
    fn attend(&self, q: &mut [i8], queries: usize, kv: &mut [i8], buffers: &mut Attention) {
        let (by, shape, dp) = (self.by.1, &self.shape, padded(self.shape.dim));
        let (t, d, hd, amax) = (shape.seq as usize, shape.dim as usize, shape.head_dim(), shape.amax);
        let first = t - queries;
        for (row, q) in q.chunks_mut(dp).take(queries).enumerate() {
            steps::rope(by, q.get_mut(..d).unwrap_or(&mut []), self.turns.at(first + row), amax);
        }
        for (row, kv) in kv.chunks_mut(2 * dp).take(t).enumerate() {
            steps::rope(by, kv.get_mut(..d).unwrap_or(&mut []), self.turns.at(row), amax);
        }
        buffers.resize(t, queries, hd);
        for at in (0..d).step_by(hd) {
            let (Some(k), Some(v)) = (kv.get(at..), kv.get(dp + at..)) else { return };
            let Some(q) = q.get_mut(at..) else { return };
            steps::keys(by, k, 2 * dp, hd, amax, &mut buffers.raw, &mut buffers.keys);
            steps::values(by, v, 2 * dp, (t, hd), amax, &mut buffers.values);
            self.head(q, queries, buffers);
        }
    }

    /// One head, whose keys and values are laid out. Both are raised by amax to be unsigned: that adds the same to all
    /// scores of a query, and amax z to its sums.
    fn head(&self, q: &mut [i8], queries: usize, buffers: &mut Attention) {
        let ((kernel, by), shape, dp) = (self.by, &self.shape, padded(self.shape.dim));
        let (t, tp, hd, amax) = (shape.seq as usize, padded(shape.seq), shape.head_dim(), shape.amax);
        let Attention { keys, values, scores, p, z, sums, .. } = buffers;
        let panel = Panel {
            a: q,
            stride: dp,
            rows: queries,
            w: keys,
            steps: hd.div_ceil(4),
            out: scores,
            out_stride: tp,
            largest: (2 * amax, amax),
            run: 0,
        };
        multiply(kernel, by, panel);
        let rows = scores.chunks_exact(tp).zip(p.chunks_exact_mut(tp)).zip(z.iter_mut());
        for (row, ((scores, p), z)) in rows.enumerate() {
            *z = steps::softmax(by, scores, t - queries + row + 1, shape.shift_s, p);
        }
        let hp = hd.next_multiple_of(BLOCK);
        let panel = Panel {
            a: p,
            stride: tp,
            rows: queries,
            w: values,
            steps: t.div_ceil(4),
            out: sums,
            out_stride: hp,
            largest: (2 * amax, 127),
            run: 0,
        };
        multiply(kernel, by, panel);
        for ((q, sums), z) in q.chunks_mut(dp).zip(sums.chunks_exact(hp)).zip(z) {
            steps::weighted(by, sums, *z, amax, amax, q.get_mut(..hd).unwrap_or(&mut []));
        }
    }

    fn feed_forward(&self, layer: &Layer, ws: &mut Workspace, count: usize) {
        let (by, shape) = (self.by.1, &self.shape);
        let (d, dp, fp) = (shape.dim as usize, padded(shape.dim), padded(shape.ffn));
        let Workspace { h, a, m, totals, scratch, .. } = ws;
        self.norm(h, a, count);
        let gated = self.requant(0, shape.shift_m);
        self.product((a, dp, count), &layer.gate_up, (totals, scratch), |row, first, sums, total| {
            let out = m.get_mut(row * fp + first / 2..(row + 1) * fp).unwrap_or(&mut []);
            steps::gate(by, sums, self.requant(total, shape.shift_q), gated, out);
        });
        self.product((m, fp, count), &layer.down, (totals, scratch), |row, first, sums, total| {
            let h = h.get_mut(row * d + first..(row + 1) * d).unwrap_or(&mut []);
            steps::residual(by, sums, self.requant(total, shape.shift_d), h);
        });
    }

    /// Distances and logits of the nonces with these hashes: `each(index, distance, logits)`.
    pub(crate) fn score(
        &self,
        hashes: &[Hash],
        ws: &mut Workspace,
        mut each: impl FnMut(usize, Distance, &[i32]),
    ) {
        self.forward(hashes, ws);
        let v = self.shape.vocab as usize;
        for (index, (hash, logits)) in hashes.iter().zip(ws.logits.chunks_exact(v)).enumerate() {
            ws.shuffled.clear();
            ws.shuffled.extend_from_slice(logits);
            let distance = self.distance(hash, &mut ws.shuffled, &mut ws.words);
            each(index, distance, logits);
        }
    }

    /// Distance of logits, which are permuted in place: shuffling them is permuting by a shuffled permutation.
    fn distance(&self, hash: &Hash, logits: &mut [i32], words: &mut Vec<u32>) -> Distance {
        const PART: usize = 1 << 14;
        let stream = Stream::new(hash);
        words.resize(logits.len().next_multiple_of(geodesic_challenge::CHUNK / 4), 0);
        steps::words(self.by.1, stream, 1, words);
        // Few words are rejected, so few are generated one by one.
        let more = stream.words_from(1, (words.len() / 4) as u32);
        shuffle(logits, words.iter().copied().chain(more));
        let parts = logits.chunks(PART).zip(self.target.chunks(PART));
        let (dot, square) = parts.fold((0_i128, 0_u128), |(dot, square), (l, t)| {
            let (more, squares) = steps::dots(self.by.1, l, t);
            (dot + i128::from(more), square + u128::from(squares.unsigned_abs()))
        });
        distance_of(dot, square, self.target_norm)
    }
}

impl Attention {
    fn resize(&mut self, t: usize, queries: usize, hd: usize) {
        let (tp, hp) = (t.next_multiple_of(BLOCK), hd.next_multiple_of(BLOCK));
        self.raw.resize(t * hd, 0);
        self.keys.resize(tp / BLOCK * hd.div_ceil(4), Line::ZERO);
        self.values.resize(hp / BLOCK * t.div_ceil(4), Line::ZERO);
        self.scores.resize(queries * tp, 0);
        self.p.resize(queries * tp, 0);
        self.z.resize(queries, 0);
        self.sums.resize(queries * hp, 0);
    }
}
