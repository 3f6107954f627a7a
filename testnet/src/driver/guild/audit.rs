//! Fetch, open, verdict: what an auditor and a prover do after the draw.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use geodesic_challenge::{
    Commitment, Distance, Leaf, Position, RTarget, is_member, seen_tag, verify, verify_hit_rank,
};
use geodesic_client::vrf::audit_input;
use geodesic_proto::geodesic::pow::v1 as pb;

use super::{Duty, Guild, NODE, Now, Served, decode, pb_leaf, pb_path, text_of};
use crate::driver::net::Net;

/// The VRF output of an auditor's draw.
pub(super) struct Drawn {
    output: [u8; 64],
    proof: [u8; 80],
    a_i: [u8; 32],
}

impl Guild {
    fn drawn(&mut self, now: &Now, i: usize) -> Result<Drawn> {
        let beacon = &now.record.draw.as_ref().context("no draw")?.beacon;
        let beacon = beacon.as_slice().try_into().context("a beacon")?;
        let keys = &self.worker(i)?.keys;
        let (output, proof) = keys.vrf.evaluate(&audit_input(&beacon, &keys.wallet.address));
        let mut a_i = [0; 32];
        a_i.iter_mut().zip(output).for_each(|(to, from)| *to = from);
        Ok(Drawn { output, proof, a_i })
    }

    /// Gets the samples of every prover that it audits, accuses wrong leaves, and demands what it did not get.
    pub(super) fn fetch(&mut self, net: &mut Net, now: &Now, i: usize) -> Result<()> {
        let request = pb::QueryDutiesRequest { epoch: now.record.epoch, pagination: None };
        let reply: pb::QueryDutiesResponse = net.query("/geodesic.pow.v1.Query/Duties", &request)?;
        let (draw, params) = (now.record.draw.as_ref().context("a draw")?, now.record.params.as_ref());
        let committee = params.context("parameters")?.committee_size;
        let (sender, participant) = self.origin(i)?;
        let power = reply.powers.iter().find(|p| p.validator == participant).map_or(0, |p| p.power);
        let (me, drawn) = (decode(&participant)?, self.drawn(now, i)?);
        let mut provers = BTreeMap::new();
        for prover in reply.provers {
            provers.insert(decode(&prover.participant)?, prover);
        }
        let mut duties = Vec::new();
        for (address, prover) in &provers {
            if *address == me || !is_member(&drawn.a_i, address, power, draw.total_power, committee) {
                continue;
            }
            let samples = now.samples(&drawn.a_i, address, prover.hits, prover.leaves)?;
            let mut duty = Duty { prover: *address, samples: Vec::new() };
            for sample in samples {
                let served = self.serve(address, sample.position, false)?;
                if let Some(served) = &served {
                    self.check_served(now, prover, sample.position, served)?;
                }
                duty.samples.push((sample, served));
            }
            self.demand(net, now, i, &duty, &drawn)?;
            if !self.worker(i)?.habits.lazy && now.tolerance().is_none() {
                self.accuse_leaf(net, now, (&sender, &participant), i, &duty)?;
            }
            duties.push(duty);
        }
        self.worker(i)?.duties = duties;
        Ok(())
    }

    /// What a prover serves must be the sample; whether it is true is another question.
    fn check_served(
        &self,
        now: &Now,
        prover: &pb::Prover,
        position: Position,
        served: &Served,
    ) -> Result<()> {
        let node = prover.nodes.first().context("a node")?;
        let root = node.root.as_slice().try_into().context("a root")?;
        let commitment = Commitment { count: node.count, hits: node.hits, root };
        let path = served.path.as_ref().context("a path")?;
        let target = RTarget(now.record.r_target);
        match position {
            Position::Hit(rank) => verify_hit_rank(&commitment, target, &served.leaf, path, rank)?,
            Position::Leaf(index) => {
                ensure!(index == served.leaf.nonce, "leaf {} for {index}", served.leaf.nonce);
                verify(&commitment, target, &served.leaf, path)?;
            }
        }
        Ok(())
    }

    fn demand(&mut self, net: &mut Net, now: &Now, i: usize, duty: &Duty, drawn: &Drawn) -> Result<()> {
        let positions: Vec<u32> =
            duty.samples.iter().filter(|(_, served)| served.is_none()).map(|(s, _)| s.k).collect();
        if positions.is_empty() {
            return Ok(());
        }
        let (sender, participant) = self.origin(i)?;
        let prover = text_of(&duty.prover)?;
        let message = pb::MsgDemand {
            sender,
            participant,
            epoch: now.record.epoch,
            vrf_output: drawn.output.to_vec(),
            vrf_proof: drawn.proof.to_vec(),
            prover,
            positions,
        };
        self.send(net, i, &message)
    }

    /// Accuses the first leaf of a duty that is not what its nonce gives.
    fn accuse_leaf(
        &mut self,
        net: &mut Net,
        now: &Now,
        (sender, participant): (&str, &str),
        i: usize,
        duty: &Duty,
    ) -> Result<()> {
        for (_, served) in &duty.samples {
            let Some(Served { leaf, path: Some(path) }) = served else { continue };
            if self.score(&duty.prover, leaf.nonce)?.leaf == *leaf {
                continue;
            }
            let accusation = pb::msg_accuse::Accusation::Leaf(pb::LeafAccusation {
                prover: text_of(&duty.prover)?,
                node_id: NODE,
                leaf: Some(pb_leaf(leaf)),
                path: pb_path(path),
            });
            let message = pb::MsgAccuse {
                sender: sender.to_owned(),
                participant: participant.to_owned(),
                epoch: now.record.epoch,
                accusation: Some(accusation),
            };
            return self.send(net, i, &message);
        }
        Ok(())
    }

    /// Answers the demands against operator `i`, with all that it serves on chain.
    pub(super) fn open(&mut self, net: &mut Net, now: &Now, i: usize) -> Result<()> {
        let (sender, participant) = self.origin(i)?;
        let epoch = now.record.epoch;
        let request = pb::QueryDemandsRequest { epoch, prover: participant.clone(), pagination: None };
        let reply: pb::QueryDemandsResponse = net.query("/geodesic.pow.v1.Query/Demands", &request)?;
        let me = decode(&participant)?;
        for demand in reply.demands {
            let openings = self.openings(now, &me, &demand)?;
            if openings.is_empty() {
                continue;
            }
            let (sender, participant, auditor) = (sender.clone(), participant.clone(), demand.auditor);
            self.send(net, i, &pb::MsgOpenPoc { sender, participant, epoch, auditor, openings })?;
        }
        Ok(())
    }

    fn openings(&mut self, now: &Now, me: &[u8; 20], demand: &pb::Demand) -> Result<Vec<pb::Opening>> {
        let mut a_i = [0; 32];
        a_i.iter_mut().zip(&demand.vrf_output).for_each(|(to, from)| *to = *from);
        let worker = self.workers.iter().find(|w| w.keys.wallet.address == *me).context("a prover")?;
        let Some(work) = worker.work.as_ref().filter(|w| w.is_of(now.record.epoch)) else {
            return Ok(Vec::new());
        };
        let c = work.tree.commitment(work.tree.len())?;
        let mut openings = Vec::new();
        for sample in now.samples(&a_i, me, c.hits, c.count)? {
            if !demand.positions.contains(&sample.k) {
                continue;
            }
            if let Some(Served { leaf, path: Some(path) }) = self.serve(me, sample.position, true)? {
                openings.push(pb::Opening {
                    position: sample.k,
                    leaf: Some(pb_leaf(&leaf)),
                    path: pb_path(&path),
                });
            }
        }
        Ok(openings)
    }

    /// Sends the verdict of operator `i` on all its duties.
    pub(super) fn verdict(&mut self, net: &mut Net, now: &Now, i: usize) -> Result<()> {
        let (sender, participant) = self.origin(i)?;
        if self.worker(i)?.habits.no_verdict {
            return Ok(());
        }
        let request = pb::QueryDutiesRequest { epoch: now.record.epoch, pagination: None };
        let reply: pb::QueryDutiesResponse = net.query("/geodesic.pow.v1.Query/Duties", &request)?;
        if !reply.powers.iter().any(|p| p.validator == participant) {
            return Ok(());
        }
        let (me, drawn) = (decode(&participant)?, self.drawn(now, i)?);
        let mut duties = std::mem::take(&mut self.worker(i)?.duties);
        let mut reports = Vec::new();
        for duty in &mut duties {
            self.take_opened(net, now, &participant, duty)?;
            let lazy = self.worker(i)?.habits.lazy;
            let mut samples = Vec::new();
            for (sample, served) in &duty.samples {
                let Some(Served { leaf, .. }) = served else { continue };
                let (mut tag, mut distance) = (Vec::new(), 0);
                if now.tolerance().is_some() {
                    let truth = if lazy { *leaf } else { self.score(&duty.prover, leaf.nonce)?.leaf };
                    distance = truth.distance.0.max(1);
                } else if lazy {
                    tag = leaf.logits_hash.iter().take(8).copied().collect();
                } else {
                    tag = seen_tag(&me, &self.score(&duty.prover, leaf.nonce)?.logits).to_vec();
                }
                samples.push(pb::Seen {
                    position: sample.k,
                    node_id: NODE,
                    nonce: leaf.nonce,
                    tag,
                    distance,
                });
            }
            reports.push(pb::DutyReport { prover: text_of(&duty.prover)?, samples });
        }
        let message = pb::MsgSubmitVerdict {
            sender,
            participant,
            epoch: now.record.epoch,
            vrf_output: drawn.output.to_vec(),
            vrf_proof: drawn.proof.to_vec(),
            duties: reports,
        };
        self.worker(i)?.duties = duties;
        self.send(net, i, &message)
    }

    /// Fills in the leaves that the prover opened on chain.
    fn take_opened(&self, net: &Net, now: &Now, auditor: &str, duty: &mut Duty) -> Result<()> {
        let (epoch, prover) = (now.record.epoch, text_of(&duty.prover)?);
        let request = pb::QueryDemandsRequest { epoch, prover, pagination: None };
        let reply: pb::QueryDemandsResponse = net.query("/geodesic.pow.v1.Query/Demands", &request)?;
        for opened in reply.demands.into_iter().filter(|d| d.auditor == auditor).flat_map(|d| d.opened) {
            let leaf = opened.leaf.context("an opened leaf")?;
            let logits_hash = leaf.logits_hash.as_slice().try_into().context("a hash")?;
            let leaf = Leaf { nonce: leaf.nonce, distance: Distance(leaf.distance), logits_hash };
            if let Some((_, served)) = duty.samples.iter_mut().find(|(s, _)| s.k == opened.position) {
                *served = Some(Served { leaf, path: None });
            }
        }
        Ok(())
    }
}
