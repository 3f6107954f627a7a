//! What an engine must pass before it serves: known answers of the challenge, and the largest sums there can be.
use geodesic_challenge::{Address, Hash, Network, Scored, Shape, ShapeParams, tag};

use crate::engine::{Challenge, Engine, EngineError, NonceId};

/// Why an engine does not pass.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine computes other bits than the reference.
    #[error("{0}: the engine computes other bits than the specification; it must not be used")]
    Wrong(&'static str),
}

/// The first three distances of case `micro` of the challenge's vectors (`fixtures/exact.json`), and its epoch key.
const MICRO_DISTANCES: [u64; 3] = [6_048_347_337, 6_331_824_106, 6_002_391_191];
const MICRO_KEY: Hash = [
    0x73, 0x11, 0xc3, 0xea, 0xb2, 0x68, 0x91, 0x8f, 0x38, 0xe9, 0x22, 0xa6, 0x81, 0x9f, 0xda, 0x5e, 0xc6,
    0xb7, 0xdd, 0x43, 0x59, 0xbf, 0x88, 0x8d, 0x37, 0x0f, 0x3e, 0xdb, 0x2b, 0x13, 0xa2, 0xa2,
];
const PARTICIPANT: Address = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
/// A shape whose sizes are no multiples of a vector's width.
const ODD: ShapeParams = ShapeParams {
    dim: 56,
    layers: 2,
    heads: 2,
    ffn: 95,
    vocab: 129,
    seq: 13,
    amax: 7,
    wbits: 5,
    shift_q: 7,
    shift_o: 1,
    shift_d: 2,
    shift_s: 0,
    shift_m: 1,
};

/// Checks `engine`, and returns a hash of all logits' hashes that it gave: equal wherever it passes. Takes well under a
/// second on a processor.
///
/// # Errors
/// [`SelfTestError`], naming the check that failed.
pub fn run(engine: &mut dyn Engine) -> Result<Hash, SelfTestError> {
    extremes(engine)?;
    let built_in = |name| Shape::by_name(name).ok_or(SelfTestError::Wrong("shape table"));
    let odd = Shape::try_new(ODD).map_err(|_| SelfTestError::Wrong("odd shape"))?;
    let micro = against_reference(engine, built_in("micro")?, "shape micro")?;
    if micro.iter().map(|scored| scored.leaf.distance.0).ne(MICRO_DISTANCES) {
        return Err(SelfTestError::Wrong("known answers"));
    }
    let odd = against_reference(engine, odd, "odd shape")?;
    let local = against_reference(engine, built_in("local")?, "shape local")?;
    let all: Vec<u8> = [micro, odd, local].iter().flatten().flat_map(|s| s.leaf.logits_hash).collect();
    Ok(tag("selftest", &[&all]))
}

/// Scores three nonces on the engine and on the reference.
fn against_reference(
    engine: &mut dyn Engine,
    shape: Shape,
    name: &'static str,
) -> Result<Vec<Scored>, SelfTestError> {
    let challenge = Challenge { shape, epoch_key: MICRO_KEY };
    let network = Network::new(shape, challenge.epoch_key);
    let ids = [0, 1, 2].map(|nonce| NonceId { participant: PARTICIPANT, node_id: 1, nonce });
    let want = ids.map(|id| network.score(&id.participant, id.node_id, id.nonce));
    let scored = engine.score(&challenge, &ids, true)?;
    if scored != want {
        return Err(SelfTestError::Wrong(name));
    }
    Ok(scored)
}

/// Products of `+-amax` and `+-wmax` at the largest widths, alternating and not: the sums reach the bound of 2^24.
fn extremes(engine: &dyn Engine) -> Result<(), SelfTestError> {
    for (amax, wmax) in [(15_i32, 127_i8), (47, 127), (7, 31)] {
        let k = usize::try_from(((1 << 24) - 1) / (amax * i32::from(wmax))).unwrap_or(1);
        let sign = |i: usize, flip: usize| if (i / flip).is_multiple_of(2) { 1_i8 } else { -1 };
        let flips = [usize::MAX, 1, 2, k / 2];
        let a: Vec<i32> = flips.iter().flat_map(|f| (0..k).map(|i| i32::from(sign(i, *f)) * amax)).collect();
        let w: Vec<i8> = flips.iter().flat_map(|f| (0..k).map(|i| sign(i, *f) * wmax)).collect();
        let want: Vec<i32> = a
            .chunks(k)
            .flat_map(|a| w.chunks(k).map(move |w| a.iter().zip(w).map(|(a, w)| a * i32::from(*w)).sum()))
            .collect();
        if engine.product(&a, &w, k)? != want {
            return Err(SelfTestError::Wrong("largest sums"));
        }
    }
    Ok(())
}
