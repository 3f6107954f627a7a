//! What is fixed for an epoch, and what is fixed at its draw.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use geodesic_challenge::{Address, Hash, RTarget, Sample, chain_tag};
use geodesic_client::vrf::{VrfKey, audit_input};
use geodesic_proto::geodesic::epochs::v1::Epoch as Window;
use geodesic_proto::geodesic::mlnode::v1::Challenge;
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::chain::Chain;
use crate::duties::{self, Draw, Prover};
use crate::error::{Error, Result};
use crate::leaves::{Leaves, Subject};
use crate::mlnode::SharedLeaves;
use crate::peer::{self, Drawn as Shown};

fn hash32(bytes: &[u8], what: &str) -> Result<Hash> {
    bytes.try_into().map_err(|_| Error::Chain(format!("{what} has {} bytes, must have 32", bytes.len())))
}

/// The settings of a participant in an epoch.
pub(crate) fn in_force(p: &pb::Participant, epoch: u64) -> Option<&pb::Settings> {
    match &p.next {
        Some(next) if p.next_from <= epoch => Some(next),
        _ => p.settings.as_ref(),
    }
}

/// An epoch, from its first height on.
pub(crate) struct Epoch {
    pub(crate) window: Window,
    pub(crate) params: pb::Params,
    pub(crate) r_target: RTarget,
    pub(crate) challenge: Challenge,
    /// Leaves of the nodes that are registered and configured.
    pub(crate) leaves: BTreeMap<u32, SharedLeaves>,
}

impl Epoch {
    /// Reads the epoch from the chain and the leaves in `dir`. `None` before the chain has opened it.
    pub(crate) async fn load(
        chain: &Chain,
        window: Window,
        me: &Address,
        nodes: &[u32],
        dir: &Path,
    ) -> Result<Option<Self>> {
        let Some(record) = chain.epoch(window.index).await? else { return Ok(None) };
        let setting = chain.client.pow_shape().await?.shape.unwrap_or_default();
        let epoch_key = hash32(&record.epoch_key, "epoch_key")?;
        let r_target = RTarget(record.r_target);
        let open = |node_id: &u32| {
            let node_id = *node_id;
            let subject = Subject { epoch: window.index, node_id, participant: *me, epoch_key, r_target };
            Ok((node_id, Arc::new(std::sync::Mutex::new(Leaves::open(dir, subject)?))))
        };
        Ok(Some(Self {
            window,
            params: record.params.unwrap_or_default(),
            r_target,
            challenge: crate::mlnode::challenge(&setting, &epoch_key)?,
            leaves: nodes.iter().map(open).collect::<Result<_>>()?,
        }))
    }

    pub(crate) fn index(&self) -> u64 {
        self.window.index
    }

    /// What honest devices may differ by, under profile `pow2-f16`; `None` under `exact`.
    pub(crate) fn tolerance(&self) -> Option<&pb::Tolerance> {
        match self.params.profile.as_ref()? {
            pb::params::Profile::Pow2F16(tolerance) => Some(tolerance),
        }
    }
}

/// Another participant's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) url: String,
    pub(crate) certificate_hash: Hash,
}

/// This validator as an auditor.
#[derive(Clone)]
pub(crate) struct Auditor {
    pub(crate) output: [u8; 64],
    pub(crate) proof: [u8; 80],
    /// An output that is shown to nobody; chooses what is cross-checked.
    pub(crate) secret: Hash,
}

/// An epoch after its draw.
pub(crate) struct Drawn {
    pub(crate) draw: Draw,
    pub(crate) provers: BTreeMap<Address, Prover>,
    pub(crate) peers: BTreeMap<Address, Peer>,
    /// What the server for other agents needs to know: everyone with power, and this participant's commitment.
    pub(crate) shown: Arc<Shown>,
    /// `None` without power, or if the VRF key in force is another.
    pub(crate) auditor: Option<Auditor>,
    /// Whom this validator audits, and its samples.
    pub(crate) duties: BTreeMap<Address, Vec<Sample>>,
}

impl Drawn {
    /// Reads the draw from the chain. `None` before it is made.
    pub(crate) async fn load(
        chain: &Chain,
        epoch: &Epoch,
        me: &Address,
        key: &VrfKey,
        participants: &[pb::Participant],
    ) -> Result<Option<Self>> {
        let index = epoch.index();
        let Some(draw) = chain.epoch(index).await?.and_then(|record| record.draw) else { return Ok(None) };
        let draw = Draw {
            beacon: hash32(&draw.beacon, "beacon")?,
            total_power: draw.total_power,
            committee_size: epoch.params.committee_size,
            samples: draw.samples,
            hits_only: epoch.tolerance().is_some(),
        };
        let (powers, provers) = chain.draw(index).await?;
        let peers = peers(chain, participants, index);
        let auditor = |p: pb::Power| {
            let address = chain.address(&p.validator)?;
            let certificate = peers.get(&address).map(|peer| peer.certificate_hash);
            Ok((address, peer::Auditor { power: p.power, vrf_key: p.vrf_key, certificate }))
        };
        let auditors = powers.into_iter().map(auditor).collect::<Result<_>>()?;
        let prover = |p: pb::Prover| {
            let address = chain.address(&p.participant)?;
            let nodes = duties::nodes_of(&p.nodes);
            let nodes =
                nodes.ok_or_else(|| Error::Chain(format!("commitment of {} is malformed", p.participant)))?;
            Ok((address, Prover { address, nodes }))
        };
        let provers: BTreeMap<_, _> = provers.into_iter().map(prover).collect::<Result<_>>()?;
        let own = provers.get(me).cloned().unwrap_or(Prover { address: *me, nodes: Vec::new() });
        let shown = Shown { draw: draw.clone(), prover: own, r_target: epoch.r_target, auditors };
        let shown = Arc::new(shown);
        let mut drawn = Self { draw, provers, peers, shown, auditor: None, duties: BTreeMap::new() };
        drawn.take_part(me, key);
        Ok(Some(drawn))
    }

    /// Works out this validator's duties.
    fn take_part(&mut self, me: &Address, key: &VrfKey) {
        let shown = Arc::clone(&self.shown);
        let Some(peer::Auditor { power, vrf_key, .. }) = shown.auditors.get(me) else { return };
        if *vrf_key != key.public() {
            let (chain, file) = (hex::encode(vrf_key), hex::encode(key.public()));
            tracing::error!(chain, file, "the VRF key in force is not the one here: no verdict is possible");
            return;
        }
        let (output, proof) = key.evaluate(&audit_input(&self.draw.beacon, me));
        let (secret, _) = key.evaluate(&chain_tag("agent-cross", &[&self.draw.beacon, me]));
        let a_i = duties::a_i(&output);
        for prover in self.provers.values() {
            if duties::audits(me, &a_i, *power, &self.draw, &prover.address) {
                self.duties.insert(prover.address, prover.samples(&a_i, &self.draw));
            }
        }
        self.auditor = Some(Auditor { output, proof, secret: duties::a_i(&secret) });
    }
}

/// Addresses and keys of the agents in an epoch; registrations that make no sense are left out.
fn peers(chain: &Chain, participants: &[pb::Participant], epoch: u64) -> BTreeMap<Address, Peer> {
    let peer = |p: &pb::Participant| {
        let settings = in_force(p, epoch)?;
        let certificate_hash = settings.certificate_hash.as_slice().try_into().ok()?;
        Some((
            chain.address(&p.participant).ok()?,
            Peer { url: settings.agent_url.clone(), certificate_hash },
        ))
    };
    participants.iter().filter_map(peer).collect()
}
