//! Run-time choice of vector instructions: one body, compiled for each level, called at the one the processor has.

/// Instructions that [`vectorised`] functions may use. Levels above the plain one exist only where the processor has
/// them, which is what their calls rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) Width);

/// Never built outside [`Level::all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// What the program was built for.
    Plain,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// Every level of this processor, the widest last.
    pub(crate) fn all() -> Vec<Self> {
        let mut levels = vec![Self(Width::Plain)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                levels.push(Self(Width::Avx2));
            }
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if wide && levels.len() == 2 {
                levels.push(Self(Width::Avx512));
            }
        }
        levels
    }

    /// The widest level of this processor.
    pub(crate) fn best() -> Self {
        Self::all().pop().unwrap_or(Self(Width::Plain))
    }
}

/// A function compiled for every level, that takes the level before its own arguments. What its body calls must be
/// `#[inline(always)]` to be compiled with it; integers wrap explicitly, since checks of overflow forbid vectors.
macro_rules! vectorised {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[allow(unsafe_code, clippy::too_many_arguments)] // of the calls below
        $vis fn $name(level: $crate::simd::Level, $($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($arg: $type),*) $(-> $out)? {
                body($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512($($arg: $type),*) $(-> $out)? {
                body($($arg),*)
            }
            match level.0 {
                $crate::simd::Width::Plain => body($($arg),*),
                // SAFETY: this level exists only where the processor has AVX2.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Width::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: this level exists only where the processor has AVX-512 F, BW, DQ and VL.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Width::Avx512 => unsafe { avx512($($arg),*) },
            }
        }
    )*};
}
pub(crate) use vectorised;
