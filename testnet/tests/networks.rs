//! The folders of public networks: what a newcomer needs is there, fits together, and can be made again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use geodesic_testnet::localnet::setup;
use serde_json::Value;

fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap().map(|e| e.unwrap().path());
    entries.filter(|path| path.join("chain.json").exists()).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_folder_fits_together() {
    assert!(!folders().is_empty());
    for folder in folders() {
        let (chain, genesis) = (json(&folder.join("chain.json")), json(&folder.join("genesis.json")));
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert_eq!((chain["chain_id"].as_str(), genesis["chain_id"].as_str()), (Some(name), Some(name)));
        assert_eq!(chain["bech32_prefix"], "geo");
        let seeds = fs::read_to_string(folder.join("seeds.txt")).unwrap();
        let listed = chain["peers"]["seeds"].as_array().unwrap();
        let listed: Vec<String> = listed.iter().map(|s| format!("{}@{}", s["id"], s["address"])).collect();
        assert_eq!(
            seeds.lines().collect::<Vec<_>>(),
            listed.iter().map(|s| s.replace('"', "")).collect::<Vec<_>>()
        );
        // A network that is live has validators and somebody to join by; one that is not says so.
        let begun = !genesis["app_state"]["genutil"]["gen_txs"].as_array().unwrap().is_empty();
        let live = chain["status"] == "live";
        assert!(if live { begun && !listed.is_empty() } else { chain["status"] == "upcoming" }, "{name}");
    }
}

#[test]
fn a_genesis_is_what_its_script_makes() {
    for folder in folders() {
        let out = tempfile::tempdir().unwrap();
        let made = out.path().join("genesis.json");
        let output = Command::new("sh")
            .arg(folder.join("make.sh"))
            .arg(&made)
            .env("GEOD", setup::program("geod").unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            fs::read(&made).unwrap() == fs::read(folder.join("genesis.json")).unwrap(),
            "{}/genesis.json is not what make.sh makes: run `GEOD=target/debug/geod sh make.sh genesis.json` there, and say in \
             CHANGELOG.md what changed",
            folder.display()
        );
        begin(&made, &out.path().join("home"));
    }
}

/// With an operator in it, by the steps of the folder's README, a chain would begin with this genesis.
fn begin(genesis: &Path, home: &Path) {
    let chain_id = json(genesis)["chain_id"].as_str().unwrap().to_owned();
    setup::geod(home, &["init", "first", "--chain-id", &chain_id]).unwrap();
    fs::copy(genesis, home.join("config/genesis.json")).unwrap();
    let operator = setup::add_key(home, "operator").unwrap();
    setup::geod(home, &["genesis", "add-genesis-account", &operator, "522000000000ugeo"]).unwrap();
    let gentx = [
        "genesis",
        "gentx",
        "operator",
        "500000000000ugeo",
        "--keyring-backend",
        "test",
        "--ip",
        "127.0.0.1",
    ];
    setup::geod(home, &gentx).unwrap();
    setup::geod(home, &["genesis", "collect-gentxs"]).unwrap();
    let text = setup::geod(home, &["genesis", "validate"]).unwrap();
    assert!(text.contains("valid genesis file, with 1 validators"), "{text}");
}
