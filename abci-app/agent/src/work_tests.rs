use super::*;
use crate::duties::opening_of;
use crate::known::tests::{AUDITED, known, leaf_of_sample};
use geodesic_challenge::Leaf;

const AUDITOR: Address = [6; 20];

/// What an auditor says of its sample k: the true leaf with this tag.
fn seen(known: &Known, k: u32, tag: [u8; 8]) -> (pb::Seen, (u32, Evidence)) {
    let (node_id, opening) = leaf_of_sample(known, k);
    let evidence = opening_of(opening.leaf.as_ref(), &opening.path).unwrap();
    (
        pb::Seen { position: k, node_id, nonce: evidence.0.nonce, tag: tag.to_vec(), distance: 0 },
        (node_id, evidence),
    )
}

fn computed(leaf: &Leaf, tag: [u8; 8]) -> Computed {
    Computed { leaf_hash: leaf.hash(), tag, distance: leaf.distance.0 }
}

#[test]
fn cross_checks_tell_tags_indexes_and_leaves_apart() {
    let (_dir, mut known) = known(4);
    let id = |k| (AUDITOR, AUDITED, k);
    let (said, shown) = seen(&known, 1, [1; 8]);
    let truth = computed(&shown.1.0, [1; 8]);
    compare(&mut known, id(1), &said, &truth, Some(&shown));
    assert!(known.wrong_tags.is_empty() && known.wrong_leaves.is_empty(), "all is right");

    compare(&mut known, id(1), &said, &Computed { tag: [2; 8], ..truth.clone() }, None);
    assert_eq!(known.wrong_tags.remove(&id(1)), Some(None), "a wrong tag needs no leaf");

    let elsewhere = pb::Seen { nonce: said.nonce + 1, ..said.clone() };
    compare(&mut known, id(1), &elsewhere, &truth, Some(&shown));
    let (leaf, path) = shown.1.clone();
    assert_eq!(
        known.wrong_tags.remove(&id(1)),
        Some(Some((leaf, path))),
        "a false index is shown by its leaf"
    );

    compare(&mut known, id(1), &said, &Computed { leaf_hash: [0; 32], ..truth }, Some(&shown));
    assert!(
        known.wrong_leaves.contains_key(&(AUDITED, 1, said.nonce)),
        "a wrong leaf that its auditor hides"
    );
    assert!(known.wrong_tags.is_empty(), "whose tag is right all the same");
    assert!(known.checked.contains(&id(1)));
}

#[test]
fn malformed_openings_in_blocks_are_skipped() {
    let (_dir, known) = known(4);
    let (_, good) = leaf_of_sample(&known, 0);
    let bad = pb::Opening { leaf: None, ..good.clone() };
    let long = pb::Opening { path: vec![pb::Sibling { hash: vec![0; 32], hits: 0 }; 65], ..good.clone() };
    let served = served(vec![bad, good, long]);
    assert_eq!(served.len(), 1);
}
