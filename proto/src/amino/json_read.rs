//! Values from JSON.

use std::collections::BTreeMap;
use std::fmt;

use base64::prelude::BASE64_STANDARD;
use base64::{DecodeError, Engine as _};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::layout::{Interface, Layouts, STD_TX, STD_TX_NAME, Type};
use super::{LEVELS, MAX_BYTES, Value, excerpt};
use crate::json::scalar;

const WRAPPER: &str = "cannot parse disfix JSON wrapper";

/// Keys and values of an object as they stand there.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl Layouts {
    pub(super) fn parse_transaction(&self, json: &str) -> Result<Value, String> {
        if json.len() > MAX_BYTES {
            return Err(format!("a transaction of {} characters, at most {MAX_BYTES} are read", json.len()));
        }
        let (name, value) = wrapper(json)?;
        if name != STD_TX_NAME {
            let name = excerpt(&name);
            return Err(format!("UnmarshalJSON wants to decode a {STD_TX_NAME} but found a {name}"));
        }
        self.parse(value.get(), Type::Struct(STD_TX), LEVELS)
    }

    fn parse(&self, json: &str, ty: Type, levels: u32) -> Result<Value, String> {
        if json == "null" {
            return Ok(Value::Zero);
        }
        match ty {
            Type::Struct(place) => self.parse_struct(json, place, levels),
            Type::Multisig(_) => self.parse_multisig(json, levels),
            Type::Interface(interface) | Type::Any(interface) => self.parse_concrete(json, interface, levels),
            Type::Text => Ok(Value::Bytes(string(json)?.into_bytes())),
            Type::Bytes => bytes(json).map(Value::Bytes),
            Type::Key(length) => match bytes(json)? {
                key if key.len() == length => Ok(Value::Bytes(key)),
                _ => Err("invalid pubkey size: invalid pubkey".to_owned()),
            },
            Type::Int => parse_int(&string(json)?),
            Type::Dec => parse_dec(&string(json)?),
            Type::Time => parse_time(json),
            Type::Bool => match json {
                "true" | "false" => Ok(Value::Bool(json == "true")),
                _ => Err(mismatch(json, "bool")),
            },
            Type::Int32 | Type::Uint32 => parse_number(json, ty),
            Type::Int64 | Type::Uint64 => {
                let inner = json.strip_prefix('"').and_then(|j| j.strip_suffix('"')).ok_or_else(|| {
                    let json = excerpt(json);
                    format!(
                        "invalid character -- Amino:JSON int/int64/uint/uint64 expects quoted values for javascript numeric support, got: {json}."
                    )
                })?;
                parse_number(inner.trim_matches([' ', '\t', '\n', '\r']), ty)
            }
            Type::Unsupported => Err("a field has no amino".to_owned()), // of no registered type
        }
    }

    fn parse_struct(&self, json: &str, place: usize, levels: u32) -> Result<Value, String> {
        let fields: BTreeMap<String, Box<RawValue>> = object(json)?.0.into_iter().collect();
        let parse = |field: &super::layout::Field| match fields.get(&field.name) {
            None => Ok(Value::Zero),
            Some(json) if field.list => self.parse_list(json.get(), field.ty, levels),
            Some(json) => self.parse(json.get(), field.ty, levels),
        };
        self.layout(place).fields.iter().map(parse).collect::<Result<_, _>>().map(Value::Struct)
    }

    fn parse_list(&self, json: &str, ty: Type, levels: u32) -> Result<Value, String> {
        if json == "null" {
            return Ok(Value::Zero);
        }
        if !json.starts_with('[') {
            return Err(mismatch(json, "[]json.RawMessage"));
        }
        let items: Vec<Box<RawValue>> = serde_json::from_str(json).map_err(|e| syntax(&e))?;
        if items.is_empty() {
            return Ok(Value::Zero);
        }
        items.iter().map(|item| self.parse(item.get(), ty, levels)).collect::<Result<_, _>>().map(Value::List)
    }

    fn parse_concrete(&self, json: &str, interface: Interface, levels: u32) -> Result<Value, String> {
        let levels = levels
            .checked_sub(1)
            .ok_or_else(|| format!("interfaces are nested deeper than {LEVELS} levels"))?;
        let (name, value) = wrapper(json)?;
        let concrete =
            self.named(&name).ok_or_else(|| format!("unrecognized concrete type name {}", excerpt(&name)))?;
        if !self.implements(concrete, interface) {
            return Err(self.not_of(concrete, interface));
        }
        let ty = self.concretes.get(concrete).map_or(Type::Unsupported, |c| c.ty);
        let value = self.parse(value.get(), ty, levels)?;
        self.require_any(concrete, &value)?;
        Ok(Value::Concrete(concrete, Box::new(value)))
    }

    /// `{"threshold":"2","pubkeys":[...]}` as the struct that binary has.
    fn parse_multisig(&self, json: &str, levels: u32) -> Result<Value, String> {
        let fields: BTreeMap<String, Box<RawValue>> = object(json)?.0.into_iter().collect();
        let of = |name: &str| fields.get(name).map_or("null", |json| json.get());
        let threshold = match self.parse(of("threshold"), Type::Uint64, levels)? {
            Value::Number(number) => Value::Number(number & u64::from(u32::MAX)),
            other => other,
        };
        let keys = self.parse_list(of("pubkeys"), Type::Any(Interface::PubKey), levels)?;
        if matches!(&keys, Value::List(keys) if keys.contains(&Value::Zero)) {
            let text = "Expecting non nil value to create a new Any: failed packing protobuf message to Any";
            return Err(text.to_owned());
        }
        Ok(Value::Struct(vec![threshold, keys]))
    }
}

/// Name and value of `{"type":NAME,"value":...}`; the two keys in any case, the last of each counts.
fn wrapper(json: &str) -> Result<(String, Box<RawValue>), String> {
    let whole: &RawValue = serde_json::from_str(json).map_err(|e| format!("{WRAPPER}: {}", syntax(&e)))?;
    let json = whole.get();
    if !json.starts_with('{') && json != "null" {
        return Err(format!("{WRAPPER}: {}", mismatch(json, "amino.disfixWrapper")));
    }
    let pairs = if json == "null" { Vec::new() } else { object(json)?.0 };
    let (mut name, mut value) = (String::new(), None);
    for (key, json) in pairs {
        if key.eq_ignore_ascii_case("type") && json.get() != "null" {
            let kind = kind(json.get());
            if kind != "string" {
                let field = "Go struct field disfixWrapper.type of type string";
                return Err(format!("{WRAPPER}: json: cannot unmarshal {kind} into {field}"));
            }
            name = string(json.get())?;
        } else if key.eq_ignore_ascii_case("value") {
            value = Some(json);
        }
    }
    if name.is_empty() {
        return Err("JSON encoding of interfaces require non-empty type field.".to_owned());
    }
    let value = value.ok_or("interface JSON wrapper should have non-empty value field")?;
    Ok((name, value))
}

fn syntax(fault: &serde_json::Error) -> String {
    if fault.is_eof() { "unexpected end of JSON input".to_owned() } else { fault.to_string() }
}

fn object(json: &str) -> Result<Pairs, String> {
    if !json.starts_with('{') {
        return Err(mismatch(json, "map[string]json.RawMessage"));
    }
    serde_json::from_str(json).map_err(|e| syntax(&e))
}

fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "bool",
        _ => "number",
    }
}

fn mismatch(json: &str, wanted: &str) -> String {
    let number = match (kind(json), wanted) {
        ("number", "uint32" | "uint64" | "int32" | "int64") => format!(" {}", excerpt(json)),
        _ => String::new(),
    };
    format!("json: cannot unmarshal {}{number} into Go value of type {wanted}", kind(json))
}

fn string(json: &str) -> Result<String, String> {
    match kind(json) {
        "string" => serde_json::from_str(json).map_err(|e| syntax(&e)),
        _ => Err(mismatch(json, "string")),
    }
}

/// Base64, lines broken anywhere, or an array of numbers.
fn bytes(json: &str) -> Result<Vec<u8>, String> {
    match kind(json) {
        "array" => serde_json::from_str(json).map_err(|e| syntax(&e)),
        "string" => {
            let mut text = string(json)?;
            text.retain(|c| c != '\r' && c != '\n');
            BASE64_STANDARD.decode(&text).map_err(|e| {
                let place = if let DecodeError::InvalidByte(at, _) = e { at } else { text.len() & !3 };
                format!("illegal base64 data at input byte {place}")
            })
        }
        _ => Err(mismatch(json, "[]uint8")),
    }
}

fn parse_number(json: &str, ty: Type) -> Result<Value, String> {
    let (wanted, number) = match ty {
        Type::Int32 => ("int32", json.parse::<i32>().ok().map(|n| i64::from(n).cast_unsigned())),
        Type::Int64 => ("int64", json.parse::<i64>().ok().map(i64::cast_unsigned)),
        Type::Uint32 => ("uint32", json.parse::<u32>().ok().map(u64::from)),
        _ => ("uint64", json.parse().ok()),
    };
    if json == "null" {
        return Ok(Value::Zero);
    }
    // What stood in quotes need not be JSON.
    serde_json::from_str::<&RawValue>(json).map_err(|e| syntax(&e))?;
    number.map(Value::Number).ok_or_else(|| mismatch(json, wanted))
}

fn parse_int(text: &str) -> Result<Value, String> {
    scalar::int(text).map(Value::Digits).ok_or_else(|| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        match !digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            true => format!("integer out of range: {}", excerpt(text)),
            false => format!("math/big: cannot unmarshal {:?} into a *big.Int", excerpt(text)),
        }
    })
}

fn parse_dec(text: &str) -> Result<Value, String> {
    scalar::dec_from_json(text).map(Value::Digits).ok_or_else(|| {
        let (whole, fraction) = text.strip_prefix('-').unwrap_or(text).split_once('.').unwrap_or((text, "0"));
        let text = excerpt(text);
        match (text.is_empty(), whole.is_empty() || fraction.is_empty(), fraction.len()) {
            (true, ..) => "decimal string cannot be empty".to_owned(),
            (_, true, _) => "invalid decimal length".to_owned(),
            (_, _, places @ 19..) => {
                let over = places.saturating_sub(18);
                format!("value '{text}' exceeds max precision by -{over} decimal places: max precision 18")
            }
            _ => format!("failed to set decimal string with value {text:?}"),
        }
    })
}

fn parse_time(json: &str) -> Result<Value, String> {
    let shown = excerpt(json);
    if kind(json) != "string" {
        return Err(format!("Amino:JSON time must be an RFC3339Nano string, but got {shown}."));
    }
    if !json.ends_with("Z\"") {
        return Err(format!("Amino:JSON time must be UTC and end with 'Z' but got {shown}."));
    }
    let time = scalar::timestamp_from_json(&string(json)?).ok_or_else(|| format!("parsing time {shown}"))?;
    Ok(Value::Time { seconds: time.seconds, nanos: time.nanos.unsigned_abs() })
}
