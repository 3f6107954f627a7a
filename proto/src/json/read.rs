//! JSON values to wire bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::Timestamp;
use serde_json::{Map, Value};

use super::{JsonError, excerpt, scalar};
use crate::schema::{Field, Format, Kind, Message, Schema, WellKnown};

pub(super) struct Reader {
    pub(super) schema: &'static Schema,
    pub(super) ignore_unknown: bool,
}

impl Reader {
    /// `levels`: how many more levels of messages may follow, this one counted.
    pub(super) fn message(
        &self,
        message: &Message,
        value: &Value,
        levels: u32,
    ) -> Result<Vec<u8>, JsonError> {
        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        let fail = |expected: &str| JsonError::Message {
            message: message.name.clone(),
            reason: format!("expected {expected}, got {}", shown(value)),
        };
        let text = || value.as_str();
        match message.well_known {
            None => self.object(message, value.as_object().ok_or_else(|| fail("an object"))?, false, below),
            Some(WellKnown::Any) => self.any(value.as_object().ok_or_else(|| fail("an object"))?, below),
            Some(WellKnown::Duration) => text()
                .and_then(scalar::duration_from_json)
                .map(|duration| duration.encode_to_vec())
                .ok_or_else(|| fail("a duration such as \"10s\"")),
            Some(WellKnown::Timestamp) => text()
                .and_then(scalar::timestamp_from_json)
                .map(|timestamp| timestamp.encode_to_vec())
                .ok_or_else(|| fail("a time in RFC 3339")),
        }
    }

    fn any(&self, object: &Map<String, Value>, levels: u32) -> Result<Vec<u8>, JsonError> {
        let url = object.get("@type").and_then(Value::as_str).unwrap_or_default();
        let message =
            self.schema.message_by_url(url).ok_or_else(|| JsonError::UnknownTypeUrl(excerpt(url)))?;
        let value = match message.well_known {
            None => {
                let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
                self.object(message, object, true, below)?
            }
            Some(_) => self.message(message, object.get("value").unwrap_or(&Value::Null), levels)?,
        };
        Ok(prost_types::Any { type_url: url.to_owned(), value }.encode_to_vec())
    }

    fn object(
        &self,
        message: &Message,
        object: &Map<String, Value>,
        in_any: bool,
        levels: u32,
    ) -> Result<Vec<u8>, JsonError> {
        let mut found: Vec<Option<&Value>> = vec![None; message.fields.len()];
        for (key, value) in object {
            let index = message.by_json.get(key).copied();
            match index.and_then(|index| found.get_mut(index).zip(message.fields.get(index))) {
                // With both spellings present, the camel case one counts.
                Some((slot, field)) if slot.is_none() || *key != field.name => *slot = Some(value),
                Some(_) => {}
                None if self.ignore_unknown || (in_any && key == "@type") => {}
                None => {
                    return Err(JsonError::UnknownField {
                        message: message.name.clone(),
                        field: excerpt(key),
                    });
                }
            }
        }
        let mut out = Vec::new();
        let mut chosen = None;
        for (field, value) in message.fields.iter().zip(found) {
            let Some(value) = value.filter(|value| !value.is_null()) else {
                self.absent(field, &mut out, levels)?;
                continue;
            };
            if field.oneof.is_some() {
                if field.oneof == chosen {
                    return Err(error(message, field, "another field of its oneof is set too".to_owned()));
                }
                chosen = field.oneof;
            }
            self.field(message, field, value, &mut out, levels)?;
        }
        Ok(out)
    }

    /// The SDK encodes fields that it keeps by value even when nothing was said about them.
    fn absent(&self, field: &Field, out: &mut Vec<u8>, levels: u32) -> Result<(), JsonError> {
        if !field.required || field.repeated || field.oneof.is_some() {
            return Ok(());
        }
        match (field.kind, field.format) {
            (_, Format::Dec | Format::Int) => bytes(field.number, b"0", out),
            (Kind::Message(_), Format::Time) => {
                let zero = Timestamp { seconds: scalar::YEAR_ONE, nanos: 0 };
                bytes(field.number, &zero.encode_to_vec(), out);
            }
            (Kind::Message(index), _) => {
                let child = self.schema.message(index).ok_or(JsonError::TooDeep)?;
                let inner = match child.well_known {
                    None => {
                        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
                        self.object(child, &Map::new(), false, below)?
                    }
                    Some(_) => Vec::new(),
                };
                bytes(field.number, &inner, out);
            }
            _ => {}
        }
        Ok(())
    }

    fn field(
        &self,
        message: &Message,
        field: &Field,
        value: &Value,
        out: &mut Vec<u8>,
        levels: u32,
    ) -> Result<(), JsonError> {
        let explicit = field.oneof.is_some() || field.optional;
        if !field.repeated {
            return self.value(message, field, value, explicit, out, levels);
        }
        let items = value
            .as_array()
            .ok_or_else(|| error(message, field, format!("expected a list, got {}", shown(value))))?;
        if field.packed {
            let mut packed = Vec::new();
            for item in items {
                self.number(message, field, item)?.put(&mut packed);
            }
            if !packed.is_empty() {
                bytes(field.number, &packed, out);
            }
            return Ok(());
        }
        items.iter().try_for_each(|item| self.value(message, field, item, true, out, levels))
    }

    /// Appends tag and value; a default only if it is `explicit`.
    fn value(
        &self,
        message: &Message,
        field: &Field,
        value: &Value,
        explicit: bool,
        out: &mut Vec<u8>,
        levels: u32,
    ) -> Result<(), JsonError> {
        match field.kind {
            Kind::Message(index) => {
                let child = self.schema.message(index).ok_or(JsonError::TooDeep)?;
                bytes(field.number, &self.message(child, value, levels)?, out);
            }
            Kind::String | Kind::Bytes => {
                let text = text(field, value).map_err(|expected| {
                    error(message, field, format!("expected {expected}, got {}", shown(value)))
                })?;
                if explicit || !text.is_empty() {
                    bytes(field.number, &text, out);
                }
            }
            _ => {
                let number = self.number(message, field, value)?;
                if explicit || !number.is_zero() {
                    encode_key(field.number, number.wire_type(), out);
                    number.put(out);
                }
            }
        }
        Ok(())
    }

    fn number(&self, message: &Message, field: &Field, value: &Value) -> Result<Number, JsonError> {
        number(self.schema, field.kind, value).ok_or_else(|| {
            error(message, field, format!("{} is no value of type {:?}", shown(value), field.kind))
        })
    }
}

/// A number in its wire form.
enum Number {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
}

impl Number {
    fn is_zero(&self) -> bool {
        matches!(self, Self::Varint(0) | Self::Fixed32(0) | Self::Fixed64(0))
    }

    fn wire_type(&self) -> WireType {
        match self {
            Self::Varint(_) => WireType::Varint,
            Self::Fixed32(_) => WireType::ThirtyTwoBit,
            Self::Fixed64(_) => WireType::SixtyFourBit,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Varint(value) => encode_varint(*value, out),
            Self::Fixed32(value) => out.extend(value.to_le_bytes()),
            Self::Fixed64(value) => out.extend(value.to_le_bytes()),
        }
    }
}

fn number(schema: &Schema, kind: Kind, value: &Value) -> Option<Number> {
    let signed = |integer: i64| Number::Varint(integer.cast_unsigned());
    if let (Kind::Enum(index), Value::String(name)) = (kind, value) {
        return schema.enum_number(index, name).map(|number| signed(i64::from(number)));
    }
    if kind == Kind::Bool {
        return value.as_bool().map(|value| Number::Varint(u64::from(value)));
    }
    let integer = integer(value)?;
    Some(match kind {
        Kind::Int32 | Kind::Enum(_) => signed(i64::from(i32::try_from(integer).ok()?)),
        Kind::Int64 => signed(i64::try_from(integer).ok()?),
        Kind::Uint32 => Number::Varint(u64::from(u32::try_from(integer).ok()?)),
        Kind::Uint64 => Number::Varint(u64::try_from(integer).ok()?),
        Kind::Sint32 => Number::Varint(zigzag(i64::from(i32::try_from(integer).ok()?))),
        Kind::Sint64 => Number::Varint(zigzag(i64::try_from(integer).ok()?)),
        Kind::Fixed32 => Number::Fixed32(u32::try_from(integer).ok()?),
        Kind::Fixed64 => Number::Fixed64(u64::try_from(integer).ok()?),
        Kind::Sfixed32 => Number::Fixed32(i32::try_from(integer).ok()?.cast_unsigned()),
        Kind::Sfixed64 => Number::Fixed64(i64::try_from(integer).ok()?.cast_unsigned()),
        _ => return None,
    })
}

/// A JSON integer, in quotes or not, in its shortest form.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from)),
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let short = digits == "0" || digits.starts_with(|c: char| c.is_ascii_digit() && c != '0');
            short.then(|| text.parse().ok()).flatten()
        }
        _ => None,
    }
}

fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned()
}

/// Wire bytes of a string or bytes field, or what would have been right.
fn text(field: &Field, value: &Value) -> Result<Vec<u8>, &'static str> {
    if field.format == Format::RawJson {
        return Ok(value.to_string().into_bytes());
    }
    let Value::String(text) = value else { return Err("a string") };
    match (field.format, field.kind) {
        (Format::Dec, _) => {
            let digits = scalar::dec_from_json(text).ok_or("a decimal of at most 18 places")?;
            Ok(digits.into_bytes())
        }
        (Format::Int, _) => Ok(scalar::int(text).ok_or("an integer of at most 256 bits")?.into_bytes()),
        (Format::Hex, _) => hex::decode(text).map_err(|_| "hexadecimal"),
        (_, Kind::Bytes) => STANDARD.decode(text).map_err(|_| "base64"),
        _ => Ok(text.clone().into_bytes()),
    }
}

fn bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    prost::encoding::bytes::encode(number, &value.to_vec(), out);
}

fn error(message: &Message, field: &Field, reason: String) -> JsonError {
    JsonError::Field { message: message.name.clone(), field: field.name.clone(), reason }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => excerpt(&other.to_string()),
    }
}
