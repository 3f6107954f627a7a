//! A genesis is executed by the application itself, in a folder of its own.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use geodesic_app::abci::client::AbciClient;
use geodesic_app::abci::{Address, Fatal, Limits, Server};
use geodesic_app::{App, AppConfig};
use serde_json::Value;
use tendermint_proto::google::protobuf::{Duration, Timestamp};
use tendermint_proto::v0_38::abci::RequestInitChain;
use tendermint_proto::v0_38::types as pb;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::doc::GenesisDoc;

/// Number of validators that the chain would begin with.
///
/// # Errors
/// What the chain would say and stop.
pub(super) fn execute(doc: &GenesisDoc) -> anyhow::Result<usize> {
    let request = request(doc)?;
    let reason = Arc::new(Mutex::new(None));
    let log = Arc::clone(&reason);
    let fatal = Fatal::with_action(move |text| {
        if let Ok(mut reason) = log.lock() {
            reason.get_or_insert_with(|| text.to_owned());
        }
    });
    let dir = tempfile::tempdir()?;
    let app =
        App::open(AppConfig::new(dir.path().join("db")), fatal.clone(), None).map_err(anyhow::Error::msg)?;
    let server = Server::bind(&Address::Unix(dir.path().join("abci.sock")), Limits::default())?;
    let server = server.serve(app, fatal)?;
    let answer = AbciClient::connect(server.local_addr())?.init_chain(request);
    server.shutdown();
    server.join();
    match (reason.lock().ok().and_then(|mut reason| reason.take()), answer) {
        (Some(reason), _) => bail!(reason),
        (None, answer) => Ok(answer?.validators.len()),
    }
}

fn request(doc: &GenesisDoc) -> anyhow::Result<RequestInitChain> {
    if doc.field("consensus").is_some() {
        bail!("the file has the Cosmos SDK's form, which CometBFT does not read; run: geod genesis convert");
    }
    let time = doc.field("genesis_time").and_then(Value::as_str).context("genesis_time is missing")?;
    let time = OffsetDateTime::parse(time, &Rfc3339).with_context(|| format!("genesis_time {time:?}"))?;
    let height = doc.field("initial_height").and_then(Value::as_str).unwrap_or("1");
    Ok(RequestInitChain {
        time: Some(Timestamp { seconds: time.unix_timestamp(), nanos: i32::try_from(time.nanosecond())? }),
        chain_id: doc.chain_id()?.to_owned(),
        consensus_params: Some(consensus_params(doc.field("consensus_params").unwrap_or(&Value::Null))?),
        validators: Vec::new(),
        app_state_bytes: serde_json::to_vec(doc.app_state()?)?.into(),
        initial_height: height.parse().with_context(|| format!("initial_height {height:?}"))?,
    })
}

/// CometBFT's JSON of consensus parameters; what is missing has CometBFT's defaults.
fn consensus_params(json: &Value) -> anyhow::Result<pb::ConsensusParams> {
    let number = |path: &str, default: i64| match json.pointer(path) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => {
            let parsed = value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_i64());
            parsed.with_context(|| format!("consensus_params{path} is {value}, must be a number"))
        }
    };
    let age = number("/evidence/max_age_duration", 172_800_000_000_000)?;
    let key_types = match json.pointer("/validator/pub_key_types") {
        None | Some(Value::Null) => vec!["ed25519".to_owned()],
        Some(types) => {
            serde_json::from_value(types.clone()).context("consensus_params/validator/pub_key_types")?
        }
    };
    Ok(pb::ConsensusParams {
        block: Some(pb::BlockParams {
            max_bytes: number("/block/max_bytes", 22_020_096)?,
            max_gas: number("/block/max_gas", -1)?,
        }),
        evidence: Some(pb::EvidenceParams {
            max_age_num_blocks: number("/evidence/max_age_num_blocks", 100_000)?,
            max_age_duration: Some(Duration {
                seconds: age / 1_000_000_000,
                nanos: i32::try_from(age % 1_000_000_000)?,
            }),
            max_bytes: number("/evidence/max_bytes", 1_048_576)?,
        }),
        validator: Some(pb::ValidatorParams { pub_key_types: key_types }),
        version: Some(pb::VersionParams { app: u64::try_from(number("/version/app", 0)?)? }),
        abci: Some(pb::AbciParams {
            vote_extensions_enable_height: number("/abci/vote_extensions_enable_height", 0)?,
        }),
    })
}
