#![doc = include_str!("../README.md")]
// Every sum, product and index here is bounded by the validity of a `Shape` (see `shape.rs`), and the code must read
// like its specification; `overflow-checks` stay on in every profile.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::as_conversions)]

mod binomial;
mod cap;
mod distance;
mod draw;
mod float;
mod hash;
mod merkle;
mod network;
pub mod ops;
mod path;
mod shape;
mod stream;
mod tables;
mod weights;

pub use binomial::{BinomialError, Share, VERDICT_SAMPLES_MAX, fraud_threshold, is_fraud};
pub use cap::{CapError, P_MIN, VOCAB_MAX, VOCAB_MIN, cap_probability, r_target};
pub use distance::{Distance, Leaf, RTarget, distance, distance_of, leaf_hash, logits_bytes, logits_hash};
pub use draw::{
    Located, NodeCounts, Position, Sample, is_member, judgment_hash, node_leaves, resolve, sample_positions,
    samples_per_member, seen_tag,
};
pub use float::{FLOAT_BUILT_IN, FloatShape, FloatShapeParams, HIT_SAMPLES_MAX, is_bad, sample_hits};
pub use hash::{Address, CHAIN_ID_MAX, ChainIdTooLong, Hash, chain_tag, epoch_key, nonce_hash, tag};
pub use merkle::{Commitment, MerkleSum, Node, TreeError};
pub use network::{Network, Scored};
pub use path::{DEPTH_MAX, Path, PathError, verify, verify_hit_rank};
pub use shape::{BUILT_IN, Shape, ShapeError, ShapeParams};
pub use stream::{CHUNK, LANES, Stream, input, input_value, permutation, shuffle, target};
pub use tables::{COS_QUARTER, LUT, cos};
pub use weights::{Matrix, Weights};
