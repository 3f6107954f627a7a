//! Profile `pow2-f16`: the published PoW 2.0 scheme, in floats, for comparison and interoperation. Never the default.
//! `docs/challenge.md` tells how it differs from profile `exact`, `docs/hardness.md` has what was measured.

mod engine;
mod error;
mod leaves;
mod model;
mod normal;
pub mod rng;
pub mod seeds;
mod selftest;
mod shape;
mod tables;
mod weights;

pub use engine::{Engine, Scored, distance, is_bad};
pub use error::Error;
pub use leaves::{FloatChallenge, FloatEngine, public_key, units};
pub use model::{Model, turns};
pub use seeds::InputType;
pub use selftest::selftest;
pub use shape::{Parameter, Shape, ShapeParams};
pub use weights::{Place, Weights, name_hash};
