//! Parameters, checked in one place.

use geodesic_challenge::Share;
use geodesic_core::{Coin, Dec};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;

/// Most auditors of a prover on average, and most samples of a prover.
pub const SAMPLES_MAX: u32 = 256;

/// Most samples of a prover under profile `pow2-f16`; each auditor takes at most [`SAMPLES_MAX`] of them.
pub const HIT_SAMPLES_PER_PROVER_MAX: u32 = 4096;

/// Largest `eps` of profile `pow2-f16`: 1/64 in units of 2^-32. With any target it stays below the farthest distance.
pub const EPS_MAX: u64 = 1 << 26;

/// Most cases of an epoch that may be allowed.
pub const CASES_MAX: u32 = 4096;

/// Denomination of the default deposits.
const DENOM: &str = "ugeo";

/// See [`pb::Tolerance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // documented in types.proto
pub struct Tolerance {
    pub eps: u64,
    pub p0: Share,
    pub alpha: Share,
}

impl Tolerance {
    /// `p0` and `alpha` above a tenth would call the guilty honest, or the honest guilty, too often to mean anything.
    const TENTH: u64 = 10;

    fn checked(self) -> Result<Self, Error> {
        let bad = |text: String| Err(Error::InvalidParams(text));
        if self.eps > EPS_MAX {
            return bad(format!("pow2_f16.eps is {}, allowed are 0 to {EPS_MAX}", self.eps));
        }
        for (name, share, least) in [("p0", self.p0, 0), ("alpha", self.alpha, 1)] {
            let (num, den) = (share.num(), share.den());
            if num < least || u64::from(num).saturating_mul(Self::TENTH) > u64::from(den) {
                let bound = if least == 0 { "0 to 1/10" } else { "above 0 to 1/10" };
                return bad(format!("pow2_f16.{name} is {num}/{den}, allowed are {bound}"));
            }
        }
        Ok(self)
    }
}

impl TryFrom<&pb::Tolerance> for Tolerance {
    type Error = Error;

    fn try_from(t: &pb::Tolerance) -> Result<Self, Error> {
        let share = |name: &str, s: &Option<pb::Share>| {
            let bad = |text: String| Error::InvalidParams(format!("pow2_f16.{name}{text}"));
            let s = s.as_ref().ok_or_else(|| bad(" is missing".to_owned()))?;
            Share::try_new(s.num, s.den).map_err(|e| bad(format!(": {e}")))
        };
        Self { eps: t.eps, p0: share("p0", &t.p0)?, alpha: share("alpha", &t.alpha)? }.checked()
    }
}

impl From<Tolerance> for pb::Tolerance {
    fn from(t: Tolerance) -> Self {
        let share = |s: Share| Some(pb::Share { num: s.num(), den: s.den() });
        Self { eps: t.eps, p0: share(t.p0), alpha: share(t.alpha) }
    }
}

/// See [`pb::Params`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // documented in types.proto
pub struct Params {
    pub committee_size: u32,
    pub samples_per_prover: u32,
    pub min_leaves: u64,
    pub slash_fraction_fraud: Dec,
    pub slash_fraction_false_verdict: Dec,
    pub absence_penalty: Dec,
    pub registration_deposit: Coin,
    pub accusation_deposit: Coin,
    pub demand_fee: Coin,
    pub max_cases: u32,
    /// Profile `pow2-f16`; `None` under `exact`.
    pub tolerance: Option<Tolerance>,
}

impl Params {
    /// The parameters if each is within its bounds.
    ///
    /// # Errors
    /// [`Error::InvalidParams`] names the field, its value and its bound.
    pub fn checked(self) -> Result<Self, Error> {
        let bad = |text: String| Err(Error::InvalidParams(text));
        let samples = if self.tolerance.is_some() { HIT_SAMPLES_PER_PROVER_MAX } else { SAMPLES_MAX };
        for (name, value, max) in [
            ("committee_size", self.committee_size, SAMPLES_MAX),
            ("samples_per_prover", self.samples_per_prover, samples),
            ("max_cases", self.max_cases, CASES_MAX),
        ] {
            if value == 0 || value > max {
                return bad(format!("{name} is {value}, allowed are 1 to {max}"));
            }
        }
        // The first sample of a member is a hit, the second a leaf of any kind: without that, losers need not be computed.
        let members = self.committee_size.saturating_mul(2);
        if self.tolerance.is_none() && self.samples_per_prover < members {
            let (samples, size) = (self.samples_per_prover, self.committee_size);
            return bad(format!(
                "samples_per_prover is {samples}, at least {members} are needed: two for each of committee_size {size}"
            ));
        }
        if self.min_leaves == 0 {
            return bad("min_leaves is 0, at least 1 is needed".to_owned());
        }
        for (name, value) in [
            ("slash_fraction_fraud", self.slash_fraction_fraud),
            ("slash_fraction_false_verdict", self.slash_fraction_false_verdict),
            ("absence_penalty", self.absence_penalty),
        ] {
            if value.is_negative() || value > Dec::ONE {
                return bad(format!("{name} is {value}, allowed are 0 to 1"));
            }
        }
        for (name, coin) in [
            ("registration_deposit", &self.registration_deposit),
            ("accusation_deposit", &self.accusation_deposit),
            ("demand_fee", &self.demand_fee),
        ] {
            if let Err(e) = coin.validate() {
                return bad(format!("{name}: {e}"));
            }
            // Half of it is paid out and half burned: fewer than 128 bits keep every sum far from overflow.
            if coin.amount.to_u128().is_none_or(|a| a == 0 || a > u128::from(u64::MAX)) {
                return bad(format!("{name} is {coin}, the amount must be 1 to {}", u64::MAX));
            }
        }
        Ok(self)
    }
}

fn coin(ugeo: u64) -> Coin {
    Coin { denom: DENOM.to_owned(), amount: ugeo.into() }
}

impl Default for Params {
    fn default() -> Self {
        Self {
            committee_size: 16,
            samples_per_prover: 64,
            min_leaves: 256,
            slash_fraction_fraud: Dec::from_atomics(100_000_000_000_000_000),
            slash_fraction_false_verdict: Dec::from_atomics(50_000_000_000_000_000),
            absence_penalty: Dec::from_atomics(10_000_000_000_000_000),
            registration_deposit: coin(1_000_000_000),
            accusation_deposit: coin(100_000_000),
            demand_fee: coin(10_000),
            max_cases: 256,
            tolerance: None,
        }
    }
}

impl TryFrom<&pb::Params> for Params {
    type Error = Error;

    fn try_from(p: &pb::Params) -> Result<Self, Error> {
        let dec = |name: &str, text: &str| {
            Dec::from_wire(text).map_err(|e| Error::InvalidParams(format!("{name}: {e}")))
        };
        let coin = |name: &str, coin: &Option<geodesic_proto::cosmos::base::v1beta1::Coin>| {
            let coin = coin.as_ref().ok_or_else(|| Error::InvalidParams(format!("{name} is missing")))?;
            Coin::try_from(coin).map_err(|e| Error::InvalidParams(format!("{name}: {e}")))
        };
        Self {
            committee_size: p.committee_size,
            samples_per_prover: p.samples_per_prover,
            min_leaves: p.min_leaves,
            slash_fraction_fraud: dec("slash_fraction_fraud", &p.slash_fraction_fraud)?,
            slash_fraction_false_verdict: dec(
                "slash_fraction_false_verdict",
                &p.slash_fraction_false_verdict,
            )?,
            absence_penalty: dec("absence_penalty", &p.absence_penalty)?,
            registration_deposit: coin("registration_deposit", &p.registration_deposit)?,
            accusation_deposit: coin("accusation_deposit", &p.accusation_deposit)?,
            demand_fee: coin("demand_fee", &p.demand_fee)?,
            max_cases: p.max_cases,
            tolerance: match &p.profile {
                Some(pb::params::Profile::Pow2F16(tolerance)) => Some(tolerance.try_into()?),
                None => None,
            },
        }
        .checked()
    }
}

impl From<Params> for pb::Params {
    fn from(p: Params) -> Self {
        Self {
            committee_size: p.committee_size,
            samples_per_prover: p.samples_per_prover,
            min_leaves: p.min_leaves,
            slash_fraction_fraud: p.slash_fraction_fraud.to_wire(),
            slash_fraction_false_verdict: p.slash_fraction_false_verdict.to_wire(),
            absence_penalty: p.absence_penalty.to_wire(),
            registration_deposit: Some(p.registration_deposit.into()),
            accusation_deposit: Some(p.accusation_deposit.into()),
            demand_fee: Some(p.demand_fee.into()),
            max_cases: p.max_cases,
            profile: p.tolerance.map(|t| pb::params::Profile::Pow2F16(t.into())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let d = Params::default();
        let dec = |text: &str| text.parse::<Dec>().unwrap();
        for (name, params, good) in [
            ("the default", d.clone(), true),
            ("no committee", Params { committee_size: 0, ..d.clone() }, false),
            ("a committee too large", Params { committee_size: 257, ..d.clone() }, false),
            ("no samples", Params { samples_per_prover: 0, ..d.clone() }, false),
            ("too many samples", Params { samples_per_prover: 257, ..d.clone() }, false),
            ("two samples for each member", Params { samples_per_prover: 32, ..d.clone() }, true),
            ("hits alone", Params { samples_per_prover: 31, ..d.clone() }, false),
            ("no leaves", Params { min_leaves: 0, ..d.clone() }, false),
            ("all collateral", Params { slash_fraction_fraud: dec("1"), ..d.clone() }, true),
            (
                "more than all",
                Params { slash_fraction_fraud: dec("1.000000000000000001"), ..d.clone() },
                false,
            ),
            ("a gift", Params { slash_fraction_false_verdict: dec("-0.1"), ..d.clone() }, false),
            ("more than the reward", Params { absence_penalty: dec("1.1"), ..d.clone() }, false),
            ("no deposit", Params { registration_deposit: coin(0), ..d.clone() }, false),
            ("no cases", Params { max_cases: 0, ..d.clone() }, false),
            ("the most cases", Params { max_cases: CASES_MAX, ..d.clone() }, true),
            ("too many cases", Params { max_cases: CASES_MAX + 1, ..d.clone() }, false),
        ] {
            assert_eq!(Params::try_from(&pb::Params::from(params)).is_ok(), good, "{name}");
        }
        assert!(Params::try_from(&pb::Params { demand_fee: None, ..d.into() }).is_err(), "a missing coin");
    }
}
