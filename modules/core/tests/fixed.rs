//! Splits conserve, decay is the true floor (`fixtures/decay.py`).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::num::{NonZeroU64, NonZeroU128};

use geodesic_core::fixed::{decay_floor, mul_div_floor, mul_div_floor_u128, split};
use geodesic_core::{Dec, Overflow};
use proptest::prelude::*;

#[test]
fn shares_by_largest_remainder() {
    for (name, total, weights, want) in [
        ("nobody", 100, vec![], vec![]),
        ("no weight", 100, vec![0, 0], vec![0, 0]),
        ("nothing to share", 0, vec![1, 2], vec![0, 0]),
        ("exact", 100, vec![1, 3], vec![25, 75]),
        ("equal remainders: the first", 100, vec![1, 1, 1], vec![34, 33, 33]),
        ("largest remainder", 10, vec![3, 3, 1], vec![4, 4, 2]),
        ("no weight, no rest", 2, vec![0, 1, 1, 1], vec![0, 1, 1, 0]),
        ("full width", u128::MAX, vec![u128::MAX, u128::MAX], vec![1 << 127, u128::MAX >> 1]),
    ] {
        assert_eq!(split(total, &weights), want, "{name}");
    }
}

#[test]
fn products_are_wide() {
    let d = NonZeroU64::new;
    assert_eq!(mul_div_floor(u64::MAX, 7, d(7).unwrap()), Ok(u64::MAX));
    assert_eq!(mul_div_floor(u64::MAX, 2, d(1).unwrap()), Err(Overflow));
    assert_eq!(mul_div_floor(100, 1, d(3).unwrap()), Ok(33));
    let d = NonZeroU128::new;
    assert_eq!(mul_div_floor_u128(u128::MAX, u128::MAX, d(u128::MAX).unwrap()), Ok(u128::MAX));
    assert_eq!(mul_div_floor_u128(u128::MAX, 2, d(1).unwrap()), Err(Overflow));
    assert_eq!(mul_div_floor_u128(100, 2, d(3).unwrap()), Ok(66));
}

#[test]
fn decay_is_the_true_floor() {
    let rows: Vec<[String; 4]> = serde_json::from_str(include_str!("../fixtures/decay.json")).unwrap();
    assert!(rows.len() > 700);
    for [initial, rate, steps, want] in &rows {
        let rate = Dec::from_wire(rate).unwrap();
        let got = decay_floor(initial.parse().unwrap(), rate, steps.parse().unwrap()).unwrap();
        assert_eq!(got.to_string(), *want, "{initial} * exp(-{rate} * {steps})");
    }
    assert_eq!(decay_floor(1, Dec::ONE.negate(), 1), Err(Overflow));
    let huge: Dec = "1e70".replace("e70", &"0".repeat(70)).parse().unwrap();
    assert_eq!(decay_floor(u128::MAX, huge, u64::MAX), Ok(0));
}

proptest! {
    #[test]
    fn a_split_pays_exactly_the_total(total: u128, weights in prop::collection::vec(any::<u128>(), 1..40)) {
        prop_assume!(weights.iter().any(|w| *w > 0));
        let shares = split(total, &weights);
        prop_assert_eq!(shares.iter().sum::<u128>(), total);
    }

    /// Every share is the exact one rounded down or up, more weight never gets less, and order does not matter but for ties.
    #[test]
    fn a_split_is_fair(total in 0_u128..1 << 60, weights in prop::collection::vec(0_u128..1 << 60, 1..40)) {
        let sum = weights.iter().sum::<u128>();
        prop_assume!(sum > 0);
        let shares = split(total, &weights);
        for (i, w) in weights.iter().enumerate() {
            let floor = total * w / sum;
            prop_assert!(shares[i] == floor || (shares[i] == floor + 1 && total * w % sum > 0));
            for (j, v) in weights.iter().enumerate() {
                prop_assert!(w <= v || shares[i] >= shares[j]);
            }
        }
    }

    #[test]
    fn decay_never_rises(initial: u128, rate in 0_u64..1 << 62, steps in 0_u64..10_000) {
        let at = |n| decay_floor(initial, Dec::from_atomics(rate), n).unwrap();
        prop_assert!(at(steps) <= initial);
        prop_assert!(at(steps + 1) <= at(steps));
    }
}
