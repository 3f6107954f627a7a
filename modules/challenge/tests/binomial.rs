//! Verdicts against the thresholds of `fixtures/protocol.json`, and against sums over every outcome.
#![allow(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
use geodesic_challenge::*;
use proptest::prelude::*;

#[test]
fn thresholds_of_the_protocol() {
    let all: serde_json::Value = serde_json::from_str(include_str!("../fixtures/protocol.json")).unwrap();
    let (p0, alpha) = (Share::try_new(1, 2000).unwrap(), Share::try_new(1, 10_000_000).unwrap());
    let table = all["pow2"]["binomial_fraud_test_p0_5e-4_threshold_1e-7"].as_array().unwrap();
    assert_eq!(table.len(), 8);
    for row in table {
        let n = u32::try_from(row["n"].as_u64().unwrap()).unwrap();
        let k = u32::try_from(row["min_invalid_for_fraud_at_1e-7"].as_u64().unwrap()).unwrap();
        assert_eq!(fraud_threshold(n, p0, alpha), Ok(k), "n = {n}");
        assert_eq!([k - 1, k].map(|bad| is_fraud(bad, n, p0, alpha)), [Ok(false), Ok(true)], "n = {n}");
    }
}

/// The widest numbers there are end in bounded time; five standard deviations of 50 above the mean of 5,000.
#[test]
fn the_largest_verdict() {
    let half = Share::try_new(u32::MAX / 2, u32::MAX).unwrap();
    let k = fraud_threshold(VERDICT_SAMPLES_MAX, half, Share::try_new(1, 10_000_000).unwrap()).unwrap();
    assert!((5250..5270).contains(&k), "{k}");
}

proptest! {
    #[test]
    fn equal_to_the_sum_over_all_outcomes(n in 0..12_u32, bad in 0..12_u32, num in 0..20_u32, alpha in 1..100_u32) {
        let bad = bad.min(n);
        // P(X >= bad) 20^n by adding up the weight of every one of the 2^n outcomes.
        let tail: u128 = (0..1_u32 << n)
            .filter(|outcome| outcome.count_ones() >= bad)
            .map(|outcome| {
                let k = outcome.count_ones();
                u128::from(num).pow(k) * u128::from(20 - num).pow(n - k)
            })
            .sum();
        let want = tail * 100 < u128::from(alpha) * 20_u128.pow(n);
        let (p0, alpha) = (Share::try_new(num, 20).unwrap(), Share::try_new(alpha, 100).unwrap());
        prop_assert_eq!(is_fraud(bad, n, p0, alpha), Ok(want));
        prop_assert_eq!(fraud_threshold(n, p0, alpha).unwrap() <= bad, want);
    }
}
