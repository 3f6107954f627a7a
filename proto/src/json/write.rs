//! Wire bytes to JSON text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost_types::{Duration, Timestamp};
use serde::de::IgnoredAny;

use super::{JsonError, Options, excerpt, scalar};
use crate::schema::{Field, Format, Kind, Message, Schema, WellKnown};
use crate::wire::{self, Fields, Payload, WireError};

pub(super) struct Writer {
    schema: &'static Schema,
    max_bytes: usize,
    out: String,
}

impl Writer {
    pub(super) fn new(schema: &'static Schema, options: Options) -> Self {
        Self { schema, max_bytes: options.max_bytes, out: String::new() }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// `levels`: how many more levels of messages may follow, this one counted.
    pub(super) fn message(&mut self, message: &Message, bytes: &[u8], levels: u32) -> Result<(), JsonError> {
        let text = match message.well_known {
            None => return self.object(message, bytes, None, levels),
            Some(WellKnown::Any) => return self.any(message, bytes, levels),
            Some(WellKnown::Duration) => scalar::duration_to_json(&Duration::decode(bytes)?),
            Some(WellKnown::Timestamp) => scalar::timestamp_to_json(&Timestamp::decode(bytes)?),
        };
        let text = text.ok_or_else(|| JsonError::Message {
            message: message.name.clone(),
            reason: "outside the range of JSON".to_owned(),
        })?;
        self.string(&text)
    }

    fn any(&mut self, message: &Message, bytes: &[u8], levels: u32) -> Result<(), JsonError> {
        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        let (mut url, mut value): (&[u8], &[u8]) = (&[], &[]);
        for item in parse(message, bytes)? {
            match (item.number, item.payload) {
                (1, Payload::Bytes(inner)) => url = inner,
                (2, Payload::Bytes(inner)) => value = inner,
                _ => {}
            }
        }
        let url = std::str::from_utf8(url).unwrap_or("\u{fffd}");
        let child = self.schema.message_by_url(url).ok_or_else(|| JsonError::UnknownTypeUrl(excerpt(url)))?;
        if child.well_known.is_none() {
            return self.object(child, value, Some(url), below);
        }
        self.out.push_str("{\"@type\":");
        self.string(url)?;
        self.out.push_str(",\"value\":");
        self.message(child, value, below)?;
        self.push('}')
    }

    fn object(
        &mut self,
        message: &Message,
        bytes: &[u8],
        url: Option<&str>,
        levels: u32,
    ) -> Result<(), JsonError> {
        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        let items = parse(message, bytes)?;
        self.push('{')?;
        let mut separator = "";
        if let Some(url) = url {
            self.out.push_str("\"@type\":");
            self.string(url)?;
            separator = ",";
        }
        for field in message.declared.iter().filter_map(|&index| message.fields.get(index)) {
            if field.oneof.is_some() && !is_chosen(message, field, &items) {
                continue;
            }
            self.out.push_str(separator);
            separator = ",";
            self.out.push('"');
            self.out.push_str(&field.name);
            self.out.push_str("\":");
            let values = items.iter().filter(|item| item.number == field.number).map(|item| item.payload);
            if field.repeated {
                self.list(message, field, values, below)?;
            } else {
                self.singular(message, field, values, below)?;
            }
        }
        self.push('}')
    }

    fn list<'a>(
        &mut self,
        message: &Message,
        field: &Field,
        values: impl Iterator<Item = Payload<'a>>,
        levels: u32,
    ) -> Result<(), JsonError> {
        self.out.push('[');
        let mut separator = "";
        for value in values {
            // Either encoding of a list of numbers is valid, whatever the file says.
            let numbers = !matches!(field.kind, Kind::String | Kind::Bytes | Kind::Message(_));
            if let (true, Payload::Bytes(mut packed)) = (numbers, value) {
                while !packed.is_empty() {
                    let number = unpack(field.kind, &mut packed).map_err(|source| wire(message, source))?;
                    self.out.push_str(separator);
                    separator = ",";
                    self.value(message, field, number, levels)?;
                }
            } else {
                self.out.push_str(separator);
                separator = ",";
                self.value(message, field, value, levels)?;
            }
        }
        self.push(']')
    }

    fn singular<'a>(
        &mut self,
        message: &Message,
        field: &Field,
        values: impl Iterator<Item = Payload<'a>>,
        levels: u32,
    ) -> Result<(), JsonError> {
        let mut values: Vec<_> = values.collect();
        if let (Kind::Message(_), true) = (field.kind, values.len() > 1) {
            // Decoders merge the occurrences of a message, which is what decoding their concatenation does.
            let parts = values.iter().map(|value| if let Payload::Bytes(part) = value { *part } else { &[] });
            let merged = parts.collect::<Vec<_>>().concat();
            return self.value(message, field, Payload::Bytes(&merged), levels);
        }
        match values.pop() {
            Some(value) => self.value(message, field, value, levels),
            None => self.absent(message, field, levels),
        }
    }

    fn absent(&mut self, message: &Message, field: &Field, levels: u32) -> Result<(), JsonError> {
        let null = match (field.kind, field.format) {
            (Kind::Message(_), _) | (_, Format::Dec | Format::Int) => !field.required,
            (Kind::Bytes, format) => format != Format::Hex,
            _ => field.optional,
        };
        if null {
            self.out.push_str("null");
            return Ok(());
        }
        match (field.kind, field.format) {
            (_, Format::Dec | Format::Int) => self.value(message, field, Payload::Bytes(b"0"), levels),
            (Kind::Message(_), Format::Time) => self.string("0001-01-01T00:00:00Z"),
            (Kind::Message(_) | Kind::String | Kind::Bytes, _) => {
                self.value(message, field, Payload::Bytes(&[]), levels)
            }
            _ => self.value(message, field, zero(field.kind), levels),
        }
    }

    fn value(
        &mut self,
        message: &Message,
        field: &Field,
        value: Payload<'_>,
        levels: u32,
    ) -> Result<(), JsonError> {
        let fail = |reason: &str| JsonError::Field {
            message: message.name.clone(),
            field: field.name.clone(),
            reason: reason.to_owned(),
        };
        match (field.kind, value) {
            (Kind::Message(index), Payload::Bytes(bytes)) => {
                let child = self.schema.message(index).ok_or(JsonError::TooDeep)?;
                self.message(child, bytes, levels)
            }
            (Kind::String | Kind::Bytes, Payload::Bytes(bytes)) => {
                self.text(field, bytes).map_err(|e| match e {
                    TextError::Reason(reason) => fail(reason),
                    TextError::TooLarge(error) => error,
                })
            }
            (kind, value) => {
                let (text, quoted) =
                    number(self.schema, kind, value).ok_or_else(|| fail("not a value of this type"))?;
                if quoted { self.string(&text) } else { self.push_str(&text) }
            }
        }
    }

    fn text(&mut self, field: &Field, bytes: &[u8]) -> Result<(), TextError> {
        let text = std::str::from_utf8(bytes);
        match (field.format, field.kind) {
            (Format::Dec, _) => {
                let text = text.ok().and_then(scalar::dec_to_json);
                self.string(&text.ok_or(TextError::Reason("not a decimal"))?)?;
            }
            (Format::Int, _) => {
                let text = text.ok().and_then(scalar::int);
                self.string(&text.ok_or(TextError::Reason("not an integer"))?)?;
            }
            (Format::RawJson, _) => {
                let json = text.ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
                scalar::push_compact(&mut self.out, json.ok_or(TextError::Reason("not JSON"))?);
                self.push_str("")?;
            }
            (Format::Hex, _) => self.string(&hex::encode_upper(bytes))?,
            (_, Kind::Bytes) => self.string(&STANDARD.encode(bytes))?,
            _ => self.string(text.map_err(|_| TextError::Reason("not UTF-8"))?)?,
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), JsonError> {
        scalar::push_string(&mut self.out, text);
        self.push_str("")
    }

    fn push(&mut self, c: char) -> Result<(), JsonError> {
        self.out.push(c);
        self.push_str("")
    }

    fn push_str(&mut self, text: &str) -> Result<(), JsonError> {
        self.out.push_str(text);
        if self.out.len() > self.max_bytes {
            return Err(JsonError::TooLarge(self.max_bytes));
        }
        Ok(())
    }
}

enum TextError {
    Reason(&'static str),
    TooLarge(JsonError),
}

impl From<JsonError> for TextError {
    fn from(error: JsonError) -> Self {
        Self::TooLarge(error)
    }
}

fn wire(message: &Message, source: WireError) -> JsonError {
    JsonError::Wire { message: message.name.clone(), source }
}

fn parse<'a>(message: &Message, bytes: &'a [u8]) -> Result<Vec<wire::Field<'a>>, JsonError> {
    Fields(bytes).collect::<Result<_, _>>().map_err(|source| wire(message, source))
}

/// Of several members of a oneof the last on the wire counts.
fn is_chosen(message: &Message, field: &Field, items: &[wire::Field<'_>]) -> bool {
    let member = |number| message.field(number).is_some_and(|other| other.oneof == field.oneof);
    items.iter().rev().map(|item| item.number).find(|&number| member(number)) == Some(field.number)
}

fn unpack<'a>(kind: Kind, packed: &mut &[u8]) -> Result<Payload<'a>, WireError> {
    Ok(match zero(kind) {
        Payload::Fixed64(_) => Payload::Fixed64(u64::from_le_bytes(wire::array(packed)?)),
        Payload::Fixed32(_) => Payload::Fixed32(u32::from_le_bytes(wire::array(packed)?)),
        _ => Payload::Varint(wire::varint(packed)?.0),
    })
}

fn zero(kind: Kind) -> Payload<'static> {
    match kind {
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => Payload::Fixed64(0),
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => Payload::Fixed32(0),
        _ => Payload::Varint(0),
    }
}

/// The digits or name, and whether JSON puts them in quotes.
fn number(schema: &Schema, kind: Kind, value: Payload<'_>) -> Option<(String, bool)> {
    let text = match (kind, value) {
        (Kind::Bool, Payload::Varint(v)) => (v != 0).to_string(),
        (Kind::Enum(index), Payload::Varint(v)) => {
            let number = low(v)?.cast_signed();
            match schema.enum_name(index, number) {
                Some(name) => return Some((name.to_owned(), true)),
                None => number.to_string(),
            }
        }
        (Kind::Int32, Payload::Varint(v)) => low(v)?.cast_signed().to_string(),
        (Kind::Uint32, Payload::Varint(v)) => low(v)?.to_string(),
        (Kind::Sint32, Payload::Varint(v)) => zigzag(v & u64::from(u32::MAX)).to_string(),
        (Kind::Fixed32, Payload::Fixed32(v)) => v.to_string(),
        (Kind::Sfixed32, Payload::Fixed32(v)) => v.cast_signed().to_string(),
        (Kind::Int64, Payload::Varint(v)) | (Kind::Sfixed64, Payload::Fixed64(v)) => {
            return Some((v.cast_signed().to_string(), true));
        }
        (Kind::Uint64, Payload::Varint(v)) | (Kind::Fixed64, Payload::Fixed64(v)) => {
            return Some((v.to_string(), true));
        }
        (Kind::Sint64, Payload::Varint(v)) => return Some((zigzag(v).to_string(), true)),
        _ => return None,
    };
    Some((text, false))
}

/// Protobuf cuts longer varints to the type's width.
fn low(value: u64) -> Option<u32> {
    u32::try_from(value & u64::from(u32::MAX)).ok()
}

fn zigzag(value: u64) -> i64 {
    let half = (value >> 1).cast_signed();
    if value & 1 == 0 { half } else { !half }
}
