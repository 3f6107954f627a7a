//! Which devices compute: the choice of the operator, and engines for what is there.
use std::str::FromStr;

use crate::cpu::CpuEngine;
use crate::engine::Engine;

/// Most CUDA devices that a choice may name.
const CUDA_MAX: usize = 64;

/// Devices to compute on. Reads from `auto`, `cpu`, `cuda:0` or `cuda:0,1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// All CUDA devices, or the processor where there is none.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// CUDA devices by their numbers, each once.
    Cuda(Vec<usize>),
}

/// A text that chooses no devices.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} names no device: give auto, cpu, cuda:0 or several as cuda:0,1")]
pub struct ChoiceError(String);

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let wrong = || ChoiceError(text.into());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => {
                let mut numbers = Vec::new();
                for number in text.strip_prefix("cuda:").ok_or_else(wrong)?.split(',') {
                    let number: usize = number.parse().map_err(|_| wrong())?;
                    if numbers.contains(&number) || numbers.len() == CUDA_MAX {
                        return Err(wrong());
                    }
                    numbers.push(number);
                }
                Ok(Self::Cuda(numbers))
            }
        }
    }
}

/// What engines may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Threads of the processor's engine.
    pub threads: usize,
    /// Nonces a batch; `None`: as many as suit the shape.
    pub batch: Option<usize>,
    /// Bytes for weights and activations, on each device; `None`: 4 GiB on the processor, on others what is free.
    pub max_memory: Option<u64>,
}

impl Limits {
    /// Bytes that the processor's engine may use.
    pub fn host_memory(&self) -> u64 {
        self.max_memory.unwrap_or(4 << 30)
    }

    /// The processor's engine.
    pub fn cpu(&self) -> CpuEngine {
        CpuEngine::new(self.threads, self.batch, self.host_memory())
    }
}

/// Why a chosen device cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use cuda:{index}: {reason}")]
pub struct DeviceError {
    index: usize,
    reason: String,
}

impl Choice {
    /// The choice without `auto`: what it stands for on this machine. Says in the log why no GPU is used.
    pub fn resolve(&self) -> Self {
        if *self != Self::Auto {
            return self.clone();
        }
        match cuda::count() {
            Ok(count) if count > 0 => Self::Cuda((0..count.min(CUDA_MAX)).collect()),
            none => {
                let reason = none.err().unwrap_or_else(|| "the driver counts no device".into());
                tracing::info!(reason, "no GPU is used, the processor computes");
                Self::Cpu
            }
        }
    }
}

/// An engine for each chosen device, at least one.
///
/// # Errors
/// [`DeviceError`] when a device that was named, or that `auto` found, cannot be used; it says what to do.
pub fn open(choice: &Choice, limits: &Limits) -> Result<Vec<Box<dyn Engine>>, DeviceError> {
    let open = |index: usize| cuda::open(index, limits).map_err(|reason| DeviceError { index, reason });
    match choice.resolve() {
        Choice::Cuda(numbers) => numbers.into_iter().map(open).collect(),
        Choice::Cpu | Choice::Auto => Ok(vec![Box::new(limits.cpu())]),
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use super::{Engine, Limits};
    pub(super) use crate::cuda::driver::count;

    pub(super) fn open(index: usize, limits: &Limits) -> Result<Box<dyn Engine>, String> {
        let engine = crate::cuda::CudaEngine::open(index, limits.batch, limits.max_memory)?;
        Ok(Box::new(engine))
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::{Engine, Limits};

    const ABSENT: &str = "this program was built without CUDA: build mlnode with --features cuda";

    pub(super) fn count() -> Result<usize, String> {
        Err(ABSENT.into())
    }

    pub(super) fn open(_: usize, _: &Limits) -> Result<Box<dyn Engine>, String> {
        Err(ABSENT.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        for (text, want) in [
            ("auto", Some(Choice::Auto)),
            ("cpu", Some(Choice::Cpu)),
            ("cuda:0", Some(Choice::Cuda(vec![0]))),
            ("cuda:3,1", Some(Choice::Cuda(vec![3, 1]))),
            ("cuda:1,1", None),
            ("cuda:", None),
            ("cuda", None),
            ("cuda:-1", None),
            ("gpu", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), want, "{text:?}");
        }
        let error = "cuda:x".parse::<Choice>().unwrap_err().to_string();
        assert_eq!(error, "\"cuda:x\" names no device: give auto, cpu, cuda:0 or several as cuda:0,1");
    }
}
