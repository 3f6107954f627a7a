//! One network of real processes (geod, CometBFT, mlnode, agent), several scenarios in turn.
//!
//! Four honest validators; a fifth that sends garbage in place of vote extensions and invents the tags of its verdicts; two
//! operators without nodes whose mlnodes fake leaves. Everything waits for heights and states, never for a time of day.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cheats;

use std::path::{Path, PathBuf};
use std::process::Command;

use cheats::Cheat;
use geodesic_testnet::localnet::chain::Chain;
use geodesic_testnet::localnet::{Localnet, Node, join, setup, view};

/// Honest validators of the beginning.
const HONEST: usize = 4;

/// Ends what was started, however the test ends.
struct Running(Localnet);

impl Drop for Running {
    fn drop(&mut self) {
        Localnet::load(&self.0.dir).unwrap_or_else(|_| self.0.clone()).stop();
    }
}

fn dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e")
}

fn short_epochs() -> Vec<String> {
    let set = [
        ("epochs.params.epoch_length", "36"),
        ("epochs.params.poc_stage_duration", "10"),
        // A machine that is busy with other things computes little in ten blocks.
        ("pow.params.min_leaves", "32"),
    ];
    set.iter().flat_map(|(path, value)| [path.to_string(), value.to_string()]).collect()
}

/// The first of a hundred ports that are free for ten nodes.
fn base_port() -> u16 {
    let free = |base: &u16| (0..10).all(|i| setup::check_ports(&Node::new(&dir(), *base, i)).is_ok());
    (27_600..32_000).step_by(100).find(free).expect("no hundred free ports from 27600 on")
}

/// The honest validators of the beginning, and the one that is not.
fn roles(network: &Localnet) -> (Vec<Node>, Node) {
    (network.nodes[..HONEST].to_vec(), network.nodes[HONEST].clone())
}

async fn start(network: &mut Localnet) {
    let (_, liar) = roles(network);
    for node in network.nodes.clone() {
        let faults: &[&str] = if node == liar { &["--fault-extensions"] } else { &[] };
        setup::start_geod(network, &node, faults).unwrap();
        setup::start_mlnode(network, &node, &[]).unwrap();
    }
    view::wait_height(network, 2).await.unwrap();
    for node in network.nodes.clone() {
        let faults: &[&str] = if node == liar { &["--fault-lazy-tags"] } else { &[] };
        setup::init_agent(&node, &node).unwrap();
        setup::start_agent(network, &node, faults).unwrap();
    }
}

/// The first epoch from `epoch` on in which all the honest have weight.
async fn all_have_weight(network: &Localnet, honest: &[Node], epoch: u64) -> u64 {
    let client = cheats::client(network);
    for epoch in epoch..epoch + 3 {
        cheats::settled(network, epoch).await;
        let mut all = true;
        for node in honest {
            let weight = cheats::weight(&client, epoch, &node.operator).await;
            all &= weight.is_some_and(|w| w.weight > 0);
        }
        if all {
            return epoch;
        }
    }
    panic!("no epoch from {epoch} on in which all the honest have weight");
}

/// Rewards by script: docs/examples/rewards.sh claims what is open and sends it on.
fn rewards_by_script(network: &Localnet) {
    let node = &network.nodes[0];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/rewards.sh");
    let output = Command::new("sh")
        .arg(script)
        .args(["operator", &network.nodes[1].operator, "--home"])
        .arg(&node.home)
        .args(["--node", &node.url(), "--keyring-backend", "test"])
        .env("GEOD", setup::program("geod").unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // The agent may have been faster.
    assert!(text.contains("claimed in") || text.contains("nothing to claim"), "{text}");
}

/// `geod query pow verify` of a nonce: what it prints, or what it says with its failure.
fn verify(network: &Localnet, epoch: u64, participant: &str, nonce: u64) -> anyhow::Result<String> {
    let node = &network.nodes[0];
    let (epoch, nonce, rpc) = (epoch.to_string(), nonce.to_string(), node.url());
    let of = ["--epoch", &epoch, "--participant", participant, "--node", "0", "--nonce", &nonce];
    setup::geod(&node.home, &[&["query", "pow", "verify"][..], &of, &["--rpc", &rpc, "-o", "json"]].concat())
}

/// Leaves are re-computed on this machine: an honest one is right, a faked one is not.
async fn verified(network: &Localnet, epoch: u64, honest: &str, liar: &str, faker: (u64, &str)) {
    let nonce = cheats::sampled_nonce(network, epoch, honest, liar).await;
    let text = verify(network, epoch, honest, nonce).unwrap();
    assert!(text.contains(r#""result":"match""#), "{text}");
    let nonce = cheats::accused_nonce(network, faker.0, faker.1).await;
    let error = verify(network, faker.0, faker.1, nonce).expect_err("a faked leaf is no match").to_string();
    assert!(error.contains("mismatch: this machine computes something else"), "{error}");
}

/// A node is killed the hard way and comes back with all blocks.
async fn killed_and_back(network: &mut Localnet, node: &Node) {
    let name = format!("geod-{}", node.name());
    let at = network.processes.iter().position(|p| p.name == name).unwrap();
    let victim = network.processes.remove(at);
    assert!(Command::new("kill").args(["-KILL", &victim.pid.to_string()]).status().unwrap().success());
    victim.wait_or_kill();
    let height = Chain::new(&network.nodes[0]).unwrap().now().await.unwrap().height;
    view::wait_height(network, height + 3).await.unwrap();

    setup::start_geod(network, node, &[]).unwrap();
    let own = Chain::new(node).unwrap();
    for _ in 0..480 {
        if matches!(own.height().await, Some((h, false)) if h >= height + 3) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    panic!("{} did not catch up, see {}", node.name(), network.dir.join(format!("{name}.log")).display());
}

/// The weakest of some validators but the first, which the test talks to.
async fn weakest(network: &Localnet, nodes: &[Node]) -> Node {
    let powers = Chain::new(&network.nodes[0]).unwrap().powers().await.unwrap();
    let power = |node: &&Node| {
        let operator = geodesic_testnet::localnet::chain::operator_hex(&node.operator).unwrap();
        powers.get(&operator).copied().unwrap_or(0)
    };
    nodes[1..].iter().min_by_key(power).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_lives() {
    if dir().exists() {
        std::fs::remove_dir_all(dir()).unwrap();
    }
    let network = setup::create(&dir(), base_port(), 5, &short_epochs()).unwrap();
    let mut running = Running(network);
    let network = &mut running.0;
    let (honest, liar) = roles(network);
    start(network).await;
    let faker = cheats::faker(network, false).await;
    let hider = cheats::faker(network, true).await;

    // Garbage extensions and lazy audits: the chain goes on, without its proofs; its invented tags cost it.
    let lazy = Cheat::lazy(liar.clone());
    let epoch = cheats::caught(network, &lazy).await;
    let settle = Chain::new(&honest[0]).unwrap().now().await.unwrap().height;
    cheats::beacons_without_the_liar(network, 5, settle).await;
    // Faked leaves are shown, or hidden; neither counts.
    let fraud = cheats::caught(network, &faker).await;
    cheats::caught(network, &hider).await;
    // The honest: weights from audited nonces, CometBFT's powers, rewards claimed and spent.
    let epoch = all_have_weight(network, &honest, epoch).await;
    verified(network, epoch, &honest[1].operator, &liar.operator, (fraud, &faker.node.operator)).await;
    view::watch(network, |now| now.epoch.index > epoch && now.height >= now.epoch.start + 6, false)
        .await
        .unwrap();
    view::summary(network, epoch, &honest).await.unwrap();
    rewards_by_script(network);
    let victim = weakest(network, &honest).await;
    killed_and_back(network, &victim).await;
    let joined = join::add_node(network).await.unwrap();
    assert!(joined.contains("with power"), "{joined}");
}
