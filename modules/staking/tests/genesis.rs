//! Genesis: what is refused, and that an exported chain goes on as it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod common;

use common::*;
use geodesic_core::address::module_address;
use geodesic_core::{Ctx, Module};
use geodesic_staking::{
    Params, PowerSource, Staking, compute_activate, compute_set_shares, genesis_set, keys, validate_genesis,
    validator_set_at,
};
use serde_json::value::RawValue;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// A chain with all there can be in state, at the end of a block.
fn busy(source: &str) -> Chain {
    let mut chain = Chain::new(&params(), source, "null");
    (0..6).for_each(|i| chain.create(i, 10_000_000 + i as u64));
    genesis_set(&mut chain.ctx, &chain.world).unwrap();
    chain.begin(5);
    chain.delegate(9, 0, 5_000_000);
    chain.undelegate(9, 0, 1_000);
    chain.send(&redelegate(9, 0, 1, 2_000)).unwrap();
    if source == "compute" {
        let weights: Vec<_> = (0..6).map(|i| (account(i).as_20().unwrap(), 7 + i as u128)).collect();
        compute_set_shares(&mut chain.ctx, &weights).unwrap();
        compute_activate(&mut chain.ctx, &chain.world).unwrap();
        compute_set_shares(&mut chain.ctx, &weights[..2]).unwrap();
    }
    chain.next(5);
    let mut v = chain.validator(2);
    geodesic_staking::jail(&mut chain.ctx, &mut v).unwrap();
    chain.end();
    chain
}

fn import(of: &Chain, json: &str) -> Chain {
    let balances: Vec<_> = BALANCES.prefix(&of.ctx, &()).unwrap().map(Result::unwrap).collect();
    let mut chain = Chain::of_genesis(json, |ctx: &mut Ctx| {
        for (key, amount) in &balances {
            BALANCES.set(ctx, key, amount).unwrap();
        }
    });
    genesis_set(&mut chain.ctx, &chain.world).unwrap();
    chain
}

#[test]
fn an_exported_chain_goes_on_as_it_was() {
    for source in ["stake", "compute"] {
        let mut old = busy(source);
        let json = old.module().export_genesis(&old.ctx).unwrap();
        let mut new = import(&old, json.get());
        assert_eq!(new.module().export_genesis(&new.ctx).unwrap().get(), json.get(), "{source}");
        assert_eq!(PowerSource::load(&new.ctx).unwrap().name(), source);
        let at = old.ctx.block.height + 2;
        assert_eq!(
            validator_set_at(&new.ctx, 1).unwrap(),
            validator_set_at(&old.ctx, at).unwrap(),
            "{source}"
        );
        // The same blocks change both in the same way.
        new.ctx.block.time_ns = old.ctx.block.time_ns;
        for chain in [&mut old, &mut new] {
            chain.begin(5);
            chain.delegate(7, 3, 9_000_000);
            chain.next(100);
            chain.end();
        }
        let state =
            |c: &Chain| (c.pools(), (0..6).map(|i| (c.power(i), c.validator(i).tokens)).collect::<Vec<_>>());
        assert_eq!(state(&old), state(&new), "{source}");
        assert_eq!(
            balance(&old.ctx, &account(9), "stake"),
            balance(&new.ctx, &account(9), "stake"),
            "{source}"
        );
    }
}

#[test]
fn the_default_is_the_sdks() {
    let chain = Chain::stake();
    let module = Staking::new(&chain.world);
    insta::assert_snapshot!(module.default_genesis().get(), @r#"{"params":{"unbonding_time":"1814400s","max_validators":100,"max_entries":7,"historical_entries":10000,"bond_denom":"stake","min_commission_rate":"0.000000000000000000"},"last_total_power":"0","last_validator_powers":[],"validators":[],"delegations":[],"unbonding_delegations":[],"redelegations":[],"exported":false}"#);
    assert_eq!(
        Params::load(&Chain::of_genesis(module.default_genesis().get(), |_| {}).ctx).unwrap(),
        Params::default()
    );
    validate_genesis(None).unwrap();
}

#[test]
fn power_source_is_read_beside_the_sdks_fields() {
    let base = Staking::new(&Chain::stake().world).default_genesis().get().to_owned();
    let with = |field: &str| base.replacen('{', &format!("{{{field},"), 1);
    for (name, json, want) in [
        ("absent", base.clone(), Ok("stake")),
        ("stake", with(r#""power_source":"stake""#), Ok("stake")),
        ("compute", with(r#""power_source":"compute""#), Ok("compute")),
        ("null", with(r#""power_source":null"#), Ok("stake")),
        ("unknown", with(r#""power_source":"wind""#), Err("power_source is wind, not stake or compute")),
        ("a number", with(r#""power_source":1"#), Err("power_source is 1, not stake or compute")),
        ("an unknown field", with(r#""powersource":"stake""#), Err("unknown field")),
    ] {
        match (validate_genesis(Some(&raw(&json))), want) {
            (Ok(()), Ok(source)) => {
                let chain = Chain::of_genesis(&json, |_| {});
                assert_eq!(PowerSource::load(&chain.ctx).unwrap().name(), source, "{name}");
            }
            (Err(e), Err(want)) => assert!(e.to_string().contains(want), "{name}: {e}"),
            (got, want) => panic!("{name}: {got:?}, not {want:?}"),
        }
    }
}

#[test]
fn what_is_refused() {
    let chain = busy("compute");
    let json = chain.module().export_genesis(&chain.ctx).unwrap().get().to_owned();
    let operator = val(0);
    let tampered = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        json.replacen(from, to, 1)
    };
    let cases = [
        (
            "no unbonding time",
            tampered(r#""unbonding_time":"60s""#, r#""unbonding_time":"0s""#),
            "unbonding time",
        ),
        ("no validators", tampered(r#""max_validators":4"#, r#""max_validators":0"#), "max validators"),
        ("tokens the pools do not hold", tampered(r#""tokens":"1"#, r#""tokens":"2"#), "holds"),
        ("a status that is none", tampered("BOND_STATUS_BONDED", "BOND_STATUS_UNSPECIFIED"), "status"),
        (
            "an operator of another chain",
            tampered(&operator, &account(0).to_bech32("geovaloper")),
            "expected 'cosmosvaloper'",
        ),
        ("no base", tampered(r#""base":"0.200000000000000000""#, r#""base":"1.2""#), "base is 1.2"),
        ("a share above 1", tampered(r#""share":""#, r#""share":"9999999"#), "is above 10^12"),
    ];
    for (name, json, want) in cases {
        let mut ctx = Chain::stake().ctx;
        for (key, amount) in BALANCES.prefix(&chain.ctx, &()).unwrap().map(Result::unwrap) {
            BALANCES.set(&mut ctx, &key, &amount).unwrap();
        }
        let e = Staking::new(&chain.world).init_genesis(&mut ctx, Some(&raw(&json))).unwrap_err();
        assert!(e.to_string().contains(want), "{name}: {e}");
    }
}

#[test]
fn pools_must_hold_what_validators_have() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 5_000_000);
    chain.end();
    let json = chain.module().export_genesis(&chain.ctx).unwrap();
    let mut ctx = Chain::stake().ctx;
    let e = chain.module().init_genesis(&mut ctx, Some(&json)).unwrap_err();
    assert_eq!(
        e.to_string(),
        "genesis of staking: bonded_tokens_pool holds 0stake, the validators and unbondings have 5000000stake"
    );
    let pool = module_address("bonded_tokens_pool").as_20().unwrap();
    BALANCES.set(&mut ctx, &(pool, "stake".to_owned()), &5_000_000_u64.into()).unwrap();
    chain.module().init_genesis(&mut ctx, Some(&json)).unwrap();
    assert_eq!(keys::LAST_VALIDATOR_POWER.prefix(&ctx, &()).unwrap().count(), 1);
}
