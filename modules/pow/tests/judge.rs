//! Accusations, judgments and what they cost.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod common;
use common::*;
use geodesic_pow::Operator;
use geodesic_pow::keys::{CASE, CASES, PARAMS, PARTICIPANT};
use geodesic_proto::geodesic::pow::v1 as pb;
use proptest::prelude::*;

const DEPOSIT: u64 = 1_000_000_000;
const STAKED: u64 = 100_000_000;
/// 0.01 in units of 10^-18.
const PENALTY: u64 = 10_000_000_000_000_000;

fn outcome(w: &World, epoch: u64, id: u32) -> pb::CaseOutcome {
    CASE.get(&w.ctx, &(epoch, id)).unwrap().unwrap().outcome()
}

/// Everyone is honest but operator 2, whose leaves of even nonces are fakes.
fn with_cheat(n: u8) -> World {
    let mut w = World::new(n);
    w.go(3);
    w.commit(op(2), |nonce| nonce % 2 == 0);
    w.honest_to_draw(&[op(2)]);
    w
}

#[test]
fn a_wrong_leaf_costs_weight_collateral_and_deposit() {
    let mut w = with_cheat(4);
    let cheat = op(2);
    w.send(&w.accuse_leaf_msg(&op(3), &cheat, 4)).unwrap();
    w.send(&w.accuse_leaf_msg(&op(4), &cheat, 4)).unwrap();
    w.send(&w.accuse_leaf_msg(&op(1), &cheat, 6)).unwrap();
    assert_eq!(CASES.get(&w.ctx, &0).unwrap(), Some(2), "accusations of one leaf are one case");
    w.honest_verdicts(&[]);
    w.judge(|w, _| Some(w.honest_values()));
    assert_eq!(w.weight(0, &cheat).void_reason(), pb::VoidReason::Fraud);
    assert_eq!(w.stake(&cheat), COLLATERAL - COLLATERAL / 10, "once, for all its leaves");
    assert_eq!(w.slashed_at(&cheat), Some(17), "as it stood at X");
    assert!(w.is_jailed(&cheat));
    assert_eq!(
        w.balance(&op(3)),
        COINS - DEPOSIT + DEPOSIT / 2,
        "the first accuser: half, and its deposit back"
    );
    assert_eq!([1, 4].map(|i| w.balance(&op(i))), [COINS - DEPOSIT; 2]);
    assert_eq!(w.balance(b"burned"), DEPOSIT / 2, "the other half");
    assert_eq!(w.balance(b"pow"), 3 * DEPOSIT);
    assert!((1..=4).filter(|i| *i != 2).all(|i| w.reward(0, &op(i)).unwrap().1 == 0), "nobody else loses");

    // No weight until the deposit is refilled, and that counts from the next epoch.
    w.go(63);
    w.mine(cheat, LEAVES, |_| false);
    let msg = w.commit_msg(&cheat);
    assert_eq!(code(w.send(&msg)), ("pow", 12));
    let refill = pb::MsgUpdateParticipant {
        sender: text(&cheat),
        participant: text(&cheat),
        settings: None,
        refill: true,
        leave: false,
    };
    w.send(&refill).unwrap();
    assert_eq!(code(w.send(&refill)), ("pow", 28), "once");
    assert_eq!(w.balance(&cheat), COINS - 2 * DEPOSIT);
    assert_eq!(code(w.send(&msg)), ("pow", 12), "not in this epoch yet");
    w.go(123);
    w.commit(cheat, |_| false);
}

#[test]
fn a_rejected_accusation_costs_its_deposit() {
    let mut w = World::new(4);
    w.honest_to_draw(&[]);
    w.send(&w.accuse_leaf_msg(&op(3), &op(2), 5)).unwrap();
    w.honest_verdicts(&[]);
    // Operator 3 insists on its lie.
    w.judge(|w, me| match *me == op(3) {
        true => Some(vec![pb::CaseValue { case_id: 0, value: vec![7; 32] }]),
        false => Some(w.honest_values()),
    });
    assert_eq!(outcome(&w, 0, 0), pb::CaseOutcome::Rejected);
    assert_eq!(w.balance(&op(3)), COINS - DEPOSIT - STAKED);
    assert_eq!(w.balance(b"burned"), STAKED);
    assert!(w.weight(0, &op(2)).weight > 0 && w.stake(&op(2)) == COLLATERAL && !w.is_jailed(&op(2)));
    let penalties = [1, 2, 3, 4].map(|i| w.reward(0, &op(i)).unwrap().1);
    assert_eq!(penalties, [0, 0, PENALTY, 0], "and judging against the outcome a hundredth of the reward");
}

#[test]
fn an_undecided_case_harms_nobody_but_the_absent() {
    let mut w = with_cheat(4);
    w.send(&w.accuse_leaf_msg(&op(3), &op(2), 4)).unwrap();
    w.honest_verdicts(&[]);
    w.judge(|w, me| [op(1), op(3)].contains(me).then(|| w.honest_values()));
    assert_eq!(outcome(&w, 0, 0), pb::CaseOutcome::Undecided, "half is not more than half");
    assert_eq!(w.balance(&op(3)), COINS - DEPOSIT, "deposit back");
    assert_eq!((w.balance(b"burned"), w.stake(&op(2))), (0, COLLATERAL));
    let penalties = [1, 2, 3, 4].map(|i| w.reward(0, &op(i)).unwrap().1);
    assert_eq!(penalties, [0, PENALTY, 0, PENALTY]);
}

/// THREATS 2, number 15: a tag fits one auditor and the full logits, which nobody is served.
#[test]
fn echoed_and_copied_tags_are_slashed() {
    type Forge = fn(&World, &pb::Seen) -> Vec<u8>;
    let echo: Forge = |w, seen| w.trees[&(op(2), 7)].1[seen.nonce as usize].logits_hash[..8].to_vec();
    let copy: Forge = |w, seen| {
        let logits = logits(&w.key(), &op(2), 7, seen.nonce);
        geodesic_challenge::seen_tag(&op(3), &logits).to_vec()
    };
    let honest: Forge = |_, seen| seen.tag.clone();
    for (name, forge, is_lazy) in [("echo", echo, true), ("copy", copy, true), ("honest", honest, false)] {
        let mut w = World::new(4);
        let lazy = op(1);
        w.honest_to_draw(&[]);
        w.honest_verdicts(&[lazy]);
        let mut msg = w.verdict_msg(&lazy, &[]);
        let duty = msg.duties.iter_mut().find(|d| d.prover == text(&op(2))).unwrap();
        duty.samples[2].tag = forge(&w, &duty.samples[2]);
        let position = duty.samples[2].position;
        w.send(&msg).unwrap();
        let (auditor, prover) = (text(&lazy), text(&op(2)));
        let tag = pb::TagAccusation { auditor, prover, position, leaf: None, path: vec![] };
        w.send(&w.accuse_tag_msg(&op(4), tag)).unwrap();
        w.judge(|w, _| Some(w.honest_values()));
        let slashed = COLLATERAL - w.stake(&lazy);
        assert_eq!(slashed, if is_lazy { COLLATERAL / 20 } else { 0 }, "{name}");
        assert_eq!(w.weight(0, &lazy).weight == 0, is_lazy, "{name}");
        assert!(!w.is_jailed(&lazy) && w.weight(0, &op(2)).weight > 0, "{name}");
        let gain = if is_lazy { (DEPOSIT / 2) as i64 } else { -(STAKED as i64) };
        assert_eq!(w.balance(&op(4)) as i64, (COINS - DEPOSIT) as i64 + gain, "{name}");
    }
}

#[test]
fn a_false_index_is_shown_without_judges() {
    let mut w = World::new(4);
    let liar = op(1);
    w.honest_to_draw(&[]);
    w.honest_verdicts(&[liar]);
    let mut msg = w.verdict_msg(&liar, &[]);
    let at = msg.duties.iter().position(|d| d.prover == text(&op(2))).unwrap();
    let sample = *w.samples(&liar, &op(2)).iter().find(|s| s.k == 0).unwrap();
    let (_, leaf, path) = w.find(&op(2), &sample);
    let truth = pb::TagAccusation {
        auditor: text(&liar),
        prover: text(&op(2)),
        position: 0,
        leaf: Some(pb_leaf(&leaf)),
        path: pb_path(&path),
    };
    let wrong = (leaf.nonce + 1) % LEAVES;
    msg.duties[at].samples[0].nonce = wrong;
    w.send(&msg).unwrap();
    let (_, other, other_path) = w.find(&op(2), &w.samples(&liar, &op(2))[2]);
    let false_proof =
        pb::TagAccusation { leaf: Some(pb_leaf(&other)), path: pb_path(&other_path), ..truth.clone() };
    assert_eq!(
        code(w.send(&w.accuse_tag_msg(&op(3), false_proof))),
        ("pow", 21),
        "another leaf shows nothing"
    );
    // Somebody accuses the tag first; the proof joins that case.
    let tag = pb::TagAccusation { leaf: None, path: vec![], ..truth.clone() };
    w.send(&w.accuse_tag_msg(&op(4), tag)).unwrap();
    w.send(&w.accuse_tag_msg(&op(3), truth.clone())).unwrap();
    let right = pb::TagAccusation { auditor: text(&op(3)), ..truth };
    let sample = *w.samples(&op(3), &op(2)).iter().find(|s| s.k == 0).unwrap();
    let (_, leaf, path) = w.find(&op(2), &sample);
    let right = pb::TagAccusation { leaf: Some(pb_leaf(&leaf)), path: pb_path(&path), ..right };
    assert_eq!(code(w.send(&w.accuse_tag_msg(&op(4), right))), ("pow", 24), "its index is right");
    assert!(w.case(0).proven);
    w.judge(|_, _| None);
    assert_eq!(outcome(&w, 0, 0), pb::CaseOutcome::Upheld);
    assert_eq!(w.stake(&liar), COLLATERAL - COLLATERAL / 20);
    assert_eq!(w.reward(0, &op(3)).unwrap().1, 0, "nothing was to be judged");
}

#[test]
fn who_may_accuse_what_and_when() {
    let mut w = World::new(4);
    w.honest_to_draw(&[]);
    let good = w.accuse_leaf_msg(&op(1), &op(2), 5);
    let with = |f: &dyn Fn(&mut pb::LeafAccusation)| {
        let mut m = good.clone();
        if let Some(pb::msg_accuse::Accusation::Leaf(a)) = &mut m.accusation {
            f(a);
        }
        m
    };
    let sent_by =
        |who: &Operator| pb::MsgAccuse { sender: text(who), participant: text(who), ..good.clone() };
    w.fund(op(9));
    for (name, msg, want) in [
        ("a stranger", sent_by(&op(9)), 4),
        ("itself", sent_by(&op(2)), 23),
        ("a leaf that was not committed", with(&|a| a.leaf.as_mut().unwrap().distance ^= 1), 21),
        ("a leaf beyond the count", with(&|a| a.leaf.as_mut().unwrap().nonce = LEAVES), 21),
        ("another node", with(&|a| a.node_id = 8), 13),
        ("somebody without commitment", with(&|a| a.prover = text(&op(9))), 29),
        ("a distance above 2", with(&|a| a.leaf.as_mut().unwrap().distance = (1 << 33) + 1), 3),
        ("nothing", pb::MsgAccuse { accusation: None, ..good.clone() }, 3),
    ] {
        assert_eq!(code(w.send(&msg)), ("pow", want), "{name}");
    }
    w.send(&good).unwrap();
    assert_eq!(code(w.send(&with(&|_| ()))), ("pow", 15), "once of a kind against one operator");
    let tag = pb::TagAccusation {
        auditor: text(&op(2)),
        prover: text(&op(3)),
        position: 0,
        leaf: None,
        path: vec![],
    };
    assert_eq!(code(w.send(&w.accuse_tag_msg(&op(1), tag.clone()))), ("pow", 11), "no verdicts yet");
    w.go(w.win().verdict);
    assert_eq!(code(w.send(&w.accuse_tag_msg(&op(1), tag.clone()))), ("pow", 19), "not sent");
    w.honest_verdicts(&[]);
    w.send(&w.accuse_tag_msg(&op(1), tag)).unwrap();
    let late = w.accuse_leaf_msg(&op(1), &op(3), 5);
    w.go(w.win().judge_commit);
    assert_eq!(code(w.send(&late)), ("pow", 11), "too late");
}

#[test]
fn judgments_are_bound_to_judge_epoch_and_salt() {
    let mut w = with_cheat(4);
    w.send(&w.accuse_leaf_msg(&op(3), &op(2), 4)).unwrap();
    w.honest_verdicts(&[]);
    let values = w.honest_values();
    let hash = |w: &World, me: &Operator| w.judgment_hash(me, &values).to_vec();
    let commit = |w: &World, me: &Operator, hash: Vec<u8>| pb::MsgCommitJudgment {
        sender: text(me),
        participant: text(me),
        epoch: w.epoch(),
        hash,
    };
    assert_eq!(code(w.send(&commit(&w, &op(1), hash(&w, &op(1))))), ("pow", 11), "too early");
    w.go(w.win().judge_commit);
    assert_eq!(code(w.send(&commit(&w, &op(9), hash(&w, &op(1))))), ("pow", 16), "no power at X");
    for me in [op(1), op(3)] {
        w.send(&commit(&w, &me, hash(&w, &me))).unwrap();
    }
    assert_eq!(code(w.send(&commit(&w, &op(1), hash(&w, &op(1))))), ("pow", 15), "one hash");
    w.send(&commit(&w, &op(4), hash(&w, &op(3)))).unwrap();
    assert_eq!(code(w.send(&w.reveal_msg(&op(1), values.clone()))), ("pow", 11), "too early");
    w.go(w.win().judge_reveal);
    let good = w.reveal_msg(&op(1), values.clone());
    let salted = pb::MsgRevealJudgment { salt: vec![4; 32], ..good.clone() };
    let mut changed = good.clone();
    changed.values[0].value[0] ^= 1;
    let mut unknown = good.clone();
    unknown.values[0].case_id = 1;
    let mut length = good.clone();
    length.values[0].value.pop();
    for (name, msg, want) in [
        ("another salt", salted, 27),
        ("another value", changed, 27),
        ("a case that is not there", unknown, 26),
        ("a value of 31 bytes", length, 3),
        ("a hash copied from another", w.reveal_msg(&op(4), values.clone()), 27),
        ("no hash before", w.reveal_msg(&op(2), values.clone()), 27),
    ] {
        assert_eq!(code(w.send(&msg)), ("pow", want), "{name}");
    }
    w.send(&good).unwrap();
    assert_eq!(code(w.send(&good)), ("pow", 15), "one judgment");
    let late = w.reveal_msg(&op(3), values);
    w.go(w.win().settle);
    assert_eq!(code(w.send(&late)), ("pow", 11), "T is too late");
}

/// THREATS 2, number 13, with ten validators of 10 power: `liars` of them stand together. They accuse honest leaves, judge
/// for their lie, and acquit the cheat among them.
fn coalition(liars: u8, abstain: u8) -> World {
    let mut w = World::new(10);
    w.go(3);
    let cheat = op(1);
    w.commit(cheat, |nonce| nonce % 3 == 0);
    w.honest_to_draw(&[cheat]);
    for liar in 2..=liars.max(2) {
        w.send(&w.accuse_leaf_msg(&op(liar), &op(10), 7)).unwrap(); // the lie, against honest 10
    }
    w.send(&w.accuse_leaf_msg(&op(10), &cheat, 3)).unwrap();
    w.honest_verdicts(&[]);
    w.judge(|w, me| {
        let is = |from: u8, to: u8| (from..=to).any(|i| op(i) == *me);
        let lie = |mut v: pb::CaseValue| {
            let case = w.case(v.case_id);
            v.value = if case.accused == text(&cheat) { case.value } else { vec![6; 32] };
            v
        };
        match () {
            () if is(1, liars) => Some(w.honest_values().into_iter().map(lie).collect()),
            () if is(liars + 1, liars + abstain) => None,
            () => Some(w.honest_values()),
        }
    });
    w
}

#[test]
fn coalitions_below_half_neither_convict_nor_acquit() {
    for (liars, abstain, is_caught) in
        [(3, 0, true), (4, 0, true), (4, 1, false), (3, 1, true), (1, 4, false), (1, 3, true), (5, 0, false)]
    {
        let w = coalition(liars, abstain);
        let name = format!("{liars} lie, {abstain} are silent");
        assert_eq!(w.stake(&op(10)), COLLATERAL, "the honest are never slashed: {name}");
        assert!(w.weight(0, &op(10)).weight > 0, "{name}");
        assert_eq!(w.stake(&op(1)) < COLLATERAL, is_caught, "{name}");
        assert_eq!(w.weight(0, &op(1)).weight == 0, is_caught, "{name}");
    }
}

/// The same by power instead of heads: 49 % neither convict nor acquit.
#[test]
fn forty_nine_percent_of_power_decide_nothing() {
    let mut w = World::with_powers(&[(1, 49), (2, 30), (3, 21)]);
    w.go(3);
    w.commit(op(1), |nonce| nonce % 3 == 0);
    w.honest_to_draw(&[op(1)]);
    w.send(&w.accuse_leaf_msg(&op(1), &op(2), 7)).unwrap();
    w.send(&w.accuse_leaf_msg(&op(3), &op(1), 3)).unwrap();
    w.honest_verdicts(&[]);
    w.judge(|w, me| {
        let lie = |v: pb::CaseValue| match v.case_id {
            0 => pb::CaseValue { value: vec![6; 32], ..v },
            _ => pb::CaseValue { value: w.case(1).value, ..v },
        };
        let values = w.honest_values();
        Some(if *me == op(1) { values.into_iter().map(lie).collect() } else { values })
    });
    assert_eq!([0, 1].map(|id| outcome(&w, 0, id)), [pb::CaseOutcome::Rejected, pb::CaseOutcome::Upheld]);
    assert_eq!([1, 2].map(|i| w.stake(&op(i)) < COLLATERAL), [true, false]);
}

/// THREATS 2, number 29: what spam costs, and where it ends.
#[test]
fn accusation_spam_is_bounded() {
    let n = 24;
    let mut w = World::new(n);
    let mut params = PARAMS.load(&w.ctx).unwrap();
    params.max_cases = 30;
    PARAMS.set(&mut w.ctx, &params).unwrap();
    w.honest_to_draw(&[]);
    let mut costs = Vec::new();
    for accuser in 1..=n {
        for prover in (1..=n).filter(|p| *p != accuser) {
            let before = w.ctx.gas.used();
            w.send(&w.accuse_leaf_msg(&op(accuser), &op(prover), 0)).unwrap();
            costs.push(w.ctx.gas.used() - before);
        }
    }
    assert_eq!(CASES.get(&w.ctx, &0).unwrap(), Some(u32::from(n)), "one case for each leaf");
    let (first, last) = (costs[0], costs[costs.len() - 1]);
    assert!(
        last <= first && first < 100_000,
        "an accusation costs the same however many there are: {first} {last}"
    );
    assert!(10_000 * first < 1_000_000_000, "100 accusers of 100 provers fit ten blocks of 100 million gas");
    // With other leaves each would be a case of its own: the epoch takes no more than it may.
    w.honest_verdicts(&[]);
    let mut refused = 0;
    for accuser in 1..=12 {
        let auditor = op(accuser % n + 1);
        let prover = w.provers().into_iter().map(|(p, _)| p).find(|p| w.audits(&auditor, p)).unwrap();
        let position = w.samples(&auditor, &prover)[0].k;
        let tag = pb::TagAccusation {
            auditor: text(&auditor),
            prover: text(&prover),
            position,
            leaf: None,
            path: vec![],
        };
        match code(w.send(&w.accuse_tag_msg(&op(accuser), tag))) {
            ("ok", 0) => {}
            ("pow", 25) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((CASES.get(&w.ctx, &0).unwrap(), refused), (Some(30), 6));
    w.judge(|w, _| Some(w.honest_values()));
    assert_eq!(w.balance(b"burned"), STAKED * (costs.len() as u64 + 6), "all of it was burned");
    assert_eq!(w.balance(b"pow"), DEPOSIT * u64::from(n));
}

fn wealth(w: &World, ops: &[Operator]) -> u64 {
    let deposit = |op: &Operator| PARTICIPANT.get(&w.ctx, op).unwrap().and_then(|p| p.deposit).is_some();
    ops.iter().map(|op| w.balance(op) + w.stake(op) + if deposit(op) { DEPOSIT } else { 0 }).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// THREATS 2, number 30: whatever an operator and its accomplice stage, together they never end richer, and the
    /// module holds just the deposits of those registered.
    #[test]
    fn an_operator_and_its_accomplice_never_gain(
        fakes in 1_u64..5,
        leaf in 0_u64..20,
        tag in any::<bool>(),
        demand in any::<bool>(),
        accomplice_first in any::<bool>(),
        judge in 0_u8..3,
    ) {
        let mut w = World::new(5);
        let (cheat, friend) = (op(1), op(2));
        let before = wealth(&w, &[cheat, friend]);
        w.go(3);
        w.commit(cheat, |nonce| nonce % fakes == 0);
        w.honest_to_draw(&[cheat]);
        if demand {
            let (vrf_output, vrf_proof) = w.vrf(&friend);
            let msg = pb::MsgDemand {
                sender: text(&friend), participant: text(&friend), epoch: 0, vrf_output, vrf_proof,
                prover: text(&cheat), positions: vec![1],
            };
            w.send(&msg).unwrap();
        }
        let mut accusers = [friend, op(5)];
        if !accomplice_first {
            accusers.reverse();
        }
        for accuser in accusers {
            w.send(&w.accuse_leaf_msg(&accuser, &cheat, leaf)).unwrap();
        }
        let skip: &[_] = if demand { &[(cheat, 1)] } else { &[] };
        w.honest_verdicts(&[cheat, friend]);
        let msg = w.verdict_msg(&friend, skip);
        w.send(&msg).unwrap();
        let mut msg = w.verdict_msg(&cheat, &[]);
        let duty = msg.duties.iter_mut().find(|d| d.prover == text(&op(3))).unwrap();
        duty.samples[0].tag[0] ^= u8::from(tag);
        let position = duty.samples[0].position;
        w.send(&msg).unwrap();
        let accusation =
            pb::TagAccusation { auditor: text(&cheat), prover: text(&op(3)), position, leaf: None, path: vec![] };
        w.send(&w.accuse_tag_msg(&friend, accusation)).unwrap();
        w.judge(|w, me| match judge {
            _ if ![cheat, friend].contains(me) => Some(w.honest_values()),
            0 => None,
            1 => Some(w.honest_values()),
            _ => Some(vec![pb::CaseValue { case_id: 0, value: vec![1; 32] }]),
        });
        let after = wealth(&w, &[cheat, friend]);
        prop_assert!(after <= before, "{before} -> {after}");
        let is_fraud = leaf % fakes == 0;
        prop_assert_eq!(w.stake(&cheat) < COLLATERAL, is_fraud || tag);
        if is_fraud || tag {
            prop_assert!(before - after >= DEPOSIT / 2 + COLLATERAL / 20);
        }
        let registered = PARTICIPANT.prefix(&w.ctx, &()).unwrap().filter(|e| e.as_ref().unwrap().1.deposit.is_some());
        prop_assert_eq!(w.balance(b"pow"), DEPOSIT * registered.count() as u64);
    }
}
