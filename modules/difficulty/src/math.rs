//! Retargeting: pure functions in units of 2^-64.

use geodesic_core::Dec;

/// A share between 0 and 1 in units of 2^-64, rounded down; `None` outside.
pub(crate) fn share(value: Dec) -> Option<u64> {
    const ATOM: u128 = 1_000_000_000_000_000_000;
    let atoms = value.to_atomics().filter(|a| *a < ATOM)?;
    u64::try_from(atoms.checked_shl(64)?.checked_div(ATOM)?).ok()
}

/// `p` scaled towards `wanted` hits by the `accepted` ones: `p * wanted / accepted`, at most by 2 either way, within the
/// bounds.
pub(crate) fn retarget(p: u64, accepted: u64, wanted: u64, p_min: u64, p_max: u64) -> u64 {
    let p = u128::from(p);
    let scaled = p
        .saturating_mul(u128::from(wanted))
        .checked_div(u128::from(accepted))
        .unwrap_or(u128::MAX) // nothing accepted: as easy as one step allows
        .clamp(p.div_ceil(2), p.saturating_mul(2));
    u64::try_from(scaled.clamp(u128::from(p_min), u128::from(p_max))).unwrap_or(p_max)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_of_retargeting() {
        const P: u64 = 1 << 60;
        for (name, accepted, wanted, want) in [
            ("as wanted: stays", 100, 100, P),
            ("a quarter too many: harder by a fifth", 125, 100, P / 5 * 4),
            ("ten times too many: halved only", 1000, 100, P / 2),
            ("too few: doubled only", 1, 100, P * 2),
            ("nothing at all: doubled", 0, 100, P * 2),
            ("numbers of 64 bits", u64::MAX, u64::MAX, P),
        ] {
            assert_eq!(retarget(P, accepted, wanted, 1, u64::MAX), want, "{name}");
        }
        assert_eq!(retarget(P, 0, 1, 1, P + 5), P + 5, "upper bound");
        assert_eq!(retarget(P, u64::MAX, 1, P - 5, P), P - 5, "lower bound");
    }

    #[test]
    fn shares() {
        for (text, want) in [
            ("0.5", Some(1 << 63)),
            ("0.000000000000000001", Some(18)),
            ("1", None),
            ("-0.1", None),
            ("0", Some(0)),
        ] {
            assert_eq!(share(text.parse().unwrap()), want, "{text}");
        }
    }

    proptest! {
        /// One step moves p by at most 2 either way and never leaves the bounds.
        #[test]
        fn steps_are_bounded(p in 1_u64..u64::MAX, accepted: u64, wanted in 1_u64.., a: u64, b: u64) {
            let (lo, hi) = (a.min(b), a.max(b));
            let next = retarget(p, accepted, wanted, lo, hi);
            prop_assert!((lo..=hi).contains(&next));
            let free = retarget(p, accepted, wanted, 1, u64::MAX);
            prop_assert!(u128::from(free) * 2 >= u128::from(p) && u128::from(free) <= u128::from(p) * 2);
        }
    }
}
