//! Known answers of the float profile.
use super::engine::Engine;
use super::error::Error;
use super::seeds::InputType;
use super::shape::Shape;

/// Distances of nonces 0 to 3 of `fixtures/model_tiny.json`, computed by the published PyTorch code in f32.
const DISTANCES: [f64; 4] =
    [1.450_017_326_832_375_5, 1.411_777_867_172_492_5, 1.346_309_698_782_769_6, 1.463_273_997_918_476_3];
const HASH: &str = "6f1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef";
const KEY: &str = "geopub1testkey";
/// Between two f32 implementations.
const TOLERANCE: f64 = 1e-5;

/// Checks that this machine gives the published distances with `threads` threads; returns the device in words.
///
/// # Errors
/// [`Error::Value`] with the distance that is off.
pub fn selftest(threads: usize) -> Result<String, Error> {
    let engine = Engine::new(Shape::by_name("tiny")?, HASH, threads, u64::MAX, &mut |_| ())?;
    let scored = engine.score(KEY, &[0, 1, 2, 3], InputType::F16)?;
    for (scored, want) in scored.into_iter().zip(DISTANCES) {
        let got = scored.distance?;
        // A distance is never NaN: such a nonce has none.
        if (got - want).abs() > TOLERANCE {
            return Err(Error::value("distance", got, format!("{want} within {TOLERANCE}")));
        }
    }
    Ok(engine.device())
}
