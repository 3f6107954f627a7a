//! Difficulty against reference values of an arbitrary-precision library, and the laws of a distribution.
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

/// A decimal number as an integer in units of `2^-bits`, rounded to nearest.
fn fixed(decimal: &str, bits: u32) -> u128 {
    let (whole, fraction) = decimal.split_once('.').unwrap();
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(fraction.len() as u32);
    let value = whole.parse::<u128>().unwrap() * scale + fraction.parse::<u128>().unwrap();
    ((value << bits) + scale / 2) / scale
}

fn protocol() -> serde_json::Value {
    serde_json::from_str(include_str!("../fixtures/protocol.json")).unwrap()
}

#[test]
fn distances_for_probabilities() {
    for (name, r) in protocol()["pow2"]["r_for_probability"].as_object().unwrap() {
        let (v, p) = name.strip_prefix("d=").unwrap().split_once(",p=").unwrap();
        let p = fixed(p, 64) as u64;
        let got = r_target(p, v.parse().unwrap()).unwrap().0;
        let want = fixed(r.as_str().unwrap(), 32) as u64;
        assert!(got.abs_diff(want) <= 2, "{name}: {got}, expected {want}");
    }
}

#[test]
fn distances_of_the_design() {
    for (vocab, p, r) in
        [(512, "0.05", "1.361834583902"), (512, "0.01", "1.339634569575"), (256, "0.10", "1.356316246699")]
    {
        let got = r_target(fixed(p, 64) as u64, vocab).unwrap().0;
        assert!(got.abs_diff(fixed(r, 32) as u64) <= 2, "{vocab} {p}");
    }
}

#[test]
fn probabilities_for_distances() {
    let protocol = protocol();
    let r = RTarget(fixed("1.4013564660458173", 32) as u64);
    for (vocab, p) in protocol["pow2"]["hit_probability"].as_object().unwrap() {
        let vocab: u32 = vocab.parse().unwrap();
        if vocab > VOCAB_MAX {
            assert_eq!(cap_probability(r, vocab), Err(CapError::Vocab(vocab)));
            continue;
        }
        let (got, want) = (cap_probability(r, vocab).unwrap() as f64 / 2_f64.powi(64), p.as_f64().unwrap());
        // A unit of r moves p by about density * 2^-32 < 2^-24 * p here.
        assert!((got / want - 1.0).abs() < 3e-7, "{vocab}: {got}, expected {want}");
    }
}

#[test]
fn corners() {
    assert_eq!(cap_probability(RTarget(0), 512), Ok(0));
    assert_eq!(cap_probability(RTarget(1 << 33), 512), Ok(u64::MAX));
    assert_eq!(cap_probability(RTarget((1 << 33) + 1), 512), Err(CapError::Distance((1 << 33) + 1)));
    assert_eq!(r_target(1 << 63, 512).unwrap(), RTarget(6_074_001_000), "half: the square root of 2");
    assert_eq!(r_target(P_MIN - 1, 512), Err(CapError::Probability(P_MIN - 1)));
    for vocab in [0, 63, 65537] {
        assert_eq!(r_target(1 << 60, vocab), Err(CapError::Vocab(vocab)));
    }
    for vocab in [64, 65, 65535, 65536] {
        for p in [P_MIN, 1 << 40, 1 << 60, 3 << 62, u64::MAX] {
            let r = r_target(p, vocab).unwrap();
            assert!(cap_probability(r, vocab).unwrap() >= p, "{vocab} {p}");
            assert!(cap_probability(RTarget(r.0 - 1), vocab).unwrap() < p, "{vocab} {p}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn nearer_is_rarer_and_more_outputs_are_rarer(a in 0..=1_u64 << 33, b in 0..=1_u64 << 33, vocab in 64..4096_u32) {
        let p = |r, v| cap_probability(RTarget(r), v).unwrap();
        let (near, far) = (a.min(b), a.max(b));
        prop_assert!(p(near, vocab) <= p(far, vocab));
        if far * far.min(1 << 31) < 1 << 62 {
            prop_assert!(p(far, vocab + 1) <= p(far, vocab));
        }
    }

    #[test]
    fn the_two_sides_of_a_distance_make_one(r in 1_u64 << 32..=6_074_000_999, vocab in 64..4096_u32) {
        let other = ((1_u128 << 66) - u128::from(r) * u128::from(r)).isqrt() as u64;
        let sum = u128::from(cap_probability(RTarget(r), vocab).unwrap()) + u128::from(cap_probability(RTarget(other), vocab).unwrap());
        // The other chord is rounded: by less than one unit of r, that is 2^-32 times a density below 2^6.
        prop_assert!(sum.abs_diff(1 << 64) < 1 << 38, "{}", sum);
    }
}
