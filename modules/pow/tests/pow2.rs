//! Profile `pow2-f16`: verdicts by numbers, without tags, accusations and slashes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod common;
use std::sync::Arc;

use common::script::{entries, reborn};
use common::*;
use geodesic_challenge::{FloatShape, Position, Share, epoch_key};
use geodesic_core::module::Module;
use geodesic_core::{BlockInfo, Ctx, MemStore, State};
use geodesic_pow::{EPS_MAX, HIT_SAMPLES_PER_PROVER_MAX, Params, Pow, Tolerance};
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::json;
use geodesic_proto::prost::Message;
use serde_json::value::RawValue;
use serde_json::{Value, json as value};

fn params() -> Params {
    let share = |num, den| Share::try_new(num, den).unwrap();
    let tolerance = Tolerance { eps: 1 << 16, p0: share(1, 2000), alpha: share(1, 1000) };
    Params { samples_per_prover: 600, tolerance: Some(tolerance), ..Params::default() }
}

fn genesis() -> Value {
    let params: Value = serde_json::from_str(&json::to_json(&pb::Params::from(params())).unwrap()).unwrap();
    value!({ "params": params, "shape": { "name": "local", "judge_blocks": "2", "pow2_f16": {} } })
}

fn world(powers: &[(u8, u64)]) -> World {
    World::with_genesis(powers, Some(&genesis().to_string()))
}

const EQUAL: [(u8, u64); 4] = [(1, 10), (2, 10), (3, 10), (4, 10)];

/// Everyone commits, operator 4 with every tenth leaf a hit out of thin air; then the draw.
fn with_a_faker(powers: &[(u8, u64)]) -> World {
    let mut w = world(powers);
    w.go(3);
    for (op, _) in w.fake.powers.clone() {
        w.commit(op, |nonce| op == common::op(4) && nonce % 10 == 0);
    }
    w.go(w.win().draw + 1);
    w
}

fn statistics(w: &World, auditor: u8, prover: u8) -> pb::Statistics {
    let key = (w.epoch(), op(auditor), op(prover));
    match geodesic_pow::keys::DUTY.get(&w.ctx, &key).unwrap().unwrap().profile {
        Some(pb::duty::Profile::Pow2F16(statistics)) => statistics,
        None => panic!("no statistics"),
    }
}

#[test]
fn an_epoch_has_the_key_of_its_float_shape_and_samples_hits_alone() {
    let w = with_a_faker(&EQUAL);
    let beacon = geodesic_challenge::chain_tag("test beacon", &[&1_u64.to_be_bytes()]);
    let shape = FloatShape::by_name("local").unwrap();
    assert_eq!(w.key(), epoch_key("test-1", 0, &beacon, &shape.hash()).unwrap());
    let epoch = geodesic_pow::keys::EPOCH.get(&w.ctx, &0).unwrap().unwrap();
    assert_eq!(epoch.draw.unwrap().samples, 200, "a third of 600");
    let hits = w.provers().iter().find(|(p, _)| *p == op(1)).unwrap().1.1;
    let samples = w.samples(&op(2), &op(1));
    assert_eq!(samples.len() as u64, hits, "fewer than 200: each once");
    assert!(samples.iter().all(|s| matches!(s.position, Position::Hit(_))));
}

#[test]
fn who_fakes_hits_loses_its_weight_and_nothing_else() {
    let mut w = with_a_faker(&EQUAL);
    w.honest_verdicts(&[]);
    for auditor in 1..=3 {
        let found = statistics(&w, auditor, 4);
        assert!(found.invalid && found.bad > 10, "{found:?}");
    }
    assert_eq!(statistics(&w, 4, 1), pb::Statistics { bad: 0, invalid: false });
    w.go(w.win().activate + 1);
    assert_eq!(w.weight(0, &op(4)).void_reason(), pb::VoidReason::Invalid);
    assert_eq!((w.weight(0, &op(4)).weight, w.reward(0, &op(4))), (0, None));
    assert_eq!((w.stake(&op(4)), w.is_jailed(&op(4))), (COLLATERAL, false));
    let record = geodesic_pow::keys::PARTICIPANT.get(&w.ctx, &op(4)).unwrap().unwrap();
    assert!(record.deposit.is_some());
    for i in 1..=3 {
        assert!(w.weight(0, &op(i)).weight > 0 && w.active(0, &op(i)).is_some());
    }
    assert_eq!(w.balance(b"burned"), 0);
}

/// The prover's verdict-giving rivals, with what of them say so, and whether its weight goes.
#[test]
fn more_than_half_of_the_power_heard_decides() {
    for (name, powers, silent, lenient, void) in [
        ("all three", [10, 10, 10], vec![], vec![], true),
        ("two of three", [10, 10, 10], vec![], vec![3], true),
        ("one of three", [10, 10, 10], vec![], vec![2, 3], false),
        ("half of the power", [20, 10, 10], vec![], vec![2, 3], false),
        ("half and a little", [21, 10, 10], vec![], vec![2, 3], true),
        ("the silent do not count", [10, 10, 10], vec![2, 3], vec![], true),
        ("nobody is heard", [10, 10, 10], vec![1, 2, 3], vec![], false),
    ] {
        // With 4 in the committee's size everyone audits everyone whatever its power.
        let mut w = with_a_faker(&[(1, powers[0]), (2, powers[1]), (3, powers[2]), (4, 10)]);
        w.go(w.win().verdict);
        for i in (1..=4).filter(|i| !silent.contains(i)) {
            let mut msg = w.verdict_msg(&op(i), &[]);
            if lenient.contains(&i) {
                let samples = msg.duties.iter_mut().flat_map(|d| &mut d.samples);
                samples.for_each(|s| s.distance = 1);
            }
            w.send(&msg).unwrap();
        }
        w.go(w.win().settle + 1);
        assert_eq!(w.weight(0, &op(4)).void_reason() == pb::VoidReason::Invalid, void, "{name}");
        assert_eq!(w.weight(0, &op(4)).weight == 0, void, "{name}");
    }
}

#[test]
fn distances_between_the_target_and_its_tolerance_are_honest() {
    for (over, want) in [(1 << 16, false), ((1 << 16) + 1, true)] {
        let mut w = world(&EQUAL);
        w.honest_to_draw(&[]);
        w.go(w.win().verdict);
        let mut msg = w.verdict_msg(&op(1), &[]);
        let count = msg.duties[0].samples.len();
        for sample in &mut msg.duties[0].samples {
            sample.distance = R_TARGET + over;
        }
        let prover = w.ctx.account(&msg.duties[0].prover).unwrap().as_20().unwrap();
        w.send(&msg).unwrap();
        let key = (0, op(1), prover);
        let duty = geodesic_pow::keys::DUTY.get(&w.ctx, &key).unwrap().unwrap();
        let bad = if want { count as u32 } else { 0 };
        assert_eq!(duty.profile, Some(pb::duty::Profile::Pow2F16(pb::Statistics { bad, invalid: want })));
    }
}

#[test]
fn tags_and_accusations_are_of_the_other_profile() {
    let mut w = with_a_faker(&EQUAL);
    let accusation = w.accuse_leaf_msg(&op(1), &op(4), 0);
    assert_eq!(code(w.send(&accusation)), ("pow", 30));
    w.go(w.win().verdict);
    let honest = w.verdict_msg(&op(1), &[]);
    let with = |change: fn(&mut pb::Seen)| {
        let mut msg = honest.clone();
        change(&mut msg.duties[1].samples[2]);
        msg
    };
    for (name, msg) in [
        ("a tag", with(|s| (s.distance, s.tag) = (0, vec![0; 8]))),
        ("both", with(|s| s.tag = vec![0; 8])),
        ("neither", with(|s| s.distance = 0)),
        ("too far", with(|s| s.distance = (1 << 33) + 1)),
    ] {
        assert_eq!(code(w.send(&msg)), ("pow", 3), "{name}");
    }
    w.send(&honest).unwrap();
    let tag = pb::TagAccusation {
        auditor: text(&op(1)),
        prover: text(&op(4)),
        position: 0,
        leaf: None,
        path: vec![],
    };
    let accusation = w.accuse_tag_msg(&op(2), tag);
    assert_eq!(code(w.send(&accusation)), ("pow", 30));

    let mut w = World::new(3);
    w.honest_to_draw(&[]);
    w.go(w.win().verdict);
    let mut msg = w.verdict_msg(&op(1), &[]);
    let seen = &mut msg.duties[0].samples[0];
    (seen.distance, seen.tag) = (1, vec![]);
    assert_eq!(code(w.send(&msg)), ("pow", 3), "a distance under profile exact");
}

#[test]
fn who_hides_samples_loses_its_weight_as_ever() {
    let mut w = with_a_faker(&EQUAL);
    let (vrf_output, vrf_proof) = w.vrf(&op(1));
    let demand = pb::MsgDemand {
        sender: text(&op(1)),
        participant: text(&op(1)),
        epoch: 0,
        vrf_output,
        vrf_proof,
        prover: text(&op(4)),
        positions: vec![0, 5],
    };
    w.send(&demand).unwrap();
    w.go(w.win().verdict);
    let msg = w.verdict_msg(&op(1), &[(op(4), 0), (op(4), 5)]);
    w.send(&msg).unwrap();
    w.honest_verdicts(&[op(1)]);
    w.go(w.win().settle + 1);
    assert_eq!(w.weight(0, &op(4)).void_reason(), pb::VoidReason::UnansweredDemand);
}

#[test]
fn an_exported_chain_goes_on_as_the_old_one() {
    let mut w = with_a_faker(&EQUAL);
    w.honest_verdicts(&[]);
    let mut new = reborn(&mut w);
    for w in [&mut w, &mut new] {
        w.go(61);
        assert_eq!(w.weight(0, &op(4)).void_reason(), pb::VoidReason::Invalid);
    }
    assert_eq!(entries(&mut new), entries(&mut w));
}

#[test]
fn queries_name_the_profile() {
    fn ask<Q: Message, R: Message + Default>(w: &World, method: &str, request: &Q) -> R {
        let path = format!("/geodesic.pow.v1.Query/{method}");
        let bytes = Pow { ports: &w.fake }.query(&w.ctx, &path, &request.encode_to_vec()).unwrap();
        R::decode(bytes.as_slice()).unwrap()
    }
    for (w, profile) in [(world(&EQUAL), "pow2-f16"), (World::new(1), "exact")] {
        let shape: pb::QueryShapeResponse = ask(&w, "Shape", &pb::QueryShapeRequest {});
        assert_eq!(shape.profile, profile);
        let params: pb::QueryParamsResponse = ask(&w, "Params", &pb::QueryParamsRequest {});
        assert_eq!(params.profile, profile);
        if profile == "pow2-f16" {
            let setting = shape.shape.unwrap();
            let Some(pb::shape_setting::Profile::Pow2F16(numbers)) = setting.profile else { panic!() };
            assert_eq!((setting.name.as_str(), numbers.dim, numbers.norm_eps), ("local", 128, 10_000));
            assert_eq!(shape.shape_hash, FloatShape::by_name("local").unwrap().hash());
        }
    }
}

#[test]
fn parameters_of_the_other_profile_are_refused() {
    let authority = geodesic_core::address::module_address("gov").to_bech32("geo");
    for (mut w, params, want) in [
        (world(&EQUAL), Params::default(), ("pow", 2)),
        (world(&EQUAL), params(), ("ok", 0)),
        (World::new(1), params(), ("pow", 2)),
        (World::new(1), Params::default(), ("ok", 0)),
    ] {
        let msg = pb::MsgUpdateParams { authority: authority.clone(), params: Some(params.into()) };
        assert_eq!(code(w.send(&msg)), want);
    }
}

fn init(genesis: &Value) -> Result<(), String> {
    let block = BlockInfo { chain_id: "test-1".into(), prefix: "geo".into(), ..BlockInfo::default() };
    let mut ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
    let json = RawValue::from_string(genesis.to_string()).unwrap();
    Pow { ports: &Fake::default() }.init_genesis(&mut ctx, Some(&json)).map_err(|e| e.reason)
}

/// One value of the genesis is another, at a JSON pointer.
fn with(path: &str, value: Value) -> Value {
    let mut genesis = genesis();
    let (above, name) = path.rsplit_once('/').unwrap();
    genesis.pointer_mut(above).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
    genesis
}

#[test]
fn a_genesis_is_checked() {
    let exact =
        |params: Value| value!({ "params": params, "shape": { "name": "local", "judge_blocks": "2" } });
    let numbers = |vocab: u32, kv: u32| value!({ "dim": 64, "layers": 2, "heads": 4, "kv_heads": kv, "hidden": 224, "vocab": vocab, "seq": 8, "norm_eps": 10_000, "rope_theta": 10_000 });
    let share = |num: u32, den: u32| value!({ "num": num, "den": den });
    let default: Value =
        serde_json::from_str(&json::to_json(&pb::Params::from(Params::default())).unwrap()).unwrap();
    for (name, genesis, want) in [
        ("a built-in shape", genesis(), Ok(())),
        (
            "its numbers too",
            with(
                "/shape/pow2_f16",
                value!({ "dim": 128, "layers": 4, "heads": 4, "kv_heads": 4, "hidden": 384, "vocab": 512, "seq": 16, "norm_eps": 10_000, "rope_theta": 10_000 }),
            ),
            Ok(()),
        ),
        ("other numbers", with("/shape/pow2_f16", numbers(128, 2)), Err("not those of \"local\"")),
        ("no name", with("/shape", value!({ "judge_blocks": "1", "pow2_f16": numbers(128, 2) })), Ok(())),
        ("neither", with("/shape/name", value!("")), Err("neither a name nor numbers")),
        ("a name of the other profile", with("/shape/name", value!("cpu")), Err("\"cpu\" is not built in")),
        (
            "heads that do not divide",
            with("/shape", value!({ "judge_blocks": "1", "pow2_f16": numbers(128, 3) })),
            Err("kv_heads 3 must divide heads 4"),
        ),
        (
            "too few outputs",
            with("/shape", value!({ "judge_blocks": "1", "pow2_f16": numbers(63, 2) })),
            Err("vocab is 63, must be between 64 and 65536"),
        ),
        (
            "numbers of both profiles",
            with("/shape/shape", value!({ "dim": 64 })),
            Err("exact beside pow2_f16"),
        ),
        ("no tolerance", with("/params", default.clone()), Err("pow2_f16 is missing")),
        ("a tolerance under exact", exact(genesis()["params"].clone()), Err("pow2_f16 is set")),
        ("exact", exact(default), Ok(())),
        ("no eps", with("/params/pow2_f16/eps", value!("0")), Ok(())),
        ("the largest eps", with("/params/pow2_f16/eps", value!(EPS_MAX.to_string())), Ok(())),
        (
            "a larger eps",
            with("/params/pow2_f16/eps", value!((EPS_MAX + 1).to_string())),
            Err("eps is 67108865, allowed are 0 to 67108864"),
        ),
        ("nobody errs", with("/params/pow2_f16/p0", share(0, 1)), Ok(())),
        ("a tenth", with("/params/pow2_f16/p0", share(1, 10)), Ok(())),
        (
            "more than a tenth",
            with("/params/pow2_f16/p0", share(11, 100)),
            Err("p0 is 11/100, allowed are 0 to 1/10"),
        ),
        ("no share", with("/params/pow2_f16/p0", share(1, 0)), Err("p0: share is 1/0")),
        ("p0 missing", with("/params/pow2_f16/p0", Value::Null), Err("p0 is missing")),
        ("alpha that never condemns", with("/params/pow2_f16/alpha", share(0, 1)), Err("alpha is 0/1")),
        (
            "alpha too large",
            with("/params/pow2_f16/alpha", share(1, 9)),
            Err("alpha is 1/9, allowed are above 0 to 1/10"),
        ),
        ("the smallest alpha", with("/params/pow2_f16/alpha", share(1, u32::MAX)), Ok(())),
        ("the most samples", with("/params/samples_per_prover", value!(HIT_SAMPLES_PER_PROVER_MAX)), Ok(())),
        (
            "more",
            with("/params/samples_per_prover", value!(HIT_SAMPLES_PER_PROVER_MAX + 1)),
            Err("samples_per_prover is 4097, allowed are 1 to 4096"),
        ),
        ("none", with("/params/samples_per_prover", value!(0)), Err("samples_per_prover is 0")),
    ] {
        match (init(&genesis), want) {
            (Ok(()), Ok(())) => {}
            (Err(got), Err(part)) => assert!(got.contains(part), "{name}: {got}"),
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
}

#[test]
fn an_auditor_takes_as_many_samples_as_fit_a_message() {
    let genesis = with("/params/samples_per_prover", value!(HIT_SAMPLES_PER_PROVER_MAX));
    let mut w = World::with_genesis(&[(1, 10), (2, 10)], Some(&genesis.to_string()));
    w.honest_to_draw(&[]);
    assert_eq!(geodesic_pow::keys::EPOCH.get(&w.ctx, &0).unwrap().unwrap().draw.unwrap().samples, 256);
}
