//! Values as JSON.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_types::Timestamp;

use super::Value;
use super::layout::{Field, Layouts, Type};
use super::write::TIMES;
use crate::amino_json::rfc3339_nano;
use crate::json::scalar;

impl Layouts {
    /// Appends `{"type":NAME,"value":...}`.
    pub(super) fn write_named(
        &self,
        out: &mut String,
        name: &str,
        value: &Value,
        ty: Type,
    ) -> Result<(), String> {
        out.push_str("{\"type\":");
        scalar::push_string(out, name);
        out.push_str(",\"value\":");
        self.write_json(out, ty, value)?;
        out.push('}');
        Ok(())
    }

    fn write_json(&self, out: &mut String, ty: Type, value: &Value) -> Result<(), String> {
        match (ty, value) {
            (Type::Struct(place), value) => self.write_object(out, place, value)?,
            (Type::Multisig(_), value) => self.write_multisig(out, value)?,
            (Type::Interface(_) | Type::Any(_), Value::Concrete(concrete, value)) => {
                if let Some(concrete) = self.concretes.get(*concrete) {
                    self.write_named(out, &concrete.name, value, concrete.ty)?;
                }
            }
            (Type::Time, value) => write_time(out, value)?,
            (Type::Dec, Value::Digits(digits)) => {
                scalar::push_string(out, &scalar::dec_to_json(digits).unwrap_or_default()) // checked when read
            }
            (Type::Int, Value::Digits(digits)) => scalar::push_string(out, digits),
            (Type::Int | Type::Dec, _) => out.push_str("\"0\""),
            (Type::Text, Value::Bytes(bytes)) => push_text(out, bytes),
            (Type::Text, _) => out.push_str("\"\""),
            (_, Value::Bytes(bytes)) if !bytes.is_empty() => {
                scalar::push_string(out, &BASE64_STANDARD.encode(bytes))
            }
            (Type::Bool, value) => out.push_str(if *value == Value::Bool(true) { "true" } else { "false" }),
            (Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64, value) => push_number(out, ty, value),
            _ => out.push_str("null"),
        }
        Ok(())
    }

    fn write_object(&self, out: &mut String, place: usize, value: &Value) -> Result<(), String> {
        let mut separator = '{';
        for (index, field) in self.layout(place).fields.iter().enumerate() {
            let value = match value {
                Value::Struct(fields) => fields.get(index).unwrap_or(&Value::Zero),
                _ => &Value::Zero,
            };
            if field.omit_empty && is_empty(field, value) {
                continue;
            }
            out.push(separator);
            separator = ',';
            scalar::push_string(out, &field.name);
            out.push(':');
            match value {
                Value::List(items) if !items.is_empty() => self.write_list(out, field, items)?,
                _ if field.list => out.push_str(if field.coins { "[]" } else { "null" }),
                Value::Zero if field.pointer => out.push_str("null"),
                value => self.write_json(out, field.ty, value)?,
            }
        }
        if separator == '{' {
            out.push('{');
        }
        out.push('}');
        Ok(())
    }

    fn write_list(&self, out: &mut String, field: &Field, items: &[Value]) -> Result<(), String> {
        let mut separator = '[';
        for item in items {
            out.push(separator);
            separator = ',';
            if field.pointer && *item == Value::Zero {
                out.push_str("null");
            } else {
                self.write_json(out, field.ty, item)?;
            }
        }
        out.push(']');
        Ok(())
    }

    /// A key of several shows its threshold as text.
    fn write_multisig(&self, out: &mut String, value: &Value) -> Result<(), String> {
        let (threshold, keys) = match value {
            Value::Struct(fields) => (fields.first(), fields.get(1)),
            _ => (None, None),
        };
        out.push_str("{\"threshold\":");
        push_number(out, Type::Uint64, threshold.unwrap_or(&Value::Zero));
        out.push_str(",\"pubkeys\":[");
        let keys = if let Some(Value::List(keys)) = keys { keys.as_slice() } else { &[] };
        for (index, key) in keys.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.write_json(out, Type::Any(super::Interface::PubKey), key)?;
        }
        out.push_str("]}");
        Ok(())
    }
}

fn is_empty(field: &Field, value: &Value) -> bool {
    match value {
        Value::Zero => field.list || field.pointer || !matches!(field.ty, Type::Time),
        Value::Bool(bit) => !bit && !field.pointer,
        Value::Number(number) => *number == 0 && !field.pointer,
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

/// 64 bits in quotes.
fn push_number(out: &mut String, ty: Type, value: &Value) {
    let number = if let Value::Number(number) = value { *number } else { 0 };
    let text = match ty {
        Type::Int32 | Type::Int64 => number.cast_signed().to_string(),
        _ => number.to_string(),
    };
    match ty {
        Type::Int32 | Type::Uint32 => out.push_str(&text),
        _ => scalar::push_string(out, &text),
    }
}

/// Every byte that is no UTF-8 reads `\ufffd`.
fn push_text(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        let mut quoted = String::new();
        scalar::push_string(&mut quoted, chunk.valid());
        out.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
        for _ in chunk.invalid() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
}

fn write_time(out: &mut String, value: &Value) -> Result<(), String> {
    let (seconds, nanos) = match value {
        Value::Time { seconds, nanos } => (*seconds, *nanos),
        _ => (TIMES.start, 0),
    };
    let time = Timestamp { seconds, nanos: i32::try_from(nanos).unwrap_or(0) };
    let text = rfc3339_nano(&time).ok_or("Time.MarshalJSON: year outside of range [0,9999]")?;
    scalar::push_string(out, &text);
    Ok(())
}
