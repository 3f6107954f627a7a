//! One application on its own disk.

use anyhow::{Context as _, Result, anyhow, ensure};
use geodesic_app::abci::Fatal;
use geodesic_app::{App, AppConfig};
use tempfile::TempDir;
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{
    RequestFinalizeBlock, RequestInfo, RequestInitChain, ResponseFinalizeBlock, ResponseInitChain,
};

use super::net::Block;

/// An application that can be dropped and opened again.
pub(crate) struct Node {
    config: AppConfig,
    app: Option<App>,
    /// The disk; removed with the node.
    _dir: TempDir,
}

impl Node {
    /// An application that makes a snapshot every `snapshot_interval` heights, in small chunks; 0 makes none.
    pub(crate) fn new(vrf_secret: Option<[u8; 32]>, snapshot_interval: u64) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut config = AppConfig::new(dir.path().join("db"));
        config.vrf_secret = vrf_secret;
        config.snapshots.interval = snapshot_interval;
        config.snapshots.keep_recent = 0;
        config.snapshots.chunk_bytes = 4_000;
        config.store.cache_bytes = 4 << 20;
        config.store.block_cache_bytes = 4 << 20;
        config.store.write_buffer_bytes = 4 << 20;
        let mut node = Self { config, app: None, _dir: dir };
        node.open()?;
        Ok(node)
    }

    fn open(&mut self) -> Result<()> {
        // The reason of a halt; the thread of the test then unwinds.
        let fatal = Fatal::with_action(|reason| eprintln!("the application halts: {reason}"));
        self.app = Some(App::open(self.config.clone(), fatal, None).map_err(|e| anyhow!(e))?);
        Ok(())
    }

    pub(crate) fn app(&self) -> Result<&App> {
        self.app.as_ref().context("the application is closed")
    }

    /// Drops the application as it stands and opens it again from its disk.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.app = None;
        self.open()
    }

    /// Starts the chain; the answer must be the one the others gave.
    pub(crate) fn init(
        &self,
        request: &RequestInitChain,
        want: Option<&ResponseInitChain>,
    ) -> Result<ResponseInitChain> {
        let got = self.app()?.init_chain(request.clone());
        ensure!(want.is_none_or(|w| *w == got), "InitChain gives another answer");
        Ok(got)
    }

    /// Executes a block; the answer must be the one the others gave.
    pub(crate) fn finalize(
        &self,
        request: &RequestFinalizeBlock,
        want: Option<&ResponseFinalizeBlock>,
    ) -> Result<ResponseFinalizeBlock> {
        let got = self.app()?.finalize_block(request.clone());
        ensure!(
            got.tx_results.len() == request.txs.len(),
            "{} results for {} transactions",
            got.tx_results.len(),
            request.txs.len()
        );
        if let Some(want) = want.filter(|w| **w != got) {
            return Err(anyhow!("height {}: {}", request.height, difference(want, &got)));
        }
        Ok(got)
    }

    /// CometBFT's handshake: asks how far the application is, and plays it what it lacks.
    pub(crate) fn handshake(
        &self,
        init: &RequestInitChain,
        genesis: &ResponseInitChain,
        blocks: &[Block],
    ) -> Result<()> {
        let info = self.app()?.info(RequestInfo::default());
        let initial = init.initial_height;
        let known = usize::try_from(if info.last_block_height == 0 {
            0
        } else {
            info.last_block_height - initial + 1
        })?;
        ensure!(
            known <= blocks.len(),
            "the application is at {}, ahead of the chain",
            info.last_block_height
        );
        match known.checked_sub(1).and_then(|i| blocks.get(i)) {
            Some(block) => ensure!(
                block.response.app_hash == info.last_block_app_hash,
                "the application has another hash at height {}",
                info.last_block_height
            ),
            None => drop(self.init(init, Some(genesis))?),
        }
        for block in blocks.iter().skip(known) {
            self.finalize(&block.request, Some(&block.response))?;
            self.app()?.commit();
        }
        Ok(())
    }
}

/// The first field in which two answers differ.
fn difference(a: &ResponseFinalizeBlock, b: &ResponseFinalizeBlock) -> String {
    for (i, (a, b)) in a.tx_results.iter().zip(&b.tx_results).enumerate() {
        if a != b {
            return format!("results of transaction {i} differ:\n{a:?}\n{b:?}");
        }
    }
    if a.validator_updates != b.validator_updates {
        return format!("validator updates differ:\n{:?}\n{:?}", a.validator_updates, b.validator_updates);
    }
    if a.events != b.events {
        return format!("events differ:\n{:?}\n{:?}", a.events, b.events);
    }
    if a.consensus_param_updates != b.consensus_param_updates {
        return "updates of consensus parameters differ".to_owned();
    }
    format!("app hashes differ: {} and {}", hex::encode(&a.app_hash), hex::encode(&b.app_hash))
}
