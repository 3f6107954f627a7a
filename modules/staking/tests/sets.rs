//! The update filter against CometBFT's own rules, with sets that no honest chain would make.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::collections::BTreeMap;

use geodesic_core::Address;
use geodesic_proto::tendermint::abci::ValidatorUpdate;
use geodesic_proto::tendermint::crypto::public_key::Sum;
use geodesic_staking::sets::{MAX_TOTAL_POWER, Member, bound_total, diff};
use proptest::prelude::*;

fn member((key, power): (u8, u64)) -> Member {
    Member { operator: Address::from([key; 20]), pub_key: [key; 32], power }
}

fn set(powers: &BTreeMap<u8, u64>) -> Vec<Member> {
    powers.iter().map(|(k, p)| member((*k, *p))).collect()
}

/// CometBFT's `updateWithChangeSet`: every reason for which it stops the chain.
fn comet(set: &mut BTreeMap<Vec<u8>, i64>, updates: &[ValidatorUpdate]) -> Result<(), String> {
    let mut seen = Vec::new();
    for u in updates {
        let Some(Sum::Ed25519(key)) = u.pub_key.clone().and_then(|k| k.sum) else {
            return Err("key type".into());
        };
        if u.power < 0 {
            return Err("negative power".into());
        }
        if seen.contains(&key) {
            return Err("duplicate".into());
        }
        seen.push(key.clone());
        if u.power == 0 {
            set.remove(&key).ok_or("removal of a key that is not there")?;
        } else {
            set.insert(key, u.power);
        }
    }
    if set.values().map(|p| i128::from(*p)).sum::<i128>() > i128::from(MAX_TOTAL_POWER) {
        return Err("total power".into());
    }
    if set.is_empty() { Err("empty set".into()) } else { Ok(()) }
}

fn powers() -> impl Strategy<Value = BTreeMap<u8, u64>> {
    prop::collection::btree_map(0..12_u8, prop_oneof![1..100_u64, Just(1), 1..i64::MAX as u64], 1..10)
}

proptest! {
    /// From any set to any other, through the bound on the total, CometBFT follows and ends at the same set.
    #[test]
    fn cometbft_follows(sets in prop::collection::vec(powers(), 1..8)) {
        let mut theirs = BTreeMap::new();
        let mut last: Vec<Member> = Vec::new();
        for next in sets {
            let mut bounded: Vec<(Address, u64)> = set(&next).into_iter().map(|m| (m.operator, m.power)).collect();
            bound_total(&mut bounded);
            let next: Vec<Member> = bounded.iter().map(|(o, p)| member((o.as_bytes()[0], *p))).collect();
            let updates = diff(&last, &next);
            prop_assert!(updates.windows(2).all(|w| key(&w[0]) < key(&w[1])), "ascending by key");
            prop_assert_eq!(comet(&mut theirs, &updates), Ok(()));
            let ours: BTreeMap<Vec<u8>, i64> = next.iter().map(|m| (m.pub_key.to_vec(), m.power as i64)).collect();
            prop_assert_eq!(&theirs, &ours);
            prop_assert!(diff(&next, &next).is_empty());
            last = next;
        }
    }

    /// The bound changes nothing below it, and keeps everybody and their order above it.
    #[test]
    fn the_bound_keeps_everybody(next in powers()) {
        let before: Vec<(Address, u64)> = set(&next).into_iter().map(|m| (m.operator, m.power)).collect();
        let mut after = before.clone();
        bound_total(&mut after);
        let total = |p: &[(Address, u64)]| p.iter().map(|(_, p)| u128::from(*p)).sum::<u128>();
        if total(&before) <= u128::from(MAX_TOTAL_POWER) {
            prop_assert_eq!(&before, &after);
        }
        prop_assert!(total(&after) <= u128::from(MAX_TOTAL_POWER));
        for (a, b) in before.iter().zip(&after) {
            prop_assert!(b.1 > 0 && a.0 == b.0);
            for (c, d) in before.iter().zip(&after) {
                prop_assert!(a.1 < c.1 || b.1 >= d.1, "order");
            }
        }
    }
}

fn key(u: &ValidatorUpdate) -> Vec<u8> {
    match u.pub_key.as_ref().and_then(|k| k.sum.as_ref()) {
        Some(Sum::Ed25519(key)) => key.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_filter_on_hostile_sets() {
    let all = |powers: &[(u8, u64)]| powers.iter().copied().map(member).collect::<Vec<_>>();
    let text = |updates: Vec<ValidatorUpdate>| {
        updates.iter().map(|u| format!("{}:{}", key(u)[0], u.power)).collect::<Vec<_>>().join(" ")
    };
    for (name, last, next, want) in [
        ("the same", all(&[(1, 5), (2, 5)]), all(&[(2, 5), (1, 5)]), ""),
        ("new, changed, gone", all(&[(1, 5), (2, 5)]), all(&[(3, 1), (2, 6)]), "1:0 2:6 3:1"),
        ("a key twice: one update", all(&[(1, 5)]), all(&[(1, 6), (1, 7)]), "1:7"),
        ("the first set", all(&[]), all(&[(2, 1), (1, 1)]), "1:1 2:1"),
    ] {
        assert_eq!(text(diff(&last, &next)), want, "{name}");
    }
}
