//! Real points on the sphere: one of three outputs, which can be seen whole, and one of 256, by the true angle to the target.

use geodesic_challenge::{Network, RTarget, Scored, nonce_hash, permutation, r_target};

use super::score::{PARTICIPANT, network, real, score};
use super::svg::Svg;

const RADIUS: f64 = 175.0;
/// One nonce in twenty is a hit.
const ONE_IN: u64 = 20;

/// A panel: where its sphere is, and how far its target leans towards the reader (a point of the unit circle: up, near).
struct Panel {
    centre: (f64, f64),
    up: f64,
    near: f64,
}

impl Panel {
    /// Place on the screen and nearness of a point that is `c` along the target, and `(a, b)` beside it.
    fn place(&self, a: f64, b: f64, c: f64) -> ((f64, f64), f64) {
        let (x, y) = (a, b * self.near + c * self.up);
        ((self.centre.0 + RADIUS * x, self.centre.1 - RADIUS * y), c * self.near - b * self.up)
    }

    /// Sphere, and the cap of chord `r`.
    fn sphere(&self, svg: &mut Svg, r: f64) {
        svg.circle("line", self.centre, RADIUS);
        // The rim is a circle `c` along the target, of radius `s`.
        let c = 1.0 - r * r / 2.0;
        let s = (1.0 - c * c).sqrt();
        let radii = (RADIUS * s, RADIUS * s * self.near);
        let middle = (self.centre.0, self.centre.1 - RADIUS * c * self.up);
        // Where it goes behind the sphere, if it does: s sin * up = c near.
        let sine = c * self.near / (s * self.up);
        if sine >= 1.0 {
            svg.ellipse("cap", middle, radii);
            svg.ellipse("rim", middle, radii);
        } else {
            let cosine = (1.0 - sine * sine).sqrt();
            let [(left, _), (right, _)] = [-cosine, cosine].map(|x| self.place(s * x, s * sine, c));
            let front = Svg::arc(radii, true, true, left);
            let start = Svg::polyline(&[right]);
            let outline = Svg::arc((RADIUS, RADIUS), false, true, right);
            svg.path("cap", &[&start, &front, &outline, "Z"]);
            svg.path("rim faint dash", &[&start, &Svg::arc(radii, false, false, left)]);
            svg.path("rim", &[&start, &front]);
        }
    }

    /// Far points first, faint; hits last.
    fn points(&self, svg: &mut Svg, points: &[([f64; 3], bool)]) -> usize {
        let mut placed: Vec<_> =
            points.iter().map(|([a, b, c], hit)| (self.place(*a, *b, *c), *hit)).collect();
        placed.sort_by(|(a, _), (b, _)| a.1.total_cmp(&b.1));
        placed.sort_by_key(|(_, hit)| *hit);
        for ((at, near), hit) in placed {
            let faint = if near < 0.0 { " faint" } else { "" };
            if hit {
                svg.diamond(&format!("hit{faint}"), at, 5.5);
            } else {
                svg.circle(&format!("miss{faint}"), at, 2.2);
            }
        }
        let target = self.place(0.0, 0.0, 1.0).0;
        svg.circle("curve", target, 6.0);
        svg.circle("miss", target, 2.4);
        svg.text("strong halo", (target.0 + 12.0, target.1 + 5.0), "target");
        points.iter().filter(|(_, hit)| *hit).count()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn unit(a: Vec<f64>) -> Vec<f64> {
    let norm = dot(&a, &a).sqrt();
    a.into_iter().map(|x| x / norm).collect()
}

/// The axis number `n`, made orthogonal to `others`.
fn axis(n: usize, others: &[&[f64]]) -> Vec<f64> {
    let mut axis: Vec<f64> =
        others.first().map_or(0..0, |o| 0..o.len()).map(|i| f64::from(u8::from(i == n))).collect();
    for other in others {
        let along = dot(&axis, other);
        axis.iter_mut().zip(*other).for_each(|(x, o)| *x -= along * o);
    }
    unit(axis)
}

/// Points by `(a, b)` beside the target and `c` along it, with their true angle to the target: what more than three
/// dimensions have beside it is turned into the first two axes.
fn points(network: &Network, nonces: &[Scored], r: RTarget) -> Vec<([f64; 3], bool)> {
    let target = unit(network.target().iter().map(|t| f64::from(*t)).collect());
    let first = axis(0, &[&target]);
    let second = axis(1, &[&target, &first]);
    let of = |scored: &Scored| {
        let hash = nonce_hash(network.epoch_key(), &PARTICIPANT, 0, scored.leaf.nonce);
        let permuted = permutation(network.shape(), &hash).into_iter();
        let logit = |i: u32| scored.logits.get(i as usize).copied().map_or(0.0, f64::from);
        let point = unit(permuted.map(logit).collect());
        let c = dot(&point, &target);
        let beside = unit(vec![dot(&point, &first), dot(&point, &second)]);
        let s = (1.0 - c * c).max(0.0).sqrt();
        let ab: Vec<f64> = beside.into_iter().map(|x| s * x).collect();
        ([dot(&ab, &[1.0, 0.0]), dot(&ab, &[0.0, 1.0]), c], scored.leaf.distance.is_hit(r))
    };
    nonces.iter().map(of).collect()
}

/// The picture.
pub(super) fn draw() -> anyhow::Result<String> {
    const NONCES: u64 = 500;
    let mut svg = Svg::new(
        900,
        530,
        "Hits: outputs that fall into a cap around the target",
        "Two unit spheres, each with a target, a cap of radius r_target around it, and 500 outputs of the network as points. With \
         three outputs the points lie all over the sphere and one in twenty lies in a small cap. With 256 outputs nearly all \
         points lie about a right angle from the target, and the cap that holds one in twenty reaches almost to the equator.",
    );
    // In three dimensions a cap of chord r is r^2 / 4 of the sphere.
    let small = RTarget(((1_u128 << 66) / u128::from(ONE_IN)).isqrt() as u64);
    for (vocab, r, panel, lines) in [
        (
            3,
            small,
            Panel { centre: (225.0, 250.0), up: 0.6, near: 0.8 },
            ["Three outputs: the sphere that we can see.", "Points lie all over it; the cap is small."],
        ),
        (
            256,
            r_target(u64::MAX / ONE_IN, 256)?,
            Panel { centre: (675.0, 250.0), up: 0.96, near: 0.28 },
            [
                "256 outputs (shape micro), by the true angle to",
                "the target: nearly all of a sphere is near its equator.",
            ],
        ),
    ] {
        let network = network(vocab)?;
        let points = points(&network, &score(&network, NONCES), r);
        panel.sphere(&mut svg, real(r.0));
        let hits = panel.points(&mut svg, &points);
        let x = panel.centre.0;
        svg.texts("middle", (x, 452.0), &lines);
        let caption = format!("{hits} hits among {NONCES} nonces, r_target = {:.4}", real(r.0));
        svg.text("middle small", (x, 487.0), &caption);
    }
    svg.diamond("hit", (30.0, 509.0), 5.5);
    svg.text("small", (42.0, 513.0), "hit: distance to the target below r_target");
    svg.circle("miss", (330.0, 509.0), 2.6);
    svg.text("small", (340.0, 513.0), "miss");
    svg.text("small", (400.0, 513.0), "faint: on the far side");
    svg.rect("cap", (560.0, 502.0), (22.0, 13.0), 2.0);
    svg.text("small", (590.0, 513.0), "cap: one twentieth of the sphere");
    Ok(svg.finish())
}
