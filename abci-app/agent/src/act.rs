//! The transactions behind actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use geodesic_challenge::Address;
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::geodesic::rewards::v1 as rewards;
use rand_core::{OsRng, RngCore};

use crate::agent::Agent;
use crate::duties::{leaf_pb, path_pb};
use crate::epoch::{Auditor, Drawn, Epoch};
use crate::error::{Error, Result};
use crate::journal::Judgment;
use crate::known::{Evidence, Known};
use crate::mlnode::lock;
use crate::plan::Action;
use crate::source::open;

/// Gas that the size of a message does not show: entries read and written on its way.
const GAS_DUTY: u64 = 15_000;
const GAS_PROVER: u64 = 300;
const GAS_ACCUSE: u64 = 200_000;
const GAS_OPENING: u64 = 10_000;
const GAS_CLAIM: u64 = 60_000;
/// Blocks in which a claim counts.
const CLAIM_BLOCKS: u64 = 20;

fn gone(what: &str) -> Error {
    Error::Chain(format!("{what} is no longer known: the epoch has changed"))
}

fn count(items: usize, gas: u64) -> u64 {
    gas.saturating_mul(items as u64)
}

/// The verdict: each duty, ascending by prover, with every sample that is owed.
fn reports(
    known: &Known,
    me: &str,
    text: impl Fn(&Address) -> Result<String>,
) -> Result<Vec<pb::DutyReport>> {
    let drawn = known.drawn.as_ref().ok_or_else(|| gone("the draw"))?;
    let mut reports = Vec::new();
    for (prover, owed) in &drawn.duties {
        let prover_text = text(prover)?;
        let demand = known.demand(&prover_text, me);
        let audit = known.audits.get(prover);
        let mut samples = Vec::new();
        for sample in owed {
            let demanded = demand.is_some_and(|d| d.positions.contains(&sample.k));
            let Some(sampled) = audit.and_then(|a| a.get(&sample.k)) else {
                if demanded {
                    continue; // never answered
                }
                return Err(Error::Chain(format!("sample {} of {prover_text} is missing", sample.k)));
            };
            let opened = demand.is_some_and(|d| d.opened.iter().any(|o| o.position == sample.k));
            if demanded && !opened {
                continue; // served after it was demanded: the chain knows of no answer
            }
            let pair = sampled.computed.as_ref().zip(sampled.leaf());
            let (computed, leaf) = pair.ok_or_else(|| gone("a re-computed sample"))?;
            let (tag, distance) = match known.epoch.tolerance() {
                None => (computed.tag.to_vec(), 0),
                // Nothing is nearer than one unit.
                Some(_) => (Vec::new(), computed.distance.max(1)),
            };
            let (position, node_id, nonce) = (sample.k, sampled.node_id, leaf.nonce);
            samples.push(pb::Seen { position, node_id, nonce, tag, distance });
        }
        reports.push(pb::DutyReport { prover: prover_text, samples });
    }
    Ok(reports)
}

impl Agent {
    fn sender(&self) -> (String, String) {
        (self.outbox.address().to_owned(), self.me_text.clone())
    }

    fn auditor<'a>(&self, drawn: &'a Drawn) -> Result<&'a Auditor> {
        drawn.auditor.as_ref().ok_or_else(|| Error::Chain("this validator does not audit".to_owned()))
    }

    /// Does what an action says.
    ///
    /// # Errors
    /// Whatever stands in the way; the action is planned again if it is still wanted.
    pub(crate) async fn perform(
        &self,
        action: &Action,
        epoch: &Epoch,
        drawn: Option<&Arc<Drawn>>,
    ) -> Result<()> {
        match action {
            Action::Generate { .. } => return Ok(()), // a wish, see Agent::generate
            Action::Commit { nodes } => return self.commit(epoch, nodes).await,
            Action::Judge { cases } => return self.judge(epoch, cases).await,
            Action::CommitJudgment => return self.commit_judgment(epoch).await,
            Action::RevealJudgment => return self.reveal_judgment(epoch).await,
            Action::Claim { epochs } => return self.claim(epochs).await,
            _ => {}
        }
        let drawn = drawn.ok_or_else(|| gone("the draw"))?;
        match action {
            Action::Fetch { prover, positions } => self.fetch(epoch, drawn, prover, positions).await,
            Action::FindPaths { prover } => self.find_paths(epoch, drawn, prover).await,
            Action::Recompute { prover } => self.recompute(epoch, prover).await,
            Action::Demand { prover, positions } => self.demand(epoch, drawn, prover, positions).await,
            Action::Open { auditor, positions } => self.answer(epoch, drawn, auditor, positions).await,
            Action::Verdict => self.verdict(epoch, drawn).await,
            Action::CrossCheck => self.cross_check(epoch, drawn).await,
            Action::AccuseLeaf { prover, node_id, nonce } => {
                let evidence = self
                    .with_known(epoch.index(), |k| k.wrong_leaves.get(&(*prover, *node_id, *nonce)).cloned());
                let (leaf, path) = evidence.flatten().ok_or_else(|| gone("the wrong leaf"))?;
                let (prover, leaf, path) = (self.chain.text(prover)?, Some(leaf_pb(&leaf)), path_pb(&path));
                let accusation = pb::LeafAccusation { prover, node_id: *node_id, leaf, path };
                self.accuse(epoch, action, pb::msg_accuse::Accusation::Leaf(accusation)).await
            }
            Action::AccuseTag { auditor, prover, position } => {
                let evidence = self.with_known(epoch.index(), |k| {
                    k.wrong_tags.get(&(*auditor, *prover, *position)).cloned()
                });
                let evidence: Option<Evidence> = evidence.flatten().ok_or_else(|| gone("the wrong tag"))?;
                let accusation = pb::TagAccusation {
                    auditor: self.chain.text(auditor)?,
                    prover: self.chain.text(prover)?,
                    position: *position,
                    leaf: evidence.as_ref().map(|(leaf, _)| leaf_pb(leaf)),
                    path: evidence.as_ref().map(|(_, path)| path_pb(path)).unwrap_or_default(),
                };
                self.accuse(epoch, action, pb::msg_accuse::Accusation::Tag(accusation)).await
            }
            _ => Ok(()),
        }
    }

    /// Leaves are made durable before anyone can ask for them.
    async fn commit(&self, epoch: &Epoch, nodes: &[(u32, u64)]) -> Result<()> {
        let leaves = epoch.leaves.clone();
        let wanted = nodes.to_vec();
        let commitments = tokio::task::spawn_blocking(move || {
            let commitment = |(node_id, count): &(u32, u64)| {
                let leaves = leaves.get(node_id).ok_or_else(|| gone("a node"))?;
                let leaves = lock(leaves);
                leaves.sync()?;
                let c = leaves.commitment(*count)?;
                Ok(pb::NodeCommitment {
                    node_id: *node_id,
                    count: c.count,
                    hits: c.hits,
                    root: c.root.to_vec(),
                })
            };
            wanted.iter().map(commitment).collect::<Result<Vec<_>>>()
        });
        let nodes = commitments.await.map_err(|e| Error::Leaves(e.to_string()))??;
        let (sender, participant) = self.sender();
        let (leaves, hits) = nodes.iter().fold((0, 0), |(l, h), n| (l + n.count, h + n.hits));
        let message = pb::MsgCommitPoc { sender, participant, epoch: epoch.index(), nodes };
        self.outbox.deliver(&message, 0, epoch.window.draw.saturating_sub(1)).await?;
        tracing::info!(epoch = epoch.index(), leaves, hits, "committed");
        Ok(())
    }

    async fn demand(&self, epoch: &Epoch, drawn: &Drawn, prover: &Address, positions: &[u32]) -> Result<()> {
        let auditor = self.auditor(drawn)?;
        let (sender, participant) = self.sender();
        let message = pb::MsgDemand {
            sender,
            participant,
            epoch: epoch.index(),
            vrf_output: auditor.output.to_vec(),
            vrf_proof: auditor.proof.to_vec(),
            prover: self.chain.text(prover)?,
            positions: positions.to_vec(),
        };
        self.outbox.deliver(&message, 100_000, epoch.window.open.saturating_sub(1)).await?;
        tracing::info!(epoch = epoch.index(), prover = message.prover, samples = positions.len(), "demanded");
        Ok(())
    }

    async fn answer(&self, epoch: &Epoch, drawn: &Drawn, auditor: &Address, positions: &[u32]) -> Result<()> {
        let auditor_text = self.chain.text(auditor)?;
        let me = drawn.provers.get(&self.me).ok_or_else(|| gone("the commitment"))?;
        let output = self.with_known(epoch.index(), |known| {
            known.demand(&self.me_text, &auditor_text).map(|d| d.vrf_output.clone())
        });
        let output: Option<[u8; 64]> = output.flatten().and_then(|o| o.try_into().ok());
        let a_i = crate::duties::a_i(&output.ok_or_else(|| gone("the demand"))?);
        let samples = me.samples(&a_i, &drawn.draw);
        let mut openings = Vec::new();
        for sample in samples.iter().filter(|s| positions.contains(&s.k)) {
            let (node_id, leaf, opening) = open(me, &epoch.leaves, sample)?;
            if !self.guard.hides(&epoch.challenge, &self.me, node_id, &leaf).await {
                openings.push(opening);
            }
        }
        if openings.is_empty() {
            return Err(Error::Leaves(format!("nothing to show of {} demanded samples", positions.len())));
        }
        let (gas, (sender, participant)) = (count(openings.len(), GAS_OPENING), self.sender());
        let message =
            pb::MsgOpenPoc { sender, participant, epoch: epoch.index(), auditor: auditor_text, openings };
        self.outbox.deliver(&message, gas, epoch.window.verdict.saturating_sub(1)).await?;
        tracing::info!(
            epoch = epoch.index(),
            auditor = message.auditor,
            samples = message.openings.len(),
            "opened"
        );
        Ok(())
    }

    async fn verdict(&self, epoch: &Epoch, drawn: &Drawn) -> Result<()> {
        let auditor = self.auditor(drawn)?;
        let duties =
            self.with_known(epoch.index(), |known| reports(known, &self.me_text, |a| self.chain.text(a)));
        let duties = duties.ok_or_else(|| gone("the audit"))??;
        let (sender, participant) = self.sender();
        let gas = count(duties.len(), GAS_DUTY).saturating_add(count(drawn.provers.len(), GAS_PROVER));
        let message = pb::MsgSubmitVerdict {
            sender,
            participant,
            epoch: epoch.index(),
            vrf_output: auditor.output.to_vec(),
            vrf_proof: auditor.proof.to_vec(),
            duties,
        };
        self.outbox.deliver(&message, gas, epoch.window.verdict_end.saturating_sub(1)).await?;
        tracing::info!(epoch = epoch.index(), duties = message.duties.len(), "verdict");
        Ok(())
    }

    async fn accuse(
        &self,
        epoch: &Epoch,
        action: &Action,
        accusation: pb::msg_accuse::Accusation,
    ) -> Result<()> {
        let (sender, participant) = self.sender();
        let message =
            pb::MsgAccuse { sender, participant, epoch: epoch.index(), accusation: Some(accusation) };
        self.outbox.deliver(&message, GAS_ACCUSE, epoch.window.judge_commit.saturating_sub(1)).await?;
        let key = action.key();
        self.journal.set_done(epoch.index(), &key)?;
        tracing::warn!(epoch = epoch.index(), accusation = key, "accused");
        self.with_known(epoch.index(), |known| known.done.insert(key));
        Ok(())
    }

    /// What was once written down is never changed: its hash may be on its way.
    async fn commit_judgment(&self, epoch: &Epoch) -> Result<()> {
        let index = epoch.index();
        let judgment = match self.journal.judgment(index)? {
            Some(judgment) => judgment,
            None => {
                let values: Option<BTreeMap<u32, Vec<u8>>> =
                    self.with_known(index, |known| known.values.clone());
                let mut judgment =
                    Judgment { salt: [0; 32], values: values.ok_or_else(|| gone("the cases"))? };
                OsRng.fill_bytes(&mut judgment.salt);
                self.journal.set_judgment(index, &judgment)?;
                judgment
            }
        };
        let (sender, participant) = self.sender();
        let hash = self.judgment_hash(index, &judgment).to_vec();
        let message = pb::MsgCommitJudgment { sender, participant, epoch: index, hash };
        self.outbox.deliver(&message, 0, epoch.window.judge_reveal.saturating_sub(1)).await?;
        tracing::info!(epoch = index, cases = judgment.values.len(), "judgment committed");
        Ok(())
    }

    async fn reveal_judgment(&self, epoch: &Epoch) -> Result<()> {
        let judgment = self.journal.judgment(epoch.index())?.ok_or_else(|| gone("the judgment"))?;
        let (sender, participant) = self.sender();
        let values = judgment.values.into_iter().map(|(case_id, value)| pb::CaseValue { case_id, value });
        let (values, salt) = (values.collect(), judgment.salt.to_vec());
        let message = pb::MsgRevealJudgment { sender, participant, epoch: epoch.index(), values, salt };
        self.outbox.deliver(&message, 0, epoch.window.settle.saturating_sub(1)).await?;
        tracing::info!(epoch = epoch.index(), cases = message.values.len(), "judgment revealed");
        Ok(())
    }

    async fn claim(&self, epochs: &[u64]) -> Result<()> {
        let (sender, participant) = self.sender();
        let message = rewards::MsgClaim { sender, participant, epochs: epochs.to_vec() };
        let last = self.heights.borrow().saturating_add(CLAIM_BLOCKS);
        self.outbox.deliver(&message, count(epochs.len(), GAS_CLAIM), last).await?;
        tracing::info!(?epochs, "claimed");
        Ok(())
    }
}

#[cfg(test)]
#[path = "act_tests.rs"]
mod tests;
