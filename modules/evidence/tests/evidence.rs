//! Misbehaviour, the message, queries and genesis.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::cell::RefCell;
use std::sync::Arc;

use geodesic_core::address::hash20;
use geodesic_core::{
    AbciError, Address, BlockInfo, Ctx, MemStore, Module, QueryError, State, StateError, TxError,
};
use geodesic_evidence::{
    Error, Evidence, MaxAge, Misbehavior, Ports, handle_misbehavior, keys, validate_genesis,
};
use geodesic_proto::any::{pack, unpack};
use geodesic_proto::cosmos::evidence::v1beta1 as pb;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::{Any, Timestamp};
use serde_json::value::RawValue;

const SECOND: i64 = 1_000_000_000;
const NOW: i64 = 1_700_000_000 * SECOND;

/// SHA-256 of the equivocation of [`frozen`], as the Go SDK has it.
const HASH: &str = "86BF9F5EF201416ABE8710E65BB0DF3AA6450C4137A43F8F7220268AA67DEA74";

/// Consensus parameters, and validators that can be punished.
#[derive(Default)]
struct World {
    max_age: Option<MaxAge>,
    innocent: Option<Address>,
    punished: RefCell<Vec<(Address, u64, u64)>>,
}

impl Ports for World {
    fn max_age(&self, _: &Ctx) -> Result<Option<MaxAge>, StateError> {
        Ok(self.max_age)
    }
    fn punish_double_sign(
        &self,
        _: &mut Ctx,
        who: &Address,
        height: u64,
        power: u64,
    ) -> Result<bool, StateError> {
        if self.innocent.as_ref() == Some(who) {
            return Ok(false);
        }
        self.punished.borrow_mut().push((who.clone(), height, power));
        Ok(true)
    }
}

fn chain() -> Ctx {
    let block = BlockInfo { prefix: "cosmos".into(), height: 100, time_ns: NOW, ..Default::default() };
    Ctx::new(block, State::new(Arc::new(MemStore::default())))
}

fn validator() -> Address {
    Address::try_new(*b"addr1_______________").unwrap()
}

/// An equivocation whose bytes and hash come from the Go SDK.
fn frozen() -> pb::Equivocation {
    pb::Equivocation {
        height: 7,
        time: Some(Timestamp { seconds: 1_700_000_000, nanos: 5 }),
        power: 9,
        consensus_address: validator().to_bech32("cosmosvalcons"),
    }
}

fn double_vote() -> Misbehavior {
    Misbehavior { consensus: validator(), height: 7, time_ns: NOW + 5, power: 9 }
}

fn query<R: Message + Default>(ctx: &Ctx, method: &str, request: &impl Message) -> Result<R, QueryError> {
    let path = format!("/cosmos.evidence.v1beta1.Query/{method}");
    let reply = Evidence.query(ctx, &path, &request.encode_to_vec())?;
    Ok(R::decode(reply.as_slice()).unwrap())
}

fn by_hash(ctx: &Ctx, hash: &str) -> Result<pb::Equivocation, QueryError> {
    let request = pb::QueryEvidenceRequest { hash: hash.to_owned(), ..Default::default() };
    let reply: pb::QueryEvidenceResponse = query(ctx, "Evidence", &request)?;
    Ok(unpack(&reply.evidence.unwrap()).unwrap())
}

#[test]
fn a_proof_is_kept_under_its_hash() {
    let (mut ctx, world) = (chain(), World::default());
    handle_misbehavior(&mut ctx, &world, &[double_vote()]).unwrap();
    assert_eq!(*world.punished.borrow(), [(validator(), 7, 9)]);
    assert_eq!(by_hash(&ctx, HASH), Ok(frozen()));
    assert_eq!(by_hash(&ctx, &HASH.to_lowercase()), Ok(frozen()));
    let all: pb::QueryAllEvidenceResponse =
        query(&ctx, "AllEvidence", &pb::QueryAllEvidenceRequest::default()).unwrap();
    assert_eq!(all.evidence, [pack(&frozen())]);
    assert_eq!(all.pagination.unwrap().total, 1);
    for (name, hash, want) in [
        ("no hash", "", QueryError::InvalidArgument("invalid request; hash is empty".into())),
        (
            "an unknown one",
            &"00".repeat(32),
            QueryError::NotFound(format!("evidence {} not found", "00".repeat(32))),
        ),
        ("a short one", "00", QueryError::NotFound("evidence 00 not found".into())),
    ] {
        assert_eq!(by_hash(&ctx, hash), Err(want), "{name}");
    }
    assert!(matches!(by_hash(&ctx, "xy"), Err(QueryError::InvalidArgument(_))));
}

#[test]
fn a_proof_gets_too_old_by_blocks_and_time_together() {
    let max = MaxAge { blocks: 10, ns: 50 * SECOND };
    for (name, max_age, height, seconds, punished) in [
        ("new", Some(max), 99, 5, true),
        ("as old as may be", Some(max), 90, 50, true),
        ("old in blocks only", Some(max), 89, 50, true),
        ("old in time only", Some(max), 90, 51, true),
        ("old in both", Some(max), 89, 51, false),
        ("no limits", None, 1, 1_000_000, true),
    ] {
        let (mut ctx, world) = (chain(), World { max_age, ..World::default() });
        let proof = Misbehavior { height, time_ns: NOW - seconds * SECOND, ..double_vote() };
        handle_misbehavior(&mut ctx, &world, &[proof]).unwrap();
        assert_eq!(world.punished.borrow().len(), usize::from(punished), "{name}");
        assert_eq!(keys::EVIDENCE.prefix(&ctx, &()).unwrap().count(), usize::from(punished), "{name}");
    }
}

#[test]
fn a_proof_that_punishes_nobody_is_not_kept() {
    let (mut ctx, world) = (chain(), World { innocent: Some(validator()), ..World::default() });
    let other = Misbehavior { consensus: hash20(b"other").into(), ..double_vote() };
    handle_misbehavior(&mut ctx, &world, &[double_vote(), other]).unwrap();
    assert_eq!(world.punished.borrow().len(), 1);
    assert!(by_hash(&ctx, HASH).is_err());
}

fn submit(ctx: &mut Ctx, evidence: Option<Any>) -> Result<Any, TxError> {
    let submitter = Address::from(hash20(b"someone")).to_bech32("cosmos");
    let msg = Evidence.decode(&pack(&pb::MsgSubmitEvidence { submitter, evidence }))?;
    Evidence.validate_basic(&msg)?;
    assert_eq!(Evidence.signers(&msg, "cosmos").unwrap(), [hash20(b"someone").into()]);
    Evidence.handle(ctx, &msg)
}

#[test]
fn evidence_from_users_is_refused() {
    let mut ctx = chain();
    handle_misbehavior(&mut ctx, &World::default(), &[double_vote()]).unwrap();
    let year_0 = Timestamp { seconds: -62_135_596_801, nanos: 0 };
    for (name, evidence, want) in [
        ("good", Some(pack(&pb::Equivocation { height: 8, ..frozen() })), ("evidence", 2)),
        ("acted upon", Some(pack(&frozen())), ("evidence", 5)),
        ("none", None, ("evidence", 3)),
        ("an empty one", Some(Any::default()), ("evidence", 3)),
        ("no height", Some(pack(&pb::Equivocation { height: 0, ..frozen() })), ("evidence", 3)),
        ("no power", Some(pack(&pb::Equivocation { power: 0, ..frozen() })), ("evidence", 3)),
        ("no time", Some(pack(&pb::Equivocation { time: None, ..frozen() })), ("evidence", 3)),
        (
            "no address",
            Some(pack(&pb::Equivocation { consensus_address: String::new(), ..frozen() })),
            ("evidence", 3),
        ),
        ("no date", Some(pack(&pb::Equivocation { time: Some(year_0), ..frozen() })), ("sdk", 2)),
        ("another type", Some(pack(&pb::MsgSubmitEvidence::default())), ("sdk", 2)),
    ] {
        let error = submit(&mut ctx, evidence).unwrap_err();
        assert_eq!((error.codespace, error.code), want, "{name}: {error}");
    }
}

#[test]
fn codes() {
    let all = [Error::NoHandler("equivocation"), Error::Invalid("why".into()), Error::Exists(HASH.into())];
    insta::assert_snapshot!(all.map(|e| format!("{} {e}", e.code())).join("\n"), @r"
    2 equivocation: unregistered handler for evidence type
    3 why: invalid evidence
    5 86BF9F5EF201416ABE8710E65BB0DF3AA6450C4137A43F8F7220268AA67DEA74: evidence already exists
    ");
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[test]
fn genesis() {
    let mut ctx = chain();
    handle_misbehavior(&mut ctx, &World::default(), &[double_vote()]).unwrap();
    let json = Evidence.export_genesis(&ctx).unwrap();
    insta::assert_snapshot!(json.get(), @r#"{"evidence":[{"@type":"/cosmos.evidence.v1beta1.Equivocation","height":"7","time":"2023-11-14T22:13:20.000000005Z","power":"9","consensus_address":"cosmosvalcons1v9jxgu33ta047h6lta047h6lta047h6lh2k2ez"}]}"#);
    let mut copy = chain();
    Evidence.init_genesis(&mut copy, Some(&json)).unwrap();
    assert_eq!(by_hash(&copy, HASH), Ok(frozen()));
    assert!(Evidence.init_genesis(&mut copy, Some(&json)).unwrap_err().to_string().contains(HASH), "twice");

    let default = Evidence.default_genesis();
    assert_eq!(default.get(), r#"{"evidence":[]}"#);
    assert!(validate_genesis(Some(&default)).is_ok() && validate_genesis(None).is_ok());
    for (bad, part) in [
        (
            json.get().replace(r#""height":"7""#, r#""height":"0""#),
            "evidence[0]: invalid equivocation height: 0",
        ),
        (
            r#"{"evidence":[{"@type":"/cosmos.evidence.v1beta1.MsgSubmitEvidence"}]}"#.to_owned(),
            "evidence[0]",
        ),
    ] {
        let error = validate_genesis(Some(&raw(&bad))).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
