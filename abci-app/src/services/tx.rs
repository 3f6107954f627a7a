//! `cosmos.tx.v1beta1.Service`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use geodesic_core::module::{answer, unknown_method};
use geodesic_core::{Ctx, ExecMode, QueryError};
use geodesic_proto::cosmos::base::abci::v1beta1::{GasInfo, Result as TxResult, TxResponse};
use geodesic_proto::cosmos::tx::v1beta1 as pb;
use geodesic_proto::prost::Message;
use geodesic_proto::tendermint::abci as abci_pb;
use serde_json::{Value, json};

use super::{comet, found};
use crate::block;
use crate::deliver::{BlockGas, Deliver};
use crate::query::QueryEnv;
use crate::router::{self, AppMsg};

pub(super) fn call(
    env: &QueryEnv<'_>,
    ctx: Ctx,
    method: &str,
    request: &[u8],
) -> Result<Vec<u8>, QueryError> {
    match method {
        "Simulate" => answer(request, |r: pb::SimulateRequest| {
            #[allow(deprecated)] // cosmpy still sends the transaction as a message
            let bytes = match r.tx {
                Some(tx) if r.tx_bytes.is_empty() => encode(tx),
                _ => r.tx_bytes,
            };
            simulate(env, ctx, &bytes)
        }),
        "GetTx" => answer(request, |r: pb::GetTxRequest| found::get_tx(env, &r.hash)),
        "GetTxsEvent" => answer(request, |r| found::get_txs(env, &r)),
        "GetBlockWithTxs" => answer(request, |r| found::block_with_txs(env, &r)),
        "BroadcastTx" => answer(request, |r| broadcast(env, &r)),
        "TxDecode" => answer(request, |r: pb::TxDecodeRequest| {
            if r.tx_bytes.is_empty() {
                return Err(QueryError::InvalidArgument("invalid empty tx bytes".to_owned()));
            }
            // As strict as a block: what passes has a JSON form too.
            crate::tx::decode::<AppMsg>(&r.tx_bytes, &ctx.block.prefix)
                .map_err(|e| QueryError::InvalidArgument(e.log))?;
            Ok(pb::TxDecodeResponse { tx: Some(found::decode(&r.tx_bytes)?) })
        }),
        "TxEncode" => answer(request, |r: pb::TxEncodeRequest| {
            let tx = r.tx.ok_or_else(|| QueryError::InvalidArgument("invalid empty tx".to_owned()))?;
            Ok(pb::TxEncodeResponse { tx_bytes: encode(tx) })
        }),
        "TxDecodeAmino" => answer(request, |r: pb::TxDecodeAminoRequest| {
            if r.amino_binary.is_empty() {
                return Err(QueryError::InvalidArgument("invalid empty tx bytes".to_owned()));
            }
            let amino_json = router::amino().to_json(&r.amino_binary);
            let amino_json = amino_json.map_err(|e| QueryError::InvalidArgument(e.to_string()))?;
            Ok(pb::TxDecodeAminoResponse { amino_json })
        }),
        "TxEncodeAmino" => answer(request, |r: pb::TxEncodeAminoRequest| {
            if r.amino_json.is_empty() {
                return Err(QueryError::InvalidArgument("invalid empty tx json".to_owned()));
            }
            let amino_binary = router::amino().to_binary(&r.amino_json);
            let amino_binary = amino_binary.map_err(|e| QueryError::InvalidArgument(e.to_string()))?;
            Ok(pb::TxEncodeAminoResponse { amino_binary })
        }),
        other => Err(unknown_method(&format!("/cosmos.tx.v1beta1.Service/{other}"))),
    }
}

/// A transaction's message as the bytes that are signed and sent.
fn encode(tx: pb::Tx) -> Vec<u8> {
    pb::TxRaw {
        body_bytes: tx.body.unwrap_or_default().encode_to_vec(),
        auth_info_bytes: tx.auth_info.unwrap_or_default().encode_to_vec(),
        signatures: tx.signatures,
    }
    .encode_to_vec()
}

pub(super) fn simulate_bytes(env: &QueryEnv<'_>, ctx: Ctx, bytes: &[u8]) -> Result<Vec<u8>, QueryError> {
    simulate(env, ctx, bytes).map(|r| r.encode_to_vec())
}

/// Runs a transaction on a committed state and drops its writes.
fn simulate(env: &QueryEnv<'_>, mut ctx: Ctx, bytes: &[u8]) -> Result<pb::SimulateResponse, QueryError> {
    if bytes.is_empty() {
        return Err(QueryError::InvalidArgument("empty txBytes is not allowed".to_owned()));
    }
    ctx.mode = ExecMode::Simulate;
    // As in the next block, the first that can hold the transaction: windows are by height.
    ctx.block.height = ctx.block.height.saturating_add(1);
    let block_gas = BlockGas { limit: block::max_gas(&block::load_params(&ctx)?), used: 0 };
    let mut deliver =
        Deliver { verifier: env.verifier, min_gas_prices: &env.config.min_gas_prices, block_gas };
    let outcome = deliver.run(&mut ctx, bytes)?;
    if let Some(e) = outcome.error {
        let gas = outcome.gas_used;
        return Err(QueryError::Unknown(format!("{} with gas used: '{gas}'", e.log)));
    }
    let attribute = |(key, value)| abci_pb::EventAttribute { key, value, index: true };
    let event = |e: geodesic_core::Event| abci_pb::Event {
        r#type: e.kind,
        attributes: e.attributes.into_iter().map(attribute).collect(),
    };
    let msg_responses =
        geodesic_proto::cosmos::base::abci::v1beta1::TxMsgData::decode(outcome.data.as_slice())
            .map(|d| d.msg_responses)
            .unwrap_or_default();
    #[allow(deprecated)] // `data` is the field before msg_responses
    let result = TxResult {
        data: outcome.data,
        log: String::new(),
        events: outcome.events.into_iter().map(event).collect(),
        msg_responses,
    };
    let gas_info = GasInfo { gas_wanted: outcome.gas_wanted, gas_used: outcome.gas_used };
    Ok(pb::SimulateResponse { gas_info: Some(gas_info), result: Some(result) })
}

/// Hands a transaction to CometBFT, which asks this application's CheckTx in the mode SYNC.
fn broadcast(env: &QueryEnv<'_>, r: &pb::BroadcastTxRequest) -> Result<pb::BroadcastTxResponse, QueryError> {
    let method = match pb::BroadcastMode::try_from(r.mode) {
        Ok(pb::BroadcastMode::Sync) => "broadcast_tx_sync",
        Ok(pb::BroadcastMode::Async) => "broadcast_tx_async",
        _ => {
            let text = format!(
                "mode {} is not supported, take BROADCAST_MODE_SYNC (2) or BROADCAST_MODE_ASYNC (3)",
                r.mode
            );
            return Err(QueryError::InvalidArgument(text));
        }
    };
    let answer = comet::ask(env, method, json!({ "tx": BASE64_STANDARD.encode(&r.tx_bytes) }))?;
    let of = |name: &str| comet::text(&answer, &[name]).map(str::to_owned).unwrap_or_default();
    let code = answer.get("code").and_then(Value::as_u64).and_then(|c| u32::try_from(c).ok()).unwrap_or(0);
    let tx_response = TxResponse {
        txhash: of("hash"),
        code,
        codespace: of("codespace"),
        raw_log: of("log"),
        ..TxResponse::default()
    };
    Ok(pb::BroadcastTxResponse { tx_response: Some(tx_response) })
}
