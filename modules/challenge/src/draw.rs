//! Who audits whom, which leaves are sampled, and the hashes an auditor and a judge publish.
use sha2::{Digest, Sha256};

use crate::hash::{Address, Hash, chain_tag, first_u64};

/// A place among the leaves of a participant or of one of its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// The hit of this number, from 0.
    Hit(u64),
    /// The leaf of this number, from 0.
    Leaf(u64),
}

/// A sample of one auditor for one prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Number of the sample, `k`. Even samples fall away for a prover without hits.
    pub k: u32,
    /// Where, over all nodes of the prover in ascending order.
    pub position: Position,
}

/// What one node of a participant committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeCounts {
    /// Number of the node.
    pub node_id: u32,
    /// Leaves.
    pub count: u64,
    /// Hits.
    pub hits: u64,
}

/// A position within one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Index in the list of nodes.
    pub index: usize,
    /// Number of the node.
    pub node_id: u32,
    /// Leaf index or rank of a hit within the node.
    pub position: Position,
}

/// `floor((t 2^64 + u) n / (m 2^64))`: a place in the stratum t of m equal ones over `0 .. n`.
fn stratum(t: u32, m: u32, u: u64, n: u64) -> u64 {
    let within = (u128::from(u) * u128::from(n)) >> 64;
    // floor(floor(x) / m) = floor(x / m), so the product of 160 bits is never formed.
    ((u128::from(t) * u128::from(n) + within) / u128::from(m)) as u64
}

/// The samples `k = 0 .. n` of the auditor with VRF output `a_i` for `prover`: `u = u64(tag("sample", a_i, j, be32(k)))`;
/// even k among the hits (none if there are none), odd k among the leaves; one in each of as many equal strata as
/// there are samples of its kind.
pub fn sample_positions(
    a_i: &Hash,
    prover: &Address,
    n: u32,
    total_hits: u64,
    total_leaves: u64,
) -> Vec<Sample> {
    let sample = |k: u32| {
        let u = first_u64(&chain_tag("sample", &[a_i, prover, &k.to_be_bytes()]));
        let position = if k.is_multiple_of(2) {
            (total_hits > 0).then(|| Position::Hit(stratum(k / 2, n.div_ceil(2), u, total_hits)))
        } else {
            (total_leaves > 0).then(|| Position::Leaf(stratum(k / 2, n / 2, u, total_leaves)))
        };
        position.map(|position| Sample { k, position })
    };
    (0..n).filter_map(sample).collect()
}

/// The node that a position of a participant falls in, and the position within it. `nodes` in ascending order of
/// `node_id`; `None` beyond their sum.
pub fn resolve(position: Position, nodes: &[NodeCounts]) -> Option<Located> {
    let (mut left, of_hits) = match position {
        Position::Hit(rank) => (rank, true),
        Position::Leaf(index) => (index, false),
    };
    for (index, node) in nodes.iter().enumerate() {
        let here = if of_hits { node.hits } else { node.count };
        if left < here {
            let position = if of_hits { Position::Hit(left) } else { Position::Leaf(left) };
            return Some(Located { index, node_id: node.node_id, position });
        }
        left -= here;
    }
    None
}

/// Whether the validator with VRF output `a_i` audits `prover`:
/// `u64(tag("member", a_i, j)) < 2^64 * min(1, committee_size * power_i / total_power)`, exactly. Nobody audits itself:
/// the caller sees to that.
pub fn is_member(a_i: &Hash, prover: &Address, power: u64, total_power: u64, committee_size: u32) -> bool {
    let share = u128::from(committee_size) * u128::from(power);
    let total = u128::from(total_power);
    if total == 0 || share >= total {
        return total != 0;
    }
    let u = first_u64(&chain_tag("member", &[a_i, prover]));
    u128::from(u) * total < share << 64
}

/// Leaves that a node must have to be committed to, where a participant needs `min_leaves`: 64 at most. The end of a shorter
/// range could be put where a cheap guess says that no hit follows (`docs/hardness.md`).
pub fn node_leaves(min_leaves: u64) -> u64 {
    min_leaves.min(64)
}

/// Samples each member of a committee owes:
/// `ceil(samples_per_prover / max(1, min(committee_size, validators - 1)))`.
pub fn samples_per_member(samples_per_prover: u32, committee_size: u32, validators: u32) -> u32 {
    samples_per_prover.div_ceil(committee_size.min(validators.saturating_sub(1)).max(1))
}

/// Tag by which `auditor` shows that it computed `logits`: the first 8 bytes of
/// `SHA-256("geodesic/seen" || auditor || logits as le i32)`.
pub fn seen_tag(auditor: &Address, logits: &[i32]) -> [u8; 8] {
    let mut hasher = Sha256::new();
    hasher.update("geodesic/seen");
    hasher.update(auditor);
    logits.iter().for_each(|l| hasher.update(l.to_le_bytes()));
    first_u64(&hasher.finalize().into()).to_be_bytes()
}

/// Hash that a judge commits to: `tag("judgment", chain_id, be64(epoch), judge, sorted (accusation, value)..., salt)`.
///
/// `entries` are (bytes naming the accusation, the leaf hash or tag that the judge computed), in any order.
pub fn judgment_hash(
    chain_id: &str,
    epoch: u64,
    judge: &Address,
    entries: &[(&[u8], &[u8])],
    salt: &[u8; 32],
) -> Hash {
    let mut sorted = entries.to_vec();
    sorted.sort_unstable();
    let epoch = epoch.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![chain_id.as_bytes(), &epoch, judge];
    parts.extend(sorted.iter().flat_map(|(accusation, value)| [*accusation, *value]));
    parts.push(salt);
    chain_tag("judgment", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strata_at_the_edges() {
        for (name, (t, m, u, n), want) in [
            ("first of all", (0, 32, 0, 1000), 0),
            ("last of all", (31, 32, u64::MAX, 1000), 999),
            ("one stratum, half way", (0, 1, 1 << 63, 10), 5),
            ("fewer leaves than strata", (3, 4, 0, 1), 0),
            ("numbers of 64 bits", (31, 32, u64::MAX, u64::MAX), u64::MAX - 1),
            ("second half", (1, 2, 0, 7), 3),
        ] {
            assert_eq!(stratum(t, m, u, n), want, "{name}");
        }
    }

    #[test]
    fn positions_run_over_nodes_in_order() {
        let node = |node_id, count, hits| NodeCounts { node_id, count, hits };
        let nodes = [node(1, 10, 2), node(5, 7, 0), node(9, 4, 4)];
        for (position, want) in [
            (Position::Leaf(0), Some((0, 1, Position::Leaf(0)))),
            (Position::Leaf(10), Some((1, 5, Position::Leaf(0)))),
            (Position::Leaf(20), Some((2, 9, Position::Leaf(3)))),
            (Position::Leaf(21), None),
            (Position::Hit(1), Some((0, 1, Position::Hit(1)))),
            (Position::Hit(2), Some((2, 9, Position::Hit(0)))),
            (Position::Hit(6), None),
        ] {
            let want = want.map(|(index, node_id, position)| Located { index, node_id, position });
            assert_eq!(resolve(position, &nodes), want, "{position:?}");
        }
    }

    #[test]
    fn membership_is_exact() {
        let (a, j) = ([7; 32], [1; 20]);
        let u = first_u64(&chain_tag("member", &[&a, &j]));
        for (name, power, total, size, want) in [
            ("all of the power", 1, 1, 1, true),
            ("a committee as large as everyone", 1, 16, 16, true),
            ("no power", 0, 10, 16, false),
            ("nobody has power", 0, 0, 16, false),
            ("share just above u", (u >> 1) + 1, u64::MAX / 2 + 1, 1, true),
            ("share at u or below", u >> 1, u64::MAX / 2 + 1, 1, false),
        ] {
            assert_eq!(is_member(&a, &j, power, total, size), want, "{name}");
        }
    }

    #[test]
    fn samples_are_shared_among_the_committee() {
        for (samples, size, validators, want) in [
            (64, 16, 100, 4),
            (64, 16, 4, 22),
            (64, 16, 2, 64),
            (64, 16, 1, 64),
            (64, 0, 9, 64),
            (65, 16, 100, 5),
        ] {
            assert_eq!(samples_per_member(samples, size, validators), want, "{samples} {size} {validators}");
        }
    }

    #[test]
    fn a_judgment_does_not_depend_on_order() {
        let hash = |entries: &[(&[u8], &[u8])]| judgment_hash("c", 3, &[1; 20], entries, &[2; 32]);
        assert_eq!(hash(&[(&[1], &[9; 32]), (&[2], &[8; 8])]), hash(&[(&[2], &[8; 8]), (&[1], &[9; 32])]));
        assert_ne!(hash(&[(&[1], &[9; 32]), (&[2], &[8; 8])]), hash(&[(&[1], &[9; 32])]));
    }
}
