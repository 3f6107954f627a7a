//! Points in time, as in block headers: to the nanosecond, without a clock.

use geodesic_core::Ctx;
use geodesic_core::item::Key;
use geodesic_proto::prost_types::{Duration, Timestamp};
use time::OffsetDateTime;

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z, the ends of protobuf's time.
const FIRST: i128 = -62_135_596_800 * SECOND;
const LAST: i128 = 253_402_300_800 * SECOND - 1;

/// A point in time between the years 1 and 9999, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(i128);

impl Time {
    /// Go's zero time.
    pub(crate) const FIRST: Self = Self(FIRST);

    /// The time of the block's header.
    pub fn of_block(ctx: &Ctx) -> Self {
        Self(ctx.block.time_ns.into())
    }

    /// The time of a protobuf timestamp, if it is a valid one. An absent one is 1970, as in the SDK.
    pub fn from_message(message: Option<&Timestamp>) -> Option<Self> {
        let Some(t) = message else { return Some(Self::default()) };
        let nanos = u32::try_from(t.nanos).ok().filter(|n| *n < 1_000_000_000)?;
        let time = i128::from(t.seconds).saturating_mul(SECOND).saturating_add(nanos.into());
        (FIRST..=LAST).contains(&time).then_some(Self(time))
    }

    /// The time as protobuf.
    pub fn to_message(self) -> Timestamp {
        // Both fit: the range of the type is that of the message.
        let seconds = i64::try_from(self.0.div_euclid(SECOND)).unwrap_or_default();
        let nanos = i32::try_from(self.0.rem_euclid(SECOND)).unwrap_or_default();
        Timestamp { seconds, nanos }
    }

    /// So many nanoseconds later, at most the end of the year 9999.
    #[must_use]
    pub fn plus(self, nanoseconds: i64) -> Self {
        Self(self.0.saturating_add(nanoseconds.into()).clamp(FIRST, LAST))
    }

    /// So many nanoseconds earlier, at least the year 1.
    #[must_use]
    pub fn minus(self, nanoseconds: i64) -> Self {
        Self(self.0.saturating_sub(nanoseconds.into()).clamp(FIRST, LAST))
    }

    /// Nanoseconds from `earlier` to this.
    pub fn since(self, earlier: Self) -> i128 {
        self.0.saturating_sub(earlier.0)
    }

    /// `2006-01-02T15:04:05Z`: seconds, as the SDK prints times in events.
    pub fn rfc3339(self) -> String {
        format!("{}Z", self.seconds_text())
    }

    /// `2006-01-02T15:04:05.000000000`: byte order is time order (`FormatTimeBytes`).
    pub fn sortable(self) -> TimeKey {
        let text = format!("{}.{:09}", self.seconds_text(), self.0.rem_euclid(SECOND));
        // Years have four digits, so the text has 29 bytes.
        TimeKey(text.as_bytes().first_chunk().copied().unwrap_or([b'9'; 29]))
    }

    fn seconds_text(self) -> String {
        let t = OffsetDateTime::from_unix_timestamp_nanos(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, (h, m, s)) = (t.date(), t.to_hms());
        format!("{:04}-{:02}-{:02}T{h:02}:{m:02}:{s:02}", date.year(), u8::from(date.month()), date.day())
    }
}

/// A time in a key ([`Time::sortable`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeKey([u8; 29]);

impl Key for TimeKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        Key::read(input).map(Self)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_go() {
        for (name, seconds, nanos, rfc3339, sortable) in [
            ("epoch", 0, 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000000"),
            ("recent", 1_700_000_000, 123_456_789, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.123456789"),
            ("first", -62_135_596_800, 0, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000"),
            ("last", 253_402_300_799, 999_999_999, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999"),
        ] {
            let time = Time::from_message(Some(&Timestamp { seconds, nanos })).unwrap();
            assert_eq!(time.rfc3339(), rfc3339, "{name}");
            assert_eq!(time.sortable().0.as_slice(), sortable.as_bytes(), "{name}");
            assert_eq!(time.to_message(), Timestamp { seconds, nanos }, "{name}");
        }
    }

    #[test]
    fn times_outside_the_calendar_are_refused() {
        for (name, seconds, nanos) in [
            ("year 0", -62_135_596_801, 0),
            ("year 10000", 253_402_300_800, 0),
            ("negative nanoseconds", 0, -1),
            ("a second of nanoseconds", 0, 1_000_000_000),
        ] {
            assert_eq!(Time::from_message(Some(&Timestamp { seconds, nanos })), None, "{name}");
        }
        assert_eq!(Time(LAST).plus(i64::MAX), Time(LAST));
        assert_eq!(Time(FIRST).minus(i64::MAX), Time(FIRST));
    }

    #[test]
    fn durations_round_trip() {
        for ns in [0, 1, -1, 1_814_400_000_000_000, i64::MAX, i64::MIN] {
            assert_eq!(duration_ns(&duration(ns)), Some(ns));
        }
        assert_eq!(duration_ns(&Duration { seconds: 1, nanos: -1 }), None);
        assert_eq!(duration_ns(&Duration { seconds: i64::MAX, nanos: 0 }), None);
    }
}
