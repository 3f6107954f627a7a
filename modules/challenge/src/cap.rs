//! Share of a sphere within a distance of a point, and the distance for a share: the chain's difficulty, in integers.
//!
//! p(r, V) = 1/2 I_{1-c^2}((V-1)/2, 1/2),   c = 1 - r^2 / 2     (the complement for c < 0)
//!
//! Computed from the middle, where the series has positive terms only: with a = (V-1)/2
//! 1/2 - p = c (1-c^2)^a / B(1/2, a) * sum_j prod_{i<j} c^2 (2a + 1 + 2i) / (3 + 2i)
//! Source: DLMF 8.17.8 and 15.8.1. Numbers are binary floats of 128 bits kept in integers ([`Big`]), so the sum is
//! good to 2^-90; a share below 2^-64 counts as 0.
use crate::distance::RTarget;

/// Smallest V for which the formula is offered.
pub const VOCAB_MIN: u32 = 64;
/// Largest V for which the formula is offered.
pub const VOCAB_MAX: u32 = 65536;
/// Smallest probability for which a target is offered: 2^-40, in units of 2^-64.
pub const P_MIN: u64 = 1 << 24;

const R_MAX: u64 = 1 << 33;
const HALF: u128 = 1 << 127;

/// Why no probability or target is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapError {
    /// V outside `VOCAB_MIN ..= VOCAB_MAX`.
    Vocab(u32),
    /// A distance above 2 (2^33).
    Distance(u64),
    /// A probability below [`P_MIN`].
    Probability(u64),
}

impl std::fmt::Display for CapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vocab(v) => write!(f, "vocab is {v}, must be between {VOCAB_MIN} and {VOCAB_MAX}"),
            Self::Distance(r) => write!(f, "distance is {r}, at most {R_MAX} is possible"),
            Self::Probability(p) => {
                write!(f, "probability is {p} units of 2^-64, at least {P_MIN} is needed")
            }
        }
    }
}

impl std::error::Error for CapError {}

/// A positive number `m 2^e`, m in 2^127 .. 2^128; every operation rounds down, relative error below 2^-108.
#[derive(Clone, Copy)]
struct Big {
    m: u128,
    e: i64,
}

impl Big {
    /// `m 2^e`; m above 0.
    fn new(m: u128, e: i64) -> Self {
        let shift = m.leading_zeros();
        Self { m: m << shift, e: e - i64::from(shift) }
    }

    fn mul(self, other: Self) -> Self {
        Self::new(mul_high(self.m, other.m), self.e + other.e + 128)
    }

    /// Times `n / d`, both above 0 and below 2^20.
    fn scale(self, n: u64, d: u64) -> Self {
        let times = Self::new((self.m >> 20) * u128::from(n), self.e + 20);
        Self::new(times.m / u128::from(d), times.e)
    }

    fn pow(self, mut n: u32) -> Self {
        let (mut base, mut out) = (self, Self::new(1, 0));
        while n > 0 {
            if n % 2 == 1 {
                out = out.mul(base);
            }
            base = base.mul(base);
            n /= 2;
        }
        out
    }

    fn sqrt(self) -> Self {
        // m or m / 2, so that the exponent is even; then 64 bits of root, and 64 more from the remainder.
        let odd = (self.e & 1) as u32;
        let m = self.m >> odd;
        let root = m.isqrt();
        let rest = ((m - root * root) << 62) / root; // (m - root^2) / (2 root), in units of 2^-63
        Self::new((root << 63) + rest, (self.e + i64::from(odd)) / 2 - 63)
    }

    /// In units of 2^-128, rounded down; the number is below 1.
    fn fixed(self) -> u128 {
        u32::try_from(-self.e - 128).map_or(u128::MAX, |shift| self.m.checked_shr(shift).unwrap_or(0))
    }
}

/// High half of the product of two 128-bit numbers.
fn mul_high(a: u128, b: u128) -> u128 {
    let (ah, al, bh, bl) = (a >> 64, a & LOW, b >> 64, b & LOW);
    const LOW: u128 = (1 << 64) - 1;
    let middle = ((al * bl) >> 64) + ((ah * bl) & LOW) + ((al * bh) & LOW);
    ah * bh + ((ah * bl) >> 64) + ((al * bh) >> 64) + (middle >> 64)
}

/// `1 / B(1/2, a)`, a = (V-1)/2, by `1/B(1/2, a+1) = (a + 1/2) / a * 1/B(1/2, a)` from 1/pi (a = 1/2) or 1/2 (a = 1).
fn inverse_beta(vocab: u32) -> Big {
    const INVERSE_PI: u128 = 0x517c_c1b7_2722_0a94_fe13_abe8_fa9a_6ee0; // floor(2^128 / pi)
    let (start, mut value) =
        if vocab.is_multiple_of(2) { (2, Big::new(INVERSE_PI, -128)) } else { (3, Big::new(1, -1)) };
    // From V to V + 2: (a + 1/2) / a = V / (V - 1).
    for v in (start..u64::from(vocab)).step_by(2) {
        value = value.scale(v, v - 1);
    }
    value
}

/// Share of the sphere within `r` (at most the square root of 2), in units of 2^-128; `beta` is [`inverse_beta`].
fn small_cap(r: u64, vocab: u32, beta: Big) -> u128 {
    let square = u128::from(r).pow(2); // units of 2^-64, at most 2^65
    let Some(c) = (1_u128 << 65).checked_sub(square).filter(|c| *c > 0) else { return HALF };
    if square == 0 {
        return 0;
    }
    let c = Big::new(c, -65);
    // 1 - c^2 = (1 - c)(1 + c) = r^2/2 (2 - r^2/2)
    let rest = Big::new(square, -65).mul(Big::new((1 << 66) - square, -65));
    let mut power = rest.pow((vocab - 1) / 2);
    if vocab.is_multiple_of(2) {
        power = power.mul(rest.sqrt());
    }
    if power.fixed() >> 64 == 0 {
        return 0; // p <= (1 - c^2)^a / 2 < 2^-65
    }
    let (c2, mut term) = (c.mul(c), c.mul(power).mul(beta));
    let mut sum = 0_u128;
    // With (1-c^2)^a at least 2^-64 and V at least 64 the terms fall below the unit long before the bound.
    for i in 0..100_000_u64 {
        let add = term.fixed();
        if add == 0 {
            break;
        }
        sum += add;
        term = term.mul(c2).scale(u64::from(vocab) + 2 * i, 3 + 2 * i);
    }
    HALF.saturating_sub(sum)
}

fn cap(r: u64, vocab: u32, beta: Big) -> u128 {
    let square = u128::from(r).pow(2);
    if square <= 1 << 65 {
        return small_cap(r, vocab, beta);
    }
    // Beyond the equator: all but the cap around the opposite point, whose chord is sqrt(4 - r^2). Rounding that chord
    // moves r by less than one unit, because r is the longer of the two.
    u128::MAX - small_cap(((1_u128 << 66) - square).isqrt() as u64, vocab, beta)
}

fn check(vocab: u32) -> Result<(), CapError> {
    if (VOCAB_MIN..=VOCAB_MAX).contains(&vocab) { Ok(()) } else { Err(CapError::Vocab(vocab)) }
}

/// Probability that a nonce of a network with `vocab` outputs is a hit below `r`, in units of 2^-64, rounded down;
/// 1 reads as `u64::MAX`.
///
/// # Errors
/// [`CapError::Vocab`], [`CapError::Distance`].
pub fn cap_probability(r: RTarget, vocab: u32) -> Result<u64, CapError> {
    check(vocab)?;
    if r.0 > R_MAX {
        return Err(CapError::Distance(r.0));
    }
    Ok((cap(r.0, vocab, inverse_beta(vocab)) >> 64) as u64)
}

/// Smallest `r_target` whose probability is at least `p` (units of 2^-64), by bisection; within two units of 2^-32 of
/// the exact value.
///
/// # Errors
/// [`CapError::Vocab`]; [`CapError::Probability`] below [`P_MIN`].
pub fn r_target(p: u64, vocab: u32) -> Result<RTarget, CapError> {
    check(vocab)?;
    if p < P_MIN {
        return Err(CapError::Probability(p));
    }
    let (want, beta) = (u128::from(p) << 64, inverse_beta(vocab));
    let (mut below, mut reached) = (0, R_MAX);
    while reached - below > 1 {
        let middle = below.midpoint(reached);
        if cap(middle, vocab, beta) >= want {
            reached = middle;
        } else {
            below = middle;
        }
    }
    Ok(RTarget(reached))
}
