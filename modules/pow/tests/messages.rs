//! THREATS 2, number 16: nothing larger than its bound gets past decoding, and nothing makes it panic.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod common;
use common::*;
use geodesic_core::{Module, TxError};
use geodesic_pow::{Pow, max_bytes};
use geodesic_proto::any;
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::prost::{Message, Name};
use geodesic_proto::prost_types::Any;
use proptest::prelude::*;

fn decode<T: Message + Name>(msg: &T) -> (&'static str, u32) {
    code(decode_any(&any::pack(msg)))
}

fn decode_any(any: &Any) -> Result<(), TxError> {
    Pow { ports: &Fake::default() }.decode(any).map(drop)
}

fn opening(position: u32, siblings: usize) -> pb::Opening {
    let leaf = Some(pb::Leaf { nonce: u64::MAX, distance: 1 << 33, logits_hash: vec![0; 32] });
    pb::Opening { position, leaf, path: vec![pb::Sibling { hash: vec![0; 32], hits: u64::MAX }; siblings] }
}

fn open(openings: Vec<pb::Opening>) -> pb::MsgOpenPoc {
    let who = text(&op(1));
    pb::MsgOpenPoc { sender: who.clone(), participant: who.clone(), epoch: u64::MAX, auditor: who, openings }
}

fn seen(position: u32) -> pb::Seen {
    pb::Seen { position, node_id: u32::MAX, nonce: u64::MAX, tag: vec![0; 8], distance: 0 }
}

fn verdict(duties: usize, samples: u32) -> pb::MsgSubmitVerdict {
    let who = text(&op(1));
    let duty = pb::DutyReport { prover: who.clone(), samples: (0..samples).map(seen).collect() };
    pb::MsgSubmitVerdict {
        sender: who.clone(),
        participant: who,
        epoch: u64::MAX,
        vrf_output: vec![0; 64],
        vrf_proof: vec![0; 80],
        duties: vec![duty; duties],
    }
}

fn reveal(values: u32) -> pb::MsgRevealJudgment {
    let who = text(&op(1));
    let value = |case_id| pb::CaseValue { case_id, value: vec![0; 32] };
    let values = (0..values).map(value).collect();
    pb::MsgRevealJudgment {
        sender: who.clone(),
        participant: who,
        epoch: u64::MAX,
        values,
        salt: vec![0; 32],
    }
}

fn commit(nodes: u32) -> pb::MsgCommitPoc {
    let who = text(&op(1));
    let node = |node_id| pb::NodeCommitment { node_id, count: u64::MAX, hits: u64::MAX, root: vec![0; 32] };
    let nodes = (0..nodes).map(node).collect();
    pb::MsgCommitPoc { sender: who.clone(), participant: who, epoch: u64::MAX, nodes }
}

#[test]
fn the_largest_of_each_list_is_taken_and_one_more_is_not() {
    let max: Vec<pb::Opening> = (0..64).map(|k| opening(k, 64)).collect();
    let more: Vec<pb::Opening> = (0..65).map(|k| opening(k, 1)).collect();
    let nodes = |n: u32| pb::MsgRegisterParticipant {
        settings: Some(pb::Settings { node_ids: (0..n).collect(), ..settings(&op(1)) }),
        ..register(op(1))
    };
    let url = |n: usize| pb::MsgRegisterParticipant {
        settings: Some(pb::Settings { agent_url: format!("http://{}", "a".repeat(n)), ..settings(&op(1)) }),
        ..register(op(1))
    };
    for (name, got, want) in [
        ("nodes", decode(&nodes(64)), "ok"),
        ("nodes and one", decode(&nodes(65)), "pow"),
        ("url", decode(&url(249)), "ok"),
        ("url and one", decode(&url(250)), "pow"),
        ("commitments", decode(&commit(64)), "ok"),
        ("commitments and one", decode(&commit(65)), "pow"),
        ("openings", decode(&open(max)), "ok"),
        ("openings and one", decode(&open(more)), "pow"),
        ("siblings and one", decode(&open(vec![opening(0, 65)])), "pow"),
        ("duties", decode(&verdict(4096, 6)), "ok"),
        ("duties and one", decode(&verdict(4097, 1)), "pow"),
        ("samples", decode(&verdict(1, 256)), "ok"),
        ("samples and one", decode(&verdict(1, 257)), "pow"),
        ("judgments", decode(&reveal(4096)), "ok"),
        ("judgments and one", decode(&reveal(4097)), "pow"),
    ] {
        assert_eq!(got.0, want, "{name}: {got:?}");
    }
}

/// Settings that are refused before any state is read.
#[test]
fn settings_are_checked() {
    let good = settings(&op(1));
    for (name, s, want) in [
        ("good", good.clone(), "ok"),
        ("no agent", pb::Settings { agent: String::new(), ..good.clone() }, "pow"),
        ("a long agent", pb::Settings { agent: "g".repeat(129), ..good.clone() }, "pow"),
        ("another scheme", pb::Settings { agent_url: "ftp://a".into(), ..good.clone() }, "pow"),
        ("no host", pb::Settings { agent_url: "https://".into(), ..good.clone() }, "pow"),
        ("a blank", pb::Settings { agent_url: "https://a b".into(), ..good.clone() }, "pow"),
        ("a line", pb::Settings { agent_url: "https://a\n".into(), ..good.clone() }, "pow"),
        ("a short key hash", pb::Settings { certificate_hash: vec![0; 31], ..good.clone() }, "pow"),
        ("no nodes", pb::Settings { node_ids: vec![], ..good.clone() }, "pow"),
        ("a node twice", pb::Settings { node_ids: vec![1, 1], ..good.clone() }, "pow"),
        ("nodes downwards", pb::Settings { node_ids: vec![2, 1], ..good }, "pow"),
    ] {
        assert_eq!(
            decode(&pb::MsgRegisterParticipant { settings: Some(s), ..register(op(1)) }).0,
            want,
            "{name}"
        );
    }
    assert_eq!(decode(&pb::MsgRegisterParticipant { settings: None, ..register(op(1)) }), ("pow", 3));
    let update = |settings: bool, refill, leave| pb::MsgUpdateParticipant {
        sender: text(&op(1)),
        participant: text(&op(1)),
        settings: settings.then(|| common::settings(&op(1))),
        refill,
        leave,
    };
    for (s, r, l, want) in [
        (false, false, false, "pow"),
        (true, false, true, "pow"),
        (false, true, true, "pow"),
        (false, false, true, "ok"),
        (true, true, false, "ok"),
    ] {
        assert_eq!(decode(&update(s, r, l)).0, want, "{s} {r} {l}");
    }
}

#[test]
fn oversized_messages_are_refused_unread() {
    for name in <Pow<'_> as Module>::MESSAGES {
        let max = max_bytes(name).unwrap();
        // Unknown fields would decode; the length alone refuses them.
        let any = Any { type_url: format!("/{name}"), value: vec![0xff; max + 1] };
        let error = decode_any(&any).unwrap_err();
        assert_eq!((error.codespace, error.code), ("pow", 3), "{name}");
        assert!(error.log.contains(&format!("allowed are {max}")), "{}", error.log);
    }
    assert_eq!(max_bytes("geodesic.pow.v1.MsgNothing"), None);
    assert_eq!(max_bytes("cosmos.bank.v1beta1.MsgSend"), None);
}

proptest! {
    /// Whatever the bytes, decoding ends in a message or an error.
    #[test]
    fn decoding_never_panics(which in 0_usize..10, value in prop::collection::vec(any::<u8>(), 0..200)) {
        let name = <Pow<'_> as Module>::MESSAGES[which];
        let _ = decode_any(&Any { type_url: format!("/{name}"), value });
    }

    /// A good message with one bit flipped is refused or means something else; the chain survives either.
    #[test]
    fn flipped_bits_are_survived(at in 0_usize..200, bit in 0_u8..8) {
        let mut w = World::new(2);
        w.go(3);
        w.mine(op(1), 300, |_| false);
        let mut any = any::pack(&w.commit_msg(&op(1)));
        let at = at % any.value.len();
        any.value[at] ^= 1 << bit;
        let pow = Pow { ports: &w.fake };
        if let Ok(msg) = pow.decode(&any) {
            let _ = w.ctx.atomic(|ctx| pow.handle(ctx, &msg));
        }
        w.go(60);
    }
}
