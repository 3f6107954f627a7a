//! The parts of an epoch, as `modules/pow/README.md` names them; not to scale.

use super::svg::Svg;

/// First heights of the parts, and where they stand.
const HEIGHTS: [(&str, f64); 10] = [
    ("S", 60.0),
    ("X", 215.0),
    ("open", 305.0),
    ("verdict", 400.0),
    ("verdict_end", 480.0),
    ("judge_commit", 545.0),
    ("judge_reveal", 612.0),
    ("T", 680.0),
    ("activate", 750.0),
    ("next S", 860.0),
];

fn at(name: &str) -> f64 {
    HEIGHTS.iter().find(|(height, _)| *height == name).map_or(0.0, |(_, x)| *x)
}

/// The picture.
pub(super) fn draw() -> String {
    let mut svg = Svg::new(
        900,
        380,
        "One epoch: commit, draw, audit, verdict, judge, settle",
        "A line of heights. From S to X nodes compute and commit. At X auditors are drawn. From X on leaves are fetched, demanded \
         on chain and answered until the verdict; wrong leaves are accused until judgments begin, wrong tags from the verdict on. \
         Judgments are sent as hashes, then revealed. At T everything is settled, then new powers hold and rewards are claimed.",
    );
    let y = 90.0;
    svg.line("line", (at("S"), y), (at("next S"), y));
    for (i, (name, x)) in HEIGHTS.into_iter().enumerate() {
        let above = i % 2 == 0;
        svg.line("line faint", (x, y), (x, 282.0));
        svg.circle("miss", (x, y), 3.5);
        svg.text("mono middle", (x, if above { y - 12.0 } else { y + 20.0 }), name);
    }
    for (lane, class, from, to, text) in [
        (0, "shared", "S", "X", "compute, commit"),
        (0, "own", "X", "open", "fetch leaves"),
        (1, "own", "X", "verdict", "demand, answer on chain"),
        (0, "own", "verdict", "verdict_end", "verdict"),
        (2, "box", "X", "judge_commit", "accuse a wrong leaf"),
        (3, "box", "verdict", "judge_commit", "accuse a wrong tag"),
        (0, "box", "judge_commit", "judge_reveal", "hash"),
        (0, "box", "judge_reveal", "T", "reveal"),
        (0, "shared", "T", "activate", "settle"),
        (0, "shared", "activate", "next S", "powers, coins"),
    ] {
        let top = 126.0 + 38.0 * f64::from(lane);
        let (from, to) = (at(from) + 2.0, at(to) - 2.0);
        svg.rect(class, (from, top), (to - from, 28.0), 5.0);
        svg.text("small middle", (from.midpoint(to), top + 18.0), text);
    }
    for (class, x, text) in [
        ("shared", 60.0, "work and what it earns"),
        ("own", 290.0, "audit"),
        ("box", 420.0, "only where one wrong leaf is fraud (exact)"),
    ] {
        svg.rect(class, (x, 298.0), (22.0, 13.0), 3.0);
        svg.text("small", (x + 30.0, 309.0), text);
    }
    let notes = [
        "S: the beacon gives the epoch key; r_target is fixed since the epoch before.",
        "X: a beacon that nobody knew draws auditors and samples; what was committed stays. Not to scale.",
    ];
    notes.iter().zip([336.0, 356.0]).for_each(|(text, y)| svg.text("small", (60.0, y), text));
    svg.finish()
}
