//! Looks at the chain and makes the view that plans are made from.

use std::collections::BTreeSet;
use std::sync::Arc;

use geodesic_challenge::judgment_hash;
use geodesic_proto::geodesic::epochs::v1::Epoch as Window;
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::agent::Agent;
use crate::epoch::{Drawn, Epoch, in_force};
use crate::error::Result;
use crate::journal::Judgment;
use crate::known::{Known, Verdict};
use crate::mlnode::lock;
use crate::plan::{AuditView, JudgeView, NodeView, View};
use crate::source::Shown;

/// What the chain says at one height, beyond what is kept in [`Known`].
#[derive(Default)]
struct Look {
    judgment: Option<pb::Judgment>,
    journal: Option<Judgment>,
    claimable: Vec<u64>,
}

impl Agent {
    /// The view at the newest height; `None` while no epoch can be worked in.
    pub(crate) async fn observe(&self) -> Result<Option<View>> {
        let Some((window, height)) = self.chain.current().await? else { return Ok(None) };
        self.heights.send_replace(height);
        let participant = self.chain.participant(&self.me_text).await?;
        let index = window.index;
        let settings = participant.as_ref().and_then(|p| in_force(p, index));
        let authorised = settings.is_some_and(|s| s.agent == self.outbox.address());
        let registered = settings.map(|s| s.node_ids.clone()).unwrap_or_default();
        self.warn_of_settings(participant.as_ref(), index);
        let Some(epoch) = self.enter(window, &registered).await? else { return Ok(None) };
        let drawn = self.drawn(&epoch, height).await?;
        let look = self.look(&epoch, drawn.as_deref(), height).await?;
        let deposit = participant.as_ref().is_some_and(|p| p.active_from <= index && p.deposit.is_some());
        let view = self.with_known(index, |known| {
            let mut view = self.view(known, &look, height);
            view.authorised = authorised;
            view.active = authorised && deposit;
            self.show_what_is_known(known);
            view
        });
        Ok(view)
    }

    /// The epoch of a window: read once, with its leaves.
    async fn enter(&self, window: Window, registered: &[u32]) -> Result<Option<Arc<Epoch>>> {
        if let Some(epoch) = self.with_known(window.index, |known| Arc::clone(&known.epoch)) {
            return Ok(Some(epoch));
        }
        let nodes = self.nodes.iter().map(|n| n.node_id).filter(|id| registered.contains(id));
        let nodes: Vec<u32> = nodes.collect();
        let dir = self.journal.epoch_dir(window.index);
        let Some(epoch) = Epoch::load(&self.chain, window, &self.me, &nodes, &dir).await? else {
            return Ok(None);
        };
        tracing::info!(epoch = window.index, start = window.start, nodes = nodes.len(), "epoch begins");
        let epoch = Arc::new(epoch);
        let known = Known::new(Arc::clone(&epoch), &self.journal)?;
        self.journal.prune(window.index.saturating_sub(self.config.keep_epochs.saturating_sub(1)))?;
        self.refresh_peers(window.index).await?;
        self.shared.set(None);
        self.replace_known(known);
        Ok(Some(epoch))
    }

    /// Which certificates are let in.
    async fn refresh_peers(&self, epoch: u64) -> Result<Vec<pb::Participant>> {
        let participants = self.chain.participants().await?;
        let hashes = participants
            .iter()
            .filter_map(|p| in_force(p, epoch)?.certificate_hash.as_slice().try_into().ok());
        self.pins.replace(hashes.collect());
        Ok(participants)
    }

    /// The draw, once it is made.
    async fn drawn(&self, epoch: &Epoch, height: u64) -> Result<Option<Arc<Drawn>>> {
        let index = epoch.index();
        let known = self.with_known(index, |known| known.drawn.clone()).flatten();
        if known.is_some() || height < epoch.window.draw {
            return Ok(known);
        }
        let participants = self.refresh_peers(index).await?;
        let drawn = Drawn::load(&self.chain, epoch, &self.me, &self.vrf, &participants).await?;
        let Some(drawn) = drawn.map(Arc::new) else { return Ok(None) };
        let duties = drawn.duties.len();
        tracing::info!(epoch = index, provers = drawn.provers.len(), duties, "draw");
        self.with_known(index, |known| known.draw(Arc::clone(&drawn), &self.journal)).transpose()?;
        Ok(Some(drawn))
    }

    /// Asks what each part of the epoch needs.
    async fn look(&self, epoch: &Epoch, drawn: Option<&Drawn>, height: u64) -> Result<Look> {
        let (w, index, chain) = (&epoch.window, epoch.index(), &self.chain);
        let mut look = Look::default();
        if height < w.verdict {
            let commitment = chain.commitment(index, &self.me).await?;
            self.with_known(index, |known| known.commitment = commitment);
        }
        if height < w.draw || height >= w.claim {
            look.claimable = chain.claimable(&self.me_text).await?;
        }
        let Some(drawn) = drawn else { return Ok(look) };
        if height < w.verdict_end {
            let demands = chain.demands(index, "").await?;
            self.with_known(index, |known| self.take_demands(known, demands)).transpose()?;
        }
        if drawn.auditor.is_some() && height >= w.verdict && height < w.judge_commit {
            let sent = chain.has_verdict(index, &self.me).await?;
            self.with_known(index, |known| known.sent = sent);
            self.read_verdicts(index, height).await?;
        }
        if height < w.settle {
            let cases = chain.cases(index).await?;
            let judged = cases.iter().any(|c| !c.proven);
            self.with_known(index, |known| known.cases = cases.into_iter().map(|c| (c.case_id, c)).collect());
            if judged && height >= w.judge_commit {
                look.judgment = chain.judgment(index, &self.me).await?;
                look.journal = self.journal.judgment(index)?;
            }
        }
        Ok(look)
    }

    fn take_demands(&self, known: &mut Known, demands: Vec<pb::Demand>) -> Result<()> {
        known.demands = demands;
        for prover in known.take_opened(|a| self.chain.text(a).ok(), &self.me_text) {
            if let Some(audit) = known.audits.get(&prover) {
                self.journal.set_audit(known.epoch.index(), &prover, audit)?;
            }
        }
        Ok(())
    }

    /// Reads the verdicts of others that are new; a verdict never changes.
    async fn read_verdicts(&self, epoch: u64, height: u64) -> Result<()> {
        for verdict in self.chain.verdicts(epoch).await? {
            let auditor = self.chain.address(&verdict.auditor)?;
            let is_new = self.with_known(epoch, |known| !known.verdicts.contains_key(&auditor));
            if auditor == self.me || is_new != Some(true) {
                continue;
            }
            let duties = self.chain.verdict_duties(epoch, &verdict.auditor).await?;
            let duty = |d: pb::Duty| Ok((self.chain.address(&d.prover)?, d.samples));
            let duties = duties.into_iter().map(duty).collect::<Result<_>>()?;
            let verdict = Verdict { seen: height, output: verdict.vrf_output, duties };
            self.with_known(epoch, |known| known.verdicts.insert(auditor, verdict));
        }
        Ok(())
    }

    fn view(&self, known: &Known, look: &Look, height: u64) -> View {
        let committed = known.commitment.as_ref();
        let node = |(node_id, leaves): (&u32, &crate::mlnode::SharedLeaves)| NodeView {
            node_id: *node_id,
            leaves: lock(leaves).len(),
            committed: committed
                .and_then(|c| c.nodes.iter().find(|n| n.node_id == *node_id))
                .map_or(0, |n| n.count),
        };
        let audits = known.drawn.as_ref().is_some_and(|d| d.auditor.is_some());
        let has_power = known.drawn.as_ref().is_some_and(|d| d.shown.auditors.contains_key(&self.me));
        let text = |a: &geodesic_challenge::Address| self.chain.text(a).ok();
        let address = |t: &str| self.chain.address(t).ok();
        View {
            height,
            window: known.epoch.window,
            commit_margin: self.config.commit_margin,
            demand_margin: self.config.demand_margin,
            min_leaves: known.epoch.params.min_leaves,
            authorised: false,
            active: false,
            nodes: known.epoch.leaves.iter().map(node).collect(),
            commits: committed.map_or(0, |c| c.messages),
            audit: audits.then(|| AuditView { sent: known.sent, duties: known.duties(text, &self.me_text) }),
            demands: self.unanswered(known),
            wrong_leaves: known.wrong_leaves.keys().copied().collect(),
            cross_pending: known.cross_pending(height).len(),
            wrong_tags: known.wrong_tags.keys().copied().collect(),
            accused: known.accused(address),
            judge: has_power.then(|| self.judge_view(known, look)),
            claimable: look.claimable.clone(),
            done: known.done.clone(),
        }
    }

    /// Demands against this participant: auditor, positions.
    fn unanswered(&self, known: &Known) -> Vec<(geodesic_challenge::Address, Vec<u32>)> {
        let mine = known.demands.iter().filter(|d| d.prover == self.me_text);
        let missing = |d: &pb::Demand| {
            let opened: BTreeSet<u32> = d.opened.iter().map(|o| o.position).collect();
            let missing: Vec<u32> = d.positions.iter().copied().filter(|p| !opened.contains(p)).collect();
            Some((self.chain.address(&d.auditor).ok()?, missing))
        };
        mine.filter_map(missing).filter(|(_, missing)| !missing.is_empty()).collect()
    }

    fn judge_view(&self, known: &Known, look: &Look) -> JudgeView {
        let open = known.cases.values().filter(|c| !c.proven && !known.values.contains_key(&c.case_id));
        let hash = look.journal.as_ref().map(|j| self.judgment_hash(known.epoch.index(), j));
        let on_chain = look.judgment.as_ref();
        JudgeView {
            open: open.map(|c| c.case_id).collect(),
            judged: known.values.len(),
            committed: on_chain.is_some(),
            known: on_chain.zip(hash).is_some_and(|(judgment, hash)| judgment.hash == hash),
            revealed: on_chain.is_some_and(|j| j.revealed),
        }
    }

    /// What a judgment is committed to by; a case is named by its number, big-endian in 4 bytes.
    pub(crate) fn judgment_hash(&self, epoch: u64, judgment: &Judgment) -> [u8; 32] {
        let ids: Vec<[u8; 4]> = judgment.values.keys().map(|id| id.to_be_bytes()).collect();
        let values = judgment.values.values();
        let entries: Vec<(&[u8], &[u8])> =
            ids.iter().zip(values).map(|(id, v)| (id.as_slice(), v.as_slice())).collect();
        judgment_hash(&self.chain_id, epoch, &self.me, &entries, &judgment.salt)
    }

    /// Tells the server for other agents what it may show.
    fn show_what_is_known(&self, known: &Known) {
        let Some(drawn) = &known.drawn else { return };
        self.shared.set(Some(Shown {
            epoch: known.epoch.index(),
            drawn: Arc::clone(&drawn.shown),
            challenge: known.epoch.challenge.clone(),
            leaves: known.epoch.leaves.clone(),
            outputs: known.verdicts.iter().map(|(a, v)| (*a, v.output.clone())).collect(),
        }));
    }

    /// Says once what is wrong with the registration.
    fn warn_of_settings(&self, participant: Option<&pb::Participant>, epoch: u64) {
        let text = match participant.and_then(|p| Some((p, in_force(p, epoch)?))) {
            None => format!("{} is not registered: geod agent register", self.me_text),
            Some((_, s)) if s.agent != self.outbox.address() => {
                format!("registered agent is {}, this one is {}", s.agent, self.outbox.address())
            }
            Some((_, s)) if s.certificate_hash != self.identity.hash() => {
                "another certificate is registered: geod agent register".to_owned()
            }
            Some((_, s)) if !self.nodes.iter().any(|n| s.node_ids.contains(&n.node_id)) => {
                format!("none of the registered nodes {:?} is configured here", s.node_ids)
            }
            Some((p, _)) if p.deposit.is_none() => {
                "the registration deposit is forfeited and must be refilled".to_owned()
            }
            Some((p, _)) if p.active_from > epoch => {
                format!("the registration counts from epoch {}", p.active_from)
            }
            Some(_) => String::new(),
        };
        self.report(text);
    }
}
