//! Points in time and durations of protobuf as nanoseconds.

use geodesic_core::Ctx;
use geodesic_proto::prost_types::{Duration, Timestamp};

const SECOND: i128 = 1_000_000_000;

/// 9999-12-31T23:59:59Z, when those tombstoned leave jail (`DoubleSignJailEndTime`).
pub(crate) const END: Timestamp = Timestamp { seconds: 253_402_300_799, nanos: 0 };

/// Whether the block is before `time`.
pub(crate) fn block_is_before(ctx: &Ctx, time: Option<&Timestamp>) -> bool {
    let ns = |t: &Timestamp| i128::from(t.seconds).saturating_mul(SECOND).saturating_add(t.nanos.into());
    time.is_some_and(|t| i128::from(ctx.block.time_ns) < ns(t))
}

/// So many nanoseconds after the block.
pub(crate) fn after_block(ctx: &Ctx, ns: i64) -> Timestamp {
    let time = i128::from(ctx.block.time_ns).saturating_add(ns.into());
    // Both fit: the sum of two 64-bit numbers of nanoseconds is some 600 years.
    let seconds = i64::try_from(time.div_euclid(SECOND)).unwrap_or_default();
    let nanos = i32::try_from(time.rem_euclid(SECOND)).unwrap_or_default();
    Timestamp { seconds, nanos }
}

/// Nanoseconds of a protobuf duration, if they fit.
pub(crate) fn duration_ns(d: &Duration) -> Option<i64> {
    let same_sign = (d.seconds >= 0 && d.nanos >= 0) || (d.seconds <= 0 && d.nanos <= 0);
    let whole = d.seconds.checked_mul(1_000_000_000)?.checked_add(d.nanos.into())?;
    (same_sign && d.nanos.unsigned_abs() < 1_000_000_000).then_some(whole)
}

/// A duration of so many nanoseconds as protobuf.
pub(crate) fn duration(ns: i64) -> Duration {
    let (seconds, nanos) = (ns.wrapping_div(1_000_000_000), ns.wrapping_rem(1_000_000_000));
    Duration { seconds, nanos: i32::try_from(nanos).unwrap_or_default() }
}
