//! Parameters, checked in one place.

use geodesic_core::{Ctx, Dec, Int, Overflow, StateError};
use geodesic_proto::cosmos::slashing::v1beta1 as pb;

use crate::keys::PARAMS;
use crate::time::{duration, duration_ns};

/// Window and penalties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Params {
    /// Blocks, above 0.
    pub(crate) signed_blocks_window: u64,
    /// 0 to 1.
    pub(crate) min_signed_per_window: Dec,
    /// Nanoseconds, above 0.
    pub(crate) downtime_jail_ns: i64,
    /// 0 to 1.
    pub(crate) slash_fraction_double_sign: Dec,
    /// 0 to 1.
    pub(crate) slash_fraction_downtime: Dec,
}

impl Params {
    /// The parameters in state.
    pub(crate) fn load(ctx: &Ctx) -> Result<Self, StateError> {
        Self::try_from(&PARAMS.load(ctx)?).map_err(StateError::Invariant)
    }

    /// Most blocks of a window that may be missed: `window - round(window * min_signed_per_window)`.
    pub(crate) fn max_missed(&self) -> Result<i64, Overflow> {
        let window = Int::from(self.signed_blocks_window);
        let min_signed = self.min_signed_per_window.mul_int(window)?.round_int()?;
        window.checked_sub(min_signed)?.to_i64().ok_or(Overflow)
    }
}

impl Default for Params {
    /// The SDK's.
    fn default() -> Self {
        Self {
            signed_blocks_window: 100,
            min_signed_per_window: Dec::from_atomics(500_000_000_000_000_000),
            downtime_jail_ns: 600 * 1_000_000_000,
            slash_fraction_double_sign: Dec::from_atomics(50_000_000_000_000_000),
            slash_fraction_downtime: Dec::from_atomics(10_000_000_000_000_000),
        }
    }
}

fn dec(name: &str, bytes: &[u8]) -> Result<Dec, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("{name}: {e}"))?;
    Dec::from_wire(text).map_err(|e| format!("{name}: {e}"))
}

fn fraction(name: &str, bytes: &[u8]) -> Result<Dec, String> {
    if bytes.is_empty() {
        return Err(format!("{name} cannot be nil"));
    }
    let value = dec(name, bytes)?;
    if value.is_negative() {
        return Err(format!("{name} cannot be negative: {value}"));
    }
    if value > Dec::ONE {
        return Err(format!("{name} too large: {value}, at most 1"));
    }
    Ok(value)
}

fn jail_ns(p: &pb::Params) -> Result<i64, String> {
    let d = p.downtime_jail_duration.unwrap_or_default();
    duration_ns(&d).ok_or_else(|| format!("downtime jail duration {d:?} is no duration below 292 years"))
}

/// Numbers that the SDK's decoder refuses.
pub(crate) fn check_encoding(p: &pb::Params) -> Result<(), String> {
    for (name, bytes) in [
        ("min_signed_per_window", &p.min_signed_per_window),
        ("slash_fraction_double_sign", &p.slash_fraction_double_sign),
        ("slash_fraction_downtime", &p.slash_fraction_downtime),
    ] {
        if !bytes.is_empty() {
            dec(name, bytes)?;
        }
    }
    jail_ns(p).map(drop)
}

impl TryFrom<&pb::Params> for Params {
    type Error = String;

    fn try_from(p: &pb::Params) -> Result<Self, String> {
        let window = p.signed_blocks_window;
        let jail = jail_ns(p)?;
        if jail <= 0 {
            return Err(format!("downtime jail duration must be positive: {jail}ns"));
        }
        Ok(Self {
            signed_blocks_window: u64::try_from(window)
                .ok()
                .filter(|w| *w > 0)
                .ok_or_else(|| format!("signed blocks window must be positive: {window}"))?,
            min_signed_per_window: fraction("min signed per window", &p.min_signed_per_window)?,
            downtime_jail_ns: jail,
            slash_fraction_double_sign: fraction(
                "double sign slash fraction",
                &p.slash_fraction_double_sign,
            )?,
            slash_fraction_downtime: fraction("downtime slash fraction", &p.slash_fraction_downtime)?,
        })
    }
}

impl From<Params> for pb::Params {
    fn from(p: Params) -> Self {
        Self {
            // It came out of 63 bits.
            signed_blocks_window: i64::try_from(p.signed_blocks_window).unwrap_or(i64::MAX),
            min_signed_per_window: p.min_signed_per_window.to_wire().into_bytes(),
            downtime_jail_duration: Some(duration(p.downtime_jail_ns)),
            slash_fraction_double_sign: p.slash_fraction_double_sign.to_wire().into_bytes(),
            slash_fraction_downtime: p.slash_fraction_downtime.to_wire().into_bytes(),
        }
    }
}
