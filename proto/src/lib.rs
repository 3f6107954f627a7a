#![doc = include_str!("../README.md")]

pub mod amino;
pub mod amino_json;
pub mod any;
pub mod json;
mod pool;
mod schema;
pub mod strict;
mod wire;

pub use pool::{FILE_DESCRIPTOR_SET, pool};
pub use prost;
pub use prost_reflect;
pub use prost_types;
pub use tonic;
pub use wire::WireError;

pub use generated::*;

#[allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, missing_docs, unreachable_pub)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/include.rs"));
}
