//! Laws of the commitment: any count, any leaf; nothing forged passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
use geodesic_challenge::*;
use proptest::prelude::*;

const R: RTarget = RTarget(1000);

fn leaf(nonce: u64, distance: u64) -> Leaf {
    Leaf { nonce, distance: Distance(distance), logits_hash: tag("test", &[&nonce.to_be_bytes()]) }
}

fn tree(distances: &[u64]) -> MerkleSum {
    let mut tree = MerkleSum::new(R);
    for (nonce, d) in distances.iter().enumerate() {
        tree.push(&leaf(nonce as u64, *d)).unwrap();
    }
    tree
}

/// The definition, word by word.
fn naive(leaves: &[Leaf]) -> (Hash, u64) {
    use sha2::{Digest, Sha256};
    if let [leaf] = leaves {
        return (leaf.hash(), u64::from(leaf.distance.0 < R.0));
    }
    let mut k = 1;
    while 2 * k < leaves.len() {
        k *= 2;
    }
    let ((left, a), (right, b)) = (naive(&leaves[..k]), naive(&leaves[k..]));
    let bytes = [&[1][..], &left, &a.to_be_bytes(), &right, &b.to_be_bytes()].concat();
    (Sha256::digest(bytes).into(), a + b)
}

fn distances() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(900..1100_u64, 1..70)
}

proptest! {
    #[test]
    fn every_prefix_is_the_definition(d in distances()) {
        let tree = tree(&d);
        let leaves: Vec<Leaf> = d.iter().enumerate().map(|(n, d)| leaf(n as u64, *d)).collect();
        for count in 1..=leaves.len() {
            let (root, hits) = naive(&leaves[..count]);
            let count = count as u64;
            prop_assert_eq!(tree.commitment(count), Ok(Commitment { count, hits, root }));
        }
    }

    #[test]
    fn every_leaf_of_every_prefix_verifies(d in distances()) {
        let tree = tree(&d);
        for count in 1..=d.len() as u64 {
            let commitment = tree.commitment(count).unwrap();
            for index in 0..count {
                let path = tree.path(count, index).unwrap();
                let leaf = leaf(index, d[index as usize]);
                prop_assert_eq!(verify(&commitment, R, &leaf, &path), Ok(()));
            }
        }
    }

    #[test]
    fn the_kth_hit_is_found_and_no_other_passes_for_it(d in distances(), at: prop::sample::Index) {
        let tree = tree(&d);
        let count = at.index(d.len()) as u64 + 1;
        let commitment = tree.commitment(count).unwrap();
        let hits: Vec<u64> = (0..count).filter(|i| d[*i as usize] < R.0).collect();
        for (rank, index) in hits.iter().enumerate() {
            prop_assert_eq!(tree.kth_hit(count, rank as u64), Some(*index));
        }
        prop_assert_eq!(tree.kth_hit(count, hits.len() as u64), None);
        for index in 0..count {
            let (leaf, path) = (leaf(index, d[index as usize]), tree.path(count, index).unwrap());
            let rank = hits.iter().position(|h| *h == index);
            for asked in 0..=hits.len() as u64 {
                let got = verify_hit_rank(&commitment, R, &leaf, &path, asked);
                prop_assert_eq!(got.is_ok(), rank.map(|r| r as u64) == Some(asked));
            }
        }
    }

    #[test]
    fn nothing_forged_passes(d in distances(), a: prop::sample::Index, b: prop::sample::Index, add in 1..u64::MAX) {
        let tree = tree(&d);
        let count = d.len() as u64;
        let commitment = tree.commitment(count).unwrap();
        let index = a.index(d.len()) as u64;
        let (good, path) = (leaf(index, d[index as usize]), tree.path(count, index).unwrap());
        let refused = |c: &Commitment, l: &Leaf, p: &Path| verify(c, R, l, p).is_err();

        prop_assert!(refused(&commitment, &Leaf { distance: Distance(good.distance.0 ^ 1), ..good }, &path), "{}", index);
        prop_assert!(refused(&commitment, &Leaf { logits_hash: [7; 32], ..good }, &path), "{}", index);
        prop_assert!(refused(&commitment, &Leaf { nonce: index.wrapping_add(add), ..good }, &path), "{}", index);
        prop_assert!(refused(&Commitment { hits: commitment.hits.wrapping_add(add), ..commitment }, &good, &path), "{}", index);
        prop_assert!(refused(&Commitment { root: [0; 32], ..commitment }, &good, &path), "{}", index);
        let longer = Path { siblings: [path.siblings.clone(), vec![Node { hash: [0; 32], hits: 0 }]].concat() };
        prop_assert!(refused(&commitment, &good, &longer), "{}", index);
        if !path.siblings.is_empty() {
            let at = b.index(path.siblings.len());
            let mut forged = path.clone();
            forged.siblings[at].hits = forged.siblings[at].hits.wrapping_add(add);
            prop_assert!(refused(&commitment, &good, &forged), "{}", index);
            let mut forged = path.clone();
            forged.siblings[at].hash[0] ^= 1;
            prop_assert!(refused(&commitment, &good, &forged), "{}", index);
            let mut shorter = path.clone();
            shorter.siblings.remove(at);
            prop_assert!(refused(&commitment, &good, &shorter), "{}", index);
        }
    }
}

/// A prover that commits to more hits than it has leaves: the root is consistent with the path, the sums are not.
#[test]
fn a_root_with_forged_sums_is_refused() {
    use sha2::{Digest, Sha256};
    let leaf = leaf(0, 1);
    for (hits, error) in [
        (2, PathError::TooManyHits(0, 2, 1)),
        (u64::MAX, PathError::TooManyHits(0, u64::MAX, 1)),
        (1, PathError::Hits(2, 5)),
    ] {
        let sibling = Node { hash: [9; 32], hits };
        let bytes =
            [&[1][..], &leaf.hash(), &1_u64.to_be_bytes(), &sibling.hash, &hits.to_be_bytes()].concat();
        let commitment = Commitment { count: 2, hits: 5, root: Sha256::digest(bytes).into() };
        assert_eq!(verify(&commitment, R, &leaf, &Path { siblings: vec![sibling] }), Err(error));
    }
}

#[test]
fn questions_beyond_the_tree_are_refused() {
    let mut tree = tree(&[1, 2000, 3]);
    assert_eq!(tree.push(&leaf(5, 1)), Err(TreeError::NotNext(5, 3)));
    assert_eq!(tree.commitment(0), Err(TreeError::Count(0, 3)));
    assert_eq!(tree.commitment(4), Err(TreeError::Count(4, 3)));
    assert_eq!(tree.path(3, 3), Err(TreeError::Index(3, 3)));
    assert_eq!(tree.kth_hit(4, 0), None);
    assert!(MerkleSum::new(R).is_empty());
    let none = Commitment { count: 0, hits: 0, root: [0; 32] };
    assert_eq!(verify(&none, R, &leaf(0, 1), &Path { siblings: vec![] }), Err(PathError::Index(0, 0)));
    // A path is bounded even for the largest count.
    let huge = Commitment { count: u64::MAX, hits: 0, root: [0; 32] };
    assert_eq!(
        verify(&huge, R, &leaf(0, 1), &Path { siblings: vec![] }),
        Err(PathError::Length(0, DEPTH_MAX))
    );
}

/// A distance equal to the target is no hit.
#[test]
fn a_hit_is_strictly_below_the_target() {
    for (distance, hits) in [(999, 1), (1000, 0), (1001, 0)] {
        assert_eq!(tree(&[distance]).commitment(1).unwrap().hits, hits, "{distance}");
    }
}
