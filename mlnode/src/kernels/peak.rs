//! What the processor can do at most: the instruction of each kernel on registers alone.
#![allow(unsafe_code)]
use std::time::{Duration, Instant};

use super::Kernel;

/// Rounds of a loop between looks at the clock.
const ROUNDS: u64 = 20_000;

impl Kernel {
    /// Operations a second (two a product) of its instruction on one thread, the best of what `time` allows; `None`
    /// where the instruction is not known.
    pub fn peak(self, time: Duration) -> Option<f64> {
        // Also warms the clock up.
        let start = Instant::now();
        let mut best: Option<f64> = None;
        loop {
            let round = Instant::now();
            let operations = self.rounds()?;
            let per_s = operations as f64 / round.elapsed().as_secs_f64();
            best = Some(best.map_or(per_s, |best| best.max(per_s)));
            if start.elapsed() >= time {
                return best;
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn rounds(self) -> Option<u64> {
        let is_wide = is_x86_feature_detected!("avx512f");
        Some(match self {
            // SAFETY (all arms): the processor has the instructions, which were just looked for.
            Self::F32 if is_wide => unsafe { x86::fma_512() },
            Self::F32 if is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx") => unsafe {
                x86::fma_256()
            },
            Self::Avx2 if self.is_present() => unsafe { x86::maddubs() },
            Self::Vnni if self.is_present() => unsafe { x86::dpbusd() },
            _ => return None,
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn rounds(self) -> Option<u64> {
        None
    }
}

/// [`ROUNDS`] of an instruction on independent registers, as many as hide its latency; returns operations.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::ROUNDS;
    use std::arch::x86_64::{_mm256_add_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_setzero_si256};
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps};
    use std::arch::x86_64::{_mm512_dpbusd_epi32, _mm512_set1_epi8, _mm512_setzero_si512};
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps, _mm512_setzero_ps};
    use std::hint::black_box;

    macro_rules! rounds {
        ($(#[$enable:meta] $name:ident: $registers:literal x $ops:literal, $zero:expr, $one:expr, $step:expr;)*) => {$(
            #[$enable]
            pub(super) fn $name() -> u64 {
                // Values that the compiler does not know, so that no step is left out.
                let (mut sums, x) = black_box(([$zero; $registers], $one));
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = $step(*sum, x);
                    }
                }
                black_box(sums);
                ROUNDS * $registers * $ops
            }
        )*};
    }

    rounds! {
        #[target_feature(enable = "avx512f")]
        fma_512: 24 x 32, _mm512_setzero_ps(), _mm512_set1_ps(0.5), |sum, x| _mm512_fmadd_ps(x, sum, x);
        #[target_feature(enable = "avx,fma")]
        fma_256: 12 x 16, _mm256_setzero_ps(), _mm256_set1_ps(0.5), |sum, x| _mm256_fmadd_ps(x, sum, x);
        #[target_feature(enable = "avx2")]
        maddubs: 12 x 64, _mm256_setzero_si256(), _mm256_set1_epi8(1),
            |sum, x| _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, sum));
        #[target_feature(enable = "avx512f,avx512vnni")]
        dpbusd: 24 x 128, _mm512_setzero_si512(), _mm512_set1_epi8(1), |sum, x| _mm512_dpbusd_epi32(sum, x, x);
    }
}
