//! The engine for NVIDIA GPUs (feature `cuda`): int8 tensor cores through cublasLt, everything else in kernels that NVRTC
//! compiles at start for the device that is there.
//!
//! Three layers. The [`kernels`] are integer arithmetic in CUDA C++. The [`network`] launches them in order and the
//! [`engine`] keeps weights and batches; both know a [`device::Device`] alone. [`driver`] is that device on CUDA. The tests
//! put the kernels compiled by a C++ compiler in its place, so that all but [`driver`] is shown to equal the reference
//! without a GPU.
pub(crate) mod device;
#[cfg(feature = "cuda")]
pub(crate) mod driver;
pub(crate) mod engine;
#[cfg(feature = "cuda")]
mod gemm;
#[cfg(test)]
mod host;
pub(crate) mod kernels;
pub(crate) mod network;
pub(crate) mod plan;
#[cfg(test)]
mod tests;

/// Engine on one CUDA device.
#[cfg(feature = "cuda")]
pub(crate) type CudaEngine = engine::Gpu<driver::CudaDevice>;
