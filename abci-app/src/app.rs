//! The application behind ABCI: which call sees which state, and in what order calls may come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use geodesic_core::store::ChangeSet;
use geodesic_core::{BlockInfo, Ctx, ExecMode, State};
use geodesic_store::sync::Meta;
use geodesic_store::{Committed, Store};
use tendermint_abci::Application;
use tendermint_proto::v0_38::abci as pb;
use tendermint_proto::v0_38::abci::response_offer_snapshot::Result as Offered;
use tendermint_proto::v0_38::abci::response_process_proposal::ProposalStatus;
use tendermint_proto::v0_38::abci::response_verify_vote_extension::VerifyStatus;
use tendermint_proto::v0_38::types::ConsensusParams;

use crate::abci::Fatal;
use crate::block::{self, state_on};
use crate::config::AppConfig;
use crate::genesis::{self, Genesis};
use crate::mempool::Mempool;
use crate::node::NodeRpc;
use crate::query::{self, QueryEnv};
use crate::state_sync::StateSync;
use crate::tx::Verifier;
use crate::{beacon, convert, info, metrics as names, proposal, router, wiring};

/// SHA-256 of nothing: what the SDK calls the app hash before the first commit.
const EMPTY_HASH: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The chain. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    config: AppConfig,
    fatal: Fatal,
    store: Arc<Store>,
    sync: StateSync,
    verifier: Verifier,
    exec: Mutex<Phase>,
    mempool: Mutex<Mempool>,
    /// The last committed block; `None` before the first.
    committed: ArcSwap<Option<BlockInfo>>,
    node: Option<Arc<dyn NodeRpc>>,
}

/// Where the consensus connection stands.
enum Phase {
    /// The last block is committed, or none has begun.
    Idle,
    /// InitChain has run; its writes belong to the first block.
    Genesis { state: Box<State>, block: BlockInfo },
    /// FinalizeBlock has run and Commit is due. `genesis` is kept until then: CometBFT may ask for the block again.
    Staged { block: BlockInfo, genesis: Option<(Box<State>, BlockInfo)> },
}

impl App {
    /// The application on its database, which is created if it is not there.
    ///
    /// # Errors
    /// A text that names what is wrong with the database.
    pub fn open(config: AppConfig, fatal: Fatal, node: Option<Arc<dyn NodeRpc>>) -> Result<Self, String> {
        let at = |e: &dyn std::fmt::Display| format!("database {}: {e}", config.db_path.display());
        let store = Store::open(&config.db_path, config.store, &router::stores()).map_err(|e| at(&e))?;
        let sync = StateSync::open(config.snapshots.clone(), &store)?;
        let snapshot = store.snapshot();
        let state = state_on(&snapshot);
        let committed = info::load(&state).map_err(|e| at(&e))?;
        if let Some(block) = committed.as_ref().filter(|b| b.height != snapshot.height()) {
            return Err(at(&format_args!(
                "state of height {} at height {}",
                block.height,
                snapshot.height()
            )));
        }
        let mempool = Mempool::new(committed.clone().map(|block| Ctx::new(block, state)));
        Ok(Self(Arc::new(Inner {
            config,
            fatal,
            store: Arc::new(store),
            sync,
            verifier: Verifier::default(),
            exec: Mutex::new(Phase::Idle),
            mempool: Mutex::new(mempool),
            committed: ArcSwap::from_pointee(committed),
            node,
        })))
    }

    /// The store, for tests and tools.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The last committed block; `None` before the first.
    pub fn committed(&self) -> Option<BlockInfo> {
        self.0.committed.load().as_ref().clone()
    }

    /// What queries need, shared by ABCI and gRPC.
    pub fn query_env(&self) -> QueryEnv<'_> {
        let inner = &self.0;
        QueryEnv {
            store: &inner.store,
            config: &inner.config,
            verifier: &inner.verifier,
            node: inner.node.as_deref(),
        }
    }

    fn exec(&self) -> MutexGuard<'_, Phase> {
        // A panic with the lock held ends the process.
        self.0.exec.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mempool(&self) -> MutexGuard<'_, Mempool> {
        self.0.mempool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `result` holds; an error ends the process.
    fn sure<T>(&self, result: Result<T, impl std::fmt::Display>) -> T {
        match result {
            Ok(value) => value,
            Err(e) => self.0.fatal.halt(e),
        }
    }

    /// A context on what the next block builds on: the last committed state, or genesis.
    fn base(&self, phase: &Phase) -> Ctx {
        match (phase, self.0.committed.load().as_ref()) {
            (Phase::Genesis { state, block } | Phase::Staged { genesis: Some((state, block)), .. }, _) => {
                Ctx::new(block.clone(), state.as_ref().clone())
            }
            (_, Some(block)) => Ctx::new(block.clone(), state_on(&self.0.store.snapshot())),
            (_, None) => self.0.fatal.halt("a block before InitChain"),
        }
    }

    fn try_init_chain(&self, req: &pb::RequestInitChain) -> Result<pb::ResponseInitChain, String> {
        if let Some(block) = self.committed() {
            return Err(format!("InitChain, but height {} is committed", block.height));
        }
        let params = req.consensus_params.as_ref().ok_or("InitChain without consensus parameters")?;
        let params = convert::params_in(params).ok_or("consensus parameters do not decode")?;
        let genesis = Genesis {
            chain_id: &req.chain_id,
            initial_height: convert::height(req.initial_height).max(1),
            time_ns: convert::time_ns(req.time.as_ref()),
            params: &params,
            app_state: &req.app_state_bytes,
        };
        let ctx = genesis::init(state_on(&self.0.store.snapshot()), &self.0.verifier, &genesis)?;
        let validators = wiring::genesis_updates(&ctx).map_err(|e| e.to_string())?;
        check_validators(&req.validators, &validators)?;
        self.0.sync.give_up();
        let block = ctx.block.clone();
        *self.exec() = Phase::Genesis { state: Box::new(ctx.into_state()), block };
        // Only from here CometBFT learns that headers do not begin with version 0.
        let has_version = |p: &ConsensusParams| p.version.is_some_and(|v| v.app != 0);
        let consensus_params = req.consensus_params.clone().filter(has_version);
        Ok(pb::ResponseInitChain { consensus_params, validators, app_hash: EMPTY_HASH.to_vec().into() })
    }

    fn finalize(&self, req: &pb::RequestFinalizeBlock) -> pb::ResponseFinalizeBlock {
        let mut phase = self.exec();
        let base = self.base(&phase);
        let want = if base.block.height == 0 {
            base.block.initial_height
        } else {
            base.block.height.saturating_add(1)
        };
        let height = convert::height(req.height);
        if height != want {
            self.0.fatal.halt(format_args!("FinalizeBlock of height {height}, but {want} is next"));
        }
        let app_hash = self.app_hash();
        let last = base.block.clone();
        let executed = self.sure(block::execute(base.into_state(), &last, &app_hash, &self.0.verifier, req));
        #[cfg(feature = "faults")]
        if let Some(crash) = self.0.config.fault_crash {
            crash.in_finalize(height);
        }
        let genesis = match std::mem::replace(&mut *phase, Phase::Idle) {
            Phase::Genesis { state, block } => Some((state, block)),
            Phase::Staged { genesis, .. } => genesis,
            Phase::Idle => None,
        };
        let hash = self.stage(height, executed.changes);
        *phase = Phase::Staged { block: executed.block, genesis };
        let mut response = executed.response;
        let keys = &self.0.config.index_events;
        let in_txs = response.tx_results.iter_mut().map(|result| &mut result.events);
        in_txs.chain([&mut response.events]).for_each(|events| convert::keep_indexed(events, keys));
        pb::ResponseFinalizeBlock { app_hash: hash.to_vec().into(), ..response }
    }

    /// Version of the state machine for the headers: `version.app` of the parameters of consensus, 0 before there are any.
    /// CometBFT takes it from there after a rollback or an update too.
    fn app_version(&self) -> u64 {
        let snapshot = self.0.store.snapshot();
        if snapshot.height() == 0 {
            return 0;
        }
        let ctx = Ctx::new(BlockInfo::default(), state_on(&snapshot));
        self.sure(block::load_params(&ctx)).version.map_or(0, |v| v.app)
    }

    fn stage(&self, height: u64, changes: ChangeSet) -> [u8; 32] {
        self.sure(self.0.store.stage(height, changes))
    }

    /// Hash of the committed state, as the next header has it.
    fn app_hash(&self) -> Vec<u8> {
        self.0.store.latest().map_or(EMPTY_HASH.to_vec(), |c| c.app_hash.to_vec())
    }

    fn commit_staged(&self) -> pb::ResponseCommit {
        let mut phase = self.exec();
        let Phase::Staged { block, .. } = std::mem::replace(&mut *phase, Phase::Idle) else {
            self.0.fatal.halt("Commit without FinalizeBlock");
        };
        #[cfg(feature = "faults")]
        if let Some(crash) = self.0.config.fault_crash {
            crash.before_commit(block.height, &self.0.store);
        }
        self.sure(self.0.store.commit(&[]));
        let height = block.height;
        *self.mempool() = Mempool::new(Some(Ctx::new(block.clone(), state_on(&self.0.store.snapshot()))));
        self.0.committed.store(Arc::new(Some(block)));
        // Heights far below 2^53 read exactly.
        #[allow(clippy::as_conversions)]
        metrics::gauge!(names::HEIGHT).set(height as f64);
        tracing::info!(height, "committed");
        self.0.sync.make_if_due(&self.0.store, &self.0.fatal, height);
        let halt = self.0.config.halt_height;
        if halt != 0 && height >= halt {
            self.0.fatal.halt(format_args!("halt-height {halt} is reached"));
        }
        pb::ResponseCommit { retain_height: self.retain_height(height) }
    }

    /// First height that CometBFT has to keep; 0 keeps all. Who joins by one of our snapshots needs the blocks after it.
    fn retain_height(&self, height: u64) -> i64 {
        let snapshots = &self.0.config.snapshots;
        match self.0.config.min_retain_blocks {
            0 => 0,
            keep => {
                let since = snapshots.interval.saturating_mul(snapshots.keep_recent.into());
                convert::height_out(height.saturating_sub(keep.max(since)))
            }
        }
    }

    /// Makes the state of a height the last committed one for every connection.
    fn publish(&self, block: Option<BlockInfo>) {
        let ctx = block.clone().map(|block| Ctx::new(block, state_on(&self.0.store.snapshot())));
        *self.exec() = Phase::Idle;
        *self.mempool() = Mempool::new(ctx);
        self.0.committed.store(Arc::new(block));
    }

    /// Restores a snapshot of the folder into an empty database; `progress` hears of each chunk. Returns what was committed.
    /// Nobody but the snapshot itself says what its app hash is: compare it with the chain's.
    ///
    /// # Errors
    /// A text: the database has a state, or the snapshot is bad or of another chain.
    pub fn restore_snapshot(&self, meta: &Meta, progress: &mut dyn FnMut()) -> Result<Committed, String> {
        let restored = self.0.sync.restore(&self.0.store, meta, self.0.config.genesis.as_ref(), progress)?;
        self.publish(Some(self.load_block()?));
        Ok(restored)
    }

    /// Makes a snapshot of a height that is kept, and puts it into the folder; 0 is the last.
    ///
    /// # Errors
    /// A text: the height is not kept, there is a snapshot of it, or the disk fails.
    pub fn make_snapshot(&self, height: u64) -> Result<Meta, String> {
        self.0.sync.make(&self.0.store, height)
    }

    fn load_block(&self) -> Result<BlockInfo, String> {
        let block = info::load(&state_on(&self.0.store.snapshot())).map_err(|e| e.to_string())?;
        block.ok_or_else(|| "the state says nothing of its block".to_owned())
    }
}

/// The genesis names validators for CometBFT: then they must be those that the state gives.
fn check_validators(named: &[pb::ValidatorUpdate], ours: &[pb::ValidatorUpdate]) -> Result<(), String> {
    if ours.is_empty() {
        return Err(
            "the genesis has no validator: add one with `geod genesis gentx` and `collect-gentxs`".to_owned()
        );
    }
    if !named.is_empty() && (named.len() != ours.len() || !named.iter().all(|v| ours.contains(v))) {
        return Err(format!(
            "the genesis names {} validators, its state gives {} others",
            named.len(),
            ours.len()
        ));
    }
    Ok(())
}

impl Application for App {
    fn echo(&self, request: pb::RequestEcho) -> pb::ResponseEcho {
        pb::ResponseEcho { message: request.message }
    }

    fn flush(&self) -> pb::ResponseFlush {
        pb::ResponseFlush {}
    }

    fn info(&self, _: pb::RequestInfo) -> pb::ResponseInfo {
        let committed = self.0.store.latest();
        pb::ResponseInfo {
            data: "geodesic".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            app_version: self.app_version(),
            last_block_height: committed.as_ref().map_or(0, |c| convert::height_out(c.height)),
            last_block_app_hash: committed.map(|c| c.app_hash.to_vec()).unwrap_or_default().into(),
        }
    }

    fn init_chain(&self, request: pb::RequestInitChain) -> pb::ResponseInitChain {
        self.sure(self.try_init_chain(&request))
    }

    fn query(&self, request: pb::RequestQuery) -> pb::ResponseQuery {
        query::abci_query(&self.query_env(), &request)
    }

    fn check_tx(&self, request: pb::RequestCheckTx) -> pb::ResponseCheckTx {
        let mode = if request.r#type == 1 { ExecMode::Recheck } else { ExecMode::Check };
        let outcome = self.mempool().check(&self.0.verifier, &self.0.config, mode, &request.tx);
        let mut response = convert::check_result(self.sure(outcome));
        convert::keep_indexed(&mut response.events, &self.0.config.index_events);
        response
    }

    fn prepare_proposal(&self, request: pb::RequestPrepareProposal) -> pb::ResponsePrepareProposal {
        let mut ctx = self.base(&self.exec());
        let txs = self.sure(proposal::prepare(&mut ctx, &self.0.verifier, &request));
        pb::ResponsePrepareProposal { txs }
    }

    fn process_proposal(&self, request: pb::RequestProcessProposal) -> pb::ResponseProcessProposal {
        let ctx = self.base(&self.exec());
        let status = match self.sure(proposal::process(&ctx, &request)) {
            Ok(()) => ProposalStatus::Accept,
            Err(reason) => {
                tracing::warn!(height = request.height, reason, "proposal rejected");
                ProposalStatus::Reject
            }
        };
        pb::ResponseProcessProposal { status: status.into() }
    }

    fn extend_vote(&self, request: pb::RequestExtendVote) -> pb::ResponseExtendVote {
        let ctx = self.base(&self.exec());
        let secret = self.0.config.vrf_secret.as_ref();
        let height = convert::height(request.height);
        let extension = self.sure(beacon::extension(&ctx, secret, height));
        #[cfg(feature = "faults")]
        let extension = match self.0.config.fault_extensions {
            true => crate::faults::extension(height, extension),
            false => extension,
        };
        pb::ResponseExtendVote { vote_extension: extension.into() }
    }

    /// Accepts anything within the bound: CometBFT does not ask about precommits that arrive late, and one bad extension must
    /// not spoil an honest proposal.
    fn verify_vote_extension(
        &self,
        request: pb::RequestVerifyVoteExtension,
    ) -> pb::ResponseVerifyVoteExtension {
        let fits = request.vote_extension.len() <= geodesic_seeds::EXTENSION_MAX;
        let status = if fits { VerifyStatus::Accept } else { VerifyStatus::Reject };
        pb::ResponseVerifyVoteExtension { status: status.into() }
    }

    fn finalize_block(&self, request: pb::RequestFinalizeBlock) -> pb::ResponseFinalizeBlock {
        self.finalize(&request)
    }

    fn commit(&self) -> pb::ResponseCommit {
        self.commit_staged()
    }

    fn list_snapshots(&self) -> pb::ResponseListSnapshots {
        pb::ResponseListSnapshots { snapshots: self.0.sync.list() }
    }

    fn offer_snapshot(&self, request: pb::RequestOfferSnapshot) -> pb::ResponseOfferSnapshot {
        let result = self.sure(self.0.sync.offer(&self.0.store, &request));
        if result == Offered::Accept {
            self.publish(None);
        }
        pb::ResponseOfferSnapshot { result: result.into() }
    }

    fn load_snapshot_chunk(&self, request: pb::RequestLoadSnapshotChunk) -> pb::ResponseLoadSnapshotChunk {
        let chunk = self.0.sync.chunk(request.height, request.format, request.chunk);
        pb::ResponseLoadSnapshotChunk { chunk: chunk.into() }
    }

    fn apply_snapshot_chunk(&self, request: pb::RequestApplySnapshotChunk) -> pb::ResponseApplySnapshotChunk {
        let (response, restored) = self.sure(self.0.sync.apply(&request, self.0.config.genesis.as_ref()));
        if restored.is_some() {
            self.publish(Some(self.sure(self.load_block())));
        }
        response
    }
}
