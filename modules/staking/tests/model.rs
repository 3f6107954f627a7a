//! Random delegations, creations, edits and blocks against a model that knows only who owns what.
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

use common::*;
use geodesic_core::{Dec, Int};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::tendermint::crypto::public_key::Sum;
use geodesic_staking::types::POWER_REDUCTION;
use geodesic_staking::{Offender, Stake, jail, keys, slash, unjail, validator_updates};
use proptest::prelude::*;

const USERS: usize = 10;
const OPERATORS: usize = 7;

#[derive(Debug, Clone)]
enum Op {
    Create(usize, u64),
    Edit(usize, u64),
    Delegate(usize, usize, u64),
    Undelegate(usize, usize, u64),
    Redelegate(usize, usize, usize, u64),
    Cancel(usize, usize, u64, u64),
    Jail(usize),
    Unjail(usize),
    Slash(usize, i64),
    Next(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let user = || 0..USERS;
    let val = || 0..OPERATORS;
    let amount = || prop_oneof![1..20_u64, 1..20_000_000_u64];
    prop_oneof![
        4 => (val(), amount()).prop_map(|(a, b)| Op::Create(a, b)),
        1 => (val(), 0..5_000_000_u64).prop_map(|(a, b)| Op::Edit(a, b)),
        8 => (user(), val(), amount()).prop_map(|(a, b, c)| Op::Delegate(a, b, c)),
        8 => (user(), val(), amount()).prop_map(|(a, b, c)| Op::Undelegate(a, b, c)),
        4 => (user(), val(), val(), amount()).prop_map(|(a, b, c, d)| Op::Redelegate(a, b, c, d)),
        2 => (user(), val(), amount(), 0..4_u64).prop_map(|(a, b, c, d)| Op::Cancel(a, b, c, d)),
        1 => val().prop_map(Op::Jail),
        1 => val().prop_map(Op::Unjail),
        1 => (val(), 0..80_i64).prop_map(|(a, b)| Op::Slash(a, b)),
        10 => (1..40_i64).prop_map(Op::Next),
    ]
}

/// Coins that exist, and the set that CometBFT has been told of.
struct Model {
    supply: Int,
    set: BTreeMap<Vec<u8>, i64>,
}

fn supply(chain: &Chain) -> Int {
    let stake =
        BALANCES.prefix(&chain.ctx, &()).unwrap().map(Result::unwrap).filter(|((_, d), _)| d == "stake");
    stake.fold(Int::ZERO, |sum, (_, amount)| sum.checked_add(amount).unwrap())
}

fn sum(values: impl IntoIterator<Item = Int>) -> Int {
    values.into_iter().fold(Int::ZERO, |sum, v| sum.checked_add(v).unwrap())
}

fn act(chain: &mut Chain, model: &mut Model, op: &Op) {
    match op {
        Op::Create(i, amount) => drop(chain.send(&create(*i, *amount))),
        Op::Edit(i, minimum) => {
            let description = Some(pb::Description { moniker: "m".into(), ..pb::Description::default() });
            let min_self_delegation = minimum.to_string();
            let msg = pb::MsgEditValidator {
                description,
                validator_address: val(*i),
                min_self_delegation,
                ..pb::MsgEditValidator::default()
            };
            drop(chain.send(&msg));
        }
        Op::Delegate(from, to, amount) => {
            let (delegator_address, validator_address, amount) = (acc(*from), val(*to), stake(*amount));
            drop(chain.send(&pb::MsgDelegate { delegator_address, validator_address, amount }));
        }
        Op::Undelegate(from, to, amount) => drop(chain.send(&undelegate(*from, *to, *amount))),
        Op::Redelegate(from, a, b, amount) => drop(chain.send(&redelegate(*from, *a, *b, *amount))),
        Op::Cancel(from, to, amount, back) => drop(chain.send(&pb::MsgCancelUnbondingDelegation {
            delegator_address: acc(*from),
            validator_address: val(*to),
            amount: stake(*amount),
            creation_height: chain.ctx.block.height as i64 - *back as i64,
        })),
        Op::Jail(i) | Op::Unjail(i) => {
            if let Some(mut v) = geodesic_staking::validator(&chain.ctx, &account(*i)).unwrap() {
                let f = if matches!(op, Op::Jail(_)) { jail } else { unjail };
                drop(f(&mut chain.ctx, &mut v));
            }
        }
        Op::Slash(i, percent) => {
            let height = chain.ctx.block.height.saturating_sub(2);
            let (operator, fraction) = (account(*i), Dec::with_decimals(*percent, 2).unwrap());
            let (who, stake) = (Offender::Operator(&operator), Stake::Power(chain.power(*i)));
            let world = &chain.world;
            drop(chain.ctx.atomic(|ctx| slash(ctx, world, who, height, stake, fraction)));
            model.supply = supply(chain); // what was burned is checked where it is computed
        }
        Op::Next(seconds) => {
            chain.end();
            check_updates(chain, model);
            chain.begin(*seconds);
        }
    }
}

/// The set that CometBFT now has is the one in state, unless that is empty.
fn check_updates(chain: &Chain, model: &mut Model) {
    for u in validator_updates(&chain.ctx).unwrap() {
        let Some(Sum::Ed25519(key)) = u.pub_key.unwrap().sum else { panic!("another key type") };
        match u.power {
            0 => assert!(model.set.remove(&key).is_some(), "removed what is not there"),
            power => assert_ne!(model.set.insert(key, power), Some(power), "not a change"),
        }
    }
    let params = params();
    let mut best: Vec<(u64, std::cmp::Reverse<Vec<u8>>)> = Vec::new();
    for v in geodesic_staking::all_validators(&chain.ctx).unwrap() {
        let power = v.tokens.checked_quo(POWER_REDUCTION.into()).unwrap().to_u64().unwrap();
        if !v.jailed && power > 0 {
            best.push((power, std::cmp::Reverse(v.address.as_bytes().to_vec())));
        }
    }
    best.sort();
    let want: BTreeMap<Vec<u8>, i64> =
        best.into_iter().rev().take(params.max_validators as usize).map(|(p, a)| (a.0, p as i64)).collect();
    let last: BTreeMap<Vec<u8>, i64> = keys::LAST_VALIDATOR_POWER
        .prefix(&chain.ctx, &())
        .unwrap()
        .map(Result::unwrap)
        .map(|(k, p)| (k.0.as_bytes().to_vec(), p))
        .collect();
    assert_eq!(last, want, "the highest powers");
    if !last.is_empty() {
        let mut powers: Vec<i64> = last.values().copied().collect();
        let mut set: Vec<i64> = model.set.values().copied().collect();
        powers.sort_unstable();
        set.sort_unstable();
        assert_eq!(set, powers);
    }
}

/// What holds after every message.
fn check(chain: &Chain, model: &Model) {
    assert_eq!(supply(chain), model.supply, "coins neither appear nor vanish");
    let validators = geodesic_staking::all_validators(&chain.ctx).unwrap();
    let tokens = |bonded| sum(validators.iter().filter(|v| v.is_bonded() == bonded).map(|v| v.tokens));
    let unbondings = keys::UNBONDINGS.prefix(&chain.ctx, &()).unwrap().map(|e| e.unwrap().1);
    let leaving = sum(unbondings.flat_map(|u| u.entries).map(|e| e.balance));
    let pools = (tokens(true), tokens(false).checked_add(leaving).unwrap());
    assert_eq!(chain.pools(), pools, "pools hold the validators' tokens and what is on its way");
    let mut shares = BTreeMap::<String, Dec>::new();
    let (mut delegations, mut index) = (0, 0);
    for entry in keys::DELEGATIONS.prefix(&chain.ctx, &()).unwrap() {
        let d = entry.unwrap().1;
        assert!(d.shares.is_positive(), "{d:?}");
        let sum = shares.entry(d.validator).or_default();
        *sum = sum.checked_add(d.shares).unwrap();
        delegations += 1;
    }
    for v in &validators {
        assert_eq!(shares.remove(&v.operator).unwrap_or_default(), v.shares, "shares of {}", v.operator);
        assert!(!v.tokens.is_negative());
    }
    assert!(shares.is_empty(), "delegations to nobody: {shares:?}");
    for entry in keys::DELEGATIONS_BY_VALIDATOR.prefix(&chain.ctx, &()).unwrap() {
        entry.unwrap();
        index += 1;
    }
    assert_eq!(delegations, index);
    let ranked = keys::POWER_INDEX.prefix(&chain.ctx, &()).unwrap().count();
    assert_eq!(ranked, validators.iter().filter(|v| !v.jailed).count(), "each free validator has one rank");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_books_agree_whatever_people_do(ops in prop::collection::vec(op(), 1..90)) {
        let mut chain = Chain::stake();
        chain.begin(5);
        let mut model = Model { supply: supply(&chain), set: BTreeMap::new() };
        for op in &ops {
            act(&mut chain, &mut model, op);
            check(&chain, &model);
        }
        act(&mut chain, &mut model, &Op::Next(1));
        check(&chain, &model);
    }
}
