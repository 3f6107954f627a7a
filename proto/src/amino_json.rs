//! Amino JSON: the text that hardware wallets show and sign.
//!
//! Keys sorted, no blanks, empty fields left out unless `amino.dont_omitempty`, messages inside `Any` as `{"type", "value"}` with their amino name, 64-bit
//! numbers as text. Source: the rules and options of `cosmossdk.io/x/tx/signing/aminojson` (v0.13).

mod sign_doc;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::{
    Cardinality, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage, Value,
};
use prost_types::{Any, Duration, Timestamp};

use crate::json::scalar;
use crate::pool;

pub use sign_doc::{SignDocError, sign_doc};

/// Deepest nesting of messages.
const LEVELS: u32 = 16;

/// Why a message has no amino JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AminoError {
    /// No message of this name is known.
    #[error("unknown message {0}")]
    Unknown(String),
    /// The bytes are no such message.
    #[error("{0} does not decode")]
    Decode(String),
    /// Messages are nested too deeply.
    #[error("messages are nested deeper than {LEVELS} levels")]
    Depth,
    /// A field that the encoding has no rule for, or a value that is none of its type.
    #[error("field {0} has no amino JSON")]
    Field(String),
}

/// The amino JSON of a message in an `Any`: `{"type":NAME,"value":{...}}`.
///
/// # Errors
/// [`AminoError`].
pub fn any(message: &Any) -> Result<String, AminoError> {
    let mut out = String::new();
    write_any(&mut out, &message.type_url, &message.value, 0)?;
    Ok(out)
}

/// A text as Go's `encoding/json` prints it, `<`, `>` and `&` escaped.
pub fn text(value: &str) -> String {
    let mut out = String::new();
    scalar::push_string(&mut out, value);
    out
}

/// An option of a message or field, if it is set.
pub(crate) fn option(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension: ExtensionDescriptor = pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

pub(crate) fn text_option(options: &DynamicMessage, name: &str) -> Option<String> {
    option(options, name).and_then(|v| v.as_str().map(str::to_owned))
}

fn write_any(out: &mut String, type_url: &str, bytes: &[u8], level: u32) -> Result<(), AminoError> {
    let name = type_url.trim_start_matches('/');
    let descriptor = pool().get_message_by_name(name).ok_or_else(|| AminoError::Unknown(name.to_owned()))?;
    let message =
        DynamicMessage::decode(descriptor.clone(), bytes).map_err(|_| AminoError::Decode(name.to_owned()))?;
    let amino = text_option(&descriptor.options(), "amino.name").unwrap_or_else(|| format!("/{name}"));
    out.push_str("{\"type\":");
    scalar::push_string(out, &amino);
    out.push_str(",\"value\":");
    write_message(out, &message, level)?;
    out.push('}');
    Ok(())
}

fn write_message(out: &mut String, message: &DynamicMessage, level: u32) -> Result<(), AminoError> {
    let level = level.checked_add(1).filter(|l| *l <= LEVELS).ok_or(AminoError::Depth)?;
    let descriptor = message.descriptor();
    let decode = || AminoError::Decode(descriptor.full_name().to_owned());
    match descriptor.full_name() {
        "google.protobuf.Any" => {
            let any: Any = message.transcode_to().map_err(|_| decode())?;
            return write_any(out, &any.type_url, &any.value, level);
        }
        "google.protobuf.Timestamp" => {
            let time: Timestamp = message.transcode_to().map_err(|_| decode())?;
            scalar::push_string(out, &rfc3339_nano(&time).ok_or_else(decode)?);
            return Ok(());
        }
        "google.protobuf.Duration" => {
            let d: Duration = message.transcode_to().map_err(|_| decode())?;
            let nanos = d.seconds.checked_mul(1_000_000_000).and_then(|s| s.checked_add(i64::from(d.nanos)));
            out.push_str(&format!("\"{}\"", nanos.ok_or_else(decode)?));
            return Ok(());
        }
        _ => {}
    }
    match text_option(&descriptor.options(), "amino.message_encoding").as_deref() {
        Some("key_field") => return write_key(out, message, &descriptor),
        Some("threshold_string") => return write_threshold(out, message, &descriptor, level),
        _ => {}
    }
    write_fields(out, message, &descriptor, level)
}

/// A time as Go's `RFC3339Nano` prints it, without zeros at the end of the fraction; `None` outside the years 1 to 9999.
pub fn rfc3339_nano(time: &Timestamp) -> Option<String> {
    let text = scalar::timestamp_to_json(time)?;
    Some(match text.strip_suffix('Z').and_then(|t| t.split_once('.')) {
        Some((whole, fraction)) => format!("{whole}.{}Z", fraction.trim_end_matches('0')),
        None => text,
    })
}

/// A public key is its bytes, without the field around them.
fn write_key(
    out: &mut String,
    message: &DynamicMessage,
    descriptor: &MessageDescriptor,
) -> Result<(), AminoError> {
    let field = descriptor.get_field_by_name("key");
    let key = field.map(|f| message.get_field(&f).into_owned());
    match key.as_ref().and_then(Value::as_bytes) {
        Some(key) if key.is_empty() => out.push_str("null"),
        Some(key) => out.push_str(&format!("\"{}\"", BASE64_STANDARD.encode(key))),
        None => return Err(AminoError::Field(format!("{}.key", descriptor.full_name()))),
    }
    Ok(())
}

/// A key of several shows its threshold as text.
fn write_threshold(
    out: &mut String,
    message: &DynamicMessage,
    descriptor: &MessageDescriptor,
    level: u32,
) -> Result<(), AminoError> {
    let of = |name: &str| {
        let field = descriptor.get_field_by_name(name);
        let field = field.ok_or_else(|| AminoError::Field(format!("{}.{name}", descriptor.full_name())))?;
        Ok((message.get_field(&field).into_owned(), field))
    };
    let (keys, field) = of("public_keys")?;
    out.push_str("{\"pubkeys\":");
    write_value(out, &keys, &field, level)?;
    let threshold = of("threshold")?.0.as_u32().unwrap_or(0);
    out.push_str(&format!(",\"threshold\":\"{threshold}\"}}"));
    Ok(())
}

/// How a field is named: in a oneof by the group in camel case, else by its amino name or its own.
struct Named {
    name: String,
    group: Option<String>,
    field: FieldDescriptor,
}

impl Named {
    fn new(field: FieldDescriptor) -> Self {
        let own =
            text_option(&field.options(), "amino.field_name").unwrap_or_else(|| field.name().to_owned());
        let oneof = field.containing_oneof();
        Self { name: own, group: oneof.map(|o| camel(o.name())), field }
    }

    fn order(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.name)
    }
}

/// `sum_of_all` as `SumOfAll`.
fn camel(name: &str) -> String {
    let word = |w: &str| {
        let mut chars = w.chars();
        chars.next().map(|c| c.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
    };
    name.split('_').map(word).collect()
}

fn write_fields(
    out: &mut String,
    message: &DynamicMessage,
    descriptor: &MessageDescriptor,
    level: u32,
) -> Result<(), AminoError> {
    let mut fields: Vec<Named> = descriptor.fields().map(Named::new).collect();
    fields.sort_by(|a, b| a.order().cmp(b.order()));
    let chosen: BTreeSet<&str> =
        fields.iter().filter(|n| message.has_field(&n.field)).filter_map(|n| n.group.as_deref()).collect();
    let mut written_null = BTreeSet::new();
    let mut separator = '{';
    for named in &fields {
        let (field, group) = (&named.field, named.group.as_deref());
        if !message.has_field(field) {
            match group {
                // Nothing of the group is set: it stands once, as null.
                Some(group) if !chosen.contains(group) && written_null.insert(group) => {
                    out.push(separator);
                    separator = ',';
                    scalar::push_string(out, group);
                    out.push_str(":null");
                    continue;
                }
                _ if is_omitted_empty(field) => continue,
                _ => {}
            }
        }
        out.push(separator);
        separator = ',';
        if let Some(group) = group {
            let name = text_option(&field.options(), "amino.oneof_name");
            let name = name.ok_or_else(|| AminoError::Field(field.full_name().to_owned()))?;
            scalar::push_string(out, group);
            out.push_str(":{\"type\":");
            scalar::push_string(out, &name);
            out.push_str(",\"value\":{");
        }
        scalar::push_string(out, &named.name);
        out.push(':');
        write_field(out, &message.get_field(field), field, level)?;
        if group.is_some() {
            out.push_str("}}");
        }
    }
    if separator == '{' {
        out.push('{');
    }
    out.push('}');
    Ok(())
}

fn is_omitted_empty(field: &FieldDescriptor) -> bool {
    !option(&field.options(), "amino.dont_omitempty").and_then(|v| v.as_bool()).unwrap_or(false)
}

/// A field with an encoding or scalar of its own, else its value.
fn write_field(
    out: &mut String,
    value: &Value,
    field: &FieldDescriptor,
    level: u32,
) -> Result<(), AminoError> {
    let options = field.options();
    if text_option(&options, "amino.encoding").as_deref() == Some("legacy_coins")
        && value.as_list() == Some(&[])
    {
        out.push_str("[]");
        return Ok(());
    }
    let number = match text_option(&options, "cosmos_proto.scalar").as_deref() {
        Some("cosmos.Dec") if is_legacy_dec(field, &options) => scalar_text(value, scalar::dec_to_json),
        Some("cosmos.Int") => scalar_text(value, scalar::int),
        _ => return write_value(out, value, field, level),
    };
    let number = number.ok_or_else(|| AminoError::Field(field.full_name().to_owned()))?;
    scalar::push_string(out, &number);
    Ok(())
}

/// Other decimals of the SDK travel as people write them; our own always as integers of 18 decimals.
fn is_legacy_dec(field: &FieldDescriptor, options: &DynamicMessage) -> bool {
    field.full_name().starts_with("geodesic.")
        || text_option(options, "gogoproto.customtype").as_deref() == Some("cosmossdk.io/math.LegacyDec")
}

fn scalar_text(value: &Value, convert: impl Fn(&str) -> Option<String>) -> Option<String> {
    let text = match value {
        Value::String(text) => text.as_str(),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?,
        _ => return None,
    };
    if text.is_empty() { Some("0".to_owned()) } else { convert(text) }
}

fn write_value(
    out: &mut String,
    value: &Value,
    field: &FieldDescriptor,
    level: u32,
) -> Result<(), AminoError> {
    match value {
        Value::List(list) => {
            // An empty list that is not left out reads null, as Go's nil slice; of keys it reads [].
            if list.is_empty() && field.name() != "public_keys" {
                out.push_str("null");
                return Ok(());
            }
            let mut separator = '[';
            for item in list {
                out.push(separator);
                separator = ',';
                write_value(out, item, field, level)?;
            }
            out.push_str(if separator == '[' { "[]" } else { "]" });
        }
        Value::Message(message) => {
            let optional =
                field.cardinality() != Cardinality::Repeated && matches!(field.kind(), Kind::Message(_));
            debug_assert!(optional || field.is_list(), "a message stands alone or in a list");
            write_message(out, message, level)?;
        }
        Value::String(text) => scalar::push_string(out, text),
        Value::Bytes(bytes) if bytes.is_empty() => out.push_str("\"\""),
        Value::Bytes(bytes) => out.push_str(&format!("\"{}\"", BASE64_STANDARD.encode(bytes))),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::I32(n) | Value::EnumNumber(n) => out.push_str(&n.to_string()),
        Value::U32(n) => out.push_str(&n.to_string()),
        Value::I64(n) => out.push_str(&format!("\"{n}\"")),
        Value::U64(n) => out.push_str(&format!("\"{n}\"")),
        Value::F32(_) | Value::F64(_) | Value::Map(_) => {
            return Err(AminoError::Field(field.full_name().to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oneofs_are_named_in_camel_case() {
        for (name, want) in [("sum", "Sum"), ("proposal_content", "ProposalContent"), ("a__b", "AB")] {
            assert_eq!(camel(name), want);
        }
    }
}
