//! Deterministic fixed-point maths: the same bits on every node. (A square root is `u128::isqrt` of the standard library.)

use std::num::{NonZeroU64, NonZeroU128};

use ruint::aliases::{U256, U512};

use crate::dec::Dec;
use crate::int::Overflow;

/// `floor(a * b / d)`.
///
/// # Errors
/// [`Overflow`] if it has more than 64 bits.
pub fn mul_div_floor(a: u64, b: u64, d: NonZeroU64) -> Result<u64, Overflow> {
    let product = u128::from(a).checked_mul(u128::from(b)).ok_or(Overflow)?;
    let quotient = product.checked_div(u128::from(d.get())).ok_or(Overflow)?;
    u64::try_from(quotient).map_err(|_| Overflow)
}

/// `floor(a * b / d)`; the product may have 256 bits.
///
/// # Errors
/// [`Overflow`] if the result has more than 128 bits.
pub fn mul_div_floor_u128(a: u128, b: u128, d: NonZeroU128) -> Result<u128, Overflow> {
    let product = U256::from(a).checked_mul(U256::from(b)).ok_or(Overflow)?;
    let quotient = product.checked_div(U256::from(d.get())).ok_or(Overflow)?;
    u128::try_from(quotient).map_err(|_| Overflow)
}

/// Shares of `total` in proportion to `weights`, by largest remainder.
///
/// `share_i = floor(total * w_i / sum(w))`; what is left over, less than one unit a weight, goes one by one to the
/// largest remainders, of equal ones to the first. The shares sum to `total`, and a weight of 0 gets 0. If all weights are
/// 0 every share is 0.
pub fn split(total: u128, weights: &[u128]) -> Vec<u128> {
    let sum = weights.iter().fold(U256::ZERO, |sum, w| sum.saturating_add(U256::from(*w)));
    if sum.is_zero() {
        return vec![0; weights.len()];
    }
    let mut parts: Vec<Part> =
        weights.iter().enumerate().map(|(i, w)| Part::new(i, total, *w, sum)).collect();
    let given = parts.iter().fold(0_u128, |given, p| given.saturating_add(p.share));
    let left = usize::try_from(total.saturating_sub(given)).unwrap_or(usize::MAX);
    parts.sort_by(|a, b| b.remainder.cmp(&a.remainder).then(a.index.cmp(&b.index)));
    for part in parts.iter_mut().take(left) {
        part.share = part.share.saturating_add(1);
    }
    parts.sort_by_key(|p| p.index);
    parts.into_iter().map(|p| p.share).collect()
}

struct Part {
    index: usize,
    share: u128,
    remainder: U256,
}

impl Part {
    /// `sum` is not 0; the product of two numbers of 128 bits has 256, and a share is at most `total`.
    fn new(index: usize, total: u128, weight: u128, sum: U256) -> Self {
        let (share, remainder) = U256::from(total).saturating_mul(U256::from(weight)).div_rem(sum);
        Self { index, share: share.saturating_to(), remainder }
    }
}

/// Bits behind the point inside [`decay_floor`].
const FRACTION_BITS: usize = 192;

/// `floor(ln 2 * 2^192)`.
const LN2: U512 =
    U512::from_limbs([0x40f3_4326_7298_b62d, 0xc9e3_b398_03f2_f6af, 0xb172_17f7_d1cf_79ab, 0, 0, 0, 0, 0]);

/// Terms of the exponential series: `0.7^45 / 45! < 2^-192`.
const TERMS: u64 = 45;

/// `floor(initial * e^(-rate * steps))`, for an emission that falls by the same rate in each step.
///
/// With `x = rate * steps`, `k = floor(x / ln 2)` and `r = x - k ln 2` it is `initial * e^-r / 2^k`, `e^-r` by its power
/// series in units of `u = 2^-192`.
///
/// Error: `r` is off by less than `1 + k < 195 u` (`x` and `ln 2` are rounded down; from `x = 134` on the result is 0), a
/// term of the series by less than `2 u`, its 45 terms by `90 u`, the cut-off tail by `1 u`. Together `e^-x` is off by less
/// than `2^9 * 2^-192 = 2^-183`, and the product by less than `initial * 2^-183`: for 323,000 GEO in ugeo below `2^-144` of
/// a unit. So the result is the true floor unless the true value lies that close to a whole number; for `x = 0` it is exact.
///
/// # Errors
/// [`Overflow`] if `rate` is negative.
pub fn decay_floor(initial: u128, rate: Dec, steps: u64) -> Result<u128, Overflow> {
    const ATOM: u128 = 1_000_000_000_000_000_000;
    const VANISHES: u128 = 134 * ATOM; // e^-134 < 2^-193, below any u128
    if rate.is_negative() {
        return Err(Overflow);
    }
    if rate.is_zero() || steps == 0 {
        return Ok(initial);
    }
    let atoms = rate.to_atomics().and_then(|r| r.checked_mul(u128::from(steps))).filter(|x| *x < VANISHES);
    let Some(atoms) = atoms else { return Ok(0) };
    let x = U512::from(atoms).wrapping_shl(FRACTION_BITS).checked_div(U512::from(ATOM)).ok_or(Overflow)?;
    let (k, r) = x.div_rem(LN2);
    let shift = FRACTION_BITS.saturating_add(k.saturating_to());
    let product = exp_neg(r)?.checked_mul(U512::from(initial)).ok_or(Overflow)?;
    u128::try_from(product.wrapping_shr(shift)).map_err(|_| Overflow)
}

/// `e^-r` for `r` up to 0.7, both in units of `2^-192`.
fn exp_neg(r: U512) -> Result<U512, Overflow> {
    let one = U512::ONE.wrapping_shl(FRACTION_BITS);
    let (mut even, mut odd, mut term) = (one, U512::ZERO, one);
    for j in 1..=TERMS {
        let scaled = term.checked_mul(r).ok_or(Overflow)?.wrapping_shr(FRACTION_BITS);
        term = scaled.checked_div(U512::from(j)).ok_or(Overflow)?;
        let sum = if j & 1 == 1 { &mut odd } else { &mut even };
        *sum = sum.checked_add(term).ok_or(Overflow)?;
    }
    even.checked_sub(odd).ok_or(Overflow)
}
