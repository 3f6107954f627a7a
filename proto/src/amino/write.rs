//! Values in binary.

use super::Value;
use super::layout::{Field, Layouts, Type, prefix};

/// Seconds of the years 1 and 10000.
pub(super) const TIMES: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

impl Layouts {
    /// Appends a value; `bare` without the length of structs, lists and interfaces in front.
    pub(super) fn write(&self, out: &mut Vec<u8>, ty: Type, value: &Value, bare: bool) -> Result<(), String> {
        match (ty, value) {
            (Type::Struct(place) | Type::Multisig(place), value) => {
                let mut inner = Vec::new();
                self.write_struct(&mut inner, place, value)?;
                push(out, &inner, bare);
            }
            (Type::Interface(_), Value::Concrete(concrete, value)) => {
                push(out, &self.write_concrete(*concrete, value)?, bare);
            }
            (Type::Any(_), Value::Concrete(concrete, value)) => {
                push(out, &self.write_concrete(*concrete, value)?, false);
            }
            (Type::Time, value) => {
                let mut inner = Vec::new();
                write_time(&mut inner, value)?;
                push(out, &inner, bare);
            }
            (Type::Int | Type::Dec, Value::Digits(digits)) => push(out, digits.as_bytes(), false),
            (Type::Int | Type::Dec, _) => push(out, b"0", false),
            (_, Value::Bool(value)) => out.push(u8::from(*value)),
            (_, Value::Number(number)) => push_varint(out, *number),
            (_, Value::Bytes(bytes)) => push(out, bytes, false),
            _ => out.push(0),
        }
        Ok(())
    }

    fn write_concrete(&self, concrete: usize, value: &Value) -> Result<Vec<u8>, String> {
        let Some(concrete) = self.concretes.get(concrete) else { return Ok(Vec::new()) }; // places come from here
        let mut out = prefix(&concrete.name).1.to_vec();
        self.write(&mut out, concrete.ty, value, true)?;
        Ok(out)
    }

    fn write_struct(&self, out: &mut Vec<u8>, place: usize, value: &Value) -> Result<(), String> {
        for (index, field) in self.layout(place).fields.iter().enumerate() {
            let value = match value {
                Value::Struct(fields) => fields.get(index).unwrap_or(&Value::Zero),
                _ => &Value::Zero,
            };
            self.write_field(out, index.saturating_add(1), field, value)?;
        }
        Ok(())
    }

    fn write_field(
        &self,
        out: &mut Vec<u8>,
        number: usize,
        field: &Field,
        value: &Value,
    ) -> Result<(), String> {
        if is_default(field, value) {
            return Ok(());
        }
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        if let Value::List(items) = value {
            let mut packed = Vec::new();
            for item in items {
                if field.unpacked() {
                    push_varint(out, number.wrapping_shl(3) | 2);
                    let empty = *item == Value::Zero && (field.pointer || matches!(field.ty, Type::Any(_)));
                    if empty { out.push(0) } else { self.write(out, field.ty, item, false)? }
                } else {
                    self.write(&mut packed, field.ty, item, false)?;
                }
            }
            if !field.unpacked() {
                push_varint(out, number.wrapping_shl(3) | 2);
                push(out, &packed, false);
            }
            return Ok(());
        }
        let mut encoded = Vec::new();
        self.write(&mut encoded, field.ty, value, false)?;
        if field.pointer || encoded != [0] {
            push_varint(out, number.wrapping_shl(3) | u64::from(field.ty.wire()));
            out.extend(encoded);
        }
        Ok(())
    }
}

/// Whether a field is left out before it is written.
fn is_default(field: &Field, value: &Value) -> bool {
    match value {
        Value::Zero => {
            let stands = matches!(field.ty, Type::Int | Type::Dec | Type::Time | Type::Struct(_));
            field.list || field.pointer || !stands
        }
        Value::List(items) => items.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        // A pointer to a number is followed, too.
        Value::Number(number) => *number == 0,
        _ => false,
    }
}

fn write_time(out: &mut Vec<u8>, value: &Value) -> Result<(), String> {
    let (seconds, nanos) = match value {
        Value::Time { seconds, nanos } => (*seconds, *nanos),
        _ => (TIMES.start, 0),
    };
    if !TIMES.contains(&seconds) {
        let (start, end) = (TIMES.start, TIMES.end);
        return Err(format!("invalid time: seconds have to be >= {start} and < {end}, got: {seconds}"));
    }
    if seconds != 0 {
        out.push(8);
        push_varint(out, seconds.cast_unsigned());
    }
    if nanos != 0 {
        out.push(16);
        push_varint(out, u64::from(nanos));
    }
    Ok(())
}

fn push(out: &mut Vec<u8>, bytes: &[u8], bare: bool) {
    if !bare {
        push_varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, number: u64) {
    prost::encoding::encode_varint(number, out);
}
