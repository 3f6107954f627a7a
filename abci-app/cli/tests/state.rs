//! A chain's state goes out of one home and into another, and back by one height, under a real CometBFT, which
//! `cargo xtask setup` installs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::Home;
use geodesic_client::address::{Kind, decode};
use prost::Message as _;
use serde_json::{Value, json};
use tendermint_proto::v0_38::abci::RequestInitChain;

/// Sends a transaction of the validator's key and waits until a block has it.
fn send(home: &Home, args: &[&str]) {
    let url = home.ok(&["config", "get", "config", "rpc.laddr"]);
    let common = ["--from", "validator", "--node", url.trim(), "-y", "--gas", "400000", "-o", "json"];
    let sent: Value = serde_json::from_str(&home.ok(&[args, &common].concat())).unwrap();
    assert_eq!(sent["code"].as_u64().unwrap_or(0), 0, "{sent}");
    let hash = sent["txhash"].as_str().unwrap();
    let found = home.ok(&["query", "wait-tx", hash, "--node", url.trim(), "-o", "json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["code"].as_u64().unwrap_or(0), 0, "{found}");
}

/// Makes blocks with transfers, a delegation and an unbonding, and stops.
fn busy_chain(home: &Home, source: &str) {
    home.network();
    home.ok(&["genesis", "set", "--power-source", source]);
    let operator = home.json("config/genesis.json")["app_state"]["genutil"]["gen_txs"][0]["body"]["messages"]
        [0]["validator_address"]
        .as_str()
        .unwrap()
        .to_owned();
    let friend = home.key("friend");
    let mut node = home.start(&["start"]);
    home.wait_for_height(2);
    send(home, &["tx", "bank", "send", "validator", &friend, "1234567ugeo"]);
    send(home, &["tx", "staking", "delegate", &operator, "5000000ugeo"]);
    send(home, &["tx", "staking", "unbond", &operator, "2000000ugeo"]);
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
}

/// A home on an exported genesis, with the validator's keys of the old one.
fn successor(of: &Home, genesis: &Path) -> Home {
    let home = Home::new();
    home.ok(&["init", "two", "--chain-id", "test-1"]);
    home.ports();
    fs::copy(genesis, home.file("config/genesis.json")).unwrap();
    for key in ["config/priv_validator_key.json", "config/vrf_key.json"] {
        fs::copy(of.file(key), home.file(key)).unwrap();
    }
    home
}

fn exported(home: &Home, args: &[&str]) -> Value {
    let value = serde_json::from_str(&home.ok(&[&["export"], args].concat())).unwrap();
    fs::write(home.dir.path().join("exported.json"), serde_json::to_vec(&value).unwrap()).unwrap();
    value
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

/// What an empty block leaves as it was.
fn lasting(genesis: &Value) -> Vec<&Value> {
    let names =
        ["/auth", "/bank", "/staking/validators", "/staking/delegations", "/staking/unbonding_delegations"];
    let state = &genesis["app_state"];
    names.iter().map(|name| state.pointer(name).unwrap_or_else(|| panic!("no {name}"))).collect()
}

#[test]
fn an_exported_chain_goes_on_in_a_new_home() {
    for source in ["stake", "compute"] {
        let first = Home::new();
        assert!(first.refused(&["export"]).contains("has not begun"));
        busy_chain(&first, source);
        let old = exported(&first, &[]);
        let file = first.dir.path().join("exported.json");
        let height = number(&old["initial_height"]);
        assert!(first.ok(&["genesis", "validate", file.to_str().unwrap()]).contains("with 1 validators"));
        assert_eq!(
            old["app_state"]["staking"]["unbonding_delegations"][0]["entries"][0]["balance"],
            "2000000"
        );

        let second = successor(&first, &file);
        let mut node = second.start(&["start"]);
        second.wait_for_height(height + 2);
        assert!(second.refused(&["export"]).contains("stop it first"));
        node.signal("TERM");
        assert_eq!(node.end(), Some(0));
        let new = exported(&second, &["--height", &height.to_string()]);
        assert_eq!(number(&new["initial_height"]), height + 1);
        assert_eq!(lasting(&old), lasting(&new), "{source}");
        assert_eq!(
            (&old["validators"], &old["consensus_params"]),
            (&new["validators"], &new["consensus_params"])
        );
        // Of the second chain's unbondings each has a number of its own.
        assert!(second.refused(&["export", "--height", &(height - 1).to_string()]).contains("not available"));
        assert!(second.refused(&["export", "--modules-to-export", "bank,gold"]).contains("\"gold\""));
        let bank = exported(&second, &["--modules-to-export", "bank"]);
        assert_eq!(bank["app_state"].as_object().unwrap().keys().collect::<Vec<_>>(), ["bank"]);
        if source == "compute" {
            assert!(first.refused(&["export", "--for-zero-height"]).contains("compute"));
            continue;
        }
        let zero = exported(&first, &["--for-zero-height"]);
        assert_eq!(zero["initial_height"], "1");
        let third = successor(&first, &file);
        let mut node = third.start(&["start"]);
        third.wait_for_height(2);
        node.signal("TERM");
        assert_eq!(node.end(), Some(0));
    }
}

#[test]
fn a_node_goes_back_and_executes_the_block_again() {
    let home = Home::new();
    assert!(home.refused(&["rollback"]).contains("has not begun"));
    busy_chain(&home, "stake");
    let height = |home: &Home| number(&exported(home, &[])["initial_height"]) - 1;
    let (top, before) = (height(&home), exported(&home, &[]));
    let said = home.ok(&["rollback"]);
    assert!(said.starts_with(&format!("Rolled back state to height {} and hash ", top - 1)), "{said}");
    assert_eq!(height(&home), top - 1);
    home.ok(&["rollback"]);
    assert_eq!(height(&home), top - 1, "the block is still there: there is nothing more to take back");

    // CometBFT compares the app hash of the block that is executed again with the one it knows.
    let mut node = home.start(&["start"]);
    home.wait_for_height(top + 2);
    assert!(home.refused(&["rollback"]).contains("stop it first"));
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
    let again = exported(&home, &["--height", &top.to_string()]);
    assert_eq!(again, before);

    let top = height(&home);
    let said = home.ok(&["rollback", "--hard"]);
    assert!(said.contains(&format!("state and block to height {} ", top - 1)), "{said}");
    assert_eq!(height(&home), top - 1);
    // The only validator makes the block anew: its key has to forget that it signed one.
    let forgotten = r#"{"height":"0","round":0,"step":0}"#;
    fs::write(home.file("data/priv_validator_state.json"), forgotten).unwrap();
    let mut node = home.start(&["start"]);
    home.wait_for_height(top + 1);
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
}

/// A genesis in the SDK's form, with the SDK's accounts, prefix and denominations and the defaults of all its modules.
fn sdk_genesis() -> Value {
    let fixture = |name: &str| -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let bytes = BASE64_STANDARD.decode(fixture("staking.json")["init_chain"].as_str().unwrap()).unwrap();
    let init = RequestInitChain::decode(bytes.as_slice()).unwrap();
    let recorded: Value = serde_json::from_slice(&init.app_state_bytes).unwrap();
    let mut app_state = fixture("sdk_default_genesis.json");
    for (name, module) in recorded.as_object().unwrap() {
        app_state[name] = module.clone();
    }
    app_state["genutil"]["gen_txs"] = json!([]);
    json!({
        "app_name": "simd", "app_version": "v0.50.15", "genesis_time": "2024-05-01T12:00:00Z", "chain_id": "simd-7",
        "initial_height": 1, "app_hash": null, "app_state": app_state,
        "consensus": { "params": {
            "block": { "max_bytes": "22020096", "max_gas": "-1" },
            "evidence": { "max_age_num_blocks": "100000", "max_age_duration": "172800000000000", "max_bytes": "1048576" },
            "validator": { "pub_key_types": ["ed25519"] }, "version": { "app": "0" },
            "abci": { "vote_extensions_enable_height": "0" },
        } },
    })
}

#[test]
fn a_genesis_of_the_sdk_makes_blocks() {
    let home = Home::new();
    home.ok(&["init", "one", "--chain-id", "simd-7"]);
    home.ports();
    let client = home.file("config/client.toml");
    let text = fs::read_to_string(&client).unwrap();
    fs::write(&client, format!("prefix = \"cosmos\"\n{text}")).unwrap();
    home.ok(&["config", "set", "app", "minimum-gas-prices", "0stake"]);
    let genesis = sdk_genesis();
    fs::write(home.file("config/genesis.json"), serde_json::to_vec(&genesis).unwrap()).unwrap();
    assert!(home.refused(&["start"]).contains("geod genesis convert"));
    home.ok(&["genesis", "convert"]);
    let (_, bytes) = decode(&home.key("validator")).unwrap();
    let validator = Kind::Account.encode("cosmos", &bytes).unwrap();
    home.ok(&["genesis", "add-genesis-account", &validator, "1000000000stake,5atoken"]);
    home.ok(&["genesis", "gentx", "validator", "500000000stake", "--ip", "127.0.0.1"]);
    home.ok(&["genesis", "collect-gentxs"]);
    assert!(home.ok(&["genesis", "validate"]).contains("with 1 validators"));
    let mut node = home.start(&["start"]);
    node.line("module that this chain does not have");
    home.wait_for_height(2);
    let friend = genesis["app_state"]["bank"]["balances"][0]["address"].as_str().unwrap();
    send(&home, &["tx", "bank", "send", "validator", friend, "7stake,2atoken"]);
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
    let state = exported(&home, &[]);
    let balances = state["app_state"]["bank"]["balances"].as_array().unwrap();
    let balance = balances.iter().find(|b| b["address"] == friend).unwrap();
    assert_eq!(balance["coins"][1], json!({ "denom": "stake", "amount": "1000000007" }));
}
