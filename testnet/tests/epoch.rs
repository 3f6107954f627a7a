//! Honest validators over two epochs: work gives weight, weight gives power and coins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::balance;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::geodesic::difficulty::v1::{QueryHistoryRequest, QueryHistoryResponse};
use geodesic_proto::geodesic::pow::v1::{QueryWeightsRequest, QueryWeightsResponse};
use geodesic_proto::geodesic::rewards::v1::{QueryEpochRequest, QueryEpochResponse};
use geodesic_proto::geodesic::seeds::v1::{BeaconSource, QueryBeaconRequest, QueryBeaconResponse};
use geodesic_proto::geodesic::staking::v1::{QueryComputePowersRequest, QueryComputePowersResponse};
use geodesic_testnet::driver::{DENOM, Guild, Habits, Net, Spec, check};

#[test]
fn work_becomes_weight_power_and_coins() {
    let mut net = Net::new(Spec::default()).unwrap();
    // The third does half of what the others do.
    let half = Habits { leaves: 80, ..Habits::default() };
    let mut guild = Guild::new(&net, &[Habits::default(), Habits::default(), half]);
    net.step().unwrap();
    let before: Vec<u128> = net.operators.iter().map(|o| balance(&net, &o.wallet.text)).collect();

    for epoch in 0..2_u64 {
        let end = Guild::next_epoch(&net).unwrap();
        while net.height() < end {
            guild.step(&mut net).unwrap();
            check(&net).unwrap();
        }
        assert!(guild.failed().is_empty(), "{:?}", guild.failed());

        let request = QueryWeightsRequest { epoch, pagination: None };
        let weights: QueryWeightsResponse = net.query("/geodesic.pow.v1.Query/Weights", &request).unwrap();
        assert_eq!(weights.weights.len(), 4);
        assert!(weights.weights.iter().all(|w| w.weight > 0 && w.void_reason == 0), "{weights:?}");
        let request = QueryEpochRequest { epoch, pagination: None };
        let reward: QueryEpochResponse = net.query("/geodesic.rewards.v1.Query/Epoch", &request).unwrap();
        assert!(reward.shares.iter().all(|s| s.claimed_at > 0), "the agents have claimed");
        let paid: u128 = reward.shares.iter().map(|s| s.amount.parse::<u128>().unwrap()).sum();
        let reward = reward.reward.unwrap();
        assert_eq!(reward.minted, reward.emission, "nobody lost anything");
        assert_eq!(paid.to_string(), reward.minted);
    }

    let powers: QueryComputePowersResponse =
        net.query("/geodesic.staking.v1.Query/ComputePowers", &QueryComputePowersRequest::default()).unwrap();
    assert_eq!(powers.powers.len(), 4);
    let power = |i: usize| {
        let operator = net.operators[i].wallet.valoper().unwrap();
        powers.powers.iter().find(|p| p.operator == operator).unwrap().power
    };
    assert!(power(2) < power(0) && power(2) < power(1) && power(2) < power(3), "{powers:?}");

    let history: QueryHistoryResponse =
        net.query("/geodesic.difficulty.v1.Query/History", &QueryHistoryRequest::default()).unwrap();
    let targets = history.targets;
    assert!(targets.len() >= 3, "{targets:?}");
    // 560 nonces at a quarter are about 140 hits, 200 are wanted: it gets easier, and the next epoch is nearer to it.
    assert!(targets[1].p > targets[0].p && targets[1].r_target > targets[0].r_target, "{targets:?}");
    assert!(targets[1].accepted_hits > targets[0].accepted_hits, "{targets:?}");

    let request = QueryBeaconRequest { height: net.height().unsigned_abs() };
    let beacon: QueryBeaconResponse = net.query("/geodesic.seeds.v1.Query/Beacon", &request).unwrap();
    let beacon = beacon.beacon.unwrap();
    assert_eq!((beacon.source(), beacon.contributors), (BeaconSource::Vrf, 4));

    let after: Vec<u128> = net.operators.iter().map(|o| balance(&net, &o.wallet.text)).collect();
    assert!(before.iter().zip(&after).all(|(b, a)| a > b));
    spend(&mut net, after[0], after[0] - before[0]);
}

/// What was earned is spent: all of it goes to a user.
fn spend(net: &mut Net, has: u128, earned: u128) {
    let (operator, user) = (Arc::clone(&net.operators[0]), Arc::clone(&net.users[0]));
    let message = MsgSend {
        from_address: operator.wallet.text.clone(),
        to_address: user.text.clone(),
        amount: vec![Coin { denom: DENOM.to_owned(), amount: earned.to_string() }],
    };
    let had = balance(net, &user.text);
    let result = net.run(&operator.wallet, vec![any::pack(&message)]).unwrap();
    assert_eq!(result.code, 0, "{}", result.log);
    assert_eq!(balance(net, &operator.wallet.text), has - earned);
    assert_eq!(balance(net, &user.text), had + earned);
    check(net).unwrap();
}
