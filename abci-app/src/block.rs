//! FinalizeBlock: the one place where blocks change state.

use std::sync::Arc;

use geodesic_core::store::{ChangeSet, Reader};
use geodesic_core::{BlockInfo, Ctx, DecCoins, State, StateError};
use geodesic_proto::tendermint::types::ConsensusParams;
use tendermint_proto::v0_38::abci::{ExecTxResult, RequestFinalizeBlock, ResponseFinalizeBlock};

use crate::deliver::{BlockGas, Deliver};
use crate::tx::Verifier;
use crate::{beacon, convert, info, router, wiring};

/// What a block did.
pub(crate) struct Executed {
    /// The answer to FinalizeBlock, the app hash left out.
    pub response: ResponseFinalizeBlock,
    /// What is to be committed.
    pub changes: ChangeSet,
    /// The block.
    pub block: BlockInfo,
}

/// The block of a request, after `last`.
fn block_info(last: &BlockInfo, app_hash: &[u8], req: &RequestFinalizeBlock) -> BlockInfo {
    BlockInfo {
        height: convert::height(req.height),
        time_ns: convert::time_ns(req.time.as_ref()),
        hash: req.hash.to_vec(),
        proposer: req.proposer_address.to_vec(),
        app_hash: app_hash.to_vec(),
        next_validators_hash: req.next_validators_hash.to_vec(),
        ..last.clone()
    }
}

/// Executes a block on the state of the one before: beacon, beginning, transactions, end.
///
/// # Errors
/// [`StateError`] ends the process: halting beats diverging.
pub(crate) fn execute(
    state: State,
    last: &BlockInfo,
    app_hash: &[u8],
    verifier: &Verifier,
    req: &RequestFinalizeBlock,
) -> Result<Executed, StateError> {
    let mut ctx = Ctx::new(block_info(last, app_hash, req), state);
    let params = load_params(&ctx)?;
    let beacon_result = beacon::begin(&mut ctx, &params, req.txs.first())?;
    router::begin_block(&mut ctx, req)?;
    let mut events = convert::block_events(ctx.take_events(), "BeginBlock");

    let rest = if beacon_result.is_some() { req.txs.get(1..).unwrap_or_default() } else { &req.txs };
    let mut tx_results: Vec<ExecTxResult> = beacon_result.into_iter().collect();
    let prices = DecCoins::default();
    let block_gas = BlockGas { limit: max_gas(&params), used: 0 };
    let mut deliver = Deliver { verifier, min_gas_prices: &prices, block_gas };
    for tx in rest {
        let outcome = deliver.run(&mut ctx, tx)?;
        crate::metrics::count_tx(&outcome);
        tx_results.push(convert::tx_result(outcome));
    }

    router::end_block(&mut ctx)?;
    events.extend(convert::block_events(ctx.take_events(), "EndBlock"));
    let validator_updates = wiring::validator_updates(&ctx)?;
    let after = load_params(&ctx)?;
    let consensus_param_updates = if after == params { None } else { convert::params_out(&after) };
    info::save(&mut ctx)?;
    let block = ctx.block.clone();
    let response = ResponseFinalizeBlock {
        events,
        tx_results,
        validator_updates,
        consensus_param_updates,
        app_hash: Vec::new().into(),
    };
    Ok(Executed { response, changes: ctx.into_state().into_changes(), block })
}

/// The parameters of consensus, which InitChain wrote.
pub(crate) fn load_params(ctx: &Ctx) -> Result<ConsensusParams, StateError> {
    geodesic_consensus::params(ctx)?.ok_or_else(|| {
        StateError::Invariant("there are no consensus parameters: InitChain is missing".to_owned())
    })
}

/// `block.max_gas`, if it limits.
pub(crate) fn max_gas(params: &ConsensusParams) -> Option<u64> {
    params.block.as_ref().and_then(|b| u64::try_from(b.max_gas).ok()).filter(|gas| *gas > 0)
}

/// A state on a committed version.
pub(crate) fn state_on(reader: &Arc<geodesic_store::Snapshot>) -> State {
    let reader: Arc<dyn Reader> = Arc::<geodesic_store::Snapshot>::clone(reader);
    State::new(reader)
}
