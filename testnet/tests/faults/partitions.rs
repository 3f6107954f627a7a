//! Networks that are cut: rows 6 and 7. Peers talk through relays on loopback that can hold back or close what passes.

use geodesic_testnet::faults::links::{Link, Links, PARTITION};
use tokio::time::sleep;

use crate::{Net, create, seconds};

async fn linked(name: &str) -> (Net, Links) {
    let mut cluster = create(name);
    let links = Links::put(&cluster).await.unwrap();
    cluster.start_all().unwrap();
    (Net::of(cluster).await, links)
}

/// Row 6: half of the power makes no blocks, and no two halves make two.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn two_halves_make_no_blocks_and_go_on_together() {
    let (net, links) = linked("halves").await;
    links.between(&[0, 1], &[2, 3], Link::Silent);
    // What was under way when the link fell silent may still end.
    seconds(5).await;
    let height = net.cluster.top().await.unwrap();
    sleep(PARTITION).await;
    assert_eq!(net.cluster.top().await.unwrap(), height, "a block without a quorum");
    links.between(&[0, 1], &[2, 3], Link::Up);
    net.check().await;
}

/// Row 7: three of four go on, the one that is cut off catches up; whether it hears nothing or its connections are closed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn three_go_on_without_the_fourth() {
    let (net, links) = linked("fourth").await;
    for state in [Link::Silent, Link::Down] {
        links.between(&[0, 1, 2], &[3], state);
        net.grow(&[0, 1, 2], 1).await;
        seconds(10).await;
        net.grow(&[0, 1, 2], 3).await;
        links.between(&[0, 1, 2], &[3], Link::Up);
        net.check().await;
    }
}
