//! What is wrong with the published scheme, in numbers that `docs/hardness.md` reports. Every seed is fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::collections::BTreeSet;

use geodesic_mlnode::pow2::seeds::permutation;
use geodesic_mlnode::pow2::*;

const HASH: &str = "00000000000000000000000000000000000000000000000000000000000000aa";
const KEY: &str = "geopub1weakness";

fn engine(name: &str) -> Engine {
    Engine::new(Shape::by_name(name).unwrap(), HASH, 2, 1 << 30, &mut |_| ()).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The layers add almost nothing, because the weights of their norms are near 0 instead of 1.
#[test]
fn layers_can_be_left_out() {
    let engine = engine("small");
    let nonces: Vec<u64> = (0..32).collect();
    let inputs = engine.inputs(KEY, &nonces, InputType::F16);
    let (model, vocab) = (engine.model(), engine.model().shape().vocab as usize);
    let whole = model.logits(&inputs).unwrap();
    for k in [0, 2, 4, 6] {
        let some = model.logits_after(&inputs, k).unwrap();
        let worst =
            some.chunks(vocab).zip(whole.chunks(vocab)).map(|(a, b)| cosine(a, b)).fold(1.0, f64::min);
        println!("small: first {k} of 8 layers: cosine at least {worst:.7}");
        assert!(worst > 0.999, "first {k} layers: cosine {worst}");
    }
}

/// Without any layer, nearly all hits are found, for a head's worth of arithmetic.
#[test]
fn hits_are_found_without_any_layer() {
    const NONCES: u64 = 600;
    let engine = engine("small");
    let shape = *engine.model().shape();
    let nonces: Vec<u64> = (0..NONCES).collect();
    let distances = |layers: u32| -> Vec<f64> {
        let of = |batch: &[u64]| -> Vec<f64> {
            let inputs = engine.inputs(KEY, batch, InputType::F16);
            let logits = engine.model().logits_after(&inputs, layers).unwrap();
            let rows = batch.iter().zip(logits.chunks(shape.vocab as usize));
            let one = |(nonce, row): (&u64, &[f32])| {
                distance(row, &permutation(HASH, KEY, *nonce, shape.vocab), engine.target()).unwrap()
            };
            rows.map(one).collect()
        };
        nonces.chunks(32).flat_map(of).collect()
    };
    // One in twenty is a hit.
    let best = |distances: Vec<f64>| -> BTreeSet<usize> {
        let mut order: Vec<usize> = (0..distances.len()).collect();
        order.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
        order.into_iter().take(30).collect()
    };
    let (whole, guessed) = (best(distances(shape.layers)), best(distances(0)));
    let kept = whole.intersection(&guessed).count();
    println!("small: {kept} of 30 hits are found without any layer");
    assert!(kept >= 27, "{kept} of 30");
}

/// Every value of every matrix is one of the pool's: twenty parameters' values share one random number.
#[test]
fn the_pool_is_all_there_is() {
    let engine = engine("small");
    let (shape, weights) = (engine.model().shape(), engine.model().weights());
    let ratio = shape.total() as f64 / weights.pool().len() as f64;
    println!("small: {} parameters, a pool of {}: {ratio:.2} to one", shape.total(), weights.pool().len());
    assert!(ratio > 19.9);
    let places: Vec<(usize, usize)> = (shape.parameters().iter())
        .filter(|p| p.rows > 1)
        .filter_map(|p| match weights.place(&p.name, p.rows * p.columns) {
            Place::Slice(start) => Some((start, start + p.rows * p.columns)),
            Place::Tiled(_) => None,
        })
        .collect();
    let mut pairs = 0;
    let mut shared = 0;
    for (i, a) in places.iter().enumerate() {
        for b in &places[i + 1..] {
            pairs += 1;
            shared += usize::from(a.0.max(b.0) < a.1.min(b.1));
        }
    }
    println!("small: {shared} of {pairs} pairs of matrices hold the same numbers, shifted");
    assert!(shared * 2 > pairs, "{shared} of {pairs}");
}

/// Honest devices of lower precision give other distances: near the threshold they are taken for frauds.
#[test]
fn rounded_weights_move_distances() {
    let engine = engine("small");
    let shape = *engine.model().shape();
    let rounded = |round: fn(f32) -> f32| Model::new(shape, engine.model().weights().map(round));
    let nonces: Vec<u64> = (0..64).collect();
    let honest = engine.score(KEY, &nonces, InputType::F16).unwrap();
    let inputs = engine.inputs(KEY, &nonces, InputType::F16);
    let mut moved = Vec::new();
    for (name, round) in [
        ("f16", (|x| half::f16::from_f32(x).to_f32()) as fn(f32) -> f32),
        ("bf16", |x| half::bf16::from_f32(x).to_f32()),
    ] {
        let logits = rounded(round).logits(&inputs).unwrap();
        let errors = honest.iter().zip(logits.chunks(shape.vocab as usize)).map(|(honest, row)| {
            let p = permutation(HASH, KEY, honest.nonce, shape.vocab);
            (distance(row, &p, engine.target()).unwrap() - honest.distance.clone().unwrap()).powi(2)
        });
        let error = (errors.sum::<f64>() / nonces.len() as f64).sqrt();
        println!("small: weights in {name} move a distance by {error:.1e}");
        moved.push(error);
    }
    // A profile of integers moves it by nothing.
    assert!(moved[0] > 1e-7 && moved[1] > 4.0 * moved[0], "{moved:?}");
}

/// What is right with it: distances of honest nonces follow the cap formula (Kolmogorov-Smirnov).
#[test]
fn distances_follow_the_cap_distribution() {
    let engine = engine("tiny");
    let nonces: Vec<u64> = (0..2000).collect();
    let scored = engine.score(KEY, &nonces, InputType::F16).unwrap();
    let share = |distance: f64| {
        let r = geodesic_challenge::RTarget((distance * 2_f64.powi(32)) as u64);
        geodesic_challenge::cap_probability(r, 128).unwrap() as f64 / 2_f64.powi(64)
    };
    let mut p: Vec<f64> = scored.into_iter().map(|s| share(s.distance.unwrap())).collect();
    p.sort_by(f64::total_cmp);
    let n = p.len() as f64;
    let gap = p.iter().enumerate().map(|(i, p)| (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs()));
    let statistic = gap.fold(0.0, f64::max) * n.sqrt();
    println!("tiny: Kolmogorov-Smirnov statistic {statistic:.3} of {n} distances");
    assert!(statistic < 1.63, "statistic {statistic}: probability below 1 %");
}
