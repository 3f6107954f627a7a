//! The program `geod` as an operator uses it, without and with a real CometBFT.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{Home, is_alive, signal_process, wait};
use serde_json::Value;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_makes_a_private_home_and_keeps_what_is_there() {
    let home = Home::new();
    let output = home.run(&["init", "one", "--chain-id", "test-1"]);
    assert!(output.status.success());
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&summary["moniker"], &summary["chain_id"]), (&"one".into(), &"test-1".into()));
    assert_eq!(summary["node_id"].as_str().unwrap(), home.ok(&["comet", "show-node-id"]).trim());
    assert_eq!(summary["app_message"]["staking"]["power_source"], "compute");

    for dir in ["", "config", "data"] {
        assert_eq!(mode(&home.file(dir)), 0o700, "{dir}");
    }
    for key in [
        "config/node_key.json",
        "config/priv_validator_key.json",
        "config/vrf_key.json",
        "data/priv_validator_state.json",
    ] {
        assert_eq!(mode(&home.file(key)), 0o600, "{key}");
    }
    let key = |home: &Home| fs::read(home.file("config/priv_validator_key.json")).unwrap();
    let before = key(&home);
    assert!(home.refused(&["init", "two"]).contains("--overwrite"));
    home.ok(&["init", "two", "--overwrite"]);
    assert_eq!(key(&home), before, "keys stay");
    assert_eq!(home.ok(&["config", "get", "config", "moniker"]).trim(), "two");
    assert_eq!(
        home.ok(&["config", "get", "client", "chain-id"]).trim(),
        "test-1",
        "client.toml was the default"
    );
}

#[test]
fn a_genesis_of_two_validators_is_valid() {
    let (first, second) = (Home::new(), Home::new());
    for (home, name) in [(&first, "one"), (&second, "two")] {
        home.ok(&["init", name, "--chain-id", "test-2"]);
    }
    let (one, two) = (first.key("validator"), second.key("validator"));
    assert!(first.refused(&["genesis", "gentx", "validator", "5ugeo"]).contains("add-genesis-account"));
    for address in [&one, &two] {
        first.ok(&["genesis", "add-genesis-account", address, "1000000000ugeo"]);
    }
    fs::copy(first.file("config/genesis.json"), second.file("config/genesis.json")).unwrap();
    assert!(first.refused(&["genesis", "gentx", "validator", "1000000001ugeo"]).contains("cannot delegate"));
    assert!(first.refused(&["genesis", "validate"]).contains("no validator"));
    for (home, port) in [(&first, "1001"), (&second, "1002")] {
        home.ok(&["genesis", "gentx", "validator", "500000000ugeo", "--ip", "127.0.0.1", "--p2p-port", port]);
    }
    for entry in fs::read_dir(second.file("config/gentx")).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, first.file("config/gentx").join(from.file_name().unwrap())).unwrap();
    }
    first.ok(&["genesis", "collect-gentxs"]);
    let peers = first.ok(&["config", "get", "config", "p2p.persistent_peers"]);
    assert_eq!(peers.trim(), format!("{}@127.0.0.1:1002", second.ok(&["comet", "show-node-id"]).trim()));
    let gen_txs = &first.json("config/genesis.json")["app_state"]["genutil"]["gen_txs"];
    assert_eq!(gen_txs.as_array().unwrap().len(), 2);
    assert!(first.ok(&["genesis", "validate"]).contains("with 2 validators"));

    let path = first.file("config/genesis.json");
    let genesis = fs::read_to_string(&path).unwrap();
    first.ok(&["genesis", "set", "epochs.params.epoch_length", "3"]);
    assert!(first.refused(&["genesis", "validate"]).contains("epoch_length is 3"));
    // A signature holds for one chain id.
    fs::write(&path, genesis.replace("\"test-2\"", "\"test-3\"")).unwrap();
    assert!(first.refused(&["genesis", "validate"]).contains("gen_txs[0]"));
}

#[test]
fn a_second_collection_refuses_a_validator_that_is_there_twice() {
    let home = Home::new();
    home.network();
    let dir = home.file("config/gentx");
    let file = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    fs::copy(&file, dir.join("again.json")).unwrap();
    assert!(home.refused(&["genesis", "collect-gentxs"]).contains("has"));
    fs::write(dir.join("again.json"), "{}").unwrap();
    assert!(home.refused(&["genesis", "collect-gentxs"]).contains("again.json"));
}

#[test]
fn start_refuses_what_cannot_work() {
    let home = Home::new();
    assert!(home.refused(&["start"]).contains("genesis.json is missing"));
    home.network();
    let vrf = home.file("config/vrf_key.json");
    fs::set_permissions(&vrf, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.refused(&["start"]).contains("chmod 600"));
    fs::set_permissions(&vrf, fs::Permissions::from_mode(0o600)).unwrap();
    for (args, text) in [
        (&["start", "--pruning", "some"][..], "pruning"),
        (&["start", "--minimum-gas-prices", "cheap"], "minimum-gas-prices"),
        (&["start", "--grpc.address", "nowhere"], "grpc.address"),
    ] {
        assert!(home.refused(args).contains(text), "{args:?}");
    }
    let old = home.dir.path().join("cometbft");
    fs::write(&old, "#!/bin/sh\necho 0.37.4\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let output = home.command(&["start"]).env("COMETBFT", &old).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("0.37.4") && error.contains("0.38.25"), "{error}");
}

#[test]
fn an_application_alone_opens_nothing_but_its_socket() {
    let home = Home::new();
    let mut node = home.start(&["start", "--with-comet=false"]);
    node.line("ABCI server listens");
    assert!(
        !node.seen.iter().any(|line| line.contains("gRPC") || line.contains("metrics")),
        "{:?}",
        node.seen
    );
    let socket = home.file("data/abci.sock");
    assert_eq!(mode(&socket), 0o600);
    let error = home.refused(&["start", "--with-comet=false"]);
    assert!(error.contains("LOCK") || error.contains("lock") || error.contains("another process"), "{error}");
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
    assert!(!socket.exists());
}

/// REST listens only if told to, and answers before there is a chain.
#[test]
fn rest_is_served_if_asked_for() {
    let home = Home::new();
    home.ok(&["init", "one", "--chain-id", "test-1"]);
    let start = ["start", "--with-comet=false", "--grpc.enable=false", "--api.address", "tcp://127.0.0.1:0"];
    let mut node = home.start(&start);
    let line = node.line("REST server listens");
    let address = line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: geod\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let unknown = get("/cosmos/gov/v1/params/voting");
    assert!(unknown.starts_with("HTTP/1.1 501"), "{unknown}");
    assert!(unknown.ends_with(r#"{"code":12,"message":"Not Implemented","details":[]}"#), "{unknown}");
    let early = get("/cosmos/bank/v1beta1/params");
    assert!(early.starts_with("HTTP/1.1 503") && early.contains("no block is committed yet"), "{early}");
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
    home.ok(&["config", "set", "app", "api.address", "nowhere"]);
    let error = home.refused(&["start", "--with-comet=false", "--api.enable"]);
    assert!(error.contains("api.address"), "{error}");
}

/// Needs CometBFT, which `cargo xtask setup` installs. Real blocks; a restart goes on; both ways to stop; CometBFT never outlives `geod`.
#[test]
fn a_node_makes_blocks_and_stops_cleanly() {
    let home = Home::new();
    home.network();
    let mut node = home.start(&["start", "--log_format", "plain"]);
    let comet = node.comet_pid();
    let height = home.wait_for_height(5);
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
    assert!(!is_alive(comet), "CometBFT was stopped first");

    let mut node = home.start(&["start"]);
    let comet = node.comet_pid();
    home.wait_for_height(height + 3);
    node.signal("KILL");
    node.end();
    wait("CometBFT's end", || (!is_alive(comet)).then_some(()));

    let mut node = home.start(&["start"]);
    home.wait_for_height(height + 5);
    node.signal("INT");
    assert_eq!(node.end(), Some(0));
}

/// Needs CometBFT, which `cargo xtask setup` installs.
#[test]
fn both_are_started_anew_when_cometbft_dies() {
    let home = Home::new();
    home.network();
    let mut node = home.start(&["start"]);
    let comet = node.comet_pid();
    let height = home.wait_for_height(3);
    signal_process(comet, "KILL");
    node.line("ended by itself");
    let next = node.comet_pid();
    assert_ne!(next, comet);
    home.wait_for_height(height + 3);
    node.signal("TERM");
    assert_eq!(node.end(), Some(0));
    assert!(!is_alive(next));
}
