//! What operators compute with: one device for all, since a device is a function.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use geodesic_challenge::{FloatShape, Network, Scored, Shape};
use geodesic_mlnode::engine::NonceId;
use geodesic_mlnode::pow2::{FloatChallenge, FloatEngine};
use geodesic_proto::geodesic::pow::v1 as pb;

use super::NODE;
use crate::driver::net::Net;

/// Memory that the float engine may use.
const MEMORY: u64 = 1 << 30;

enum Profile {
    Exact(Box<Network>),
    Float(FloatEngine, FloatChallenge),
}

/// The network of an epoch, and what has been computed in it.
pub(super) struct Engine {
    profile: Profile,
    epoch_key: [u8; 32],
    scores: BTreeMap<([u8; 20], u64), Scored>,
}

impl Engine {
    /// The engine of an epoch.
    pub(super) fn new(net: &Net, epoch_key: [u8; 32]) -> Result<Self> {
        let request = pb::QueryShapeRequest {};
        let reply: pb::QueryShapeResponse = net.query("/geodesic.pow.v1.Query/Shape", &request)?;
        let setting = reply.shape.unwrap_or_default();
        let none = || format!("no shape {}", setting.name);
        let profile = match setting.profile {
            None => {
                let shape = Shape::by_name(&setting.name).with_context(none)?;
                Profile::Exact(Box::new(Network::new(shape, epoch_key)))
            }
            Some(pb::shape_setting::Profile::Pow2F16(_)) => {
                let shape = FloatShape::by_name(&setting.name).with_context(none)?;
                Profile::Float(FloatEngine::new(2, None, MEMORY), FloatChallenge { shape, epoch_key })
            }
        };
        Ok(Self { profile, epoch_key, scores: BTreeMap::new() })
    }

    /// Whether it is of this epoch.
    pub(super) fn is_of(&self, epoch_key: &[u8; 32]) -> bool {
        self.epoch_key == *epoch_key
    }

    /// Computes nonces ahead where many at once are cheaper.
    pub(super) fn compute_ahead(&mut self, prover: &[u8; 20], nonces: std::ops::Range<u64>) -> Result<()> {
        if let Profile::Float(engine, challenge) = &mut self.profile {
            let ids: Vec<NonceId> =
                nonces.map(|nonce| NonceId { participant: *prover, node_id: NODE, nonce }).collect();
            for scored in engine.score(challenge, &ids, false)? {
                self.scores.insert((*prover, scored.leaf.nonce), scored);
            }
        }
        Ok(())
    }

    /// What the network gives for a nonce of a prover.
    pub(super) fn score(&mut self, prover: &[u8; 20], nonce: u64) -> Result<Scored> {
        let key = (*prover, nonce);
        if let Some(known) = self.scores.get(&key) {
            return Ok(known.clone());
        }
        let scored = match &mut self.profile {
            Profile::Exact(network) => network.score(prover, NODE, nonce),
            Profile::Float(engine, challenge) => {
                let id = NonceId { participant: *prover, node_id: NODE, nonce };
                engine.score(challenge, &[id], false)?.pop().context("a scored nonce")?
            }
        };
        self.scores.insert(key, scored.clone());
        Ok(scored)
    }
}
