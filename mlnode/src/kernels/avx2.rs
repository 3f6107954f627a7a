//! The product of bytes by AVX2: `vpmaddubsw` adds two products of an unsigned with a signed byte into an i16. As many
//! of them as cannot overflow are added as i16, then widened.
// Indices are constants of unrolled loops over registers.
#![allow(unsafe_code, clippy::indexing_slicing, clippy::needless_range_loop)]
use std::arch::x86_64::_mm256_storeu_si256;
use std::arch::x86_64::{__m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_load_si256, _mm256_madd_epi16};
use std::arch::x86_64::{_mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256};

use super::{BLOCK, Panel, first_rows};

/// Rows of a tile: 8 of the 16 registers are sums.
pub(super) const ROWS: usize = 4;

pub(super) fn is_present() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Computes `panel`.
///
/// # Safety
/// The processor has AVX2 ([`is_present`]), and `panel` is [checked](Panel::check).
pub(super) unsafe fn panel(panel: &mut Panel<'_>) {
    let mut row = 0;
    while row < panel.rows {
        let left = panel.rows - row;
        // SAFETY: rows `row .. row + R` are rows of the panel.
        unsafe {
            row += match left {
                ROWS.. => tiles::<ROWS>(panel, row),
                2.. => tiles::<2>(panel, row),
                _ => tiles::<1>(panel, row),
            }
        }
    }
}

/// `R` rows from `row` on, all blocks.
#[target_feature(enable = "avx2")]
unsafe fn tiles<const R: usize>(panel: &mut Panel<'_>, row: usize) -> usize {
    for block in 0..panel.blocks() {
        // SAFETY: as the caller's, and a block of the panel.
        unsafe { tile::<R>(panel, row, block) };
    }
    R
}

#[target_feature(enable = "avx2")]
unsafe fn tile<const R: usize>(panel: &mut Panel<'_>, row: usize, block: usize) {
    let ones = _mm256_set1_epi16(1);
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    let (stride, steps) = (panel.stride, panel.steps);
    // SAFETY: `Panel::check` holds that every row has `4 steps` bytes at its stride, every block `steps` lines, and
    // every row of `out` the blocks' columns; lines are aligned to 64 bytes. `run` steps fit i16. Pointers wrap, which
    // spares checks of overflow; those to rows beyond R are not read.
    unsafe {
        let mut rows = first_rows::<2>(panel, row);
        let mut w = panel.w.as_ptr().add(block * steps).cast::<__m256i>();
        let mut left = steps;
        while left > 0 {
            let run = left.min(panel.run);
            left -= run;
            let mut narrow = [[_mm256_setzero_si256(); 2]; R];
            for _ in 0..run {
                let line = [_mm256_load_si256(w), _mm256_load_si256(w.add(1))];
                for r in 0..R {
                    let four = rows[r / 3].wrapping_add(stride.wrapping_mul(r % 3));
                    let four = _mm256_set1_epi32(four.cast::<i32>().read_unaligned());
                    for half in 0..2 {
                        let pairs = _mm256_maddubs_epi16(line[half], four);
                        narrow[r][half] = _mm256_add_epi16(narrow[r][half], pairs);
                    }
                }
                w = w.wrapping_add(2);
                rows = rows.map(|row| row.wrapping_add(4));
            }
            for r in 0..R {
                for half in 0..2 {
                    let wide = _mm256_madd_epi16(narrow[r][half], ones);
                    sums[r][half] = _mm256_add_epi32(sums[r][half], wide);
                }
            }
        }
        let out = panel.out.as_mut_ptr().add(row * panel.out_stride + block * BLOCK);
        for (r, sums) in sums.iter().enumerate() {
            for (half, sum) in sums.iter().enumerate() {
                _mm256_storeu_si256(out.add(r * panel.out_stride + 8 * half).cast(), *sum);
            }
        }
    }
}
