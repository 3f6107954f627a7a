//! Every message: what it changes, and each reason to refuse it.
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
use geodesic_core::{Dec, Module, Sdk};
use geodesic_proto::any::{pack, unpack};
use geodesic_proto::cosmos::crypto::{ed25519, secp256k1};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_proto::prost_types::Any;
use geodesic_staking::types::{Status, Stored};
use geodesic_staking::{ComputeParams, Params, Staking};

type Change<T> = fn(&mut T);

const SDK_INVALID_REQUEST: (&str, u32) = ("sdk", 18);

fn rates(m: &mut pb::MsgCreateValidator) -> &mut pb::CommissionRates {
    m.commission.as_mut().unwrap()
}

#[test]
fn create_validator_refuses() {
    let rows: &[(&str, Change<pb::MsgCreateValidator>, (&str, u32))] = &[
        ("another prefix", |m| m.validator_address = acc(3), ("sdk", 7)),
        ("no key", |m| m.pubkey = None, ("staking", 39)),
        ("no coin", |m| m.value = None, SDK_INVALID_REQUEST),
        ("nothing", |m| m.value = stake(0), SDK_INVALID_REQUEST),
        ("no description", |m| m.description = None, SDK_INVALID_REQUEST),
        ("no commission", |m| m.commission = None, SDK_INVALID_REQUEST),
        ("negative max rate", |m| rates(m).max_rate = "-1".into(), ("staking", 9)),
        ("max rate above 1", |m| rates(m).max_rate = "1000000000000000001".into(), ("staking", 10)),
        ("negative rate", |m| rates(m).rate = "-1".into(), ("staking", 9)),
        ("rate above max", |m| rates(m).rate = "200000000000000001".into(), ("staking", 11)),
        ("negative change", |m| rates(m).max_change_rate = "-1".into(), ("staking", 13)),
        ("change above max", |m| rates(m).max_change_rate = "200000000000000001".into(), ("staking", 14)),
        ("minimum of 0", |m| m.min_self_delegation = "0".into(), SDK_INVALID_REQUEST),
        ("less than the minimum", |m| m.min_self_delegation = "1000001".into(), ("staking", 16)),
        ("below least rate", |m| rates(m).rate = "9999999999999999".into(), ("staking", 40)),
        ("the same operator", |m| m.validator_address = val(0), ("staking", 4)),
        ("the same key", |m| m.pubkey = create(0, 1).pubkey, ("staking", 5)),
        ("another denomination", |m| m.value = coin(1_000_000, "atoken"), SDK_INVALID_REQUEST),
        ("long moniker", |m| m.description.as_mut().unwrap().moniker = "x".repeat(71), SDK_INVALID_REQUEST),
        (
            "long identity",
            |m| m.description.as_mut().unwrap().identity = "x".repeat(3001),
            SDK_INVALID_REQUEST,
        ),
        ("long website", |m| m.description.as_mut().unwrap().website = "x".repeat(141), SDK_INVALID_REQUEST),
        (
            "long contact",
            |m| m.description.as_mut().unwrap().security_contact = "x".repeat(141),
            SDK_INVALID_REQUEST,
        ),
        ("long details", |m| m.description.as_mut().unwrap().details = "x".repeat(281), SDK_INVALID_REQUEST),
        (
            "a secp256k1 key",
            |m| m.pubkey = Some(pack(&secp256k1::PubKey { key: vec![2; 33] })),
            ("staking", 6),
        ),
        ("a short key", |m| m.pubkey = Some(pack(&ed25519::PubKey { key: vec![2; 31] })), ("sdk", 8)),
        (
            "an unknown key type",
            |m| m.pubkey = Some(Any { type_url: "/x.Key".into(), value: Vec::new() }),
            ("sdk", 2),
        ),
        ("an amount that is no number", |m| m.value.as_mut().unwrap().amount = "1e3".into(), ("sdk", 2)),
        ("more coins than owned", |m| m.value = stake(FUNDS + 1), ("sdk", 5)),
    ];
    let mut chain =
        Chain::new(&Params { min_commission_rate: "0.01".parse().unwrap(), ..params() }, "stake", "null");
    chain.begin(5);
    chain.create(0, 1_000_000);
    for (name, change, want) in rows {
        let mut msg = create(1, 1_000_000);
        change(&mut msg);
        assert_eq!(chain.code(&msg), *want, "{name}");
    }
    assert_eq!(chain.code(&create(1, 1_000_000)), ("", 0), "the message they all were made of");
    *chain.world.key_types.borrow_mut() = vec!["secp256k1".to_owned()];
    assert_eq!(chain.code(&create(2, 1_000_000)), ("staking", 6), "ed25519 is not allowed");
    assert!(
        geodesic_staking::validator(&chain.ctx, &account(2)).unwrap().is_none(),
        "dropped with the error"
    );
}

#[test]
fn a_hook_that_fails_fails_the_message() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.world.failing.set(Some("AfterValidatorCreated"));
    assert_eq!(chain.code(&create(0, 10)), ("sdk", 35));
    chain.world.failing.set(None);
    chain.create(0, 10);
    let want = [
        "AfterValidatorCreated",
        "AfterValidatorCreated",
        "BeforeDelegationCreated",
        "AfterDelegationModified",
    ];
    assert_eq!(*chain.world.hooks.borrow(), want);
}

fn edit() -> pb::MsgEditValidator {
    let keep = "[do-not-modify]".to_owned();
    pb::MsgEditValidator {
        description: Some(pb::Description {
            moniker: "new".into(),
            identity: keep.clone(),
            website: keep.clone(),
            security_contact: keep.clone(),
            details: keep,
        }),
        validator_address: val(0),
        ..pb::MsgEditValidator::default()
    }
}

#[test]
fn edit_validator() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 1_000_000);
    let rate = |r: &str| pb::MsgEditValidator { commission_rate: r.into(), ..edit() };
    let minimum = |m: &str| pb::MsgEditValidator { min_self_delegation: m.into(), ..edit() };
    for (name, msg, want) in [
        ("no description", pb::MsgEditValidator { description: None, ..edit() }, SDK_INVALID_REQUEST),
        ("no such validator", pb::MsgEditValidator { validator_address: val(1), ..edit() }, ("staking", 3)),
        ("rate above 1", rate("1000000000000000001"), SDK_INVALID_REQUEST),
        ("negative rate", rate("-1"), SDK_INVALID_REQUEST),
        ("within a day of the creation", rate("105000000000000000"), ("staking", 12)),
        ("minimum of 0", minimum("0"), SDK_INVALID_REQUEST),
        ("minimum not raised", minimum("1"), ("staking", 17)),
        ("minimum above all tokens", minimum("1000001"), ("staking", 16)),
        ("description and minimum", minimum("1000000"), ("", 0)),
    ] {
        assert_eq!(chain.code(&msg), want, "{name}");
    }
    assert_eq!(chain.validator(0).description.moniker, "new");
    chain.next(24 * 60 * 60 - 1);
    assert_eq!(chain.code(&rate("105000000000000000")), ("staking", 12), "a second too early");
    chain.next(1);
    assert_eq!(chain.code(&rate("110000000000000001")), ("staking", 15), "more than the change allowed");
    assert_eq!(chain.code(&rate("200000000000000001")), ("staking", 11), "more than the most allowed");
    assert_eq!(chain.code(&rate("110000000000000000")), ("", 0));
    assert_eq!(chain.validator(0).commission.rate, "0.11".parse::<Dec>().unwrap());
    assert_eq!(chain.code(&rate("110000000000000000")), ("staking", 12), "once a day");
}

#[test]
fn delegate_and_undelegate_refuse() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 1_000_000);
    chain.delegate(1, 0, 500);
    let delegate = |from: String, to: String, amount| pb::MsgDelegate {
        delegator_address: from,
        validator_address: to,
        amount,
    };
    for (name, msg, want) in [
        ("no validator", delegate(acc(1), val(5), stake(1)), ("staking", 3)),
        ("a bad validator address", delegate(acc(1), acc(0), stake(1)), ("sdk", 7)),
        ("a bad delegator address", delegate(val(1), val(0), stake(1)), ("sdk", 7)),
        ("nothing", delegate(acc(1), val(0), stake(0)), SDK_INVALID_REQUEST),
        ("another denomination", delegate(acc(1), val(0), coin(1, "atoken")), SDK_INVALID_REQUEST),
        ("a negative amount", delegate(acc(1), val(0), Some(neg())), SDK_INVALID_REQUEST),
        ("more than owned", delegate(acc(1), val(0), stake(FUNDS)), ("sdk", 5)),
    ] {
        assert_eq!(chain.code(&msg), want, "{name}");
    }
    let msg = |from, to, amount| pb::MsgUndelegate { amount, ..undelegate(from, to, 1) };
    for (name, msg, want) in [
        ("no validator", msg(1, 5, stake(1)), ("staking", 3)),
        ("no delegation", msg(2, 0, stake(1)), ("staking", 19)),
        ("more than delegated", msg(1, 0, stake(501)), SDK_INVALID_REQUEST),
        ("another denomination", msg(1, 0, coin(1, "atoken")), SDK_INVALID_REQUEST),
    ] {
        assert_eq!(chain.code(&msg), want, "{name}");
    }
}

fn neg() -> geodesic_proto::cosmos::base::v1beta1::Coin {
    geodesic_proto::cosmos::base::v1beta1::Coin { denom: "stake".into(), amount: "-1".into() }
}

#[test]
fn unbondings_of_one_block_are_one_entry_and_entries_are_bounded() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 1_000_000);
    chain.delegate(1, 0, 500);
    for times in [2, 2, 1] {
        chain.next(5);
        (0..times).for_each(|_| chain.undelegate(1, 0, 10));
    }
    let q = pb::QueryUnbondingDelegationRequest { delegator_addr: acc(1), validator_addr: val(0) };
    let r: pb::QueryUnbondingDelegationResponse =
        chain.query("/cosmos.staking.v1beta1.Query/UnbondingDelegation", &q);
    let balances: Vec<_> = r.unbond.unwrap().entries.into_iter().map(|e| e.balance).collect();
    assert_eq!(balances, ["20", "20", "10"]);
    chain.next(5);
    assert_eq!(chain.code(&undelegate(1, 0, 1)), ("staking", 27));
}

#[test]
fn redelegations_refuse_to_go_on_and_in_circles() {
    let mut chain = Chain::stake();
    chain.begin(5);
    (0..3).for_each(|i| chain.create(i, 2_000_000));
    chain.delegate(5, 0, 1000);
    chain.next(5);
    for (name, msg, want) in [
        ("to itself", redelegate(5, 0, 0, 1), ("staking", 29)),
        ("to nobody", redelegate(5, 0, 9, 1), ("staking", 31)),
        ("from nobody", redelegate(5, 9, 0, 1), ("staking", 3)),
        ("more than delegated", redelegate(5, 0, 1, 1001), SDK_INVALID_REQUEST),
        ("good", redelegate(5, 0, 1, 400), ("", 0)),
        ("on from there", redelegate(5, 1, 2, 1), ("staking", 32)),
        ("again", redelegate(5, 0, 1, 1), ("", 0)),
        ("and again", redelegate(5, 0, 1, 1), ("", 0)),
        ("too often", redelegate(5, 0, 1, 1), ("staking", 33)),
    ] {
        assert_eq!(chain.code(&msg), want, "{name}");
    }
    chain.next(60);
    chain.next(1);
    assert_eq!(chain.code(&redelegate(5, 1, 2, 1)), ("", 0), "the first ones are over");
}

#[test]
fn a_redelegation_from_an_unbonded_validator_is_over_at_once() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 2_000_000);
    chain.create(1, 10); // below one unit of power, never bonded
    chain.delegate(5, 1, 1000);
    chain.next(5);
    let any = chain.send(&redelegate(5, 1, 0, 400)).unwrap();
    let r: pb::MsgBeginRedelegateResponse = unpack(&any).unwrap();
    assert_eq!(r.completion_time.unwrap().seconds, -62_135_596_800, "Go's zero time");
    assert_eq!(chain.pools(), (2_000_400_u64.into(), 610_u64.into()));
}

#[test]
fn cancelling_an_unbonding() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 2_000_000);
    chain.delegate(5, 0, 1000);
    chain.next(5);
    chain.undelegate(5, 0, 600);
    let height = chain.ctx.block.height as i64;
    let cancel = |amount, creation_height| pb::MsgCancelUnbondingDelegation {
        delegator_address: acc(5),
        validator_address: val(0),
        amount: stake(amount),
        creation_height,
    };
    for (name, msg, want) in [
        ("no height", cancel(1, 0), SDK_INVALID_REQUEST),
        ("nothing", cancel(0, height), SDK_INVALID_REQUEST),
        ("another height", cancel(1, height + 1), ("sdk", 38)),
        ("too much", cancel(601, height), SDK_INVALID_REQUEST),
        ("a part", cancel(200, height), ("", 0)),
        ("the rest", cancel(400, height), ("", 0)),
        ("nothing left", cancel(1, height), ("undefined", 1)),
    ] {
        assert_eq!(chain.code(&msg), want, "{name}");
    }
    assert_eq!(chain.pools(), (2_001_000_u64.into(), 0_u64.into()));
    chain.next(100);
    chain.end();
    assert_eq!(balance(&chain.ctx, &account(5), "stake"), (FUNDS - 1000).into(), "nothing comes back");
}

#[test]
fn parameters_are_the_authoritys() {
    let mut chain = Chain::stake();
    chain.begin(5);
    let gov = module_address("gov").to_bech32(PREFIX);
    let params = Params { max_validators: 7, ..params() };
    let update = |authority: &str, p: &Params| pb::MsgUpdateParams {
        authority: authority.to_owned(),
        params: Some(p.to_message()),
    };
    assert_eq!(chain.code(&update(&acc(0), &params)).0, "gov");
    for (name, params) in [
        ("no unbonding time", Params { unbonding_time_ns: 0, ..params.clone() }),
        ("no validators", Params { max_validators: 0, ..params.clone() }),
        ("no entries", Params { max_entries: 0, ..params.clone() }),
        ("no denomination", Params { bond_denom: "  ".into(), ..params.clone() }),
        ("a bad denomination", Params { bond_denom: "1x".into(), ..params.clone() }),
        ("a rate above 1", Params { min_commission_rate: "1.1".parse().unwrap(), ..params.clone() }),
    ] {
        assert_eq!(chain.code(&update(&gov, &params)), ("undefined", 1), "{name}");
    }
    assert_eq!(chain.code(&update(&gov, &params)), ("", 0));
    assert_eq!(Params::load(&chain.ctx).unwrap(), params);
    let own = |authority: &str, base: &str, per_share: &str| own::MsgUpdateParams {
        authority: authority.to_owned(),
        params: Some(own::ComputeParams { base: base.into(), collateral_per_share: per_share.into() }),
    };
    for (name, msg, want) in [
        ("not the authority", own(&acc(0), "0", "1").clone(), "gov"),
        ("a base above 1", own(&gov, "1000000000000000001", "1"), "sdk"),
        ("no collateral", own(&gov, "0", "0"), "sdk"),
        ("too much collateral", own(&gov, "0", &(1_u128 << 127).to_string()), "sdk"),
        ("good", own(&gov, "1000000000000000000", &((1_u128 << 127) - 1).to_string()), ""),
    ] {
        assert_eq!(chain.code(&msg).0, want, "{name}");
    }
    assert_eq!(ComputeParams::load(&chain.ctx).unwrap().base(), Dec::ONE);
}

#[test]
fn signers_are_those_of_the_descriptors() {
    let chain = Chain::stake();
    let module = Staking::new(&chain.world);
    let gov = module_address("gov").to_bech32(PREFIX);
    let params = pb::MsgUpdateParams { authority: gov, params: None };
    for (any, want) in [
        (pack(&create(1, 1)), account(1)),
        (pack(&edit()), account(0)),
        (pack(&undelegate(2, 0, 1)), account(2)),
        (pack(&redelegate(3, 0, 1, 1)), account(3)),
        (pack(&params), module_address("gov")),
    ] {
        let msg = module.decode(&any).unwrap();
        assert_eq!(module.signers(&msg, PREFIX).unwrap(), [want], "{}", any.type_url);
        assert!(module.signers(&msg, "other").is_err(), "{}", any.type_url);
    }
    let unknown = Any { type_url: "/cosmos.staking.v1beta1.MsgNone".into(), value: Vec::new() };
    assert_eq!(module.decode(&unknown).unwrap_err().code, Sdk::TxDecode as u32);
}

#[test]
fn an_operator_below_its_minimum_is_jailed() {
    let mut chain = Chain::stake();
    chain.begin(5);
    (0..2).for_each(|i| chain.create(i, 2_000_000));
    let msg = pb::MsgEditValidator { min_self_delegation: "1500000".into(), ..edit() };
    chain.send(&msg).unwrap();
    chain.next(5);
    chain.undelegate(0, 0, 500_000);
    assert!(!chain.validator(0).jailed, "just enough is left");
    chain.undelegate(0, 0, 1);
    assert!(chain.validator(0).jailed);
    chain.end();
    assert_eq!(chain.validator(0).status, Status::Unbonding);
    assert_eq!((chain.power(0), chain.power(1)), (0, 2));
}
