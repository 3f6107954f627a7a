//! Exact rounding of integers held in floats, in forms that a compiler turns into vector instructions.
//!
//! Adding and subtracting 1.5 * 2^(mantissa bits) rounds to the nearest integer. The specification rounds halves up;
//! a number that is a multiple of 1/n and no half stays at least 1/(2n) away from one, so adding less than that moves
//! exact halves up and nothing else across.

const MAGIC32: f32 = 12_582_912.0; // 1.5 * 2^23
const MAGIC64: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// Nearest integer; |x| below 2^22, x no half.
#[inline(always)]
pub(crate) fn nearest32(x: f32) -> f32 {
    (x + MAGIC32) - MAGIC32
}

/// Nearest integer as i16; |x| below 2^15, x no half.
#[inline(always)]
pub(crate) fn nearest_i16(x: f32) -> i16 {
    // The low bits of the mantissa of 1.5 * 2^23 + n are n in two's complement.
    (x + MAGIC32).to_bits() as i16
}

/// `floor(x + 1/2)` for x with an error below 2^-40 that is a multiple of 1/n, n at most 2^20; |x| below 2^40.
#[inline(always)]
pub(crate) fn half_up64(x: f64) -> f64 {
    const TIE: f64 = 1.0 / 4_194_304.0; // 2^-22
    ((x + TIE) + MAGIC64) - MAGIC64
}

/// `clamp(rq(x, s))`, and the plain `rq` where no clamp follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requant {
    scale: f32,
    tie: f32,
    amax: f32,
    wide: bool,
}

impl Requant {
    /// For a shift of at most 30 and an `amax` of at most 47.
    pub(crate) fn new(shift: u32, amax: u32) -> Self {
        let scale = 0.5_f32.powi(shift as i32);
        // Clamped first, x / 2^s has 6 bits before the point and s after it; the tie needs two more.
        Self { scale, tie: scale / 4.0, amax: amax as f32, wide: shift > 15 }
    }

    /// `clamp(rq(x, s))` for a shift of at most 15.
    #[inline(always)]
    fn narrow(self, x: f32) -> f32 {
        nearest32((x * self.scale).max(-self.amax).min(self.amax) + self.tie)
    }

    /// `out = clamp(rq(x, s))` for integers x of magnitude below 2^24.
    #[inline(always)]
    pub(crate) fn clamp_into(self, x: &[f32], out: &mut [f32]) {
        if self.wide {
            let (scale, tie, amax) = (f64::from(self.scale), f64::from(self.tie), f64::from(self.amax));
            for (out, x) in out.iter_mut().zip(x) {
                let y = (f64::from(*x) * scale).max(-amax).min(amax);
                *out = (((y + tie) + MAGIC64) - MAGIC64) as f32;
            }
        } else {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = self.narrow(*x));
        }
    }

    /// `clamp(rq(p, s))` for an integer p of magnitude below 2^20, any shift.
    #[inline(always)]
    pub(crate) fn small(self, p: f32) -> f32 {
        self.narrow(p)
    }

    /// `h + rq(x, s)` for integers, |x| below 2^24.
    #[inline(always)]
    pub(crate) fn add(self, h: f32, x: f32) -> f64 {
        let y = f64::from(x) * f64::from(self.scale);
        f64::from(h) + (((y + f64::from(self.tie)) + MAGIC64) - MAGIC64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geodesic_challenge::ops;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn requantisation_is_the_specification(
            x in prop_oneof![-(1_i32 << 24) + 1..1 << 24, -3000_i32..3000],
            shift in 0..=30_u32,
            amax in 1..=47_u32,
            h in -32767..=32767_i32,
        ) {
            let requant = Requant::new(shift, amax);
            let mut out = [0.0];
            requant.clamp_into(&[x as f32], &mut out);
            let want = ops::clamp(ops::rq(x, shift), amax as i32);
            prop_assert_eq!(out, [want as f32]);
            prop_assert_eq!(requant.add(h as f32, x as f32), f64::from(h + ops::rq(x, shift)));
            if x.abs() < 1 << 12 {
                prop_assert_eq!(requant.small(x as f32), want as f32);
            }
        }

        #[test]
        fn halves_go_up(n in -(1_i64 << 24)..1 << 24, r in 1..1_i64 << 19) {
            let want = (2 * n + r).div_euclid(2 * r);
            prop_assert_eq!(half_up64(n as f64 * (1.0 / r as f64)), want as f64);
        }

        #[test]
        fn low_bits_of_the_mantissa(n: i16) {
            prop_assert_eq!(nearest_i16(f32::from(n)), n);
        }
    }
}
