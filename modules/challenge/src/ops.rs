//! The steps of a layer, one function each, in the words of the specification. Values in, values out.
use crate::shape::Shape;
use crate::tables::{LUT, cos};

/// Bound of the residual stream.
pub const H_MAX: i32 = 32767;

/// `min(max(x, -amax), amax)`.
#[inline]
pub fn clamp(x: i32, amax: i32) -> i32 {
    x.clamp(-amax, amax)
}

/// `clip(x, +-32767)`.
#[inline]
pub fn clip(x: i32) -> i32 {
    x.clamp(-H_MAX, H_MAX)
}

/// Rounding shift: `(x + 2^(s-1)) >> s`, and `x` itself for s = 0. |x| below 2^30.
#[inline]
pub fn rq(x: i32, s: u32) -> i32 {
    if s == 0 { x } else { (x + (1 << (s - 1))) >> s }
}

/// `norm` of one token: `r = max(1, isqrt((256 sum(h^2)) / d))`, `C = (16 amax) / 3`,
/// `a = clamp((2 h C + r) / (2 r))`, dividing towards minus infinity. |h| at most 32767.
pub fn norm(h: &[i32], amax: i32) -> Vec<i32> {
    let sum: u64 = h.iter().map(|x| u64::from(x.unsigned_abs()).pow(2)).sum();
    let r = (256 * sum / h.len().max(1) as u64).isqrt().max(1) as i64;
    let c = i64::from(16 * amax / 3);
    let amax = i64::from(amax);
    h.iter().map(|x| (2 * i64::from(*x) * c + r).div_euclid(2 * r).clamp(-amax, amax) as i32).collect()
}

/// `a W^T` for rows of `a` of `k` values; `w` is `[out, k]` row-major. The result is `[rows, out]`.
pub fn linear(a: &[i32], w: &[i8], k: usize) -> Vec<i32> {
    let dot = |x: &[i32], y: &[i8]| x.iter().zip(y).map(|(x, y)| x * i32::from(*y)).sum();
    a.chunks_exact(k).flat_map(|x| w.chunks_exact(k).map(move |y| dot(x, y))).collect()
}

/// Angle index of pair `j` at position `t`: `(t max(1, 163 / (j+1))) mod 1024`.
pub fn angle(t: usize, j: usize) -> u32 {
    ((t * (163 / (j + 1)).max(1)) % 1024) as u32
}

/// `rope` of one head at position `t`, in place: pairs `(2j, 2j+1)` turn by their angle, in 1/64.
pub fn rope(head: &mut [i32], t: usize, amax: i32) {
    for (j, pair) in head.chunks_exact_mut(2).enumerate() {
        let n = angle(t, j);
        let (c, s) = (cos(n), cos(n + 768)); // n - 256 mod 1024
        let (a, b) = (pair[0], pair[1]);
        pair[0] = clamp((a * c - b * s + 32) >> 6, amax);
        pair[1] = clamp((b * c + a * s + 32) >> 6, amax);
    }
}

/// Attention of one head for the query of one position over the keys and values `[positions, hd]` up to it:
/// `e = min((max score - score) >> sS, 255)`, `p = LUT[e]`, `o = clamp((2 sum(p v) + z) / (2 z))`, `z = sum(p)`.
pub fn attend(q: &[i32], keys: &[&[i32]], values: &[&[i32]], shape: &Shape) -> Vec<i32> {
    let scores: Vec<i32> = keys.iter().map(|k| q.iter().zip(*k).map(|(a, b)| a * b).sum::<i32>()).collect();
    let best = scores.iter().copied().max().unwrap_or(0);
    let p: Vec<i32> =
        scores.iter().map(|s| i32::from(LUT[((best - s) >> shape.shift_s).min(255) as usize])).collect();
    let z: i32 = p.iter().sum(); // at least LUT[0] = 127
    (0..q.len())
        .map(|i| {
            let sum: i32 = p.iter().zip(values).map(|(p, v)| p * v[i]).sum();
            clamp((2 * sum + z).div_euclid(2 * z), shape.amax as i32)
        })
        .collect()
}

/// `clamp(rq(|g| u, sM))`.
#[inline]
pub fn gate(g: i32, u: i32, shape: &Shape) -> i32 {
    clamp(rq(g.abs() * u, shape.shift_m), shape.amax as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rq_rounds_half_up() {
        for (x, s, want) in
            [(7, 0, 7), (-7, 0, -7), (3, 1, 2), (-3, 1, -1), (2, 2, 1), (-2, 2, 0), (-3, 2, -1), (0, 30, 0)]
        {
            assert_eq!(rq(x, s), want, "rq({x}, {s})");
        }
    }

    #[test]
    fn norm_of_nothing_is_nothing() {
        assert_eq!(norm(&[0; 4], 15), [0; 4], "r = 0 counts as 1");
    }

    #[test]
    fn norm_rounds_towards_minus_infinity_and_clamps() {
        // sum 100, d 4: r = isqrt(6400) = 80, C = 80: a = floor((160 h + 80) / 160).
        assert_eq!(norm(&[1, -1, 7, -7], 15), [1, -1, 7, -7]);
        // One spike: r = isqrt(256 * 10000 / 4) = 800, C = 80: 100 * 80 / 800 = 10.
        assert_eq!(norm(&[100, 0, 0, 0], 15), [10, 0, 0, 0]);
        // d = 64: r = isqrt(256 * 10000 / 64) = 200: 40, clamped; -40, clamped.
        let mut spike = [0; 64];
        spike[3] = -100;
        assert_eq!(norm(&spike, 15)[3], -15);
        // d = 2: r = isqrt(256 * 4 / 2) = 22, C = 5: floor((-20 + 22) / 44) = 0.
        assert_eq!(norm(&[-2, 0], 1), [0, 0]);
        // The largest residual: r = 16 * 32767, C = 250: floor(+-15.625 + 0.5).
        assert_eq!(norm(&[-32767, 32767], 47), [-16, 16]);
    }

    #[test]
    fn the_residual_is_clipped() {
        assert_eq!([clip(32767), clip(32768), clip(-32768), clip(1 << 30)], [32767, 32767, -32767, 32767]);
    }

    #[test]
    fn attention_of_one_position_is_its_value() {
        let shape = Shape::by_name("micro").unwrap();
        let v = [3, -15, 0, 15];
        assert_eq!(attend(&[1, 2, 3, 4], &[&[5, 6, 7, 8]], &[&v], &shape), v);
    }

    #[test]
    fn a_far_worse_score_counts_nothing() {
        let shape = Shape::by_name("micro").unwrap();
        let (near, far) = ([15, 15], [-15, -15]);
        // Scores 450 and -450: e = min(900 >> 2, 255) = 225, LUT[225] = 0.
        assert_eq!(attend(&[15, 15], &[&far, &near], &[&[9, 9], &[-4, 4]], &shape), [-4, 4]);
    }

    #[test]
    fn rope_turns_by_quarters() {
        // Pair 0 turns by 163 t: t = 0 does nothing; index 256 is a quarter.
        let mut x = [5, -3];
        rope(&mut x, 0, 15);
        assert_eq!(x, [5, -3]);
        assert_eq!([cos(0), cos(256), cos(512), cos(768), cos(1024)], [64, 0, -64, 0, 64]);
        // t = 1, n = 163: c = 35, s = 54: (15*35 + 15*54 + 32) >> 6 = 21, clamped.
        let mut y = [15, -15];
        rope(&mut y, 1, 15);
        assert_eq!((y[0], y[1]), (15, (-15 * cos(163) + 15 * cos(163 + 768) + 32) >> 6));
    }
}
