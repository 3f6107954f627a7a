//! What an operator sets of the application.

use std::collections::BTreeSet;
use std::path::PathBuf;

use geodesic_core::DecCoins;

/// Snapshots for state sync.
#[derive(Debug, Clone)]
pub struct SnapshotConfig {
    /// Folder of the finished ones.
    pub dir: PathBuf,
    /// Heights between two; 0 makes none.
    pub interval: u64,
    /// Heights whose snapshots are kept; 0 keeps all.
    pub keep_recent: u32,
    /// Bytes of a chunk. Part of the format: nodes that cut otherwise make other snapshots.
    pub chunk_bytes: usize,
}

/// Settings of the application; none of them is part of consensus.
#[derive(Debug, Clone)]
pub struct AppConfig {
    /// Folder of the database.
    pub db_path: PathBuf,
    /// Sizes and pruning of the store.
    pub store: geodesic_store::Options,
    /// Snapshots for state sync.
    pub snapshots: SnapshotConfig,
    /// Chain id and initial height of the genesis; a state that comes by state sync must be of this chain.
    pub genesis: Option<(String, u64)>,
    /// Smallest gas prices that the mempool takes; none asks for no fee.
    pub min_gas_prices: DecCoins,
    /// `app.toml`'s spelling of the prices, for queries.
    pub min_gas_prices_text: String,
    /// Transactions that CometBFT's mempool holds at most (`mempool.size`).
    pub mempool_size: u64,
    /// The process stops after committing this height; 0 never.
    pub halt_height: u64,
    /// Blocks that CometBFT keeps at least; 0 keeps all.
    pub min_retain_blocks: u64,
    /// Attributes of events that CometBFT indexes, each `TYPE.KEY` as in `transfer.recipient`; none means all.
    pub index_events: BTreeSet<String>,
    /// Gas that a simulation may use.
    pub simulate_gas: u64,
    /// Secret of the VRF whose proofs are the vote extensions; without it they are empty.
    pub vrf_secret: Option<[u8; 32]>,
    /// Sends garbage in place of the proofs, for tests.
    #[cfg(feature = "faults")]
    pub fault_extensions: bool,
    /// Ends the process at a point of a height, for tests.
    #[cfg(feature = "faults")]
    pub fault_crash: Option<crate::faults::Crash>,
}

impl AppConfig {
    /// Defaults with the database in `db_path`.
    pub fn new(db_path: impl Into<PathBuf>) -> Self {
        let db_path = db_path.into();
        let snapshots = SnapshotConfig {
            dir: db_path.with_file_name("snapshots"),
            interval: 0,
            keep_recent: 2,
            chunk_bytes: geodesic_store::sync::CHUNK_BYTES,
        };
        Self {
            db_path,
            snapshots,
            genesis: None,
            store: geodesic_store::Options::default(),
            min_gas_prices: DecCoins::default(),
            min_gas_prices_text: String::new(),
            mempool_size: 5000,
            halt_height: 0,
            min_retain_blocks: 0,
            index_events: BTreeSet::new(),
            simulate_gas: 50_000_000,
            vrf_secret: None,
            #[cfg(feature = "faults")]
            fault_extensions: false,
            #[cfg(feature = "faults")]
            fault_crash: None,
        }
    }
}
