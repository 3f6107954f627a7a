//! Profile `pow2-f16` against the vectors that the published PyTorch code gave, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use geodesic_mlnode::pow2::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/model_tiny.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn engine(threads: usize) -> Engine {
    let all = fixture();
    let shape = Shape::by_name("tiny").unwrap();
    Engine::new(shape, text(&all, "block_hash"), threads, 1 << 28, &mut |_| ()).unwrap()
}

fn bits(values: &[f32]) -> Vec<String> {
    values.iter().map(|x| format!("{:08x}", x.to_bits())).collect()
}

fn reals(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn weights_are_the_published_ones() {
    let (all, engine) = (fixture(), engine(1));
    let (shape, weights) = (engine.model().shape(), engine.model().weights());
    assert_eq!((shape.total(), shape.pool()), (127_296, 50_000));
    let parameters = shape.parameters();
    assert_eq!(parameters.len(), all["weights"].as_array().unwrap().len());
    assert_eq!(parameters.iter().map(|p| p.rows * p.columns).sum::<usize>() as u64, shape.total());
    for (parameter, want) in parameters.iter().zip(all["weights"].as_array().unwrap()) {
        let name = &parameter.name;
        assert_eq!(name, text(want, "name"));
        assert_eq!(u64::from(name_hash(text(&all, "block_hash"), name)), want["name_hash"].as_u64().unwrap());
        let place = weights.place(name, parameter.rows * parameter.columns);
        assert_eq!(
            place,
            Place::Slice(usize::try_from(want["start_idx"].as_u64().unwrap()).unwrap()),
            "{name}"
        );
        let values = weights.values(parameter);
        assert_eq!(
            bits(&values[..4]),
            serde_json::from_value::<Vec<String>>(want["first4_f32_bits"].clone()).unwrap()
        );
        let digest = Sha256::digest(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
        assert_eq!(hex::encode(digest), text(want, "sha256_f32_le"), "{name}");
    }
}

#[test]
fn inputs_logits_and_distances_are_the_published_ones() {
    let all = fixture();
    let nonces: Vec<u64> = serde_json::from_value(all["nonces"].clone()).unwrap();
    for (name, kind) in [("input_f64_to_f32", InputType::F32), ("input_f64_to_f16_to_f32", InputType::F16)] {
        let want = &all["results"][name];
        for threads in [1, 3] {
            let engine = engine(threads);
            let input = engine.inputs(text(&all, "public_key"), &[0], kind);
            let first: Vec<String> = serde_json::from_value(want["input0_first8_f32_bits"].clone()).unwrap();
            assert_eq!(bits(&input[..8]), first, "{name}");
            let scored = engine.score(text(&all, "public_key"), &nonces, kind).unwrap();
            for (got, want) in scored[0].logits.iter().zip(reals(&want["logits0_first16"])) {
                assert!((f64::from(*got) - want).abs() < 1e-7, "{name}: {got} and {want}");
            }
            let worst = scored
                .iter()
                .zip(reals(&want["dist"]))
                .map(|(got, want)| (got.distance.clone().unwrap() - want).abs());
            let worst = worst.fold(0.0, f64::max);
            assert!(worst < 1e-6, "{name}: a distance is off by {worst}");
            assert!(scored.iter().map(|s| s.nonce).eq(nonces.iter().copied()));
        }
    }
}

#[test]
fn rotary_positions_are_the_published_ones() {
    let want = reals(&fixture()["freqs_cis_pos1"]);
    let got = turns(&Shape::by_name("tiny").unwrap(), 1).into_iter().flatten();
    assert!(got.zip(&want).all(|(got, want)| (f64::from(got) - want).abs() < 1e-7));
}
