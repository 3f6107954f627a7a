//! Processes that end at chosen points of a block: rows 1 to 3.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;

use geodesic_app::abci::grammar::{Call, check};

use crate::Net;

/// Fail points of CometBFT's released program in a block.
const FAIL_POINTS: u8 = 10;

/// The calls of a node's last run, as its log has them.
fn calls_of_last_run(net: &Net, node: u16) -> Vec<Call> {
    let log = net.cluster.log(node);
    let (_, run) = log.rsplit_once("application opened").unwrap();
    let call = |line: &str| {
        let (_, text) = line.split_once("ABCI call call=")?;
        let text = text.trim();
        let (name, height) = text.trim_end_matches(')').split_once('(').unwrap_or((text, "0"));
        let height: i64 = height.parse().unwrap();
        Some(match name {
            "InitChain" => Call::InitChain(height),
            "PrepareProposal" => Call::PrepareProposal(height),
            "ProcessProposal" => Call::ProcessProposal(height),
            "ExtendVote" => Call::ExtendVote(height),
            "VerifyVoteExtension" => Call::VerifyVoteExtension(height),
            "FinalizeBlock" => Call::FinalizeBlock(height),
            "Commit" => Call::Commit,
            _ => panic!("{line}"),
        })
    };
    run.lines().filter_map(call).collect()
}

/// A node ends at a point of a block, comes back at `height_of_disk(block)` and executes `first(block)` next.
async fn crash(net: &mut Net, node: u16, point: &str, written: bool) {
    net.cluster.stop(node).unwrap();
    let at = net.cluster.top().await.unwrap() + 15;
    let crash = format!("{point}:{at}");
    net.cluster.start_with(node, "geod-faults", &["--fault-crash", &crash], &[]).unwrap();
    let status = net.cluster.ended(node).unwrap();
    assert_eq!(status.signal(), Some(6), "it ends as if killed: {status}");
    let others: Vec<u16> = net.cluster.indices().into_iter().filter(|i| *i != node).collect();
    net.grow(&others, 2).await;

    net.cluster.start_with(node, "geod-faults", &[], &[]).unwrap();
    net.check().await;
    let on_disk = if written { at } else { at - 1 };
    assert_eq!(net.opened(node).last(), Some(&on_disk), "{point}");
    let calls = calls_of_last_run(net, node);
    check(&calls).unwrap_or_else(|e| panic!("{point}: {e}"));
    let executed = calls.iter().find_map(|call| match call {
        Call::FinalizeBlock(height) => Some(*height),
        _ => None,
    });
    assert_eq!(executed, Some(i64::try_from(on_disk + 1).unwrap()), "{point}: no block twice, none left out");
}

/// Rows 1 and 2.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn the_application_dies_in_finalize_block_and_in_commit() {
    let mut net = Net::start("crashes").await;
    crash(&mut net, 1, "finalize", false).await;
    crash(&mut net, 2, "before-write", false).await;
    crash(&mut net, 3, "after-write", true).await;
}

/// Row 3.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn cometbft_dies_at_each_of_its_fail_points() {
    let mut net = Net::start("fail-points").await;
    for index in 0..FAIL_POINTS {
        let node = u16::from(index % 4);
        net.cluster.stop(node).unwrap();
        let before = net.cluster.log(node).matches("CometBFT ended by itself").count();
        let text = index.to_string();
        net.cluster.start_with(node, "geod", &[], &[("FAIL_TEST_INDEX", OsStr::new(&text))]).unwrap();
        while net.cluster.log(node).matches("CometBFT ended by itself").count() == before {
            assert!(net.cluster.runs(node), "fail point {index}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        net.cluster.kill(node).unwrap(); // in the pause before it would start both anew
        assert!(net.cluster.log(node).contains(&format!("*** fail-test {index} ***")), "fail point {index}");
        net.cluster.start(node).unwrap();
        eprintln!("fail point {index} of node{node}");
        net.check().await;
    }
}
