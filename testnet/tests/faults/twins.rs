//! Two nodes that sign with one key: row 25.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use geodesic_client::address::{Kind, decode};
use geodesic_client::rpc::Client;
use geodesic_proto::cosmos::slashing::v1beta1::{
    QuerySigningInfoRequest, QuerySigningInfoResponse, ValidatorSigningInfo,
};
use geodesic_proto::cosmos::staking::v1beta1::{QueryValidatorRequest, QueryValidatorResponse, Validator};
use geodesic_testnet::faults::{Cluster, GUARD};
use geodesic_testnet::localnet::{CHAIN_ID, Node, setup};
use serde_json::json;

use crate::{Net, dir, seconds};

/// A second home with the validator key of the last node, and a node key of its own.
fn twin(cluster: &mut Cluster) {
    let original = cluster.node(3).unwrap().clone();
    let twin = Node::new(&dir("twins"), cluster.network.base_port, 4);
    setup::geod(&twin.home, &["init", "twin", "--chain-id", CHAIN_ID]).unwrap();
    for name in ["genesis.json", "priv_validator_key.json"] {
        std::fs::copy(original.home.join("config").join(name), twin.home.join("config").join(name)).unwrap();
    }
    setup::configure(&twin).unwrap();
    let peer = |node: &Node| {
        let id = setup::geod(&node.home, &["comet", "show-node-id"]).unwrap();
        format!("{id}@127.0.0.1:{}", node.p2p())
    };
    let peers: Vec<String> = cluster.network.nodes[..3].iter().map(peer).collect();
    setup::geod(&twin.home, &["config", "set", "config", "p2p.persistent_peers", &peers.join(",")]).unwrap();
    let program: PathBuf = setup::program("geod").unwrap();
    cluster.spawn(4, "geod", Command::new(program).arg("--home").arg(&twin.home).arg("start")).unwrap();
}

async fn validator(client: &Client, operator: &[u8]) -> Validator {
    let validator_addr = Kind::Validator.encode("geo", operator).unwrap();
    let request = QueryValidatorRequest { validator_addr };
    let reply: QueryValidatorResponse =
        client.query("/cosmos.staking.v1beta1.Query/Validator", &request).await.unwrap();
    reply.validator.unwrap()
}

async fn signing(client: &Client, consensus: &[u8]) -> ValidatorSigningInfo {
    let cons_address = Kind::Consensus.encode("geo", consensus).unwrap();
    let request = QuerySigningInfoRequest { cons_address };
    let reply: QuerySigningInfoResponse =
        client.query("/cosmos.slashing.v1beta1.Query/SigningInfo", &request).await.unwrap();
    reply.val_signing_info.unwrap()
}

/// How many pieces of evidence blocks have.
async fn evidence(client: &Client, to: u64) -> usize {
    let mut count = 0;
    for height in 1..=to {
        let block = client.call("block", json!({ "height": height.to_string() })).await.unwrap();
        count += block.pointer("/block/evidence/evidence").and_then(|e| e.as_array()).map_or(0, Vec::len);
    }
    count
}

/// Row 25.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn who_signs_twice_is_slashed_once_and_out_for_good() {
    let mut net = Net::start("twins").await;
    let client = Client::new(&net.cluster.node(0).unwrap().url()).unwrap();
    let (_, operator) = decode(&net.cluster.node(3).unwrap().operator).unwrap();
    let address = setup::geod(&net.cluster.node(3).unwrap().home, &["comet", "show-address"]).unwrap();
    let (_, consensus) = decode(&address).unwrap();
    let stake: u128 = setup::STAKE.trim_end_matches("ugeo").parse().unwrap();
    assert_eq!(validator(&client, &operator).await.tokens, stake.to_string());

    twin(&mut net.cluster);
    let begin = Instant::now();
    while !validator(&client, &operator).await.jailed {
        assert!(begin.elapsed() < GUARD, "nobody noticed two votes of one validator");
        seconds(1).await;
    }
    let height = net.grow(&[0, 1, 2], 10).await;
    let after = validator(&client, &operator).await;
    assert_eq!(after.tokens, (stake / 100 * 95).to_string(), "a twentieth, once");
    assert!(after.jailed && signing(&client, &consensus).await.tombstoned);
    let count = evidence(&client, height).await;
    eprintln!("{count} pieces of evidence");
    assert!(count > 0);
    net.cluster.kill(4).unwrap();
    net.check().await;
}
