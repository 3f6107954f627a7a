//! What is known of the running epoch beside the chain and the journal; worked out anew after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use geodesic_challenge::{Address, Leaf, Path};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::duties::{is_cross_checked, opening_of};
use crate::epoch::{Drawn, Epoch};
use crate::error::Result;
use crate::journal::{Audit, Journal, Sampled};
use crate::plan::{Action, DutyView, SampleView};

/// Another auditor's verdict.
pub(crate) struct Verdict {
    /// Height at which it was seen.
    pub(crate) seen: u64,
    pub(crate) output: Vec<u8>,
    /// What it says of each prover.
    pub(crate) duties: BTreeMap<Address, Vec<pb::Seen>>,
}

/// A leaf with its path.
pub(crate) type Evidence = (Leaf, Path);

/// Auditor, prover and number of a sample.
pub(crate) type TagId = (Address, Address, u32);

/// The running epoch.
pub(crate) struct Known {
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) drawn: Option<Arc<Drawn>>,
    /// What this participant has committed to on chain.
    pub(crate) commitment: Option<pb::Commitment>,
    /// The own verdict is on chain.
    pub(crate) sent: bool,
    /// Own audits, by prover.
    pub(crate) audits: BTreeMap<Address, Audit>,
    /// All demands on chain.
    pub(crate) demands: Vec<pb::Demand>,
    /// Verdicts of others.
    pub(crate) verdicts: BTreeMap<Address, Verdict>,
    /// Samples of others that were re-computed.
    pub(crate) checked: BTreeSet<TagId>,
    /// Wrong leaves: prover, node, nonce.
    pub(crate) wrong_leaves: BTreeMap<(Address, u32, u64), Evidence>,
    /// Wrong tags, and with a leaf: wrong indexes.
    pub(crate) wrong_tags: BTreeMap<TagId, Option<Evidence>>,
    pub(crate) cases: BTreeMap<u32, pb::Case>,
    /// Own values of cases.
    pub(crate) values: BTreeMap<u32, Vec<u8>>,
    /// Actions that the chain has taken.
    pub(crate) done: BTreeSet<String>,
}

impl Known {
    /// What the journal knows of an epoch.
    pub(crate) fn new(epoch: Arc<Epoch>, journal: &Journal) -> Result<Self> {
        let index = epoch.index();
        Ok(Self {
            epoch,
            drawn: None,
            commitment: None,
            sent: false,
            audits: BTreeMap::new(),
            demands: Vec::new(),
            verdicts: BTreeMap::new(),
            checked: BTreeSet::new(),
            wrong_leaves: BTreeMap::new(),
            wrong_tags: BTreeMap::new(),
            cases: BTreeMap::new(),
            values: journal.judgment(index)?.map(|j| j.values).unwrap_or_default(),
            done: journal.done(index)?,
        })
    }

    /// Notes the draw, and what the journal knows of its audits.
    pub(crate) fn draw(&mut self, drawn: Arc<Drawn>, journal: &Journal) -> Result<()> {
        for prover in drawn.duties.keys() {
            self.audits.insert(*prover, journal.audit(self.epoch.index(), prover)?);
        }
        self.drawn = Some(drawn);
        self.find_wrong_leaves();
        Ok(())
    }

    /// Collects own samples that are wrong and can be shown to be.
    pub(crate) fn find_wrong_leaves(&mut self) {
        if self.epoch.tolerance().is_some() {
            return; // honest devices differ: no leaf is wrong by itself
        }
        for (prover, audit) in &self.audits {
            for sampled in audit.values().filter(|s| s.has_path && s.is_wrong()) {
                let opening = sampled.opening().unwrap_or_default();
                if let Some((leaf, path)) = opening_of(opening.leaf.as_ref(), &opening.path) {
                    self.wrong_leaves.insert((*prover, sampled.node_id, leaf.nonce), (leaf, path));
                }
            }
        }
    }

    /// This auditor's demand of a prover, by addresses as the chain writes them.
    pub(crate) fn demand(&self, prover: &str, auditor: &str) -> Option<&pb::Demand> {
        self.demands.iter().find(|d| d.prover == prover && d.auditor == auditor)
    }

    /// Takes over what provers have opened on chain: the chain has checked it, but its path is not in the state.
    /// Returns the provers of whom something is new.
    pub(crate) fn take_opened(
        &mut self,
        text_of: impl Fn(&Address) -> Option<String>,
        me: &str,
    ) -> BTreeSet<Address> {
        let mut news = BTreeSet::new();
        for (prover, audit) in &mut self.audits {
            let Some(text) = text_of(prover) else { continue };
            let demand = self.demands.iter().find(|d| d.prover == text && d.auditor == me);
            for opened in demand.into_iter().flat_map(|d| &d.opened) {
                if opened.leaf.is_some() && !audit.contains_key(&opened.position) {
                    let opening = pb::Opening {
                        position: opened.position,
                        leaf: opened.leaf.clone(),
                        path: Vec::new(),
                    };
                    audit.insert(opened.position, Sampled::new(opened.node_id, &opening, false));
                    news.insert(*prover);
                }
            }
        }
        news
    }

    /// Own duties, as the plan sees them.
    pub(crate) fn duties(&self, text_of: impl Fn(&Address) -> Option<String>, me: &str) -> Vec<DutyView> {
        let Some(drawn) = &self.drawn else { return Vec::new() };
        let is_exact = self.epoch.tolerance().is_none();
        let duty = |(prover, samples): (&Address, &Vec<geodesic_challenge::Sample>)| {
            let demand = text_of(prover).and_then(|text| self.demand(&text, me));
            let audit = self.audits.get(prover);
            let sample = |k: u32| {
                let sampled = audit.and_then(|a| a.get(&k));
                SampleView {
                    position: k,
                    demanded: demand.is_some_and(|d| d.positions.contains(&k)),
                    known: sampled.is_some(),
                    computed: sampled.is_some_and(|s| s.computed.is_some()),
                    lacks_path: is_exact && sampled.is_some_and(|s| !s.has_path && s.is_wrong()),
                }
            };
            DutyView {
                prover: *prover,
                demanded: demand.is_some(),
                samples: samples.iter().map(|s| sample(s.k)).collect(),
            }
        };
        drawn.duties.iter().map(duty).collect()
    }

    /// Samples of others that are to be re-computed and have not been: of verdicts seen two blocks ago, so that the provers'
    /// agents know them too and show the leaves behind.
    pub(crate) fn cross_pending(&self, height: u64) -> BTreeMap<TagId, pb::Seen> {
        let mut pending = BTreeMap::new();
        if self.epoch.tolerance().is_some() {
            return pending; // without tags there is nothing to check
        }
        let Some(auditor) = self.drawn.as_ref().and_then(|d| d.auditor.as_ref()) else { return pending };
        for (other, verdict) in self.verdicts.iter().filter(|(_, v)| v.seen.saturating_add(1) < height) {
            for (prover, samples) in &verdict.duties {
                for seen in samples {
                    let id = (*other, *prover, seen.position);
                    if !self.checked.contains(&id)
                        && is_cross_checked(&auditor.secret, other, prover, seen.position)
                    {
                        pending.insert(id, seen.clone());
                    }
                }
            }
        }
        pending
    }

    /// What is accused already.
    pub(crate) fn accused(&self, address_of: impl Fn(&str) -> Option<Address>) -> BTreeSet<Action> {
        let action = |case: &pb::Case| {
            let (accused, prover) = (address_of(&case.accused)?, address_of(&case.prover)?);
            match case.kind() {
                pb::CaseKind::Leaf => {
                    Some(Action::AccuseLeaf { prover, node_id: case.node_id, nonce: case.nonce })
                }
                pb::CaseKind::Tag => {
                    // Who can show that the index is false still joins: it settles the case.
                    let id = (accused, prover, case.position);
                    let has_proof = self.wrong_tags.get(&id).is_some_and(Option::is_some);
                    let action = Action::AccuseTag { auditor: accused, prover, position: case.position };
                    (case.proven || !has_proof).then_some(action)
                }
                pb::CaseKind::Unspecified => None,
            }
        };
        self.cases.values().filter_map(action).collect()
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
pub(crate) mod tests;
