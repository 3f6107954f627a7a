//! What is proposed is bounded and accepted; what is accepted is bounded and decodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::Random;
use geodesic_client::tx::Draft;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_testnet::driver::{DENOM, GAS, Guild, Habits, Net, Spec, Wallet};
use prost::bytes::Bytes;

fn transfer(net: &Net, from: &Wallet, amount: u64, gas: u64, memo: usize) -> Bytes {
    let message = MsgSend {
        from_address: from.text.clone(),
        to_address: net.users[1].text.clone(),
        amount: vec![Coin { denom: DENOM.to_owned(), amount: amount.to_string() }],
    };
    let messages = vec![any::pack(&message)];
    let draft = Draft { messages, gas, memo: "m".repeat(memo), ..Draft::default() };
    net.sign_draft(from, &draft).unwrap().into()
}

/// THREATS 1, number 28: a flood of bytes, decodable or not, and little room.
#[test]
fn a_flood_is_bounded() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.run_to(2).unwrap();
    let user = Arc::clone(&net.users[0]);
    let good = transfer(&net, &user, 1, 200_000, 0);
    let tiny: Vec<Bytes> = (0..100_000_u32).map(|i| i.to_be_bytes().to_vec().into()).collect();
    let proposal = net.prepare_of(1, 3, tiny, 1 << 20).unwrap();
    assert_eq!(proposal.len(), 1, "the beacon alone");
    let many: Vec<Bytes> = (0..3000_u64).map(|i| transfer(&net, &user, i + 1, 200_000, 0)).collect();
    // `prepare_of` checks the bytes; here the gas of a block, 400 million, is the narrower bound.
    let proposal = net.prepare_of(1, 3, many, 4 << 20).unwrap();
    assert_eq!(proposal.len(), 1 + 2000);
    let proposer = net.operators[1].consensus_address;
    assert_eq!(net.process(&proposal, 3, &proposer).unwrap(), [true; 4]);
    let mut more = proposal.clone();
    more.push(good);
    assert_eq!(net.process(&more, 3, &proposer).unwrap(), [false; 4], "over the gas");
}

/// THREATS 1, number 29: whatever stands in the mempool, however little room there is, what one proposes all accept.
#[test]
fn a_correct_proposal_is_always_accepted() {
    let mut r = Random(11);
    let mut net = Net::new(Spec::default()).unwrap();
    let mut guild = Guild::new(&net, &[Habits::default(); 4]);
    net.step().unwrap();
    while net.height() < 40 {
        guild.act(&mut net).unwrap();
        let height = net.height() + 1;
        for node in 0..4 {
            let mut txs = Vec::new();
            for _ in 0..r.below(30) {
                let user = Arc::clone(&net.users[r.below(2)]);
                let gas = [0, 1, 50_000, GAS, 400_000_000, 400_000_001, u64::MAX][r.below(7)];
                let (amount, memo) = (r.next() % 1000, r.below(400));
                let mut tx = transfer(&net, &user, amount, gas, memo).to_vec();
                if r.below(4) == 0 {
                    let at = r.below(tx.len());
                    tx[at] ^= 1 << r.below(8);
                }
                txs.push(tx.into());
            }
            let max = 1000 + i64::try_from(r.below(8000)).unwrap();
            let proposal = net.prepare_of(node, height, txs, max).unwrap();
            let proposer = net.operators[node].consensus_address;
            assert_eq!(net.process(&proposal, height, &proposer).unwrap(), [true; 4], "height {height}");
        }
        net.step().unwrap();
        guild.collect(&net);
    }
    assert!(guild.failed().is_empty(), "{:?}", guild.failed());
}

#[test]
fn what_a_correct_node_never_proposes() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.run_to(3).unwrap();
    let user = Arc::clone(&net.users[0]);
    let (beacon, good) = (net.prepare(0, 4).unwrap()[0].clone(), transfer(&net, &user, 1, GAS, 0));
    let proposer = net.operators[0].consensus_address;
    for (name, tail, accepted) in [
        ("a transfer", vec![good.clone()], true),
        ("nothing", vec![], true),
        ("bytes that do not decode", vec![Bytes::from_static(b"garbage")], false),
        ("an empty transaction", vec![Bytes::new()], false),
        ("the same transfer twice", vec![good.clone(), good.clone()], false),
        ("unknown fields", vec![[&good[..], &[0x7a, 1, 1]].concat().into()], false),
        ("more gas than a block has", vec![transfer(&net, &user, 1, 400_000_001, 0)], false),
        ("gas that overflows", vec![transfer(&net, &user, 1, u64::MAX, 0), good.clone()], false),
    ] {
        let txs = [vec![beacon.clone()], tail].concat();
        assert_eq!(net.process(&txs, 4, &proposer).unwrap(), [accepted; 4], "{name}");
    }
}

/// THREATS 2, number 25: spam that pays does not push the proof of compute out of a full block.
#[test]
fn pow_messages_go_first() {
    let mut net = Net::new(Spec::default()).unwrap();
    let mut guild = Guild::new(&net, &[Habits::default(); 4]);
    net.step().unwrap();
    let user = Arc::clone(&net.users[0]);
    let message = MsgSend {
        from_address: user.text.clone(),
        to_address: net.users[1].text.clone(),
        amount: vec![Coin { denom: DENOM.to_owned(), amount: "1".to_owned() }],
    };
    let fee = vec![Coin { denom: DENOM.to_owned(), amount: "1000000".to_owned() }];
    // Four of them fill a block, and far more wait than the epoch's blocks can take.
    let draft = Draft { messages: vec![any::pack(&message)], fee, gas: 100_000_000, ..Draft::default() };
    for _ in 0..150 {
        let tx = net.sign_draft(&user, &draft).unwrap();
        assert_eq!(net.offer(tx, &user.text).unwrap().code, 0);
    }
    guild.run_to(&mut net, 24).unwrap();
    assert!(net.blocks[2..].iter().all(|b| b.request.txs.len() > 3), "the blocks are full");
    assert!(guild.failed().is_empty(), "{:?}", guild.failed());
    assert!((0..4).all(|i| common::weight(&net, 0, i).unwrap().weight > 0));
}

/// THREATS 2, number 25: a third of the proposers leave out whatever others send. It comes a block later, and all windows are longer.
#[test]
fn censors_delay_but_do_not_void() {
    let mut net = Net::new(Spec { stakes: vec![250_000_000_000; 3], ..Spec::default() }).unwrap();
    net.censors = vec![1];
    let mut guild = Guild::new(&net, &[Habits::default(); 3]);
    let epoch = common::play_epoch(&mut net, &mut guild);
    let mine = |b: &&geodesic_testnet::driver::Block| {
        b.request.proposer_address.as_ref() == net.operators[1].consensus_address
    };
    let blocks: Vec<_> = net.blocks[1..].iter().filter(mine).collect();
    assert!(blocks.len() >= 7 && blocks.iter().all(|b| b.request.txs.len() == 1), "a third of the blocks");
    assert!(guild.failed().is_empty(), "{:?}", guild.failed());
    assert!((0..3).all(|i| common::weight(&net, epoch, i).unwrap().weight > 0));
}
