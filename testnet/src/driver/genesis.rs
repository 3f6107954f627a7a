//! The genesis of a test network.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use geodesic_app::router::{self, AppState};
use geodesic_client::tx::{Draft, Place};
use geodesic_proto::cosmos::bank::v1beta1::Balance;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::crypto::ed25519::PubKey;
use geodesic_proto::cosmos::staking::v1beta1::{CommissionRates, Description, MsgCreateValidator};
use geodesic_proto::geodesic::pow::v1::{MsgRegisterParticipant, Settings};
use geodesic_proto::{any, json};
use serde_json::{Value, json, value::to_raw_value};
use tendermint_proto::google::protobuf::{Duration, Timestamp};
use tendermint_proto::v0_38::abci::RequestInitChain;
use tendermint_proto::v0_38::types::{
    AbciParams, BlockParams, ConsensusParams, EvidenceParams, ValidatorParams, VersionParams,
};

use super::keys::{Operator, PREFIX, Wallet};
use super::mempool::GAS;
use super::net::DENOM;

/// Coins of every account at genesis, beside what validators delegate.
const COINS: u64 = 100_000_000_000;

/// Seconds since the Unix epoch.
pub(crate) const GENESIS_TIME: i64 = 1_700_000_000;

/// What a test network begins with.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Chain id.
    pub chain_id: String,
    /// Power by compute, else by stake.
    pub compute: bool,
    /// Self-delegation of each validator, in base units; each gets an application.
    pub stakes: Vec<u64>,
    /// Accounts that are nobody's agent or operator.
    pub users: usize,
    /// First height whose votes carry extensions; 0 for none.
    pub extensions_from: i64,
    /// Heights between two snapshots for state sync, of which all are kept; 0 for none.
    pub snapshot_interval: u64,
    /// Values that replace those of the default genesis: JSON pointer into `app_state`, value.
    pub patches: Vec<(String, Value)>,
}

impl Default for Spec {
    /// Four validators of equal stake that compute the shape `micro` in epochs of 24 blocks.
    fn default() -> Self {
        Self {
            chain_id: "testnet-1".to_owned(),
            compute: true,
            stakes: vec![250_000_000_000; 4],
            users: 2,
            extensions_from: 1,
            snapshot_interval: 0,
            patches: micro(),
        }
    }
}

/// Settings under which an epoch is quick: shape `micro`, 24 blocks, a quarter of all nonces are hits, 64 leaves suffice.
pub fn micro() -> Vec<(String, Value)> {
    let text = |path: &str, value: &str| (path.to_owned(), json!(value));
    let mut patches = vec![
        ("/pow/shape".to_owned(), json!({ "name": "micro", "judge_blocks": "2" })),
        ("/pow/params/min_leaves".to_owned(), json!("64")),
        text("/difficulty/params/initial_p", "0.25"),
        text("/difficulty/params/target_hits_per_epoch", "200"),
    ];
    for (name, blocks) in [
        ("epoch_length", "24"),
        ("poc_stage_duration", "4"),
        ("poc_fetch_duration", "3"),
        ("poc_open_duration", "3"),
        ("poc_verdict_duration", "4"),
        ("poc_judge_duration", "2"),
        ("set_new_validators_delay", "2"),
    ] {
        patches.push(text(&format!("/epochs/params/{name}"), blocks));
    }
    patches
}

/// What CometBFT begins the chain with.
pub(crate) fn init_chain(
    spec: &Spec,
    operators: &[Arc<Operator>],
    users: &[Arc<Wallet>],
) -> Result<RequestInitChain> {
    Ok(RequestInitChain {
        time: Some(Timestamp { seconds: GENESIS_TIME, nanos: 0 }),
        chain_id: spec.chain_id.clone(),
        consensus_params: Some(consensus_params(spec)),
        validators: Vec::new(),
        app_state_bytes: serde_json::to_vec(&app_state(spec, operators, users)?)?.into(),
        initial_height: 1,
    })
}

/// What CometBFT begins a network with that is not run here.
///
/// # Errors
/// None in practice: a hash would have to be no key.
pub fn genesis_request(spec: &Spec) -> Result<RequestInitChain> {
    let operators =
        (0..spec.stakes.len()).map(|i| Operator::new(i).map(Arc::new)).collect::<Result<Vec<_>>>()?;
    init_chain(spec, &operators, &[])
}

fn consensus_params(spec: &Spec) -> ConsensusParams {
    ConsensusParams {
        block: Some(BlockParams { max_bytes: 4 << 20, max_gas: 400_000_000 }),
        evidence: Some(EvidenceParams {
            max_age_num_blocks: 100_000,
            max_age_duration: Some(Duration { seconds: 172_800, nanos: 0 }),
            max_bytes: 1 << 20,
        }),
        validator: Some(ValidatorParams { pub_key_types: vec!["ed25519".to_owned()] }),
        version: Some(VersionParams { app: 0 }),
        abci: Some(AbciParams { vote_extensions_enable_height: spec.extensions_from }),
    }
}

fn app_state(spec: &Spec, operators: &[Arc<Operator>], users: &[Arc<Wallet>]) -> Result<AppState> {
    let defaults = router::default_genesis();
    let parsed = defaults.iter().map(|(name, raw)| Ok((name.clone(), serde_json::from_str(raw.get())?)));
    let mut state = Value::Object(parsed.collect::<Result<_>>()?);
    let agents = operators.iter().map(|o| &o.agent);
    let accounts: Vec<&Wallet> =
        operators.iter().map(|o| &o.wallet).chain(agents).chain(users.iter().map(Arc::as_ref)).collect();
    let account = |(number, w): (usize, &&Wallet)| {
        json!({
            "@type": "/cosmos.auth.v1beta1.BaseAccount",
            "address": w.text, "pub_key": null, "account_number": number.to_string(), "sequence": "0",
        })
    };
    let balances = accounts.iter().enumerate().map(|(i, w)| {
        let amount = COINS.saturating_add(spec.stakes.get(i).copied().unwrap_or_default());
        let coins = vec![Coin { denom: DENOM.to_owned(), amount: amount.to_string() }];
        Ok(json::to_value(&Balance { address: w.text.clone(), coins })?)
    });
    set(&mut state, "/bank/balances", Value::Array(balances.collect::<Result<_>>()?))?;
    set(&mut state, "/auth/accounts", accounts.iter().enumerate().map(account).collect())?;
    set(&mut state, "/staking/params/bond_denom", json!(DENOM))?;
    let source = if spec.compute { "compute" } else { "stake" };
    set(&mut state, "/staking/power_source", json!(source))?;
    for (path, value) in &spec.patches {
        set(&mut state, path, value.clone())?;
    }
    let gen_txs = operators.iter().zip(&spec.stakes).map(|(o, stake)| gen_tx(spec, o, *stake));
    set(&mut state, "/genutil", json!({ "gen_txs": gen_txs.collect::<Result<Vec<_>>>()? }))?;
    let modules: BTreeMap<String, Value> = serde_json::from_value(state)?;
    modules.into_iter().map(|(name, value)| Ok((name, to_raw_value(&value)?))).collect()
}

/// Puts a value where a JSON pointer points; the object above it must be there.
fn set(state: &mut Value, path: &str, value: Value) -> Result<()> {
    let (above, name) = path.rsplit_once('/').with_context(|| format!("{path} is no JSON pointer"))?;
    let object = state.pointer_mut(above).and_then(Value::as_object_mut);
    object.with_context(|| format!("genesis has nothing at {above}"))?.insert(name.to_owned(), value);
    Ok(())
}

/// The transaction by which a validator begins: it delegates and, under `compute`, shows its VRF key and registers.
fn gen_tx(spec: &Spec, o: &Operator, stake: u64) -> Result<Value> {
    let mut messages = vec![any::pack(&create_validator(o, stake)?)];
    if spec.compute {
        messages.push(any::pack(&o.vrf.register(&spec.chain_id, PREFIX, &o.wallet.text)?));
        messages.push(any::pack(&MsgRegisterParticipant {
            sender: o.wallet.text.clone(),
            participant: o.wallet.text.clone(),
            settings: Some(settings(&o.agent)),
        }));
    }
    let draft = Draft { messages, gas: GAS, ..Draft::default() };
    let signed =
        draft.sign(&o.wallet.key, Place { chain_id: &spec.chain_id, account_number: 0, sequence: 0 });
    // `TxRaw` and `Tx` have the same encoding.
    Ok(json::bytes_to_value("cosmos.tx.v1beta1.Tx", &signed.bytes, json::Options::default())?)
}

/// What a participant with one node says about itself.
pub(crate) fn settings(agent: &Wallet) -> Settings {
    Settings {
        agent: agent.text.clone(),
        agent_url: "https://127.0.0.1:9500".to_owned(),
        certificate_hash: vec![7; 32],
        node_ids: vec![1],
    }
}

/// The message by which an account becomes a validator with an own consensus key.
///
/// # Errors
/// None in practice.
pub fn create_validator(o: &Operator, stake: u64) -> Result<MsgCreateValidator> {
    #[allow(deprecated)] // the SDK wants the field all the same
    Ok(MsgCreateValidator {
        description: Some(Description { moniker: "node".to_owned(), ..Description::default() }),
        commission: Some(CommissionRates {
            rate: "100000000000000000".to_owned(),
            max_rate: "200000000000000000".to_owned(),
            max_change_rate: "10000000000000000".to_owned(),
        }),
        min_self_delegation: "1".to_owned(),
        delegator_address: o.wallet.text.clone(),
        validator_address: o.wallet.valoper()?,
        pubkey: Some(any::pack(&PubKey { key: o.consensus.to_vec() })),
        value: Some(Coin { denom: DENOM.to_owned(), amount: stake.to_string() }),
    })
}
