//! Whom a validator audits, which leaves it samples, and whether what it gets is what it asked for. Pure functions over what
//! the chain says.

use geodesic_challenge::{
    Address, Commitment, Hash, Leaf, Located, Node, NodeCounts, Path, Position, RTarget, Sample, chain_tag,
    is_member, resolve, sample_hits, sample_positions, verify, verify_hit_rank,
};
use geodesic_proto::geodesic::pow::v1 as pb;

/// One in this many samples of other auditors is re-computed.
pub const CROSS_CHECK: u64 = 8;

/// `a_i`: the first 32 bytes of a VRF output.
pub fn a_i(output: &[u8; 64]) -> Hash {
    output.first_chunk().copied().unwrap_or_default()
}

/// What selects auditors and samples of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// A, the beacon at X.
    pub beacon: Hash,
    /// Sum of all powers.
    pub total_power: u64,
    /// Auditors that a prover has on average.
    pub committee_size: u32,
    /// Samples that each auditor takes of a prover.
    pub samples: u32,
    /// Profile `pow2-f16`: hits alone are sampled.
    pub hits_only: bool,
}

/// What a prover committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prover {
    /// Its address.
    pub address: Address,
    /// Node and commitment, ascending by node.
    pub nodes: Vec<(u32, Commitment)>,
}

impl Prover {
    fn total(&self, of: impl Fn(&Commitment) -> u64) -> u64 {
        self.nodes.iter().map(|(_, c)| of(c)).fold(0, u64::saturating_add)
    }

    fn counts(&self) -> Vec<NodeCounts> {
        let counts =
            |(node_id, c): &(u32, Commitment)| NodeCounts { node_id: *node_id, count: c.count, hits: c.hits };
        self.nodes.iter().map(counts).collect()
    }

    /// Where a sample lies.
    pub fn locate(&self, sample: &Sample) -> Option<Located> {
        resolve(sample.position, &self.counts())
    }

    /// Samples that the auditor with `a_i` takes.
    pub fn samples(&self, a_i: &Hash, draw: &Draw) -> Vec<Sample> {
        let (n, hits) = (draw.samples, self.total(|c| c.hits));
        match draw.hits_only {
            true => sample_hits(a_i, &self.address, n, hits),
            false => sample_positions(a_i, &self.address, n, hits, self.total(|c| c.count)),
        }
    }

    /// Checks that a leaf is a sample of this prover, and returns its node.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(&self, r_target: RTarget, sample: &Sample, leaf: &Leaf, path: &Path) -> Result<u32, String> {
        let found = self.locate(sample).and_then(|l| Some((l, self.nodes.get(l.index)?)));
        let (located, (_, commitment)) = found.ok_or_else(|| format!("sample {} is nowhere", sample.k))?;
        match located.position {
            Position::Leaf(index) if index != leaf.nonce => {
                return Err(format!("leaf {} given for leaf {index}", leaf.nonce));
            }
            Position::Leaf(_) => verify(commitment, r_target, leaf, path),
            Position::Hit(rank) => verify_hit_rank(commitment, r_target, leaf, path, rank),
        }
        .map_err(|e| e.to_string())?;
        Ok(located.node_id)
    }
}

/// Whether the validator with `a_i` and `power` audits a prover.
pub fn audits(auditor: &Address, a_i: &Hash, power: u64, draw: &Draw, prover: &Address) -> bool {
    auditor != prover && is_member(a_i, prover, power, draw.total_power, draw.committee_size)
}

/// Whether the sample of another auditor is one that is re-computed here. `secret` is a VRF output that is shown to nobody,
/// so that nobody knows which of its tags will be looked at: `u64(tag("cross", secret, auditor, prover, be32(k))) mod 8 = 0`.
pub fn is_cross_checked(secret: &Hash, auditor: &Address, prover: &Address, k: u32) -> bool {
    let [a, b, c, d, e, f, g, h, ..] = chain_tag("cross", &[secret, auditor, prover, &k.to_be_bytes()]);
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).is_multiple_of(CROSS_CHECK)
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok()
}

/// The leaf and path of a message; `None` if a length is wrong.
pub fn opening_of(leaf: Option<&pb::Leaf>, path: &[pb::Sibling]) -> Option<(Leaf, Path)> {
    let leaf = leaf_of(leaf)?;
    if path.len() > geodesic_challenge::DEPTH_MAX {
        return None;
    }
    let sibling = |s: &pb::Sibling| Some(Node { hash: hash(&s.hash)?, hits: s.hits });
    Some((leaf, Path { siblings: path.iter().map(sibling).collect::<Option<_>>()? }))
}

/// The leaf of a message; `None` if a length is wrong.
pub fn leaf_of(leaf: Option<&pb::Leaf>) -> Option<Leaf> {
    let leaf = leaf?;
    let distance = geodesic_challenge::Distance(leaf.distance);
    Some(Leaf { nonce: leaf.nonce, distance, logits_hash: hash(&leaf.logits_hash)? })
}

/// A leaf for a message.
pub fn leaf_pb(leaf: &Leaf) -> pb::Leaf {
    pb::Leaf { nonce: leaf.nonce, distance: leaf.distance.0, logits_hash: leaf.logits_hash.to_vec() }
}

/// A path for a message.
pub fn path_pb(path: &Path) -> Vec<pb::Sibling> {
    path.siblings.iter().map(|n| pb::Sibling { hash: n.hash.to_vec(), hits: n.hits }).collect()
}

/// The commitments of a message; `None` if a root has not 32 bytes.
pub fn nodes_of(nodes: &[pb::NodeCommitment]) -> Option<Vec<(u32, Commitment)>> {
    let node = |n: &pb::NodeCommitment| {
        Some((n.node_id, Commitment { count: n.count, hits: n.hits, root: hash(&n.root)? }))
    };
    nodes.iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use geodesic_challenge::{Distance, MerkleSum, samples_per_member};

    const R: RTarget = RTarget(100);

    fn trees() -> Vec<(u32, MerkleSum, Vec<Leaf>)> {
        let tree = |(node_id, count): (u32, u64)| {
            let mut tree = MerkleSum::new(R);
            let leaf = |nonce| Leaf {
                nonce,
                distance: Distance(nonce * 37 % 200),
                logits_hash: [node_id as u8; 32],
            };
            let leaves: Vec<Leaf> = (0..count).map(leaf).collect();
            leaves.iter().for_each(|l| tree.append(l));
            (node_id, tree, leaves)
        };
        [(1, 40), (4, 33)].map(tree).into()
    }

    fn prover() -> Prover {
        let nodes = trees().iter().map(|(id, t, l)| (*id, t.commitment(l.len() as u64).unwrap())).collect();
        Prover { address: [9; 20], nodes }
    }

    #[test]
    fn every_sample_opens_and_nothing_else_does() {
        let (prover, trees) = (prover(), trees());
        let samples = samples_per_member(64, 16, 4);
        let draw = Draw { beacon: [0; 32], total_power: 4, committee_size: 16, samples, hits_only: false };
        let both = prover.samples(&[5; 32], &draw);
        assert_eq!(both.len(), 22);
        let hits = prover.samples(&[5; 32], &Draw { hits_only: true, ..draw });
        assert!(hits.len() == 22 && hits.iter().all(|s| matches!(s.position, Position::Hit(_))));
        for sample in both.iter().chain(&hits) {
            let located = prover.locate(sample).unwrap();
            let (_, tree, leaves) = &trees[located.index];
            let count = leaves.len() as u64;
            let index = match located.position {
                Position::Leaf(index) => index,
                Position::Hit(rank) => tree.kth_hit(count, rank).unwrap(),
            };
            let (leaf, path) = (leaves[index as usize], tree.path(count, index).unwrap());
            assert_eq!(prover.check(R, sample, &leaf, &path), Ok(located.node_id));
            let wrong = Leaf { logits_hash: [0; 32], ..leaf };
            assert!(prover.check(R, sample, &wrong, &path).is_err(), "another leaf at its place");
            let beside = (index + 1) % count;
            let (leaf, path) = (leaves[beside as usize], tree.path(count, beside).unwrap());
            assert!(prover.check(R, sample, &leaf, &path).is_err(), "a true leaf of another place");
        }
    }

    #[test]
    fn nobody_audits_itself() {
        let draw =
            Draw { beacon: [0; 32], total_power: 4, committee_size: 16, samples: 22, hits_only: false };
        assert!(audits(&[1; 20], &[0; 32], 1, &draw, &[2; 20]));
        assert!(!audits(&[1; 20], &[0; 32], 1, &draw, &[1; 20]));
        assert!(!audits(&[1; 20], &[0; 32], 0, &draw, &[2; 20]), "no power");
    }

    #[test]
    fn one_in_eight_is_cross_checked_and_the_choice_is_secret() {
        let chosen = |secret: u8| {
            (0..8000).filter(|k| is_cross_checked(&[secret; 32], &[1; 20], &[2; 20], *k)).count()
        };
        assert!((850..1150).contains(&chosen(1)), "{}", chosen(1));
        let both =
            (0..8000).filter(|k| [1, 2].iter().all(|s| is_cross_checked(&[*s; 32], &[1; 20], &[2; 20], *k)));
        assert!((70..190).contains(&both.count()), "independent for another secret");
    }

    #[test]
    fn messages_with_wrong_lengths_are_refused() {
        let leaf = leaf_pb(&Leaf { nonce: 1, distance: Distance(2), logits_hash: [3; 32] });
        let sibling = pb::Sibling { hash: vec![1; 32], hits: 0 };
        assert!(opening_of(Some(&leaf), &vec![sibling.clone(); 64]).is_some());
        assert!(opening_of(Some(&leaf), &vec![sibling; 65]).is_none());
        assert!(opening_of(Some(&leaf), &[pb::Sibling { hash: vec![1; 31], hits: 0 }]).is_none());
        assert!(opening_of(None, &[]).is_none());
        assert!(leaf_of(Some(&pb::Leaf { logits_hash: vec![0; 33], ..leaf })).is_none());
    }
}
