//! Distances of real nonces against the cap formula, and where `r_target` cuts.

use geodesic_challenge::{RTarget, cap_probability, r_target};

use super::score::{network, real, score};
use super::svg::Svg;

const NONCES: u64 = 3000;
const VOCAB: u32 = 256;
/// One nonce in twenty is a hit.
const ONE_IN: u64 = 20;
/// Width of a bar: 0.01. `r_target` is an edge.
const BAR: u64 = (1 << 32) / 100;
const BARS_LEFT: u64 = 8;
const BARS: u64 = 28;
/// Parts of a bar that the curve has.
const PARTS: u64 = 4;

const LEFT: f64 = 70.0;
const BOTTOM: f64 = 420.0;
const BAR_PIXELS: f64 = 28.0;

/// Pixels of a number of nonces in a bar.
fn height(nonces: f64) -> f64 {
    nonces * 300.0 / 320.0
}

/// Expected nonces between two distances, by the chain's own formula.
fn expected(from: u64, to: u64) -> anyhow::Result<f64> {
    let share = cap_probability(RTarget(to), VOCAB)? - cap_probability(RTarget(from), VOCAB)?;
    Ok(NONCES as f64 * (share as f64 / u64::MAX as f64))
}

/// The picture.
pub(super) fn draw() -> anyhow::Result<String> {
    let r = r_target(u64::MAX / ONE_IN, VOCAB)?;
    let from = r.0 - BARS_LEFT * BAR;
    let network = network(VOCAB)?;
    let distances: Vec<u64> = score(&network, NONCES).into_iter().map(|s| s.leaf.distance.0).collect();
    let hits = distances.iter().filter(|d| **d < r.0).count();
    let mut svg = Svg::new(
        900,
        500,
        "Distances of 3,000 nonces, and the difficulty",
        "A histogram of the distances of 3000 nonces of the shape micro. It has the shape of a bell around 1.41 and follows the curve \
         of the cap formula. The bars left of r_target, five nonces in a hundred, are hits.",
    );
    let x = |bar: f64| LEFT + BAR_PIXELS * bar;
    for nonces in (0..=300_u32).step_by(100) {
        let y = BOTTOM - height(f64::from(nonces));
        svg.line("line faint", (LEFT, y), (x(BARS as f64), y));
        svg.text("small end", (LEFT - 8.0, y + 4.0), &nonces.to_string());
    }
    for bar in 0..BARS {
        let edge = from + bar * BAR;
        let count = distances.iter().filter(|d| (edge..edge + BAR).contains(d)).count();
        let tall = height(count as f64);
        let class = if bar < BARS_LEFT { "hits" } else { "misses" };
        svg.rect(class, (x(bar as f64) + 1.0, BOTTOM - tall), (BAR_PIXELS - 2.0, tall), 0.0);
        if bar % 4 == 0 {
            svg.text("small middle", (x(bar as f64), BOTTOM + 18.0), &format!("{:.3}", real(edge)));
        }
    }
    svg.line("line", (LEFT, BOTTOM), (x(BARS as f64), BOTTOM));
    let step = BAR / PARTS;
    let curve = (0..BARS * PARTS).map(|part| {
        let edge = from + part * step;
        let nonces = expected(edge, edge + step)? * PARTS as f64;
        Ok((x((part as f64 + 0.5) / PARTS as f64), BOTTOM - height(nonces)))
    });
    let curve = curve.collect::<anyhow::Result<Vec<_>>>()?;
    svg.path("curve", &[&Svg::polyline(&curve)]);
    let cut = x(BARS_LEFT as f64);
    svg.line("rim", (cut, BOTTOM + 4.0), (cut, 90.0));
    svg.text("strong end", (cut - 8.0, 100.0), &format!("r_target = {:.4}", real(r.0)));
    svg.text("small end", (cut - 8.0, 120.0), &format!("{hits} hits; expected {}", NONCES / ONE_IN));
    svg.text("small", (LEFT, 66.0), "nonces in 0.01 of distance");
    svg.text("middle", (x(BARS as f64 / 2.0), BOTTOM + 42.0), "distance of the output from the target");
    for (class, y, text) in [("hits", 90.0, "hits"), ("misses", 112.0, "misses")] {
        svg.rect(class, (690.0, y - 10.0), (22.0, 12.0), 0.0);
        svg.text("small", (720.0, y), text);
    }
    svg.line("curve", (690.0, 130.0), (712.0, 130.0));
    svg.text("small", (720.0, 134.0), "cap formula");
    svg.text("small", (24.0, 485.0), "Shape micro, 256 outputs. The curve has no free parameter: it is the formula by which the chain sets r_target.");
    Ok(svg.finish())
}
