//! The element-wise steps of the network on bytes: each is one loop for all levels of vector instructions.
//!
//! Activations are i8 (magnitude at most 47), the residual stream is i16 (at most 32767), sums are i32 (below 2^25, twice
//! the bound of a valid shape). A row may be longer than its values, then the rest of it has no meaning.
use geodesic_challenge::{CHUNK, LUT, Stream, input_value, ops};

use crate::kernels::{BLOCK, Line, interleave_rows};
use crate::simd::vectorised;

const MAGIC64: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
const TIE: f64 = 1.0 / 4_194_304.0; // 2^-22

/// `floor(x + 1/2)` for x with an error below 2^-40 that is a multiple of 1/n, n at most 2^20; |x| below 2^31.
///
/// Such an x that is no half stays at least 1/(2n) away from one, so adding less than that moves halves up and nothing
/// else across; adding 1.5 * 2^52 then rounds, and leaves the integer in the low bits of the mantissa.
#[inline(always)]
fn half_up(x: f64) -> i32 {
    ((x + TIE) + MAGIC64).to_bits() as i32
}

#[inline(always)]
fn clamp(x: i32, bound: i32) -> i32 {
    x.min(bound).max(bound.wrapping_neg())
}

/// Sum of squares of values of magnitude at most 32767: four of them fit u32.
#[inline(always)]
fn squares(h: &[i16]) -> u64 {
    const LANES: usize = 16;
    let square = |x: &i16| (i32::from(*x).wrapping_mul(i32::from(*x))) as u32;
    let (parts, rest) = h.as_chunks::<{ 4 * LANES }>();
    let mut sums = [0_u64; LANES];
    for part in parts {
        let mut fours = [0_u32; LANES];
        for lanes in part.as_chunks::<LANES>().0 {
            fours.iter_mut().zip(lanes).for_each(|(sum, x)| *sum = sum.wrapping_add(square(x)));
        }
        sums.iter_mut().zip(fours).for_each(|(sum, four)| *sum = sum.wrapping_add(u64::from(four)));
    }
    let rest = rest.iter().fold(0_u64, |sum, x| sum.wrapping_add(u64::from(square(x))));
    sums.iter().fold(rest, |all, sum| all.wrapping_add(*sum))
}

/// From a sum of raw weights to `rq(sum(a w), s)`: `(2 sum + offset) >> s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requant {
    offset: i32,
    shift: u32,
    bound: i32,
}

impl Requant {
    /// For a row whose activations sum to `total`, weights up to `wmax`; results are clamped to `bound`.
    pub(crate) fn new(total: i32, wmax: i32, shift: u32, bound: u32) -> Self {
        let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
        Self { offset: half - wmax * total, shift, bound: bound as i32 }
    }

    #[inline(always)]
    fn unclamped(self, sum: i32) -> i32 {
        sum.wrapping_mul(2).wrapping_add(self.offset).wrapping_shr(self.shift)
    }

    #[inline(always)]
    fn of(self, sum: i32) -> i32 {
        clamp(self.unclamped(sum), self.bound)
    }
}

/// Cosines and sines of every position for a head: `x'[i] = x[i] cos[i] + x[i ^ 1] sin[i]`, both `[T, hd]`.
#[derive(Debug)]
pub(crate) struct Turns {
    cos: Vec<i16>,
    sin: Vec<i16>,
    hd: usize,
}

impl Turns {
    pub(crate) fn new(shape: &geodesic_challenge::Shape) -> Self {
        let (mut c, mut s, hd) = (Vec::new(), Vec::new(), shape.head_dim());
        for t in 0..shape.seq as usize {
            for j in 0..hd / 2 {
                let n = ops::angle(t, j);
                let turn = |n| geodesic_challenge::cos(n) as i16; // at most 64
                c.extend([turn(n); 2]);
                s.extend([-turn(n + 768), turn(n + 768)]);
            }
        }
        Self { cos: c, sin: s, hd }
    }

    /// Of position `t`.
    pub(crate) fn at(&self, t: usize) -> (&[i16], &[i16]) {
        let at = t * self.hd..(t + 1) * self.hd;
        (self.cos.get(at.clone()).unwrap_or(&[]), self.sin.get(at).unwrap_or(&[]))
    }
}

/// `clamp((x c + y s + 32) >> 6)`; products are at most 47 * 64.
#[inline(always)]
fn turned(x: i8, y: i8, c: i16, s: i16, bound: i16) -> i8 {
    let sum = i16::from(x).wrapping_mul(c).wrapping_add(i16::from(y).wrapping_mul(s)).wrapping_add(32) >> 6;
    sum.min(bound).max(bound.wrapping_neg()) as i8
}

/// Turns `N` values, an even number.
#[inline(always)]
fn turn<const N: usize>(x: &mut [i8; N], c: &[i16; N], s: &[i16; N], bound: i16) {
    let mut partner = *x;
    partner.as_chunks_mut::<2>().0.iter_mut().for_each(|[a, b]| std::mem::swap(a, b));
    for (((x, y), c), s) in x.iter_mut().zip(partner).zip(c).zip(s) {
        *x = turned(*x, y, *c, *s, bound);
    }
}

vectorised! {
    /// A nonce's input, from sub-stream 0.
    pub(crate) fn input(stream: Stream, h: &mut [i16]) {
        let mut bytes = [0; CHUNK];
        for (index, h) in h.chunks_mut(CHUNK / 4).enumerate() {
            stream.chunk(0, (index * (CHUNK / 16)) as u32, &mut bytes);
            let words = bytes.as_chunks::<4>().0;
            h.iter_mut().zip(words).for_each(|(h, word)| *h = input_value(u32::from_le_bytes(*word)));
        }
    }

    /// Words of a sub-stream from its first, a whole number of chunks.
    pub(crate) fn words(stream: Stream, sub: u32, out: &mut [u32]) {
        let mut bytes = [0; CHUNK];
        for (index, out) in out.chunks_mut(CHUNK / 4).enumerate() {
            stream.chunk(sub, (index * (CHUNK / 16)) as u32, &mut bytes);
            let words = bytes.as_chunks::<4>().0;
            out.iter_mut().zip(words).for_each(|(out, word)| *out = u32::from_le_bytes(*word));
        }
    }

    /// `norm` of rows of `d` values, to rows of `stride`.
    pub(crate) fn norm(h: &[i16], d: usize, amax: u32, out: &mut [i8], stride: usize) {
        let (bound, c) = (amax as i32, f64::from((16 * amax) / 3));
        for (h, out) in h.chunks_exact(d).zip(out.chunks_exact_mut(stride)) {
            let sum = squares(h);
            let r = (256 * sum / d as u64).isqrt().max(1);
            // (2 h C + r) / (2 r), floored, is h C / r with halves up; r is below 2^20.
            let scale = c / r as f64;
            for (a, h) in out.iter_mut().zip(h) {
                *a = clamp(half_up(f64::from(*h) * scale), bound) as i8;
            }
        }
    }

    /// Sums of the first `k` values of rows of `stride`.
    pub(crate) fn totals(a: &[i8], stride: usize, k: usize, out: &mut [i32]) {
        for (a, out) in a.chunks_exact(stride).zip(out) {
            *out = a.iter().take(k).fold(0_i32, |sum, a| sum.wrapping_add(i32::from(*a)));
        }
    }

    /// `clamp(rq(a W^T, s))`.
    pub(crate) fn requant(sums: &[i32], by: Requant, out: &mut [i8]) {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = by.of(*sum) as i8);
    }

    /// `clamp(rq(|g| u, sM))` of blocks of g and u in turns; `product` has no offset but its rounding.
    pub(crate) fn gate(sums: &[i32], by: Requant, product: Requant, out: &mut [i8]) {
        for (sums, out) in sums.as_chunks::<{ 2 * BLOCK }>().0.iter().zip(out.as_chunks_mut::<BLOCK>().0) {
            let (g, u) = sums.split_at(BLOCK);
            for ((g, u), out) in g.iter().zip(u).zip(out) {
                let m = by.of(*g).wrapping_abs().wrapping_mul(by.of(*u));
                *out = clamp(m.wrapping_add(product.offset).wrapping_shr(product.shift), product.bound) as i8;
            }
        }
    }

    /// `h = clip(h + rq(a W^T, s))`.
    pub(crate) fn residual(sums: &[i32], by: Requant, h: &mut [i16]) {
        for (h, sum) in h.iter_mut().zip(sums) {
            *h = clamp(i32::from(*h).wrapping_add(by.unclamped(*sum)), ops::H_MAX) as i16;
        }
    }

    /// `a W^T`: [`Requant`] without a shift.
    pub(crate) fn logits(sums: &[i32], by: Requant, out: &mut [i32]) {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = by.unclamped(*sum));
    }

    /// `rope` of every head of a row.
    pub(crate) fn rope(row: &mut [i8], turns: (&[i16], &[i16]), amax: u32) {
        const WIDE: usize = 32;
        let ((cos, sin), bound) = (turns, amax as i16);
        for head in row.chunks_exact_mut(cos.len()) {
            let (wide, pairs) = head.as_chunks_mut::<WIDE>();
            let ((c, c_pairs), (s, s_pairs)) = (cos.as_chunks::<WIDE>(), sin.as_chunks::<WIDE>());
            for ((x, c), s) in wide.iter_mut().zip(c).zip(s) {
                turn(x, c, s, bound);
            }
            let pairs = pairs.as_chunks_mut::<2>().0.iter_mut();
            for ((x, c), s) in pairs.zip(c_pairs.as_chunks::<2>().0).zip(s_pairs.as_chunks::<2>().0) {
                turn(x, c, s, bound);
            }
        }
    }

    /// Columns of rows of `stride` values as weights for [`crate::kernels::multiply`]: from `hd` inputs to a block of
    /// outputs a row. `offset` makes them unsigned.
    pub(crate) fn keys(k: &[i8], stride: usize, hd: usize, offset: u32, raw: &mut [u8], out: &mut [Line]) {
        for (raw, k) in raw.chunks_exact_mut(hd).zip(k.chunks(stride)) {
            raw.iter_mut().zip(k).for_each(|(raw, k)| *raw = (*k as u8).wrapping_add(offset as u8));
        }
        let steps = hd.div_ceil(4);
        for (raw, out) in raw.chunks(BLOCK * hd).zip(out.chunks_exact_mut(steps)) {
            interleave_rows(raw, hd, out);
        }
    }

    /// Columns of rows of `stride` values as weights: from `seq` inputs, a row each, to `hd` outputs.
    pub(crate) fn values(v: &[i8], stride: usize, size: (usize, usize), offset: u32, out: &mut [Line]) {
        let (seq, hd) = size;
        let steps = seq.div_ceil(4);
        for step in 0..steps {
            let row = |i: usize| {
                let t = step.wrapping_mul(4).wrapping_add(i);
                let from = t.wrapping_mul(stride);
                if t < seq { v.get(from..from.wrapping_add(hd)) } else { None }
            };
            let rows = [row(0), row(1), row(2), row(3)];
            for (block, line) in out.iter_mut().skip(step).step_by(steps).enumerate() {
                let at = block.wrapping_mul(BLOCK);
                let mut columns = [[0_u8; BLOCK]; 4];
                for (column, row) in columns.iter_mut().zip(rows) {
                    let row = row.and_then(|row| row.get(at..)).unwrap_or(&[]);
                    column.iter_mut().zip(row).for_each(|(to, v)| *to = (*v as u8).wrapping_add(offset as u8));
                }
                let [a, b, c, d] = columns;
                for ((((to, a), b), c), d) in line.0.as_chunks_mut::<4>().0.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *to = [a, b, c, d];
                }
            }
        }
    }

    /// Weights `p` of the first `seen` of a row of scores, zero for the rest; returns their sum.
    pub(crate) fn softmax(scores: &[i32], seen: usize, shift: u32, p: &mut [i8]) -> i32 {
        let scores = scores.get(..seen).unwrap_or(&[]);
        let best = scores.iter().copied().fold(i32::MIN, i32::max);
        p.fill(0);
        let mut z = 0_i32;
        for (p, score) in p.iter_mut().zip(scores) {
            let e = best.wrapping_sub(*score).wrapping_shr(shift).min(255);
            let weight = LUT.get((e & 255) as usize).copied().unwrap_or(0) as i8; // at most 127
            z = z.wrapping_add(i32::from(weight));
            *p = weight;
        }
        z
    }

    /// `o = clamp((2 sum(p v) + z) / (2 z))` from sums of `p (v + offset)`.
    pub(crate) fn weighted(sums: &[i32], z: i32, offset: u32, bound: u32, out: &mut [i8]) {
        // z is at least 127, below 2^17.
        let (scale, less, bound) = (1.0 / f64::from(z), z.wrapping_mul(offset as i32), bound as i32);
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = clamp(half_up(f64::from(sum.wrapping_sub(less)) * scale), bound) as i8;
        }
    }

    /// `sum(l t)` and `sum(l^2)` of at most 2^14 values, |l| below 2^24 and |t| below 2^10.
    pub(crate) fn dots(l: &[i32], t: &[i32]) -> (i64, i64) {
        let (mut dot, mut square) = (0_i64, 0_i64);
        for (l, t) in l.iter().zip(t) {
            let (l, t) = (i64::from(*l), i64::from(*t));
            dot = dot.wrapping_add(l.wrapping_mul(t));
            square = square.wrapping_add(l.wrapping_mul(l));
        }
        (dot, square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;
    use geodesic_challenge::Shape;
    use proptest::prelude::*;

    fn at_all_levels(test: impl Fn(Level)) {
        Level::all().into_iter().for_each(test);
    }

    proptest! {
        #[test]
        fn requantisation_is_the_specification(
            sums in prop::collection::vec(prop_oneof![-(1_i32 << 23) + 1..1 << 23, -3000_i32..3000], 1..40),
            (total, wmax) in (-9000_i32..9000, prop_oneof![Just(1), Just(127)]),
            shift in 0..=30_u32,
            amax in 1..=47_u32,
            h in -32767..=32767_i16,
        ) {
            let by = Requant::new(total, wmax, shift, amax);
            let value = |sum: &i32| ops::rq(2 * sum - wmax * total, shift);
            at_all_levels(|level| {
                let (mut out, mut residue) = (vec![0; sums.len()], vec![h; sums.len()]);
                requant(level, &sums, by, &mut out);
                residual(level, &sums, by, &mut residue);
                for ((sum, out), residue) in sums.iter().zip(out).zip(residue) {
                    assert_eq!(i32::from(out), ops::clamp(value(sum), amax as i32));
                    assert_eq!(i32::from(residue), ops::clip(i32::from(h) + value(sum)));
                }
            });
        }

        #[test]
        fn norms_are_the_specification(
            rows in prop::collection::vec(prop_oneof![-32767..=32767_i16, -40..40_i16, Just(0)], 1..90),
            amax in 1..=47_u32,
        ) {
            let row: Vec<i32> = rows.iter().map(|h| i32::from(*h)).collect();
            at_all_levels(|level| {
                let mut out = vec![0; rows.len()];
                norm(level, &rows, rows.len(), amax, &mut out, rows.len());
                let out: Vec<i32> = out.into_iter().map(i32::from).collect();
                assert_eq!(out, ops::norm(&row, amax as i32));
            });
        }

        #[test]
        fn turns_are_the_specification(
            (half, t, amax) in (1..40_u32, 0..9_usize, 1..=47_u32),
            values in prop::collection::vec(-47..=47_i8, 160),
        ) {
            let shape = Shape::try_new(geodesic_challenge::ShapeParams {
                dim: 4 * half, heads: 2, seq: 9, amax, ..*Shape::by_name("micro").unwrap()
            });
            let (Ok(shape), hd) = (shape, 2 * half as usize) else { return Ok(()) };
            let row: Vec<i8> = values.iter().take(2 * hd).map(|x| *x.min(&(amax as i8)).max(&-(amax as i8))).collect();
            let mut want: Vec<i32> = row.iter().map(|x| i32::from(*x)).collect();
            want.chunks_exact_mut(hd).for_each(|head| ops::rope(head, t, amax as i32));
            at_all_levels(|level| {
                let mut row = row.clone();
                rope(level, &mut row, Turns::new(&shape).at(t), amax);
                assert_eq!(row.into_iter().map(i32::from).collect::<Vec<_>>(), want);
            });
        }

        #[test]
        fn halves_go_up(n in -(1_i64 << 24)..1 << 24, r in 1..1_i64 << 19) {
            let want = (2 * n + r).div_euclid(2 * r);
            prop_assert_eq!(i64::from(half_up(n as f64 * (1.0 / r as f64))), want);
        }

        #[test]
        fn gates_are_the_specification(
            sums in prop::collection::vec(-40_000..40_000_i32, 2 * BLOCK),
            (shift_q, shift_m, amax) in (0..16_u32, 0..=30_u32, 1..=47_u32),
        ) {
            let micro = *Shape::by_name("micro").unwrap();
            let shape = Shape::try_new(geodesic_challenge::ShapeParams { shift_q, shift_m, amax, ..micro }).unwrap();
            let value = |sum: i32| ops::clamp(ops::rq(2 * sum, shift_q), amax as i32);
            at_all_levels(|level| {
                let mut out = [0; BLOCK];
                gate(level, &sums, Requant::new(0, 127, shift_q, amax), Requant::new(0, 0, shift_m, amax), &mut out);
                let (g, u) = sums.split_at(BLOCK);
                for ((g, u), out) in g.iter().zip(u).zip(out) {
                    assert_eq!(i32::from(out), ops::gate(value(*g), value(*u), &shape));
                }
            });
        }
    }

    #[test]
    fn inputs_and_words_are_the_streams() {
        let (shape, hash) = (Shape::by_name("micro").unwrap(), [7; 32]);
        at_all_levels(|level| {
            let mut h = vec![0; (shape.seq * shape.dim) as usize];
            input(level, Stream::new(&hash), &mut h);
            let want = geodesic_challenge::input(&shape, &hash);
            assert!(h.into_iter().map(i32::from).eq(want));
            let mut some = [0; CHUNK / 2];
            words(level, Stream::new(&hash), 1, &mut some);
            assert!(some.into_iter().eq(Stream::new(&hash).words(1).take(CHUNK / 2)));
        });
    }
}
