//! What becomes of validators and coins over many blocks.
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
use geodesic_core::{Dec, Module, QueryError};
use geodesic_proto::cosmos::base::query::v1beta1::PageRequest;
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_proto::prost::Message;
use geodesic_staking::types::Status;
use geodesic_staking::{
    Offender, Params, Stake, jail, keys, slash, unjail, validator_set_at, validator_updates,
};

const QUERY: &str = "/cosmos.staking.v1beta1.Query/";

#[test]
fn the_highest_are_bonded_and_coins_change_pools_with_them() {
    let mut chain = Chain::stake();
    chain.begin(5);
    (0..6).for_each(|i| chain.create(i, 1_000_000 * (i as u64 + 1)));
    assert_eq!(chain.pools(), (0_u64.into(), 21_000_000_u64.into()));
    chain.end();
    let powers: Vec<u64> = (0..6).map(|i| chain.power(i)).collect();
    assert_eq!(powers, [0, 0, 3, 4, 5, 6], "max_validators is 4");
    assert_eq!(chain.pools(), (18_000_000_u64.into(), 3_000_000_u64.into()));
    assert_eq!(geodesic_staking::last_total_power(&chain.ctx).unwrap(), 18_u64.into());
    chain.begin(5);
    chain.delegate(9, 0, 5_000_000);
    chain.end();
    assert_eq!(chain.power(2), 0, "pushed out");
    assert_eq!(chain.validator(2).status, Status::Unbonding);
    assert_eq!(chain.pools(), (21_000_000_u64.into(), 5_000_000_u64.into()));
    let updates = validator_updates(&chain.ctx).unwrap();
    assert_eq!(updates.iter().map(|u| u.power).collect::<std::collections::BTreeSet<_>>(), [0, 6].into());
}

#[test]
fn coins_come_back_after_the_unbonding_time() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 5_000_000);
    chain.delegate(1, 0, 1_000_000);
    chain.next(5);
    chain.undelegate(1, 0, 400_000);
    chain.next(59);
    chain.end();
    assert_eq!(balance(&chain.ctx, &account(1), "stake"), (FUNDS - 1_000_000).into());
    chain.begin(1);
    chain.ctx.take_events();
    chain.end();
    assert_eq!(balance(&chain.ctx, &account(1), "stake"), (FUNDS - 600_000).into());
    let event = chain.ctx.take_events().into_iter().find(|e| e.kind == "complete_unbonding").unwrap();
    let want = [("amount", "400000stake".to_owned()), ("validator", val(0)), ("delegator", acc(1))];
    assert_eq!(event.attributes, want.map(|(k, v)| (k.to_owned(), v)));
}

#[test]
fn a_validator_without_delegations_is_removed_when_its_unbonding_is_over() {
    let mut chain = Chain::stake();
    chain.begin(5);
    (0..2).for_each(|i| chain.create(i, 5_000_000));
    chain.next(5);
    chain.undelegate(0, 0, 5_000_000);
    chain.next(5);
    assert_eq!(chain.validator(0).status, Status::Unbonding);
    chain.next(60);
    chain.end();
    assert!(geodesic_staking::validator(&chain.ctx, &account(0)).unwrap().is_none());
    assert!(chain.world.hooks.borrow().iter().any(|h| h == "AfterValidatorRemoved"));
    chain.begin(1);
    chain.create(0, 1_000_000);
    assert_eq!(chain.validator(0).tokens, 1_000_000_u64.into(), "the operator and the key are free again");
}

#[test]
fn sets_hold_from_the_second_block_on() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 5_000_000);
    geodesic_staking::genesis_set(&mut chain.ctx, &chain.world).unwrap();
    assert_eq!(geodesic_staking::genesis_updates(&chain.ctx).unwrap().len(), 1);
    let powers = |chain: &Chain, h: u64| -> Vec<u64> {
        validator_set_at(&chain.ctx, h).unwrap().into_iter().map(|m| m.power).collect()
    };
    chain.end();
    assert!(validator_updates(&chain.ctx).unwrap().is_empty(), "nothing new");
    chain.begin(5); // height 2
    chain.delegate(1, 0, 1_000_000);
    chain.end();
    assert_eq!(validator_updates(&chain.ctx).unwrap().len(), 1);
    assert_eq!([powers(&chain, 2), powers(&chain, 3), powers(&chain, 4)], [[5], [5], [6]]);
    for _ in 0..3 {
        chain.begin(5);
        chain.end();
    }
    // Height 5: the sets of 4 to 7 are kept.
    assert_eq!([powers(&chain, 4), powers(&chain, 7)], [[6], [6]]);
    assert!(powers(&chain, 3).is_empty(), "forgotten");
    let r: own::QueryValidatorSetResponse =
        chain.query("/geodesic.staking.v1.Query/ValidatorSet", &own::QueryValidatorSetRequest { height: 6 });
    assert_eq!((r.members[0].power, r.members[0].operator.as_str()), (6, val(0).as_str()));
    let old = own::QueryValidatorSetRequest { height: 3 }.encode_to_vec();
    let answer = chain.module().query(&chain.ctx, "/geodesic.staking.v1.Query/ValidatorSet", &old);
    assert!(matches!(answer, Err(QueryError::NotFound(_))));
}

#[test]
fn the_last_validator_goes_on_signing() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 5_000_000);
    chain.next(5);
    let mut v = chain.validator(0);
    jail(&mut chain.ctx, &mut v).unwrap();
    chain.end();
    assert_eq!(chain.power(0), 0);
    assert!(validator_updates(&chain.ctx).unwrap().is_empty(), "CometBFT would stop at an empty set");
    let at = chain.ctx.block.height + 2;
    assert_eq!(validator_set_at(&chain.ctx, at).unwrap().len(), 1);
    chain.begin(5);
    chain.create(1, 3_000_000);
    chain.end();
    let powers: Vec<i64> = validator_updates(&chain.ctx).unwrap().iter().map(|u| u.power).collect();
    assert_eq!(powers.len(), 2, "{powers:?}: one comes, and only now the other goes");
}

#[test]
fn slashing_reaches_what_left_after_the_infraction() {
    let mut chain = Chain::stake();
    chain.begin(5);
    (0..2).for_each(|i| chain.create(i, 10_000_000));
    chain.delegate(5, 0, 10_000_000);
    chain.next(5); // height 2
    chain.undelegate(5, 0, 1_000_000);
    chain.next(5); // height 3: the infraction
    chain.undelegate(5, 0, 2_000_000);
    chain.send(&redelegate(5, 0, 1, 3_000_000)).unwrap();
    chain.next(5);
    let (operator, tenth) = (account(0), "0.1".parse::<Dec>().unwrap());
    let supply =
        |chain: &Chain| chain.pool("bonded_tokens_pool").checked_add(chain.pool("not_bonded_tokens_pool"));
    let before = supply(&chain).unwrap();
    // 19 of power at the infraction: 1.9 are due, of which 0.2 and 0.3 by those who left.
    let burned =
        slash(&mut chain.ctx, &chain.world, Offender::Operator(&operator), 3, Stake::Power(19), tenth)
            .unwrap();
    assert_eq!(burned, 1_400_000_u64.into());
    assert_eq!(before.checked_sub(supply(&chain).unwrap()).unwrap(), 1_900_000_u64.into());
    assert_eq!(chain.validator(0).tokens, 12_600_000_u64.into());
    assert_eq!(chain.validator(1).tokens, 12_700_000_u64.into(), "the redelegated part paid there");
    let q = pb::QueryDelegatorUnbondingDelegationsRequest { delegator_addr: acc(5), pagination: None };
    let r: pb::QueryDelegatorUnbondingDelegationsResponse =
        chain.query(&format!("{QUERY}DelegatorUnbondingDelegations"), &q);
    let balances: Vec<_> = r.unbonding_responses[0].entries.iter().map(|e| e.balance.as_str()).collect();
    assert_eq!(balances, ["1000000", "1800000"], "what left before it owes nothing");
}

#[test]
fn slashes_that_are_refused() {
    let mut chain = Chain::stake();
    chain.begin(5);
    chain.create(0, 10_000_000);
    chain.create(1, 10); // never bonded
    chain.next(5);
    let (a, b, gone) = (account(0), account(1), account(7));
    let half: Dec = "0.5".parse().unwrap();
    for (name, offender, height, fraction, want) in [
        ("negative", Offender::Operator(&a), 1, half.negate(), Err(())),
        ("in the future", Offender::Operator(&a), 3, half, Err(())),
        ("unbonded", Offender::Operator(&b), 1, half, Err(())),
        ("nobody", Offender::Consensus(&gone), 1, half, Ok(0_u64)),
        ("nothing", Offender::Operator(&a), 1, Dec::ZERO, Ok(0)),
        ("more than there is", Offender::Operator(&a), 1, Dec::from_int(3_u64.into()), Ok(10_000_000)),
    ] {
        let got = slash(&mut chain.ctx, &chain.world, offender, height, Stake::Power(10), fraction);
        assert_eq!(got.map_err(drop), want.map(Into::into), "{name}");
    }
    let again = pb::MsgDelegate { delegator_address: acc(5), validator_address: val(0), amount: stake(1) };
    assert_eq!(chain.code(&again), ("staking", 34), "shares that are worth nothing");
}

#[test]
fn a_jailed_validator_comes_back_after_it_is_freed() {
    let mut chain = Chain::stake();
    chain.begin(5);
    (0..2).for_each(|i| chain.create(i, 10_000_000));
    chain.next(5);
    let mut v = chain.validator(0);
    jail(&mut chain.ctx, &mut v).unwrap();
    assert_eq!(jail(&mut chain.ctx, &mut v).unwrap_err(), geodesic_staking::Error::ValidatorJailed);
    chain.next(5);
    assert_eq!(chain.validator(0).status, Status::Unbonding);
    let mut v = chain.validator(0);
    unjail(&mut chain.ctx, &mut v).unwrap();
    unjail(&mut chain.ctx, &mut v).unwrap_err();
    chain.end();
    assert_eq!((chain.validator(0).status, chain.power(0)), (Status::Bonded, 10));
    chain.begin(120);
    chain.end();
    assert_eq!(chain.validator(0).status, Status::Bonded, "out of the queue of those that leave");
}

#[test]
fn historical_info_is_bounded_by_its_parameter() {
    let mut chain = Chain::new(&Params { historical_entries: 3, ..params() }, "stake", "null");
    chain.begin(5);
    chain.create(0, 10_000_000);
    (0..6).for_each(|_| chain.next(5));
    let heights: Vec<u64> = keys::HISTORICAL.prefix(&chain.ctx, &()).unwrap().map(|e| e.unwrap().0).collect();
    assert_eq!(heights, [5, 6, 7]);
    let path = format!("{QUERY}HistoricalInfo");
    let r: pb::QueryHistoricalInfoResponse =
        chain.query(&path, &pb::QueryHistoricalInfoRequest { height: 6 });
    #[allow(deprecated)] // the SDK's clients read this field
    let hist = r.hist.unwrap();
    let header = hist.header.unwrap();
    assert_eq!((header.height, header.app_hash, hist.valset.len()), (6, vec![6], 1));
    for (height, want) in [(4, "NotFound"), (-1, "InvalidArgument")] {
        let q = pb::QueryHistoricalInfoRequest { height }.encode_to_vec();
        let got = format!("{:?}", chain.module().query(&chain.ctx, &path, &q).unwrap_err());
        assert!(got.starts_with(want), "{height}: {got}");
    }
}

#[test]
fn queries() {
    let mut chain = Chain::stake();
    chain.begin(5);
    (0..6).for_each(|i| chain.create(i, 1_000_000 * (i as u64 + 1)));
    chain.delegate(8, 0, 10);
    chain.delegate(8, 5, 20);
    chain.next(5);
    chain.undelegate(8, 5, 5);
    let status = |status: &str, limit| pb::QueryValidatorsRequest {
        status: status.into(),
        pagination: Some(PageRequest { limit, count_total: true, ..PageRequest::default() }),
    };
    let all: pb::QueryValidatorsResponse = chain.query(&format!("{QUERY}Validators"), &status("", 4));
    assert_eq!((all.validators.len(), all.pagination.unwrap().total), (4, 6));
    let bonded: pb::QueryValidatorsResponse =
        chain.query(&format!("{QUERY}Validators"), &status("BOND_STATUS_BONDED", 10));
    assert_eq!(bonded.validators.len(), 4);
    let r: pb::QueryDelegatorDelegationsResponse = chain.query(
        &format!("{QUERY}DelegatorDelegations"),
        &pb::QueryDelegatorDelegationsRequest { delegator_addr: acc(8), pagination: None },
    );
    let mut worth: Vec<_> = r.delegation_responses.into_iter().map(|d| d.balance.unwrap().amount).collect();
    worth.sort();
    assert_eq!(worth, ["10", "15"]);
    let r: pb::QueryValidatorDelegationsResponse = chain.query(
        &format!("{QUERY}ValidatorDelegations"),
        &pb::QueryValidatorDelegationsRequest { validator_addr: val(5), pagination: None },
    );
    assert_eq!(r.delegation_responses.len(), 2);
    let r: pb::QueryPoolResponse = chain.query(&format!("{QUERY}Pool"), &pb::QueryPoolRequest {});
    assert_eq!(
        r.pool.unwrap(),
        pb::Pool { bonded_tokens: "18000015".into(), not_bonded_tokens: "3000015".into() }
    );
    let r: own::QueryPowerSourceResponse =
        chain.query("/geodesic.staking.v1.Query/PowerSource", &own::QueryPowerSourceRequest {});
    assert_eq!(r.power_source, own::PowerSource::Stake as i32);
}

#[test]
fn queries_refuse_as_the_senders_fault() {
    let chain = Chain::stake();
    let validator = |a: &str| pb::QueryValidatorRequest { validator_addr: a.into() }.encode_to_vec();
    let delegation = |d: String, v: String| {
        pb::QueryDelegationRequest { delegator_addr: d, validator_addr: v }.encode_to_vec()
    };
    let status = pb::QueryValidatorsRequest { status: "bonded".into(), pagination: None }.encode_to_vec();
    for (name, method, request, want) in [
        ("empty address", "Validator", validator(""), "InvalidArgument"),
        ("bad address", "Validator", validator("x"), "InvalidArgument"),
        ("account for operator", "Validator", validator(&acc(0)), "InvalidArgument"),
        ("no such validator", "Validator", validator(&val(0)), "NotFound"),
        ("no such delegation", "Delegation", delegation(acc(0), val(0)), "NotFound"),
        ("no such pair", "DelegatorValidator", delegation(acc(0), val(0)), "NotFound"),
        ("no such unbonding", "UnbondingDelegation", delegation(acc(0), val(0)), "NotFound"),
        ("status", "Validators", status, "InvalidArgument"),
        ("redelegations of nobody", "Redelegations", Vec::new(), "InvalidArgument"),
        ("malformed", "Validator", vec![0xff], "InvalidArgument"),
        ("no such method", "Nothing", Vec::new(), "Unimplemented"),
    ] {
        let got = chain.module().query(&chain.ctx, &format!("{QUERY}{method}"), &request).unwrap_err();
        assert!(format!("{got:?}").starts_with(want), "{name}: {got:?}");
    }
}
