//! What is to be done now: a pure function of what the chain shows and what the journal holds. Everything it says may be done twice.

use geodesic_proto::geodesic::epochs::v1::Epoch as Window;

/// What the agent knows at a height.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Last committed height; a transaction sent now is in the next at the earliest.
    pub height: u64,
    /// Heights of the running epoch.
    pub window: Window,
    /// The operator takes part in the epoch, and its record is on chain.
    pub active: bool,
    /// Leaves on disk, all nodes together.
    pub stored: u64,
    /// Leaves that the chain holds a commitment to.
    pub committed: u64,
    /// Commitments sent in this epoch; the chain takes 8.
    pub messages: u32,
    /// The draw is made and the operator had power at X.
    pub audits: bool,
    /// Samples owed that were neither served nor found missing.
    pub unfetched: usize,
    /// Samples not served and not demanded.
    pub undemanded: usize,
    /// Samples known, served or opened, that were not re-computed.
    pub uncomputed: usize,
    /// The chain holds the operator's verdict.
    pub verdict: bool,
    /// Demands against the operator that are not answered in full.
    pub unanswered: usize,
    /// Accusations that are due.
    pub accusations: usize,
    /// Cases that need judges.
    pub cases: usize,
    /// The journal holds values and salt of a judgment.
    pub judged: bool,
    /// The chain holds the judgment's hash.
    pub judgment: bool,
    /// The chain holds its values.
    pub revealed: bool,
    /// Epochs that can be claimed.
    pub claimable: usize,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Compute nonces.
    Compute,
    /// Stop computing.
    Rest,
    /// Send a commitment to what is on disk.
    Commit,
    /// Fetch samples from other agents.
    Fetch,
    /// Re-compute samples.
    Recompute,
    /// Demand on chain what was not served.
    Demand,
    /// Answer demands.
    Answer,
    /// Send the verdict.
    Verdict,
    /// Re-compute some of the others' samples.
    CheckOthers,
    /// Send accusations.
    Accuse,
    /// Compute accused nonces, and write the judgment down.
    Judge,
    /// Send its hash.
    CommitJudgment,
    /// Send its values.
    RevealJudgment,
    /// Claim rewards.
    Claim,
}

/// What is to be done, in order. `margin`: blocks before X at which computing ends.
pub fn plan(v: &View, margin: u64) -> Vec<Action> {
    let w = &v.window;
    let next = v.height.saturating_add(1);
    let within = |from: u64, to: u64| next >= from && next < to;
    let last_call = w.draw.saturating_sub(margin);
    let mut todo = Vec::new();
    let mut when = |condition: bool, action: Action| {
        if condition {
            todo.push(action);
        }
    };

    when(v.active && v.height >= w.start && next < last_call, Action::Compute);
    when(v.height < w.start || next >= last_call, Action::Rest);
    when(v.active && commit_is_due(v, last_call) && within(w.start.saturating_add(1), w.draw), Action::Commit);

    let fetching = within(w.draw.saturating_add(1), w.open);
    when(v.audits && v.unfetched > 0 && next < w.open, Action::Fetch);
    when(v.audits && v.uncomputed > 0, Action::Recompute);
    // The last two blocks of fetching are kept for demands, so that they arrive in time.
    let late = next.saturating_add(2) >= w.open;
    when(v.audits && v.undemanded > 0 && late && fetching, Action::Demand);
    when(v.unanswered > 0 && within(w.draw.saturating_add(1), w.verdict), Action::Answer);

    let complete = v.unfetched == 0 && v.uncomputed == 0;
    when(v.audits && !v.verdict && complete && within(w.verdict, w.verdict_end), Action::Verdict);
    when(v.audits && next > w.verdict && next < w.judge_commit, Action::CheckOthers);
    when(v.accusations > 0 && within(w.draw.saturating_add(1), w.judge_commit), Action::Accuse);

    let judging = v.audits && v.cases > 0;
    when(judging && !v.judged && within(w.judge_commit, w.judge_reveal), Action::Judge);
    when(judging && v.judged && !v.judgment && within(w.judge_commit, w.judge_reveal), Action::CommitJudgment);
    when(v.judged && v.judgment && !v.revealed && within(w.judge_reveal, w.settle), Action::RevealJudgment);
    when(v.claimable > 0, Action::Claim);
    todo
}

/// One commitment half way, for safety, and one when computing has ended; and whatever is missing after that.
fn commit_is_due(v: &View, last_call: u64) -> bool {
    const MESSAGES_MAX: u32 = 8;
    let half = v.window.start.saturating_add(last_call.saturating_sub(v.window.start) / 2);
    let first = v.committed == 0 && v.height.saturating_add(1) >= half;
    let last = v.height.saturating_add(1) >= last_call;
    v.stored > v.committed && v.messages < MESSAGES_MAX && (first || last)
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::*;

    /// The local network's second epoch: S 61, X 77, open 82, verdict 87 to 90, judge 93 and 96, T 99.
    fn window() -> Window {
        Window {
            index: 1,
            start: 61,
            draw: 77,
            open: 82,
            verdict: 87,
            verdict_end: 90,
            judge_commit: 93,
            judge_reveal: 96,
            settle: 99,
            activate: 101,
            claim: 102,
            end: 121,
        }
    }

    #[test]
    fn what_is_done_when() {
        let at = |height| View { height, window: window(), active: true, audits: true, ..View::default() };
        let rows: Vec<(&str, View, Vec<Action>)> = vec![
            ("the stage begins", at(61), vec![Compute]),
            ("not registered", View { active: false, ..at(61) }, vec![]),
            ("half way: for safety", View { stored: 10, ..at(66) }, vec![Compute, Commit]),
            ("half way, sent already", View { stored: 12, committed: 10, ..at(68) }, vec![Compute]),
            ("last call", View { stored: 12, committed: 10, ..at(72) }, vec![Rest, Commit]),
            ("all is committed", View { stored: 12, committed: 12, ..at(73) }, vec![Rest]),
            ("eight messages are enough", View { stored: 12, committed: 9, messages: 8, ..at(73) }, vec![Rest]),
            ("the block of the draw is too late", View { stored: 12, committed: 9, ..at(76) }, vec![Rest]),
            ("the draw is made", View { unfetched: 5, ..at(77) }, vec![Rest, Fetch]),
            ("something was not served, others may come", View { unfetched: 1, undemanded: 2, ..at(78) }, vec![Rest, Fetch]),
            ("it is demanded in time", View { undemanded: 2, ..at(79) }, vec![Rest, Demand]),
            ("too late for demands", View { undemanded: 2, ..at(81) }, vec![Rest]),
            ("demands are answered", View { unanswered: 1, ..at(79) }, vec![Rest, Answer]),
            ("answers are opened late", View { uncomputed: 1, ..at(86) }, vec![Rest, Recompute]),
            ("the verdict", at(86), vec![Rest, Verdict]),
            ("after the verdict others are checked", View { verdict: true, ..at(88) }, vec![Rest, CheckOthers]),
            ("a wrong leaf is accused at once", View { accusations: 1, ..at(80) }, vec![Rest, Accuse]),
            ("no cases, no judgment", View { verdict: true, ..at(92) }, vec![Rest]),
            ("a case is computed", View { verdict: true, cases: 1, ..at(92) }, vec![Rest, Judge]),
            ("and its hash is sent", View { cases: 1, judged: true, ..at(93) }, vec![Rest, CommitJudgment]),
            ("not before it is written down", View { cases: 1, ..at(94) }, vec![Rest, Judge]),
            (
                "revealed in its part",
                View { cases: 1, judged: true, judgment: true, ..at(95) },
                vec![Rest, RevealJudgment],
            ),
            ("a lost hash is not revealed", View { cases: 1, judged: true, ..at(96) }, vec![Rest]),
            ("rewards are claimed", View { claimable: 1, ..at(110) }, vec![Rest, Claim]),
        ];
        for (name, view, want) in rows {
            assert_eq!(plan(&view, 4), want, "{name}");
        }
    }

    #[test]
    fn an_operator_without_power_audits_nothing() {
        for height in 77..121 {
            let view = View { height, window: window(), unfetched: 1, undemanded: 1, cases: 1, ..View::default() };
            assert_eq!(plan(&view, 4), [Rest], "height {height}");
        }
    }
}
