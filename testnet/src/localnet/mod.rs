//! A whole network on this machine: for each validator `geod start` (which runs CometBFT), `mlnode serve` and `geod agent start`, set up with the same commands
//! that an operator types.

pub mod chain;
pub mod folder;
pub mod join;
pub mod process;
pub mod profile;
pub mod setup;
pub mod view;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub use process::Process;
pub use profile::Profile;

/// Chain id of local networks.
pub const CHAIN_ID: &str = "geodesic-local-1";

/// Ports that a node takes, one after the other.
const PORTS: u16 = 10;

/// A network, as it stands on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Localnet {
    /// Folder of all of it.
    pub dir: PathBuf,
    /// First port.
    pub base_port: u16,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Processes that it started.
    pub processes: Vec<Process>,
}

/// A node: its home and its ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// 0, 1, 2, ...
    pub index: u16,
    /// Home of `geod`.
    pub home: PathBuf,
    /// First of its ports.
    pub port: u16,
    /// Account address of its operator.
    pub operator: String,
}

impl Node {
    /// The node of an index, without an operator yet.
    pub fn new(dir: &Path, base_port: u16, index: u16) -> Self {
        let port = base_port.saturating_add(index.saturating_mul(PORTS));
        Self { index, home: dir.join(format!("node{index}")), port, operator: String::new() }
    }

    /// Name in logs and tables.
    pub fn name(&self) -> String {
        format!("node{}", self.index)
    }

    /// CometBFT's peers.
    pub fn p2p(&self) -> u16 {
        self.port
    }

    /// CometBFT's RPC.
    pub fn rpc(&self) -> u16 {
        self.port.saturating_add(1)
    }

    /// The application's gRPC.
    pub fn grpc(&self) -> u16 {
        self.port.saturating_add(2)
    }

    /// The mlnode.
    pub fn mlnode(&self) -> u16 {
        self.port.saturating_add(3)
    }

    /// The agent.
    pub fn agent(&self) -> u16 {
        self.port.saturating_add(4)
    }

    /// All ports, with what they are for.
    pub fn ports(&self) -> [(u16, &'static str); 5] {
        [
            (self.p2p(), "CometBFT's peers"),
            (self.rpc(), "CometBFT's RPC"),
            (self.grpc(), "gRPC"),
            (self.mlnode(), "mlnode"),
            (self.agent(), "agent"),
        ]
    }

    /// URL of its RPC.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc())
    }
}

impl Localnet {
    fn file(dir: &Path) -> PathBuf {
        dir.join("localnet.json")
    }

    /// The network in a folder.
    ///
    /// # Errors
    /// There is none.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        let path = Self::file(dir);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("no local network in {}: start one with `cargo xtask localnet`", dir.display())
        })?;
        serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged: remove it by `cargo xtask localnet reset`", path.display())
        })
    }

    /// Writes down what was started, so that a later command can stop it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(Self::file(&self.dir), text).context("localnet.json")
    }

    /// Processes that are still the ones that were started.
    pub fn alive(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|p| p.is_alive())
    }

    /// Stops what was started, CometBFT's supervisors last, so that agents end in peace.
    pub fn stop(&self) {
        let order = |p: &&Process| usize::from(p.name.starts_with("geod"));
        let mut processes: Vec<&Process> = self.processes.iter().collect();
        processes.sort_by_key(order);
        processes.iter().for_each(|p| p.terminate());
        processes.iter().for_each(|p| p.wait_or_kill());
    }
}
