//! Random operations on several applications that are dropped and opened again: equal answers, and invariants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod operations;

use std::collections::{BTreeMap, BTreeSet};

use common::Random;
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, TxBody, TxRaw};
use geodesic_testnet::driver::{Guild, Habits, Net, Point, Serves, Spec, Vote, check};
use operations::{candidates, offer};
use prost::Message as _;
use serde_json::json;

/// Blocks of a run: four epochs and a bit.
const BLOCKS: i64 = 100;

fn habits(r: &mut Random) -> Habits {
    let honest = Habits { leaves: 64 + r.next() % 64, ..Habits::default() };
    match r.below(12) {
        0 => Habits { fakes: 20, ..honest },
        1 => Habits { fakes: 10, serves: Serves::HidesFakes, ..honest },
        2 => Habits { lazy: true, ..honest },
        3 => Habits { no_verdict: true, ..honest },
        4 => Habits { no_judgments: true, claims: false, ..honest },
        5 => Habits { leaves: 10, ..honest },
        6 | 7 => Habits { serves: Serves::OnChain, ..honest },
        _ => honest,
    }
}

fn vote(r: &mut Random) -> Vote {
    match r.below(4) {
        0 => Vote::Bytes(r.bytes(80)),
        1 => Vote::Late(r.bytes(300)),
        2 => Vote::Bytes(Vec::new()),
        _ => Vote::Honest,
    }
}

/// Nodes restart anywhere; one of four may send garbage extensions for a while.
fn disturb(net: &mut Net, r: &mut Random) {
    for node in 0..net.operators.len() {
        if r.below(16) == 0 {
            let points = [Point::Prepare, Point::Process, Point::Finalize, Point::Commit];
            net.restarts.push((node, points[r.below(4)]));
        }
    }
    if net.operators.len() == 4 {
        if r.below(10) == 0 {
            net.votes[3] = vote(r);
        }
        // A third of the power that misbehaves is more than any chain bears.
        let set = net.set(net.height() + 1).unwrap();
        let total: i64 = set.iter().map(|m| m.power).sum();
        let own = set.iter().find(|m| m.address == net.operators[3].consensus_address).map_or(0, |m| m.power);
        if 3 * own >= total {
            net.votes[3] = Vote::Honest;
        }
    }
}

/// Blocks that no honest node proposes, as a node sees them that catches up: bad bytes, and a transaction twice.
fn force(net: &mut Net, r: &mut Random) {
    let mut txs = net.prepare(0, net.height() + 1).unwrap();
    if let Some(tx) = txs.last().cloned() {
        txs.push(tx);
    }
    let length = r.below(300);
    txs.push(r.bytes(length).into());
    txs.push(Vec::new().into());
    net.force(txs).unwrap();
}

fn run(seed: u64) -> Net {
    let mut r = Random(seed);
    let nodes = 2 + r.below(3);
    let mut spec = Spec {
        chain_id: format!("random-{seed}"),
        compute: seed % 4 != 3,
        stakes: vec![250_000_000_000; nodes],
        users: 5,
        extensions_from: [1, 1, 7, 0][r.below(4)],
        ..Spec::default()
    };
    spec.patches.push(("/staking/params/unbonding_time".to_owned(), json!("30s")));
    spec.patches.push(("/staking/params/max_entries".to_owned(), json!(3)));
    let compute = spec.compute;
    let (mut net, candidates) = (Net::new(spec).unwrap(), candidates());
    let mut guild = Guild::new(&net, &[]);
    while net.height() < BLOCKS {
        disturb(&mut net, &mut r);
        if net.height() > 0 {
            offer(&mut net, &candidates, &mut r);
            if compute {
                guild.act(&mut net).unwrap_or_else(|e| panic!("seed {seed}, height {}: {e:?}", net.height()));
            }
        }
        if r.below(15) == 0 && net.height() > 1 {
            force(&mut net, &mut r);
        } else {
            net.step().unwrap_or_else(|e| panic!("seed {seed}: {e:?}"));
        }
        guild.collect(&net);
        if net.height() % 24 == 0 {
            (0..nodes).for_each(|i| guild.set_habits(i, habits(&mut r)));
        }
        if net.height() % 4 == 0 {
            check(&net).unwrap_or_else(|e| panic!("seed {seed}, height {}: {e:?}", net.height()));
        }
    }
    net
}

/// Results by codespace and code: a run that only fails would show nothing.
fn tally(net: &Net) -> BTreeMap<(String, u32), usize> {
    let mut tally = BTreeMap::new();
    for result in net.blocks.iter().flat_map(|b| &b.response.tx_results) {
        *tally.entry((result.codespace.clone(), result.code)).or_default() += 1;
    }
    tally
}

/// Unordered transactions that succeeded; none counts twice.
fn unordered(net: &Net) -> usize {
    let mut used = BTreeSet::new();
    for block in &net.blocks {
        for (tx, result) in block.request.txs.iter().zip(&block.response.tx_results) {
            let Ok(raw) = TxRaw::decode(tx.as_ref()) else { continue };
            let Ok(body) = TxBody::decode(raw.body_bytes.as_slice()) else { continue };
            if result.code == 0 && body.unordered {
                let auth_info = AuthInfo::decode(raw.auth_info_bytes.as_slice()).unwrap();
                let key = auth_info.signer_infos[0].public_key.clone().unwrap().value;
                assert!(used.insert((key, body.timeout_timestamp.unwrap().seconds)), "a replay");
            }
        }
    }
    used.len()
}

fn runs(seeds: std::ops::Range<u64>) {
    let mut of_all = 0;
    for seed in seeds {
        let net = run(seed);
        let tally = tally(&net);
        assert!(tally[&(String::new(), 0)] > 20, "{tally:?}");
        assert!(tally.len() > 4, "{tally:?}");
        let unordered = unordered(&net);
        of_all += unordered;
        println!("seed {seed}: {} nodes, {unordered} unordered, {tally:?}", net.operators.len());
        if seed % 5 == 0 {
            net.replay().unwrap();
        }
    }
    assert!(of_all > 5, "{of_all} unordered transactions");
}

#[test]
fn seeds_0_to_4() {
    runs(0..5);
}

#[test]
fn seeds_5_to_9() {
    runs(5..10);
}

#[test]
fn seeds_10_to_14() {
    runs(10..15);
}

#[test]
fn seeds_15_to_19() {
    runs(15..20);
}

/// As many more as one has patience for: `SEEDS=20..500 cargo test --test determinism -- --ignored`.
#[test]
#[ignore = "a long run"]
fn seeds_of_the_environment() {
    let text = std::env::var("SEEDS").unwrap_or_else(|_| "20..120".to_owned());
    let (from, to) = text.split_once("..").expect("SEEDS=from..to");
    runs(from.parse().unwrap()..to.parse().unwrap());
}
