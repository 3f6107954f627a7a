//! The engine, its launches and the kernels against the reference, on the host; the kernels' compilation by NVRTC.
use geodesic_challenge::{Network, Shape, ShapeParams, Weights, permutation};
use proptest::prelude::*;

use super::device::{Arg, Device, Lane, Launch};
use super::engine::Gpu;
use super::host::HostDevice;
use crate::engine::{Challenge, Engine, EngineError, NonceId};
use crate::selftest;

const MEMORY: u64 = 1 << 30;

fn engine(backwards: bool, batch: Option<usize>) -> Option<Gpu<HostDevice>> {
    Some(Gpu::on(HostDevice::new(backwards, MEMORY)?, batch, None))
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

fn ids(count: u64) -> Vec<NonceId> {
    (0..count).map(|n| NonceId { participant: [9; 20], node_id: (n % 3) as u32, nonce: n * n * n }).collect()
}

fn equals_reference(engine: &mut Gpu<HostDevice>, shape: Shape, epoch_key: [u8; 32], count: u64) {
    let (challenge, ids) = (Challenge { shape, epoch_key }, ids(count));
    let network = Network::new(shape, epoch_key);
    let want: Vec<_> = ids.iter().map(|id| network.score(&id.participant, id.node_id, id.nonce)).collect();
    assert_eq!(engine.score(&challenge, &ids, true).unwrap(), want, "{shape:?}");
    let bare = engine.score(&challenge, &ids, false).unwrap();
    assert!(bare.iter().zip(&want).all(|(a, b)| a.leaf == b.leaf && a.logits.is_empty()));
}

#[test]
fn the_self_test_passes() {
    for backwards in [false, true] {
        let Some(mut engine) = engine(backwards, None) else { return };
        selftest::run(&mut engine).unwrap();
    }
}

/// Batches that fill no slot, one, both, and more; threads in either order.
#[test]
fn built_in_shapes_equal_the_reference() {
    for (backwards, batch, count) in
        [(false, Some(4), 11), (true, Some(4), 3), (false, Some(1), 3), (true, None, 2)]
    {
        let Some(mut engine) = engine(backwards, batch) else { return };
        equals_reference(&mut engine, Shape::by_name("micro").unwrap(), [1; 32], count);
    }
    let Some(mut engine) = engine(false, None) else { return };
    equals_reference(&mut engine, Shape::by_name("local").unwrap(), [2; 32], 2);
}

#[test]
fn odd_shapes_equal_the_reference() {
    let Some(mut engine) = engine(false, Some(5)) else { return };
    for numbers in [
        [56, 2, 2, 96, 129, 13, 7, 5, 7, 1, 2, 0, 1],
        [64, 1, 1, 64, 2, 1, 15, 7, 9, 5, 5, 2, 2],
        [2, 3, 1, 1, 3, 5, 47, 7, 3, 0, 0, 0, 0],
        [6, 2, 3, 7, 11, 33, 1, 1, 0, 0, 0, 0, 0],
        // Shift 30 rounds nearly everything to zero.
        [32, 2, 2, 40, 17, 4, 47, 7, 16, 17, 30, 30, 30],
        // Shift 0 lets the residual run into its clip.
        [48, 6, 2, 300, 40, 3, 47, 7, 4, 0, 0, 3, 2],
        // More of a head than a block of attention holds at a time; more keys than it has threads.
        [600, 2, 1, 8, 5, 2, 15, 7, 9, 5, 5, 4, 2],
        [12, 2, 2, 8, 5, 141, 15, 7, 7, 3, 3, 2, 2],
    ] {
        equals_reference(&mut engine, shape(numbers), [3; 32], 3);
    }
}

/// The longest sequence asks for the most shared memory.
#[test]
fn the_longest_sequence_equals_the_reference() {
    let Some(mut engine) = engine(true, None) else { return };
    equals_reference(&mut engine, shape([4, 1, 1, 4, 3, 1024, 15, 7, 6, 2, 2, 1, 2]), [4; 32], 1);
    equals_reference(&mut engine, shape([4, 2, 2, 4, 3, 1023, 15, 7, 6, 2, 2, 0, 2]), [4; 32], 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_shape_equals_the_reference(
        (heads, half) in (1..4_u32, 1..12_u32),
        (layers, ffn, vocab, seq) in (1..4_u32, 1..70_u32, 2..70_u32, 1..20_u32),
        (amax, wbits) in (1..=47_u32, 1..=7_u32),
        shifts in prop::array::uniform5(0..14_u32),
        key: [u8; 32],
        backwards: bool,
    ) {
        let [q, o, d, s, m] = shifts;
        let shape = shape([heads * 2 * half, layers, heads, ffn, vocab, seq, amax, wbits, q, o, d, s, m]);
        if let Some(mut engine) = engine(backwards, None) {
            equals_reference(&mut engine, shape, key, 2);
        }
    }

    /// The permutation of a vocabulary whose words are refused now and then: `n` near 3/4 of a power of two.
    #[test]
    fn permutations_equal_the_reference(key: [u8; 32], vocab in 2..3000_u32) {
        let Some(device) = HostDevice::new(false, MEMORY) else { return Ok(()) };
        let (mut seeds, mut landing) = (device.alloc(16).unwrap(), device.landing(16).unwrap());
        device.upload(&key[..16], &mut landing, &mut seeds).unwrap();
        let out = device.alloc(4 * vocab as usize).unwrap();
        device.launch(
            Launch { lane: Lane::Side, kernel: "permutation", grid: (1, 1), threads: 32, shared: 0 },
            &[Arg::Memory(&out), Arg::U32(vocab), Arg::Memory(&seeds)],
        ).unwrap();
        let shape = shape([2, 1, 1, 1, vocab, 1, 1, 1, 0, 0, 0, 0, 0]);
        prop_assert_eq!(words(&device, &out, vocab as usize), permutation(&shape, &key));
    }

    /// Any logits and target, also those that no network gives.
    #[test]
    fn distances_equal_the_reference(
        rows in prop::collection::vec((-16_777_215..=16_777_215_i32, -510..=510_i32), 2..600),
        scale in 0..24_u32,
        mode in 0..4_u8,
    ) {
        let Some(device) = HostDevice::new(true, MEMORY) else { return Ok(()) };
        let t: Vec<i32> = rows.iter().map(|(_, t)| if mode == 3 { 0 } else { *t }).collect();
        let l: Vec<i32> = rows.iter().map(|(l, t)| match mode {
            0 => l >> scale,
            1 => *t,
            2 => -t,
            _ => *l,
        }).collect();
        let p: Vec<u32> = (0..l.len() as u32).rev().collect();
        let reversed: Vec<i32> = l.iter().rev().copied().collect();
        let memory = |values: &[i32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let (mut to, mut landing) = (device.alloc(bytes.len()).unwrap(), device.landing(bytes.len()).unwrap());
            device.upload(&bytes, &mut landing, &mut to).unwrap();
            to
        };
        let (logits, target) = (memory(&reversed), memory(&t));
        let order = memory(&p.iter().map(|p| p.cast_signed()).collect::<Vec<_>>());
        let out = device.alloc(8).unwrap();
        device.launch(
            Launch { lane: Lane::Main, kernel: "distance", grid: (1, 1), threads: 256, shared: 0 },
            &[
                Arg::Memory(&logits),
                Arg::U64(l.len() as u64),
                Arg::Memory(&order),
                Arg::Memory(&target),
                Arg::U32(l.len() as u32),
                Arg::Memory(&out),
            ],
        ).unwrap();
        let [low, high] = words(&device, &out, 2)[..] else { panic!() };
        let got = u64::from(high) << 32 | u64::from(low);
        prop_assert_eq!(got, geodesic_challenge::distance(&reversed, &p, &t).0);
    }
}

fn words(device: &HostDevice, memory: &<HostDevice as Device>::Memory, count: usize) -> Vec<u32> {
    let mut landing = device.landing(4 * count).unwrap();
    device.download(memory, 4 * count, &mut landing).unwrap();
    landing.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
}

/// Every weight fits int8: the largest are +-127.
#[test]
fn weights_fit_int8() {
    for wbits in 1..=7 {
        let shape = shape([64, 1, 1, 64, 2, 1, 1, wbits, 0, 0, 0, 0, 0]);
        let w = Weights::new(shape, &[wbits as u8; 32]).matrix(geodesic_challenge::Matrix::Q(0));
        let (least, most) = (i32::from(*w.iter().min().unwrap()), i32::from(*w.iter().max().unwrap()));
        assert_eq!((least, most), (-shape.wmax(), shape.wmax()));
    }
}

#[test]
fn weights_of_two_challenges_are_kept_and_a_third_replaces_the_oldest() {
    let Some(mut engine) = engine(false, None) else { return };
    let challenge = |key| Challenge { shape: Shape::by_name("micro").unwrap(), epoch_key: [key; 32] };
    let loads: Vec<bool> = [1, 2, 1, 2, 3, 2, 1].map(|key| engine.load(&challenge(key)).unwrap()).to_vec();
    assert_eq!(loads, [false, false, true, true, false, true, false]);
    assert_eq!(engine.loaded(), Some(&challenge(1)));
}

/// Where there is little memory, batches get smaller, then older weights go, then the shape is refused; results stay.
#[test]
fn memory_that_runs_out_halves_batches_before_it_is_an_error() {
    let micro = Shape::by_name("micro").unwrap();
    let key = |key| Challenge { shape: micro, epoch_key: [key; 32] };
    let mut batches = Vec::new();
    for capacity in [16 << 20, 2 << 20, 500 << 10, 300 << 10, 200 << 10, 100 << 10] {
        let Some(device) = HostDevice::new(false, capacity) else { return };
        let mut engine = Gpu::on(device, Some(128), None);
        match engine.load(&key(1)) {
            Ok(_) => {
                equals_reference(&mut engine, micro, [1; 32], 3);
                equals_reference(&mut engine, micro, [2; 32], 1);
                batches.push(engine.batch(&micro));
            }
            Err(EngineError::Memory { need, .. }) => {
                assert!(need > capacity && engine.loaded().is_none(), "{need} {capacity}");
                batches.push(0);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(batches.is_sorted_by(|a, b| a >= b), "{batches:?}");
    assert_eq!((batches[0], batches[5]), (128, 0), "{batches:?}");
    assert!(batches[1..5].iter().any(|b| (1..128).contains(b)), "{batches:?}");

    // The limit of the operator counts as the device's.
    let Some(device) = HostDevice::new(false, MEMORY) else { return };
    let mut engine = Gpu::on(device, None, Some(100 << 10));
    assert!(matches!(engine.load(&key(1)), Err(EngineError::Memory { limit: 102_400, .. })));
    let large = Challenge { shape: Shape::by_name("gpu-18b").unwrap(), epoch_key: [0; 32] };
    let Some(mut engine) = self::engine(false, None) else { return };
    assert!(matches!(engine.load(&large), Err(EngineError::Memory { .. })));
}

/// Real NVRTC makes machine code of the kernels for the devices of several years.
#[cfg(feature = "cuda")]
#[test]
fn nvrtc_compiles_the_kernels() {
    // SAFETY: loading runs the initialisers of NVIDIA's library.
    #[allow(unsafe_code)]
    let is_present = unsafe { cudarc::nvrtc::sys::is_culib_present() };
    if !is_present {
        eprintln!("SKIPPED: libnvrtc.so.12 is not found, so the kernels are not compiled for GPUs");
        return;
    }
    for architecture in ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90"] {
        let code = super::driver::compiled(architecture).unwrap();
        let names = super::kernels::NAMES;
        let holds = |name: &str| code.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(code.starts_with(b"\x7fELF") && names.into_iter().all(holds), "{architecture}");
    }
    assert!(super::driver::compiled("sm_1").unwrap_err().contains("sm_1"));
}
