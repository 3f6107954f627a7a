//! A device for tests: the kernels compiled by a C++ compiler, and a plain product in the place of cublasLt.
#![allow(unsafe_code)] // the compiled kernels are called through their C interface

use std::cell::UnsafeCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use libloading::Library;

use super::device::{Arg, Device, Fault, Lane, Launch, Product};
use super::kernels::{NAMES, SHARED_BYTES_MAX, source_after};

const CUDA_H: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cuda_host/cuda.h"));
const RUN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cuda_host/run.cpp"));

type RunKernel = unsafe extern "C" fn(*const c_char, u32, u32, u32, u32, bool, *mut *mut c_void) -> c_int;

/// The kernels in one library. Their threads and shared memory are global: one launch at a time.
struct Kernels(Mutex<Library>);

/// The kernels as this machine's C++ compiler makes them; `None` without a compiler.
fn kernels() -> Option<&'static Kernels> {
    static KERNELS: OnceLock<Option<Kernels>> = OnceLock::new();
    KERNELS.get_or_init(compile).as_ref()
}

fn compile() -> Option<Kernels> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        eprintln!("SKIPPED: no C++ compiler {compiler}, so the kernels are not compared with the reference");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
    std::fs::write(&source, format!("{}{RUN}", source_after(CUDA_H, "static const"))).unwrap();
    let output = Command::new(&compiler)
        .args([
            "-std=c++17",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-U_FORTIFY_SOURCE",
            "-fPIC",
            "-shared",
            "-o",
        ])
        .args([&library, &source])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // SAFETY: the library was compiled above and has no initialisers beyond those of its own data.
    Some(Kernels(Mutex::new(unsafe { Library::new(&library) }.unwrap())))
}

/// Bytes before and after each piece of memory, in which nothing may be written.
const GUARD: usize = 4;
const GUARD_VALUE: u128 = 0xA5A5_A5A5_A5A5_A5A5_A5A5_A5A5_A5A5_A5A5;

/// Memory of the "device", aligned as a device's is, between guards.
pub(crate) struct HostMemory {
    words: UnsafeCell<Vec<u128>>,
    bytes: usize,
    used: Arc<AtomicU64>,
}

impl HostMemory {
    fn pointer(&self) -> *mut u8 {
        // SAFETY: the vector is never resized, and one thread at a time has a device.
        unsafe { (*self.words.get()).as_mut_ptr().add(GUARD).cast() }
    }

    fn slice(&self) -> &[u8] {
        // SAFETY: `bytes` bytes were allocated from here on; nothing runs while the slice lives.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.bytes) }
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes as u64, Ordering::Relaxed);
        let words = self.words.get_mut();
        let end = GUARD + self.bytes.div_ceil(16);
        let guards = words[..GUARD].iter().chain(&words[end..]);
        assert!(guards.copied().all(|word| word == GUARD_VALUE), "a kernel wrote outside its memory");
    }
}

/// The processor as a device with a bounded memory.
pub(crate) struct HostDevice {
    kernels: &'static Kernels,
    /// Order in which the threads of a block take turns.
    backwards: bool,
    capacity: u64,
    used: Arc<AtomicU64>,
}

impl HostDevice {
    /// A device of `capacity` bytes; `None` without a C++ compiler.
    pub(crate) fn new(backwards: bool, capacity: u64) -> Option<Self> {
        Some(Self { kernels: kernels()?, backwards, capacity, used: Arc::default() })
    }
}

impl Device for HostDevice {
    type Memory = HostMemory;
    type Landing = Vec<u8>;

    fn name(&self) -> String {
        "host".into()
    }

    fn free_bytes(&self) -> Result<u64, Fault> {
        Ok(self.capacity - self.used.load(Ordering::Relaxed))
    }

    fn alloc(&self, bytes: usize) -> Result<HostMemory, Fault> {
        if bytes as u64 > self.free_bytes()? {
            return Err(Fault::OutOfMemory);
        }
        self.used.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut words = vec![GUARD_VALUE; bytes.div_ceil(16) + 2 * GUARD];
        words[GUARD..][..bytes.div_ceil(16)].fill(0);
        Ok(HostMemory { words: UnsafeCell::new(words), bytes, used: self.used.clone() })
    }

    fn landing(&self, bytes: usize) -> Result<Vec<u8>, Fault> {
        Ok(vec![0; bytes])
    }

    fn upload(&self, bytes: &[u8], landing: &mut Vec<u8>, to: &mut HostMemory) -> Result<(), Fault> {
        assert!(bytes.len() <= landing.len() && bytes.len() <= to.bytes);
        landing[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: the lengths were compared, and `to` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(to.pointer(), bytes.len()) }.copy_from_slice(bytes);
        Ok(())
    }

    fn download(&self, from: &HostMemory, bytes: usize, to: &mut Vec<u8>) -> Result<(), Fault> {
        to[..bytes].copy_from_slice(&from.slice()[..bytes]);
        Ok(())
    }

    fn landed<'a>(&self, landing: &'a Vec<u8>) -> Result<&'a [u8], Fault> {
        Ok(landing)
    }

    fn launch(&self, launch: Launch, args: &[Arg<'_, HostMemory>]) -> Result<(), Fault> {
        assert!(
            NAMES.contains(&launch.kernel) && launch.shared <= SHARED_BYTES_MAX && launch.grid.1 < 65_536
        );
        assert_eq!(launch.lane == Lane::Side, launch.kernel == "permutation");
        // Above the 32 bits of an argument stands what must not be read.
        let mut values: Vec<u64> = args
            .iter()
            .map(|arg| match arg {
                Arg::Memory(memory) => memory.pointer() as u64,
                Arg::U32(n) => u64::from(*n) | 0xDEAD_BEEF << 32,
                Arg::U64(n) => *n,
            })
            .collect();
        let mut pointers: Vec<*mut c_void> =
            values.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
        let name = CString::new(launch.kernel).unwrap();
        let (x, y) = (u32::try_from(launch.grid.0).unwrap(), u32::try_from(launch.grid.1).unwrap());
        let library = self.kernels.0.lock().unwrap();
        // SAFETY: the type is that of `run_kernel` in run.cpp.
        let run = unsafe { library.get::<RunKernel>(b"run_kernel") }.unwrap();
        // SAFETY: the arguments outlive the call; that they fit the kernel is what the tests show.
        let code = unsafe {
            run(name.as_ptr(), x, y, launch.threads, launch.shared, self.backwards, pointers.as_mut_ptr())
        };
        assert_eq!(code, 0, "{}", launch.kernel);
        Ok(())
    }

    fn product(&self, p: &Product<'_, HostMemory>) -> Result<(), Fault> {
        assert!([p.rows, p.columns, p.inner].iter().all(|n| n.is_multiple_of(16) && *n > 0));
        let a = &p.a.slice()[..p.rows * p.inner];
        let w = &p.w.slice()[p.first * p.inner..][..p.columns * p.inner];
        let outputs = p.rows * p.columns;
        assert!(4 * outputs <= p.out.bytes);
        // SAFETY: the length was compared, the alignment is 16, and `out` is neither `a` nor `w`.
        let out = unsafe { std::slice::from_raw_parts_mut(p.out.pointer().cast::<i32>(), outputs) };
        let sum = |(a, w): (&u8, &u8)| i32::from(a.cast_signed()) * i32::from(w.cast_signed());
        for (a, out) in a.chunks_exact(p.inner).zip(out.chunks_exact_mut(p.columns)) {
            for (w, out) in w.chunks_exact(p.inner).zip(out) {
                *out = a.iter().zip(w).map(sum).sum();
            }
        }
        Ok(())
    }

    fn join(&self, _: Lane) -> Result<(), Fault> {
        Ok(())
    }

    fn finish(&self) -> Result<(), Fault> {
        Ok(())
    }
}
