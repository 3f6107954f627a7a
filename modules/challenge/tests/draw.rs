//! Laws of the draws, and frozen values of the hashes that others compare.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
use std::collections::BTreeSet;

use geodesic_challenge::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn one_sample_in_each_stratum(a: [u8; 32], j: [u8; 20], n in 1..200_u32, hits: u64, extra: u64) {
        let leaves = hits.saturating_add(extra);
        let samples = sample_positions(&a, &j, n, hits, leaves);
        for Sample { k, position } in samples {
            let (at, m, total) = match position {
                Position::Hit(at) => (at, n.div_ceil(2), hits),
                Position::Leaf(at) => (at, n / 2, leaves),
            };
            let (t, m, total) = (u128::from(k / 2), u128::from(m), u128::from(total));
            prop_assert_eq!(k % 2 == 0, matches!(position, Position::Hit(_)));
            prop_assert!(u128::from(at) < total);
            prop_assert!(u128::from(at) >= t * total / m);
            prop_assert!(u128::from(at) * m < (t + 1) * total);
        }
    }

    /// Profile `pow2-f16`: a verdict counts samples, so no hit may count twice.
    #[test]
    fn sampled_hits_are_distinct_and_spread(a: [u8; 32], j: [u8; 20], n in 0..300_u32, hits in prop_oneof![0..600_u64, any::<u64>()]) {
        let samples = sample_hits(&a, &j, n, hits);
        prop_assert_eq!(samples.len() as u64, u64::from(n).min(hits));
        let mut last = None;
        for (t, Sample { k, position }) in samples.iter().enumerate() {
            let Position::Hit(at) = *position else { panic!("{position:?}") };
            prop_assert_eq!(*k as usize, t);
            prop_assert!(at < hits && last.is_none_or(|last| last < at));
            let (t, m) = (t as u128, samples.len() as u128);
            prop_assert!(u128::from(at) >= t * u128::from(hits) / m);
            prop_assert!(u128::from(at) < ((t + 1) * u128::from(hits)).div_ceil(m));
            last = Some(at);
        }
    }

    #[test]
    fn all_samples_come_unless_there_are_no_hits(a: [u8; 32], n in 0..100_u32, hits in 0..3_u64) {
        let numbers: Vec<u32> = sample_positions(&a, &[0; 20], n, hits, 9).iter().map(|s| s.k).collect();
        let want: Vec<u32> = (0..n).filter(|k| hits > 0 || k % 2 == 1).collect();
        prop_assert_eq!(numbers, want);
    }

    #[test]
    fn every_position_has_one_node(counts in prop::collection::vec((0..9_u64, 0..9_u64), 0..6)) {
        let nodes: Vec<NodeCounts> = (0..).zip(&counts)
            .map(|(node_id, (more, hits))| NodeCounts { node_id, count: hits + more, hits: *hits }).collect();
        for (of_hits, total) in [(true, nodes.iter().map(|n| n.hits).sum::<u64>()), (false, nodes.iter().map(|n| n.count).sum())] {
            let position = |i| if of_hits { Position::Hit(i) } else { Position::Leaf(i) };
            let all: Vec<_> = (0..total).map(|i| resolve(position(i), &nodes).unwrap()).collect();
            let want: Vec<_> = nodes.iter().flat_map(|n| (0..if of_hits { n.hits } else { n.count })
                .map(|i| (n.node_id, position(i)))).collect();
            prop_assert_eq!(all.iter().map(|l| (l.node_id, l.position)).collect::<Vec<_>>(), want);
            prop_assert_eq!(resolve(position(total), &nodes), None);
        }
    }
}

/// THREATS 2, number 1: what is computed for one epoch is of use in no other, on no other chain, with no other beacon or shape.
#[test]
fn an_epoch_key_changes_with_each_field() {
    let key = |chain: &str, epoch, beacon: u8, shape: u8| {
        epoch_key(chain, epoch, &[beacon; 32], &[shape; 32]).unwrap()
    };
    let keys: BTreeSet<Hash> = [
        key("chain-1", 5, 7, 9),
        key("chain-2", 5, 7, 9),
        key("chain-1", 6, 7, 9),
        key("chain-1", 5, 8, 9),
        key("chain-1", 5, 7, 10),
        // The length stands before the chain id, so nothing moves over to the next field.
        key("chain-1\0", 5, 7, 9),
        key("", 5, 7, 9),
    ]
    .into();
    assert_eq!(keys.len(), 7);
}

proptest! {
    /// THREATS 2, numbers 5 and 6: two nonces share a seed only if participant, node and number are the same, so neither copies
    /// nor overlapping ranges of a participant's nodes exist.
    #[test]
    fn seeds_of_nonces_never_meet(
        ids in prop::collection::btree_set((any::<[u8; 2]>(), 0..4_u32, 0..64_u64), 1..60),
        key: [u8; 32],
    ) {
        let seed = |(who, node, nonce): &([u8; 2], u32, u64)| {
            let mut participant = [0; 20];
            participant[..2].copy_from_slice(who);
            nonce_hash(&key, &participant, *node, *nonce)
        };
        let seeds: BTreeSet<Hash> = ids.iter().map(seed).collect();
        prop_assert_eq!(seeds.len(), ids.len());
    }
}

/// Over many provers the committee has the size it should have, in proportion to power.
#[test]
fn committees_have_their_size() {
    let provers = 4000_u32;
    let (power, total, size) = (30, 1000, 16);
    let member = |j: &u32| {
        is_member(&[5; 32], &tag("p", &[&j.to_be_bytes()])[..20].try_into().unwrap(), power, total, size)
    };
    let count = (0..provers).filter(member).count();
    // Expected 4000 * 0.48 = 1920, standard deviation 32.
    assert!((1760..2080).contains(&count), "{count}");
}

/// Other programs compute these: a change breaks audits between versions.
#[test]
fn frozen_hashes() {
    let (a, j) = ([0x11; 32], [0x22; 20]);
    assert_eq!(
        hex::encode(chain_tag("sample", &[&a, &j, &0_u32.to_be_bytes()])),
        hex::encode(sha("geodesic/chain/1/sample\0", &[&a, &j, &[0; 4]]))
    );
    assert_eq!(seen_tag(&j, &[1, -1]), sha("geodesic/seen", &[&j, &[1, 0, 0, 0, 255, 255, 255, 255]])[..8]);
    let entries: [(&[u8], &[u8]); 2] = [(&[2], &[8; 8]), (&[1], &[9; 32])];
    assert_eq!(
        judgment_hash("chain-1", 7, &j, &entries, &[3; 32]),
        sha(
            "geodesic/chain/1/judgment\0",
            &[b"chain-1", &7_u64.to_be_bytes(), &j, &[1], &[9; 32], &[2], &[8; 8], &[3; 32]]
        ),
    );
}

fn sha(text: &str, parts: &[&[u8]]) -> Hash {
    use sha2::{Digest, Sha256};
    Sha256::digest([text.as_bytes(), &parts.concat()].concat()).into()
}
