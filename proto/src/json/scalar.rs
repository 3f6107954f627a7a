//! Values that need more than their digits: decimals, integers, durations, times, Go's string escapes.

use std::fmt::Write as _;

use prost_types::{Duration, Timestamp};

/// 2^256 - 1, the largest `math.Int`.
const MAX_INT: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
/// 2^256 * 10^18 - 1, the largest `math.LegacyDec`, in units of 10^-18.
const MAX_DEC: &str =
    "115792089237316195423570985008687907853269984665640564039457584007913129639935999999999999999999";
const DECIMALS: usize = 18;
const NANOS: i128 = 1_000_000_000;
/// Protobuf's bound on `Duration`, in seconds.
const MAX_DURATION: i64 = 315_576_000_000;
/// The years 1 to 9999, in seconds of the Unix time.
const TIMES: std::ops::RangeInclusive<i64> = YEAR_ONE..=253_402_300_799;
/// Zero of Go's `time.Time`.
pub(super) const YEAR_ONE: i64 = -62_135_596_800;

/// Splits off a minus sign; the rest must be digits, without leading zeros, at most `max`.
fn integer<'a>(text: &'a str, max: &str) -> Option<(bool, &'a str)> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let canonical = digits == "0" || !digits.starts_with('0');
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let small = digits.len() < max.len() || (digits.len() == max.len() && digits <= max);
    (canonical && plain && small).then_some((negative && digits != "0", digits))
}

/// Canonical decimal digits of a `math.Int`, in either direction.
pub(crate) fn int(text: &str) -> Option<String> {
    let (negative, digits) = integer(text, MAX_INT)?;
    Some(format!("{}{digits}", if negative { "-" } else { "" }))
}

/// `"100000000000000000"` to `"0.100000000000000000"`.
pub(crate) fn dec_to_json(wire: &str) -> Option<String> {
    let (negative, digits) = integer(wire, MAX_DEC)?;
    let padded = format!("{digits:0>width$}", width = DECIMALS.saturating_add(1));
    let (whole, fraction) = padded.split_at_checked(padded.len().checked_sub(DECIMALS)?)?;
    Some(format!("{}{whole}.{fraction}", if negative { "-" } else { "" }))
}

/// `"0.1"` to `"100000000000000000"`.
pub(crate) fn dec_from_json(json: &str) -> Option<String> {
    let (negative, unsigned) = json.strip_prefix('-').map_or((false, json), |rest| (true, rest));
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (unsigned, ""),
    };
    if whole.is_empty() || fraction.len() > DECIMALS {
        return None;
    }
    let digits = format!("{whole}{fraction:0<DECIMALS$}");
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let (_, digits) = integer(digits, MAX_DEC).filter(|&(minus, _)| !minus)?;
    Some(format!("{}{digits}", if negative && digits != "0" { "-" } else { "" }))
}

/// `1814400s`, with 0, 3, 6 or 9 decimals.
pub(crate) fn duration_to_json(duration: &Duration) -> Option<String> {
    let (seconds, nanos) = (i128::from(duration.seconds), i128::from(duration.nanos));
    let mixed = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
    if duration.seconds.unsigned_abs() > MAX_DURATION.unsigned_abs() || nanos.abs() >= NANOS || mixed {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Some(format!("{sign}{}{}s", seconds.abs(), fraction(duration.nanos.unsigned_abs())))
}

/// Go's duration syntax: `1814400s`, `1h30m`, `-1.5s`, `250ms`, `0`.
pub(crate) fn duration_from_json(text: &str) -> Option<Duration> {
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if text.len() > 64 || rest.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    while rest != "0" && !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(end)?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(end)?;
        total = total.checked_add(nanos(number, unit)?)?;
        rest = tail;
    }
    let total = if negative { total.checked_neg()? } else { total };
    let seconds = i64::try_from(total.checked_div(NANOS)?).ok()?;
    let nanos = i32::try_from(total.checked_rem(NANOS)?).ok()?;
    (seconds.unsigned_abs() <= MAX_DURATION.unsigned_abs()).then_some(Duration { seconds, nanos })
}

fn nanos(number: &str, unit: &str) -> Option<i128> {
    let unit = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS,
        "m" => 60 * NANOS,
        "h" => 3600 * NANOS,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    // Digits only: `find` stopped at everything but digits and points.
    digits.parse::<i128>().ok()?.checked_mul(unit)?.checked_div(scale)
}

/// RFC 3339 in UTC, with 0, 3, 6 or 9 decimals.
pub(crate) fn timestamp_to_json(timestamp: &Timestamp) -> Option<String> {
    let valid = TIMES.contains(&timestamp.seconds) && (0..1_000_000_000).contains(&timestamp.nanos);
    valid.then(|| {
        let whole = Timestamp { seconds: timestamp.seconds, nanos: 0 }.to_string();
        format!("{}{}Z", whole.trim_end_matches('Z'), fraction(timestamp.nanos.unsigned_abs()))
    })
}

/// RFC 3339, with any offset.
pub(crate) fn timestamp_from_json(text: &str) -> Option<Timestamp> {
    let shape = text.is_ascii() && (20..=64).contains(&text.len()) && text.as_bytes().get(10) == Some(&b'T');
    // prost's parser lets a leap second pass.
    let shape = shape && text.get(17..19) != Some("60");
    let zoned = text.ends_with('Z') || text.get(19..).is_some_and(|rest| rest.contains(['+', '-']));
    let timestamp: Timestamp = (shape && zoned).then(|| text.parse().ok()).flatten()?;
    TIMES.contains(&timestamp.seconds).then_some(timestamp)
}

fn fraction(nanos: u32) -> String {
    let mut text = format!(".{nanos:09}");
    for _ in 0..3 {
        if let Some(shorter) = text.strip_suffix("000") {
            text.truncate(shorter.len());
        }
    }
    if text == "." { String::new() } else { text }
}

/// Appends a JSON string, escaped as Go does: `<`, `>`, `&` and the two line separators too.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' => push_escaped(out, c),
            _ => push_plain(out, c),
        }
    }
    out.push('"');
}

/// Appends valid JSON without its blanks, escaped as [`push_string`] does.
pub(crate) fn push_compact(out: &mut String, json: &str) {
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        if quoted || !matches!(c, ' ' | '\n' | '\r' | '\t') {
            push_plain(out, c);
        }
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
}

fn push_plain(out: &mut String, c: char) {
    match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_escaped(out, c),
        _ => out.push(c),
    }
}

fn push_escaped(out: &mut String, c: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}
