//! Votes, downtime and double signs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::*;
use geodesic_core::item::LenAddress;
use geodesic_core::{Dec, StateError};
use geodesic_proto::prost_types::Timestamp;
use geodesic_slashing::{Hook, jail, keys, on_hook, punish_double_sign};
use proptest::prelude::*;

fn chunks(chain: &Chain, i: u8) -> usize {
    keys::MISSED.prefix(&chain.ctx, &LenAddress(consensus(i))).unwrap().count()
}

#[test]
fn more_than_half_of_a_window_missed_is_downtime() {
    let mut chain = Chain::new(2, &params_json("4", "0.5"));
    let bonded = consensus(0);
    on_hook(&mut chain.ctx, &chain.world, Hook::Bonded { consensus: &bonded }).unwrap();
    // Height 5 is the first past the window; two of four may be missed.
    for (height, signed, missed) in [(1, true, 0), (2, false, 1), (3, false, 2), (4, true, 2), (5, true, 2)] {
        let events = chain.block(5, &[(0, signed), (1, true)]);
        let liveness = format!("liveness address={} missed_blocks={missed} height={height}", valcons(0));
        assert_eq!(events, if signed { vec![] } else { vec![liveness] });
        assert_eq!(chain.info(0).missed_blocks_counter, missed, "height {height}");
    }
    // Two drop out of the window as two come in, then one too many.
    chain.block(5, &[(0, false), (1, true)]);
    chain.block(5, &[(0, false), (1, true)]);
    assert!(chain.world.slashes.borrow().is_empty());
    let events = chain.block(5, &[(0, false), (1, true)]);
    let address = valcons(0);
    assert_eq!(
        events,
        [
            format!("liveness address={address} missed_blocks=3 height=8"),
            format!(
                "slash address={address} power=9 reason=missing_signature jailed={address} burned_coins=77"
            ),
        ]
    );
    let hundredth = Dec::with_decimals(1, 2).unwrap();
    assert_eq!(*chain.world.slashes.borrow(), [(consensus(0), 6, 9, hundredth)]);
    let info = chain.info(0);
    assert_eq!((info.missed_blocks_counter, info.index_offset), (0, 0));
    assert_eq!(info.jailed_until, Some(Timestamp { seconds: 1_700_000_640, nanos: 0 }));
    assert!(chain.world.members.borrow()[0].validator.jailed);
    assert_eq!(chunks(&chain, 0), 0);
    // In jail votes do not count.
    assert_eq!(chain.block(5, &[(0, false)]), Vec::<String>::new());
    assert_eq!(chain.info(0), info);
}

#[test]
fn nobody_is_punished_in_its_first_window() {
    let mut chain = Chain::new(1, &params_json("3", "1"));
    chain.block(5, &[(0, true)]);
    assert_eq!(chain.info(0).start_height, 1, "one without an info begins with its first vote");
    for height in 2..=4 {
        chain.block(5, &[(0, false)]);
        assert!(chain.world.slashes.borrow().is_empty(), "height {height}");
    }
    chain.block(5, &[(0, false)]);
    assert_eq!(chain.world.slashes.borrow().len(), 1);
}

#[test]
fn votes_of_those_who_left_do_not_stop_the_chain() {
    let mut chain = Chain::new(1, &params_json("2", "1"));
    for _ in 0..4 {
        assert_eq!(chain.block(5, &[(9, false)]).len(), 0, "no such validator");
    }
    chain.world.change(0, |m| m.validator.unbonded = true);
    (0..4).for_each(|_| drop(chain.block(5, &[(0, false)])));
    assert!(chain.world.slashes.borrow().is_empty(), "staking would refuse it");
}

#[test]
fn a_double_sign_is_for_good() {
    let mut chain = Chain::new(2, &params_json("4", "0.5"));
    chain.block(5, &[(0, true), (1, true)]);
    chain.ctx.block.height = 20;
    let address = valcons(0);
    let slashed = format!("slash address={address} power=23 reason=double_sign burned_coins=77");
    assert_eq!(punish_double_sign(&mut chain.ctx, &chain.world, &consensus(0), 11, 23), Ok(true));
    assert_eq!(chain.events(), [slashed.clone(), format!("slash jailed={address}")]);
    let twentieth = Dec::with_decimals(5, 2).unwrap();
    assert_eq!(*chain.world.slashes.borrow(), [(consensus(0), 10, 23, twentieth)]);
    let info = chain.info(0);
    assert!(info.tombstoned);
    assert_eq!(info.jailed_until.unwrap().to_string(), "9999-12-31T23:59:59Z");
    assert_eq!(punish_double_sign(&mut chain.ctx, &chain.world, &consensus(0), 12, 23), Ok(false), "again");

    chain.world.change(1, |m| m.validator.jailed = true);
    assert_eq!(punish_double_sign(&mut chain.ctx, &chain.world, &consensus(1), 11, 23), Ok(true));
    assert_eq!(chain.events(), [slashed.replace(&address, &valcons(1))], "in jail already");
}

#[test]
fn another_modules_jail_has_the_time_of_downtime() {
    let mut chain = Chain::new(2, &params_json("4", "0.5"));
    chain.block(5, &[(1, true)]);
    let now = chain.ctx.block.time_ns / 1_000_000_000;
    let mut until = |i: u8| {
        jail(&mut chain.ctx, &chain.world, &consensus(i)).unwrap();
        assert!(chain.world.members.borrow()[usize::from(i)].validator.jailed);
        let until = chain.info(i).jailed_until.unwrap().seconds;
        chain.ctx.block.time_ns += 5_000_000_000;
        until
    };
    assert_eq!(until(0), now + 600, "one that was never in the set");
    assert_eq!(until(0), now + 605, "again: from now on");
    assert!(punish_double_sign(&mut chain.ctx, &chain.world, &consensus(1), 1, 23).unwrap());
    jail(&mut chain.ctx, &chain.world, &consensus(1)).unwrap();
    assert_eq!(chain.info(1).jailed_until.unwrap().to_string(), "9999-12-31T23:59:59Z", "never shorter");
    jail(&mut chain.ctx, &chain.world, &consensus(9)).unwrap();
    assert!(chain.world.slashes.borrow().len() == 1, "jailing burns nothing");
}

#[test]
fn a_double_sign_of_nobody_is_ignored() -> Result<(), StateError> {
    let mut chain = Chain::new(1, &params_json("4", "0.5"));
    assert!(!punish_double_sign(&mut chain.ctx, &chain.world, &consensus(9), 1, 23)?);
    chain.world.change(0, |m| m.validator.unbonded = true);
    assert!(!punish_double_sign(&mut chain.ctx, &chain.world, &consensus(0), 1, 23)?);
    assert!(chain.world.slashes.borrow().is_empty());
    Ok(())
}

#[test]
fn hooks_keep_key_and_start() {
    let mut chain = Chain::new(1, &params_json("4", "0.5"));
    let key = LenAddress(consensus(0));
    let (at, who) = (operator(0), consensus(0));
    on_hook(&mut chain.ctx, &chain.world, Hook::Removed { consensus: &who }).unwrap();
    assert_eq!(keys::PUB_KEY.get(&chain.ctx, &key), Ok(None));
    on_hook(&mut chain.ctx, &chain.world, Hook::Created { operator: &at }).unwrap();
    let stored = keys::PUB_KEY.get(&chain.ctx, &key).unwrap().unwrap();
    assert_eq!(stored.type_url, "/cosmos.crypto.ed25519.PubKey");
    assert_eq!(stored.value[2..], pub_key(0));
    chain.block(5, &[(0, false)]);
    chain.ctx.block.height = 30;
    let before = chain.info(0);
    on_hook(&mut chain.ctx, &chain.world, Hook::Bonded { consensus: &who }).unwrap();
    let after = chain.info(0);
    assert_eq!((after.start_height, after.missed_blocks_counter), (30, before.missed_blocks_counter));
    let gone = operator(9);
    let error = on_hook(&mut chain.ctx, &chain.world, Hook::Created { operator: &gone }).unwrap_err();
    assert_eq!((error.codespace, error.code), ("staking", 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// The counter is the number of votes missed among the last `window`, over the borders of chunks too.
    #[test]
    fn the_counter_is_what_the_window_holds(
        window in prop_oneof![1_usize..70, 1020_usize..1100, 2040_usize..2060],
        signed in prop::collection::vec(prop::bool::weighted(0.7), 1..4500),
    ) {
        let mut chain = Chain::new(1, &params_json(&window.to_string(), "0")); // all may be missed
        for (i, s) in signed.iter().enumerate() {
            chain.block(1, &[(0, *s)]);
            if i % 97 == 0 || i + 1 == signed.len() {
                let last = &signed[(i + 1).saturating_sub(window)..=i];
                let missed = last.iter().filter(|s| !**s).count();
                prop_assert_eq!(chain.info(0).missed_blocks_counter, i64::try_from(missed).unwrap());
            }
        }
        prop_assert!(chunks(&chain, 0) <= window.div_ceil(1024));
    }
}
