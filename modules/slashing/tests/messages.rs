//! Messages, queries, genesis and frozen formats.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::*;
use geodesic_core::address::module_address;
use geodesic_core::item::LenAddress;
use geodesic_core::{AbciError, Address, Int, Module, QueryError, TxError};
use geodesic_proto::cosmos::base::query::v1beta1::PageRequest;
use geodesic_proto::cosmos::slashing::v1beta1 as pb;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::{Duration, Timestamp};
use geodesic_slashing::{Error, Hook, Slashing, keys, on_hook, punish_double_sign, validate_genesis};

fn unjail(i: u8) -> pb::MsgUnjail {
    pb::MsgUnjail { validator_addr: operator(i).to_bech32("cosmosvaloper") }
}

fn code(result: Result<(), TxError>) -> (&'static str, u32) {
    result.map_or_else(|e| (e.codespace, e.code), |()| ("", 0))
}

/// Two validators, of which the first is in jail for downtime until ten minutes from now.
fn in_jail() -> Chain {
    let mut chain = Chain::new(2, &params_json("2", "1"));
    (0..4).for_each(|_| drop(chain.block(0, &[(0, false), (1, true)])));
    assert!(chain.world.members.borrow()[0].validator.jailed);
    chain
}

/// What a row does to the chain before the message.
type Change = fn(&mut Chain);

#[test]
fn who_may_leave_jail() {
    let rows: [(&str, Change, (&str, u32)); 9] = [
        ("time is over", |_| {}, ("", 0)),
        ("a nanosecond too early", |c| c.ctx.block.time_ns -= 1, ("slashing", 4)),
        ("not in jail", |c| c.world.change(0, |m| m.validator.jailed = false), ("slashing", 5)),
        ("no self delegation", |c| c.world.change(0, |m| m.own = None), ("staking", 19)),
        ("a small one", |c| c.world.change(0, |m| m.own = Some(Int::ZERO)), ("slashing", 7)),
        (
            "a small one, not in jail",
            |c| c.world.change(0, |m| (m.own, m.validator.jailed) = (Some(Int::ZERO), false)),
            ("slashing", 7),
        ),
        ("no such validator", |c| c.world.members.borrow_mut().clear(), ("staking", 3)),
        (
            "tombstoned",
            |c| assert!(punish_double_sign(&mut c.ctx, &c.world, &consensus(0), 3, 1).unwrap()),
            ("slashing", 4),
        ),
        (
            "never in the set",
            |c| {
                c.ctx.block.time_ns = START_NS;
                keys::SIGNING_INFO.delete(&mut c.ctx, &LenAddress(consensus(0))).unwrap();
            },
            ("", 0),
        ),
    ];
    for (name, change, want) in rows {
        let mut chain = in_jail();
        chain.ctx.block.time_ns = START_NS + 600 * 1_000_000_000;
        change(&mut chain);
        assert_eq!(code(chain.send(&unjail(0))), want, "{name}");
        let freed = chain.world.members.borrow().first().is_some_and(|m| !m.validator.jailed);
        assert_eq!(freed, want.1 == 0 || want.1 == 5 || name.ends_with("not in jail"), "{name}");
    }
    let account = pb::MsgUnjail { validator_addr: operator(0).to_bech32(PREFIX) };
    assert_eq!(code(in_jail().send(&account)), ("sdk", 7));
}

#[test]
fn codes() {
    let low = Error::SelfDelegationTooLow { tokens: Int::ONE, min: Int::from(2_u32) };
    let all = [Error::ValidatorJailed, Error::ValidatorNotJailed, low];
    insta::assert_snapshot!(all.map(|e| format!("{} {e}", e.code())).join("\n"), @r"
    4 validator still jailed; cannot be unjailed
    5 validator not jailed; cannot be unjailed
    7 1 less than 2: validator's self delegation less than minimum; cannot be unjailed
    ");
}

fn good_params() -> pb::Params {
    pb::Params {
        signed_blocks_window: 9,
        min_signed_per_window: b"1000000000000000000".to_vec(),
        downtime_jail_duration: Some(Duration { seconds: 0, nanos: 1 }),
        slash_fraction_double_sign: b"0".to_vec(),
        slash_fraction_downtime: b"10000000000000000".to_vec(),
    }
}

type ChangeParams = fn(&mut pb::Params);

#[test]
fn new_parameters() {
    let gov = module_address("gov").to_bech32(PREFIX);
    let (bad, undecodable) = (("undefined", 1), ("sdk", 2));
    let rows: [(&str, ChangeParams, (&str, u32)); 10] = [
        ("good", |_| {}, ("", 0)),
        ("no window", |p| p.signed_blocks_window = 0, bad),
        ("negative window", |p| p.signed_blocks_window = -1, bad),
        ("no jail", |p| p.downtime_jail_duration = None, bad),
        ("a fraction above 1", |p| p.slash_fraction_downtime = b"1000000000000000001".to_vec(), bad),
        ("a negative fraction", |p| p.slash_fraction_double_sign = b"-1".to_vec(), bad),
        ("no fraction", |p| p.min_signed_per_window.clear(), bad),
        ("a fraction with a point", |p| p.min_signed_per_window = b"0.5".to_vec(), undecodable),
        ("no text", |p| p.slash_fraction_downtime = vec![0xff], undecodable),
        (
            "600 years",
            |p| p.downtime_jail_duration = Some(Duration { seconds: 600 * 31_557_600, nanos: 0 }),
            undecodable,
        ),
    ];
    for (name, change, want) in rows {
        let mut chain = Chain::new(1, &params_json("4", "0.5"));
        let before = keys::PARAMS.load(&chain.ctx).unwrap();
        let mut params = good_params();
        change(&mut params);
        let msg = pb::MsgUpdateParams { authority: gov.clone(), params: Some(params.clone()) };
        assert_eq!(code(chain.send(&msg)), want, "{name}");
        let after = keys::PARAMS.load(&chain.ctx).unwrap();
        assert_eq!(after, if want.1 == 0 { params } else { before }, "{name}");
    }
    let mut chain = Chain::new(1, &params_json("4", "0.5"));
    let none = pb::MsgUpdateParams { authority: gov, params: None };
    assert_eq!(code(chain.send(&none)), bad);
    let stranger =
        pb::MsgUpdateParams { authority: operator(0).to_bech32(PREFIX), params: Some(good_params()) };
    assert_eq!(code(chain.send(&stranger)), ("gov", 13));
}

#[test]
fn signers() {
    let world = World::default();
    let module = Slashing::new(&world);
    let decoded = module.decode(&geodesic_proto::any::pack(&unjail(3))).unwrap();
    assert_eq!(module.signers(&decoded, PREFIX), Ok(vec![operator(3)]));
    assert!(module.signers(&decoded, "geo").is_err());
}

#[test]
fn queries() {
    let mut chain = Chain::new(3, &params_json("4", "0.5"));
    chain.block(5, &[(0, false), (1, true), (2, true)]);
    let ask = |text: &str| {
        let request = pb::QuerySigningInfoRequest { cons_address: text.to_owned() };
        chain.query::<pb::QuerySigningInfoResponse>("SigningInfo", &request)
    };
    assert_eq!(ask(&valcons(0)).unwrap().val_signing_info, Some(chain.info(0)));
    assert!(matches!(ask(""), Err(QueryError::InvalidArgument(_))));
    assert!(matches!(ask(&operator(0).to_bech32(PREFIX)), Err(QueryError::InvalidArgument(_))));
    assert!(matches!(ask(&valcons(9)), Err(QueryError::NotFound(_))));
    let params: pb::QueryParamsResponse = chain.query("Params", &pb::QueryParamsRequest {}).unwrap();
    assert_eq!(params.params.unwrap().signed_blocks_window, 4);

    let (mut seen, mut key) = (Vec::new(), Vec::new());
    loop {
        let page = PageRequest { key, limit: 2, ..Default::default() };
        let request = pb::QuerySigningInfosRequest { pagination: Some(page) };
        let reply: pb::QuerySigningInfosResponse = chain.query("SigningInfos", &request).unwrap();
        seen.extend(reply.info.into_iter().map(|i| i.address));
        key = reply.pagination.unwrap().next_key;
        if key.is_empty() {
            break;
        }
    }
    let mut all: Vec<_> = (0..3).map(consensus).collect();
    all.sort();
    assert_eq!(seen, all.iter().map(|a| a.to_bech32("cosmosvalcons")).collect::<Vec<_>>());
    let unknown = chain.query::<pb::QueryParamsResponse>("Nothing", &pb::QueryParamsRequest {});
    assert!(matches!(unknown, Err(QueryError::Unimplemented(_))));
}

#[test]
fn an_exported_chain_goes_on_as_it_was() {
    let mut chain = Chain::new(3, &params_json("2100", "0"));
    for i in 0..2100_u64 {
        let signed = i % 2 == 0 && !(1020..1030).contains(&i);
        chain.block(1, &[(0, signed), (1, true)]);
    }
    assert!(punish_double_sign(&mut chain.ctx, &chain.world, &consensus(1), 3, 1).unwrap());
    let json = Slashing::new(&chain.world).export_genesis(&chain.ctx).unwrap();
    validate_genesis(Some(&json)).unwrap();

    let mut copy = Chain::new(3, &params_json("4", "0.5"));
    Slashing::new(&copy.world).init_genesis(&mut copy.ctx, Some(&json)).unwrap();
    assert_eq!(Slashing::new(&copy.world).export_genesis(&copy.ctx).unwrap().get(), json.get());
    let missed = |c: &Chain| -> Vec<_> {
        keys::MISSED.prefix(&c.ctx, &()).unwrap().map(|entry| entry.unwrap().1).collect()
    };
    assert_eq!(missed(&copy), missed(&chain));
    assert_eq!(missed(&copy).len(), 3);
}

#[test]
fn what_a_genesis_may_hold() {
    let params = |window, min_signed| format!(r#""params":{}"#, params_json(window, min_signed));
    let with = |name: &str, fields: &str| {
        let entry = format!(r#""{name}":[{{"address":"{}",{fields}}}]"#, valcons(0));
        format!("{{{},{entry}}}", params("4", "0.5"))
    };
    let info = |fields: &str| with("signing_infos", &format!(r#""validator_signing_info":{{{fields}}}"#));
    let missed = |index: &str| with("missed_blocks", &format!(r#""missed_blocks":[{index}]"#));
    let no_fractions = r#"{"params":{"signed_blocks_window":"5","downtime_jail_duration":"5s"}}"#;
    for (name, json, refused) in [
        ("parameters", format!("{{{}}}", params("4", "0.5")), None),
        ("nothing", "{}".to_owned(), Some("must be positive: 0")),
        ("no window", format!("{{{}}}", params("0", "0.5")), Some("window must be positive: 0")),
        ("a fraction above 1", format!("{{{}}}", params("4", "1.5")), Some("1.500000000000000000")),
        ("no fractions are 0", no_fractions.to_owned(), None),
        ("an info", info(r#""start_height":"5","jailed_until":"2030-01-01T00:00:00Z""#), None),
        ("a negative offset", info(r#""index_offset":"-5""#), Some("index_offset is -5")),
        ("a missed block", missed(r#"{"index":"99","missed":true}"#), None),
        ("a negative index", missed(r#"{"index":"-1","missed":true}"#), Some("index is -1")),
        ("no address", info("").replace(&valcons(0), "x"), Some("\"x\"")),
        ("another field", r#"{"paramss":{}}"#.to_owned(), Some("paramss")),
    ] {
        let got = validate_genesis(Some(&raw(&json))).map_err(|e| e.to_string());
        match (&got, refused) {
            (Err(e), Some(part)) => assert!(e.contains(part), "{name}: {e}"),
            _ => assert_eq!(got.err().as_deref(), refused, "{name}"),
        }
    }
    validate_genesis(None).unwrap();
    let world = World::default();
    insta::assert_snapshot!(Slashing::new(&world).default_genesis().get(), @r#"{"params":{"signed_blocks_window":"100","min_signed_per_window":"0.500000000000000000","downtime_jail_duration":"600s","slash_fraction_double_sign":"0.050000000000000000","slash_fraction_downtime":"0.010000000000000000"},"signing_infos":[],"missed_blocks":[]}"#);
}

/// Keys and values that the Go SDK 0.50.15 writes.
#[test]
fn frozen_formats() {
    let address = LenAddress(Address::try_new(*b"addr1_______________").unwrap());
    let chunk = |i| hex::encode(keys::MISSED.key(&(address.clone(), keys::ChunkIndex(i))));
    assert_eq!(chunk(258), "021461646472315f5f5f5f5f5f5f5f5f5f5f5f5f5f5f0201000000000000");

    let mut chain = Chain::new(1, &params_json("1024", "0"));
    for i in 0..1024 {
        chain.block(1, &[(0, ![0, 63, 64, 1023].contains(&i))]);
    }
    let key = keys::MISSED.key(&(LenAddress(consensus(0)), keys::ChunkIndex(0)));
    let bits = hex::encode(chain.ctx.get(keys::STORE, &key).unwrap().unwrap());
    let head = "000000000000040080000000000000010000000000000001";
    assert_eq!(bits, format!("{head}{}8000000000000000", "0".repeat(13 * 16)));

    chain.ctx.block.height = 3;
    on_hook(&mut chain.ctx, &chain.world, Hook::Bonded { consensus: &address.0 }).unwrap();
    let info = chain.ctx.get(keys::STORE, &keys::SIGNING_INFO.key(&address)).unwrap().unwrap();
    assert_eq!(
        hex::encode(info),
        "0a34636f736d6f7376616c636f6e733176396a7867753333746130343768366c746130343768366c746130343768366c68326b32657a10032200"
    );

    let default = Slashing::new(&chain.world).default_genesis();
    Slashing::new(&chain.world).init_genesis(&mut chain.ctx, Some(&default)).unwrap();
    assert_eq!(
        hex::encode(chain.ctx.get(keys::STORE, &[0]).unwrap().unwrap()),
        "086412123530303030303030303030303030303030301a0308d804221135303030303030303030303030303030302a113130303030303030303030303030303030"
    );
    // The reply for a validator that signed twice, of a recorded chain.
    let jailed = pb::ValidatorSigningInfo {
        address: "cosmosvalcons1gpwc0kuxeeklu4dueduzdz2wq5qpe7zd3xpet8".to_owned(),
        index_offset: 34,
        jailed_until: Some(Timestamp { seconds: 253_402_300_799, nanos: 0 }),
        tombstoned: true,
        ..Default::default()
    };
    assert_eq!(hex::encode(&jailed.encode_to_vec()[54..]), "18222207 08ff82d1ffaf07 2801".replace(' ', ""));
}
