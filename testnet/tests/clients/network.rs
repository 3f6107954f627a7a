//! One validator with real CometBFT, stock power from stake, and an account with coins for each client.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use geodesic_testnet::localnet::{Process, setup};
use serde_json::Value;

pub(crate) const CHAIN_ID: &str = "geodesic-clients-1";
pub(crate) const DENOM: &str = "ugeo";
const OTHER_DENOM: &str = "utest";
const PREFIX: &str = "geo";
/// Fees below it are refused, as on a public network.
const MIN_GAS_PRICE: &str = "0.001ugeo";

/// An account as `geod keys add` prints it.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) address: String,
    pub(crate) mnemonic: String,
}

/// The network, ended when dropped.
pub(crate) struct Network {
    node: Process,
    ports: Ports,
    validator: String,
    accounts: BTreeMap<&'static str, Account>,
}

#[derive(Clone, Copy)]
struct Ports {
    rpc: u16,
    p2p: u16,
    grpc: u16,
    rest: u16,
}

/// Folder of everything that this test makes.
pub(crate) fn dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("clients")
}

fn geod(args: &[&str]) -> String {
    let common = ["--keyring-backend", "test"];
    setup::geod(&dir().join("home"), &[args, &common].concat()).unwrap()
}

fn free_ports() -> Ports {
    let all = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [rpc, p2p, grpc, rest] = all.map(|l| l.local_addr().unwrap().port());
    Ports { rpc, p2p, grpc, rest }
}

fn add_account(name: &'static str) -> Account {
    let printed: Value = serde_json::from_str(&geod(&["keys", "add", name, "-o", "json"])).unwrap();
    let text = |field: &str| printed[field].as_str().unwrap().to_owned();
    Account { address: text("address"), mnemonic: text("mnemonic") }
}

fn configure(ports: Ports) {
    let local = |port: u16| format!("tcp://127.0.0.1:{port}");
    for (file, key, value) in [
        ("config", "rpc.laddr", local(ports.rpc)),
        ("config", "p2p.laddr", local(ports.p2p)),
        ("config", "consensus.timeout_commit", "200ms".to_owned()),
        ("app", "grpc.address", format!("127.0.0.1:{}", ports.grpc)),
        ("app", "api.enable", "true".to_owned()),
        ("app", "api.address", local(ports.rest)),
        ("app", "minimum-gas-prices", MIN_GAS_PRICE.to_owned()),
    ] {
        geod(&["config", "set", file, key, &value]);
    }
}

impl Network {
    /// Starts it and waits until it has blocks to prove things with.
    pub(crate) async fn start(names: &[&'static str]) -> Self {
        let home = dir().join("home");
        if home.exists() {
            std::fs::remove_dir_all(&home).unwrap();
        }
        std::fs::create_dir_all(dir()).unwrap();
        geod(&["init", "one", "--chain-id", CHAIN_ID]);
        add_account("validator");
        geod(&["genesis", "add-genesis-account", "validator", &format!("1000000000{DENOM}")]);
        let accounts: BTreeMap<_, _> = names.iter().map(|name| (*name, add_account(name))).collect();
        for account in accounts.values() {
            let coins = format!("1000000000{DENOM},5000000{OTHER_DENOM}");
            geod(&["genesis", "add-genesis-account", &account.address, &coins]);
        }
        geod(&["genesis", "set", "--power-source", "stake"]);
        geod(&["genesis", "gentx", "validator", &format!("500000000{DENOM}"), "--ip", "127.0.0.1"]);
        geod(&["genesis", "collect-gentxs"]);
        let validator = geod(&["keys", "show", "validator", "--bech", "val", "--address"]);
        let ports = free_ports();
        configure(ports);

        let mut daemon = Command::new(setup::program("geod").unwrap());
        daemon.arg("--home").arg(home).arg("start");
        let node = Process::start("geod", &dir().join("geod.log"), &mut daemon).unwrap();
        let network = Self { node, ports, validator, accounts };
        network.wait_for_height(5).await;
        network
    }

    async fn wait_for_height(&self, height: u64) {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(120) {
            assert!(self.node.is_alive(), "geod has ended:\n{}", self.node.tail(20));
            if self.height().await.is_some_and(|now| now >= height) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no height {height} in two minutes:\n{}", self.node.tail(20));
    }

    async fn height(&self) -> Option<u64> {
        let reply = reqwest::get(format!("{}/status", self.rpc_url())).await.ok()?;
        let status: Value = reply.json().await.ok()?;
        status["result"]["sync_info"]["latest_block_height"].as_str()?.parse().ok()
    }

    pub(crate) fn rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.rpc)
    }

    pub(crate) fn account(&self, name: &str) -> Account {
        self.accounts[name].clone()
    }

    pub(crate) fn log(&self) -> &Path {
        &self.node.log
    }

    /// What the program of a client is told, as testnet/clients/README.md lists it.
    pub(crate) fn environment(&self, name: &str) -> Vec<(&'static str, String)> {
        let account = self.account(name);
        vec![
            ("RPC", self.rpc_url()),
            ("GRPC", format!("127.0.0.1:{}", self.ports.grpc)),
            ("REST", format!("http://127.0.0.1:{}", self.ports.rest)),
            ("CHAIN_ID", CHAIN_ID.to_owned()),
            ("PREFIX", PREFIX.to_owned()),
            ("DENOM", DENOM.to_owned()),
            ("OTHER_DENOM", OTHER_DENOM.to_owned()),
            ("VALIDATOR", self.validator.clone()),
            ("ADDRESS", account.address),
            ("MNEMONIC", account.mnemonic),
        ]
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.node.terminate();
        self.node.wait_or_kill();
    }
}
