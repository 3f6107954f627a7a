//! Values from binary.
//!
//! As in `go-amino`, a function answers what it read and how many bytes that were, or how many were read before an error; a struct
//! goes on behind what its fields say they took, which is less than they did where a length is longer than it needs to be.

use super::bytes::{Read, Rest, Tag, length_prefixed, quoted, read_time, skip, tag, varint, wire_name};
use super::layout::{Field, Interface, Layout, Layouts, STD_TX, STD_TX_NAME, Type, prefix};
use super::{LEVELS, MAX_BYTES, Value, hex};
use crate::json::scalar;

impl Layouts {
    pub(super) fn read_transaction(&self, binary: &[u8]) -> Result<Value, String> {
        if binary.len() > MAX_BYTES {
            return Err(format!("a transaction of {} bytes, at most {MAX_BYTES} are read", binary.len()));
        }
        let wanted = prefix(STD_TX_NAME).1;
        let Some(rest) = binary.strip_prefix(&wanted) else {
            let (got, more) = binary.get(..4).map_or((binary, ""), |got| (got, "..."));
            let wanted = hex(&wanted);
            return Err(format!(
                "UnmarshalBinaryBare expected to read prefix bytes {wanted} (since it is registered concrete) but got {}{more}",
                hex(got)
            ));
        };
        let tx = whole(self.read_struct(rest, STD_TX, true, LEVELS), rest, &self.layout(STD_TX).name)?;
        match tx.broken() {
            Some(text) => Err(text.to_owned()),
            None => Ok(tx),
        }
    }

    fn read(&self, bytes: &[u8], ty: Type, bare: bool, levels: u32) -> Read<Value> {
        match ty {
            Type::Struct(place) | Type::Multisig(place) => self.read_struct(bytes, place, bare, levels),
            Type::Interface(interface) => self.read_interface(bytes, interface, bare, levels),
            Type::Any(interface) => self.read_any(bytes, interface, levels),
            Type::Time => read_time(bytes, bare),
            Type::Key(length) => read_bytes(bytes, |key| match key.len() == length {
                true => Ok(Value::Bytes(key.to_vec())),
                false => Err("invalid pubkey size: invalid pubkey".to_owned()),
            }),
            Type::Bytes | Type::Text => read_bytes(bytes, |b| Ok(Value::Bytes(b.to_vec()))),
            Type::Int => read_bytes(bytes, |b| digits(b, scalar::int)),
            Type::Dec => {
                read_bytes(bytes, |b| digits(b, |text| scalar::dec_to_json(text).map(|_| text.to_owned())))
            }
            Type::Bool => match bytes.first() {
                None => (0, Err("EOF decoding bool".to_owned())),
                Some(bit @ 0..=1) => (1, Ok(Value::Bool(*bit == 1))),
                Some(_) => (1, Err("invalid bool".to_owned())),
            },
            Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64 | Type::Unsupported => {
                let (count, number) = varint(bytes);
                (count, number.and_then(|number| narrow(number, ty)))
            }
        }
    }

    fn read_interface(&self, bytes: &[u8], interface: Interface, bare: bool, levels: u32) -> Read<Value> {
        let mut rest = match Rest::open(bytes, bare) {
            Ok(rest) => rest,
            Err(answer) => return answer,
        };
        let value = self.read_concrete(&mut rest, interface, levels);
        (rest.taken, value)
    }

    fn read_concrete(&self, rest: &mut Rest<'_>, interface: Interface, levels: u32) -> Result<Value, String> {
        let Some(levels) = levels.checked_sub(1) else {
            return Err(format!("interfaces are nested deeper than {LEVELS} levels"));
        };
        let concrete = match rest.bytes {
            [0, _, _, _, prefixed @ ..] if prefixed.len() >= 4 => {
                let all = rest.bytes.get(1..8).unwrap_or_default();
                rest.slide((8, Ok(())))?;
                self.disfixed(all)
                    .ok_or_else(|| format!("unrecognized disambiguation+prefix bytes {}", hex(all)))?
            }
            [0, _, _, _, ..] => return Err("EOF while reading disamb bytes.".to_owned()),
            [a, b, c, d, ..] => {
                let prefix = [*a, *b, *c, *d];
                rest.slide((4, Ok(())))?;
                let known = self.prefixed(prefix).filter(|c| self.implements(*c, interface));
                known.ok_or_else(|| format!("unrecognized prefix bytes {}", hex(&prefix)))?
            }
            _ => return Err("EOF while reading prefix bytes.".to_owned()),
        };
        if !self.implements(concrete, interface) {
            return Err(self.not_of(concrete, interface));
        }
        let ty = self.concretes.get(concrete).map_or(Type::Unsupported, |c| c.ty);
        let value = rest.slide(self.read(rest.bytes, ty, true, levels))?;
        if !rest.bytes.is_empty() {
            return Err("bytes left over after reading interface contents".to_owned());
        }
        Ok(match self.require_any(concrete, &value) {
            Ok(()) => Value::Concrete(concrete, Box::new(value)),
            Err(text) => Value::Broken(text),
        })
    }

    fn disfixed(&self, bytes: &[u8]) -> Option<usize> {
        let (disambiguation, prefixed) = bytes.split_first_chunk::<3>()?;
        let concrete = self.prefixed(*prefixed.first_chunk()?)?;
        let name = &self.concretes.get(concrete)?.name;
        (prefix(name).0 == *disambiguation).then_some(concrete)
    }

    /// Bytes that hold an interface of their own; what is wrong with them counts after what is wrong around them.
    fn read_any(&self, bytes: &[u8], interface: Interface, levels: u32) -> Read<Value> {
        read_bytes(bytes, |inner| {
            let mut rest = Rest { bytes: inner, taken: 0 };
            let value = self.read_concrete(&mut rest, interface, levels);
            Ok(whole((rest.taken, value), inner, interface.name()).unwrap_or_else(Value::Broken))
        })
    }

    fn read_struct(&self, bytes: &[u8], place: usize, bare: bool, levels: u32) -> Read<Value> {
        let mut rest = match Rest::open(bytes, bare) {
            Ok(rest) => rest,
            Err(answer) => return answer,
        };
        let value = self.read_fields(&mut rest, self.layout(place), levels);
        (rest.taken, value)
    }

    fn read_fields(&self, rest: &mut Rest<'_>, layout: &Layout, levels: u32) -> Result<Value, String> {
        let mut last = 0;
        let mut values = Vec::with_capacity(layout.fields.len());
        for (number, field) in (1_u64..).zip(&layout.fields) {
            // What is missing is zero, but for times.
            let absent = match field.ty {
                Type::Time if !field.list => Value::Time { seconds: 0, nanos: 0 },
                _ => Value::Zero,
            };
            if rest.bytes.is_empty() {
                values.push(absent);
                continue;
            }
            if field.unpacked() {
                values.push(rest.slide(self.read_elements(rest.bytes, number, field, levels))?);
                continue;
            }
            let tag = tag(rest.bytes);
            if number < tag.number {
                values.push(absent);
                continue;
            }
            check_order(&tag, last, rest.bytes)?;
            last = tag.number;
            let (got, wire) = (tag.number, tag.wire);
            rest.slide(tag.read())?;
            let name = &layout.name;
            if number != got {
                return Err(format!("expected field # {number} of {name}, got {got}"));
            }
            let wanted = if field.list { 2 } else { field.ty.wire() };
            if wire != wanted {
                let (wanted, wire) = (wire_name(wanted), wire_name(wire));
                return Err(format!("expected field type {wanted} for # {number} of {name}, got {wire}"));
            }
            let read = match field.list {
                true => self.read_packed(rest.bytes, field.ty, levels),
                false => self.read(rest.bytes, field.ty, false, levels),
            };
            values.push(rest.slide(read)?);
        }
        while !rest.bytes.is_empty() {
            let tag = tag(rest.bytes);
            let (number, wire) = (tag.number, tag.wire);
            rest.slide(tag.read())?;
            check_order(&Tag { number, wire, count: 0, fault: None }, last, rest.bytes)?;
            last = number;
            rest.slide(skip(rest.bytes, wire))?;
        }
        Ok(Value::Struct(values))
    }

    /// Elements that each carry the field's number.
    fn read_elements(&self, bytes: &[u8], number: u64, field: &Field, levels: u32) -> Read<Value> {
        let mut rest = Rest { bytes, taken: 0 };
        let items = self.read_items(&mut rest, number, field, levels);
        (rest.taken, items)
    }

    fn read_items(
        &self,
        rest: &mut Rest<'_>,
        number: u64,
        field: &Field,
        levels: u32,
    ) -> Result<Value, String> {
        let mut items = Vec::new();
        while !rest.bytes.is_empty() {
            let tag = tag(rest.bytes);
            if tag.number < number {
                return Err(format!(
                    "expected repeated field number {number} or greater, got {}",
                    tag.number
                ));
            }
            if tag.number > number {
                break;
            }
            if tag.wire != 2 {
                let wire = wire_name(tag.wire);
                return Err(format!("expected repeated field type ByteLength, got {wire}"));
            }
            rest.slide(tag.read())?;
            if rest.bytes.first() == Some(&0) {
                rest.slide((1, Ok(())))?;
                items.push(Value::Zero);
                continue;
            }
            items.push(rest.slide(self.read(rest.bytes, field.ty, false, levels)).map_err(of_list)?);
        }
        Ok(if items.is_empty() { Value::Zero } else { Value::List(items) })
    }

    /// Numbers one behind the other.
    fn read_packed(&self, bytes: &[u8], ty: Type, levels: u32) -> Read<Value> {
        let mut rest = match Rest::open(bytes, false) {
            Ok(rest) => rest,
            Err(answer) => return answer,
        };
        let mut items = Vec::new();
        while !rest.bytes.is_empty() {
            match rest.slide(self.read(rest.bytes, ty, false, levels)) {
                Ok(item) => items.push(item),
                Err(reason) => return (rest.taken, Err(of_list(reason))),
            }
        }
        (rest.taken, Ok(if items.is_empty() { Value::Zero } else { Value::List(items) }))
    }
}

/// A value that must be all of the bytes, or the text of the error.
fn whole((count, value): Read<Value>, bytes: &[u8], name: &str) -> Result<Value, String> {
    match value {
        Err(text) => Err(format!("unmarshal to {name} failed after {count} bytes ({text}): {}", hex(bytes))),
        Ok(_) if count != bytes.len() => Err(format!(
            "unmarshal to {name} didn't read all bytes. Expected to read {}, only read {count}: {}",
            bytes.len(),
            hex(bytes)
        )),
        Ok(value) => Ok(value),
    }
}

fn of_list(text: String) -> String {
    format!("error reading array contents: {text}")
}

fn check_order(tag: &Tag, last: u64, bytes: &[u8]) -> Result<(), String> {
    if tag.number > last {
        return Ok(());
    }
    let number = tag.number;
    Err(format!(
        "encountered fieldnNum: {number}, but we have already seen fnum: {last}\nbytes:{}",
        hex(bytes)
    ))
}

fn read_bytes(bytes: &[u8], read: impl FnOnce(&[u8]) -> Result<Value, String>) -> Read<Value> {
    let (count, inner) = length_prefixed(bytes);
    (count, inner.and_then(read))
}

/// Digits of a number; no byte at all is no number.
fn digits(bytes: &[u8], canonical: impl FnOnce(&str) -> Option<String>) -> Result<Value, String> {
    if bytes.is_empty() {
        return Ok(Value::Zero);
    }
    let number = std::str::from_utf8(bytes).ok().and_then(canonical);
    match number {
        Some(number) => Ok(Value::Digits(number)),
        None => Err(format!("math/big: cannot unmarshal {} into a *big.Int", quoted(bytes))),
    }
}

fn narrow(number: u64, ty: Type) -> Result<Value, String> {
    let signed = number.cast_signed();
    match ty {
        Type::Int32 if i32::try_from(signed).is_err() => {
            Err("encoded integer value overflows int(32)".to_owned())
        }
        // Go keeps the lower half.
        Type::Uint32 => Ok(Value::Number(number & u64::from(u32::MAX))),
        _ => Ok(Value::Number(number)),
    }
}
