//! The heights of an epoch: pure functions, no store.

use geodesic_proto::geodesic::epochs::v1 as pb;

use crate::params::Params;

/// What a height of an epoch is for.
pub use pb::Phase;

/// The heights of one epoch, counted from its first height S. Each part lasts to the height before the next part's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// 0, 1, 2, ...
    pub index: u64,
    /// S: the stage begins.
    pub start: u64,
    /// X: the draw, and fetching.
    pub draw: u64,
    /// Demands are answered on chain.
    pub open: u64,
    /// Verdicts are due.
    pub verdict: u64,
    /// First height at which a verdict is too late: the middle of its part.
    pub verdict_end: u64,
    /// Hashes of judgments.
    pub judge_commit: u64,
    /// Judgments are revealed.
    pub judge_reveal: u64,
    /// T: settlement.
    pub settle: u64,
    /// New powers.
    pub activate: u64,
    /// Rewards may be claimed.
    pub claim: u64,
    /// First height of the next epoch.
    pub end: u64,
}

impl Epoch {
    /// The epoch `index` that begins at `start`; saturates far above any height that a chain reaches.
    ///
    /// `X = S + stage`, `open = X + fetch`, `verdict = open + open_duration`,
    /// `verdict_end = verdict + ceil(verdict_duration / 2)`, `judge = verdict + verdict_duration`,
    /// `T = judge + 2 judge_duration`, `activate = T + delay`, `claim = activate + 1`, `end = S + epoch_length`.
    pub fn new(index: u64, start: u64, params: &Params) -> Self {
        let draw = start.saturating_add(params.poc_stage_duration);
        let open = draw.saturating_add(params.poc_fetch_duration);
        let verdict = open.saturating_add(params.poc_open_duration);
        let judge_commit = verdict.saturating_add(params.poc_verdict_duration);
        let judge_reveal = judge_commit.saturating_add(params.poc_judge_duration);
        let settle = judge_reveal.saturating_add(params.poc_judge_duration);
        let activate = settle.saturating_add(params.set_new_validators_delay);
        Self {
            index,
            start,
            draw,
            open,
            verdict,
            verdict_end: verdict.saturating_add(params.poc_verdict_duration.div_ceil(2)),
            judge_commit,
            judge_reveal,
            settle,
            activate,
            claim: activate.saturating_add(1),
            end: start.saturating_add(params.epoch_length),
        }
    }

    /// What `height` is for; `Unspecified` outside the epoch.
    pub const fn phase(&self, height: u64) -> Phase {
        if height < self.start || height >= self.end {
            Phase::Unspecified
        } else if height < self.draw {
            Phase::Stage
        } else if height < self.open {
            Phase::Fetch
        } else if height < self.verdict {
            Phase::Open
        } else if height < self.judge_commit {
            Phase::Verdict
        } else if height < self.judge_reveal {
            Phase::JudgeCommit
        } else if height < self.settle {
            Phase::JudgeReveal
        } else if height < self.activate {
            Phase::Settled
        } else {
            Phase::Active
        }
    }
}

impl From<Epoch> for pb::Epoch {
    fn from(e: Epoch) -> Self {
        Self {
            index: e.index,
            start: e.start,
            draw: e.draw,
            open: e.open,
            verdict: e.verdict,
            verdict_end: e.verdict_end,
            judge_commit: e.judge_commit,
            judge_reveal: e.judge_reveal,
            settle: e.settle,
            activate: e.activate,
            claim: e.claim,
            end: e.end,
        }
    }
}

impl From<pb::Epoch> for Epoch {
    fn from(e: pb::Epoch) -> Self {
        Self {
            index: e.index,
            start: e.start,
            draw: e.draw,
            open: e.open,
            verdict: e.verdict,
            verdict_end: e.verdict_end,
            judge_commit: e.judge_commit,
            judge_reveal: e.judge_reveal,
            settle: e.settle,
            activate: e.activate,
            claim: e.claim,
            end: e.end,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::as_conversions)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_local_defaults() {
        let e = Epoch::new(0, 1, &Params::default());
        for (name, got, want) in [
            ("X", e.draw, 17),
            ("open", e.open, 22),
            ("verdict", e.verdict, 27),
            ("a verdict is late", e.verdict_end, 30),
            ("judge", e.judge_commit, 33),
            ("reveal", e.judge_reveal, 36),
            ("T", e.settle, 39),
            ("activate", e.activate, 41),
            ("claim", e.claim, 42),
            ("end", e.end, 61),
        ] {
            assert_eq!(got, want, "{name}");
        }
        assert_eq!(e.phase(0), Phase::Unspecified);
        assert_eq!(e.phase(61), Phase::Unspecified);
    }

    proptest! {
        /// Every height of an epoch has a phase, and phases never go back.
        #[test]
        fn phases_follow_each_other(p in prop::array::uniform5(1_u64..20), judge in 1_u64..20, spare in 1_u64..20, start in 0_u64..1000) {
            let length = p.iter().sum::<u64>() + 2 * judge + spare + 1;
            let params = Params::try_new(length, p[0], p[1], p[2], p[3], judge, p[4], length).unwrap();
            let e = Epoch::new(3, start, &params);
            let phases: Vec<i32> = (e.start..e.end).map(|h| e.phase(h) as i32).collect();
            prop_assert!(phases.iter().all(|p| *p != 0));
            prop_assert!(phases.windows(2).all(|w| w[0] <= w[1]));
            prop_assert!(e.claim < e.end && e.verdict < e.verdict_end && e.verdict_end <= e.judge_commit);
        }
    }
}
