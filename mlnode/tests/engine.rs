//! The engine against the reference and the frozen vectors: equal bits, for any batch, thread count and shape.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use geodesic_challenge::{Hash, Network, Shape, ShapeParams};
use geodesic_mlnode::engine::{Challenge, Engine, EngineError, NonceId};
use geodesic_mlnode::{CpuEngine, Kernel, selftest};
use proptest::prelude::*;
use serde_json::Value;

const MEMORY: u64 = 1 << 30;

fn ids(count: u64) -> Vec<NonceId> {
    (0..count)
        .map(|nonce| NonceId {
            participant: [9; 20],
            node_id: u32::try_from(nonce % 3).unwrap(),
            nonce: nonce * nonce,
        })
        .collect()
}

fn equals_reference(engine: &mut CpuEngine, shape: Shape, epoch_key: Hash, count: u64) {
    let (challenge, ids) = (Challenge { shape, epoch_key }, ids(count));
    let network = Network::new(shape, epoch_key);
    let want: Vec<_> = ids.iter().map(|id| network.score(&id.participant, id.node_id, id.nonce)).collect();
    assert_eq!(engine.score(&challenge, &ids, true).unwrap(), want, "{shape:?}");
    let without: Vec<_> = engine.score(&challenge, &ids, false).unwrap();
    assert!(without.iter().zip(&want).all(|(a, b)| a.leaf == b.leaf && a.logits.is_empty()));
}

fn shape(numbers: [u32; 13]) -> Shape {
    let [dim, layers, heads, ffn, vocab, seq, amax, wbits, shift_q, shift_o, shift_d, shift_s, shift_m] =
        numbers;
    let p = ShapeParams {
        dim,
        layers,
        heads,
        ffn,
        vocab,
        seq,
        amax,
        wbits,
        shift_q,
        shift_o,
        shift_d,
        shift_s,
        shift_m,
    };
    Shape::try_new(p).unwrap()
}

/// An engine with each kernel of this processor.
fn engines(threads: usize, batch: Option<usize>) -> impl Iterator<Item = CpuEngine> {
    let engine = move |kernel| CpuEngine::new(threads, batch, MEMORY).with_kernel(kernel).unwrap();
    Kernel::present().into_iter().map(engine)
}

#[test]
fn built_in_shapes_equal_the_reference() {
    for (threads, batch) in [(1, None), (2, Some(3)), (3, Some(64))] {
        for mut engine in engines(threads, batch) {
            equals_reference(&mut engine, Shape::by_name("micro").unwrap(), [1; 32], 40);
        }
    }
    for mut engine in engines(2, None) {
        equals_reference(&mut engine, Shape::by_name("local").unwrap(), [2; 32], 8);
    }
}

#[test]
fn a_kernel_that_the_processor_lacks_is_refused() {
    for kernel in Kernel::ALL {
        match CpuEngine::new(1, None, MEMORY).with_kernel(kernel) {
            Ok(engine) => assert!(engine.kernel() == kernel && Kernel::present().contains(&kernel)),
            Err(error) => {
                assert!(error.to_string().contains("f32"), "{error}");
                assert!(!Kernel::present().contains(&kernel));
            }
        }
    }
}

#[test]
fn odd_shapes_equal_the_reference() {
    let mut all: Vec<CpuEngine> = engines(2, Some(5)).collect();
    for numbers in [
        [56, 2, 2, 96, 129, 13, 7, 5, 7, 1, 2, 0, 1],
        [64, 1, 1, 64, 2, 1, 15, 7, 9, 5, 5, 2, 2],
        [2, 3, 1, 1, 3, 5, 47, 7, 3, 0, 0, 0, 0],
        // The last head ends with the row, in half a step; more positions than a block.
        [16, 2, 8, 17, 5, 19, 47, 7, 3, 2, 2, 1, 2],
        [192, 2, 2, 100, 70, 37, 47, 7, 11, 4, 5, 4, 3],
        [6, 2, 3, 7, 11, 33, 1, 1, 0, 0, 0, 0, 0],
        // Shifts above 15 take the wide path; 30 rounds nearly everything to zero.
        [32, 2, 2, 40, 17, 4, 47, 7, 16, 17, 30, 30, 30],
        // Shift 0 lets the residual run into its clip.
        [48, 6, 2, 300, 40, 3, 47, 7, 4, 0, 0, 3, 2],
    ] {
        all.iter_mut().for_each(|engine| equals_reference(engine, shape(numbers), [3; 32], 7));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_shape_equals_the_reference(
        (heads, half) in (1..4_u32, 1..12_u32),
        (layers, ffn, vocab, seq) in (1..4_u32, 1..70_u32, 2..70_u32, 1..20_u32),
        (amax, wbits) in (1..=47_u32, 1..=7_u32),
        shifts in prop::array::uniform5(0..14_u32),
        key: [u8; 32],
        threads in 1..4_usize,
    ) {
        let [q, o, d, s, m] = shifts;
        let shape = shape([heads * 2 * half, layers, heads, ffn, vocab, seq, amax, wbits, q, o, d, s, m]);
        engines(threads, None).for_each(|mut engine| equals_reference(&mut engine, shape, key, 5));
    }
}

/// Every leaf of the frozen vectors.
#[test]
fn frozen_vectors() {
    let all: Value = serde_json::from_str(include_str!("../fixtures/exact.json")).unwrap();
    let bytes = |v: &Value| hex::decode(v.as_str().unwrap()).unwrap();
    let mut engine = CpuEngine::new(2, None, MEMORY);
    for case in all["cases"].as_array().unwrap() {
        let n = |name: &str| u32::try_from(case["shape"][name].as_u64().unwrap()).unwrap();
        let names = "dim layers heads ffn vocab seq amax wbits shift_q shift_o shift_d shift_s shift_m";
        let numbers: Vec<u32> = names.split(' ').map(n).collect();
        let challenge = Challenge {
            shape: shape(numbers.try_into().unwrap()),
            epoch_key: bytes(&case["epoch_key"]).try_into().unwrap(),
        };
        let leaves = case["leaves"].as_array().unwrap();
        let ids: Vec<NonceId> = leaves
            .iter()
            .map(|leaf| NonceId {
                participant: bytes(&case["participant"]).try_into().unwrap(),
                node_id: u32::try_from(case["node_id"].as_u64().unwrap()).unwrap(),
                nonce: leaf["nonce"].as_u64().unwrap(),
            })
            .collect();
        for (scored, want) in engine.score(&challenge, &ids, false).unwrap().iter().zip(leaves) {
            assert_eq!(scored.leaf.distance.0, want["distance_2p32"].as_u64().unwrap());
            assert_eq!(scored.leaf.hash().to_vec(), bytes(&want["leaf"]));
        }
    }
}

#[test]
fn two_sets_of_weights_are_kept_and_a_third_replaces_the_oldest() {
    let mut engine = CpuEngine::new(1, None, MEMORY);
    let challenge = |key| Challenge { shape: Shape::by_name("micro").unwrap(), epoch_key: [key; 32] };
    assert!(engine.loaded().is_none());
    let loads: Vec<bool> = [1, 2, 1, 2, 3, 2, 1].map(|key| engine.load(&challenge(key)).unwrap()).to_vec();
    assert_eq!(loads, [false, false, true, true, false, true, false]);
    assert_eq!(engine.loaded(), Some(&challenge(1)));
}

#[test]
fn a_shape_beyond_the_memory_is_refused_before_it_is_allocated() {
    let mut engine = CpuEngine::new(2, None, MEMORY);
    let challenge = Challenge { shape: Shape::by_name("gpu-18b").unwrap(), epoch_key: [0; 32] };
    assert!(matches!(engine.load(&challenge), Err(EngineError::Memory { limit: MEMORY, .. })));
    // Few weights, but activations of 100 GB.
    let wide =
        Challenge { shape: shape([2, 1, 1, 16_000_000, 2, 1024, 1, 1, 0, 0, 0, 0, 0]), epoch_key: [0; 32] };
    assert!(matches!(engine.score(&wide, &ids(1), false), Err(EngineError::Memory { .. })));
}

#[test]
fn the_self_test_passes() {
    let hashes: Vec<Hash> = engines(1, None)
        .chain(engines(2, Some(1)))
        .map(|mut engine| selftest::run(&mut engine).unwrap())
        .collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

/// An engine that is wrong in one bit of one product is not let through.
#[test]
fn the_self_test_finds_a_wrong_engine() {
    struct Wrong(CpuEngine);
    impl Engine for Wrong {
        fn device(&self) -> String {
            self.0.device()
        }
        fn load(&mut self, challenge: &Challenge) -> Result<bool, EngineError> {
            self.0.load(challenge)
        }
        fn loaded(&self) -> Option<&Challenge> {
            self.0.loaded()
        }
        fn batch(&self, shape: &Shape) -> usize {
            self.0.batch(shape)
        }
        fn score(
            &mut self,
            challenge: &Challenge,
            ids: &[NonceId],
            keep: bool,
        ) -> Result<Vec<geodesic_challenge::Scored>, EngineError> {
            self.0.score(challenge, ids, keep)
        }
        fn product(&self, a: &[i32], w: &[i8], k: usize) -> Result<Vec<i32>, EngineError> {
            // As a GEMM whose output is bf16 would: eight bits of mantissa.
            let bf16 = |x: i32| f32::from_bits((x as f32).to_bits() & 0xFFFF_0000) as i32;
            Ok(self.0.product(a, w, k)?.into_iter().map(bf16).collect())
        }
    }
    let mut engine = Wrong(CpuEngine::new(1, None, MEMORY));
    assert!(matches!(selftest::run(&mut engine), Err(selftest::SelfTestError::Wrong("largest sums"))));
}
