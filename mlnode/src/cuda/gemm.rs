//! Products of int8 matrices by cublasLt: int8 x int8 -> int32 on the tensor cores, exact.
//!
//! A GPU's int8 products want the layout "TN" with sizes and pitches that are multiples of 4, better 16. In the library's
//! column-major words the weights `[out, in]` are a matrix of `in` rows, transposed, the activations `[rows, in]` one of
//! `in` rows, and the result `[rows, out]` one of `out` rows: nothing is ever copied or turned.
#![allow(unsafe_code)] // cublasLt is a C library
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::cublaslt::result::{self as lt, CublasError};
use cudarc::cublaslt::sys;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, sys::CUdeviceptr};

use super::device::Fault;

/// Bytes of the library's workspace, what NVIDIA advises for its newest devices.
const WORKSPACE: usize = 32 << 20;
/// `CUBLAS_OP_T` of the library's headers.
const TRANSPOSED: i32 = 1;
/// Plans kept: ten products a batch, for each number of nonces; more would be batches of every size there is.
const PLANS_MAX: usize = 512;

impl From<CublasError> for Fault {
    fn from(error: CublasError) -> Self {
        match error.0 {
            sys::cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED => Self::OutOfMemory,
            status => Self::Failed(format!("cublasLt: {status:?}")),
        }
    }
}

/// How one size of product is done.
struct Plan {
    product: sys::cublasLtMatmulDesc_t,
    w: sys::cublasLtMatrixLayout_t,
    a: sys::cublasLtMatrixLayout_t,
    out: sys::cublasLtMatrixLayout_t,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

// SAFETY: descriptions are plain data of the library, used and destroyed under one lock.
unsafe impl Send for Plan {}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: made by `Plan::new` and destroyed here alone. An error leaves nothing to do.
        unsafe {
            let _ = lt::destroy_matmul_desc(self.product);
            let _ = lt::destroy_matrix_layout(self.w);
            let _ = lt::destroy_matrix_layout(self.a);
            let _ = lt::destroy_matrix_layout(self.out);
        }
    }
}

impl Plan {
    /// The library's choice for `m` outputs, `n` rows and sums of `k` terms.
    fn new(handle: sys::cublasLtHandle_t, m: usize, n: usize, k: usize) -> Result<Self, Fault> {
        use sys::cudaDataType_t::{CUDA_R_8I, CUDA_R_32I};
        let layout = |kind, rows: usize, columns: usize| {
            lt::create_matrix_layout(kind, rows as u64, columns as u64, rows as i64)
        };
        let mut plan = Self {
            product: lt::create_matmul_desc(sys::cublasComputeType_t::CUBLAS_COMPUTE_32I, CUDA_R_32I)?,
            w: layout(CUDA_R_8I, k, m)?,
            a: layout(CUDA_R_8I, k, n)?,
            out: layout(CUDA_R_32I, m, n)?,
            algorithm: sys::cublasLtMatmulAlgo_t { data: [0; 8] },
        };
        let (transposed, workspace) = (TRANSPOSED, WORKSPACE);
        let preference = lt::create_matmul_pref()?;
        // SAFETY: the descriptions live, and the attributes are read before the calls return, with the sizes given.
        let chosen = unsafe {
            lt::set_matmul_desc_attribute(
                plan.product,
                sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA,
                (&raw const transposed).cast(),
                size_of_val(&transposed),
            )
            .and_then(|()| {
                lt::set_matmul_pref_attribute(
                    preference,
                    sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                    (&raw const workspace).cast(),
                    size_of_val(&workspace),
                )
            })
            .and_then(|()| {
                let Self { product, w, a, out, .. } = plan;
                lt::get_matmul_algo_heuristic(handle, product, w, a, out, out, preference)
            })
        };
        // SAFETY: made above and not used again.
        unsafe { lt::destroy_matmul_pref(preference)? };
        plan.algorithm = chosen?.algo;
        Ok(plan)
    }
}

/// cublasLt on one stream.
pub(super) struct Gemm {
    handle: sys::cublasLtHandle_t,
    workspace: CudaSlice<u8>,
    plans: Mutex<BTreeMap<(usize, usize, usize), Plan>>,
}

// SAFETY: the library allows a handle to be used from any thread.
unsafe impl Send for Gemm {}

impl Drop for Gemm {
    fn drop(&mut self) {
        // SAFETY: created by `Gemm::new` and destroyed here alone.
        let _ = unsafe { lt::destroy_handle(self.handle) };
    }
}

impl Gemm {
    /// With its workspace on the device of `stream`.
    pub(super) fn new(stream: &Arc<CudaStream>) -> Result<Self, Fault> {
        let workspace = stream.alloc_zeros(WORKSPACE)?;
        Ok(Self { handle: lt::create_handle()?, workspace, plans: Mutex::default() })
    }

    /// `out[n, m] = a[n, k] w[m, k]^T` on `stream`, in the order of its other work. The addresses hold as much.
    pub(super) fn multiply(
        &self,
        stream: &CudaStream,
        (m, n, k): (usize, usize, usize),
        w: CUdeviceptr,
        a: CUdeviceptr,
        out: CUdeviceptr,
    ) -> Result<(), Fault> {
        stream.context().bind_to_thread()?;
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= PLANS_MAX && !plans.contains_key(&(m, n, k)) {
            plans.clear();
        }
        let plan = match plans.entry((m, n, k)) {
            std::collections::btree_map::Entry::Occupied(plan) => plan.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Plan::new(self.handle, m, n, k)?)
            }
        };
        let (workspace, _held) = self.workspace.device_ptr(stream);
        let (one, zero) = (1_i32, 0_i32);
        // SAFETY: the plan describes these sizes, the caller's addresses hold as much, and the scalars are read before
        // the call returns.
        unsafe {
            lt::matmul(
                self.handle,
                plan.product,
                (&raw const one).cast(),
                (&raw const zero).cast(),
                w as *const c_void,
                plan.w,
                a as *const c_void,
                plan.a,
                out as *const c_void,
                plan.out,
                out as *mut c_void,
                plan.out,
                &raw const plan.algorithm,
                workspace as *mut c_void,
                WORKSPACE,
                stream.cu_stream().cast(),
            )?;
        }
        Ok(())
    }
}
