//! What the four random parts of a nonce's work follow from, and what becomes of them.

use super::svg::Svg;

const SOURCE: f64 = 24.0;
const KEY: f64 = 222.0;
const SEED: f64 = 418.0;
const WORK: f64 = 646.0;

fn part(svg: &mut Svg, class: &str, (x, y): (f64, f64), width: f64, lines: [&str; 2]) {
    let [name, detail] = lines;
    svg.rect(class, (x, y), (width, 52.0), 6.0);
    svg.text("strong middle", (x + width / 2.0, y + 22.0), name);
    svg.text("small middle", (x + width / 2.0, y + 40.0), detail);
}

/// The picture.
pub(super) fn draw() -> String {
    let mut svg = Svg::new(
        900,
        560,
        "Four random parts: two shared by all, two of each nonce",
        "The epoch key follows from chain id, epoch, beacon and shape; from it follow target and weights, the same for everybody \
         in the epoch. The nonce hash follows from the epoch key, participant, node and nonce; from it follow input and \
         permutation. Input and weights go through the transformer, its logits are permuted, and their distance to the target \
         decides whether the nonce is a hit.",
    );
    part(&mut svg, "box", (SOURCE, 117.0), 164.0, ["chain id, epoch", "beacon, shape"]);
    part(&mut svg, "box", (SOURCE, 312.0), 164.0, ["participant, node", "nonce 0, 1, 2, ..."]);
    part(&mut svg, "shared", (KEY, 117.0), 150.0, ["epoch key", "known when it begins"]);
    part(&mut svg, "own", (KEY, 312.0), 150.0, ["nonce hash", "one for each nonce"]);
    part(&mut svg, "shared", (SEED, 62.0), 178.0, ["target", "a point for the epoch"]);
    part(&mut svg, "shared", (SEED, 172.0), 178.0, ["weights", "own bits for each"]);
    part(&mut svg, "own", (SEED, 262.0), 178.0, ["input", "sub-stream 0"]);
    part(&mut svg, "own", (SEED, 362.0), 178.0, ["permutation", "sub-stream 1"]);
    part(&mut svg, "box", (WORK, 217.0), 190.0, ["transformer", "gives logits"]);
    part(&mut svg, "box", (WORK, 362.0), 190.0, ["permute", "gives a direction"]);
    part(&mut svg, "box", (WORK, 452.0), 190.0, ["distance D", "hit if D < r_target"]);
    for points in [
        // sources and keys
        &[(SOURCE + 164.0, 143.0), (KEY - 2.0, 143.0)][..],
        &[(SOURCE + 164.0, 338.0), (KEY - 2.0, 338.0)],
        &[(KEY + 75.0, 169.0), (KEY + 75.0, 310.0)],
        // keys and seeds
        &[(KEY + 150.0, 133.0), (394.0, 133.0), (394.0, 88.0), (SEED - 2.0, 88.0)],
        &[(KEY + 150.0, 153.0), (394.0, 153.0), (394.0, 198.0), (SEED - 2.0, 198.0)],
        &[(KEY + 150.0, 328.0), (394.0, 328.0), (394.0, 288.0), (SEED - 2.0, 288.0)],
        &[(KEY + 150.0, 348.0), (394.0, 348.0), (394.0, 388.0), (SEED - 2.0, 388.0)],
        // seeds and work
        &[(SEED + 178.0, 198.0), (620.0, 198.0), (620.0, 233.0), (WORK - 2.0, 233.0)],
        &[(SEED + 178.0, 288.0), (620.0, 288.0), (620.0, 253.0), (WORK - 2.0, 253.0)],
        &[(SEED + 178.0, 388.0), (WORK - 2.0, 388.0)],
        &[(SEED + 178.0, 88.0), (868.0, 88.0), (868.0, 478.0), (WORK + 192.0, 478.0)],
        &[(WORK + 95.0, 269.0), (WORK + 95.0, 360.0)],
        &[(WORK + 95.0, 414.0), (WORK + 95.0, 450.0)],
    ] {
        svg.arrow(points);
    }
    for (class, y, text) in [
        ("shared", 452.0, "the same for everybody in the epoch: computed once, kept for all nonces"),
        ("own", 476.0, "of one nonce of one node of one participant: nothing to share or to copy"),
    ] {
        svg.rect(class, (SOURCE, y), (22.0, 13.0), 3.0);
        svg.text("small", (SOURCE + 30.0, y + 11.0), text);
    }
    let profiles = [
        "exact: tagged SHA-256; Philox streams of the hash, in integers.",
        "pow2-f16: the same places; SHA-256 of texts, PCG64, normals in floats; weights cut from a pool.",
    ];
    profiles.iter().zip([516.0, 536.0]).for_each(|(text, y)| svg.text("small", (SOURCE, y), text));
    svg.finish()
}
