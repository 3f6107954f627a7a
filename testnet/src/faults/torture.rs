//! Random faults under load for as long as wanted, the same ones for the same seed, with C0 after each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::ledger::Ledger;
use super::load::Load;
use super::{Cluster, GUARD, create};

/// What a run has done so far, as it stands on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where the choices come from.
    pub seed: u64,
    /// Faults done and checked.
    pub round: u64,
    /// Of each kind.
    pub done: BTreeMap<Kind, Tally>,
    /// Height that all nodes agree up to.
    pub height: u64,
    /// Transactions up to there.
    pub txs: u64,
}

/// Faults of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// The longest recovery, in milliseconds.
    pub slowest_ms: u64,
}

/// What is done to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SIGKILL of a node's application, with which its CometBFT ends.
    KillGeod,
    /// SIGKILL of a node's CometBFT; the application starts both anew.
    KillComet,
    /// SIGKILL of all applications at once.
    KillAll,
    /// SIGSTOP of a node, and SIGCONT later.
    Pause,
}

/// One fault, drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    kind: Kind,
    node: u16,
    /// Pause before it.
    before: Duration,
    /// How long the node stays away.
    away: Duration,
}

/// SplitMix64 of a seed and a counter.
fn draw(seed: u64, round: u64, lane: u64) -> u64 {
    let z = seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ lane.wrapping_mul(0xd1b5_4a32_d192_ed03);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The fault of a round.
fn fault(seed: u64, round: u64, nodes: &[u16]) -> anyhow::Result<Fault> {
    let below = |lane: u64, n: u64| draw(seed, round.saturating_add(1), lane) % n.max(1);
    let kind = match below(1, 10) {
        0..=3 => Kind::KillGeod,
        4..=5 => Kind::KillComet,
        6..=7 => Kind::KillAll,
        _ => Kind::Pause,
    };
    let at = usize::try_from(below(2, u64::try_from(nodes.len())?))?;
    let node = *nodes.get(at).context("the network has no nodes")?;
    Ok(Fault {
        kind,
        node,
        before: Duration::from_millis(500 + below(3, 4_000)),
        away: Duration::from_millis(below(4, 5_000)),
    })
}

/// A run on its network.
#[derive(Debug)]
pub struct Torture {
    file: PathBuf,
    cluster: Cluster,
    /// What it has done.
    pub state: State,
}

impl Torture {
    /// Goes on with the run of a folder, or begins one there. A seed that is given and is not the run's begins a new one.
    ///
    /// # Errors
    /// A damaged folder, or a network that cannot be made.
    pub fn open(dir: &Path, seed: Option<u64>, new_seed: u64) -> anyhow::Result<Self> {
        let file = dir.join("torture.json");
        if let Ok(text) = std::fs::read_to_string(&file) {
            let at = || format!("{} is damaged: remove its folder", file.display());
            let state: State = serde_json::from_str(&text).with_context(at)?;
            if seed.is_none_or(|seed| seed == state.seed) {
                return Ok(Self { cluster: Cluster::load(dir)?, file, state });
            }
            drop(Cluster::load(dir)); // ends what may be left of it
        }
        let state = State { seed: seed.unwrap_or(new_seed), ..State::default() };
        let torture = Self { cluster: create(dir, &[])?, file, state };
        torture.save()?;
        Ok(torture)
    }

    fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self.state)?;
        std::fs::write(&self.file, text).with_context(|| self.file.display().to_string())
    }

    /// Runs for a time; `say` is told of each fault.
    ///
    /// # Errors
    /// The first check that fails, with the fault it follows.
    pub async fn run(&mut self, time: Duration, say: impl Fn(&str)) -> anyhow::Result<()> {
        let begin = Instant::now();
        self.cluster.start_all()?;
        let nodes = self.cluster.indices();
        self.cluster.reach(&nodes, 2).await?;
        let _load = Load::start(&self.cluster.network)?;
        let ledger = Ledger::open(&self.cluster.network)?;
        while begin.elapsed() < time {
            let fault = fault(self.state.seed, self.state.round, &nodes)?;
            let node =
                if fault.kind == Kind::KillAll { String::new() } else { format!(" of node{}", fault.node) };
            let what = format!("fault {}: {:?}{node}", self.state.round, fault.kind);
            let kills = self.strike(fault).await.with_context(|| what.clone())?;
            let checked = ledger.check(&self.cluster).await.with_context(|| what.clone())?;
            let tally = self.state.done.entry(fault.kind).or_default();
            let ms = u64::try_from(checked.recovery.as_millis())?;
            tally.count += 1;
            tally.kills += kills;
            tally.slowest_ms = tally.slowest_ms.max(ms);
            self.state.round += 1;
            (self.state.height, self.state.txs) = (checked.height, u64::try_from(checked.txs)?);
            self.save()?;
            say(&format!(
                "{what}: height {}, {} transactions, {ms} ms to recover",
                checked.height, checked.txs
            ));
        }
        Ok(())
    }

    /// Does a fault and undoes it; returns how many processes were killed.
    async fn strike(&mut self, fault: Fault) -> anyhow::Result<u64> {
        sleep(fault.before).await;
        let cluster = &mut self.cluster;
        match fault.kind {
            Kind::KillGeod => {
                cluster.kill(fault.node)?;
                sleep(fault.away).await;
                cluster.start(fault.node)?;
                Ok(1)
            }
            Kind::KillAll => {
                cluster.kill_all()?;
                sleep(fault.away).await;
                cluster.start_all()?;
                Ok(u64::try_from(cluster.indices().len())?)
            }
            Kind::Pause => {
                let paused = cluster.pause(fault.node)?;
                sleep(fault.away + Duration::from_secs(3)).await;
                Cluster::resume(&paused);
                Ok(0)
            }
            Kind::KillComet => {
                let comet = cluster.comet(fault.node)?;
                comet.signal("-KILL");
                back(cluster, fault.node, comet.pid).await?;
                Ok(1)
            }
        }
    }

    /// The table of all that was done.
    pub fn table(&self) -> String {
        let state = &self.state;
        let mut text =
            format!("{:12} {:>7} {:>7} {:>22}\n", "fault", "times", "kills", "slowest recovery (s)");
        for (kind, tally) in &state.done {
            let seconds = Duration::from_millis(tally.slowest_ms).as_secs_f64();
            text += &format!(
                "{:12} {:>7} {:>7} {seconds:>22.1}\n",
                format!("{kind:?}"),
                tally.count,
                tally.kills
            );
        }
        let kills: u64 = state.done.values().map(|t| t.kills).sum();
        text + &format!(
            "seed {}: {} faults, {kills} kills; all nodes agree up to height {} with {} transactions\n",
            state.seed, state.round, state.height, state.txs
        )
    }
}

/// Waits until the application has started itself and another CometBFT. One that was killed too often in a row gives up, as
/// it is meant to; then it is started as an operator's supervisor would.
///
/// # Errors
/// Neither happens in time.
pub async fn back(cluster: &mut Cluster, node: u16, killed: u32) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        if !cluster.runs(node) {
            cluster.ended(node)?;
            return cluster.start(node);
        }
        if cluster.comet(node).is_ok_and(|comet| comet.pid != killed) {
            return Ok(());
        }
        ensure!(begin.elapsed() < GUARD, "node{node} does not start CometBFT again");
        sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_and_all_kinds_of_them() {
        let all = |seed| (0..60).map(|round| fault(seed, round, &[0, 1, 2, 3]).unwrap()).collect::<Vec<_>>();
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
        for kind in [Kind::KillGeod, Kind::KillComet, Kind::KillAll, Kind::Pause] {
            assert!(all(7).iter().any(|f| f.kind == kind), "{kind:?}");
        }
        for node in 0..4 {
            assert!(all(7).iter().any(|f| f.node == node), "node{node}");
        }
    }
}
