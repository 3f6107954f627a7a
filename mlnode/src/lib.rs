#![doc = include_str!("../README.md")]

mod checks;
mod cpu;
#[cfg(any(test, feature = "cuda"))]
mod cuda;
pub mod devices;
pub mod engine;
mod faults;
mod generation;
mod kernels;
mod limit;
pub mod metrics;
mod model;
pub mod pow2;
mod profile;
mod queue;
pub mod selftest;
mod server;
mod service;
mod simd;
mod steps;
pub mod vectors;
mod worker;

pub use checks::{RECOMPUTE_MAX, REPLY_BYTES_MAX, float_shape_message, shape_message};
pub use cpu::CpuEngine;
pub use kernels::{Kernel, KernelError};
pub use server::{Config, Handle, ServeError, Tls, serve, serve_on};
