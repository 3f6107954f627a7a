//! x
pub mod engine;
mod cpu;
mod kernels;
mod model;
mod round;
pub mod selftest;
pub use cpu::CpuEngine;
