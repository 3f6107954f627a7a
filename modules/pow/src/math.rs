//! Pure functions: no store, no context.

use std::num::NonZeroU64;

/// `floor(accepted_hits * 2^64 / pass_probability)`: how many nonces the hits stand for. `pass_probability` is in units of
/// 2^-64, the weight in nonces; what does not fit 64 bits is the largest number.
///
/// The floor of a sum is never below the sum of the floors, so nobody gains by splitting its work among identities.
pub fn weight(accepted_hits: u64, pass_probability: NonZeroU64) -> u64 {
    let scaled = u128::from(accepted_hits) << 64;
    let nonces = scaled.checked_div(u128::from(pass_probability.get())).unwrap_or_default();
    u64::try_from(nonces).unwrap_or(u64::MAX)
}

/// Whether `power` is more than half of `total`.
pub fn is_majority(power: u64, total: u64) -> bool {
    u128::from(power).saturating_mul(2) > u128::from(total)
}

/// How a case ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// More than half of all power computed this value, and the accused said another.
    Upheld(&'a [u8]),
    /// More than half of all power computed what the accused said.
    Rejected,
    /// Neither.
    Undecided,
}

/// The outcome of a case with value `accused`, given each value that judges computed and the power behind it (each value
/// once), out of `total`, which counts absent judges too.
pub fn outcome<'a>(
    accused: &[u8],
    tally: impl IntoIterator<Item = (&'a [u8], u64)>,
    total: u64,
) -> Outcome<'a> {
    match tally.into_iter().find(|(_, power)| is_majority(*power, total)) {
        Some((value, _)) if value == accused => Outcome::Rejected,
        Some((value, _)) => Outcome::Upheld(value),
        None => Outcome::Undecided,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::as_conversions)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn p(value: u64) -> NonZeroU64 {
        NonZeroU64::new(value).unwrap()
    }

    #[test]
    fn weights() {
        for (name, hits, probability, want) in [
            ("nothing", 0, 1 << 63, 0),
            ("half of all are hits", 3, 1 << 63, 6),
            ("a twentieth, rounded down", 100, u64::MAX / 20, 2000),
            ("too much for 64 bits", u64::MAX, 1, u64::MAX),
            ("all are hits, nearly", 1, u64::MAX, 1),
        ] {
            assert_eq!(weight(hits, p(probability)), want, "{name}");
        }
    }

    #[test]
    fn outcomes() {
        let (fake, real, third): (&[u8], &[u8], &[u8]) = (&[1], &[2], &[3]);
        for (name, tally, want) in [
            ("just half is no majority", vec![(real, 50)], Outcome::Undecided),
            ("above half", vec![(real, 51)], Outcome::Upheld(real)),
            ("above half for the accused", vec![(real, 49), (fake, 51)], Outcome::Rejected),
            ("split", vec![(real, 40), (third, 40), (fake, 20)], Outcome::Undecided),
            ("nobody came", vec![], Outcome::Undecided),
        ] {
            assert_eq!(outcome(fake, tally, 100), want, "{name}");
        }
        assert!(!is_majority(u64::MAX / 2, u64::MAX) && is_majority(u64::MAX / 2 + 1, u64::MAX));
    }

    proptest! {
        /// THREATS 2, number 4: splitting one's hits among identities never gains weight.
        #[test]
        fn splitting_never_gains(parts in prop::collection::vec(0_u64..1 << 40, 1..20), probability in 1_u64..) {
            let whole = weight(parts.iter().sum(), p(probability));
            let split: u128 = parts.iter().map(|h| u128::from(weight(*h, p(probability)))).sum();
            prop_assert!(whole == u64::MAX || split <= u128::from(whole));
        }
    }
}
