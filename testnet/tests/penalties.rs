//! What staking, slashing and evidence do together to those who sign twice, stay away, or fake compute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{play_epoch, power, validator, void, weight};
use geodesic_proto::any;
use geodesic_proto::cosmos::slashing::v1beta1::MsgUnjail;
use geodesic_proto::geodesic::pow::v1::{MsgUpdateParticipant, VoidReason};
use geodesic_proto::prost_types::Any;
use geodesic_testnet::driver::{Guild, Habits, Net, Spec, Vote, check, micro};
use serde_json::json;
use tendermint_proto::v0_38::abci::{Misbehavior, MisbehaviorType, Validator};

const STAKE: u64 = 250_000_000_000;

fn tokens(net: &Net, operator: usize) -> u64 {
    validator(net, operator).tokens.parse().unwrap()
}

/// A network with one more setting of the module slashing.
fn with(name: &str, value: &str) -> Net {
    let mut patches = micro();
    patches.push((format!("/slashing/params/{name}"), json!(value)));
    Net::new(Spec { patches, ..Spec::default() }).unwrap()
}

/// Puts a message of an operator into the next block, in which others do what is due, and returns what became of it.
fn next_block(net: &mut Net, guild: Option<&mut Guild>, operator: usize, message: Any) -> (String, u32) {
    let operator = Arc::clone(&net.operators[operator]);
    let tx = net.send(&operator.wallet, vec![message]).unwrap();
    match guild {
        Some(guild) => drop(guild.step(net).unwrap()),
        None => drop(net.step().unwrap()),
    }
    let result = net.result(&tx).unwrap();
    (result.codespace, result.code)
}

/// What becomes of an attempt to leave jail.
fn unjail(net: &mut Net, guild: Option<&mut Guild>, operator: usize) -> (String, u32) {
    let validator_addr = net.operators[operator].wallet.valoper().unwrap();
    next_block(net, guild, operator, any::pack(&MsgUnjail { validator_addr }))
}

/// Two votes of a height with one key, as CometBFT reports them.
fn double_sign(net: &Net, address: [u8; 20], height: i64) -> Misbehavior {
    let time = net.blocks[usize::try_from(height - 1).unwrap()].request.time;
    let power = net.set(net.height()).unwrap()[0].power;
    Misbehavior {
        r#type: MisbehaviorType::DuplicateVote.into(),
        validator: Some(Validator { address: address.to_vec().into(), power }),
        height,
        time,
        total_voting_power: 4 * power,
    }
}

/// THREATS 1, number 25.
#[test]
fn who_signs_twice_is_out_for_good() {
    let mut net = Net::new(Spec::default()).unwrap();
    net.run_to(6).unwrap();
    let address = net.operators[3].consensus_address;
    let evidence = double_sign(&net, address, 5);
    net.misbehavior = vec![evidence.clone(), evidence.clone()];
    net.step().unwrap();
    check(&net).unwrap();
    assert!(validator(&net, 3).jailed);
    assert_eq!((tokens(&net, 3), power(&net, 3)), (STAKE / 100 * 95, 0), "once, and at once");

    // Once more, of an earlier height, of nobody, of no kind that there is: nothing happens.
    net.misbehavior = vec![
        evidence.clone(),
        double_sign(&net, address, 3),
        double_sign(&net, [0x77; 20], 5),
        Misbehavior { validator: None, ..evidence.clone() },
        Misbehavior { r#type: 0, ..evidence },
    ];
    net.step().unwrap();
    check(&net).unwrap();
    assert_eq!(tokens(&net, 3), STAKE / 100 * 95);
    assert_eq!(unjail(&mut net, None, 3), ("slashing".to_owned(), 4), "tombstoned");
    net.run_to(20).unwrap();
    check(&net).unwrap();
}

#[test]
fn who_stays_away_too_long_is_jailed_and_comes_back() {
    let mut patches = micro();
    for (name, value) in [("signed_blocks_window", "10"), ("downtime_jail_duration", "20s")] {
        patches.push((format!("/slashing/params/{name}"), json!(value)));
    }
    let mut net = Net::new(Spec { patches, ..Spec::default() }).unwrap();
    net.run_to(12).unwrap();
    net.votes[3] = Vote::Silent;
    // Half of ten may be missed; the votes of a block are in the next.
    net.run_to(17).unwrap();
    assert!(!validator(&net, 3).jailed);
    net.run_to(19).unwrap();
    assert!(validator(&net, 3).jailed);
    assert_eq!(tokens(&net, 3), STAKE / 100 * 99);
    net.votes[3] = Vote::Honest;
    assert_eq!(unjail(&mut net, None, 3), ("slashing".to_owned(), 4), "too early");
    net.run_to(40).unwrap();
    assert_eq!(unjail(&mut net, None, 3), (String::new(), 0));
    check(&net).unwrap();
}

/// Fraud has no way back before its time, and none to power before the deposit is refilled and work is proven again.
#[test]
fn who_faked_stays_in_jail_for_its_time() {
    let mut net = with("downtime_jail_duration", "30s");
    let (honest, faker) = (Habits::default(), Habits { fakes: 20, claims: false, ..Habits::default() });
    let mut guild = Guild::new(&net, &[honest, honest, honest, faker]);
    play_epoch(&mut net, &mut guild);
    assert_eq!(void(&net, 0, 3), VoidReason::Fraud);
    assert!(validator(&net, 3).jailed);
    assert_eq!(unjail(&mut net, Some(&mut guild), 3), ("slashing".to_owned(), 4), "at once");
    guild.set_habits(3, Habits { leaves: 0, no_verdict: true, no_judgments: true, ..honest });
    play_epoch(&mut net, &mut guild);
    play_epoch(&mut net, &mut guild);
    assert_eq!(unjail(&mut net, Some(&mut guild), 3), (String::new(), 0));
    assert_eq!(power(&net, 3), 0, "free, and without power");
    let sender = net.operators[3].wallet.text.clone();
    let refill = MsgUpdateParticipant {
        participant: sender.clone(),
        sender,
        refill: true,
        ..MsgUpdateParticipant::default()
    };
    assert_eq!(next_block(&mut net, Some(&mut guild), 3, any::pack(&refill)), (String::new(), 0));
    play_epoch(&mut net, &mut guild);
    guild.set_habits(3, honest);
    let epoch = play_epoch(&mut net, &mut guild);
    assert!(weight(&net, epoch, 3).unwrap().weight > 0);
    assert!(power(&net, 3) > 0);
}
