//! Vote extensions and the transaction that carries them, with validators and proposers that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::play_epoch;
use geodesic_proto::any;
use geodesic_proto::cosmos::tx::v1beta1::{SimulateRequest, SimulateResponse, TxBody, TxRaw};
use geodesic_proto::geodesic::seeds::v1::{
    BeaconProof, BeaconSource, MsgBeacon, QueryBeaconRequest, QueryBeaconResponse,
};
use geodesic_testnet::driver::{Guild, Habits, Net, Spec, Vote, check};
use prost::Message;
use prost::bytes::Bytes;

fn beacon(net: &Net) -> (BeaconSource, u32) {
    let request = QueryBeaconRequest { height: net.height().unsigned_abs() };
    let reply: QueryBeaconResponse = net.query("/geodesic.seeds.v1.Query/Beacon", &request).unwrap();
    let beacon = reply.beacon.unwrap();
    (beacon.source(), beacon.contributors)
}

fn pack(msg: &MsgBeacon) -> Bytes {
    let body = TxBody { messages: vec![any::pack(msg)], ..TxBody::default() };
    TxRaw { body_bytes: body.encode_to_vec(), ..TxRaw::default() }.encode_to_vec().into()
}

fn unpack(tx: &Bytes) -> MsgBeacon {
    let raw = TxRaw::decode(tx.clone()).unwrap();
    any::unpack(&TxBody::decode(raw.body_bytes.as_slice()).unwrap().messages[0]).unwrap()
}

/// THREATS 2, number 24: garbage of every kind, in time and late, and the chain goes on with the others' proofs.
#[test]
fn garbage_extensions_do_not_stop_the_chain() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.run_to(2).unwrap();
    assert_eq!(beacon(&net), (BeaconSource::Vrf, 4));
    let other_proof = net.operators[1].vrf.prove(b"another input").to_vec();
    for (name, vote) in [
        ("nothing", Vote::Bytes(Vec::new())),
        ("80 bytes that are no proof", Vote::Bytes(vec![0xff; 80])),
        ("too short", Vote::Bytes(vec![1; 79])),
        ("as long as is allowed", Vote::Bytes(vec![3; 256])),
        ("too long: the vote does not count", Vote::Bytes(vec![3; 257])),
        ("a megabyte, late", Vote::Late(vec![3; 1 << 20])),
        ("another's proof of something else", Vote::Late(other_proof)),
        ("no vote", Vote::Silent),
    ] {
        net.votes[3] = vote;
        for _ in 0..5 {
            net.step().unwrap();
            check(&net).unwrap();
        }
        assert_eq!(beacon(&net), (BeaconSource::Vrf, 3), "{name}");
    }
    net.votes[3] = Vote::Honest;
    net.run_to(net.height() + 2).unwrap();
    assert_eq!(beacon(&net), (BeaconSource::Vrf, 4));
}

/// One of four does so through a whole epoch, and everyone earns.
#[test]
fn an_epoch_with_garbage_extensions() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.votes[2] = Vote::Late(vec![9; 300]);
    let mut guild = Guild::new(&net, &[Habits::default(); 4]);
    let epoch = play_epoch(&mut net, &mut guild);
    assert!(guild.failed().is_empty(), "{:?}", guild.failed());
    assert!((0..4).all(|i| common::weight(&net, epoch, i).unwrap().weight > 0));
}

#[test]
fn only_a_good_beacon_is_accepted() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.run_to(5).unwrap();
    let height = net.height() + 1;
    let proposer = net.operators[0].consensus_address;
    let good = net.prepare(0, height).unwrap();
    assert_eq!(good.len(), 1, "the beacon alone");
    let msg = unpack(&good[0]);
    assert_eq!(msg.proofs.len(), 4);
    assert_eq!(net.prepare(3, height).unwrap(), good, "all propose the same");

    let with = |change: &dyn Fn(&mut Vec<BeaconProof>)| {
        let mut changed = msg.clone();
        change(&mut changed.proofs);
        vec![pack(&changed)]
    };
    let stranger = |proofs: &mut Vec<BeaconProof>| proofs[3].address = vec![0xff; 20];
    let after_transaction = vec![Bytes::from_static(b"x"), good[0].clone()];
    let mut memo = TxRaw::decode(good[0].clone()).unwrap();
    let mut body = TxBody::decode(memo.body_bytes.as_slice()).unwrap();
    body.memo = "hello".to_owned();
    memo.body_bytes = body.encode_to_vec();
    let mut signed = TxRaw::decode(good[0].clone()).unwrap();
    signed.signatures.push(vec![1; 64]);
    let cases: Vec<(&str, Vec<Bytes>, bool)> = vec![
        ("as prepared", good.clone(), true),
        ("without one of four", with(&|p| drop(p.remove(1))), true),
        ("half of the power", with(&|p| p.truncate(2)), true),
        ("a quarter of the power", with(&|p| p.truncate(1)), false),
        ("nobody", with(&|p| p.clear()), false),
        ("missing", vec![], false),
        ("not first", after_transaction, false),
        ("twice", vec![good[0].clone(), good[0].clone()], false),
        ("not ascending", with(&|p| p.swap(0, 1)), false),
        ("one proof twice", with(&|p| p[1] = p[0].clone()), false),
        ("a forged output", with(&|p| p[2].output[0] ^= 1), false),
        ("a forged proof", with(&|p| p[2].proof[5] ^= 1), false),
        ("another's proof", with(&|p| p[2].proof = p[1].proof.clone()), false),
        ("a stranger", with(&stranger), false),
        ("an address of 19 bytes", with(&|p| p[0].address.truncate(19)), false),
        ("a memo", vec![memo.encode_to_vec().into()], false),
        ("a signature", vec![signed.encode_to_vec().into()], false),
        ("bytes behind it", vec![[&good[0][..], &[0x1a, 0]].concat().into()], false),
        ("the one of the height before", vec![net.blocks[4].request.txs[0].clone()], false),
    ];
    for (name, txs, accepted) in cases {
        assert_eq!(net.process(&txs, height, &proposer).unwrap(), vec![accepted; 4], "{name}");
    }
    net.step().unwrap();
}

/// Blocksync asks no ProcessProposal: such a block falls back to its hash, with a failed result in the beacon's place.
#[test]
fn a_block_without_beacon_falls_back_to_its_hash() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.run_to(3).unwrap();
    let block = net.force(vec![Bytes::from_static(b"no beacon")]).unwrap();
    assert_ne!(block.response.tx_results[0].code, 0);
    assert_eq!(beacon(&net), (BeaconSource::BlockHash, 0));
    let block = net.force(Vec::new()).unwrap();
    assert!(block.response.tx_results.is_empty());
    net.run_to(net.height() + 3).unwrap();
    assert_eq!(beacon(&net), (BeaconSource::Vrf, 4));
}

/// A validator that is alone and has lost its VRF secret can make the blocks that bring it a new one.
#[test]
fn a_set_of_one_without_its_key_goes_on() {
    let mut net = Net::new(Spec { stakes: vec![250_000_000_000], ..Spec::default() }).unwrap();
    net.run_to(3).unwrap();
    assert_eq!(beacon(&net), (BeaconSource::Vrf, 1));
    for lost in [Vec::new(), net.operators[0].vrf.prove(b"another key's").to_vec()] {
        net.votes[0] = Vote::Bytes(lost);
        net.run_to(net.height() + 3).unwrap();
        assert_eq!(beacon(&net), (BeaconSource::BlockHash, 0));
        check(&net).unwrap();
    }
    net.votes[0] = Vote::Honest;
    net.run_to(net.height() + 2).unwrap();
    assert_eq!(beacon(&net), (BeaconSource::Vrf, 1));
}

#[test]
fn a_user_cannot_send_a_beacon() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.run_to(4).unwrap();
    let tx = net.blocks[3].request.txs[0].clone();
    let msg = unpack(&tx);
    let check = net.offer(tx.to_vec(), "nobody").unwrap();
    assert_ne!(check.code, 0, "as the proposer makes it");
    let user = Arc::clone(&net.users[0]);
    let signed = net.sign(&user, vec![any::pack(&msg)]).unwrap();
    let check = net.offer(signed.clone(), &user.text).unwrap();
    assert_ne!(check.code, 0, "signed by a user");
    for tx_bytes in [tx.to_vec(), signed] {
        let request = SimulateRequest { tx_bytes, ..SimulateRequest::default() };
        let reply: Result<SimulateResponse, _> = net.query("/cosmos.tx.v1beta1.Service/Simulate", &request);
        assert!(reply.is_err(), "simulated");
    }
    assert_eq!(net.prepare(0, 5).unwrap().len(), 1, "nothing but the beacon is proposed");
}

/// THREATS 2, number 31: under `stake` extensions are empty and no beacon transaction is wanted or allowed.
#[test]
fn a_stake_chain_with_vote_extensions_goes_on() {
    let mut net = Net::new(Spec { compute: false, ..Spec::default() }).unwrap();
    let forged = pack(&MsgBeacon::default());
    for height in 1..30 {
        let proposer = net.operators[0].consensus_address;
        if height > 1 {
            let accepted = net.process(std::slice::from_ref(&forged), height, &proposer).unwrap();
            assert_eq!(accepted, vec![false; 4], "a beacon at height {height}");
        }
        let block = net.step().unwrap();
        assert!(block.request.txs.is_empty());
        check(&net).unwrap();
    }
    assert_eq!(beacon(&net), (BeaconSource::BlockHash, 0));
}

/// Without vote extensions a `compute` chain runs on block hashes.
#[test]
fn a_compute_chain_without_vote_extensions() {
    let mut net = Net::new(Spec { extensions_from: 0, ..Spec::default() }).unwrap();
    let mut guild = Guild::new(&net, &[Habits::default(); 4]);
    let epoch = play_epoch(&mut net, &mut guild);
    assert!((0..4).all(|i| common::weight(&net, epoch, i).unwrap().weight > 0));
    assert_eq!(beacon(&net), (BeaconSource::BlockHash, 0));
}
