//! Custom operations of candle on tensors of integers held in f32: the matrix product, and the fused element-wise parts
//! of a layer. Each is single-threaded; batches are split over threads above (`cpu.rs`).
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use geodesic_challenge::{LUT, cos, ops};

use crate::round::{Requant, half_up64, nearest_i16};

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets().and_then(|(from, to)| all.get(from..to)) {
        Some(values) => Ok(values),
        None => bail!("operand is not contiguous: {layout:?}"),
    }
}

/// `a W^T`: `[rows, k] x [out, k] -> [rows, out]`. Exact, because every partial sum of a valid shape is below 2^24.
pub(crate) struct MatMul;

impl CustomOp2 for MatMul {
    fn name(&self) -> &'static str {
        "exact-matmul"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((rows, k), (out, width)) = (a_layout.shape().dims2()?, w_layout.shape().dims2()?);
        if k != width {
            bail!("rows of {k} values meet weights of {width}");
        }
        let product = gemm_nt(values(a, a_layout)?, values(w, w_layout)?, (rows, out, k));
        Ok((CpuStorage::F32(product), Shape::from((rows, out))))
    }
}

/// `[m, k] x [n, k]^T -> [m, n]`, all row-major.
#[allow(unsafe_code)]
pub(crate) fn gemm_nt(a: &[f32], w: &[f32], (m, n, k): (usize, usize, usize)) -> Vec<f32> {
    assert!(a.len() == m * k && w.len() == n * k, "operands do not have their sizes");
    let mut out = vec![0.0_f32; m * n];
    // SAFETY: the three buffers have m k, n k and m n elements (checked above), the strides stay within them, and
    // `out` overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            w.as_ptr(),
            k as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    out
}

/// `norm` of each row: `[rows, d] -> [rows, d]`.
pub(crate) struct Norm {
    pub(crate) amax: u32,
}

impl CustomOp1 for Norm {
    fn name(&self) -> &'static str {
        "exact-norm"
    }

    fn cpu_fwd(&self, h: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, d) = layout.shape().dims2()?;
        let h = values(h, layout)?;
        let (amax, c) = (f64::from(self.amax), f64::from(16 * self.amax / 3));
        let mut out = vec![0.0; h.len()];
        for (out, h) in out.chunks_exact_mut(d).zip(h.chunks_exact(d)) {
            let r = (256 * sum_of_squares(h) / d as u64).isqrt().max(1);
            // (2 h C + r) / (2 r), floored, is h C / r with halves up; r is below 2^20.
            let scale = c / r as f64;
            for (a, h) in out.iter_mut().zip(h) {
                *a = half_up64((f64::from(*h) * scale).max(-amax).min(amax)) as f32;
            }
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// Exact sum of squares of integers of magnitude at most 32767: each of eight partial sums stays below 2^53.
fn sum_of_squares(h: &[f32]) -> u64 {
    let mut sums = [0.0_f64; 8];
    let chunks = h.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, h) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*h) * f64::from(*h);
        }
    }
    for (sum, h) in sums.iter_mut().zip(rest) {
        *sum += f64::from(*h) * f64::from(*h);
    }
    sums.iter().map(|sum| *sum as u64).sum()
}

/// Requantisation, rotary positions and causal attention:
/// raw q `[nonces * (T - first), d]`, raw k and v `[nonces * T, 2 d]` -> o `[nonces * (T - first), d]`.
pub(crate) struct Attention<'a> {
    pub(crate) shape: &'a geodesic_challenge::Shape,
    pub(crate) turns: &'a Turns,
    /// First position that has queries.
    pub(crate) first: usize,
}

/// Cosines and sines of every position for a head: `x'[i] = x[i] cos[i] + x[i ^ 1] sin[i]`, both `[T, hd]`.
#[derive(Debug)]
pub(crate) struct Turns {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turns {
    pub(crate) fn new(shape: &geodesic_challenge::Shape) -> Self {
        let (mut c, mut s) = (Vec::new(), Vec::new());
        for t in 0..shape.seq as usize {
            for j in 0..shape.head_dim() / 2 {
                let n = ops::angle(t, j);
                let (cosine, sine) = (cos(n) as f32, cos(n + 768) as f32);
                c.extend([cosine, cosine]);
                s.extend([-sine, sine]);
            }
        }
        Self { cos: c, sin: s }
    }
}

impl Attention<'_> {
    /// `rope(clamp(rq(x, sQ)))` of one position, all heads, as i16; `row` is scratch of `d`.
    fn turn(&self, x: &[f32], t: usize, requant: Requant, row: &mut [f32], out: &mut [i16]) {
        let (hd, amax) = (self.shape.head_dim(), self.shape.amax as f32);
        requant.clamp_into(x, row);
        let at = t * hd..(t + 1) * hd;
        let (Some(c), Some(s)) = (self.turns.cos.get(at.clone()), self.turns.sin.get(at)) else { return };
        for (out, x) in out.chunks_exact_mut(hd).zip(row.chunks_exact(hd)) {
            let pairs = out.chunks_exact_mut(2).zip(x.chunks_exact(2));
            for ((out, x), (c, s)) in pairs.zip(c.chunks_exact(2).zip(s.chunks_exact(2))) {
                let ([a, b], [c, _], [_, s], [left, right]) = (x, c, s, out) else { return };
                // (y + 32) >> 6 is y / 64 with halves up; y / 64 is a multiple of 2^-6.
                let turned = |y: f32| nearest_i16((y / 64.0).max(-amax).min(amax) + 1.0 / 256.0);
                *left = turned(a * c - b * s);
                *right = turned(b * c + a * s);
            }
        }
    }

    fn nonce(&self, q: &[f32], kv: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let (d, hd) = (self.shape.dim as usize, self.shape.head_dim());
        let requant = Requant::new(self.shape.shift_q, self.shape.amax);
        let Scratch { row, queries, keys, values, .. } = scratch;
        let rows = keys.chunks_exact_mut(d).zip(values.chunks_exact_mut(d));
        for (t, (kv, (k_out, v_out))) in kv.chunks_exact(2 * d).zip(rows).enumerate() {
            let (k, v) = kv.split_at(d);
            self.turn(k, t, requant, row, k_out);
            requant.clamp_into(v, v_out);
        }
        for (t, (q, q_out)) in q.chunks_exact(d).zip(queries.chunks_exact_mut(d)).enumerate() {
            self.turn(q, self.first + t, requant, row, q_out);
        }
        let rows = queries.chunks_exact(d).zip(out.chunks_exact_mut(d));
        for (t, (q, o)) in rows.enumerate() {
            let seen = (self.first + t + 1) * d;
            let (keys, values) = (keys.get(..seen).unwrap_or(&[]), values.get(..seen).unwrap_or(&[]));
            for (head, (q, o)) in q.chunks_exact(hd).zip(o.chunks_exact_mut(hd)).enumerate() {
                self.attend(q, (keys, values), head * hd..(head + 1) * hd, &mut scratch.scores, o);
            }
        }
    }

    /// One query of one head, whose columns are `at` of each row.
    fn attend(
        &self,
        q: &[i16],
        (keys, values): (&[i16], &[f32]),
        at: std::ops::Range<usize>,
        scores: &mut Vec<i32>,
        o: &mut [f32],
    ) {
        let (d, amax) = (self.shape.dim as usize, f64::from(self.shape.amax));
        scores.clear();
        scores.extend(keys.chunks_exact(d).map(|k| dot(q, k.get(at.clone()).unwrap_or(&[]))));
        let best = scores.iter().copied().max().unwrap_or(0);
        let mut z = 0.0_f32;
        o.fill(0.0);
        // Sums stay below 127 * 47 * 1024 < 2^24: exact.
        for (score, v) in scores.iter().zip(values.chunks_exact(d)) {
            let e = (best.wrapping_sub(*score) >> self.shape.shift_s).min(255);
            let p = f32::from(LUT.get(e as usize).copied().unwrap_or(0));
            if p > 0.0 {
                z += p;
                o.iter_mut().zip(v.get(at.clone()).unwrap_or(&[])).for_each(|(o, v)| *o += p * v);
            }
        }
        let scale = 1.0 / f64::from(z); // z is at least 127, below 2^17
        o.iter_mut().for_each(|o| *o = half_up64((f64::from(*o) * scale).max(-amax).min(amax)) as f32);
    }
}

/// Magnitudes are at most 47, so a sum of `hd` products is below 2^31.
#[inline(always)]
fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (a, b)| sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b))))
}

struct Scratch {
    row: Vec<f32>,
    queries: Vec<i16>,
    keys: Vec<i16>,
    values: Vec<f32>,
    scores: Vec<i32>,
}

impl CustomOp2 for Attention<'_> {
    fn name(&self) -> &'static str {
        "exact-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        kv: &CpuStorage,
        kv_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (d, t) = (self.shape.dim as usize, self.shape.seq as usize);
        let (q, kv) = (values(q, q_layout)?, values(kv, kv_layout)?);
        let queries = (t - self.first) * d;
        if q.len() / queries != kv.len() / (2 * t * d) {
            bail!("{} queries do not fit {} keys and values", q.len(), kv.len());
        }
        let mut scratch = Scratch {
            row: vec![0.0; d],
            queries: vec![0; queries],
            keys: vec![0; t * d],
            values: vec![0.0; t * d],
            scores: Vec::with_capacity(t),
        };
        let mut out = vec![0.0; q.len()];
        let nonces = q.chunks_exact(queries).zip(kv.chunks_exact(2 * t * d));
        for ((q, kv), out) in nonces.zip(out.chunks_exact_mut(queries)) {
            self.nonce(q, kv, &mut scratch, out);
        }
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }
}

/// `clamp(rq(|g| u, sM))` of requantised gate and up: raw `[rows, 2 f] -> [rows, f]`.
pub(crate) struct Gate<'a> {
    pub(crate) shape: &'a geodesic_challenge::Shape,
}

impl CustomOp1 for Gate<'_> {
    fn name(&self) -> &'static str {
        "exact-gate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, _) = layout.shape().dims2()?;
        let (x, f) = (values(x, layout)?, self.shape.ffn as usize);
        let requant = Requant::new(self.shape.shift_q, self.shape.amax);
        let product = Requant::new(self.shape.shift_m, self.shape.amax);
        let mut out = vec![0.0; rows * f];
        let mut up = vec![0.0; f];
        for (m, row) in out.chunks_exact_mut(f).zip(x.chunks_exact(2 * f)) {
            let (g, u) = row.split_at(f);
            requant.clamp_into(g, m);
            requant.clamp_into(u, &mut up);
            m.iter_mut().zip(&up).for_each(|(m, u)| *m = product.small(m.abs() * u));
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, f))))
    }
}

/// `clip(h + rq(x, shift), +-32767)`: `[rows, d] x [rows, d] -> [rows, d]`.
pub(crate) struct Residual {
    pub(crate) shift: u32,
}

impl CustomOp2 for Residual {
    fn name(&self) -> &'static str {
        "exact-residual"
    }

    fn cpu_fwd(
        &self,
        h: &CpuStorage,
        h_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (h, x) = (values(h, h_layout)?, values(x, x_layout)?);
        let (requant, bound) = (Requant::new(self.shift, 1), f64::from(ops::H_MAX));
        let out = h.iter().zip(x).map(|(h, x)| requant.add(*h, *x).max(-bound).min(bound) as f32).collect();
        Ok((CpuStorage::F32(out), h_layout.shape().clone()))
    }
}

/// `a W^T`.
pub(crate) fn matmul(a: &Tensor, w: &Tensor) -> Result<Tensor> {
    a.apply_op2_no_bwd(w, &MatMul)
}
