//! Matrix products in f32 by the `gemm` crate, which chooses AVX-512, AVX2 or NEON at run time.

/// `[m, k] x [n, k]^T -> [m, n]`, all row-major, into `out`.
#[allow(unsafe_code)]
pub(crate) fn gemm_nt(a: &[f32], w: &[f32], out: &mut [f32], (m, n, k): (usize, usize, usize)) {
    assert!(a.len() == m * k && w.len() == n * k && out.len() == m * n, "operands do not have their sizes");
    // SAFETY: the three buffers have m k, n k and m n elements (checked above), the strides stay within them, and
    // `out` overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            w.as_ptr(),
            k as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
