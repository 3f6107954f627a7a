//! [`Device`] on CUDA. The libraries are looked for before anything of `cudarc` that needs them, because it panics where
//! they are missing.
#![allow(unsafe_code)] // kernels are launched, and memory of the host is shared with the device
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::CUresult;
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DevicePtr, DriverError, LaunchConfig,
    PinnedHostSlice, PushKernelArg, result,
};
use cudarc::nvrtc::{self, Ptx, result as compiler};

use super::device::{Arg, Device, Fault, Lane, Launch, Product};
use super::engine::Gpu;
use super::gemm::Gemm;
use super::kernels::{NAMES, source};

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Self::OutOfMemory,
            _ => Self::Failed(format!("CUDA: {error}")),
        }
    }
}

fn text(fault: Fault) -> String {
    match fault {
        Fault::OutOfMemory => "out of memory".into(),
        Fault::Failed(reason) => reason,
    }
}

/// Number of CUDA devices, if all libraries are there.
///
/// # Errors
/// What is missing, and what to install.
pub(crate) fn count() -> Result<usize, String> {
    // SAFETY: loading runs the initialisers of NVIDIA's libraries, which any program that uses them runs.
    let found = unsafe {
        [
            (
                cudarc::driver::sys::is_culib_present(),
                "libcuda.so.1",
                "install NVIDIA's driver, 525 or newer",
            ),
            (
                nvrtc::sys::is_culib_present(),
                "libnvrtc.so.12",
                "install CUDA 12's NVRTC or set LD_LIBRARY_PATH",
            ),
            (
                cudarc::cublaslt::sys::is_culib_present(),
                "libcublasLt.so.12",
                "install CUDA 12's cuBLAS or set LD_LIBRARY_PATH",
            ),
        ]
    };
    if let Some((_, name, remedy)) = found.iter().find(|(is_present, _, _)| !is_present) {
        return Err(format!("{name} is not found: {remedy}"));
    }
    let count =
        CudaContext::device_count().map_err(|error| format!("the driver finds no device: {error}"))?;
    usize::try_from(count).map_err(|_| format!("the driver counts {count} devices"))
}

/// A program of NVRTC, destroyed when dropped.
struct Program(nvrtc::sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: created by `compile` and destroyed here alone.
        let _ = unsafe { compiler::destroy_program(self.0) };
    }
}

/// The kernels as machine code of `architecture` (`sm_90`), compiled once a process.
pub(crate) fn compiled(architecture: &str) -> Result<Vec<u8>, String> {
    static COMPILED: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut all = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(code) = all.get(architecture) {
        return Ok(code.clone());
    }
    let code = compile(architecture)?;
    all.insert(architecture.into(), code.clone());
    Ok(code)
}

fn compile(architecture: &str) -> Result<Vec<u8>, String> {
    let failed = |what: &str, error: compiler::NvrtcError| format!("NVRTC {what}: {error}");
    let source = CString::new(source()).map_err(|error| error.to_string())?;
    let program = compiler::create_program(&source, Some(c"geodesic.cu")).map_err(|e| failed("begin", e))?;
    let program = Program(program);
    let options =
        [format!("--gpu-architecture={architecture}"), "--device-int128".into(), "--std=c++17".into()];
    // SAFETY: the program lives; the buffer has the size that the library asks for.
    unsafe {
        if let Err(error) = compiler::compile_program(program.0, &options) {
            let log = compiler::get_program_log(program.0).unwrap_or_default();
            let log: Vec<u8> = log.into_iter().map(|c| c as u8).filter(|b| *b != 0).collect();
            return Err(format!(
                "NVRTC does not compile for {architecture}: {error} {}; a newer device needs a newer NVRTC",
                String::from_utf8_lossy(&log)
            ));
        }
        let mut size = 0;
        nvrtc::sys::nvrtcGetCUBINSize(program.0, &raw mut size).result().map_err(|e| failed("size", e))?;
        let mut code = vec![0_u8; size];
        nvrtc::sys::nvrtcGetCUBIN(program.0, code.as_mut_ptr().cast())
            .result()
            .map_err(|e| failed("code", e))?;
        Ok(code)
    }
}

/// Page-locked memory of the host, and when the device is done with it.
pub(crate) struct Landing {
    memory: PinnedHostSlice<u8>,
    done: CudaEvent,
}

impl Drop for Landing {
    fn drop(&mut self) {
        // The device may still write; a failed one does not.
        let _ = self.done.synchronize();
    }
}

/// One CUDA device.
pub(crate) struct CudaDevice {
    name: String,
    functions: BTreeMap<&'static str, CudaFunction>,
    gemm: Gemm,
    side: Arc<CudaStream>,
    main: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

impl CudaDevice {
    /// Opens device `index` and compiles the kernels for it; [`count`] has been asked before.
    fn open(index: usize) -> Result<Self, Fault> {
        let context = CudaContext::new(index)?;
        // SAFETY: memory is used on the two streams below alone, which `join` puts in order.
        unsafe { context.disable_event_tracking() };
        let (major, minor) = context.compute_capability()?;
        if (major, minor) < (7, 5) {
            let what =
                format!("device {index} has compute capability {major}.{minor}, int8 tensor cores need 7.5");
            return Err(Fault::Failed(what));
        }
        let code = compiled(&format!("sm_{major}{minor}")).map_err(Fault::Failed)?;
        let module = context.load_module(Ptx::from_binary(code))?;
        let function = |name: &'static str| Ok((name, module.load_function(name)?));
        let functions = NAMES.into_iter().map(function).collect::<Result<_, DriverError>>()?;
        let (main, side) = (context.new_stream()?, context.new_stream()?);
        let gib = context.total_mem()? >> 30;
        let name = format!("CUDA device {index}, {}, {gib} GiB, sm_{major}{minor}", context.name()?);
        Ok(Self { name, functions, gemm: Gemm::new(&main)?, side, main, context })
    }

    fn stream(&self, lane: Lane) -> &Arc<CudaStream> {
        match lane {
            Lane::Main => &self.main,
            Lane::Side => &self.side,
        }
    }
}

impl Gpu<CudaDevice> {
    /// An engine on CUDA device `index` that computes `batch` nonces a call, or as many as suit the shape, and uses at
    /// most `max_memory` bytes of the device, or what is free.
    ///
    /// # Errors
    /// In words: a library or the device is missing, or the device cannot do int8 products.
    pub(crate) fn open(index: usize, batch: Option<usize>, max_memory: Option<u64>) -> Result<Self, String> {
        let count = count()?;
        if index >= count {
            return Err(format!("there is no CUDA device {index}, the driver finds {count}"));
        }
        Ok(Self::on(CudaDevice::open(index).map_err(text)?, batch, max_memory))
    }
}

impl Device for CudaDevice {
    type Memory = CudaSlice<u8>;
    type Landing = Landing;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn free_bytes(&self) -> Result<u64, Fault> {
        let (free, _) = self.context.mem_get_info()?;
        Ok(free as u64)
    }

    fn alloc(&self, bytes: usize) -> Result<CudaSlice<u8>, Fault> {
        Ok(self.main.alloc_zeros(bytes.max(1))?)
    }

    fn landing(&self, bytes: usize) -> Result<Landing, Fault> {
        let done = self.context.new_event(None)?;
        // SAFETY: filled before it is read. Flags 0: the processor reads it, so it must be cached.
        let mut memory = unsafe { self.context.alloc_pinned_with_flags(bytes.max(1), 0)? };
        memory.as_mut_slice()?.fill(0);
        Ok(Landing { memory, done })
    }

    fn upload(&self, bytes: &[u8], landing: &mut Landing, to: &mut CudaSlice<u8>) -> Result<(), Fault> {
        landing.done.synchronize()?;
        let from = landing.memory.as_mut_slice()?.get_mut(..bytes.len());
        let from = from.filter(|from| from.len() <= to.len());
        let from = from.ok_or_else(|| Fault::Failed("an upload exceeds its memory".into()))?;
        from.copy_from_slice(bytes);
        let (address, _held) = to.device_ptr(&self.main);
        self.context.bind_to_thread()?;
        // SAFETY: `to` is as long, and `done` keeps the landing from being changed or freed before the copy ends.
        unsafe { result::memcpy_htod_async(address, from, self.main.cu_stream())? };
        Ok(landing.done.record(&self.main)?)
    }

    fn download(&self, from: &CudaSlice<u8>, bytes: usize, to: &mut Landing) -> Result<(), Fault> {
        to.done.synchronize()?;
        let part = to.memory.as_mut_slice()?.get_mut(..bytes).filter(|_| bytes <= from.len());
        let part = part.ok_or_else(|| Fault::Failed("a download exceeds its memory".into()))?;
        let (address, _held) = from.device_ptr(&self.main);
        self.context.bind_to_thread()?;
        // SAFETY: `from` is as long, and `done` keeps the landing from being read or freed before the copy ends.
        unsafe { result::memcpy_dtoh_async(part, address, self.main.cu_stream())? };
        Ok(to.done.record(&self.main)?)
    }

    fn landed<'a>(&self, landing: &'a Landing) -> Result<&'a [u8], Fault> {
        landing.done.synchronize()?;
        self.context.check_err()?;
        Ok(landing.memory.as_slice()?)
    }

    fn launch(&self, launch: Launch, args: &[Arg<'_, CudaSlice<u8>>]) -> Result<(), Fault> {
        let unknown = || Fault::Failed(format!("kernel {} cannot be launched so", launch.kernel));
        let function = self.functions.get(launch.kernel).ok_or_else(unknown)?;
        let [x, y] = [launch.grid.0, launch.grid.1].map(u32::try_from);
        let grid_dim = (x.map_err(|_| unknown())?, y.map_err(|_| unknown())?, 1);
        let block_dim = (launch.threads, 1, 1);
        let mut builder = self.stream(launch.lane).launch_builder(function);
        for arg in args {
            match arg {
                Arg::Memory(memory) => builder.arg(*memory),
                Arg::U32(n) => builder.arg(n),
                Arg::U64(n) => builder.arg(n),
            };
        }
        // SAFETY: the same launches, types and sizes of arguments included, run in the tests on the host, where writes
        // outside of memory are found; memory is freed in the order of the main lane, which waits for the side lane.
        unsafe { builder.launch(LaunchConfig { grid_dim, block_dim, shared_mem_bytes: launch.shared })? };
        Ok(())
    }

    fn product(&self, p: &Product<'_, CudaSlice<u8>>) -> Result<(), Fault> {
        let at = p.first * p.inner;
        let (a, w, out) = (p.rows * p.inner, at + p.columns * p.inner, 4 * p.rows * p.columns);
        if a > p.a.len() || w > p.w.len() || out > p.out.len() {
            return Err(Fault::Failed("a product exceeds its memory".into()));
        }
        let (a, _held_a) = p.a.device_ptr(&self.main);
        let (w, _held_w) = p.w.device_ptr(&self.main);
        let (out, _held_out) = p.out.device_ptr(&self.main);
        self.gemm.multiply(&self.main, (p.columns, p.rows, p.inner), w + at as u64, a, out)
    }

    fn join(&self, lane: Lane) -> Result<(), Fault> {
        let other = match lane {
            Lane::Main => Lane::Side,
            Lane::Side => Lane::Main,
        };
        Ok(self.stream(lane).join(self.stream(other))?)
    }

    fn finish(&self) -> Result<(), Fault> {
        self.side.synchronize()?;
        self.main.synchronize()?;
        Ok(self.context.check_err()?)
    }
}

impl Drop for CudaDevice {
    fn drop(&mut self) {
        // What runs may use memory that is freed next; a failed device runs nothing.
        let _ = self.finish();
    }
}
