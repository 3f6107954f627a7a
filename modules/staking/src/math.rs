//! From shares of work and collateral to power, in integers.
//!
//! ```text
//! effective = share * base + min(share * (1 - base), collateral / collateral_per_share)
//! power     = floor(effective * 1,000,000)
//! ```

use geodesic_core::fixed::split;
use geodesic_core::{Int, Overflow};

use crate::params::ComputeParams;

/// A share of all work: 1 is 10^12.
pub const SHARE_ONE: u64 = 1_000_000_000_000;

/// Power of all work with full collateral.
pub const POWER_ONE: u64 = 1_000_000;

/// Inner unit: shares have 12 decimals and `base` 18, so all is exact in units of 10^-30.
const UNIT: u128 = 10_u128.pow(30);
const BASE_ONE: u128 = 10_u128.pow(18);

/// Share that counts, in units of 10^-30, with `share` in units of 10^-12, at most [`SHARE_ONE`].
///
/// The quotient by `collateral_per_share` is rounded down.
///
/// # Errors
/// [`Overflow`] if `share` is above 1.
pub fn effective(share: u64, collateral: Int, params: &ComputeParams) -> Result<u128, Overflow> {
    if share > SHARE_ONE {
        return Err(Overflow);
    }
    let share = u128::from(share);
    let base = params.base().to_atomics().ok_or(Overflow)?;
    let free = share.checked_mul(base).ok_or(Overflow)?;
    let backable = share.checked_mul(BASE_ONE.checked_sub(base).ok_or(Overflow)?).ok_or(Overflow)?;
    let backed = if collateral >= params.collateral_per_share() {
        UNIT
    } else {
        collateral.mul_div(UNIT.into(), params.collateral_per_share())?.to_u128().ok_or(Overflow)?
    };
    free.checked_add(backable.min(backed)).ok_or(Overflow)
}

/// The same, rounded down to units of 10^-12.
///
/// # Errors
/// [`Overflow`] if `share` is above 1.
pub fn effective_share(share: u64, collateral: Int, params: &ComputeParams) -> Result<u64, Overflow> {
    let effective = effective(share, collateral, params)?.checked_div(BASE_ONE).ok_or(Overflow)?;
    u64::try_from(effective).map_err(|_| Overflow)
}

/// `floor(effective * 1,000,000)`.
///
/// # Errors
/// [`Overflow`] if `share` is above 1.
pub fn power(share: u64, collateral: Int, params: &ComputeParams) -> Result<u64, Overflow> {
    let millionth = UNIT.checked_div(POWER_ONE.into()).ok_or(Overflow)?;
    let power = effective(share, collateral, params)?.checked_div(millionth).ok_or(Overflow)?;
    u64::try_from(power).map_err(|_| Overflow)
}

/// One operator at an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Share and power so far.
    pub old: (u64, u64),
    /// Share and power that the work gives; afterwards what it gets.
    pub new: (u64, u64),
}

impl Step {
    const fn increase(&self) -> u64 {
        self.new.1.saturating_sub(self.old.1)
    }
}

/// Sum of the increases that the steps want.
pub fn wanted(steps: &[Step]) -> u64 {
    steps.iter().fold(0, |sum, s| sum.saturating_add(s.increase()))
}

/// Moves every power from the old to the new by `min(1, allowed / wanted)`.
///
/// Increases together are exactly `min(wanted, allowed)`, by largest remainder; decreases are rounded down. One that
/// rises has its new share at once, since its power is below what that gives. One that falls keeps the same part of its
/// old share as of its old power, rounded up, so that its collateral still allows the power: the formula is concave.
pub fn ramp(steps: &mut [Step], allowed: u64) {
    let wanted = wanted(steps);
    if wanted <= allowed {
        return;
    }
    let increases: Vec<u128> = steps.iter().map(|s| s.increase().into()).collect();
    let granted = split(allowed.into(), &increases);
    for (step, granted) in steps.iter_mut().zip(granted) {
        let (old, new) = (step.old, step.new);
        step.new = if new.1 >= old.1 {
            (new.0, old.1.saturating_add(u64::try_from(granted).unwrap_or(u64::MAX)))
        } else {
            (toward(old.0, new.0, allowed, wanted), toward(old.1, new.1, allowed, wanted))
        };
    }
}

/// `from + (to - from) * a / b` for `a <= b`, rounded up.
fn toward(from: u64, to: u64, a: u64, b: u64) -> u64 {
    let part = |x: u64, a: u64| {
        let part = u128::from(x).saturating_mul(a.into()).checked_div(b.into()).unwrap_or_default();
        u64::try_from(part).unwrap_or(x)
    };
    if to < from {
        from.saturating_sub(part(from.saturating_sub(to), a))
    } else {
        to.saturating_sub(part(to.saturating_sub(from), b.saturating_sub(a)))
    }
}
