//! Kernels against plain integers.
use super::*;
use proptest::prelude::*;

fn reference(a: &[i32], w: &[i8], k: usize) -> Vec<i32> {
    let dot = |a: &[i32], w: &[i8]| a.iter().zip(w).map(|(a, w)| a * i32::from(*w)).sum();
    a.chunks(k).flat_map(|a| w.chunks(k).map(move |w| dot(a, w))).collect()
}

fn all(a: &[i32], w: &[i8], k: usize) {
    let want = reference(a, w, k);
    for kernel in Kernel::present() {
        for level in Level::all() {
            assert!(product_of((kernel, level), a, w, k) == want, "{kernel}, {level:?}, k = {k}");
        }
    }
}

/// Numbers from 0 to `below`, half of them 0 or the largest.
fn some(count: usize, below: i32, seed: u64) -> impl Iterator<Item = i32> {
    let stream = geodesic_challenge::Stream::new(&geodesic_challenge::tag("test", &[&seed.to_le_bytes()]));
    stream.words(0).take(count).map(move |word| match word >> 30 {
        0 => 0,
        1 => below,
        _ => (word & 0xFFFF) as i32 % (below + 1),
    })
}

proptest! {
    #[test]
    fn every_kernel_is_exact(
        (rows, outputs, k) in (1..30_usize, 1..70_usize, 1..200_usize),
        (amax, wbits) in (1..=47_i32, 1..=7_u32),
        seed: u64,
    ) {
        let wmax = (1 << wbits) - 1;
        let a: Vec<i32> = some(rows * k, 2 * amax, seed).map(|x| x - amax).collect();
        let w: Vec<i8> = some(outputs * k, wmax, !seed).map(|u| (2 * u - wmax) as i8).collect();
        all(&a, &w, k);
    }
}

/// Where eight sums of pairs would overflow i16, where all of a row's fit, and at the bound of 2^24.
#[test]
fn the_largest_sums_are_exact() {
    for (amax, wmax) in [(47, 127), (46, 127), (15, 127), (16, 127), (7, 31), (1, 1), (1, 127), (47, 1)] {
        let k = ((1 << 24) - 1) / (amax * wmax);
        for k in [k.min(12_000) as usize, 65, 4, 3, 1] {
            for sign in [1, -1] {
                let a = vec![sign * amax; 3 * k];
                let w: Vec<i8> = (0..2 * k).map(|i| if i < k { wmax as i8 } else { -wmax as i8 }).collect();
                all(&a, &w, k);
            }
        }
    }
}

/// More outputs than are computed together, and more rows.
#[test]
fn groups_of_outputs_are_put_together() {
    let (rows, outputs, k) = (2 * ROWS + 5, BLOCKS * BLOCK + 3 * BLOCK + 1, 9);
    let a: Vec<i32> = (0..rows * k).map(|i| (i * 7 % 31) as i32 - 15).collect();
    let w: Vec<i8> = (0..outputs * k).map(|i| (2 * (i * 11 % 128)) as i32 - 127).map(|w| w as i8).collect();
    all(&a, &w, k);
    // So wide that a group is two blocks.
    let k = 40_001;
    let a: Vec<i32> = (0..3 * k).map(|i| (i * 7 % 7) as i32 - 3).collect();
    let w: Vec<i8> = (0..50 * k).map(|i| (2 * (i * 11 % 128)) as i32 - 127).map(|w| w as i8).collect();
    all(&a, &w, k);
}

#[test]
#[should_panic(expected = "activations are too few")]
fn a_panel_beyond_its_operands_is_refused() {
    let (lines, mut out) = ([Line::ZERO; 2], [0; 32]);
    let panel = Panel {
        a: &[0; 11],
        stride: 4,
        rows: 2,
        w: &lines,
        steps: 2,
        out: &mut out,
        out_stride: 16,
        largest: (1, 1),
        run: 0,
    };
    multiply(Kernel::best(), Level::best(), panel);
}
