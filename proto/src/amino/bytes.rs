//! Varints, lengths, tags and times in binary, with the faults that `go-amino` finds in them.

use super::write::TIMES;
use super::{SHOWN, Value};

/// Bytes read, with the value or the reason.
pub(super) type Read<T> = (usize, Result<T, String>);

/// What is left of some bytes, and how many were taken.
pub(super) struct Rest<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) taken: usize,
}

impl<'a> Rest<'a> {
    /// Takes what a read says, and hands its value on.
    pub(super) fn slide<T>(&mut self, (count, value): Read<T>) -> Result<T, String> {
        self.bytes = self.bytes.get(count..).unwrap_or_default();
        self.taken = self.taken.saturating_add(count);
        value
    }

    /// The bytes behind a length, unless they stand `bare`.
    pub(super) fn open(bytes: &'a [u8], bare: bool) -> Result<Self, Read<Value>> {
        if bare {
            return Ok(Self { bytes, taken: 0 });
        }
        match length_prefixed(bytes) {
            (_, Ok(inner)) => Ok(Self { bytes: inner, taken: varint_size(inner.len()) }),
            (_, Err(reason)) => Err((0, Err(reason))),
        }
    }
}

pub(super) fn varint_size(length: usize) -> usize {
    prost::encoding::encoded_len_varint(u64::try_from(length).unwrap_or(u64::MAX))
}

/// As Go's `binary.Uvarint`: too long ones count the bytes up to the fault.
pub(super) fn varint(bytes: &[u8]) -> Read<u64> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(11) {
        let count = index.saturating_add(1);
        if index == 10 || (index == 9 && (2..0x80).contains(byte)) {
            return (count, Err("EOF decoding uvarint".to_owned()));
        }
        let shift = u32::try_from(index).unwrap_or(0).saturating_mul(7);
        value |= u64::from(byte & 0x7f).wrapping_shl(shift);
        if *byte < 0x80 {
            return (count, Ok(value));
        }
    }
    (0, Err("buffer too small".to_owned()))
}

pub(super) fn length_prefixed(bytes: &[u8]) -> Read<&[u8]> {
    let (count, length) = match varint(bytes) {
        (count, Ok(length)) => (count, length),
        (count, Err(reason)) => return (count, Err(reason)),
    };
    if i64::try_from(length).is_err() {
        return (count, Err(format!("invalid negative length {length} decoding []byte")));
    }
    let end = usize::try_from(length).ok().and_then(|l| count.checked_add(l));
    match end.and_then(|end| Some((end, bytes.get(count..end)?))) {
        Some((end, inner)) => (end, Ok(inner)),
        None => (count, Err(format!("insufficient bytes decoding []byte of length {length}"))),
    }
}

/// Number and type in front of a field; both are 0 in an error, but for the type of a number that is too high.
pub(super) struct Tag {
    pub(super) number: u64,
    pub(super) wire: u8,
    pub(super) count: usize,
    pub(super) fault: Option<String>,
}

pub(super) fn tag(bytes: &[u8]) -> Tag {
    match varint(bytes) {
        (count, Err(fault)) => Tag { number: 0, wire: 0, count, fault: Some(fault) },
        (count, Ok(tag)) => {
            let (number, wire) = (tag >> 3, u8::try_from(tag & 7).unwrap_or(0));
            if number > (1 << 29) - 1 {
                let fault = Some(format!("invalid field num {number}"));
                return Tag { number: 0, wire, count, fault };
            }
            Tag { number, wire, count, fault: None }
        }
    }
}

impl Tag {
    pub(super) fn read(self) -> Read<()> {
        (self.count, self.fault.map_or(Ok(()), Err))
    }
}

pub(super) fn wire_name(wire: u8) -> String {
    match wire {
        0 => "(U)Varint".to_owned(),
        1 => "8Byte".to_owned(),
        2 => "ByteLength".to_owned(),
        5 => "4Byte".to_owned(),
        other => format!("<Invalid Typ3 {other:X}>"),
    }
}

/// Passes over a field that the struct does not have.
pub(super) fn skip(bytes: &[u8], wire: u8) -> Read<()> {
    let fixed = |count: usize, text: &str| match bytes.len() < count {
        true => (0, Err(text.to_owned())),
        false => (count, Ok(())),
    };
    match wire {
        0 => match varint(bytes) {
            (count, Ok(_)) => (count, Ok(())),
            (0, Err(reason)) => (0, Err(reason)),
            (_, Err(_)) => (0, Err("EOF decoding varint".to_owned())),
        },
        1 => fixed(8, "EOF decoding int64"),
        2 => match length_prefixed(bytes) {
            (count, Ok(_)) => (count, Ok(())),
            (_, Err(reason)) => (0, Err(reason)),
        },
        5 => fixed(4, "EOF decoding int32"),
        other => (0, Err(format!("invalid typ3 bytes {}", wire_name(other)))),
    }
}

/// Bytes as Go's `%q` prints them.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut out = "\"".to_owned();
    for chunk in bytes.get(..SHOWN).unwrap_or(bytes).utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\x07' => out.push_str("\\a"),
                '\x08' => out.push_str("\\b"),
                '\x0b' => out.push_str("\\v"),
                '\x0c' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                '\u{80}'..='\u{a0}' | '\u{ad}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

/// Seconds and nanoseconds since 1970.
pub(super) fn read_time(bytes: &[u8], bare: bool) -> Read<Value> {
    let mut rest = match Rest::open(bytes, bare) {
        Ok(rest) => rest,
        Err(answer) => return answer,
    };
    let value = time_of(&mut rest);
    (rest.taken, value)
}

pub(super) fn time_of(rest: &mut Rest<'_>) -> Result<Value, String> {
    let mut seconds = 0;
    let mut nanos = 0;
    if !rest.bytes.is_empty() {
        let first = tag(rest.bytes);
        if let Some(fault) = first.fault {
            return Err(fault);
        }
        match (first.number, first.wire) {
            (1, 0) => {
                rest.slide((first.count, Ok(())))?;
                seconds = rest.slide(varint(rest.bytes))?.cast_signed();
                if !TIMES.contains(&seconds) {
                    let (start, end) = (TIMES.start, TIMES.end);
                    return Err(format!(
                        "invalid time: seconds have to be > {start} and < {end}, got: {seconds}"
                    ));
                }
            }
            (2, 0) => {}
            (other, _) => {
                return Err(format!(
                    "expected field number 1 <Varint> or field number 2 <Varint> , got {other}"
                ));
            }
        }
    }
    if !rest.bytes.is_empty() {
        let second = tag(rest.bytes);
        if let Some(fault) = second.fault {
            return Err(fault);
        }
        if (second.number, second.wire) == (2, 0) {
            rest.slide((second.count, Ok(())))?;
            let number = rest.slide(varint(rest.bytes))?;
            nanos = u32::try_from(number).ok().filter(|n| *n <= 999_999_999).ok_or_else(|| {
                format!("invalid time: nanoseconds not in interval [0, 999999999] {number}")
            })?;
        }
    }
    Ok(Value::Time { seconds, nanos })
}
