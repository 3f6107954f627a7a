//! Which leaves an auditor samples, and whether a leaf is the sample.

use geodesic_challenge::{
    Commitment, Located, NodeCounts, Position, RTarget, Sample, resolve, sample_hits, sample_positions,
    verify, verify_hit_rank,
};
use geodesic_core::{Ctx, StateError};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::keys::COMMITMENT;
use crate::participants::{drawn, text};
use crate::ports::Operator;
use crate::types::{Proof, node_commitment};

/// Gas of one hash of some 100 bytes: 0.3 us (see [`crate::vrf::GAS_VRF`]).
pub(crate) const GAS_HASH: u64 = 10;

/// What a prover committed to, as auditors see it.
pub(crate) struct Committed {
    nodes: Vec<Commitment>,
    counts: Vec<NodeCounts>,
}

impl Committed {
    /// The commitment of a prover.
    pub(crate) fn load(ctx: &Ctx, epoch: u64, prover: &Operator) -> Result<Self, Error> {
        let record = COMMITMENT.get(ctx, &(epoch, *prover))?;
        let record = record.ok_or_else(|| Error::NoCommitment(text(ctx, prover)))?;
        let mut this = Self { nodes: Vec::new(), counts: Vec::new() };
        for node in &record.nodes {
            let (node_id, c) = node_commitment(node).map_err(|e| StateError::Invariant(e.to_string()))?;
            this.nodes.push(c);
            this.counts.push(NodeCounts { node_id, count: c.count, hits: c.hits });
        }
        Ok(this)
    }

    /// Where a position of the prover lies, and what its node committed to.
    pub(crate) fn locate(&self, sample: &Sample) -> Result<(Located, &Commitment), Error> {
        let located = resolve(sample.position, &self.counts);
        let found = located.and_then(|l| Some((l, self.nodes.get(l.index)?)));
        found.ok_or(Error::NoSample(sample.k))
    }

    /// What a node committed to.
    pub(crate) fn node(&self, node_id: u32) -> Result<&Commitment, Error> {
        let index = self.counts.binary_search_by_key(&node_id, |n| n.node_id).ok();
        index.and_then(|i| self.nodes.get(i)).ok_or(Error::UnknownNode(node_id))
    }

    /// Checks that a leaf is the sample, and returns its node.
    pub(crate) fn check(
        &self,
        ctx: &Ctx,
        r_target: u64,
        sample: &Sample,
        proof: &Proof,
    ) -> Result<u32, Error> {
        charge_path(ctx, proof)?;
        let (located, commitment) = self.locate(sample)?;
        let (leaf, path, r_target) = (&proof.leaf, &proof.path, RTarget(r_target));
        match located.position {
            Position::Leaf(index) if index != leaf.nonce => {
                return Err(Error::Path(format!("leaf {} is not leaf {index}", leaf.nonce)));
            }
            Position::Leaf(_) => verify(commitment, r_target, leaf, path),
            Position::Hit(rank) => verify_hit_rank(commitment, r_target, leaf, path, rank),
        }
        .map_err(|e| Error::Path(e.to_string()))?;
        Ok(located.node_id)
    }
}

/// Costs [`GAS_HASH`] for each hash of a path.
pub(crate) fn charge_path(ctx: &Ctx, proof: &Proof) -> Result<(), StateError> {
    let hashes = u64::try_from(proof.path.siblings.len()).unwrap_or(u64::MAX).saturating_add(1);
    ctx.gas.charge(hashes.saturating_mul(GAS_HASH), "VerifyPath")
}

/// The samples that the auditor with `a_i` takes of a prover in an epoch: hits alone under profile `pow2-f16`, whose other
/// leaves prove nothing. Costs [`GAS_HASH`] for each.
pub(crate) fn samples(
    ctx: &Ctx,
    a_i: &[u8; 32],
    prover: &Operator,
    epoch: &pb::Epoch,
    (leaves, hits): (u64, u64),
) -> Result<Vec<Sample>, Error> {
    let n = drawn(epoch)?.samples;
    ctx.gas.charge(u64::from(n).saturating_mul(GAS_HASH), "DrawSamples")?;
    Ok(match epoch.params.as_ref().and_then(|p| p.profile.as_ref()) {
        None => sample_positions(a_i, prover, n, hits, leaves),
        Some(pb::params::Profile::Pow2F16(_)) => sample_hits(a_i, prover, n, hits),
    })
}

/// The sample of number `k`.
pub(crate) fn sample(samples: &[Sample], k: u32) -> Result<&Sample, Error> {
    samples.iter().find(|s| s.k == k).ok_or(Error::NoSample(k))
}
