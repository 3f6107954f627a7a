//! What other nodes and clients read: a change here breaks consensus or a client.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod common;
use std::fmt::Write as _;

use common::script::{END, entries, step};
use common::*;
use geodesic_core::module::Module;
use geodesic_core::{AbciError, StateError, TxError};
use geodesic_pow::{Error, Pow, keys, max_bytes, vrf};
use sha2::{Digest, Sha256};

#[test]
fn error_codes() {
    let s = String::new;
    let errors = [
        Error::State(StateError::Invariant(s())),
        Error::Other(TxError::new("sdk", 5, "x")),
        Error::InvalidParams(s()),
        Error::InvalidMessage(s()),
        Error::NotRegistered(s()),
        Error::AlreadyRegistered(s()),
        Error::NotOperator(s()),
        Error::NoVrfKey(s()),
        Error::Unauthorized { sender: s(), participant: s() },
        Error::NoEpoch,
        Error::WrongEpoch { got: 1, running: 2 },
        Error::WrongHeight { what: "a verdict", from: 1, until: 2, height: 3 },
        Error::NotActive { participant: s(), reason: s() },
        Error::UnknownNode(1),
        Error::NotMore { node_id: 1, old_count: 2, old_hits: 3, count: 4, hits: 5 },
        Error::Duplicate("x"),
        Error::NoPower(s()),
        Error::Vrf(s()),
        Error::NotMember { auditor: s(), prover: s() },
        Error::NoSample(1),
        Error::NoDemand { auditor: s(), prover: s(), position: 1 },
        Error::Path(s()),
        Error::WrongDuties(s()),
        Error::SelfAccusation(s()),
        Error::IndexIsRight,
        Error::TooManyCases(1),
        Error::UnknownCase(1),
        Error::WrongReveal,
        Error::DepositInPlace,
        Error::NoCommitment(s()),
    ];
    let mut text = String::new();
    for e in errors {
        writeln!(text, "{} {}: {e}", Error::CODESPACE, e.code()).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn key_layout() {
    let (a, b) = ([0xaa; 20], [0xbb; 20]);
    let mut text = String::new();
    let mut show = |name: &str, key: Vec<u8>| writeln!(text, "{name} {}", hex::encode(key)).unwrap();
    show("participant", keys::PARTICIPANT.key(&a));
    show("epoch", keys::EPOCH.key(&1));
    show("commitment", keys::COMMITMENT.key(&(1, a)));
    show("prover", keys::PROVER.key(&(1, a)));
    show("power", keys::POWER.key(&(1, a)));
    show("demand", keys::DEMAND.key(&(1, a, b)));
    show("verdict", keys::VERDICT.key(&(1, a)));
    show("duty", keys::DUTY.key(&(1, a, b)));
    show("case", keys::CASE.key(&(1, 2)));
    show("cases", keys::CASES.key(&1));
    show("subject", keys::SUBJECT.key(&(1, vec![1, 2])));
    show("accusation", keys::ACCUSATION.key(&(1, 2, a)));
    show("accused", keys::ACCUSED.key(&(1, a, 2, b)));
    show("judgment", keys::JUDGMENT.key(&(1, a)));
    show("weight", keys::WEIGHT.key(&(1, a)));
    insta::assert_snapshot!(text);
}

#[test]
fn names_and_sizes() {
    let mut text = String::new();
    for name in <Pow<'_> as Module>::MESSAGES {
        writeln!(text, "{name} {}", max_bytes(name).unwrap()).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn default_genesis() {
    insta::assert_snapshot!(Pow { ports: &Fake::default() }.default_genesis().get());
}

/// The VRF input of an auditor, and `a_i`.
#[test]
fn audit_randomness() {
    insta::assert_snapshot!(hex::encode(vrf::audit_input(&[1; 32], &[2; 20])));
    let mut output = [0; 64];
    output[31] = 1;
    output[32] = 2;
    assert_eq!(vrf::audit_seed(&output), output[..32]);
}

/// Events and state after every message there is.
#[test]
fn script() {
    let mut w = World::new(4);
    let mut text = String::new();
    for height in 1..=END {
        step(&mut w, height);
        for event in w.ctx.take_events() {
            let attributes: Vec<String> = event.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
            writeln!(text, "{height} {} {}", event.kind, attributes.join(" ")).unwrap();
        }
    }
    let mut hash = Sha256::new();
    for (key, value) in entries(&mut w) {
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    writeln!(text, "state {}", hex::encode(hash.finalize())).unwrap();
    insta::assert_snapshot!(text);
}
