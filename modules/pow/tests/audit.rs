//! Demands, answers, verdicts.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod common;
use common::*;
use geodesic_challenge::Position;
use geodesic_pow::Operator;
use geodesic_proto::geodesic::pow::v1 as pb;
use proptest::prelude::*;

const FEE: u64 = 10_000;

fn demand(w: &World, auditor: &Operator, prover: &Operator, positions: Vec<u32>) -> pb::MsgDemand {
    let (vrf_output, vrf_proof) = w.vrf(auditor);
    pb::MsgDemand {
        sender: text(auditor),
        participant: text(auditor),
        epoch: w.epoch(),
        vrf_output,
        vrf_proof,
        prover: text(prover),
        positions,
    }
}

fn answer(w: &World, auditor: &Operator, prover: &Operator, positions: &[u32]) -> pb::MsgOpenPoc {
    let samples = w.samples(auditor, prover);
    let open = |k: &u32| {
        let (_, leaf, path) = w.find(prover, samples.iter().find(|s| s.k == *k).unwrap());
        pb::Opening { position: *k, leaf: Some(pb_leaf(&leaf)), path: pb_path(&path) }
    };
    pb::MsgOpenPoc {
        sender: text(prover),
        participant: text(prover),
        epoch: w.epoch(),
        auditor: text(auditor),
        openings: positions.iter().map(open).collect(),
    }
}

#[test]
fn an_answered_demand_is_paid_and_harmless() {
    let mut w = World::new(3);
    let (me, him) = (op(1), op(2));
    w.honest_to_draw(&[]);
    w.send(&demand(&w, &me, &him, vec![0, 1, 2])).unwrap();
    assert_eq!(w.balance(&me), COINS - 1_000_000_000 - 3 * FEE);
    w.go(w.win().open);
    w.send(&answer(&w, &me, &him, &[1])).unwrap();
    assert_eq!(code(w.send(&answer(&w, &me, &him, &[1]))), ("pow", 20), "answered already");
    assert_eq!(code(w.send(&answer(&w, &me, &him, &[3]))), ("pow", 20), "not demanded");
    assert_eq!(w.balance(&him), COINS - 1_000_000_000, "not paid for a part");
    w.send(&answer(&w, &me, &him, &[0, 2])).unwrap();
    assert_eq!(w.balance(&him), COINS - 1_000_000_000 + 3 * FEE);
    w.go(w.win().verdict);
    let mut lie = w.verdict_msg(&me, &[]);
    let duty = lie.duties.iter_mut().find(|d| d.prover == text(&him)).unwrap();
    duty.samples[0].nonce = (duty.samples[0].nonce + 1) % LEAVES;
    assert_eq!(code(w.send(&lie)), ("pow", 22), "a hit that was opened as another leaf");
    w.honest_verdicts(&[]);
    w.go(w.win().settle + 1);
    assert!(w.weight(0, &him).weight > 0);
    assert_eq!(w.balance(&me), COINS - 1_000_000_000 - 3 * FEE);
}

/// THREATS 2, number 14: a prover that does not show its fakes has no weight, and nobody is slashed.
#[test]
fn a_prover_that_refuses_exactly_its_fakes_ends_without_weight() {
    let mut w = World::new(4);
    let cheat = op(2);
    w.go(3);
    w.commit(cheat, |nonce| nonce % 10 == 0);
    w.honest_to_draw(&[cheat]);
    // Everyone asks for all samples; the cheat serves the true ones only.
    let mut refused = Vec::new();
    for auditor in [op(1), op(3), op(4)] {
        let fakes =
            w.samples(&auditor, &cheat).into_iter().filter(|s| w.find(&cheat, s).1.nonce.is_multiple_of(10));
        let fakes: Vec<u32> = fakes.map(|s| s.k).collect();
        if !fakes.is_empty() {
            w.send(&demand(&w, &auditor, &cheat, fakes.clone())).unwrap();
        }
        refused.extend(fakes.into_iter().map(|k| (auditor, k)));
    }
    assert!(!refused.is_empty(), "22 samples of each of three see some of 10 percent");
    w.go(w.win().verdict);
    for me in [op(1), op(3), op(4), cheat] {
        let mine: Vec<_> = refused.iter().filter(|(a, _)| *a == me).map(|(_, k)| (cheat, *k)).collect();
        if !mine.is_empty() {
            let all = w.verdict_msg(&me, &[]);
            assert_eq!(code(w.send(&all)), ("pow", 22), "a sample left unanswered cannot be claimed as seen");
        }
        let msg = w.verdict_msg(&me, &mine);
        w.send(&msg).unwrap();
    }
    w.go(w.win().activate + 1);
    assert_eq!(w.weight(0, &cheat).void_reason(), pb::VoidReason::UnansweredDemand);
    assert_eq!((w.active(0, &cheat), w.stake(&cheat)), (None, COLLATERAL));
    assert_eq!(w.balance(&op(1)), COINS - 1_000_000_000, "demands are repaid");
    assert!([1, 3, 4].iter().all(|i| w.active(0, &op(*i)).is_some()));
}

#[test]
fn a_demand_shows_its_duty() {
    let mut w = World::new(3);
    let (me, him) = (op(1), op(2));
    w.honest_to_draw(&[op(3)]);
    let good = demand(&w, &me, &him, vec![0]);
    let with = |f: &dyn Fn(&mut pb::MsgDemand)| {
        let mut m = good.clone();
        f(&mut m);
        m
    };
    let other = w.vrf(&op(3));
    let flipped = |m: &mut pb::MsgDemand| m.vrf_output[40] ^= 1;
    for (name, msg, want) in [
        ("another's proof", with(&|m| (m.vrf_output, m.vrf_proof) = other.clone()), 17),
        ("another output for the same input", with(&flipped), 17),
        ("a proof that is none", with(&|m| m.vrf_proof = vec![255; 80]), 17),
        ("itself", with(&|m| m.prover = text(&me)), 18),
        ("somebody without commitment", with(&|m| m.prover = text(&op(3))), 29),
        ("a sample that is not there", with(&|m| m.positions = vec![0, 63, 64]), 19),
        ("positions out of order", with(&|m| m.positions = vec![1, 0]), 3),
        ("another epoch", with(&|m| m.epoch = 1), 10),
    ] {
        assert_eq!(code(w.send(&msg)), ("pow", want), "{name}");
    }
    w.send(&good).unwrap();
    assert_eq!(code(w.send(&with(&|m| m.positions = vec![1]))), ("pow", 15), "one per auditor and prover");
    let theirs = demand(&w, &op(3), &him, vec![0]);
    w.go(w.win().open);
    assert_eq!(code(w.send(&theirs)), ("pow", 11), "too late");
    // THREATS 2, number 12: the proof of this epoch is none in the next.
    w.go(61);
    w.honest_to_draw(&[]);
    let mut replay = good.clone();
    replay.epoch = 1;
    assert_eq!(code(w.send(&replay)), ("pow", 17), "a proof of an old draw");
}

/// THREATS 2, number 5: leaves of one participant prove nothing for another.
#[test]
fn leaves_of_another_do_not_fit() {
    let mut w = World::new(3);
    let (me, him, thief) = (op(1), op(2), op(3));
    w.honest_to_draw(&[]);
    w.send(&demand(&w, &me, &thief, vec![0, 1])).unwrap();
    w.go(w.win().open);
    let samples = w.samples(&me, &thief);
    let (_, leaf, path) = w.find(&him, &samples[1]);
    let mut msg = answer(&w, &me, &thief, &[1]);
    msg.openings[0].leaf = Some(pb_leaf(&leaf));
    assert_eq!(code(w.send(&msg)), ("pow", 21), "his leaf with the thief's path");
    msg.openings[0].path = pb_path(&path);
    assert_eq!(code(w.send(&msg)), ("pow", 21), "his leaf with his path");
    let mut msg = answer(&w, &me, &thief, &[1]);
    msg.openings[0].path.pop();
    assert_eq!(code(w.send(&msg)), ("pow", 21), "a path too short");
    let mut msg = answer(&w, &me, &thief, &[0]);
    msg.openings[0].position = 1;
    assert_eq!(code(w.send(&msg)), ("pow", 21), "the leaf of another sample");
}

/// A copied root verifies, but every leaf of it is wrong under the thief's name: it is fraud, not weight.
#[test]
fn a_copied_commitment_is_fraud() {
    let (him, thief) = (op(2), op(3));
    let mut w = World::new(4);
    w.go(3);
    w.commit(him, |_| false);
    let copy = w.trees[&(him, 7)].clone();
    w.trees.insert((thief, 7), copy);
    let msg = w.commit_msg(&thief);
    w.send(&msg).unwrap();
    w.honest_to_draw(&[him, thief]);
    w.send(&w.accuse_leaf_msg(&op(1), &thief, 0)).unwrap();
    w.honest_verdicts(&[]);
    w.judge(|w, _| Some(w.honest_values()));
    assert_eq!(w.weight(0, &thief).void_reason(), pb::VoidReason::Fraud);
    assert!(w.weight(0, &him).weight > 0);
}

#[test]
fn a_verdict_holds_exactly_the_duties() {
    let mut w = World::new(4);
    let me = op(1);
    w.honest_to_draw(&[]);
    let early = w.verdict_msg(&me, &[]);
    assert_eq!(code(w.send(&early)), ("pow", 11), "before the answers are in");
    w.go(w.win().verdict);
    let good = w.verdict_msg(&me, &[]);
    let with = |f: &dyn Fn(&mut pb::MsgSubmitVerdict)| {
        let mut m = good.clone();
        f(&mut m);
        m
    };
    let other = w.vrf(&op(2));
    let leaf_at = good.duties[0].samples.iter().position(|s| s.position % 2 == 1).unwrap();
    for (name, msg, want) in [
        ("a duty left out", with(&|m| drop(m.duties.pop())), 22),
        ("a duty twice", with(&|m| m.duties.push(m.duties[2].clone())), 22),
        ("duties out of order", with(&|m| m.duties.swap(0, 1)), 22),
        ("itself", with(&|m| m.duties[0].prover = text(&me)), 22),
        ("a sample left out", with(&|m| drop(m.duties[0].samples.pop())), 22),
        ("a leaf that is not the sample", with(&|m| m.duties[0].samples[leaf_at].nonce ^= 1), 22),
        ("a hit beyond the leaves", with(&|m| m.duties[0].samples[0].nonce = LEAVES), 22),
        ("another node", with(&|m| m.duties[0].samples[0].node_id = 8), 22),
        ("a short tag", with(&|m| m.duties[0].samples[0].tag = vec![0; 7]), 3),
        ("another's duties", with(&|m| (m.vrf_output, m.vrf_proof) = other.clone()), 17),
    ] {
        assert_eq!(code(w.send(&msg)), ("pow", want), "{name}");
    }
    w.send(&good).unwrap();
    assert_eq!(code(w.send(&good)), ("pow", 15), "one verdict");
    let late = w.verdict_msg(&op(2), &[]);
    w.go(w.win().verdict_end);
    assert_eq!(code(w.send(&late)), ("pow", 11), "the middle has passed");
}

/// Checks that cost time are paid for before they are made.
#[test]
fn gas_is_charged_before_the_work() {
    use geodesic_core::gas::GasMeter;
    let mut w = World::new(3);
    w.honest_to_draw(&[]);
    let good = demand(&w, &op(1), &op(2), vec![0]);
    w.ctx.gas = GasMeter::unlimited();
    w.send(&good).unwrap();
    let used = w.ctx.gas.used();
    assert!(used > geodesic_pow::vrf::GAS_VRF);
    let mut bad = demand(&w, &op(1), &op(3), vec![0]);
    bad.vrf_proof[79] ^= 1;
    for (limit, want) in [(used, ("pow", 17)), (geodesic_pow::vrf::GAS_VRF, ("sdk", 11))] {
        w.ctx.gas = GasMeter::limited(limit);
        assert_eq!(code(w.send(&bad)), want);
    }
}

#[test]
fn a_validator_without_registration_owes_nothing_but_may_audit() {
    let mut w = World::new(3);
    let outsider = op(9);
    w.fake.powers.push((outsider, 10));
    w.honest_to_draw(&[outsider]);
    w.go(w.win().verdict);
    let msg = w.verdict_msg(&outsider, &[]);
    assert_eq!(msg.duties.len(), 3);
    let mut by_other = msg.clone();
    by_other.sender = text(&op(1));
    assert_eq!(code(w.send(&by_other)), ("pow", 8));
    w.send(&msg).unwrap();
    w.fake.powers.pop();
    w.fake.powers.push((op(10), 10));
    let mut none = msg;
    (none.sender, none.participant) = (text(&op(10)), text(&op(10)));
    assert_eq!(code(w.send(&none)), ("pow", 16), "power after X does not audit");
}

/// With a hundred validators each prover has about sixteen auditors of four samples, and each sees its own.
#[test]
fn committees_of_a_large_set() {
    let mut w = World::new(100);
    w.go(3);
    for i in 1..=5 {
        w.commit(op(i), |_| false);
    }
    w.go(w.win().draw + 1);
    let auditors: Vec<usize> =
        (1..=5).map(|p| (1..=100).filter(|a| w.audits(&op(*a), &op(p))).count()).collect();
    assert!(auditors.iter().all(|n| (5..=30).contains(n)), "{auditors:?}");
    let samples = w.samples(&op(50), &op(1));
    assert_eq!(samples.len(), 4);
    assert_ne!(samples, w.samples(&op(51), &op(1)));
    w.go(w.win().verdict);
    let msg = w.verdict_msg(&op(50), &[]);
    w.send(&msg).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// THREATS 2, numbers 3 and 4: a tenth of fakes is seen by somebody, and splitting among identities takes no sample
    /// away from any leaf.
    #[test]
    fn a_tenth_of_fakes_is_seen(stride in 7_u64..10, offset in 0_u64..7) {
        let mut w = World::new(5);
        let is_fake = move |nonce: u64| nonce % stride == offset;
        w.go(3);
        w.commit(op(5), is_fake);
        w.honest_to_draw(&[op(5)]);
        let mut seen = 0;
        for a in 1..=4 {
            let samples = w.samples(&op(a), &op(5));
            prop_assert_eq!(samples.len(), 16, "64 samples for each identity, whatever its size");
            seen += samples.iter().filter(|s| is_fake(w.find(&op(5), s).1.nonce)).count();
            prop_assert!(samples.iter().all(|s| matches!((s.k % 2, s.position), (0, Position::Hit(_)) | (1, Position::Leaf(_)))));
        }
        prop_assert!(seen > 0, "survives with 0.9^64 = 0.001");
    }
}
