use super::*;
use crate::journal::{Computed, Journal, Sampled};
use crate::known::tests::{AUDITED, known, known_float, leaf_of_sample};
use geodesic_proto::geodesic::pow::v1 as pb;

fn text(address: &Address) -> Result<String> {
    Ok(hex::encode(address))
}

fn with_samples(known: &mut Known, positions: &[u32], computed: bool) {
    for k in positions {
        let (node_id, opening) = leaf_of_sample(known, *k);
        let mut sampled = Sampled::new(node_id, &opening, true);
        sampled.computed =
            computed.then_some(Computed { leaf_hash: [0; 32], tag: [*k as u8; 8], distance: u64::from(*k) });
        known.audits.entry(AUDITED).or_default().insert(*k, sampled);
    }
}

fn demand(known: &mut Known, positions: &[u32], opened: &[u32]) {
    let opened = opened.iter().map(|k| {
        let (node_id, opening) = leaf_of_sample(known, *k);
        pb::Opened { position: *k, node_id, leaf: opening.leaf }
    });
    let opened = opened.collect();
    let (prover, auditor) = (hex::encode(AUDITED), "me".to_owned());
    known.demands.push(pb::Demand {
        prover,
        auditor,
        positions: positions.to_vec(),
        opened,
        ..pb::Demand::default()
    });
}

fn positions(known: &Known) -> Vec<u32> {
    let reports = reports(known, "me", text).unwrap();
    assert_eq!(reports.len(), 1);
    reports[0].samples.iter().map(|s| s.position).collect()
}

#[test]
fn a_verdict_has_all_samples_in_order_with_their_tags() {
    let (_dir, mut known) = known(4);
    with_samples(&mut known, &[3, 0, 2, 1], true);
    let reports = reports(&known, "me", text).unwrap();
    let seen: Vec<_> = reports[0].samples.iter().map(|s| (s.position, s.tag[0])).collect();
    assert_eq!(seen, [(0, 0), (1, 1), (2, 2), (3, 3)]);
    for seen in &reports[0].samples {
        let (node_id, opening) = leaf_of_sample(&known, seen.position);
        assert_eq!((seen.node_id, seen.nonce), (node_id, opening.leaf.unwrap().nonce));
    }
}

#[test]
fn under_pow2_a_verdict_has_the_distances_of_hits_and_no_tags() {
    let (_dir, mut known) = known_float(4);
    with_samples(&mut known, &[3, 0, 2, 1], true);
    let reports = reports(&known, "me", text).unwrap();
    let seen: Vec<_> = reports[0].samples.iter().map(|s| (s.position, s.tag.len(), s.distance)).collect();
    assert_eq!(seen, [(0, 0, 1), (1, 0, 1), (2, 0, 2), (3, 0, 3)], "at least one unit");
    for k in 0..4 {
        let (_, opening) = leaf_of_sample(&known, k);
        assert!(opening.leaf.unwrap().distance < 1000, "a hit");
    }
}

#[test]
fn what_was_demanded_and_not_answered_is_left_out() {
    let (_dir, mut known) = known(4);
    with_samples(&mut known, &[0, 1], true);
    demand(&mut known, &[2, 3], &[]);
    assert_eq!(positions(&known), [0, 1]);
    // Served behind the chain's back after it was demanded: the chain takes it for unanswered all the same.
    with_samples(&mut known, &[2], true);
    assert_eq!(positions(&known), [0, 1]);
    known.demands.clear();
    demand(&mut known, &[2, 3], &[2]);
    assert_eq!(positions(&known), [0, 1, 2]);
}

#[test]
fn a_sample_that_is_owed_is_never_left_out() {
    let (_dir, mut known) = known(4);
    with_samples(&mut known, &[0, 1, 2], true);
    assert!(reports(&known, "me", text).is_err(), "3 is missing");
    with_samples(&mut known, &[3], false);
    assert!(reports(&known, "me", text).is_err(), "3 was not re-computed");
}

#[test]
fn a_judgment_once_written_survives_and_keeps_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("j")).unwrap();
    let judgment = Judgment { salt: [7; 32], values: [(2, vec![1; 32]), (0, vec![2; 8])].into() };
    journal.set_judgment(4, &judgment).unwrap();
    let again = Journal::open(&dir.path().join("j")).unwrap().judgment(4).unwrap().unwrap();
    assert_eq!(again, judgment);
}
