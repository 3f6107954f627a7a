//! Prefilters: what a cheap guess at the hits is worth, by fewer layers and by lower precision, when only hits are committed
//! and when losers are too. Every seed is fixed, so each measured number is too; `docs/hardness.md` reports them.
#![allow(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
use std::collections::{BTreeMap, BTreeSet};

use geodesic_challenge::ops::*;
use geodesic_challenge::*;

/// One nonce in this many is a hit.
const NONCES_PER_HIT: usize = 20;
/// What a prover is asked for, and by how many, unless a network says otherwise (modules/pow, Params).
const SAMPLES_PER_PROVER: u32 = 64;
const COMMITTEE_SIZE: u32 = 16;

fn network(name: &str) -> Network {
    Network::new(Shape::by_name(name).unwrap(), [7; 32])
}

fn hash_of(network: &Network, nonce: usize) -> Hash {
    nonce_hash(network.epoch_key(), &[1; 20], 0, nonce as u64)
}

/// Distances of the nonces `0 .. nonces` by `logits`, on two threads.
fn distances(network: &Network, nonces: usize, logits: impl Fn(&Hash) -> Vec<i32> + Sync) -> Vec<u64> {
    let of = |nonce: usize| {
        let hash = hash_of(network, nonce);
        distance(&logits(&hash), &permutation(network.shape(), &hash), network.target()).0
    };
    let part = |from: usize, to: usize| (from..to).map(of).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| part(nonces / 2, nonces));
        let mut all = part(0, nonces / 2);
        all.extend(second.join().unwrap());
        all
    })
}

/// Nonces, the best first.
fn order(distances: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by_key(|i| distances[*i]);
    order
}

fn hits(distances: &[u64]) -> BTreeSet<usize> {
    order(distances).into_iter().take(distances.len() / NONCES_PER_HIT).collect()
}

/// Hits for the same arithmetic, against computing every nonce, of a cheat that guesses every nonce for `cost` (of a whole
/// network each), computes the share s that looks best, fakes the other leaves, and is paid if none of `samples` leaves
/// drawn by auditors shows a fake: the best over s of `found(s) / hits * s^samples / (cost + s)`.
///
/// Strata only lower `s^samples`: the product of their shares is largest when all are equal.
fn best_gain(guess: &[usize], hits: &BTreeSet<usize>, cost: f64, samples: i32) -> f64 {
    let (mut found, mut gain) = (0_u32, 0.0_f64);
    for (tried, nonce) in (1_u32..).zip(guess) {
        found += u32::from(hits.contains(nonce));
        let share = f64::from(tried) / guess.len() as f64;
        if tried as usize >= hits.len() {
            gain = gain.max(f64::from(found) / hits.len() as f64 * share.powi(samples) / (cost + share));
        }
    }
    gain
}

/// Hits for the same arithmetic, against computing every nonce, of a cheat that fakes nothing: it guesses the nonces of many
/// nodes, `range` of each, for `cost`, computes each from 0 on, ends each where the guess says it should, and commits to that. The
/// best over how greedy it is, with chances of a hit that it could not know so well: counted on the nonces themselves.
fn best_ends(guess: &[usize], hits: &BTreeSet<usize>, cost: f64, range: usize) -> f64 {
    let bucket = guess.len() / 20;
    let mut chance = vec![0.0; guess.len()];
    for bucket in guess.chunks(bucket) {
        let found = bucket.iter().filter(|nonce| hits.contains(nonce)).count();
        bucket.iter().for_each(|nonce| chance[*nonce] = found as f64 / bucket.len() as f64);
    }
    let p = hits.len() as f64 / guess.len() as f64;
    let gain = |greed: f64| {
        let (mut computed, mut found) = (0, 0);
        for node in (0..guess.len()).step_by(range) {
            let (mut sum, mut best, mut end) = (0.0, 0.0, node);
            for (nonce, chance) in chance.iter().enumerate().skip(node).take(range) {
                sum += chance - greed * p;
                if sum > best {
                    (best, end) = (sum, nonce + 1);
                }
            }
            computed += end - node;
            found += (node..end).filter(|nonce| hits.contains(nonce)).count();
        }
        found as f64 / p / (cost * guess.len() as f64 + f64::from(computed as u32))
    };
    (0..60).map(|greed| gain(f64::from(greed) / 20.0)).fold(0.0, f64::max)
}

/// The fewest leaves, of any kind, that all members of a committee draw from one prover; the other samples are hits.
fn fewest_samples_of_leaves() -> i32 {
    let of = |validators: u32| {
        let members = COMMITTEE_SIZE.min(validators - 1);
        members * (samples_per_member(SAMPLES_PER_PROVER, COMMITTEE_SIZE, validators) / 2)
    };
    (2..=100).map(of).min().unwrap() as i32
}

#[test]
fn a_guess_by_fewer_layers_pays_only_where_losers_are_not_committed() {
    let network = network("local");
    let hits = hits(&distances(&network, 600, |hash| network.logits(hash)));
    for (k, bound) in [(0, 4.0), (1, 1.6), (2, 1.3), (3, 1.2)] {
        let layers: Vec<u32> = (0..k).collect();
        let guess = order(&distances(&network, 600, |hash| network.logits_of(hash, &layers)));
        let cost = f64::from(k) / 4.0;
        let [alone, half, all] =
            [0, 13, fewest_samples_of_leaves()].map(|n| best_gain(&guess, &hits, cost, n));
        println!("local: {k} layers: gain {alone:.2} if hits alone were committed; {all:.2} as losers are");
        assert!(alone < bound, "prefilter of {k} layers gains {alone}");
        assert!(half <= 1.0 && all <= 1.0, "prefilter of {k} layers gains {half}, {all}");
    }
}

/// The network of the specification, with what a cheat left of weights and of the activations that meet them.
struct Cut {
    shape: Shape,
    weights: BTreeMap<Matrix, Vec<i8>>,
    activation: fn(i32) -> i32,
}

impl Cut {
    /// `bits` of 7 of each weight, at the middle of what they stand for.
    fn new(network: &Network, bits: u32, activation: fn(i32) -> i32) -> Self {
        let shape = *network.shape();
        let whole = Weights::new(shape, network.epoch_key());
        let step = 1 << (7 - bits);
        let cut = |w: i8| (2 * ((i32::from(w) + 127) / 2 / step * step) + step - 128) as i8;
        let all = (0..shape.layers).flat_map(Matrix::of_layer).chain([Matrix::Head]);
        let weights = all.map(|m| (m, whole.matrix(m).into_iter().map(cut).collect())).collect();
        Self { shape, weights, activation }
    }

    fn product(&self, a: &[i32], matrix: Matrix) -> Vec<i32> {
        let (_, columns) = matrix.size(&self.shape);
        let a: Vec<i32> = a.iter().map(|a| (self.activation)(*a)).collect();
        linear(&a, &self.weights[&matrix], columns)
    }

    fn project(&self, a: &[i32], matrix: Matrix) -> Vec<i32> {
        let of = |x| clamp(rq(x, self.shape.shift_q), self.shape.amax as i32);
        self.product(a, matrix).into_iter().map(of).collect()
    }

    fn add(&self, h: &mut [i32], a: &[i32], matrix: Matrix, shift: u32) {
        h.iter_mut().zip(self.product(a, matrix)).for_each(|(h, x)| *h = clip(*h + rq(x, shift)));
    }

    fn norms(&self, h: &[i32]) -> Vec<i32> {
        h.chunks_exact(self.shape.dim as usize).flat_map(|t| norm(t, self.shape.amax as i32)).collect()
    }

    fn attention(&self, a: &[i32], l: u32) -> Vec<i32> {
        let (d, hd) = (self.shape.dim as usize, self.shape.head_dim());
        let turned = |mut x: Vec<i32>| {
            for (t, token) in x.chunks_exact_mut(d).enumerate() {
                token.chunks_exact_mut(hd).for_each(|head| rope(head, t, self.shape.amax as i32));
            }
            x
        };
        let (q, k) = (turned(self.project(a, Matrix::Q(l))), turned(self.project(a, Matrix::K(l))));
        let v = self.project(a, Matrix::V(l));
        let mut out = Vec::with_capacity(q.len());
        for (t, token) in q.chunks_exact(d).enumerate() {
            for (i, head) in token.chunks_exact(hd).enumerate() {
                let rows = |x| -> Vec<&[i32]> {
                    <[i32]>::chunks_exact(x, d).take(t + 1).map(|row| &row[i * hd..][..hd]).collect()
                };
                out.extend(attend(head, &rows(&k), &rows(&v), &self.shape));
            }
        }
        out
    }

    fn logits(&self, hash: &Hash) -> Vec<i32> {
        let mut h = input(&self.shape, hash);
        for l in 0..self.shape.layers {
            let o = self.attention(&self.norms(&h), l);
            self.add(&mut h, &o, Matrix::O(l), self.shape.shift_o);
            let a = self.norms(&h);
            let (g, u) = (self.project(&a, Matrix::Gate(l)), self.project(&a, Matrix::Up(l)));
            let m: Vec<i32> = g.into_iter().zip(u).map(|(g, u)| gate(g, u, &self.shape)).collect();
            self.add(&mut h, &m, Matrix::Down(l), self.shape.shift_d);
        }
        self.product(&self.norms(&h[h.len() - self.shape.dim as usize..]), Matrix::Head)
    }
}

fn whole(a: i32) -> i32 {
    a
}

/// Seven levels of the 31: the nearest multiple of 4, at most 12.
fn three_bits(a: i32) -> i32 {
    ((a + 2) >> 2 << 2).clamp(-12, 12)
}

fn correlation(a: &[u64], b: &[u64]) -> f64 {
    let mean = |x: &[u64]| x.iter().map(|x| *x as f64).sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| f(*a as f64 - mean_a, *b as f64 - mean_b)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// The cheat's network is the true one as long as nothing is cut.
#[test]
fn nothing_cut_is_the_network_itself() {
    let network = network("local");
    let cut = Cut::new(&network, 7, whole);
    for nonce in 0..8 {
        let hash = hash_of(&network, nonce);
        assert_eq!(cut.logits(&hash), network.logits(&hash), "nonce {nonce}");
    }
}

/// Low precision guesses hits well, and would pay were only hits committed. The cost counts bits of a weight times bits of
/// an activation, which is less than any device takes.
#[test]
fn a_guess_by_lower_precision_pays_only_where_losers_are_not_committed() {
    const NONCES: usize = 1000;
    let network = network("micro");
    let truth = distances(&network, NONCES, |hash| network.logits(hash));
    let (hits, mut best) = (hits(&truth), 0.0_f64);
    for (bits, activation, activation_bits, correlated) in [
        (6, whole as fn(i32) -> i32, 5, 0.9),
        (4, whole, 5, 0.85),
        (4, three_bits, 3, 0.6),
        (2, three_bits, 3, 0.2),
    ] {
        let cut = Cut::new(&network, bits, activation);
        let guessed = distances(&network, NONCES, |hash| cut.logits(hash));
        let (guess, rho) = (order(&guessed), correlation(&truth, &guessed));
        let kept = guess.iter().take(hits.len()).filter(|nonce| hits.contains(nonce)).count();
        let equal = truth.iter().zip(&guessed).filter(|(a, b)| a == b).count();
        let cost = f64::from(bits * activation_bits) / 35.0;
        let [alone, half, all] =
            [0, 13, fewest_samples_of_leaves()].map(|n| best_gain(&guess, &hits, cost, n));
        println!(
            "micro: weights of {bits} bits, activations of {activation_bits}: correlation {rho:.3}, {kept} of {} hits, \
             {equal} distances equal; cost {cost:.2}: gain {alone:.2} if hits alone were committed; {all:.2} as \
             losers are",
            hits.len()
        );
        assert!(rho > correlated, "weights of {bits} bits: correlation {rho}");
        assert_eq!(equal, 0, "a guess is never the true distance");
        assert!(half <= 1.0 && all <= 1.0, "weights of {bits} bits: gain {half}, {all}");
        best = best.max(alone);
        let ends = [2, 5, 10, 20, 50, 250].map(|range| best_ends(&guess, &hits, cost, range));
        println!("    ranges of 2, 5, 10, 20, 50, 250 leaves, ended where the guess says: gain {ends:.2?}");
        assert!(ends[4] < 1.1 && ends[5] < 1.0, "weights of {bits} bits: ends of long ranges gain {ends:?}");
    }
    assert!(best > 1.2, "a guess that is worth nothing anyway shows nothing: {best}");
}

/// Whatever is guessed: for a guess that costs nothing and never errs the gain is `s^(samples - 1)` at best.
#[test]
fn a_free_and_perfect_guess_gains_nothing() {
    let distances: Vec<u64> = (0..600).collect();
    let (guess, hits) = (order(&distances), hits(&distances));
    let samples = fewest_samples_of_leaves();
    assert_eq!(samples, 26, "14 validators: 13 members of 5 samples, 2 of them leaves of any kind");
    let [none, one, two, all] = [0, 1, 2, samples].map(|n| best_gain(&guess, &hits, 0.0, n));
    println!(
        "a free and perfect guess: gain {none:.2}, {one:.2}, {two:.2}, {all:.2} at 0, 1, 2, {samples} samples of leaves"
    );
    assert!(none > 19.0, "{none}");
    assert!(one <= 1.0 && two <= 1.0 && all <= 1.0, "{one}, {two}, {all}");
    for (faked, seen) in [(0.02, 0.4), (0.05, 0.73), (0.1, 0.93), (0.5, 0.999_999)] {
        let detected = 1.0 - (1.0_f64 - faked).powi(samples);
        println!("{faked} of the leaves faked: seen with probability {detected:.3}");
        assert!(detected > seen, "{faked} faked: {detected}");
    }
}
