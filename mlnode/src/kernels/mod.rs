//! Products of activations with weights, by three kernels that give equal bits: sums of raw weights `u = b AND wmax`,
//! `sum(a u)`, from which `sum(a w) = 2 sum(a u) - wmax sum(a)`.
use crate::simd::{Level, vectorised};

#[cfg(target_arch = "x86_64")]
mod avx2;
pub(crate) mod float;
mod pack;
mod peak;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(crate) use pack::{blocks, interleave_rows, pack};

/// A way to multiply matrices on the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The `gemm` crate in f32, on every processor. A weight takes 4 bytes.
    F32,
    /// AVX2 on bytes.
    Avx2,
    /// AVX-512 VNNI on bytes.
    Vnni,
}

/// The processor lacks the instructions of the kernel asked for.
#[derive(Debug, thiserror::Error)]
#[error("this processor has no kernel {0}; it has {1} (--kernel)")]
pub struct KernelError(&'static str, String);

impl Kernel {
    /// Nothing, if this processor has it.
    ///
    /// # Errors
    /// [`KernelError`], naming the kernels that it has.
    pub fn check(self) -> Result<(), KernelError> {
        if self.is_present() {
            return Ok(());
        }
        let present: Vec<_> = Self::present().into_iter().map(Self::name).collect();
        Err(KernelError(self.name(), present.join(", ")))
    }

    /// All kernels, the slowest first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Avx2, Self::Vnni];

    /// Kernels that this processor has, the slowest first.
    pub fn present() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_present()).collect()
    }

    /// The fastest kernel that this processor has.
    pub fn best() -> Self {
        Self::present().pop().unwrap_or(Self::F32)
    }

    /// True if this processor has it.
    pub fn is_present(self) -> bool {
        match self {
            Self::F32 => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_present(),
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => vnni::is_present(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Vnni => false,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Avx2 => "avx2",
            Self::Vnni => "vnni",
        }
    }

    /// Bytes that it holds of a weight.
    pub(crate) fn weight_bytes(self) -> u64 {
        if self == Self::F32 { 4 } else { 1 }
    }
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32 GEMM",
            Self::Avx2 => "int8 AVX2",
            Self::Vnni => "int8 AVX-512 VNNI",
        })
    }
}

/// Outputs that are computed side by side: 32-bit lanes of 64 bytes.
pub(crate) const BLOCK: usize = 16;

/// Four inputs of [`BLOCK`] outputs: byte `4 o + i` is the weight from input i to output o.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u8; 4 * BLOCK]);

impl Line {
    pub(crate) const ZERO: Self = Self([0; 4 * BLOCK]);
}

/// The weights of a matrix `[outputs, k]`, for a kernel.
#[derive(Debug)]
pub(crate) struct Matrix {
    /// Whole blocks.
    pub(crate) outputs: usize,
    pub(crate) k: usize,
    data: Data,
}

#[derive(Debug)]
enum Data {
    /// Row-major.
    F32(Vec<f32>),
    /// Block by block, its `k / 4` lines in order.
    Bytes(Vec<Line>),
}

/// A product of bytes: `rows` rows of `a`, `4 steps` values each at `stride`, with all blocks of `w`.
pub(crate) struct Panel<'a> {
    pub(crate) a: &'a [i8],
    pub(crate) stride: usize,
    pub(crate) rows: usize,
    /// Lines, `steps` a block.
    pub(crate) w: &'a [Line],
    pub(crate) steps: usize,
    pub(crate) out: &'a mut [i32],
    pub(crate) out_stride: usize,
    /// Largest of `w` and of `|a|`, whose product is at most 2^14 - 1.
    pub(crate) largest: (u32, u32),
    /// Steps whose pairs of products fit i16 together; set by [`multiply`].
    pub(crate) run: usize,
}

impl Panel<'_> {
    fn blocks(&self) -> usize {
        self.w.len() / self.steps
    }

    /// What the kernels' reads and writes rest on.
    fn check(&self) {
        let (last, columns) = (self.rows - 1, self.blocks() * BLOCK);
        assert!(self.w.len().is_multiple_of(self.steps), "lines are no whole blocks");
        assert!(last * self.stride + 4 * self.steps <= self.a.len(), "activations are too few");
        assert!(last * self.out_stride + columns <= self.out.len(), "sums have no room");
    }
}

/// Pointers to every third row of a panel from `row` on: with one register for the stride, a tile's rows need no more.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first_rows<const N: usize>(panel: &Panel<'_>, row: usize) -> [*const i8; N] {
    let at = |third: usize| panel.a.as_ptr().wrapping_add((row + 3 * third).wrapping_mul(panel.stride));
    std::array::from_fn(at)
}

/// Computes `panel` by `kernel`; by plain integers for [`Kernel::F32`], which has no product of bytes.
#[allow(unsafe_code)]
pub(crate) fn multiply(kernel: Kernel, level: Level, mut panel: Panel<'_>) {
    if panel.rows == 0 || panel.w.is_empty() || panel.steps == 0 {
        return;
    }
    panel.check();
    let (unsigned, signed) = panel.largest;
    panel.run = (i16::MAX as u32 / (2 * unsigned * signed).max(1)) as usize;
    assert!(panel.run > 0, "products overflow i16");
    match kernel {
        // SAFETY: the processor has the instructions, and the panel is checked.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 if avx2::is_present() => unsafe { avx2::panel(&mut panel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Kernel::Vnni if vnni::is_present() => unsafe { vnni::panel(&mut panel) },
        _ => plain(level, &mut panel),
    }
}

vectorised! {
    fn plain(panel: &mut Panel<'_>) {
        let Panel { a, stride, rows, w, steps, out, out_stride, .. } = panel;
        for row in 0..*rows {
            let a = a.get(row.wrapping_mul(*stride)..).unwrap_or(&[]).as_chunks::<4>().0;
            let out = out.get_mut(row.wrapping_mul(*out_stride)..).unwrap_or(&mut []).as_chunks_mut::<BLOCK>().0;
            for (lines, out) in w.chunks_exact(*steps).zip(out) {
                let mut sums = [0_i32; BLOCK];
                for (line, four) in lines.iter().zip(a) {
                    let [a, b, c, d] = four.map(i32::from);
                    for (sum, w) in sums.iter_mut().zip(line.0.as_chunks::<4>().0) {
                        let w = u32::from_le_bytes(*w) as i32;
                        let left = (w & 255).wrapping_mul(a).wrapping_add((w >> 8 & 255).wrapping_mul(b));
                        let right = (w >> 16 & 255).wrapping_mul(c).wrapping_add((w >> 24 & 255).wrapping_mul(d));
                        *sum = sum.wrapping_add(left).wrapping_add(right);
                    }
                }
                *out = sums;
            }
        }
    }

    fn to_f32(rows: usize, k: usize, a: &[i8], stride: usize, out: &mut [f32]) {
        for (a, out) in a.chunks(stride).zip(out.chunks_exact_mut(k)).take(rows) {
            out.iter_mut().zip(a).for_each(|(out, a)| *out = f32::from(*a));
        }
    }

    fn to_i32(x: &[f32], out: &mut [i32]) {
        // Sums are integers below 2^24: nothing is rounded.
        out.iter_mut().zip(x).for_each(|(out, x)| *out = *x as i32);
    }
}

/// Buffers of [`product`], kept between calls.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    sums: Vec<i32>,
    a: Vec<f32>,
    out: Vec<f32>,
}

/// Rows and outputs of [`product`] that are computed together: their sums stay in the first cache, their weights in
/// the second.
const ROWS: usize = 12;
const BLOCKS: usize = 32;
const GROUP_BYTES: usize = 1 << 18;

/// Activations of [`product`]: rows of `stride` values, the first `k` of which count, of magnitude at most `amax`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [i8],
    pub(crate) stride: usize,
    pub(crate) count: usize,
    pub(crate) amax: u32,
}

/// Calls `each(row, first output, sums)` with parts of `sum(a u)`, whole blocks of outputs each; `wmax` bounds u.
pub(crate) fn product(
    (kernel, level): (Kernel, Level),
    a: Rows<'_>,
    (w, wmax): (&Matrix, u32),
    scratch: &mut Scratch,
    mut each: impl FnMut(usize, usize, &[i32]),
) {
    match &w.data {
        Data::F32(w_values) => {
            let (n, k) = (w.outputs, w.k);
            scratch.a.resize(a.count * k, 0.0);
            scratch.out.resize(a.count * n, 0.0);
            scratch.sums.resize(n, 0);
            to_f32(level, a.count, k, a.values, a.stride, &mut scratch.a);
            float::gemm_nt(&scratch.a, w_values, &mut scratch.out, (a.count, n, k));
            for (row, out) in scratch.out.chunks_exact(n).enumerate() {
                to_i32(level, out, &mut scratch.sums);
                each(row, 0, &scratch.sums);
            }
        }
        Data::Bytes(lines) => {
            let steps = w.k.div_ceil(4);
            let group = (GROUP_BYTES / size_of::<Line>() / steps).clamp(2, BLOCKS) & !1;
            for (index, lines) in lines.chunks(group * steps).enumerate() {
                let columns = lines.len() / steps * BLOCK;
                scratch.sums.resize(ROWS * columns, 0);
                for first in (0..a.count).step_by(ROWS) {
                    let rows = ROWS.min(a.count - first);
                    let panel = Panel {
                        a: a.values.get(first * a.stride..).unwrap_or(&[]),
                        stride: a.stride,
                        rows,
                        w: lines,
                        steps,
                        out: &mut scratch.sums,
                        out_stride: columns,
                        largest: (wmax, a.amax),
                        run: 0,
                    };
                    multiply(kernel, level, panel);
                    for (row, sums) in scratch.sums.chunks_exact(columns).take(rows).enumerate() {
                        each(first + row, index * group * BLOCK, sums);
                    }
                }
            }
        }
    }
}

/// `a W^T` for rows of `k` activations of magnitude at most 47, and of weights `w = 2 u - wmax`: as in the network, for
/// tests.
pub(crate) fn product_of(by: (Kernel, Level), a: &[i32], w: &[i8], k: usize) -> Vec<i32> {
    let largest = w.iter().map(|w| u32::from(w.unsigned_abs())).max().unwrap_or(0);
    let wmax = (largest + 1).next_power_of_two() - 1;
    let raw: Vec<u8> = w.iter().map(|w| ((i32::from(*w) + wmax as i32) / 2) as u8).collect();
    let matrix = Matrix::of_raw(by, &raw, k);
    let (stride, rows, outputs) = (k.next_multiple_of(4), a.len() / k, w.len() / k);
    let mut values = vec![0; rows * stride];
    for (values, a) in values.chunks_exact_mut(stride).zip(a.chunks_exact(k)) {
        values.iter_mut().zip(a).for_each(|(value, a)| *value = *a as i8);
    }
    let amax = a.iter().map(|a| a.unsigned_abs()).max().unwrap_or(0);
    let mut out = vec![0; rows * outputs];
    let activations = Rows { values: &values, stride, count: rows, amax };
    product(by, activations, (&matrix, wmax), &mut Scratch::default(), |row, first, sums| {
        let total: i32 = a.iter().skip(row * k).take(k).sum();
        let out = out.get_mut(row * outputs + first..(row + 1) * outputs).unwrap_or(&mut []);
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = 2 * sum - wmax as i32 * total);
    });
    out
}
