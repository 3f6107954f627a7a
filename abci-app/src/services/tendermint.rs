//! `cosmos.base.tendermint.v1beta1.Service`: CometBFT's view, in the SDK's words.

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::{Address, Ctx, QueryError};
use geodesic_proto::any;
use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};
use geodesic_proto::cosmos::base::tendermint::v1beta1 as pb;
use geodesic_proto::cosmos::crypto::ed25519::PubKey;
use geodesic_proto::tendermint::p2p::{DefaultNodeInfo, DefaultNodeInfoOther, ProtocolVersion};
use geodesic_proto::tendermint::types as tm;
use serde_json::{Value, json};
use tendermint_proto::v0_38::abci::RequestQuery;

use super::comet::{ask, at, base64, block, number, text};
use crate::query::{QueryEnv, abci_query};

/// Level of the API that clients ask for; it names no linked code (docs/compatibility.md).
const SDK_LEVEL: &str = "v0.50.15";
const COMET_LEVEL: &str = "v0.38.25";

pub(super) fn call(
    env: &QueryEnv<'_>,
    ctx: &Ctx,
    method: &str,
    request: &[u8],
) -> Result<Vec<u8>, QueryError> {
    match method {
        "GetNodeInfo" => answer(request, |_: pb::GetNodeInfoRequest| node_info(env)),
        "GetSyncing" => answer(request, |_: pb::GetSyncingRequest| {
            let status = ask(env, "status", json!({}))?;
            let syncing =
                at(&status, &["sync_info", "catching_up"]).and_then(Value::as_bool).unwrap_or(false);
            Ok(pb::GetSyncingResponse { syncing })
        }),
        "GetLatestBlock" => answer(request, |_: pb::GetLatestBlockRequest| {
            let (id, block) = block(env, None)?;
            let sdk_block = Some(sdk_block(ctx, &block));
            Ok(pb::GetLatestBlockResponse { block_id: Some(id), block: Some(block), sdk_block })
        }),
        "GetBlockByHeight" => answer(request, |r: pb::GetBlockByHeightRequest| {
            let height = height_within(env, r.height)?;
            let (id, block) = block(env, Some(height))?;
            let sdk_block = Some(sdk_block(ctx, &block));
            Ok(pb::GetBlockByHeightResponse { block_id: Some(id), block: Some(block), sdk_block })
        }),
        "GetLatestValidatorSet" => answer(request, |r: pb::GetLatestValidatorSetRequest| {
            let (block_height, validators, page) = validators(env, ctx, None, r.pagination)?;
            Ok(pb::GetLatestValidatorSetResponse { block_height, validators, pagination: Some(page) })
        }),
        "GetValidatorSetByHeight" => answer(request, |r: pb::GetValidatorSetByHeightRequest| {
            let height = height_within(env, r.height)?;
            let (block_height, validators, page) = validators(env, ctx, Some(height), r.pagination)?;
            Ok(pb::GetValidatorSetByHeightResponse { block_height, validators, pagination: Some(page) })
        }),
        "ABCIQuery" => answer(request, |r| forward(env, r)),
        other => Err(unknown_method(&format!("/cosmos.base.tendermint.v1beta1.Service/{other}"))),
    }
}

/// A height of which CometBFT has the block: it is a block ahead of the state while that block is executed, and further if
/// the query is of an earlier height.
pub(super) fn height_within(env: &QueryEnv<'_>, height: i64) -> Result<u64, QueryError> {
    let last = number(&ask(env, "status", json!({}))?, &["sync_info", "latest_block_height"])?;
    u64::try_from(height).ok().filter(|h| *h >= 1 && height <= last).ok_or_else(|| {
        QueryError::InvalidArgument(format!("requested block height {height} is not within 1 to {last}"))
    })
}

fn node_info(env: &QueryEnv<'_>) -> Result<pb::GetNodeInfoResponse, QueryError> {
    let status = ask(env, "status", json!({}))?;
    let of = |name: &str| text(&status, &["node_info", name]).map(str::to_owned).unwrap_or_default();
    let version = |name: &str| number(&status, &["node_info", "protocol_version", name]).ok();
    let version = |name: &str| version(name).and_then(|v| u64::try_from(v).ok()).unwrap_or(0);
    let other =
        |name: &str| text(&status, &["node_info", "other", name]).map(str::to_owned).unwrap_or_default();
    let info = DefaultNodeInfo {
        protocol_version: Some(ProtocolVersion {
            p2p: version("p2p"),
            block: version("block"),
            app: version("app"),
        }),
        default_node_id: of("id"),
        listen_addr: of("listen_addr"),
        network: of("network"),
        version: of("version"),
        channels: of("channels").into_bytes(),
        moniker: of("moniker"),
        other: Some(DefaultNodeInfoOther { tx_index: other("tx_index"), rpc_address: other("rpc_address") }),
    };
    let dependency = |path: &str, version: &str| pb::Module {
        path: path.to_owned(),
        version: version.to_owned(),
        sum: String::new(),
    };
    let application_version = pb::VersionInfo {
        name: "geodesic".to_owned(),
        app_name: "geod".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build_deps: vec![
            dependency("github.com/cosmos/cosmos-sdk", SDK_LEVEL),
            dependency("github.com/cometbft/cometbft", COMET_LEVEL),
        ],
        cosmos_sdk_version: SDK_LEVEL.to_owned(),
        ..pb::VersionInfo::default()
    };
    Ok(pb::GetNodeInfoResponse {
        default_node_info: Some(info),
        application_version: Some(application_version),
    })
}

/// The block with its proposer as text.
fn sdk_block(ctx: &Ctx, block: &tm::Block) -> pb::Block {
    let header = block.header.clone().map(|h| pb::Header {
        version: h.version,
        chain_id: h.chain_id,
        height: h.height,
        time: h.time,
        last_block_id: h.last_block_id,
        last_commit_hash: h.last_commit_hash,
        data_hash: h.data_hash,
        validators_hash: h.validators_hash,
        next_validators_hash: h.next_validators_hash,
        consensus_hash: h.consensus_hash,
        app_hash: h.app_hash,
        last_results_hash: h.last_results_hash,
        evidence_hash: h.evidence_hash,
        proposer_address: valcons(ctx, h.proposer_address),
    });
    pb::Block {
        header,
        data: block.data.clone(),
        evidence: block.evidence.clone(),
        last_commit: block.last_commit.clone(),
    }
}

fn valcons(ctx: &Ctx, address: Vec<u8>) -> String {
    Address::try_new(address).map(|a| a.to_bech32(&ctx.block.valcons_prefix())).unwrap_or_default()
}

type Validators = (i64, Vec<pb::Validator>, PageResponse);

fn validators(
    env: &QueryEnv<'_>,
    ctx: &Ctx,
    height: Option<u64>,
    page: Option<PageRequest>,
) -> Result<Validators, QueryError> {
    const PER_PAGE: u64 = 100; // CometBFT's own bound
    let page = page.unwrap_or_default();
    if !page.key.is_empty() {
        return Err(QueryError::InvalidArgument("validators are paged by offset, not by key".to_owned()));
    }
    let limit = if page.limit == 0 { PER_PAGE } else { page.limit.min(PER_PAGE) };
    let number_of_page = page.offset.checked_div(limit).unwrap_or(0).saturating_add(1);
    let mut params = json!({ "page": number_of_page.to_string(), "per_page": limit.to_string() });
    if let (Some(h), Some(map)) = (height, params.as_object_mut()) {
        map.insert("height".to_owned(), json!(h.to_string()));
    }
    let set = ask(env, "validators", params)?;
    let list = set.get("validators").and_then(Value::as_array).cloned().unwrap_or_default();
    let validators = list.iter().map(|v| validator(ctx, v)).collect::<Result<_, _>>()?;
    let total = number(&set, &["total"]).ok().and_then(|t| u64::try_from(t).ok()).unwrap_or(0);
    Ok((number(&set, &["block_height"])?, validators, PageResponse { next_key: Vec::new(), total }))
}

fn validator(ctx: &Ctx, v: &Value) -> Result<pb::Validator, QueryError> {
    let key = base64(text(v, &["pub_key", "value"])?)?;
    let address = geodesic_core::address::hash20(&key);
    Ok(pb::Validator {
        address: valcons(ctx, address.to_vec()),
        pub_key: Some(any::pack(&PubKey { key })),
        voting_power: number(v, &["voting_power"])?,
        proposer_priority: number(v, &["proposer_priority"])?,
    })
}

/// A query as CometBFT would forward it; of the store and the application, not of services: those are asked directly.
fn forward(env: &QueryEnv<'_>, r: pb::AbciQueryRequest) -> Result<pb::AbciQueryResponse, QueryError> {
    if r.path.is_empty() {
        return Err(QueryError::InvalidArgument("empty query path".to_owned()));
    }
    let first = r.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if !["app", "store", "p2p", "custom"].contains(&first) {
        return Err(QueryError::InvalidArgument(format!("unsupported ABCI query path: {}", r.path)));
    }
    let request = RequestQuery { data: r.data.into(), path: r.path, height: r.height, prove: r.prove };
    let a = abci_query(env, &request);
    let proof_ops = a.proof_ops.map(|p| pb::ProofOps {
        ops: p.ops.into_iter().map(|o| pb::ProofOp { r#type: o.r#type, key: o.key, data: o.data }).collect(),
    });
    Ok(pb::AbciQueryResponse {
        code: a.code,
        log: a.log,
        info: a.info,
        index: a.index,
        key: a.key.to_vec(),
        value: a.value.to_vec(),
        proof_ops,
        height: a.height,
        codespace: a.codespace,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::abci::Fatal;
    use crate::app::App;
    use crate::config::AppConfig;
    use crate::node::NodeRpc;

    /// A CometBFT that is executing block 103.
    struct Ahead;

    impl NodeRpc for Ahead {
        fn call(&self, _: &str, _: Value) -> Result<Value, String> {
            Ok(json!({ "sync_info": { "latest_block_height": "103" } }))
        }
    }

    /// `GetLatestBlock` and then `GetBlockByHeight` of what it said, as clients do.
    #[test]
    fn blocks_are_bounded_by_cometbft_not_by_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let node = std::sync::Arc::new(Ahead);
        let app = App::open(AppConfig::new(dir.path()), Fatal::default(), Some(node)).unwrap();
        for (height, want) in
            [(-1, None), (0, None), (1, Some(1)), (102, Some(102)), (103, Some(103)), (104, None)]
        {
            assert_eq!(height_within(&app.query_env(), height).ok(), want, "{height}");
        }
    }
}
