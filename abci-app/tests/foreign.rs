//! A genesis that the Go SDK wrote, with all its modules, its prefix, its two denominations and transactions that it signed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use geodesic_app::abci::Fatal;
use geodesic_app::{App, AppConfig};
use prost::Message;
use serde_json::{Value, json};
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{RequestFinalizeBlock, RequestInitChain, RequestQuery};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The request of a recording, its state completed with the defaults of the SDK's other modules.
fn request() -> (RequestInitChain, Value) {
    let bytes = BASE64_STANDARD.decode(fixture("staking.json")["init_chain"].as_str().unwrap()).unwrap();
    let init = RequestInitChain::decode(bytes.as_slice()).unwrap();
    let mut state = fixture("sdk_default_genesis.json");
    let recorded: Value = serde_json::from_slice(&init.app_state_bytes).unwrap();
    for (name, module) in recorded.as_object().unwrap() {
        state[name] = module.clone();
    }
    (init, state)
}

/// What a chain says to a genesis: its number of validators, or why it halts. One that begins makes a block.
fn begin(init: &RequestInitChain, state: &Value) -> Result<(App, usize, tempfile::TempDir), String> {
    let dir = tempfile::tempdir().unwrap();
    let reason = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&reason);
    let fatal = Fatal::with_action(move |text| text.clone_into(&mut log.lock().unwrap()));
    let app = App::open(AppConfig::new(dir.path().join("db")), fatal, None).unwrap();
    let app_state_bytes = serde_json::to_vec(state).unwrap().into();
    let request = RequestInitChain { app_state_bytes, ..init.clone() };
    let answer = catch_unwind(AssertUnwindSafe(|| app.init_chain(request)));
    let Ok(answer) = answer else { return Err(reason.lock().unwrap().clone()) };
    app.finalize_block(RequestFinalizeBlock {
        height: 1,
        time: init.time,
        ..RequestFinalizeBlock::default()
    });
    app.commit();
    Ok((app, answer.validators.len(), dir))
}

fn balances(app: &App) -> Vec<u8> {
    let path = "/cosmos.bank.v1beta1.Query/TotalSupply".to_owned();
    app.query(RequestQuery { path, ..RequestQuery::default() }).value.to_vec()
}

#[test]
fn a_genesis_of_the_sdk_begins_whatever_the_order_of_its_entries() {
    let (init, state) = request();
    let (app, validators, _dir) = begin(&init, &state).unwrap();
    assert_eq!((validators, app.committed().unwrap().prefix.as_str()), (4, "cosmos"));
    let mut other = state.clone();
    other["bank"]["balances"].as_array_mut().unwrap().reverse();
    let (reversed, _, _other_dir) = begin(&init, &other).unwrap();
    assert_eq!(balances(&app), balances(&reversed));
    assert_eq!(app.store().latest(), reversed.store().latest(), "the state is the same");
}

/// Every kind of entry that the SDK's genesis has and this chain takes.
#[test]
fn accounts_coins_and_metadata_of_every_kind_are_taken() {
    let (init, mut state) = request();
    let key = |i: u8| json!({ "@type": "/cosmos.crypto.secp256k1.PubKey", "key": KEYS[usize::from(i)] });
    let multisig = json!({
        "@type": "/cosmos.crypto.multisig.LegacyAminoPubKey", "threshold": 2, "public_keys": [key(0), key(1)],
    });
    let base = |address: &str, pub_key: Value| json!({ "address": address, "pub_key": pub_key, "account_number": "77", "sequence": "3" });
    let gov = "cosmos10d07y265gmmuvt4z0w9aw880jnsr700j6zn9kn";
    let module = json!({
        "@type": "/cosmos.auth.v1beta1.ModuleAccount", "base_account": base(gov, Value::Null), "name": "gov",
        "permissions": ["burner"],
    });
    let accounts = state["auth"]["accounts"].as_array_mut().unwrap();
    accounts.push(module);
    let mut wrong = base(gov, multisig);
    wrong["@type"] = "/cosmos.auth.v1beta1.BaseAccount".into();
    state["bank"]["denom_metadata"] = json!([{
        "description": "", "base": "stake", "display": "stake", "name": "Stake", "symbol": "STAKE", "uri": "",
        "uri_hash": "", "denom_units": [{ "denom": "stake", "exponent": 0, "aliases": [] }],
    }]);
    state["bank"]["send_enabled"] = json!([{ "denom": "atoken", "enabled": false }]);
    begin(&init, &state).unwrap();
    // A key of another address: the multisig key was read.
    state["auth"]["accounts"].as_array_mut().unwrap().pop();
    state["auth"]["accounts"].as_array_mut().unwrap().push(wrong);
    let error = begin(&init, &state).err().unwrap();
    assert!(error.contains("genesis of auth: accounts[") && error.contains("do not match"), "{error}");
}

const KEYS: [&str; 2] =
    ["AnmRVM66eaawcEwJrQT7jTbDqL2+Y0iHQGUtHGx4M9B3", "A2zw+vm5nNz3OUnMgJ+dGU8Ey1YVWjzeJYhAVCKSSPAi"];

#[test]
fn what_is_wrong_is_said_with_module_field_and_value() {
    let (init, good) = request();
    let first = good["auth"]["accounts"][0]["address"].as_str().unwrap().to_owned();
    let push = |path: &str, value: Value| {
        let mut state = good.clone();
        state.pointer_mut(path).unwrap().as_array_mut().unwrap().push(value);
        state
    };
    let set = |path: &str, value: Value| {
        let mut state = good.clone();
        *state.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = value;
        state
    };
    let coin = |amount: &str| json!([{ "denom": "stake", "amount": amount }]);
    let vesting = json!({ "@type": "/cosmos.vesting.v1beta1.ContinuousVestingAccount" });
    let metadata = json!({ "base": "7", "display": "7", "name": "x", "symbol": "x", "denom_units": [] });
    let twice = json!([{ "denom": "stake", "enabled": true }, { "denom": "stake", "enabled": false }]);
    let mut unclear = Vec::new();
    for (name, state, want) in [
        ("supply", set("/bank/supply", coin("5")), vec!["bank", "supply is 5stake", "sum to"]),
        (
            "a balance twice",
            push("/bank/balances", good["bank"]["balances"][0].clone()),
            vec!["bank", &first, "twice"],
        ),
        (
            "an account twice",
            push("/auth/accounts", good["auth"]["accounts"][0].clone()),
            vec!["auth", "accounts[", "duplicate", &first],
        ),
        ("a vesting account", push("/auth/accounts", vesting), vec!["auth", "VestingAccount"]),
        ("an amount", set("/bank/balances/0/coins", coin("many")), vec!["bank", "Coin.amount", "many"]),
        ("a negative amount", set("/bank/balances/0/coins", coin("-5")), vec!["bank", &first, "-5"]),
        (
            "a number",
            set("/auth/accounts/0/account_number", json!("seven")),
            vec!["auth", "account_number", "seven"],
        ),
        (
            "an address",
            set("/auth/accounts/1/address", json!("cosmos1x")),
            vec!["auth", "accounts[1]", "cosmos1x"],
        ),
        (
            "another prefix",
            set("/auth/accounts/1/address", json!("geo1qyqszqgpqyqszqgpqyqszqgpqyqszqgp3m9nte")),
            vec!["auth", "accounts[1]", "geo1"],
        ),
        (
            "a denomination",
            set("/bank/denom_metadata", json!([metadata])),
            vec!["bank", "denom_metadata of \"7\""],
        ),
        ("a switch twice", set("/bank/send_enabled", twice), vec!["bank", "send_enabled", "stake"]),
        (
            "an unknown field",
            set("/bank/params", json!({ "sendenabled": true })),
            vec!["bank", "sendenabled"],
        ),
        ("staking", set("/staking/params/max_validators", json!(0)), vec!["staking", "max", "0"]),
        (
            "a signature",
            set("/genutil/gen_txs/1/body/memo", json!("another")),
            vec!["genutil.gen_txs[1]", "signature"],
        ),
        (
            "other modules",
            set("/mint/params/inflation_max", json!("0.5")),
            vec!["mint", "mint.params.inflation_max"],
        ),
        ("no list", set("/genutil/gen_txs", json!("none")), vec!["genutil.gen_txs"]),
    ] {
        let error = begin(&init, &state).map(|(_, n, _)| n).expect_err(name);
        if want.iter().any(|part| !error.contains(*part)) {
            unclear.push(format!("{name}: {error:?} lacks one of {want:?}"));
        }
    }
    assert!(unclear.is_empty(), "{unclear:#?}");
}
