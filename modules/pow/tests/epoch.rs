//! Whole epochs: who takes part, what counts, what it comes to.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_in_result)]

mod common;
use common::*;
use geodesic_pow::keys::{PARAMS, PARTICIPANT};
use geodesic_pow::{DETAIL_EPOCHS, Pow, WEIGHT_EPOCHS};
use geodesic_proto::geodesic::pow::v1 as pb;

const DEPOSIT: u64 = 1_000_000_000;

#[test]
fn an_honest_epoch_gives_weight_reward_and_power() {
    let mut w = World::new(4);
    w.honest_to_draw(&[]);
    assert_eq!(w.provers().len(), 4);
    assert!((1..=4).all(|i| (1..=4).all(|j| w.audits(&op(i), &op(j)) == (i != j))), "four audit each other");
    w.honest_verdicts(&[]);
    w.go(w.win().settle + 1);
    let mut hits = 0;
    for i in 1..=4 {
        let record = w.weight(0, &op(i));
        assert_eq!((record.leaves, record.void_reason), (LEAVES, 0));
        assert_eq!(record.weight, record.hits * 4, "hits / p with p = 1/4");
        assert!((40..120).contains(&record.hits));
        assert_eq!(w.reward(0, &op(i)), Some((record.weight, 0)));
        assert_eq!(w.active(0, &op(i)), None, "powers wait for the activation");
        hits += record.hits;
    }
    assert_eq!(w.hits(0), Some(hits));
    w.go(w.win().activate + 1);
    assert!((1..=4).all(|i| w.active(0, &op(i)) == Some(w.weight(0, &op(i)).weight)));
    assert_eq!(w.balance(b"pow"), 4 * DEPOSIT, "only the deposits are held");
    assert_eq!(w.balance(b"burned"), 0);
}

#[test]
fn an_epoch_without_anyone_changes_nothing() {
    let mut w = World::new(2);
    w.go(60);
    assert_eq!(w.hits(0), Some(0), "difficulty must hear of it");
    assert!((1..=2).all(|i| w.reward(0, &op(i)).is_none() && w.active(0, &op(i)).is_none()));
}

#[test]
fn weight_needs_min_leaves_and_a_verdict() {
    let mut w = World::new(4);
    w.go(3);
    for (i, leaves) in [(1, 255), (2, 256), (3, 300), (4, 300)] {
        w.mine(op(i), leaves, |_| false);
        let msg = w.commit_msg(&op(i));
        w.send(&msg).unwrap();
    }
    w.go(w.win().draw + 1);
    assert_eq!(w.provers().len(), 3, "255 leaves are not audited");
    w.honest_verdicts(&[op(3)]);
    w.go(w.win().activate + 1);
    let reason = |i| w.weight(0, &op(i)).void_reason();
    assert_eq!(reason(1), pb::VoidReason::MinLeaves);
    assert_eq!(reason(2), pb::VoidReason::Unspecified);
    assert_eq!(reason(3), pb::VoidReason::NoVerdict);
    assert_eq!([1, 2, 3, 4].map(|i| w.active(0, &op(i)).is_some()), [false, true, false, true]);
    assert_eq!([1, 2, 3, 4].map(|i| w.reward(0, &op(i)).is_some()), [false, true, false, true]);
    assert_eq!(w.stake(&op(3)), COLLATERAL, "silence is not slashed");
}

/// THREATS 2, numbers 1, 6, 12: what may be committed, and when.
#[test]
fn commitments_are_bound_to_epoch_window_and_growth() {
    let mut w = World::new(2);
    w.go(3);
    w.mine(op(1), 300, |_| false);
    let good = w.commit_msg(&op(1));
    let node = good.nodes[0].clone();
    let with = |f: &dyn Fn(&mut pb::MsgCommitPoc)| {
        let mut m = good.clone();
        f(&mut m);
        m
    };
    for (name, msg, want) in [
        ("for the next epoch", with(&|m| m.epoch = 1), 10),
        ("by a stranger", with(&|m| m.sender = text(&op(2))), 8),
        ("of an unregistered node", with(&|m| m.nodes[0].node_id = 8), 13),
        ("a node twice", with(&|m| m.nodes.push(node.clone())), 3),
        ("nodes out of order", with(&|m| m.nodes.push(pb::NodeCommitment { node_id: 6, ..node.clone() })), 3),
        ("more hits than leaves", with(&|m| m.nodes[0].hits = 301), 3),
        ("a short root", with(&|m| m.nodes[0].root = vec![0; 31]), 3),
        ("no nodes", with(&|m| m.nodes.clear()), 3),
        (
            "a range so short that its end could be chosen",
            with(&|m| (m.nodes[0].count, m.nodes[0].hits) = (63, 0)),
            31,
        ),
    ] {
        assert_eq!(code(w.send(&msg)), ("pow", want), "{name}");
    }
    w.send(&good).unwrap();
    for (name, count, hits, want) in [
        ("the same again", node.count, node.hits, 14),
        ("fewer leaves", node.count - 1, node.hits, 14),
        ("fewer hits", node.count + 10, node.hits - 1, 14),
        ("more new hits than new leaves", node.count + 10, node.hits + 11, 14),
    ] {
        let msg = with(&|m| m.nodes[0] = pb::NodeCommitment { count, hits, ..node.clone() });
        assert_eq!(code(w.send(&msg)), ("pow", want), "{name}");
    }
    for more in 1..8 {
        w.send(&with(&|m| m.nodes[0].count += more)).unwrap();
    }
    assert_eq!(code(w.send(&with(&|m| m.nodes[0].count += 9))), ("pow", 15), "a ninth message");
    w.mine(op(2), 300, |_| false);
    let late = w.commit_msg(&op(2));
    w.go(w.win().draw);
    assert_eq!(code(w.send(&late)), ("pow", 11), "at X");
    w.go(63);
    assert_eq!(code(w.send(&late)), ("pow", 10), "a commitment of an epoch gone by");
}

#[test]
fn registration_asks_for_validator_key_and_deposit() {
    let mut w = World::new(2);
    let new = op(9);
    w.fake.strangers.push(new);
    assert_eq!(code(w.register(new)), ("pow", 6));
    w.fake.strangers.clear();
    w.fake.keyless.push(new);
    assert_eq!(code(w.register(new)), ("pow", 7));
    w.fake.keyless.clear();
    assert_eq!(code(w.register(new)), ("sdk", 5), "no coins");
    w.fund(new);
    let mut by_agent = register(new);
    by_agent.sender = text(&op(1));
    assert_eq!(code(w.send(&by_agent)), ("pow", 8));
    w.register(new).unwrap();
    assert_eq!(w.balance(&new), COINS - DEPOSIT);
    assert_eq!(code(w.register(new)), ("pow", 5));
    w.go(3);
    w.mine(new, 300, |_| false);
    let msg = w.commit_msg(&new);
    assert_eq!(code(w.send(&msg)), ("pow", 12), "it counts from the next epoch");
    w.go(63);
    w.commit(new, |_| false);
}

#[test]
fn changes_count_from_the_next_epoch() {
    let mut w = World::new(2);
    w.go(2);
    let agent = op(20);
    let new = pb::Settings { agent: text(&agent), node_ids: vec![3, 7], ..settings(&op(1)) };
    let update = |sender: &[u8; 20], settings: &pb::Settings| pb::MsgUpdateParticipant {
        sender: text(sender),
        participant: text(&op(1)),
        settings: Some(settings.clone()),
        refill: false,
        leave: false,
    };
    assert_eq!(code(w.send(&update(&agent, &new))), ("pow", 8), "not yet its agent");
    w.send(&update(&op(1), &new)).unwrap();
    w.mine(op(1), 300, |_| false);
    let mut msg = w.commit_msg(&op(1));
    msg.sender = text(&agent);
    assert_eq!(code(w.send(&msg)), ("pow", 8), "the agent speaks from the next epoch");
    msg.sender = text(&op(1));
    msg.nodes[0].node_id = 3;
    assert_eq!(code(w.send(&msg)), ("pow", 13), "and so does the node");
    w.go(63);
    msg.epoch = 1;
    msg.sender = text(&agent);
    w.send(&msg).unwrap();
    let other = pb::Settings { agent: text(&op(21)), ..new.clone() };
    assert_eq!(code(w.send(&update(&agent, &other))), ("pow", 8), "an agent cannot name another");
    let moved = pb::Settings { agent_url: "http://elsewhere".into(), ..new };
    w.send(&update(&agent, &moved)).unwrap();
    let mut leave = update(&agent, &moved);
    (leave.settings, leave.leave) = (None, true);
    assert_eq!(code(w.send(&leave)), ("pow", 8), "nor leave");
}

#[test]
fn a_leaver_gets_its_deposit_at_the_settlement() {
    let mut w = World::new(3);
    w.honest_to_draw(&[]);
    let leave = pb::MsgUpdateParticipant {
        sender: text(&op(1)),
        participant: text(&op(1)),
        settings: None,
        refill: false,
        leave: true,
    };
    w.send(&leave).unwrap();
    assert_eq!(code(w.send(&leave)), ("pow", 12), "once");
    w.honest_verdicts(&[]);
    w.go(w.win().settle);
    assert_eq!(w.balance(&op(1)), COINS - DEPOSIT);
    w.go(w.win().settle + 1);
    assert_eq!(w.balance(&op(1)), COINS);
    assert!(!PARTICIPANT.has(&w.ctx, &op(1)).unwrap());
    w.go(w.win().activate + 1);
    assert!(w.active(0, &op(1)).is_some(), "the epoch that it worked for counts");
    w.register(op(1)).unwrap();
}

#[test]
fn parameters_of_an_epoch_do_not_change_under_it() {
    let mut w = World::new(2);
    w.honest_to_draw(&[]);
    let mut params = PARAMS.load(&w.ctx).unwrap();
    params.min_leaves = 1000;
    PARAMS.set(&mut w.ctx, &params).unwrap();
    w.honest_verdicts(&[]);
    w.go(w.win().settle + 1);
    assert!(w.weight(0, &op(1)).weight > 0);
    w.honest_next_epoch();
    assert_eq!(w.weight(1, &op(1)).void_reason(), pb::VoidReason::MinLeaves);
}

#[test]
fn details_are_forgotten_after_eight_epochs() {
    let mut w = World::new(4);
    for height in 1..=script::END {
        script::step(&mut w, height);
    }
    let of = |w: &mut World, epoch: u64, prefix: u8| {
        let start = [&[prefix][..], &epoch.to_be_bytes()].concat();
        script::entries(w).iter().filter(|(k, _)| k.starts_with(&start)).count()
    };
    for prefix in (0x10..=0x1c).chain([0x20]) {
        assert!(of(&mut w, 0, prefix) > 0, "the script leaves something at {prefix:#x}");
    }
    w.go(window(DETAIL_EPOCHS).settle);
    assert!(of(&mut w, 0, 0x19) > 0);
    w.go(window(DETAIL_EPOCHS).settle + 1);
    for prefix in 0x10..=0x1c {
        assert_eq!(of(&mut w, 0, prefix), 0, "prefix {prefix:#x}");
    }
    assert_eq!((of(&mut w, 1, 0x10), of(&mut w, 0, 0x20)), (1, 4), "the next epoch, and the weights");
    w.go(window(WEIGHT_EPOCHS).settle + 1);
    assert_eq!(of(&mut w, 0, 0x20), 0);
}

impl World {
    /// An honest epoch of everyone, from wherever the last one was left.
    fn honest_next_epoch(&mut self) {
        if self.ctx.block.height > self.win().draw {
            self.go(window(self.epoch() + 1).start);
        }
        self.honest_to_draw(&[]);
        self.honest_verdicts(&[]);
        self.go(self.win().settle + 1);
    }
}

/// Messages of registered agents that pass go first; a dry run leaves no trace.
#[test]
fn priority_is_for_registered_agents_whose_message_passes() {
    use geodesic_core::Module;
    let mut w = World::new(2);
    w.go(3);
    w.mine(op(1), 300, |_| false);
    let good = w.commit_msg(&op(1));
    let mut early = good.clone();
    early.epoch = 1;
    let stranger = pb::MsgCommitPoc { sender: text(&op(9)), participant: text(&op(9)), ..good.clone() };
    let before = w.ctx.state_mut().changes();
    let (gas, events) = (w.ctx.gas.used(), w.ctx.events().len());
    for (name, msg, want) in [("good", &good, true), ("early", &early, false), ("stranger", &stranger, false)]
    {
        let pow = Pow { ports: &w.fake };
        let msg = pow.decode(&geodesic_proto::any::pack(msg)).unwrap();
        assert_eq!(pow.is_priority(&mut w.ctx, &msg).unwrap(), want, "{name}");
    }
    assert_eq!((w.ctx.gas.used(), w.ctx.events().len()), (gas, events));
    assert_eq!(w.ctx.state_mut().changes(), before);
}
