//! Genesis, export, queries.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod common;
use std::sync::Arc;

use common::script::{END, entries, reborn, step};
use common::*;
use geodesic_core::module::Module;
use geodesic_core::{BlockInfo, Ctx, MemStore, QueryError, State};
use geodesic_pow::Pow;
use geodesic_proto::cosmos::base::query::v1beta1::PageRequest;
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::prost::Message;
use serde_json::value::RawValue;

/// At every height of the script the exported chain has the same state, and goes on in the same way.
#[test]
fn an_exported_chain_goes_on_as_the_old_one() {
    let mut w = World::new(4);
    let mut copies: Vec<World> = Vec::new();
    for height in 1..=END {
        step(&mut w, height);
        for copy in &mut copies {
            step(copy, height);
        }
        let mut new = reborn(&mut w);
        assert_eq!(entries(&mut new), entries(&mut w), "at height {height}");
        if [3, 18, 31, 36, 44].contains(&height) {
            copies.push(new);
        }
    }
    for (i, copy) in copies.iter_mut().enumerate() {
        assert_eq!(entries(copy), entries(&mut w), "copy {i}");
    }
}

fn init(json: &str) -> Result<(), String> {
    let block = BlockInfo { chain_id: "test-1".into(), prefix: "geo".into(), ..BlockInfo::default() };
    let mut ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
    let json = RawValue::from_string(json.to_owned()).unwrap();
    Pow { ports: &Fake::default() }.init_genesis(&mut ctx, Some(&json)).map_err(|e| e.reason)
}

#[test]
fn a_genesis_is_checked() {
    let who = text(&op(1));
    let settings = r#"{"agent":"AGENT","agent_url":"http://a","certificate_hash":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","node_ids":[1]}"#
        .replace("AGENT", &who);
    let participant =
        |p: &str, s: &str| format!(r#"{{"participants":[{{"participant":"{p}","settings":{s}}}]}}"#);
    let odd = r#"{"shape":{"name":"NAME","judge_blocks":"1","shape":{"dim":64,"layers":2,"heads":2,"ffn":160,"vocab":256,"seq":SEQ,"amax":15,"wbits":7,"shift_q":9,"shift_o":5,"shift_d":5,"shift_s":2,"shift_m":2}}}"#;
    let shape = |name: &str, seq: &str| odd.replace("NAME", name).replace("SEQ", seq);
    for (name, json, want) in [
        ("nothing", "{}".to_owned(), Ok(())),
        ("a built-in name", r#"{"shape":{"name":"micro","judge_blocks":"3"}}"#.to_owned(), Ok(())),
        ("numbers", shape("", "9"), Ok(())),
        ("a name and its numbers", shape("micro", "8"), Ok(())),
        ("a name and other numbers", shape("micro", "9"), Err("not those of")),
        ("no such name", shape("nano", "8"), Err("not built in")),
        ("bad numbers", shape("", "1025"), Err("seq is 1025")),
        ("no shape", r#"{"shape":{"judge_blocks":"1"}}"#.to_owned(), Err("neither")),
        (
            "a judge too slow",
            r#"{"shape":{"name":"micro","judge_blocks":"4"}}"#.to_owned(),
            Err("judge_blocks is 4"),
        ),
        ("a judge of no time", r#"{"shape":{"name":"micro"}}"#.to_owned(), Err("judge_blocks is 0")),
        ("a participant", participant(&who, &settings), Ok(())),
        ("a participant of another chain", participant("cosmos1qqqq", &settings), Err("participants 0")),
        ("without settings", participant(&who, "null"), Err("has no settings")),
        ("with a bad agent", participant(&who, &settings.replace(&who, "x")), Err("agent")),
        ("an unknown field", r#"{"param":{}}"#.to_owned(), Err("param")),
        (
            "params without a coin",
            r#"{"params":{"committee_size":16}}"#.to_owned(),
            Err("registration_deposit is missing"),
        ),
    ] {
        match (init(&json), want) {
            (Ok(()), Ok(())) => {}
            (Err(got), Err(part)) => assert!(got.contains(part), "{name}: {got}"),
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
    let twice = participant(&who, &settings)
        .replace("}]}", &format!("}},{{\"participant\":\"{who}\",\"settings\":{settings}}}]}}"));
    assert!(init(&twice).unwrap_err().contains("twice"));
}

fn ask<Q: Message, R: Message + Default>(w: &World, method: &str, request: &Q) -> Result<R, QueryError> {
    let path = format!("/geodesic.pow.v1.Query/{method}");
    let bytes = Pow { ports: &w.fake }.query(&w.ctx, &path, &request.encode_to_vec())?;
    Ok(R::decode(bytes.as_slice()).unwrap())
}

#[test]
fn queries_show_all_that_an_agent_needs() {
    let mut w = World::new(4);
    for height in 1..=40 {
        step(&mut w, height);
    }
    let shape: pb::QueryShapeResponse = ask(&w, "Shape", &pb::QueryShapeRequest {}).unwrap();
    let setting = shape.shape.unwrap();
    assert_eq!((setting.name.as_str(), setting.shape.unwrap().dim, setting.judge_blocks), ("local", 128, 2));
    assert_eq!(shape.shape_hash, geodesic_challenge::Shape::by_name("local").unwrap().hash());

    let duties: pb::QueryDutiesResponse =
        ask(&w, "Duties", &pb::QueryDutiesRequest { epoch: 0, pagination: None }).unwrap();
    let epoch = duties.epoch.unwrap();
    let draw = epoch.draw.unwrap();
    assert_eq!((draw.total_power, draw.validators, draw.samples, draw.height), (40, 4, 22, 17));
    assert_eq!(epoch.params.unwrap().committee_size, 16);
    assert_eq!(epoch.epoch_key, w.key());
    assert_eq!((duties.powers.len(), duties.provers.len()), (4, 4));
    assert!(duties.provers.iter().all(|p| p.leaves == LEAVES && p.nodes[0].count == LEAVES));
    let one = Some(PageRequest { limit: 1, ..PageRequest::default() });
    let page: pb::QueryDutiesResponse =
        ask(&w, "Duties", &pb::QueryDutiesRequest { epoch: 0, pagination: one.clone() }).unwrap();
    assert_eq!((page.provers.len(), page.pagination.unwrap().next_key.len()), (1, 20));

    let verdicts: pb::QueryVerdictsResponse =
        ask(&w, "Verdicts", &pb::QueryVerdictsRequest { epoch: 0, pagination: None }).unwrap();
    assert_eq!(verdicts.verdicts.len(), 3);
    let of = |auditor: &str| {
        let request =
            pb::QueryVerdictDutiesRequest { epoch: 0, auditor: auditor.to_owned(), pagination: None };
        ask::<_, pb::QueryVerdictDutiesResponse>(&w, "VerdictDuties", &request)
    };
    assert_eq!((of("").unwrap().duties.len(), of(&text(&op(4))).unwrap().duties.len()), (9, 3));
    assert!(matches!(of("geo1nonsense"), Err(QueryError::InvalidArgument(_))));
    let demands = |prover: String| {
        let request = pb::QueryDemandsRequest { epoch: 0, prover, pagination: None };
        ask::<_, pb::QueryDemandsResponse>(&w, "Demands", &request).unwrap().demands
    };
    assert_eq!(demands(String::new()).len(), 2);
    assert_eq!(demands(text(&op(3)))[0].opened.len(), 1);
    let cases: pb::QueryAccusationsResponse =
        ask(&w, "Accusations", &pb::QueryAccusationsRequest { epoch: 0, pagination: None }).unwrap();
    let outcomes: Vec<_> = cases.cases.iter().map(pb::Case::outcome).collect();
    use pb::CaseOutcome::{Rejected, Upheld};
    assert_eq!(outcomes, [Upheld, Rejected, Upheld]);
    let weights: pb::QueryWeightsResponse =
        ask(&w, "Weights", &pb::QueryWeightsRequest { epoch: 0, pagination: None }).unwrap();
    let mut reasons: Vec<_> =
        weights.weights.iter().map(|w| (w.participant.clone(), w.void_reason())).collect();
    reasons.sort();
    let mut want = [
        (text(&op(1)), pb::VoidReason::FalseVerdict),
        (text(&op(2)), pb::VoidReason::Fraud),
        (text(&op(3)), pb::VoidReason::Unspecified),
        (text(&op(4)), pb::VoidReason::Unspecified),
    ];
    want.sort();
    assert_eq!(reasons, want);
    let judgments: pb::QueryJudgmentsResponse =
        ask(&w, "Judgments", &pb::QueryJudgmentsRequest { epoch: 0, pagination: None }).unwrap();
    assert!(judgments.judgments.len() == 3 && judgments.judgments.iter().all(|j| j.revealed));
}

#[test]
fn queries_for_what_is_not_there() {
    let w = World::new(1);
    let who = pb::QueryParticipantRequest { participant: text(&op(9)) };
    let got = ask::<_, pb::QueryParticipantResponse>(&w, "Participant", &who);
    assert!(matches!(got, Err(QueryError::NotFound(_))));
    let who = pb::QueryParticipantRequest { participant: text(&op(1)) };
    assert!(ask::<_, pb::QueryParticipantResponse>(&w, "Participant", &who).unwrap().participant.is_some());
    let all: pb::QueryParticipantsResponse =
        ask(&w, "Participants", &pb::QueryParticipantsRequest { pagination: None }).unwrap();
    assert_eq!(all.participants.len(), 1);
    let got = ask::<_, pb::QueryEpochResponse>(&w, "Epoch", &pb::QueryEpochRequest { epoch: 7 });
    assert!(matches!(got, Err(QueryError::NotFound(_))));
    let got = ask::<_, pb::QueryDutiesResponse>(
        &w,
        "Duties",
        &pb::QueryDutiesRequest { epoch: 0, pagination: None },
    );
    assert!(matches!(got, Err(QueryError::NotFound(_))));
    let empty: pb::QueryCommitmentsResponse =
        ask(&w, "Commitments", &pb::QueryCommitmentsRequest { epoch: 9, pagination: None }).unwrap();
    assert!(empty.commitments.is_empty());
    let got = ask::<_, pb::QueryParamsResponse>(&w, "Nothing", &pb::QueryParamsRequest {});
    assert!(matches!(got, Err(QueryError::Unimplemented(_))));
    let got = Pow { ports: &w.fake }.query(&w.ctx, "/geodesic.pow.v1.Query/Epoch", &[0xff]);
    assert!(matches!(got, Err(QueryError::InvalidArgument(_))));
}
