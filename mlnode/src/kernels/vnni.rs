//! The product of bytes by AVX-512 VNNI: `vpdpbusd` adds four products of an unsigned with a signed byte to an i32.
// Indices are constants of unrolled loops over registers.
#![allow(unsafe_code, clippy::indexing_slicing, clippy::needless_range_loop)]
use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_set1_epi32, _mm512_setzero_si512};
use std::arch::x86_64::{_mm512_load_si512, _mm512_storeu_si512};

use super::{BLOCK, Line, Panel, first_rows};

/// Rows of a tile: 24 of the 32 registers are sums.
pub(super) const ROWS: usize = 12;

pub(super) fn is_present() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// Computes `panel`.
///
/// # Safety
/// The processor has AVX-512 VNNI ([`is_present`]), and `panel` is [checked](Panel::check).
pub(super) unsafe fn panel(panel: &mut Panel<'_>) {
    let mut row = 0;
    while row < panel.rows {
        let left = panel.rows - row;
        // SAFETY: rows `row .. row + R` are rows of the panel.
        unsafe {
            row += match left {
                ROWS.. => tiles::<ROWS>(panel, row),
                8.. => tiles::<8>(panel, row),
                4.. => tiles::<4>(panel, row),
                2.. => tiles::<2>(panel, row),
                _ => tiles::<1>(panel, row),
            }
        }
    }
}

/// `R` rows from `row` on, all blocks.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn tiles<const R: usize>(panel: &mut Panel<'_>, row: usize) -> usize {
    let blocks = panel.blocks();
    let mut block = 0;
    while block < blocks {
        // SAFETY: as the caller's; blocks `block .. block + B` are blocks of the panel.
        unsafe {
            if block + 2 <= blocks {
                tile::<R, 2>(panel, row, block);
                block += 2;
            } else {
                tile::<R, 1>(panel, row, block);
                block += 1;
            }
        }
    }
    R
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn tile<const R: usize, const B: usize>(panel: &mut Panel<'_>, row: usize, block: usize) {
    let mut sums = [[_mm512_setzero_si512(); B]; R];
    let (stride, steps) = (panel.stride, panel.steps);
    // SAFETY: `Panel::check` holds that every row has `4 steps` bytes at its stride, every block `steps` lines, and
    // every row of `out` the blocks' columns; lines are aligned to 64 bytes. Pointers wrap, which spares checks of
    // overflow; those to rows beyond R are not read.
    unsafe {
        let mut rows = first_rows::<4>(panel, row);
        let mut w: [*const Line; B] = std::array::from_fn(|b| panel.w.as_ptr().add((block + b) * steps));
        for _ in 0..steps {
            let lines: [__m512i; B] = w.map(|w| _mm512_load_si512(w.cast()));
            for r in 0..R {
                let four = rows[r / 3].wrapping_add(stride.wrapping_mul(r % 3));
                let four = _mm512_set1_epi32(four.cast::<i32>().read_unaligned());
                for b in 0..B {
                    sums[r][b] = _mm512_dpbusd_epi32(sums[r][b], lines[b], four);
                }
            }
            w = w.map(|w| w.wrapping_add(1));
            rows = rows.map(|row| row.wrapping_add(4));
        }
        let out = panel.out.as_mut_ptr().add(row * panel.out_stride + block * BLOCK);
        for (r, sums) in sums.iter().enumerate() {
            for (b, sum) in sums.iter().enumerate() {
                _mm512_storeu_si512(out.add(r * panel.out_stride + b * BLOCK).cast(), *sum);
            }
        }
    }
}
