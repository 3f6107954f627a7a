//! Faults done to networks of real processes: `cargo xtask test --all`. Each test is a row of docs/threats.md, with a network of
//! four validators of its own, and ends with postcondition C0.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crashes;
mod databases;
mod disks;
mod environments;
mod partitions;
mod restarts;
mod twins;

use std::path::{Path, PathBuf};
use std::time::Duration;

use geodesic_testnet::faults::ledger::Ledger;
use geodesic_testnet::faults::load::Load;
use geodesic_testnet::faults::{self, Cluster};

/// A network under load, and the witness of what its nodes report.
pub(crate) struct Net {
    pub(crate) cluster: Cluster,
    ledger: Ledger,
    _load: Load,
}

/// Folder of a test's network.
pub(crate) fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults").join(name)
}

pub(crate) fn create(name: &str) -> Cluster {
    faults::create(&dir(name), &[]).unwrap()
}

impl Net {
    /// Four nodes that make blocks.
    pub(crate) async fn start(name: &str) -> Self {
        let mut cluster = create(name);
        cluster.start_all().unwrap();
        Self::of(cluster).await
    }

    /// A network whose nodes were started.
    pub(crate) async fn of(cluster: Cluster) -> Self {
        cluster.reach(&cluster.indices(), 2).await.unwrap();
        let (load, ledger) =
            (Load::start(&cluster.network).unwrap(), Ledger::open(&cluster.network).unwrap());
        Self { cluster, ledger, _load: load }
    }

    /// Postcondition C0; transactions went through all the time.
    pub(crate) async fn check(&self) {
        let checked = self.ledger.check(&self.cluster).await.unwrap();
        eprintln!(
            "C0 holds: height {}, {} transactions, {:.1} s to recover",
            checked.height,
            checked.txs,
            checked.recovery.as_secs_f64()
        );
        assert!(checked.txs > 0, "no load");
    }

    /// Waits until some nodes have made some more blocks; returns their height.
    pub(crate) async fn grow(&self, nodes: &[u16], blocks: u64) -> u64 {
        let height = self.cluster.top().await.unwrap() + blocks;
        self.cluster.reach(nodes, height).await.unwrap();
        height
    }

    /// Heights at which a node's application was opened.
    pub(crate) fn opened(&self, node: u16) -> Vec<u64> {
        let log = self.cluster.log(node);
        let lines = log.lines().filter(|line| line.contains("application opened"));
        lines.map(|line| number_after(line, "height=").unwrap()).collect()
    }
}

/// The number behind some text in a line of a log.
pub(crate) fn number_after(line: &str, text: &str) -> Option<u64> {
    let (_, rest) = line.split_once(text)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

pub(crate) async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

pub(crate) fn is_root() -> bool {
    let output = std::process::Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}
