//! The kernels' source: the tables of the specification, then the files of `kernels/`.
use geodesic_challenge::{COS_QUARTER, LUT};

/// Kernels by name, as `kernels/` defines them.
pub(crate) const NAMES: [&str; 10] = [
    "weights",
    "target",
    "input",
    "permutation",
    "residual_norm",
    "heads",
    "gate",
    "last",
    "attention",
    "distance",
];

/// Queries of a block of `attention`, as in `kernels/attention.cu`.
pub(crate) const ATTENTION_QUERIES: usize = 8;
/// Threads of a block of `attention`: sixteen for each query's softmax.
pub(crate) const ATTENTION_THREADS: u32 = 128;
/// Shared memory of a block that every device has without being asked for more.
#[cfg(test)]
pub(crate) const SHARED_BYTES_MAX: u32 = 48 << 10;

/// What differs between CUDA and the host in the tests comes before this.
const FILES: [&str; 5] = [
    include_str!("kernels/common.cu"),
    include_str!("kernels/streams.cu"),
    include_str!("kernels/layer.cu"),
    include_str!("kernels/attention.cu"),
    include_str!("kernels/score.cu"),
];

/// The kernels after `prelude`, one translation unit.
pub(crate) fn source_after(prelude: &str, constant: &str) -> String {
    let list = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(", ");
    let lut = list(&mut LUT.iter().map(u8::to_string));
    let cosines = list(&mut COS_QUARTER.iter().map(i8::to_string));
    let (luts, quarter) = (LUT.len(), COS_QUARTER.len());
    let tables = format!(
        "{constant} unsigned char LUT[{luts}] = {{{lut}}};\n{constant} signed char COSINES[{quarter}] = {{{cosines}}};\n"
    );
    format!("{prelude}{tables}{}", FILES.concat())
}

/// The kernels for NVRTC.
#[cfg(feature = "cuda")]
pub(crate) fn source() -> String {
    let dynamic = "#define DYNAMIC_SHARED(type, name) \
        extern __shared__ __align__(16) unsigned char name##_bytes[]; type *name = (type *)name##_bytes\n";
    source_after(dynamic, "__device__ const")
}
