use super::*;
use crate::duties::{Draw, Prover, leaf_pb, path_pb};
use crate::epoch::Auditor;
use crate::journal::Computed;
use crate::peer;
use geodesic_challenge::{Distance, MerkleSum, Position, RTarget};
use geodesic_proto::geodesic::epochs::v1::Epoch as Window;
use geodesic_proto::geodesic::mlnode::v1::Challenge;

pub(crate) const AUDITED: Address = [5; 20];
const OTHER: Address = [6; 20];
const R: RTarget = RTarget(1000);
const COUNT: u64 = 200;

fn tree() -> (MerkleSum, Vec<Leaf>) {
    let leaf =
        |nonce| Leaf { nonce, distance: Distance(nonce * 7919 % 2000), logits_hash: [nonce as u8; 32] };
    let leaves: Vec<Leaf> = (0..COUNT).map(leaf).collect();
    let mut tree = MerkleSum::new(R);
    leaves.iter().for_each(|l| tree.append(l));
    (tree, leaves)
}

/// An epoch in which one prover with one node is audited with so many samples.
pub(crate) fn known(samples: u32) -> (tempfile::TempDir, Known) {
    known_of(samples, None)
}

/// Such an epoch of profile `pow2-f16`.
pub(crate) fn known_float(samples: u32) -> (tempfile::TempDir, Known) {
    known_of(
        samples,
        Some(pb::params::Profile::Pow2F16(pb::Tolerance { eps: 10, ..pb::Tolerance::default() })),
    )
}

fn known_of(samples: u32, profile: Option<pb::params::Profile>) -> (tempfile::TempDir, Known) {
    let hits_only = profile.is_some();
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("j")).unwrap();
    let epoch = Epoch {
        window: Window { index: 3, ..Window::default() },
        params: pb::Params { profile, ..pb::Params::default() },
        r_target: R,
        challenge: Challenge::default(),
        leaves: BTreeMap::new(),
    };
    let mut known = Known::new(Arc::new(epoch), &journal).unwrap();
    let draw = Draw { beacon: [0; 32], total_power: 2, committee_size: 16, samples, hits_only };
    let prover = Prover { address: AUDITED, nodes: vec![(1, tree().0.commitment(COUNT).unwrap())] };
    let auditor = Auditor { output: [1; 64], proof: [0; 80], secret: [9; 32] };
    let shown = peer::Drawn {
        draw: draw.clone(),
        prover: Prover { address: [0; 20], nodes: vec![] },
        r_target: R,
        auditors: BTreeMap::new(),
    };
    let drawn = Drawn {
        duties: [(AUDITED, prover.samples(&[1; 32], &draw))].into(),
        provers: [(AUDITED, prover)].into(),
        draw,
        peers: BTreeMap::new(),
        shown: Arc::new(shown),
        auditor: Some(auditor),
    };
    known.draw(Arc::new(drawn), &journal).unwrap();
    (dir, known)
}

/// The true opening of a sample.
pub(crate) fn leaf_of_sample(known: &Known, k: u32) -> (u32, pb::Opening) {
    let drawn = known.drawn.as_ref().unwrap();
    let sample = drawn.duties[&AUDITED].iter().find(|s| s.k == k).unwrap();
    let (tree, leaves) = tree();
    let index = match drawn.provers[&AUDITED].locate(sample).unwrap().position {
        Position::Leaf(index) => index,
        Position::Hit(rank) => tree.kth_hit(COUNT, rank).unwrap(),
    };
    let path = path_pb(&tree.path(COUNT, index).unwrap());
    (1, pb::Opening { position: k, leaf: Some(leaf_pb(&leaves[index as usize])), path })
}

fn text(address: &Address) -> Option<String> {
    Some(hex::encode(address))
}

fn insert(known: &mut Known, k: u32, has_path: bool, leaf_hash: impl FnOnce(&Leaf) -> [u8; 32]) {
    let (node_id, opening) = leaf_of_sample(known, k);
    let mut sampled = Sampled::new(node_id, &opening, has_path);
    let leaf_hash = leaf_hash(&sampled.leaf().unwrap());
    sampled.computed = Some(Computed { leaf_hash, tag: [0; 8], distance: 0 });
    known.audits.get_mut(&AUDITED).unwrap().insert(k, sampled);
}

#[test]
fn wrong_leaves_are_those_that_compute_to_something_else() {
    let (_dir, mut known) = known(6);
    insert(&mut known, 0, true, Leaf::hash);
    insert(&mut known, 1, true, |_| [0; 32]);
    insert(&mut known, 2, false, |_| [0; 32]);
    known.find_wrong_leaves();
    let nonce = leaf_of_sample(&known, 1).1.leaf.unwrap().nonce;
    assert_eq!(known.wrong_leaves.keys().copied().collect::<Vec<_>>(), [(AUDITED, 1, nonce)]);
    let duty = &known.duties(text, "me")[0];
    let lacking: Vec<u32> = duty.samples.iter().filter(|s| s.lacks_path).map(|s| s.position).collect();
    assert_eq!(lacking, [2], "without a path nobody can be accused");
}

/// Devices differ there: nothing is accused, searched for or checked that only an accusation would need.
#[test]
fn under_pow2_nothing_is_wrong_by_itself() {
    let (_dir, mut known) = known_float(6);
    insert(&mut known, 0, true, |_| [0; 32]);
    insert(&mut known, 1, false, |_| [0; 32]);
    known.find_wrong_leaves();
    assert!(known.wrong_leaves.is_empty());
    assert!(known.duties(text, "me")[0].samples.iter().all(|s| !s.lacks_path));
    known.verdicts.insert(OTHER, verdict(28));
    assert!(known.cross_pending(30).is_empty());
}

#[test]
fn answers_on_chain_are_taken_over_once() {
    let (_dir, mut known) = known(4);
    insert(&mut known, 0, true, Leaf::hash);
    let opened = [0, 1].map(|k| {
        let (node_id, opening) = leaf_of_sample(&known, k);
        pb::Opened { position: k, node_id, leaf: opening.leaf }
    });
    known.demands.push(pb::Demand {
        prover: hex::encode(AUDITED),
        auditor: "me".to_owned(),
        positions: vec![0, 1, 2],
        opened: opened.into(),
        ..pb::Demand::default()
    });
    assert_eq!(known.take_opened(text, "me"), BTreeSet::from([AUDITED]));
    assert!(known.audits[&AUDITED][&0].has_path, "what was served before stays");
    assert!(!known.audits[&AUDITED][&1].has_path);
    assert!(known.take_opened(text, "me").is_empty());
    let states: Vec<_> = known.duties(text, "me")[0].samples.iter().map(|s| (s.demanded, s.known)).collect();
    assert_eq!(states, [(true, true), (true, true), (true, false), (false, false)]);
}

fn verdict(seen: u64) -> Verdict {
    let seen_samples = (0..400).map(|k| pb::Seen { position: k, ..pb::Seen::default() }).collect();
    Verdict { seen, output: vec![2; 64], duties: [(AUDITED, seen_samples)].into() }
}

#[test]
fn some_of_others_samples_are_checked_once_and_two_blocks_later() {
    let (_dir, mut known) = known(4);
    known.verdicts.insert(OTHER, verdict(28));
    assert!(known.cross_pending(29).is_empty(), "provers do not know the verdict yet");
    let pending = known.cross_pending(30);
    assert!((25..90).contains(&pending.len()), "one in eight of 400: {}", pending.len());
    let (first, _) = pending.first_key_value().unwrap();
    known.checked.insert(*first);
    assert_eq!(known.cross_pending(30).len(), pending.len() - 1);
}

#[test]
fn who_can_prove_a_false_index_joins_a_case() {
    let (_dir, mut known) = known(4);
    let case = |case_id, kind: pb::CaseKind, proven| pb::Case {
        case_id,
        kind: kind.into(),
        accused: hex::encode(if kind == pb::CaseKind::Leaf { AUDITED } else { OTHER }),
        prover: hex::encode(AUDITED),
        node_id: 1,
        nonce: 7,
        position: 2,
        proven,
        ..pb::Case::default()
    };
    let address = |t: &str| hex::decode(t).ok()?.try_into().ok();
    known.cases = [(0, case(0, pb::CaseKind::Leaf, false)), (1, case(1, pb::CaseKind::Tag, false))].into();
    let leaf = Action::AccuseLeaf { prover: AUDITED, node_id: 1, nonce: 7 };
    let tag = Action::AccuseTag { auditor: OTHER, prover: AUDITED, position: 2 };
    assert_eq!(known.accused(address), BTreeSet::from([leaf.clone(), tag.clone()]));
    let (tree, leaves) = tree();
    let evidence = (leaves[0], tree.path(COUNT, 0).unwrap());
    known.wrong_tags.insert((OTHER, AUDITED, 2), Some(evidence));
    assert_eq!(known.accused(address), BTreeSet::from([leaf.clone()]));
    known.cases.insert(1, case(1, pb::CaseKind::Tag, true));
    assert_eq!(known.accused(address), BTreeSet::from([leaf, tag]), "somebody has shown it");
}
