//! A genesis is executed by the application itself, in a folder of its own.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_app::abci::client::AbciClient;
use geodesic_app::abci::{Address, Fatal, Limits, Server};
use geodesic_app::{App, AppConfig};
use serde_json::Value;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::abci::{RequestInitChain, ValidatorUpdate};
use tendermint_proto::v0_38::crypto::PublicKey;
use tendermint_proto::v0_38::crypto::public_key::Sum;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::doc::{ED25519, GenesisDoc};
use super::params;

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
        consensus_params: Some(params::from_json(doc.field("consensus_params").unwrap_or(&Value::Null))?),
        validators: validators(doc.field("validators"))?,
        app_state_bytes: serde_json::to_vec(doc.app_state()?)?.into(),
        initial_height: height.parse().with_context(|| format!("initial_height {height:?}"))?,
    })
}

/// The validators that the document names, as CometBFT passes them on.
fn validators(json: Option<&Value>) -> anyhow::Result<Vec<ValidatorUpdate>> {
    let list = json.and_then(Value::as_array).into_iter().flatten();
    let validator = |(i, v): (usize, &Value)| {
        let text = |path: &str| {
            v.pointer(path).and_then(Value::as_str).with_context(|| format!("validators[{i}] has no {path}"))
        };
        let kind = text("/pub_key/type")?;
        if kind != ED25519 {
            bail!("validators[{i}]/pub_key/type is {kind}, must be {ED25519}");
        }
        let key = STANDARD.decode(text("/pub_key/value")?);
        let key = key.with_context(|| format!("validators[{i}]/pub_key/value"))?;
        let power = text("/power")?;
        let power = power.parse().with_context(|| format!("validators[{i}]/power is {power:?}"))?;
        Ok(ValidatorUpdate { pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(key)) }), power })
    };
    list.enumerate().map(validator).collect()
}
