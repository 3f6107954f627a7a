//! One network of real processes (geod, CometBFT, mlnode, agent), several scenarios in turn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;

use geodesic_testnet::localnet::chain::Chain;
use geodesic_testnet::localnet::{Localnet, Process, join, setup, view};

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
    ["epochs.params.epoch_length", "36", "epochs.params.poc_stage_duration", "10"].map(str::to_owned).to_vec()
}

async fn until_epoch(network: &Localnet, epoch: u64, blocks: u64) {
    view::watch(network, |now| now.epoch.index >= epoch && now.height >= now.epoch.start + blocks, false)
        .await
        .unwrap();
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

/// A node is killed the hard way and comes back with all blocks.
async fn killed_and_back(network: &mut Localnet) {
    let node = network.nodes[2].clone();
    let at = network.processes.iter().position(|p| p.name == "geod-node2").unwrap();
    let victim = network.processes.remove(at);
    assert!(Command::new("kill").args(["-KILL", &victim.pid.to_string()]).status().unwrap().success());
    victim.wait_or_kill();
    let chain = Chain::new(&network.nodes[0]).unwrap();
    let height = chain.now().await.unwrap().height;
    view::wait_height(network, height + 3).await.unwrap();

    let log = network.dir.join("geod-node2-again.log");
    let mut daemon = Command::new(setup::program("geod").unwrap());
    daemon.arg("--home").arg(&node.home).arg("start");
    network.processes.push(Process::start("geod-node2", &log, &mut daemon).unwrap());
    network.save().unwrap();
    let own = Chain::new(&node).unwrap();
    for _ in 0..240 {
        if matches!(own.height().await, Some((h, false)) if h >= height + 3) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    panic!("node2 did not catch up, see {}", log.display());
}

/// A committed nonce re-computed on this machine.
fn verified(network: &Localnet, epoch: u64) {
    let node = &network.nodes[0];
    let (epoch, rpc) = (epoch.to_string(), node.url());
    let participant = &network.nodes[1].operator;
    let args = [
        "query",
        "pow",
        "verify",
        "--epoch",
        &epoch,
        "--participant",
        participant,
        "--node",
        "0",
        "--nonce",
        "5",
    ];
    let text = setup::geod(&node.home, &[args.as_slice(), &["--rpc", &rpc, "-o", "json"]].concat()).unwrap();
    assert!(text.contains("match"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_lives() {
    if dir().exists() {
        std::fs::remove_dir_all(dir()).unwrap();
    }
    let network = setup::create(&dir(), 27650, 4, &short_epochs()).unwrap();
    let mut running = Running(network);
    let network = &mut running.0;
    for node in network.nodes.clone() {
        setup::start_node(network, &node).unwrap();
    }
    view::wait_height(network, 2).await.unwrap();
    for node in network.nodes.clone() {
        setup::start_agent(network, &node).unwrap();
    }

    // Four validators: weights from audited nonces, CometBFT's powers, rewards claimed and spent.
    until_epoch(network, 2, 6).await;
    view::summary(network, 1).await.unwrap();
    rewards_by_script(network);
    verified(network, 1);
    killed_and_back(network).await;
    let joined = join::add_node(network).await.unwrap();
    assert!(joined.contains("with power"), "{joined}");
}
