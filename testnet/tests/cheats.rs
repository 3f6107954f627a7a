//! What becomes of those who cheat, and that the honest go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{balance, cases, has_deposit, play_epoch, power, validator, void, weight};
use geodesic_proto::any;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::staking::v1beta1::{
    MsgUndelegate, QueryUnbondingDelegationRequest, QueryUnbondingDelegationResponse,
};
use geodesic_proto::geodesic::pow::v1::{CaseKind, CaseOutcome, VoidReason};
use geodesic_testnet::driver::{DENOM, Guild, Habits, Net, Serves, Spec};

/// 250,000 GEO, what every validator of [`Spec::default`] delegates.
const STAKE: u64 = 250_000_000_000;

fn tokens(net: &Net, operator: usize) -> u64 {
    validator(net, operator).tokens.parse().unwrap()
}

/// Four operators, the last with these habits, one epoch.
fn one_epoch(habits: Habits) -> (Net, Guild) {
    let mut net = Net::new(Spec::default()).unwrap();
    let honest = Habits::default();
    let mut guild = Guild::new(&net, &[honest, honest, honest, habits]);
    assert_eq!(play_epoch(&mut net, &mut guild), 0);
    assert!(guild.failed().is_empty(), "{:?}", guild.failed());
    (net, guild)
}

/// After what happened in epoch 0 the honest three earn in epoch 1 as ever.
fn the_honest_go_on(net: &mut Net, guild: &mut Guild) {
    for i in 0..3 {
        assert_eq!(void(net, 0, i), VoidReason::Unspecified);
        assert_eq!(tokens(net, i), STAKE);
    }
    let epoch = play_epoch(net, guild);
    for i in 0..3 {
        assert!(weight(net, epoch, i).unwrap().weight > 0, "operator {i}");
        assert!(power(net, i) > 0, "operator {i}");
    }
}

#[test]
fn a_faker_of_a_fifth_is_slashed_and_jailed() {
    let (mut net, mut guild) = one_epoch(Habits { fakes: 20, claims: false, ..Habits::default() });
    assert_eq!(void(&net, 0, 3), VoidReason::Fraud);
    let cases = cases(&net, 0);
    assert!(!cases.is_empty());
    for case in &cases {
        assert_eq!((case.kind(), case.outcome()), (CaseKind::Leaf, CaseOutcome::Upheld), "{case:?}");
    }
    assert!(validator(&net, 3).jailed);
    assert_eq!(tokens(&net, 3), STAKE / 10 * 9);
    assert_eq!(power(&net, 3), 0);
    assert!(!has_deposit(&net, 3));
    // Its messages fail from now on, as it takes no part without a deposit.
    guild.set_habits(3, Habits { leaves: 0, ..Habits::default() });
    the_honest_go_on(&mut net, &mut guild);
    assert_eq!(weight(&net, 1, 3), None);
}

#[test]
fn bounties_come_out_of_the_cheats_own_deposit() {
    let (net, _) = one_epoch(Habits { fakes: 20, claims: false, ..Habits::default() });
    let first = cases(&net, 0)[0].first_accuser.clone();
    let others: u128 = (0..3)
        .map(|i| net.operators[i].wallet.text.clone())
        .filter(|text| *text != first)
        .map(|text| balance(&net, &text))
        .max()
        .unwrap();
    // 1000 GEO deposit, half of it; everyone earned the same but for luck of a few percent of 323000 / 3.
    let accuser = balance(&net, &first);
    let earned = |text: &str| {
        let request = geodesic_proto::geodesic::rewards::v1::QueryHistoryRequest {
            participant: text.to_owned(),
            pagination: None,
        };
        let reply: geodesic_proto::geodesic::rewards::v1::QueryHistoryResponse =
            net.query("/geodesic.rewards.v1.Query/History", &request).unwrap();
        reply.shares.iter().map(|s| s.amount.parse::<u128>().unwrap()).sum::<u128>()
    };
    let begin = 100_000_000_000_u128 - 1_000_000_000;
    assert_eq!(accuser, begin + earned(&first) + 500_000_000);
    assert!(others > begin);
    // Deposits of accusations came back to the agents that paid them.
    for i in 0..3 {
        assert_eq!(balance(&net, &net.operators[i].agent.text), 100_000_000_000);
    }
    assert_eq!(
        tokens(&net, 3),
        STAKE / 10 * 9,
        "what was slashed is burned: see the invariants of each block"
    );
}

#[test]
fn a_lazy_auditor_is_slashed_and_not_jailed() {
    let (mut net, mut guild) = one_epoch(Habits { lazy: true, claims: false, ..Habits::default() });
    assert_eq!(void(&net, 0, 3), VoidReason::FalseVerdict);
    assert!(cases(&net, 0).iter().all(|c| c.kind() == CaseKind::Tag && c.outcome() == CaseOutcome::Upheld));
    assert!(!validator(&net, 3).jailed);
    assert_eq!(tokens(&net, 3), STAKE / 100 * 95);
    assert!(!has_deposit(&net, 3));
    guild.set_habits(3, Habits { leaves: 0, ..Habits::default() });
    the_honest_go_on(&mut net, &mut guild);
}

#[test]
fn who_hides_its_fakes_gets_nothing_and_is_not_slashed() {
    let habits = Habits { fakes: 20, serves: Serves::HidesFakes, claims: false, ..Habits::default() };
    let (mut net, mut guild) = one_epoch(habits);
    assert_eq!(void(&net, 0, 3), VoidReason::UnansweredDemand);
    assert_eq!(tokens(&net, 3), STAKE);
    assert!(!validator(&net, 3).jailed && has_deposit(&net, 3));
    // The fees of the demands came back.
    for i in 0..3 {
        assert_eq!(balance(&net, &net.operators[i].agent.text), 100_000_000_000);
    }
    guild.set_habits(3, Habits::default());
    the_honest_go_on(&mut net, &mut guild);
    assert!(weight(&net, 1, 3).unwrap().weight > 0, "honest again, it earns again");
}

/// THREATS 2, number 28: coins that leave after the draw lower the power at once, and pay for the fraud all the same.
#[test]
fn a_faker_that_takes_its_coins_out_pays_as_if_they_were_there() {
    let mut net = Net::new(Spec::default()).unwrap();
    let (honest, faker) = (Habits::default(), Habits { fakes: 20, claims: false, ..Habits::default() });
    let mut guild = Guild::new(&net, &[honest, honest, honest, faker]);
    net.step().unwrap();
    guild.run_to(&mut net, 7).unwrap();
    let (operator, before) = (std::sync::Arc::clone(&net.operators[3]), power(&net, 3));
    let undelegate = MsgUndelegate {
        delegator_address: operator.wallet.text.clone(),
        validator_address: operator.wallet.valoper().unwrap(),
        amount: Some(Coin { denom: DENOM.to_owned(), amount: (STAKE / 2).to_string() }),
    };
    let tx = net.send(&operator.wallet, vec![any::pack(&undelegate)]).unwrap();
    guild.step(&mut net).unwrap();
    assert_eq!(net.result(&tx).unwrap().code, 0);
    assert!(power(&net, 3) < before, "in the block in which they left");
    let left = |net: &Net| {
        let request = QueryUnbondingDelegationRequest {
            delegator_addr: operator.wallet.text.clone(),
            validator_addr: operator.wallet.valoper().unwrap(),
        };
        let reply: QueryUnbondingDelegationResponse =
            net.query("/cosmos.staking.v1beta1.Query/UnbondingDelegation", &request).unwrap();
        reply.unbond.unwrap().entries[0].balance.parse::<u64>().unwrap()
    };
    assert_eq!(left(&net), STAKE / 2);
    play_epoch(&mut net, &mut guild);
    assert_eq!(void(&net, 0, 3), VoidReason::Fraud);
    assert_eq!(left(&net), STAKE / 20 * 9, "a tenth of what was on its way");
    assert_eq!(tokens(&net, 3), STAKE / 20 * 9, "and of what had stayed");
}

#[test]
fn who_answers_on_chain_only_keeps_its_weight() {
    let (mut net, mut guild) = one_epoch(Habits { serves: Serves::OnChain, ..Habits::default() });
    assert_eq!(void(&net, 0, 3), VoidReason::Unspecified);
    let opened = guild.sent.iter().filter(|s| s.name == "MsgOpenPoc").count();
    assert_eq!(opened, 3, "each auditor's demand is answered");
    the_honest_go_on(&mut net, &mut guild);
}

#[test]
fn no_verdict_no_weight() {
    let (mut net, mut guild) = one_epoch(Habits { no_verdict: true, claims: false, ..Habits::default() });
    assert_eq!(void(&net, 0, 3), VoidReason::NoVerdict);
    assert_eq!(tokens(&net, 3), STAKE);
    the_honest_go_on(&mut net, &mut guild);
}

/// THREATS 2, number 14: with two of four silent nothing is voted through and nobody else loses anything.
#[test]
fn the_silence_of_two_of_four_costs_them_alone() {
    let mut net = Net::new(Spec::default()).unwrap();
    let (honest, silent) =
        (Habits::default(), Habits { no_verdict: true, claims: false, ..Habits::default() });
    let faker = Habits { fakes: 20, claims: false, ..honest };
    let mut guild = Guild::new(&net, &[honest, silent, silent, faker]);
    play_epoch(&mut net, &mut guild);
    let reasons: Vec<_> = (0..4).map(|i| void(&net, 0, i)).collect();
    let (none, no_verdict) = (VoidReason::Unspecified, VoidReason::NoVerdict);
    assert_eq!(reasons, [none, no_verdict, no_verdict, VoidReason::Fraud], "they may judge all the same");
    assert_eq!((0..3).map(|i| tokens(&net, i)).collect::<Vec<_>>(), [STAKE; 3]);
}

#[test]
fn an_absent_judge_loses_a_hundredth_of_its_reward() {
    let mut net = Net::new(Spec::default()).unwrap();
    let honest = Habits::default();
    let absent = Habits { no_judgments: true, ..honest };
    let faker = Habits { fakes: 20, claims: false, ..honest };
    let mut guild = Guild::new(&net, &[honest, honest, absent, faker]);
    play_epoch(&mut net, &mut guild);
    assert_eq!(void(&net, 0, 3), VoidReason::Fraud, "half and a judge more are enough");
    let penalties: Vec<_> = (0..3).map(|i| weight(&net, 0, i).unwrap().penalty).collect();
    assert_eq!(penalties, ["0", "0", "10000000000000000"]);
}

/// THREATS 1, number 39.
#[test]
fn nobody_proves_work_and_the_set_stays() {
    let mut net = Net::new(Spec::default()).unwrap();
    let idle = Habits { leaves: 0, ..Habits::default() };
    let mut guild = Guild::new(&net, &[idle; 4]);
    net.step().unwrap();
    let before = net.set(net.height()).unwrap().clone();
    let supply = net.supply.clone();
    play_epoch(&mut net, &mut guild);
    play_epoch(&mut net, &mut guild);
    assert_eq!(*net.set(net.height()).unwrap(), before);
    assert!(net.blocks.iter().all(|b| b.response.validator_updates.is_empty()));
    assert_eq!(net.supply, supply, "nothing was minted");
    // And then they work.
    for i in 0..4 {
        guild.set_habits(i, Habits::default());
    }
    let epoch = play_epoch(&mut net, &mut guild);
    assert!((0..4).all(|i| weight(&net, epoch, i).unwrap().weight > 0));
    assert!(net.supply > supply);
}
