//! Deliberate cheating, for tests of audits only: feature `faults`, never in a release.

use geodesic_challenge::Scored;
#[cfg(feature = "faults")]
use geodesic_challenge::{Distance, tag};

use crate::engine::NonceId;
use crate::profile::Challenge;

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` is for tests alone and is never built for a release");

/// What to falsify. Without the feature `faults`: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Share of leaves to fake.
    #[cfg(feature = "faults")]
    pub(crate) fake_leaves: f64,
}

impl Faults {
    /// Replaces the share of leaves by ones that look like hits: a hash of nothing, and a distance between 1.1 and 1.3,
    /// which is a hit for every usual target. The choice follows from the nonce, so a second run fakes the same ones.
    #[cfg(feature = "faults")]
    pub(crate) fn apply(&self, challenge: &Challenge, ids: &[NonceId], scored: &mut [Scored]) {
        let one = (1_u64 << 32) as f64;
        for (id, scored) in ids.iter().zip(scored) {
            let node = id.node_id.to_be_bytes();
            let fake =
                tag("fault", &[&challenge.epoch_key(), &id.participant, &node, &id.nonce.to_be_bytes()]);
            let [a, b, c, d, e, f, g, h, ..] = fake;
            let [choice, place] =
                [[a, b, c, d], [e, f, g, h]].map(|x| f64::from(u32::from_be_bytes(x)) / one);
            if choice < self.fake_leaves {
                scored.leaf.distance = Distance(((1.1 + 0.2 * place) * one) as u64);
                scored.leaf.logits_hash = fake;
            }
        }
    }

    #[cfg(not(feature = "faults"))]
    pub(crate) fn apply(&self, _: &Challenge, _: &[NonceId], _: &mut [Scored]) {}
}
