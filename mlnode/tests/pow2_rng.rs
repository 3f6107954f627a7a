//! Seeds, streams, normals, permutations and targets of profile `pow2-f16`, bit by bit as NumPy makes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use geodesic_mlnode::pow2::rng::{Pcg64, SeedSequence, entropy};
use geodesic_mlnode::pow2::{InputType, seeds};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/rng.json")).unwrap()
}

fn rows<'a>(all: &'a Value, name: &str) -> &'a Vec<Value> {
    all[name].as_array().unwrap()
}

fn seed(row: &Value) -> (&str, u32) {
    (row["seed"].as_str().unwrap(), u32::try_from(row["num_hashes"].as_u64().unwrap()).unwrap())
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect()
}

fn hexes(value: &Value) -> Vec<u128> {
    let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    list.iter().map(|x| u128::from_str_radix(x.as_str().unwrap(), 16).unwrap()).collect()
}

fn sha(bytes: impl IntoIterator<Item = u8>) -> String {
    hex::encode(Sha256::digest(bytes.into_iter().collect::<Vec<u8>>()))
}

#[test]
fn seeds_and_streams() {
    let all = fixture();
    assert_eq!(rows(&all, "rng").len(), 8);
    for row in rows(&all, "rng") {
        let (seed, hashes) = seed(row);
        let words = entropy(seed, hashes);
        let wide = |x: &[u32]| -> Vec<u64> { x.iter().map(|x| u64::from(*x)).collect() };
        assert_eq!(wide(&words), numbers(&row["entropy_u32"]), "{seed:?}");
        let sequence = SeedSequence::new(&words);
        assert_eq!(wide(&sequence.pool), numbers(&row["seedseq_pool_u32"]), "{seed:?}");
        assert_eq!(sequence.state().map(u128::from).to_vec(), hexes(&row["seedseq_state_u64"]), "{seed:?}");
        let fresh = Pcg64::from_seed(seed, hashes);
        assert_eq!(
            [fresh.state, fresh.increment].map(|x| vec![x]),
            [hexes(&row["pcg_state"]), hexes(&row["pcg_inc"])]
        );
        let (mut a, mut b, mut c) = (fresh.clone(), fresh.clone(), fresh);
        let raw: Vec<u128> = (0..32).map(|_| a.next_u64().into()).collect();
        assert_eq!(raw, hexes(&row["raw_u64"]), "{seed:?}");
        let halves: Vec<u64> = (0..16).map(|_| b.next_u32().into()).collect();
        assert_eq!(halves, numbers(&row["integers_next_u32_16"]), "{seed:?}");
        let reals: Vec<u128> = (0..8).map(|_| c.next_f64().to_bits().into()).collect();
        assert_eq!(reals, hexes(&row["random_double_8"]), "{seed:?}");
    }
}

/// A million normals of each seed, the tail among them, which is where a `log1p` decides the last bit.
#[test]
fn normals() {
    let all = fixture();
    assert_eq!(rows(&all, "normal").len(), 3);
    for row in rows(&all, "normal") {
        let (seed, hashes) = seed(row);
        let z: Vec<f64> = Pcg64::from_seed(seed, hashes).normals(1_000_000).collect();
        let bits = |x: f64| u128::from(x.to_bits());
        assert_eq!(z[..64].iter().copied().map(bits).collect::<Vec<_>>(), hexes(&row["first64_f64_bits"]));
        let tail: Vec<u64> =
            (0..).zip(&z).filter(|(_, z)| z.abs() > 3.654_152_885_361_009).map(|(i, _)| i).collect();
        assert_eq!(tail, numbers(&row["tail_idx"]), "{seed:?}");
        let off: Vec<_> = tail
            .iter()
            .zip(hexes(&row["tail_bits"]))
            .filter(|(i, want)| bits(z[usize::try_from(**i).unwrap()]) != *want)
            .collect();
        assert!(off.is_empty(), "{seed:?}: {} of {} values of the tail: {off:?}", off.len(), tail.len());
        assert_eq!(sha(z.iter().flat_map(|z| z.to_le_bytes())), row["sha256_1e6_f64_le"], "{seed:?}");

        let scaled: Vec<f64> = z.iter().map(|z| 0.02 * z).collect();
        assert_eq!(sha(scaled.iter().flat_map(|x| x.to_le_bytes())), row["normal002_sha256_1e6_f64"]);
        let rounded = |kind: InputType| -> Vec<f32> { scaled.iter().map(|x| kind.round(*x)).collect() };
        let single = rounded(InputType::F32);
        assert_eq!(sha(single.iter().flat_map(|x| x.to_le_bytes())), row["normal002_sha256_1e6_f32"]);
        let half = rounded(InputType::F16).into_iter().map(half::f16::from_f32);
        assert_eq!(sha(half.flat_map(half::f16::to_le_bytes)), row["normal002_sha256_1e6_f16_via_f32"]);
    }
}

#[test]
fn permutations() {
    let all = fixture();
    assert_eq!(rows(&all, "permutation").len(), 15);
    for row in rows(&all, "permutation") {
        let (seed, hashes) = seed(row);
        let n = u32::try_from(row["dim"].as_u64().unwrap()).unwrap();
        let p = Pcg64::from_seed(seed, hashes).permutation(n);
        let wide: Vec<u64> = p.iter().map(|x| u64::from(*x)).collect();
        assert!(
            wide.starts_with(&numbers(&row["first32"])) && wide.ends_with(&numbers(&row["last8"])),
            "{n}"
        );
        assert_eq!(sha(p.iter().flat_map(|x| i64::from(*x).to_le_bytes())), row["sha256_i64_le"], "{n}");
    }
}

#[test]
fn targets() {
    let all = fixture();
    assert_eq!(rows(&all, "target").len(), 4);
    for row in rows(&all, "target") {
        let vocab = u32::try_from(row["vocab"].as_u64().unwrap()).unwrap();
        let target = seeds::target(row["block_hash"].as_str().unwrap(), vocab);
        let first: Vec<u128> = target.iter().take(16).map(|x| u128::from(x.to_bits())).collect();
        assert_eq!(first, hexes(&row["first16_bits"]), "{vocab}");
        assert_eq!(sha(target.iter().flat_map(|x| x.to_le_bytes())), row["sha256_f64_le"], "{vocab}");
    }
}
