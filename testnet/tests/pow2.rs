//! Profile `pow2-f16` on a chain, with the float network computed for real.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{cases, has_deposit, play_epoch, power, validator, void, weight};
use geodesic_proto::geodesic::pow::v1::{self as pb, VoidReason};
use geodesic_testnet::driver::{Guild, Habits, Net, Spec, micro};
use serde_json::json;

/// 1e-6 in units of 2^-32.
const NOISE: u64 = 4295;
const STAKE: &str = "250000000000";

/// Four validators with the shape `local`, of which 600 hits are sampled a prover; half of all nonces are hits, so that there
/// are as many with few nonces.
fn spec() -> Spec {
    let mut patches = micro();
    let share = |num: u32, den: u32| json!({ "num": num, "den": den });
    let tolerance = json!({ "eps": "65536", "p0": share(1, 2000), "alpha": share(1, 1000) });
    for (path, value) in [
        ("/pow/shape", json!({ "name": "local", "judge_blocks": "2", "pow2_f16": {} })),
        ("/pow/params/samples_per_prover", json!(600)),
        ("/pow/params/pow2_f16", tolerance),
        ("/difficulty/params/initial_p", json!("0.5")),
        ("/difficulty/params/target_hits_per_epoch", json!("1200")),
    ] {
        patches.push((path.to_owned(), value));
    }
    Spec { patches, ..Spec::default() }
}

/// How many samples of a prover were bad, and what came of it, by auditor.
fn statistics(net: &Net, prover: usize) -> Vec<(usize, pb::Statistics)> {
    let request = pb::QueryVerdictDutiesRequest { epoch: 0, ..Default::default() };
    let reply: pb::QueryVerdictDutiesResponse =
        net.query("/geodesic.pow.v1.Query/VerdictDuties", &request).unwrap();
    let of_prover = reply.duties.into_iter().filter(|d| d.prover == net.operators[prover].wallet.text);
    let statistics = |d: pb::Duty| match d.profile {
        Some(pb::duty::Profile::Pow2F16(statistics)) => (d.samples.len(), statistics),
        None => panic!("no statistics"),
    };
    of_prover.map(statistics).collect()
}

/// One in ten of the hits of the last operator is made up; the second's distances are off by 1e-6.
#[test]
fn a_faker_of_a_tenth_of_its_hits_is_caught_and_noise_is_not() {
    let mut net = Net::new(spec()).unwrap();
    let honest = Habits { leaves: 480, ..Habits::default() };
    let noisy = Habits { noise: NOISE, ..honest };
    let faker = Habits { fakes: 10, ..honest };
    let mut guild = Guild::new(&net, &[honest, noisy, honest, faker]);
    assert_eq!(play_epoch(&mut net, &mut guild), 0);
    assert!(guild.failed().is_empty(), "{:?}", guild.failed());
    for prover in 0..4 {
        let found = statistics(&net, prover);
        assert_eq!(found.len(), 3, "everyone audits everyone else");
        for (samples, pb::Statistics { bad, invalid }) in found {
            assert_eq!(samples, 200, "a third of 600");
            match prover {
                3 => assert!(invalid && (10..=30).contains(&bad), "{bad} bad of {samples}"),
                _ => assert_eq!((bad, invalid), (0, false), "operator {prover}"),
            }
        }
    }
    assert!(cases(&net, 0).is_empty(), "nobody is accused");
    for i in 0..3 {
        assert_eq!(void(&net, 0, i), VoidReason::Unspecified);
    }
    assert_eq!(void(&net, 0, 3), VoidReason::Invalid);
    let punished = validator(&net, 3);
    assert_eq!((punished.jailed, punished.tokens.as_str()), (false, STAKE), "not slashed");
    assert!(has_deposit(&net, 3));
    assert_eq!(power(&net, 3), 0, "without weight no power");

    // The epoch's key changes, the target follows what was accepted, and who is honest again earns again.
    guild.set_habits(3, honest);
    let epoch = play_epoch(&mut net, &mut guild);
    for i in 0..4 {
        assert!(weight(&net, epoch, i).unwrap().weight > 0 && power(&net, i) > 0, "operator {i}");
    }
    let record = |epoch: u64| {
        let reply: pb::QueryEpochResponse =
            net.query("/geodesic.pow.v1.Query/Epoch", &pb::QueryEpochRequest { epoch }).unwrap();
        reply.epoch.unwrap()
    };
    let (first, second) = (record(0), record(1));
    assert_ne!(first.epoch_key, second.epoch_key);
    let hits: u64 = (0..3).map(|i| weight(&net, 0, i).unwrap().hits).sum();
    assert!(hits < 1200 && second.r_target >= first.r_target, "too few accepted: as easy as p_max allows");
}

/// With a fake-free epoch of fewer hits than samples every hit is looked at once.
#[test]
fn few_hits_are_sampled_once_each() {
    let mut net = Net::new(spec()).unwrap();
    let mut guild = Guild::new(&net, &[Habits { leaves: 80, noise: NOISE, ..Habits::default() }; 4]);
    assert_eq!(play_epoch(&mut net, &mut guild), 0);
    for i in 0..4 {
        let weight = weight(&net, 0, i).unwrap();
        assert!(weight.weight > 0);
        for (samples, statistics) in statistics(&net, i) {
            assert_eq!((samples as u64, statistics.bad), (weight.hits, 0));
        }
    }
}
