//! Recomputing a committed nonce, given a chain's answers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_challenge::{Leaf, MerkleSum, Network, RTarget, Shape, epoch_key, seen_tag};
use geodesic_client::address::Kind;
use geodesic_client::rpc::Client;
use geodesic_client::verify::{Committed, Error};
use geodesic_proto::geodesic::pow::v1 as pb;
use prost::Message as _;
use serde_json::{Value, json};
use support::{result, serve};

const CHAIN: &str = "geodesic-local-1";
const EPOCH: u64 = 3;
const NODE: u32 = 2;
const COUNT: u64 = 11;
const PROVER: [u8; 20] = [1; 20];
const AUDITOR: [u8; 20] = [2; 20];
const BEACON: [u8; 32] = [9; 32];
const R_TARGET: u64 = 6_074_000_999;

fn address(bytes: [u8; 20]) -> String {
    Kind::Account.encode("geo", &bytes).unwrap()
}

/// What the chain says, with the statements about nonce 4 as given.
struct Chain {
    tree: MerkleSum,
    leaves: Vec<Leaf>,
    tag: [u8; 8],
    opened: Option<Leaf>,
    accused: Option<[u8; 32]>,
    key: [u8; 32],
}

fn honest() -> Chain {
    let shape = Shape::by_name("micro").unwrap();
    let key = epoch_key(CHAIN, EPOCH, &BEACON, &shape.hash()).unwrap();
    let network = Network::new(shape, key);
    let mut tree = MerkleSum::new(RTarget(R_TARGET));
    let leaves: Vec<Leaf> = (0..COUNT).map(|nonce| network.score(&PROVER, NODE, nonce).leaf).collect();
    leaves.iter().for_each(|leaf| tree.push(leaf).unwrap());
    let tag = seen_tag(&AUDITOR, &network.score(&PROVER, NODE, 4).logits);
    Chain { tree, leaves, tag, opened: None, accused: None, key }
}

fn pb_leaf(leaf: &Leaf) -> pb::Leaf {
    pb::Leaf { nonce: leaf.nonce, distance: leaf.distance.0, logits_hash: leaf.logits_hash.to_vec() }
}

fn answer(chain: &Chain, params: &Value) -> Vec<u8> {
    let value = match params["path"].as_str().unwrap() {
        "/geodesic.pow.v1.Query/Shape" => {
            let shape =
                pb::ShapeSetting { name: "micro".to_owned(), shape: None, judge_blocks: 1, profile: None };
            pb::QueryShapeResponse { shape: Some(shape), ..Default::default() }.encode_to_vec()
        }
        "/geodesic.pow.v1.Query/Epoch" => {
            let epoch = pb::Epoch {
                epoch: EPOCH,
                beacon: BEACON.to_vec(),
                epoch_key: chain.key.to_vec(),
                r_target: R_TARGET,
                ..pb::Epoch::default()
            };
            pb::QueryEpochResponse { epoch: Some(epoch) }.encode_to_vec()
        }
        "/geodesic.pow.v1.Query/Commitments" => {
            let commitment = chain.tree.commitment(COUNT).unwrap();
            let node = pb::NodeCommitment {
                node_id: NODE,
                count: COUNT,
                hits: commitment.hits,
                root: commitment.root.to_vec(),
            };
            let own =
                pb::Commitment { epoch: EPOCH, participant: address(PROVER), messages: 1, nodes: vec![node] };
            pb::QueryCommitmentsResponse { commitments: vec![own], pagination: None }.encode_to_vec()
        }
        "/geodesic.pow.v1.Query/Demands" => {
            let opened = chain.opened.iter().map(|leaf| pb::Opened {
                position: 0,
                node_id: NODE,
                leaf: Some(pb_leaf(leaf)),
            });
            let demand = pb::Demand {
                prover: address(PROVER),
                auditor: address(AUDITOR),
                opened: opened.collect(),
                ..pb::Demand::default()
            };
            pb::QueryDemandsResponse { demands: vec![demand], pagination: None }.encode_to_vec()
        }
        "/geodesic.pow.v1.Query/Accusations" => {
            let cases = chain.accused.iter().map(|value| pb::Case {
                kind: pb::CaseKind::Leaf.into(),
                prover: address(PROVER),
                accused: address(PROVER),
                node_id: NODE,
                nonce: 4,
                value: value.to_vec(),
                ..pb::Case::default()
            });
            pb::QueryAccusationsResponse { cases: cases.collect(), pagination: None }.encode_to_vec()
        }
        "/geodesic.pow.v1.Query/VerdictDuties" => {
            let seen =
                pb::Seen { position: 0, node_id: NODE, nonce: 4, tag: chain.tag.to_vec(), distance: 0 };
            let duty = pb::Duty {
                epoch: EPOCH,
                auditor: address(AUDITOR),
                prover: address(PROVER),
                samples: vec![seen],
                profile: None,
            };
            pb::QueryVerdictDutiesResponse { duties: vec![duty], pagination: None }.encode_to_vec()
        }
        other => panic!("{other}"),
    };
    result(json!({"response": {"code": 0, "value": STANDARD.encode(value), "height": "5"}}))
}

async fn load(chain: Chain) -> (Client, Result<Committed, Error>) {
    let url = serve(Arc::new(move |_, params| answer(&chain, params))).await;
    let client = Client::new(&url).unwrap();
    let committed = Committed::load(&client, CHAIN, "geo", &address(PROVER), EPOCH, NODE).await;
    (client, committed)
}

#[tokio::test]
async fn statements_about_a_nonce_match_what_is_computed_or_not() {
    let good = honest().leaves[4];
    let mut bad = good;
    bad.distance.0 -= 1;
    for (name, change, want) in [
        ("only the auditor's tag", Box::new(|_: &mut Chain| ()) as Box<dyn Fn(&mut Chain)>, vec![true]),
        ("a false tag", Box::new(|c| c.tag = [0; 8]), vec![false]),
        ("an opened leaf", Box::new(move |c| c.opened = Some(good)), vec![true, true]),
        ("a false leaf", Box::new(move |c| c.opened = Some(bad)), vec![false, true]),
        ("an accused leaf, rightly", Box::new(move |c| c.accused = Some(bad.hash())), vec![false, true]),
        ("an accused leaf, wrongly", Box::new(move |c| c.accused = Some(good.hash())), vec![true, true]),
    ] {
        let mut chain = honest();
        change(&mut chain);
        let (client, committed) = load(chain).await;
        let committed = committed.unwrap();
        let scored = committed.recompute(4).unwrap();
        let findings = committed.findings(&client, "geo", &scored).await.unwrap();
        let got: Vec<bool> = findings.iter().map(|finding| finding.matches()).collect();
        assert_eq!(got, want, "{name}: {findings:?}");
    }
    let (client, committed) = load(honest()).await;
    let committed = committed.unwrap();
    let other = committed.recompute(5).unwrap();
    assert!(committed.findings(&client, "geo", &other).await.unwrap().is_empty(), "nobody speaks of nonce 5");
}

#[tokio::test]
async fn a_served_leaf_must_lead_to_the_committed_root() {
    let chain = honest();
    let path = chain.tree.path(COUNT, 4).unwrap();
    let siblings = path.siblings.iter().map(|s| pb::Sibling { hash: s.hash.to_vec(), hits: s.hits });
    let opening =
        pb::Opening { position: 0, leaf: Some(pb_leaf(&chain.leaves[4])), path: siblings.collect() };
    let committed = load(chain).await.1.unwrap();
    let scored = committed.recompute(4).unwrap();
    assert!(committed.check_leaf(&opening, &scored).unwrap().matches());
    let mut changed = opening;
    changed.leaf.as_mut().unwrap().distance += 1;
    assert!(committed.check_leaf(&changed, &scored).is_err());
}

#[tokio::test]
async fn recomputing_all_gives_the_commitment_on_any_number_of_threads() {
    let committed = load(honest()).await.1.unwrap();
    for threads in [0, 1, 3, 16] {
        let most = std::sync::atomic::AtomicU64::new(0);
        let progress = |done| {
            most.fetch_max(done, std::sync::atomic::Ordering::Relaxed);
        };
        assert_eq!(committed.recompute_all(threads, &progress).unwrap(), committed.commitment);
        assert_eq!(most.into_inner(), COUNT);
    }
}

#[tokio::test]
async fn what_cannot_be_verified_is_named() {
    let committed = load(honest()).await.1.unwrap();
    let error = committed.recompute(COUNT).unwrap_err().to_string();
    assert_eq!(error, "nonce 11 is not committed: the node committed to 11 nonces, 0 to 10");
    let error = load(Chain { key: [0; 32], ..honest() }).await.1.unwrap_err().to_string();
    assert!(error.contains("epoch key"), "{error}");
    let client = load(honest()).await.0;
    let error =
        Committed::load(&client, CHAIN, "geo", &address(PROVER), EPOCH, 7).await.unwrap_err().to_string();
    assert!(error.contains("committed nothing for node 7"), "{error}");
}
