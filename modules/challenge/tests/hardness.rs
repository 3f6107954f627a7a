//! Evidence that profile `exact` costs what it says: no layer, weight or identity can be left out. Every seed is fixed, so
//! each measured number is too; `docs/hardness.md` reports them.
#![allow(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
use geodesic_challenge::*;

fn cosine(a: &[i32], b: &[i32]) -> f64 {
    let dot = |a: &[i32], b: &[i32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn network(name: &str) -> Network {
    Network::new(Shape::by_name(name).unwrap(), [7; 32])
}

/// Mean cosine of the logits of `layers` alone with those of the whole network.
fn mean_cosine(network: &Network, layers: &[u32]) -> f64 {
    const NONCES: u64 = 24;
    let cosines = (0..NONCES).map(|nonce| {
        let hash = nonce_hash(network.epoch_key(), &[1; 20], 0, nonce);
        cosine(&network.logits_of(&hash, layers), &network.logits(&hash))
    });
    cosines.sum::<f64>() / NONCES as f64
}

/// First k of the 4 layers of `local`: 0.29, 0.53, 0.71, 0.86 in the design.
#[test]
fn fewer_layers_give_other_logits() {
    let network = network("local");
    for (k, want) in (0..4).zip([0.29, 0.53, 0.71, 0.86]) {
        let got = mean_cosine(&network, &(0..k).collect::<Vec<_>>());
        println!("local: first {k} of 4 layers: cosine {got:.3}");
        assert!((got - want).abs() < 0.05, "first {k} layers: cosine {got}, expected about {want}");
    }
}

#[test]
fn any_layer_left_out_gives_other_logits() {
    let network = network("local");
    for skipped in 0..4 {
        let layers: Vec<u32> = (0..4).filter(|l| *l != skipped).collect();
        let got = mean_cosine(&network, &layers);
        println!("local: without layer {skipped}: cosine {got:.3}");
        assert!(got < 0.93, "without layer {skipped}: cosine {got}");
    }
}

/// Distances of honest nonces follow the cap formula that the difficulty uses (Kolmogorov-Smirnov).
#[test]
fn distances_follow_the_cap_distribution() {
    const NONCES: u64 = 2000;
    let network = network("micro");
    let mut p: Vec<f64> = (0..NONCES)
        .map(|nonce| {
            let d = network.score(&[1; 20], 0, nonce).leaf.distance.0;
            cap_probability(RTarget(d), network.shape().vocab).unwrap() as f64 / 2_f64.powi(64)
        })
        .collect();
    p.sort_by(f64::total_cmp);
    let n = NONCES as f64;
    let gap = p.iter().enumerate().map(|(i, p)| (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs()));
    let statistic = gap.fold(0.0, f64::max) * n.sqrt();
    println!("micro: Kolmogorov-Smirnov statistic {statistic:.3} of {NONCES} distances");
    assert!(statistic < 1.63, "statistic {statistic}: probability below 1 %");
}

/// Rank modulo a prime is at most the true rank.
fn rank(matrix: &[i8], columns: usize) -> usize {
    const P: i64 = 2_147_483_647;
    let power = |mut b: i64, mut e: i64| {
        let mut out = 1;
        while e > 0 {
            if e % 2 == 1 {
                out = out * b % P;
            }
            b = b * b % P;
            e /= 2;
        }
        out
    };
    let mut rows: Vec<Vec<i64>> =
        matrix.chunks(columns).map(|r| r.iter().map(|x| i64::from(*x).rem_euclid(P)).collect()).collect();
    let mut rank = 0;
    for column in 0..columns {
        let Some(pivot) = (rank..rows.len()).find(|r| rows[*r][column] != 0) else { continue };
        rows.swap(rank, pivot);
        let (top, below) = rows.split_at_mut(rank + 1);
        let pivot = &top[rank];
        let inverse = power(pivot[column], P - 2);
        for row in below.iter_mut().filter(|row| row[column] != 0) {
            let factor = row[column] * inverse % P;
            row.iter_mut().zip(pivot).for_each(|(x, y)| *x = (*x - factor * y % P).rem_euclid(P));
        }
        rank += 1;
    }
    rank
}

#[test]
fn weights_have_full_rank_and_no_pattern() {
    let shape = Shape::by_name("micro").unwrap();
    let weights = Weights::new(shape, &[7; 32]);
    let mut counts = [0_u64; 256];
    let mut matrices: Vec<Matrix> = (0..shape.layers).flat_map(Matrix::of_layer).collect();
    matrices.push(Matrix::Head);
    for matrix in matrices {
        let (rows, columns) = matrix.size(&shape);
        let values = weights.matrix(matrix);
        assert_eq!(rank(&values, columns), rows.min(columns), "{matrix:?}");
        values.iter().for_each(|w| counts[usize::from(w.cast_unsigned())] += 1);
    }
    // 128 odd values, each equally likely: chi-square of 127 degrees of freedom is below 182 with probability 0.999.
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / 128.0;
    let odd = counts.iter().skip(1).step_by(2);
    let chi: f64 = odd.map(|c| (*c as f64 - expected).powi(2) / expected).sum();
    println!("micro: chi-square {chi:.1} of {total} weights over 128 values");
    assert!(chi < 182.0, "chi-square {chi}");
}

/// Bits that a compressor needs for values below 128: the ideal code of their frequencies so far, or, where that is longer, the
/// place and length of an earlier run of at least four. Marks that tell the two apart count nothing, in its favour.
fn compressed_bits(values: &[u8]) -> f64 {
    let mut runs = std::collections::BTreeMap::<[u8; 4], usize>::new();
    let mut counts = [1.0_f64; 128];
    let (mut bits, mut at) = (0.0, 0);
    while let Some(value) = values.get(at) {
        let key = |at: usize| values.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
        let earlier = key(at).and_then(|key| runs.get(&key));
        let len = earlier
            .map_or(0, |from| values[*from..].iter().zip(&values[at..]).take_while(|(a, b)| a == b).count());
        let literal = (counts.iter().sum::<f64>() / counts[usize::from(*value)]).log2();
        let run = (at.max(1) as f64).log2() + 2.0 * (len.max(1) as f64).log2();
        let taken = if run < literal * len as f64 { len } else { 1 };
        bits += if taken == 1 { literal } else { run };
        for i in at..at + taken {
            counts[usize::from(values[i])] += 1.0;
            key(i).map(|key| runs.insert(key, i));
        }
        at += taken;
    }
    bits
}

#[test]
fn weights_do_not_compress() {
    let shape = Shape::by_name("micro").unwrap();
    let weights = Weights::new(shape, &[7; 32]);
    let mut matrices: Vec<Matrix> = (0..shape.layers).flat_map(Matrix::of_layer).collect();
    matrices.push(Matrix::Head);
    let values: Vec<u8> = matrices
        .into_iter()
        .flat_map(|m| weights.matrix(m))
        .map(|w| ((i32::from(w) + 127) / 2) as u8)
        .collect();
    let ratio = |values: &[u8]| compressed_bits(values) / (7.0 * values.len() as f64);
    let whole = ratio(&values);
    println!("micro: {} weights of 7 bits compress to {whole:.4}", values.len());
    assert!(whole >= 0.98, "weights compress to {whole}");
    // The compressor sees what there is to see: a pool cut twice, and values that are not equally frequent.
    let twice: Vec<u8> = values[..50_000].iter().chain(&values[1000..51_000]).copied().collect();
    assert!(ratio(&twice) < 0.53, "{}", ratio(&twice));
    let skewed: Vec<u8> = values.iter().map(|v| v & (v >> 1)).collect();
    assert!(ratio(&skewed) < 0.85, "{}", ratio(&skewed));
}

/// Another participant, node or nonce has another input, and logits that share no direction: the cosine has mean 0, and
/// the spread of random directions in 70 of the 128 dimensions of the residual stream.
#[test]
fn no_work_is_shared_between_identities() {
    const PAIRS: u32 = 100;
    let network = network("local");
    let key = network.epoch_key();
    let base = nonce_hash(key, &[1; 20], 0, 0);
    let (first, logits) = (input(network.shape(), &base), network.logits(&base));
    let others: [(&str, &dyn Fn(u32) -> Hash); 3] = [
        ("participant", &|i| nonce_hash(key, &[i as u8 + 2; 20], 0, 0)),
        ("node", &|i| nonce_hash(key, &[1; 20], i + 1, 0)),
        ("nonce", &|i| nonce_hash(key, &[1; 20], 0, u64::from(i) + 1)),
    ];
    for (name, other) in others {
        let hashes: Vec<Hash> = (0..PAIRS).map(other).collect();
        let measure = |cosine: &dyn Fn(&Hash) -> f64| {
            let all: Vec<f64> = hashes.iter().map(cosine).collect();
            let mean = |x: &dyn Fn(&f64) -> f64| all.iter().map(x).sum::<f64>() / f64::from(PAIRS);
            (mean(&|x| *x), mean(&|x| x * x).sqrt())
        };
        let of_inputs = measure(&|hash| cosine(&first, &input(network.shape(), hash)));
        let of_logits = measure(&|hash| cosine(&logits, &network.logits(hash)));
        println!(
            "local: another {name}: cosine of inputs {of_inputs:.3?}, of logits {of_logits:.3?} (mean, root mean square)"
        );
        assert!(of_inputs.0.abs() < 0.01 && of_inputs.1 < 0.03, "{name}: inputs {of_inputs:?}");
        assert!(of_logits.0.abs() < 0.04 && of_logits.1 < 0.13, "{name}: logits {of_logits:?}");
    }
}
