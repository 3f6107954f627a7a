//! A random life of the SDK's own staking keeper, replayed: every code, reply, gas, event, update and the whole store.
//!
//! `fixtures/life.json` was written by a Go program that drives cosmos-sdk v0.50.15 x/staking over a bank without gas: good
//! and bad messages of every kind, jails, slashes, and changes of the parameters.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod common;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::*;
use geodesic_core::store::{Entry, Range};
use geodesic_core::{Ctx, Dec};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;
use geodesic_proto::tendermint::crypto::public_key::Sum;
use geodesic_staking::{
    Offender, Params, Stake, jail, keys, slash, types::Stored, unjail, validator_updates,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn list(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}

/// The whole store, as entries and as a hash.
fn store(ctx: &Ctx) -> (Vec<Entry>, String) {
    let range = Range::default();
    let entries: Vec<_> = ctx.range(keys::STORE, &range).unwrap().map(Result::unwrap).collect();
    let mut hash = Sha256::new();
    for part in entries.iter().flat_map(|(k, v)| [k, v]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    (entries, hex::encode(hash.finalize()))
}

fn bank_hash(ctx: &Ctx) -> String {
    let mut lines: Vec<String> = BALANCES
        .prefix(ctx, &())
        .unwrap()
        .map(Result::unwrap)
        .filter(|(_, amount)| amount.is_positive())
        .map(|((address, denom), amount)| format!("{}/{denom}={amount}", hex::encode(address)))
        .collect();
    lines.sort();
    hex::encode(Sha256::digest(lines.join("\n")))
}

fn act(chain: &mut Chain, a: &Value, at: &str) {
    let operator = chain.ctx.valoper(text(&a["Operator"])).unwrap();
    let ok = a["Ok"].as_bool().unwrap();
    let mut v = geodesic_staking::validator(&chain.ctx, &operator).unwrap().unwrap();
    let world = &chain.world;
    match text(&a["Kind"]) {
        "jail" => assert_eq!(jail(&mut chain.ctx, &mut v).is_ok(), ok, "{at}"),
        "unjail" => assert_eq!(unjail(&mut chain.ctx, &mut v).is_ok(), ok, "{at}"),
        _ => {
            let height = a["Height"].as_u64().unwrap_or_default();
            let power = Stake::Power(a["Power"].as_u64().unwrap_or_default());
            let fraction: Dec = text(&a["Fraction"]).parse().unwrap();
            let consensus = v.consensus();
            let burned = chain
                .ctx
                .atomic(|ctx| slash(ctx, world, Offender::Consensus(&consensus), height, power, fraction));
            assert_eq!(burned.is_ok(), ok, "{at}: {burned:?}");
            if let Ok(burned) = burned {
                assert_eq!(burned.to_string(), text(&a["Burned"]), "{at}");
            }
        }
    }
}

fn transact(chain: &mut Chain, t: &Value, at: &str) {
    let any = Any { type_url: text(&t["URL"]).to_owned(), value: BASE64.decode(text(&t["Msg"])).unwrap() };
    let (gas, result) = chain.run(&any);
    let (codespace, code, data) = match &result {
        Ok(any) => ("", 0, BASE64.encode(&any.value)),
        Err(e) => (e.codespace, e.code, String::new()),
    };
    let want = (text(&t["Codespace"]), text(&t["Data"]));
    assert_eq!((codespace, data.as_str()), want, "{at}: {result:?}");
    assert_eq!(u64::from(code), t["Code"].as_u64().unwrap(), "{at}: {result:?}");
    assert_eq!(gas, t["Gas"].as_u64().unwrap(), "{at}: gas of {result:?}");
}

fn updates(ctx: &Ctx) -> Vec<String> {
    let text = |u: geodesic_proto::tendermint::abci::ValidatorUpdate| match u.pub_key.and_then(|k| k.sum) {
        Some(Sum::Ed25519(key)) => format!("{}:{}", hex::encode(key), u.power),
        other => panic!("{other:?}"),
    };
    validator_updates(ctx).unwrap().into_iter().map(text).collect()
}

/// Does what CometBFT does with updates, and stops where it stops.
fn merge(set: &mut BTreeMap<String, u64>, updates: &[String]) {
    for update in updates {
        let (key, power) = update.split_once(':').unwrap();
        if power == "0" {
            assert!(set.remove(key).is_some(), "removed {key}, which is not in the set");
        } else {
            set.insert(key.to_owned(), power.parse().unwrap());
        }
    }
}

#[test]
fn answers_gas_events_updates_and_state_are_the_sdks() {
    let life: Value = serde_json::from_str(include_str!("fixtures/life.json")).unwrap();
    let params = pb::Params::decode(BASE64.decode(text(&life["Params"])).unwrap().as_slice()).unwrap();
    let mut chain = Chain::new(&Params::from_message(params).unwrap(), "stake", "null");
    // The SDK's keeper was not given a genesis: what only that writes is not there.
    keys::LAST_TOTAL_POWER.delete(&mut chain.ctx).unwrap();
    for i in 12..40 {
        for denom in ["stake", "atoken"] {
            BALANCES.delete(&mut chain.ctx, &(account(i).as_20().unwrap(), denom.to_owned())).unwrap();
        }
    }
    let (mut sdk_set, mut our_set, mut emptied) = (BTreeMap::new(), BTreeMap::new(), 0);
    let mut last = Vec::new();
    for b in list(&life["Blocks"]) {
        let height = b["Height"].as_u64().unwrap();
        chain.ctx.take_events();
        chain.begin_at(height, b["Time"].as_i64().unwrap());
        for (i, a) in list(&b["Acts"]).iter().enumerate() {
            act(&mut chain, a, &format!("height {height}, act {i}, {a}"));
        }
        for (i, t) in list(&b["Txs"]).iter().enumerate() {
            transact(&mut chain, t, &format!("height {height}, tx {i}, {}", text(&t["URL"])));
        }
        chain.end();
        let events: Vec<String> = chain
            .ctx
            .take_events()
            .into_iter()
            .map(|e| {
                e.attributes.into_iter().fold(e.kind, |line, (key, value)| format!("{line}|{key}={value}"))
            })
            .collect();
        let want: Vec<&str> = list(&b["Events"]).iter().map(text).collect();
        assert_eq!(events, want, "height {height}");
        // Returned is what makes the same set, except that the SDK would end the chain by emptying it.
        let want: Vec<String> = list(&b["Updates"]).iter().map(|u| text(u).to_owned()).collect();
        merge(&mut sdk_set, &want);
        merge(&mut our_set, &updates(&chain.ctx));
        emptied += u32::from(sdk_set.is_empty() && !want.is_empty());
        if !sdk_set.is_empty() {
            assert_eq!(our_set, sdk_set, "height {height}");
        }
        assert_eq!(bank_hash(&chain.ctx), text(&b["Bank"]), "height {height}");
        let (entries, hash) = store(&chain.ctx);
        if height == list(&life["Blocks"]).len() as u64 {
            let got: BTreeMap<_, _> = entries.iter().map(|(k, v)| (hex::encode(k), hex::encode(v))).collect();
            let want = life["Final"].as_object().unwrap();
            for (key, value) in want {
                assert_eq!(got.get(key).map(String::as_str), value.as_str(), "key {key}");
            }
            assert_eq!(
                got.len(),
                want.len(),
                "{:?}",
                got.keys().filter(|k| !want.contains_key(*k)).collect::<Vec<_>>()
            );
        }
        assert_eq!(hash, text(&b["Store"]), "store at height {height}");
        last = entries;
    }
    assert!(!our_set.is_empty() && emptied < 20, "the SDK's set was emptied {emptied} times");
    assert!(last.len() > 100, "the life left {} entries", last.len());
}
