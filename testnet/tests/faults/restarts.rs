//! Nodes that are killed, paused or restarted: rows 4, 5, 8 and 9.

use std::process::Command;
use std::time::{Duration, Instant};

use geodesic_testnet::faults::{Cluster, GUARD, torture};
use geodesic_testnet::localnet::setup;

use crate::{Net, create, seconds};

/// Heights that nodes are restarted in turn for.
const ROLLING: u64 = 200;

/// Row 4.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn all_nodes_are_killed_at_once_five_times() {
    let mut net = Net::start("kill-all").await;
    // Times that fall anywhere into a block, which takes about a second.
    for ms in [1_310, 2_170, 740, 1_930, 2_590] {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        net.cluster.kill_all().unwrap();
        net.cluster.start_all().unwrap();
        net.check().await;
    }
}

/// Row 5.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn a_paused_node_catches_up() {
    let net = Net::start("pause").await;
    let paused = net.cluster.pause(3).unwrap();
    let height = net.cluster.top().await.unwrap();
    seconds(10).await;
    net.cluster.reach(&[0, 1, 2], height + 3).await.unwrap();
    Cluster::resume(&paused);
    net.check().await;
}

/// Row 8.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn nodes_are_restarted_in_turn() {
    let mut net = Net::start("rolling").await;
    let end = net.cluster.top().await.unwrap() + ROLLING;
    let mut rounds = 0_u16;
    while net.cluster.top().await.unwrap() < end {
        let node = rounds % 4;
        let others: Vec<u16> = (0..4).filter(|i| *i != node).collect();
        net.cluster.stop(node).unwrap();
        net.grow(&others, 1).await; // three of four have a quorum
        net.cluster.start(node).unwrap();
        net.grow(&[node], 1).await;
        rounds += 1;
    }
    eprintln!("{rounds} restarts");
    net.check().await;
}

/// Row 9, as `geod start` does it: CometBFT ends, and both are started anew without anybody's help.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn a_killed_cometbft_is_started_anew_with_its_application() {
    let mut net = Net::start("comet").await;
    let comet = net.cluster.comet(2).unwrap();
    comet.signal("-KILL");
    torture::back(&mut net.cluster, 2, comet.pid).await.unwrap();
    assert_eq!(net.opened(2).len(), 2, "the application too");
    net.check().await;
}

/// Row 9, with a CometBFT that others run: it stops when its application is gone, and both go on when both are started. It says
/// that it wants to be restarted and stops its services, but the process may hang in that: then a supervisor has to kill it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn cometbft_stops_when_its_application_is_gone() {
    let mut cluster = create("apart");
    for node in 0..3 {
        cluster.start(node).unwrap();
    }
    start_apart(&mut cluster);
    let mut net = Net::of(cluster).await;
    net.cluster.process(3).unwrap().signal("-KILL");
    net.cluster.ended(3).unwrap();
    let log = net.cluster.process(3).unwrap().log.clone();
    let said = |text: &str| std::fs::read_to_string(&log).unwrap().contains(text);
    let begin = Instant::now();
    while !said("Did the application crash? Please restart CometBFT") || !said("Stopping Node service") {
        assert!(begin.elapsed() < GUARD, "CometBFT goes on without its application, see {}", log.display());
        seconds(1).await;
    }
    seconds(5).await;
    eprintln!("CometBFT without its application {}", if net.cluster.runs(3) { "hangs" } else { "has ended" });
    net.cluster.kill(3).unwrap();
    start_apart(&mut net.cluster);
    net.check().await;
}

/// The last node's application and CometBFT, each by itself.
fn start_apart(cluster: &mut Cluster) {
    cluster.start_with(3, "geod", &["--with-comet=false"], &[]).unwrap();
    let home = cluster.node(3).unwrap().home.clone();
    let socket = format!("unix://{}", home.join("data/abci.sock").display());
    let said = setup::geod(&home, &["comet", "version"]).unwrap();
    let program = said.lines().find_map(|line| line.strip_prefix("program: ")).unwrap();
    let mut comet = Command::new(program);
    comet.arg("start").arg("--home").arg(&home).args(["--abci", "socket", "--proxy_app", &socket]);
    cluster.spawn(3, "comet", &mut comet).unwrap();
}
