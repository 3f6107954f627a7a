//! Profile `pow2-f16`: verdicts by numbers. An auditor gives the distances that it computed of the hits it sampled; how many
//! are bad, and whether so many can be honest, follows here; more than half of the power heard takes a prover's weight.

use std::collections::{BTreeMap, BTreeSet};

use geodesic_challenge::{Distance, RTarget, is_bad, is_fraud};
use geodesic_core::{Ctx, StateError};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::keys::DUTY;
use crate::math::is_majority;
use crate::params::Tolerance;
use crate::ports::Operator;

/// Gas of a sample in the binomial test: 256 of them take half a millisecond (see [`crate::vrf::GAS_VRF`]).
const GAS_SAMPLE: u64 = 100;

/// Checks that samples say what the profile wants, and returns what they come to: nothing under profile `exact`.
pub(crate) fn of_samples(
    ctx: &Ctx,
    r_target: u64,
    tolerance: Option<&Tolerance>,
    samples: &[pb::Seen],
) -> Result<Option<pb::duty::Profile>, Error> {
    let Some(tolerance) = tolerance else {
        return match samples.iter().find(|s| s.distance != 0) {
            Some(s) => Err(unfit(s, "a distance, profile exact wants a tag")),
            None => Ok(None),
        };
    };
    let (mut n, mut bad) = (0_u32, 0_u32);
    for sample in samples {
        if sample.distance == 0 {
            return Err(unfit(sample, "a tag, profile pow2-f16 wants a distance"));
        }
        n = n.saturating_add(1);
        bad = bad.saturating_add(u32::from(is_bad(
            Distance(sample.distance),
            RTarget(r_target),
            tolerance.eps,
        )));
    }
    ctx.gas.charge(u64::from(n).saturating_mul(GAS_SAMPLE), "JudgeSamples")?;
    let invalid = is_fraud(bad, n, tolerance.p0, tolerance.alpha);
    let invalid = invalid.map_err(|e| Error::InvalidMessage(e.to_string()))?;
    Ok(Some(pb::duty::Profile::Pow2F16(pb::Statistics { bad, invalid })))
}

fn unfit(sample: &pb::Seen, what: &str) -> Error {
    Error::InvalidMessage(format!("sample {} has {what}", sample.position))
}

/// Provers whose hits more than half of their auditors' power that was heard calls invalid.
pub(crate) fn invalid_provers(
    ctx: &Ctx,
    epoch: u64,
    powers: &BTreeMap<Operator, u64>,
) -> Result<BTreeSet<Operator>, StateError> {
    let mut heard: BTreeMap<Operator, (u64, u64)> = BTreeMap::new();
    for entry in DUTY.prefix(ctx, &epoch)? {
        let ((_, auditor, prover), duty) = entry?;
        let Some(pb::duty::Profile::Pow2F16(statistics)) = duty.profile else { continue };
        let power = powers.get(&auditor).copied().unwrap_or_default();
        let (invalid, all) = heard.entry(prover).or_default();
        *all = all.saturating_add(power);
        *invalid = invalid.saturating_add(if statistics.invalid { power } else { 0 });
    }
    Ok(heard.into_iter().filter(|(_, (invalid, all))| is_majority(*invalid, *all)).map(|(p, _)| p).collect())
}
