//! Power from compute: shares of work, limited by collateral.
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
use geodesic_core::fixed::split;
use geodesic_core::{Dec, Int};
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_staking::math::{self, POWER_ONE, SHARE_ONE, Step};
use geodesic_staking::types::Status;
use geodesic_staking::{
    ComputeParams, Offender, Params, Stake, compute_activate, compute_set_shares, genesis_set, jail, slash,
    unjail, validator_set_at,
};
use proptest::prelude::*;

/// A quarter of these coins backs a quarter of the power.
const PER_SHARE: u64 = 40_000_000;

/// A chain whose operators 0.. have these tokens, at the end of its genesis.
fn chain(max_validators: u32, tokens: &[u64]) -> Chain {
    chain_without_key(max_validators, tokens, &[])
}

fn chain_without_key(max_validators: u32, tokens: &[u64], keyless: &[usize]) -> Chain {
    let compute = format!(r#"{{"params":{{"base":"0.2","collateral_per_share":"{PER_SHARE}"}}}}"#);
    let mut chain = Chain::new(&Params { max_validators, ..params() }, "compute", &compute);
    *chain.world.keyless.borrow_mut() = keyless.iter().map(|i| account(*i).as_20().unwrap()).collect();
    tokens.iter().enumerate().for_each(|(i, t)| chain.create(i, *t));
    genesis_set(&mut chain.ctx, &chain.world).unwrap();
    chain.begin(5);
    chain
}

/// Gives power for these weights, at the end of the block, as the settlement of an epoch does.
fn activate(chain: &mut Chain, weights: &[(usize, u128)]) {
    let weights: Vec<_> = weights.iter().map(|(i, w)| (account(*i).as_20().unwrap(), *w)).collect();
    compute_set_shares(&mut chain.ctx, &weights).unwrap();
    compute_activate(&mut chain.ctx, &chain.world).unwrap();
    chain.end();
}

fn powers(chain: &Chain, n: usize) -> Vec<u64> {
    (0..n).map(|i| chain.power(i)).collect()
}

fn total(chain: &Chain) -> u64 {
    geodesic_staking::last_total_power(&chain.ctx).unwrap().to_u64().unwrap()
}

#[test]
fn the_formula() {
    let params = |base: &str, per_share: u128| {
        ComputeParams::try_new(base.parse().unwrap(), per_share.into()).unwrap()
    };
    let one = SHARE_ONE;
    for (name, share, collateral, p, want) in [
        ("nothing", 0, 1_000_u64, params("0.2", 1000), 0),
        ("all, fully backed", one, 800, params("0.2", 1000), 1_000_000),
        ("all, more than backed", one, u64::MAX, params("0.2", 1000), 1_000_000),
        ("all, half backed", one, 400, params("0.2", 1000), 600_000),
        ("all, not backed", one, 0, params("0.2", 1000), 200_000),
        ("a half, fully backed", one / 2, 400, params("0.2", 1000), 500_000),
        ("a half, overbacked", one / 2, 1000, params("0.2", 1000), 500_000),
        ("a third rounds down", one / 3, 1000, params("0.2", 1000), 333_333),
        ("collateral rounds down", one, 1, params("0", 3), 333_333),
        ("no base", one, 500, params("0", 1000), 500_000),
        ("base only", one / 4, 0, params("1", 1000), 250_000),
        ("below a millionth", 999_999, 1000, params("1", 1000), 0),
        ("the greatest divisor", one, u64::MAX, params("0", (1 << 127) - 1), 0),
    ] {
        assert_eq!(math::power(share, collateral.into(), &p), Ok(want), "{name}");
    }
    assert!(math::power(one + 1, Int::ONE, &params("0.2", 1000)).is_err(), "a share above 1");
}

#[test]
fn the_tokens_of_genesis_give_the_first_shares() {
    // 10 + 20 + 10 of 40 million back a quarter, half and a quarter.
    let chain = chain(10, &[10_000_000, 20_000_000, 10_000_000]);
    assert_eq!(powers(&chain, 3), [250_000, 500_000, 250_000]);
    let set = validator_set_at(&chain.ctx, 1).unwrap();
    assert_eq!(set.iter().map(|m| m.power).sum::<u64>(), POWER_ONE);
    assert_eq!(geodesic_staking::genesis_updates(&chain.ctx).unwrap().len(), 3);
    assert_eq!(chain.pools(), (40_000_000_u64.into(), 0_u64.into()));
}

#[test]
fn no_vrf_key_no_power() {
    let mut chain = chain_without_key(10, &[10_000_000, 10_000_000, 20_000_000], &[1]);
    assert_eq!(chain.power(1), 0);
    assert_eq!(chain.validator(1).status, Status::Unbonded, "bonded is who has power");
    activate(&mut chain, &[(0, 1), (1, 1), (2, 1)]);
    assert_eq!(chain.power(1), 0);
    chain.begin(5);
    chain.world.keyless.borrow_mut().clear();
    activate(&mut chain, &[(0, 1), (1, 1), (2, 1)]);
    assert!(chain.power(1) > 0);
    assert_eq!(chain.validator(1).status, Status::Bonded);
}

#[test]
fn a_fall_of_collateral_counts_in_its_block_and_a_rise_at_the_next_activation() {
    let mut chain = chain(10, &[10_000_000, 10_000_000, 10_000_000, 10_000_000]);
    chain.delegate(9, 0, 1_000_000);
    chain.end();
    let before = chain.power(0);
    assert_eq!(before, 250_000, "the share is the limit");
    chain.begin(5);
    chain.undelegate(0, 0, 5_000_000);
    assert_eq!(chain.power(0), 250_000);
    chain.end();
    // 0.25 * 0.2 + 6 / 40 million.
    assert_eq!(chain.power(0), 200_000, "in the same block");
    chain.begin(5);
    chain.delegate(9, 0, 20_000_000);
    chain.end();
    assert_eq!(chain.power(0), 200_000, "no rise before the next activation");
    chain.begin(5);
    activate(&mut chain, &[(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(chain.power(0), 250_000);
}

#[test]
fn without_a_new_share_and_without_anybody_qualified_the_powers_stay() {
    let mut chain = chain(10, &[10_000_000, 10_000_000]);
    let before = powers(&chain, 2);
    activate(&mut chain, &[]);
    assert_eq!(powers(&chain, 2), before, "no weights");
    chain.begin(5);
    activate(&mut chain, &[(0, 0), (1, 0)]);
    assert_eq!(powers(&chain, 2), before, "no weight above 0");
    chain.begin(5);
    activate(&mut chain, &[(7, 5)]);
    assert_eq!(powers(&chain, 2), before, "no validator");
    chain.begin(5);
    *chain.world.keyless.borrow_mut() = (0..2).map(|i| account(i).as_20().unwrap()).collect();
    activate(&mut chain, &[(0, 1), (1, 2)]);
    assert_eq!(powers(&chain, 2), before, "no keys");
}

#[test]
fn a_jailed_validator_has_no_power_until_it_is_free_and_powers_are_given() {
    let mut chain = chain(10, &[10_000_000, 10_000_000, 10_000_000, 10_000_000]);
    let mut v = chain.validator(0);
    jail(&mut chain.ctx, &mut v).unwrap();
    chain.end();
    assert_eq!(powers(&chain, 4), [0, 250_000, 250_000, 250_000]);
    assert_eq!(chain.validator(0).status, Status::Unbonding);
    assert_eq!(chain.pools(), (30_000_000_u64.into(), 10_000_000_u64.into()));
    chain.begin(5);
    activate(&mut chain, &[(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(chain.power(0), 0, "still in jail");
    chain.begin(5);
    let mut v = chain.validator(0);
    unjail(&mut chain.ctx, &mut v).unwrap();
    chain.end();
    assert_eq!(chain.power(0), 0, "free, but no powers were given");
    chain.begin(5);
    activate(&mut chain, &[(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(chain.power(0), 250_000, "a third of 750,000");
    assert_eq!(chain.validator(0).status, Status::Bonded);
}

#[test]
fn when_all_are_jailed_the_set_goes_on_and_recovers_by_thirds() {
    let mut chain = chain(10, &[10_000_000, 10_000_000]);
    for i in 0..2 {
        let mut v = chain.validator(i);
        jail(&mut chain.ctx, &mut v).unwrap();
    }
    chain.end();
    let at = chain.ctx.block.height + 2;
    assert_eq!(validator_set_at(&chain.ctx, at).unwrap().len(), 2, "CometBFT keeps the last set");
    chain.begin(5);
    chain.create(2, 40_000_000);
    activate(&mut chain, &[(2, 1)]);
    let before: u64 = 700_000; // two halves of 0.5 * 0.2 + 10/40
    assert_eq!(powers(&chain, 3), [0, 0, before / 3]);
}

#[test]
fn max_validators_limits_powers_and_not_shares() {
    let mut chain = chain(2, &[20_000_000, 10_000_000, 10_000_000]);
    assert_eq!(
        powers(&chain, 3),
        [
            500_000,
            if account(1) < account(2) { 250_000 } else { 0 },
            if account(1) < account(2) { 0 } else { 250_000 }
        ]
    );
    let r: own::QueryComputePowersResponse =
        chain.query("/geodesic.staking.v1.Query/ComputePowers", &own::QueryComputePowersRequest::default());
    let shares: u64 = r.powers.iter().map(|p| p.share).sum();
    assert_eq!((r.powers.len(), shares), (3, SHARE_ONE));
    assert_eq!(r.powers.iter().filter(|p| p.power > 0).count(), 2);
    assert!(r.powers.iter().all(|p| p.effective == p.share), "fully backed");
    activate(&mut chain, &[(0, 1), (1, 3), (2, 3)]);
    assert_eq!(powers(&chain, 3).iter().filter(|p| **p > 0).count(), 2);
}

#[test]
fn a_fraction_of_the_collateral_is_burned_whatever_the_status_and_wherever_it_went() {
    let mut chain = chain(10, &[10_000_000, 10_000_000, 10_000_000]);
    chain.delegate(9, 0, 10_000_000); // height 1: 20 of collateral, 10 of which backs no power yet
    chain.end();
    chain.begin(5);
    activate(&mut chain, &[(0, 2), (1, 1), (2, 1)]); // height 2
    chain.begin(5); // height 3: the infraction
    chain.undelegate(9, 0, 4_000_000);
    chain.send(&redelegate(9, 0, 1, 6_000_000)).unwrap();
    chain.undelegate(0, 0, 10_000_000); // all that is left
    chain.end();
    assert_eq!(chain.power(0), 0, "in jail: below its minimum");
    chain.begin(100); // longer than the unbonding time of the validator, so it is gone; the coins came back
    chain.end();
    assert!(geodesic_staking::validator(&chain.ctx, &account(0)).unwrap().is_none());
    let (operator, tenth) = (account(0), "0.1".parse::<Dec>().unwrap());
    let who = Offender::Operator(&operator);
    let burned = slash(&mut chain.ctx, &chain.world, who, 3, Stake::Power(0), tenth).unwrap();
    assert_eq!(burned, Int::ZERO, "after the unbonding time nothing can be reached");
}

#[test]
fn unbondings_begun_after_the_infraction_pay() {
    let mut chain = chain(10, &[10_000_000, 10_000_000, 10_000_000]);
    chain.delegate(9, 0, 10_000_000);
    chain.end();
    chain.begin(5);
    activate(&mut chain, &[(0, 2), (1, 1), (2, 1)]);
    chain.begin(5); // height 3: the infraction
    let supply = |c: &Chain| c.pools().0.checked_add(c.pools().1).unwrap();
    chain.undelegate(9, 0, 4_000_000);
    chain.send(&redelegate(9, 0, 1, 6_000_000)).unwrap();
    chain.undelegate(0, 0, 10_000_000);
    chain.next(5);
    let before = supply(&chain);
    let (operator, tenth) = (account(0), "0.1".parse::<Dec>().unwrap());
    let who = Offender::Operator(&operator);
    let burned = slash(&mut chain.ctx, &chain.world, who, 3, Stake::Power(0), tenth).unwrap();
    assert_eq!(burned, 2_000_000_u64.into(), "a tenth of 4, 6 and 10 million");
    assert_eq!(before.checked_sub(supply(&chain)).unwrap(), burned);
    chain.end();
}

#[test]
fn an_activation_in_the_block_of_the_infraction_backed_nothing_in_it() {
    let mut chain = chain(10, &[10_000_000, 10_000_000]);
    chain.delegate(9, 0, 10_000_000);
    activate(&mut chain, &[(0, 1), (1, 1)]); // at the end of height 1: 20 million from now on
    chain.next(5);
    let (operator, tenth) = (account(0), "0.1".parse::<Dec>().unwrap());
    let who = Offender::Operator(&operator);
    for (height, want) in [
        (0, 1_000_000_u64), // signed at the first height: what genesis gave
        (1, 1_000_000),     // signed at 2, where the powers of genesis were in force
        (2, 2_000_000),     // signed at 3, where the new ones are
    ] {
        let before = chain.validator(0).tokens;
        let burned = slash(&mut chain.ctx, &chain.world, who, height, Stake::Power(0), tenth).unwrap();
        assert_eq!(burned, want.into(), "height {height}");
        let refill = before.checked_sub(chain.validator(0).tokens).unwrap().to_u64().unwrap();
        chain.delegate(8, 0, refill);
    }
}

#[test]
fn coins_that_came_after_powers_were_given_do_not_pay_more_than_what_backed_them() {
    let mut chain = chain(10, &[10_000_000, 10_000_000]);
    chain.delegate(9, 0, 90_000_000);
    let (operator, tenth) = (account(0), "0.1".parse::<Dec>().unwrap());
    let who = Offender::Operator(&operator);
    let burned = slash(&mut chain.ctx, &chain.world, who, 1, Stake::Power(500_000), tenth).unwrap();
    assert_eq!(burned, 1_000_000_u64.into(), "a tenth of the 10 million behind the power, not of 100");
    let burned =
        slash(&mut chain.ctx, &chain.world, who, 1, Stake::Tokens(50_000_000_u64.into()), tenth).unwrap();
    assert_eq!(burned, 5_000_000_u64.into(), "the caller knows better");
    chain.create(5, 30_000_000);
    let operator = account(5);
    let who = Offender::Operator(&operator);
    let burned = slash(&mut chain.ctx, &chain.world, who, 1, Stake::Power(0), tenth).unwrap();
    assert_eq!(burned, 3_000_000_u64.into(), "never bonded, without a share: all its coins answer");
}

fn step() -> impl Strategy<Value = Step> {
    let pair = || (0..=SHARE_ONE, 0..=POWER_ONE);
    (pair(), pair()).prop_map(|(old, new)| Step { old, new })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// No step of a ramp leaves the way from old to new, and the increases are what is allowed to the unit.
    #[test]
    fn a_ramp_is_bounded(mut steps in prop::collection::vec(step(), 0..20), allowed in 1..2 * POWER_ONE) {
        let before = steps.clone();
        let wanted = math::wanted(&steps);
        math::ramp(&mut steps, allowed);
        let increases: u64 = steps.iter().map(|s| s.new.1.saturating_sub(s.old.1)).sum();
        prop_assert_eq!(increases, wanted.min(allowed));
        for (b, a) in before.iter().zip(&steps) {
            let (low, high) = (b.old.1.min(b.new.1), b.old.1.max(b.new.1));
            prop_assert!((low..=high).contains(&a.new.1), "{b:?} {a:?}");
            prop_assert!(a.new.0 >= b.new.0.min(b.old.0) && a.new.0 <= b.new.0.max(b.old.0), "{b:?} {a:?}");
        }
    }

    /// Whoever falls by a ramp still has the collateral for its power, to one unit of rounding.
    #[test]
    fn a_ramp_never_outruns_collateral(
        shares in prop::collection::vec((0..=SHARE_ONE, 0..=SHARE_ONE), 1..12),
        collateral in 0..2 * PER_SHARE,
        allowed in 1..POWER_ONE,
    ) {
        let params = ComputeParams::try_new("0.2".parse().unwrap(), PER_SHARE.into()).unwrap();
        let power = |share| math::power(share, collateral.into(), &params).unwrap();
        let mut steps: Vec<_> =
            shares.iter().map(|(a, b)| Step { old: (*a, power(*a)), new: (*b, power(*b)) }).collect();
        math::ramp(&mut steps, allowed);
        for s in steps {
            prop_assert!(s.new.1 <= power(s.new.0) + 1, "{s:?}");
        }
    }

    /// Any split of weight and coins among several operators gives no less power, so a cap per operator would only make
    /// people split; and it gives no more than rounding.
    #[test]
    fn splitting_neither_gains_nor_loses(share in 0..=SHARE_ONE, coins in 0..2 * PER_SHARE, parts in prop::collection::vec(1..1000_u128, 1..10)) {
        let params = ComputeParams::try_new("0.2".parse().unwrap(), PER_SHARE.into()).unwrap();
        let whole = math::power(share, coins.into(), &params).unwrap();
        let shares = split(share.into(), &parts);
        // Each gets its part of the coins, rounded down.
        let sum: u128 = parts.iter().sum();
        let split: u64 = shares
            .iter()
            .zip(&parts)
            .map(|(s, p)| math::power(*s as u64, Int::from(u128::from(coins) * p / sum), &params).unwrap())
            .sum();
        prop_assert!(split <= whole, "{split} of {whole}");
        prop_assert!(whole - split <= 2 * parts.len() as u64, "{split} of {whole}");
    }
}

#[derive(Debug, Clone)]
enum Op {
    Delegate(usize, usize, u64),
    Undelegate(usize, usize, u64),
    Redelegate(usize, usize, usize, u64),
    Create(usize, u64),
    Jail(usize),
    Unjail(usize),
    Slash(usize, u64, i64),
    Next(i64),
    Activate(Vec<u128>),
}

fn op() -> impl Strategy<Value = Op> {
    let (who, val, amount) = (|| 0..12_usize, || 0..8_usize, || 1..30_000_000_u64);
    prop_oneof![
        4 => (who(), val(), amount()).prop_map(|(a, b, c)| Op::Delegate(a, b, c)),
        4 => (who(), val(), amount()).prop_map(|(a, b, c)| Op::Undelegate(a, b, c)),
        2 => (who(), val(), val(), amount()).prop_map(|(a, b, c, d)| Op::Redelegate(a, b, c, d)),
        2 => (val(), amount()).prop_map(|(a, b)| Op::Create(a, b)),
        1 => val().prop_map(Op::Jail),
        2 => val().prop_map(Op::Unjail),
        1 => (val(), 0..4_u64, 0..60_i64).prop_map(|(a, b, c)| Op::Slash(a, b, c)),
        6 => (1..30_i64).prop_map(Op::Next),
        4 => prop::collection::vec(0..1000_u128, 8).prop_map(Op::Activate),
    ]
}

/// What holds after every block, whatever people do.
struct Watch {
    last: BTreeMap<Vec<u8>, u64>,
}

impl Watch {
    fn new(chain: &Chain) -> Self {
        Self { last: Self::set(chain) }
    }

    fn set(chain: &Chain) -> BTreeMap<Vec<u8>, u64> {
        (0..8).map(|i| (account(i).as_bytes().to_vec(), chain.power(i))).filter(|(_, p)| *p > 0).collect()
    }

    fn after_block(&mut self, chain: &Chain, activated: bool) {
        let now = Self::set(chain);
        let get = |set: &BTreeMap<Vec<u8>, u64>, k: &Vec<u8>| set.get(k).copied().unwrap_or_default();
        let increases: u64 = now.iter().map(|(k, p)| p.saturating_sub(get(&self.last, k))).sum();
        let old: u64 = self.last.values().sum();
        if !activated {
            assert_eq!(increases, 0, "a rise outside an activation");
        } else if old > 0 {
            assert!(increases <= (old / 3).max(1), "{increases} of {old}");
        }
        let params = ComputeParams::load(&chain.ctx).unwrap();
        let mut bonded = Int::ZERO;
        for i in 0..8 {
            let Some(v) = geodesic_staking::validator(&chain.ctx, &account(i)).unwrap() else { continue };
            let power = chain.power(i);
            assert_eq!(v.is_bonded(), power > 0, "bonded is who has power");
            assert!(!(v.jailed && power > 0), "power in jail");
            let allowed = math::power(SHARE_ONE, v.tokens, &params).unwrap();
            assert!(power <= allowed, "{power} with {} tokens", v.tokens);
            if v.is_bonded() {
                bonded = bonded.checked_add(v.tokens).unwrap();
            }
        }
        assert_eq!(bonded, chain.pools().0);
        assert_eq!(now.values().sum::<u64>(), total(chain));
        if !now.is_empty() {
            let set = validator_set_at(&chain.ctx, chain.ctx.block.height + 2).unwrap();
            let set: BTreeMap<_, _> =
                set.into_iter().map(|m| (m.operator.as_bytes().to_vec(), m.power)).collect();
            assert_eq!(set, now);
        }
        self.last = now;
    }
}

fn apply(chain: &mut Chain, watch: &mut Watch, op: &Op) {
    match op {
        Op::Delegate(from, to, amount) => {
            let _ = chain.send(&geodesic_proto::cosmos::staking::v1beta1::MsgDelegate {
                delegator_address: acc(*from),
                validator_address: val(*to),
                amount: stake(*amount),
            });
        }
        Op::Undelegate(from, to, amount) => drop(chain.send(&undelegate(*from, *to, *amount))),
        Op::Redelegate(from, a, b, amount) => drop(chain.send(&redelegate(*from, *a, *b, *amount))),
        Op::Create(i, amount) => drop(chain.send(&create(*i, *amount))),
        Op::Jail(i) | Op::Unjail(i) => {
            if let Some(mut v) = geodesic_staking::validator(&chain.ctx, &account(*i)).unwrap() {
                let f = if matches!(op, Op::Jail(_)) { jail } else { unjail };
                let _ = f(&mut chain.ctx, &mut v);
            }
        }
        Op::Slash(i, back, percent) => {
            let height = chain.ctx.block.height.saturating_sub(*back);
            let (operator, fraction) = (account(*i), Dec::with_decimals(*percent, 2).unwrap());
            let who = Offender::Operator(&operator);
            slash(&mut chain.ctx, &chain.world, who, height, Stake::Power(0), fraction).unwrap();
        }
        Op::Next(seconds) => {
            chain.end();
            watch.after_block(chain, false);
            chain.begin(*seconds);
        }
        Op::Activate(weights) => {
            let weights: Vec<_> = weights.iter().copied().enumerate().collect();
            activate(chain, &weights);
            watch.after_block(chain, true);
            chain.begin(5);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Increases are bounded, collateral limits power in the same block, and the books agree, whatever people do.
    #[test]
    fn whatever_people_do(ops in prop::collection::vec(op(), 1..60)) {
        let mut chain = chain(5, &[10_000_000, 10_000_000, 5_000_000]);
        let mut watch = Watch::new(&chain);
        ops.iter().for_each(|op| apply(&mut chain, &mut watch, op));
    }
}
