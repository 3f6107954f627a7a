//! What to do next: a pure function of what the chain says and what is known here.
//!
//! Every action says what should be true, not how often it was tried: it is planned again until the chain, the journal or the
//! leaves show that it is done. A transaction sent at height h is in block h + 1 at the earliest, so windows are compared with
//! h + 1.

use std::collections::BTreeSet;

use geodesic_challenge::{Address, node_leaves};
use geodesic_proto::geodesic::epochs::v1::Epoch as Window;

/// Most openings in one message.
pub const OPENINGS_MAX: usize = 64;
/// Most commitments of an epoch.
pub const COMMITS_MAX: u32 = 8;
/// Most epochs in one claim.
pub const CLAIMS_MAX: usize = 100;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Let a node compute on from its next nonce, until it has so many leaves if a number is given. Nodes for which this is
    /// not planned stop.
    Generate {
        /// Number of the node.
        node_id: u32,
        /// Leaves to have.
        until: Option<u64>,
    },
    /// Commit to so many leaves of these nodes.
    Commit {
        /// Node and leaves.
        nodes: Vec<(u32, u64)>,
    },
    /// Get samples from a prover's agent.
    Fetch {
        /// The prover.
        prover: Address,
        /// Numbers of the samples.
        positions: Vec<u32>,
    },
    /// Look in blocks for the paths of leaves that were opened on chain and are wrong.
    FindPaths {
        /// The prover.
        prover: Address,
    },
    /// Re-compute samples.
    Recompute {
        /// The prover.
        prover: Address,
    },
    /// Demand samples on chain.
    Demand {
        /// The prover.
        prover: Address,
        /// Numbers of the samples.
        positions: Vec<u32>,
    },
    /// Answer a demand.
    Open {
        /// Who demands.
        auditor: Address,
        /// Numbers of its samples.
        positions: Vec<u32>,
    },
    /// Send the verdict.
    Verdict,
    /// Accuse a prover of a wrong leaf.
    AccuseLeaf {
        /// The prover.
        prover: Address,
        /// Node of the leaf.
        node_id: u32,
        /// Its nonce.
        nonce: u64,
    },
    /// Re-compute chosen samples of other auditors.
    CrossCheck,
    /// Accuse an auditor of a wrong tag or index.
    AccuseTag {
        /// The auditor.
        auditor: Address,
        /// The prover that it audited.
        prover: Address,
        /// Number of its sample.
        position: u32,
    },
    /// Re-compute the nonces of cases.
    Judge {
        /// Cases.
        cases: Vec<u32>,
    },
    /// Commit to the judgments.
    CommitJudgment,
    /// Reveal them.
    RevealJudgment,
    /// Claim rewards.
    Claim {
        /// Epochs.
        epochs: Vec<u64>,
    },
}

impl Action {
    /// Name of the kind, for logs and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "generate",
            Self::Commit { .. } => "commit",
            Self::Fetch { .. } => "fetch",
            Self::FindPaths { .. } => "find-paths",
            Self::Recompute { .. } => "recompute",
            Self::Demand { .. } => "demand",
            Self::Open { .. } => "open",
            Self::Verdict => "verdict",
            Self::AccuseLeaf { .. } => "accuse-leaf",
            Self::CrossCheck => "cross-check",
            Self::AccuseTag { .. } => "accuse-tag",
            Self::Judge { .. } => "judge",
            Self::CommitJudgment => "commit-judgment",
            Self::RevealJudgment => "reveal-judgment",
            Self::Claim { .. } => "claim",
        }
    }

    /// Key under which only one action runs at a time, and under which it is noted as done.
    pub fn key(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Generate { node_id, .. } => format!("{kind}:{node_id}"),
            Self::Fetch { prover: a, .. }
            | Self::FindPaths { prover: a }
            | Self::Recompute { prover: a }
            | Self::Demand { prover: a, .. }
            | Self::Open { auditor: a, .. }
            | Self::AccuseLeaf { prover: a, .. }
            | Self::AccuseTag { auditor: a, .. } => format!("{kind}:{}", hex::encode(a)),
            _ => kind.to_owned(),
        }
    }
}

/// What the plan is made from.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Newest height.
    pub height: u64,
    /// Heights of its epoch.
    pub window: Window,
    /// Blocks before X at which computing ends.
    pub commit_margin: u64,
    /// Blocks before the end of fetching at which what is missing is demanded.
    pub demand_margin: u64,
    /// Leaves below which nothing counts.
    pub min_leaves: u64,
    /// The participant is registered with this agent: it may send.
    pub authorised: bool,
    /// Its nodes count in this epoch.
    pub active: bool,
    /// Its nodes.
    pub nodes: Vec<NodeView>,
    /// Commitments it has sent.
    pub commits: u32,
    /// Its duties; `None` before the draw, without power, or without the VRF key in force.
    pub audit: Option<AuditView>,
    /// What others demand of it and has not been answered: auditor and positions.
    pub demands: Vec<(Address, Vec<u32>)>,
    /// Leaves found wrong, with their paths: prover, node, nonce.
    pub wrong_leaves: Vec<(Address, u32, u64)>,
    /// Chosen samples of other auditors that have not been re-computed.
    pub cross_pending: usize,
    /// Tags found wrong: auditor, prover, position.
    pub wrong_tags: Vec<(Address, Address, u32)>,
    /// Leaves and tags that are accused already, as [`Action::AccuseLeaf`] and [`Action::AccuseTag`] would accuse them.
    pub accused: BTreeSet<Action>,
    /// Its part in judging; `None` without power.
    pub judge: Option<JudgeView>,
    /// Epochs whose reward can be claimed.
    pub claimable: Vec<u64>,
    /// Keys of actions that the chain has taken.
    pub done: BTreeSet<String>,
}

/// A node of the participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// Its number.
    pub node_id: u32,
    /// Leaves here.
    pub leaves: u64,
    /// Leaves committed to on chain.
    pub committed: u64,
}

/// Duties of this validator.
#[derive(Clone, Debug, Default)]
pub struct AuditView {
    /// Its verdict is on chain.
    pub sent: bool,
    /// Whom it audits.
    pub duties: Vec<DutyView>,
}

/// One prover to audit.
#[derive(Clone, Debug, Default)]
pub struct DutyView {
    /// The prover.
    pub prover: Address,
    /// Samples were demanded of it on chain.
    pub demanded: bool,
    /// Its samples.
    pub samples: Vec<SampleView>,
}

/// One sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleView {
    /// Its number.
    pub position: u32,
    /// It was demanded on chain.
    pub demanded: bool,
    /// The leaf is known.
    pub known: bool,
    /// It was re-computed.
    pub computed: bool,
    /// It is wrong, and its path, without which nobody can be accused, is only in a block.
    pub lacks_path: bool,
}

impl SampleView {
    /// The verdict must have it: only what was demanded and is not answered is left out.
    const fn is_owed(&self) -> bool {
        !self.demanded || self.known
    }
}

/// Judging.
#[derive(Clone, Debug, Default)]
pub struct JudgeView {
    /// Cases that need a judgment and have none here.
    pub open: Vec<u32>,
    /// Cases judged here.
    pub judged: usize,
    /// The hash is on chain.
    pub committed: bool,
    /// And it is the hash of what the journal holds.
    pub known: bool,
    /// The judgments are on chain.
    pub revealed: bool,
}

/// What to do now. The order is that in which transactions should be sent.
pub fn plan(view: &View) -> Vec<Action> {
    let mut actions = Vec::new();
    if view.authorised {
        stage(view, &mut actions);
        repair(view, &mut actions);
        answer(view, &mut actions);
        if let Some(audit) = &view.audit {
            audits(view, audit, &mut actions);
        }
        accusations(view, &mut actions);
        if let Some(judge) = &view.judge {
            judging(view, judge, &mut actions);
        }
        if !view.claimable.is_empty() {
            actions.push(Action::Claim { epochs: view.claimable.iter().copied().take(CLAIMS_MAX).collect() });
        }
    }
    actions
}

impl View {
    /// First height that a transaction can still be in.
    const fn next(&self) -> u64 {
        self.height.saturating_add(1)
    }

    /// Whether a transaction can be in a block of `from .. until`.
    const fn within(&self, from: u64, until: u64) -> bool {
        self.next() >= from && self.next() < until
    }
}

/// Compute, commit early for safety, stop `commit_margin` blocks before X, commit to all.
fn stage(view: &View, actions: &mut Vec<Action>) {
    let w = &view.window;
    if !view.active || view.height < w.start || view.next() >= w.draw {
        return;
    }
    let computing = view.height.saturating_add(view.commit_margin) < w.draw;
    if computing {
        actions.extend(view.nodes.iter().map(|n| Action::Generate { node_id: n.node_id, until: None }));
    }
    let least = node_leaves(view.min_leaves);
    let counted = view.nodes.iter().map(|n| n.leaves.max(n.committed)).filter(|leaves| *leaves >= least);
    let leaves = counted.fold(0, u64::saturating_add);
    let more: Vec<(u32, u64)> = view
        .nodes
        .iter()
        .filter(|n| n.leaves > n.committed && n.leaves >= least)
        .map(|n| (n.node_id, n.leaves))
        .collect();
    let wanted = if computing { view.commits == 0 } else { view.commits < COMMITS_MAX };
    if wanted && leaves >= view.min_leaves && !more.is_empty() {
        actions.push(Action::Commit { nodes: more });
    }
}

/// Leaves that are committed to and were lost on disk are computed again: nonces give the same leaves again.
fn repair(view: &View, actions: &mut Vec<Action>) {
    let needed = view.height >= view.window.start && view.next() < view.window.verdict;
    for node in view.nodes.iter().filter(|n| needed && n.leaves < n.committed) {
        let action = Action::Generate { node_id: node.node_id, until: Some(node.committed) };
        if !actions.iter().any(|a| a.key() == action.key()) {
            actions.push(action);
        }
    }
}

fn answer(view: &View, actions: &mut Vec<Action>) {
    let whole = view.nodes.iter().all(|n| n.leaves >= n.committed);
    if whole && view.within(view.window.draw.saturating_add(1), view.window.verdict) {
        for (auditor, positions) in &view.demands {
            let positions = positions.iter().copied().take(OPENINGS_MAX).collect();
            actions.push(Action::Open { auditor: *auditor, positions });
        }
    }
}

fn audits(view: &View, audit: &AuditView, actions: &mut Vec<Action>) {
    let w = &view.window;
    if view.height < w.draw {
        return;
    }
    let all: Vec<&SampleView> = audit.duties.iter().flat_map(|d| &d.samples).collect();
    let complete = all.iter().all(|s| !s.is_owed() || s.computed);
    if !audit.sent && complete && view.within(w.verdict, w.verdict_end) {
        actions.push(Action::Verdict);
    }
    for duty in &audit.duties {
        audit_one(view, duty, audit.sent, actions);
    }
}

fn audit_one(view: &View, duty: &DutyView, sent: bool, actions: &mut Vec<Action>) {
    let (w, prover) = (&view.window, duty.prover);
    let missing: Vec<u32> =
        duty.samples.iter().filter(|s| !s.known && !s.demanded).map(|s| s.position).collect();
    if !missing.is_empty() && !sent && view.next() < w.verdict_end {
        let late = view.next().saturating_add(view.demand_margin) >= w.open;
        if late && !duty.demanded && view.within(w.draw.saturating_add(1), w.open) {
            actions.push(Action::Demand { prover, positions: missing.clone() });
        }
        actions.push(Action::Fetch { prover, positions: missing });
    }
    if duty.samples.iter().any(|s| s.known && !s.computed) && view.next() < w.judge_commit {
        actions.push(Action::Recompute { prover });
    }
    if duty.samples.iter().any(|s| s.lacks_path) && view.next() < w.judge_commit {
        actions.push(Action::FindPaths { prover });
    }
}

/// One accusation of a kind and operator is allowed, and one upheld is enough; joining a case only risks a deposit.
fn accuse(view: &View, action: Action, actions: &mut Vec<Action>) {
    let key = action.key();
    if !view.done.contains(&key) && !view.accused.contains(&action) && !actions.iter().any(|a| a.key() == key)
    {
        actions.push(action);
    }
}

fn accusations(view: &View, actions: &mut Vec<Action>) {
    let w = &view.window;
    if view.within(w.draw.saturating_add(1), w.judge_commit) {
        for (prover, node_id, nonce) in view.wrong_leaves.iter().copied() {
            accuse(view, Action::AccuseLeaf { prover, node_id, nonce }, actions);
        }
    }
    if view.within(w.verdict, w.judge_commit) {
        if view.cross_pending > 0 {
            actions.push(Action::CrossCheck);
        }
        for (auditor, prover, position) in view.wrong_tags.iter().copied() {
            accuse(view, Action::AccuseTag { auditor, prover, position }, actions);
        }
    }
}

/// Accusations are closed at `judge_commit`, so the cases that its first block sees are all of them.
fn judging(view: &View, judge: &JudgeView, actions: &mut Vec<Action>) {
    let w = &view.window;
    if !judge.committed && view.next() < w.judge_reveal {
        if !judge.open.is_empty() {
            actions.push(Action::Judge { cases: judge.open.clone() });
        }
        // At the last chance part of the judgments is better than none.
        let last = view.next().saturating_add(1) >= w.judge_reveal;
        if judge.judged > 0 && (judge.open.is_empty() || last) && view.within(w.judge_commit, w.judge_reveal)
        {
            actions.push(Action::CommitJudgment);
        }
    }
    if judge.committed && judge.known && !judge.revealed && view.within(w.judge_reveal, w.settle) {
        actions.push(Action::RevealJudgment);
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
