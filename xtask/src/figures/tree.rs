//! The commitment of eleven real nonces, and the path of one that is audited.

use anyhow::Context as _;
use geodesic_challenge::{Leaf, MerkleSum, Node, RTarget, r_target, verify};

use super::score::{network, real, score};
use super::svg::Svg;

/// Eleven leaves show where an uneven tree splits.
const LEAVES: usize = 11;
const AUDITED: usize = 5;
const ROOT_HEIGHT: u32 = 4;
const BOX: (f64, f64) = (68.0, 38.0);

/// A node of the tree: the leaves `from .. to`, where it stands, and where its parent does.
struct Placed {
    from: usize,
    to: usize,
    node: Node,
    at: (f64, f64),
    parent: Option<(f64, f64)>,
}

impl Placed {
    fn holds_audited(&self) -> bool {
        (self.from..self.to).contains(&AUDITED)
    }
}

/// Places the subtree over `from .. to`, children first; returns the number of its root.
fn place(
    leaves: &[Leaf],
    r: RTarget,
    (from, to): (usize, usize),
    out: &mut Vec<Placed>,
) -> anyhow::Result<usize> {
    let below = leaves.get(from..to).context("leaves of a subtree")?;
    let mut at = (68.0 + 76.0 * from as f64, level(0));
    if below.len() > 1 {
        // As RFC 6962: the largest power of two below the number of leaves, on the left.
        let depth = (below.len() - 1).ilog2();
        let middle = from + (1 << depth);
        let children = [place(leaves, r, (from, middle), out)?, place(leaves, r, (middle, to), out)?];
        let [left, right] = children.map(|child| out.get(child).map_or(0.0, |placed| placed.at.0));
        at = (left.midpoint(right), level(depth + 1));
        for child in children {
            out.get_mut(child).context("a child")?.parent = Some(at);
        }
    }
    let mut tree = MerkleSum::new(r);
    below.iter().for_each(|leaf| tree.append(leaf));
    let commitment = tree.commitment(below.len() as u64)?;
    let node = Node { hash: commitment.root, hits: commitment.hits };
    out.push(Placed { from, to, node, at, parent: None });
    Ok(out.len() - 1)
}

fn level(height: u32) -> f64 {
    f64::from(ROOT_HEIGHT - height.min(ROOT_HEIGHT)) * 84.0 + 90.0
}

fn draw_node(svg: &mut Svg, placed: &Placed, sent: bool) {
    let (x, y) = placed.at;
    let class = match (placed.holds_audited(), sent) {
        (true, _) => "path",
        (false, true) => "known",
        (false, false) => "box",
    };
    svg.rect(class, (x - BOX.0 / 2.0, y - BOX.1 / 2.0), BOX, 5.0);
    let short: String = placed.node.hash.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    svg.text("mono middle", (x, y - 3.0), &short);
    let is_leaf = placed.to - placed.from == 1;
    let sum = match (is_leaf, placed.node.hits) {
        (true, 0) => "miss".to_owned(),
        (true, _) => "hit".to_owned(),
        (false, 1) => "1 hit".to_owned(),
        (false, hits) => format!("{hits} hits"),
    };
    if is_leaf && placed.node.hits > 0 {
        svg.diamond("hit", (x - 18.0, y + 8.0), 5.0);
    }
    svg.text("small middle", (x, y + 12.0), &sum);
}

/// The picture.
pub(super) fn draw() -> anyhow::Result<String> {
    let network = network(256)?;
    // One in two is a hit, so that eleven leaves show some.
    let r = r_target(u64::MAX / 2, 256)?;
    let leaves: Vec<Leaf> = score(&network, LEAVES as u64).into_iter().map(|s| s.leaf).collect();
    let mut tree = MerkleSum::new(r);
    leaves.iter().try_for_each(|leaf| tree.push(leaf))?;
    let commitment = tree.commitment(LEAVES as u64)?;
    let path = tree.path(LEAVES as u64, AUDITED as u64)?;
    let audited = leaves.get(AUDITED).context("the audited leaf")?;
    verify(&commitment, r, audited, &path).context("the path of the picture")?;

    let mut svg = Svg::new(
        900,
        590,
        "What a node commits to, and what an audited leaf shows",
        "A Merkle-sum tree over the leaves of eleven consecutive nonces, losers included. Each node has a hash and the number of \
         hits below it. The chain keeps count, hits and root. One leaf is audited: it travels with its four siblings, from \
         which the auditor computes every node up to the root.",
    );
    let mut placed = Vec::new();
    place(&leaves, r, (0, LEAVES), &mut placed)?;
    for node in &placed {
        if let Some(parent) = node.parent {
            svg.line(if node.holds_audited() { "trace" } else { "line" }, parent, node.at);
        }
    }
    let sent = |node: &Placed| path.siblings.contains(&node.node);
    placed.iter().for_each(|node| draw_node(&mut svg, node, sent(node)));
    for leaf in &leaves {
        let x = 68.0 + 76.0 * leaf.nonce as f64;
        svg.text("middle", (x, 466.0), &format!("nonce {}", leaf.nonce));
        svg.text("small middle", (x, 483.0), &format!("D {:.3}", real(leaf.distance.0)));
    }
    let root = placed.last().context("a root")?.at;
    let on_chain = format!("on chain: count {}, hits {}, root", commitment.count, commitment.hits);
    svg.text("strong", (root.0 + 48.0, root.1 - 4.0), &on_chain);
    svg.text(
        "small",
        (root.0 + 48.0, root.1 + 14.0),
        &format!("a hit is D below r_target = {:.3}", real(r.0)),
    );
    for (class, at, text) in [
        ("path", 24.0, "computed by the auditor, from the nonce up"),
        ("known", 330.0, "sent by the prover: siblings with their hits"),
        ("box", 640.0, "stays with the prover"),
    ] {
        svg.rect(class, (at, 510.0), (22.0, 13.0), 3.0);
        svg.text("small", (at + 30.0, 521.0), text);
    }
    svg.text("small", (24.0, 548.0), "leaf = SHA-256(0x00, nonce, D, SHA-256(logits)); node = SHA-256(0x01, left, its hits, right, its hits).");
    svg.text("small", (24.0, 568.0), "Which side a sibling stands on, and how many leaves it has, follow from nonce and count, never from what the prover says.");
    Ok(svg.finish())
}
