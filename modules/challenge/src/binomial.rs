//! Verdict on nonces that honest devices may get wrong at times (profile `pow2-f16`), in integers.
//!
//! With `n` samples of which each is bad with probability at most `p0`, `bad` of them prove fraud iff
//! P(X >= bad | n, p0) = sum over k >= bad of C(n, k) p0^k (1 - p0)^(n - k) < alpha.
//! Both sides are multiplied by `den^n`, so every comparison is one of whole numbers; nothing is rounded.

/// Most samples that a verdict is given for.
pub const VERDICT_SAMPLES_MAX: u32 = 10_000;

/// A share `num / den`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    num: u32,
    den: u32,
}

/// Why no verdict is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinomialError {
    /// Not a share below one: numerator, denominator.
    Share(u32, u32),
    /// More samples than [`VERDICT_SAMPLES_MAX`].
    Samples(u32),
    /// More bad samples than samples: bad, samples.
    Bad(u32, u32),
}

impl std::fmt::Display for BinomialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Share(num, den) => {
                write!(f, "share is {num}/{den}, the numerator must be below the denominator")
            }
            Self::Samples(n) => write!(f, "{n} samples, at most {VERDICT_SAMPLES_MAX} are judged"),
            Self::Bad(bad, n) => write!(f, "{bad} bad samples, there are only {n}"),
        }
    }
}

impl std::error::Error for BinomialError {}

impl Share {
    /// `num / den`, at least 0 and below 1.
    ///
    /// # Errors
    /// [`BinomialError::Share`].
    pub fn try_new(num: u32, den: u32) -> Result<Self, BinomialError> {
        if num < den { Ok(Self { num, den }) } else { Err(BinomialError::Share(num, den)) }
    }

    /// The numerator.
    pub fn num(&self) -> u32 {
        self.num
    }

    /// The denominator.
    pub fn den(&self) -> u32 {
        self.den
    }
}

/// A whole number, little-endian in words of 32 bits, so that products and quotients of a word fit 64.
#[derive(Clone, Debug)]
struct Whole(Vec<u32>);

impl Whole {
    fn one() -> Self {
        Self(vec![1])
    }

    fn mul(&mut self, by: u32) {
        let mut carry = 0_u64;
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(by);
            *word = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides by `by`, which is above 0 and divides the number.
    fn div_exact(&mut self, by: u32) {
        let mut rest = 0_u64;
        for word in self.0.iter_mut().rev() {
            rest = rest << 32 | u64::from(*word);
            *word = (rest / u64::from(by)) as u32;
            rest %= u64::from(by);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// Subtracts `other`, or returns false, `self` spoilt, where it is the larger.
    fn sub(&mut self, other: &Self) -> bool {
        if other.0.len() > self.0.len() {
            return false;
        }
        let mut borrow = false;
        for (i, word) in self.0.iter_mut().enumerate() {
            let (less, under) = word.overflowing_sub(other.0.get(i).copied().unwrap_or(0));
            let (less, under_again) = less.overflowing_sub(u32::from(borrow));
            (*word, borrow) = (less, under || under_again);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        !borrow
    }

    fn below(&self, other: &Self) -> bool {
        let order = self.0.len().cmp(&other.0.len());
        order.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())).is_lt()
    }
}

/// Smallest number of bad samples among `n` that proves fraud, `n + 1` where none does:
/// the least K with `P(X >= K | n, p0) < alpha`.
///
/// # Errors
/// [`BinomialError::Samples`].
pub fn fraud_threshold(n: u32, p0: Share, alpha: Share) -> Result<u32, BinomialError> {
    least_fraud(n, p0, alpha, n)
}

/// The least K up to `limit` (at most `n`) that proves fraud, `limit + 1` where none does.
fn least_fraud(n: u32, p0: Share, alpha: Share, limit: u32) -> Result<u32, BinomialError> {
    if n > VERDICT_SAMPLES_MAX {
        return Err(BinomialError::Samples(n));
    }
    let good = p0.den - p0.num; // above 0, because the share is below one
    // Everything in units of 1 / (den^n alpha.den): the tail from k = 0 is all of it; the term of k = 0 is good^n.
    let (mut tail, mut bound, mut term) = (Whole::one(), Whole::one(), Whole::one());
    for _ in 0..n {
        tail.mul(p0.den);
        bound.mul(p0.den);
        term.mul(good);
    }
    tail.mul(alpha.den);
    term.mul(alpha.den);
    bound.mul(alpha.num);
    if alpha.num == 0 {
        return Ok(limit + 1); // no probability is below zero
    }
    for k in 0..=limit {
        if tail.below(&bound) {
            return Ok(k);
        }
        // The sum over all k is the whole, so a term is never above the tail that it belongs to.
        let _ = tail.sub(&term);
        if k < n {
            // C(n, k + 1) = C(n, k) (n - k) / (k + 1), exactly; one factor `good` gives way to one `num`.
            term.mul(n - k);
            term.div_exact(k + 1);
            term.div_exact(good);
            term.mul(p0.num);
        }
    }
    Ok(limit + 1)
}

/// True if `bad` of `n` samples prove fraud: `P(X >= bad | n, p0) < alpha`.
///
/// # Errors
/// [`BinomialError::Bad`], [`BinomialError::Samples`].
pub fn is_fraud(bad: u32, n: u32, p0: Share, alpha: Share) -> Result<bool, BinomialError> {
    if bad > n {
        return Err(BinomialError::Bad(bad, n));
    }
    Ok(least_fraud(n, p0, alpha, bad)? <= bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(num: u32, den: u32) -> Share {
        Share::try_new(num, den).unwrap()
    }

    #[test]
    fn corners() {
        for (name, n, p0, alpha, want) in [
            ("nobody errs: one is fraud", 100, share(0, 1), share(1, 10_000_000), 1),
            ("no samples prove nothing", 0, share(1, 2), share(1, 2), 1),
            ("alpha of zero never condemns", 50, share(1, 2000), share(0, 1), 51),
            ("a tail equal to alpha is no fraud: P(X >= 2 | 2, 1/2) = 1/4", 2, share(1, 2), share(1, 4), 3),
            ("and a hair above is", 2, share(1, 2), share(2_500_001, 10_000_000), 2),
            ("all bad, and likely", 3, share(9, 10), share(1, 2), 4),
        ] {
            assert_eq!(fraud_threshold(n, p0, alpha), Ok(want), "{name}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(Share::try_new(1, 1), Err(BinomialError::Share(1, 1)));
        assert_eq!(Share::try_new(0, 0), Err(BinomialError::Share(0, 0)));
        let (p0, alpha) = (share(1, 2000), share(1, 10_000_000));
        assert_eq!(is_fraud(3, 2, p0, alpha), Err(BinomialError::Bad(3, 2)));
        assert_eq!(fraud_threshold(10_001, p0, alpha), Err(BinomialError::Samples(10_001)));
        assert_eq!(BinomialError::Bad(3, 2).to_string(), "3 bad samples, there are only 2");
    }
}
