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

/// Each mistake is named with what was found and what was expected, before anything of that size is allocated.
#[test]
fn mistakes_are_named() {
    let tiny = *Shape::by_name("tiny").unwrap();
    let with = |change: fn(&mut ShapeParams)| {
        let mut params = tiny;
        change(&mut params);
        Shape::try_new(params).unwrap_err().to_string()
    };
    for (got, want) in [
        (with(|p| p.dim = 0), "dim is 0, expected 2 to 65536"),
        (with(|p| p.vocab = u32::MAX), "vocab is 4294967295, expected 2 to 1048576"),
        (with(|p| p.heads = 3), "heads is 3, expected a number that divides dim 64 into even parts"),
        (with(|p| p.heads = 64), "heads is 64, expected a number that divides dim 64 into even parts"),
        (with(|p| p.kv_heads = 3), "kv_heads is 3, expected a number that divides heads 4"),
        (with(|p| p.norm_eps = f32::NAN), "norm_eps is NaN, expected 0.000000000001 to 1"),
        (Shape::by_name("huge").unwrap_err().to_string(), "shape is huge, expected tiny, local, small, 3b"),
        (InputType::by_name("bf16").unwrap_err().to_string(), "input type is bf16, expected f16 or f32"),
    ] {
        assert_eq!(got, want);
    }
    let largest = ShapeParams {
        dim: 1 << 16,
        layers: 1 << 10,
        heads: 1 << 10,
        kv_heads: 1 << 10,
        hidden: 1 << 20,
        vocab: 1 << 20,
        seq: 1 << 12,
        ..tiny
    };
    let largest = Shape::try_new(largest).unwrap();
    let refused = Engine::new(largest, "hash", 2, 1 << 30, &mut |_| ()).unwrap_err();
    assert!(matches!(refused, Error::Memory { need, limit: 0x4000_0000 } if need > 1 << 40), "{refused}");

    let engine = engine(1);
    let score = |key: &str| engine.score(key, &[0], InputType::F16).unwrap_err().to_string();
    assert_eq!(score(""), "length of public key is 0, expected 1 to 256 bytes");
    assert_eq!(score(&"k".repeat(257)), "length of public key is 257, expected 1 to 256 bytes");
    let model = engine.model();
    assert_eq!(
        model.logits(&[0.0; 511]).unwrap_err().to_string(),
        "length of input is 511, expected a multiple of 512"
    );
    assert_eq!(
        model.logits_after(&[0.0; 512], 3).unwrap_err().to_string(),
        "layers is 3, expected at most 2"
    );
    for (logits, permutation, want) in [
        (&[1.0; 3][..], &[0, 1][..], "length of logits is 3, expected 2"),
        (&[1.0; 2], &[0], "length of permutation is 1, expected 2"),
        (&[1.0; 2], &[0, 2], "permutation is 2, expected below 2"),
    ] {
        assert_eq!(distance(logits, permutation, &[0.6, 0.8]).unwrap_err().to_string(), want);
    }
}

/// A nonce without a direction fails alone, and is bad whatever the tolerance.
#[test]
fn nan_and_infinity_fail_a_nonce_and_nothing_else() {
    let engine = engine(1);
    let (size, vocab) = (engine.model().shape().input_len(), 128);
    let clean = engine.inputs("key", &[0, 1, 2], InputType::F16);
    let want = engine.model().logits(&clean).unwrap();
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut inputs = clean.clone();
        inputs[2 * size - 1] = poison;
        let got = engine.model().logits(&inputs).unwrap();
        let p: Vec<u32> = (0..128).collect();
        let distances: Vec<_> = got.chunks(vocab).map(|row| distance(row, &p, engine.target())).collect();
        assert!(distances[0].is_ok() && distances[2].is_ok(), "{poison}");
        assert_eq!((&got[..vocab], &got[2 * vocab..]), (&want[..vocab], &want[2 * vocab..]));
        if !poison.is_finite() {
            assert_eq!(distances[1], Err(Error::NoDirection("NaN or infinity")), "{poison}");
            assert!(is_bad(&distances[1], f64::INFINITY, 0.0));
        }
    }
    assert_eq!(distance(&[0.0; 2], &[0, 1], &[0.6, 0.8]), Err(Error::NoDirection("all are zero")));
}

#[test]
fn a_hit_may_be_off_by_epsilon() {
    for (name, distance, want) in [
        ("below the target", 1.0, false),
        ("at the target and epsilon", 1.5, false),
        ("above both", 1.5 + 1e-9, true),
        ("no number", f64::NAN, true),
    ] {
        assert_eq!(is_bad(&Ok(distance), 1.25, 0.25), want, "{name}");
    }
}
