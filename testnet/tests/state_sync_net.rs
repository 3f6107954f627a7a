//! State sync between real processes: four validators under load, a fifth node that joins by a snapshot of theirs, and the
//! commands of `geod snapshots` on it. Everything waits for heights and states, never for a time of day.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use geodesic_client::rpc::Client;
use geodesic_testnet::localnet::{Localnet, Node, folder, setup, view};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Heights between snapshots.
const INTERVAL: u64 = 10;

/// Ends what was started, however the test ends.
struct Running {
    network: Localnet,
    stop: Arc<AtomicBool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        Localnet::load(&self.network.dir).unwrap_or_else(|_| self.network.clone()).stop();
    }
}

fn dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("state-sync")
}

/// The first of a hundred ports that are free for six nodes.
fn base_port() -> u16 {
    let free = |base: &u16| (0..6).all(|i| setup::check_ports(&Node::new(&dir(), *base, i)).is_ok());
    (23_600..27_000).step_by(100).find(free).expect("no hundred free ports from 23600 on")
}

fn set(node: &Node, file: &str, key: &str, value: &str) {
    setup::geod(&node.home, &["config", "set", file, key, value]).unwrap();
}

fn json(node: &Node, args: &[&str]) -> Value {
    serde_json::from_str(&setup::geod(&node.home, &[args, &["-o", "json"]].concat()).unwrap()).unwrap()
}

/// Height and hash of a node's snapshots, the newest first.
fn snapshots(node: &Node) -> Vec<(u64, String)> {
    let listed = json(node, &["snapshots", "list"]);
    let one =
        |s: &Value| (s["height"].as_str().unwrap().parse().unwrap(), s["hash"].as_str().unwrap().to_owned());
    listed["snapshots"].as_array().unwrap().iter().map(one).collect()
}

/// Waits until `ready` gives something.
async fn wait<T>(what: &str, ready: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..480 {
        if let Some(value) = ready().await {
            return value;
        }
        sleep(Duration::from_millis(250)).await;
    }
    panic!("{what} did not come in two minutes, see the logs in {}", dir().display());
}

/// Every operator sends coins to the next one, one transfer after the other, until it is told to stop.
fn load(network: &Localnet, stop: &Arc<AtomicBool>) {
    for (index, node) in network.nodes.iter().enumerate() {
        let (node, stop) = (node.clone(), Arc::clone(stop));
        let to = network.nodes[(index + 1) % network.nodes.len()].operator.clone();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Acquire) {
                // At the end of the test the node is gone in the middle of one.
                let _ = setup::send(&node, "operator", &to, "5ugeo");
            }
        });
    }
}

fn client(node: &Node) -> Client {
    Client::new(&node.url()).unwrap()
}

async fn height(node: &Node) -> Option<u64> {
    let sync = client(node).status().await.ok()?.sync_info;
    Some(sync.latest_block_height).filter(|_| !sync.catching_up)
}

/// The header of a height as a node has it.
async fn header(node: &Node, height: u64) -> Value {
    client(node).commit(Some(height)).await.unwrap()["signed_header"]["header"].clone()
}

/// That a node follows: some blocks more, of the others' headers, whose app hash it computed itself or it would stand still.
async fn follows(node: &Node, other: &Node) {
    let from = wait("the node", async || height(node).await).await;
    let now = wait("a block", async || height(node).await.filter(|h| *h >= from + 3)).await;
    assert_eq!(header(node, now).await, header(other, now).await);
    let hash = |v: &Value| v["response"]["last_block_app_hash"].as_str().unwrap().to_owned();
    let info = client(node).call("abci_info", json!({})).await.unwrap();
    let at: u64 = info["response"]["last_block_height"].as_str().unwrap().parse().unwrap();
    let next = wait("the next header", async || height(other).await.filter(|h| *h > at)).await;
    let next = header(other, next.min(at + 1)).await;
    let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, hash(&info)).unwrap();
    assert_eq!(hex::encode_upper(bytes), next["app_hash"].as_str().unwrap(), "after height {at}");
}

/// Waits until two nodes have snapshots of the same height, which were made while blocks went on: they are the same bytes.
async fn same_snapshot(one: &Node, other: &Node) {
    let (ours, theirs) = wait("a snapshot of two nodes", async || {
        let (ours, theirs) = (snapshots(one), snapshots(other));
        ours.iter().find_map(|a| theirs.iter().find(|b| a.0 == b.0).map(|b| (a.clone(), b.clone())))
    })
    .await;
    assert_eq!(ours, theirs);
}

/// A node by the steps of docs/join.md, with state sync.
async fn newcomer(network: &Localnet) -> Node {
    let node = Node::new(&network.dir, network.base_port, 4);
    let (chain_id, seeds) = folder::read(&folder::folder(network)).unwrap();
    setup::geod(&node.home, &["init", &node.name(), "--chain-id", &chain_id]).unwrap();
    let genesis = folder::folder(network).join("genesis.json");
    std::fs::copy(genesis, node.home.join("config/genesis.json")).unwrap();
    setup::configure(&node).unwrap();
    let commit = client(&network.nodes[0]).commit(Some(3)).await.unwrap();
    let hash = commit["signed_header"]["commit"]["block_id"]["hash"].as_str().unwrap().to_owned();
    let rpc = format!("{},{}", network.nodes[0].url(), network.nodes[1].url());
    for (key, value) in [
        ("p2p.persistent_peers", seeds.as_str()),
        ("statesync.enable", "true"),
        ("statesync.rpc_servers", &rpc),
        ("statesync.trust_height", "3"),
        ("statesync.trust_hash", &hash),
        ("statesync.discovery_time", "5s"),
    ] {
        set(&node, "config", key, value);
    }
    set(&node, "app", "state-sync.snapshot-interval", &INTERVAL.to_string());
    node
}

fn stop(network: &mut Localnet, node: &Node) {
    let at = network.processes.iter().position(|p| p.name == format!("geod-{}", node.name())).unwrap();
    let process = network.processes.remove(at);
    process.terminate();
    process.wait_or_kill();
}

/// Out of a stopped node and into it again: a snapshot by command, an archive, and the state out of it.
fn by_command(node: &Node) {
    match setup::geod(&node.home, &["snapshots", "export", "-o", "json"]) {
        Ok(taken) => {
            let taken: Value = serde_json::from_str(&taken).unwrap();
            assert_eq!(taken["hash"], snapshots(node)[0].1.as_str());
        }
        // It was stopped right after one.
        Err(error) => assert!(error.to_string().contains("already"), "{error}"),
    }
    // An earlier one, so that blocks are left to be played.
    let (height, hash) = snapshots(node)[1].clone();
    let (at, archive) = (height.to_string(), node.home.join("archive.tar.gz"));
    let file = archive.to_str().unwrap();
    setup::geod(&node.home, &["snapshots", "dump", &at, "1", "--output-document", file]).unwrap();
    let refused = setup::geod(&node.home, &["snapshots", "load", file]).unwrap_err().to_string();
    assert!(refused.contains("already"), "{refused}");
    setup::geod(&node.home, &["snapshots", "delete", &at, "1"]).unwrap();
    let refused = setup::geod(&node.home, &["snapshots", "restore", &at, "1"]).unwrap_err().to_string();
    assert!(refused.contains(&format!("no snapshot of height {height}")), "{refused}");
    setup::geod(&node.home, &["snapshots", "load", file]).unwrap();
    assert!(snapshots(node).contains(&(height, hash)));
    let refused = setup::geod(&node.home, &["snapshots", "restore", &at, "1"]).unwrap_err().to_string();
    assert!(refused.contains("into an empty one"), "{refused}");
    std::fs::remove_dir_all(node.home.join("data/application.db")).unwrap();
    let restored = json(node, &["snapshots", "restore", &at, "1"]);
    assert_eq!(restored["height"], at);
}

/// THREATS 1, numbers 19 and 20.
#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_node_joins_by_state_sync_and_is_restored_from_an_archive() {
    if dir().exists() {
        std::fs::remove_dir_all(dir()).unwrap();
    }
    let network = setup::create(&dir(), base_port(), 4, &[]).unwrap();
    let mut running = Running { network, stop: Arc::default() };
    let network = &mut running.network;
    for node in network.nodes.clone() {
        set(&node, "app", "state-sync.snapshot-interval", &INTERVAL.to_string());
        set(&node, "config", "consensus.timeout_commit", "500ms");
        setup::start_geod(network, &node, &[]).unwrap();
    }
    view::wait_height(network, 2).await.unwrap();
    load(network, &running.stop);
    same_snapshot(&network.nodes[0], &network.nodes[1]).await;

    let node = newcomer(network).await;
    setup::start_geod(network, &node, &[]).unwrap();
    follows(&node, &network.nodes[0]).await;
    let log = std::fs::read_to_string(network.dir.join(format!("geod-{}.log", node.name()))).unwrap();
    assert!(log.contains("snapshot restored"), "{log}");
    let first = client(&node).call("status", json!({})).await.unwrap();
    let first: u64 = first["sync_info"]["earliest_block_height"].as_str().unwrap().parse().unwrap();
    assert!(first > INTERVAL, "it has no block before the snapshot, but {first}");
    // What the state says, and what it says no more.
    let balance = |node: &Node, at: u64| {
        let (address, at, rpc) = (network.nodes[0].operator.clone(), at.to_string(), node.url());
        let of = ["query", "bank", "balances", &address, "--height", &at, "--node", &rpc];
        setup::geod(&node.home, &of).map_err(|e| e.to_string())
    };
    assert_eq!(balance(&node, first), balance(&network.nodes[2], first));
    assert!(balance(&node, 2).unwrap_err().contains("height 2 is not available"));

    same_snapshot(&node, &network.nodes[3]).await;
    wait("a second snapshot", async || Some(()).filter(|()| snapshots(&node).len() > 1)).await;
    stop(network, &node);
    by_command(&node);
    setup::start_geod(network, &node, &[]).unwrap();
    follows(&node, &network.nodes[1]).await;
}
