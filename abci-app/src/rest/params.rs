//! Fields of a request out of paths and query strings, read as grpc-gateway reads them.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

/// Names in a path of fields at most.
const DEPTH_MAX: usize = 16;

/// The pairs of a query string or form, in their order.
///
/// # Errors
/// A semicolon, a malformed escape or text that is no UTF-8.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return Err("invalid semicolon separator in query".to_owned());
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.push((unescape(key, true)?, unescape(value, true)?));
    }
    Ok(out)
}

/// Text without its percent escapes; in a query `+` is a blank.
///
/// # Errors
/// A malformed escape or text that is no UTF-8.
pub(super) fn unescape(text: &str, in_query: bool) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
                let byte = digits
                    .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|d| u8::from_str_radix(d, 16).ok());
                let shown = String::from_utf8_lossy(tail.get(..2).unwrap_or(tail)).into_owned();
                out.push(byte.ok_or_else(|| format!("invalid URL escape \"%{shown}\""))?);
                rest = tail.get(2..).unwrap_or_default();
            }
            b'+' if in_query => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).map_err(|_| "text in the URL is not UTF-8".to_owned())
}

/// Puts the pairs of a query string into a request of the given type. Names that it does not have are ignored.
///
/// # Errors
/// A value that its field cannot have, in grpc-gateway's words.
pub(super) fn fill(
    object: &mut Map<String, Value>,
    message: &MessageDescriptor,
    pairs: Vec<(String, String)>,
) -> Result<(), String> {
    let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
    let mut index = std::collections::BTreeMap::new();
    for (key, value) in pairs {
        let at = *index.entry(key.clone()).or_insert(grouped.len());
        match grouped.get_mut(at) {
            Some((_, values)) => values.push(value),
            None => grouped.push((key, vec![value])),
        }
    }
    for (key, mut values) in grouped {
        let mut name = key.as_str();
        // `name[inner]=value`, made for maps: elsewhere the inner text comes first.
        if let Some((before, inner)) = key.strip_suffix(']').and_then(|k| k.rsplit_once('[')) {
            name = before;
            values.insert(0, inner.to_owned());
        }
        set(object, message, name, values)?;
    }
    Ok(())
}

/// Sets the field at a dotted path.
///
/// # Errors
/// A value that the field cannot have.
pub(super) fn set(
    object: &mut Map<String, Value>,
    message: &MessageDescriptor,
    path: &str,
    values: Vec<String>,
) -> Result<(), String> {
    let names: Vec<&str> = path.split('.').collect();
    if names.len() > DEPTH_MAX {
        return Err(format!("more than {DEPTH_MAX} names in a path of fields"));
    }
    let (Some((last, parents)), mut object, mut message) = (names.split_last(), object, message.clone())
    else {
        return Ok(());
    };
    for name in parents {
        let Some(field) = field_of(&message, name) else { return Ok(()) };
        let Kind::Message(inner) = field.kind() else {
            return Err(format!("unexpected nested field in {path}: {name} is no message"));
        };
        if field.is_list() || field.is_map() {
            return Err(format!("unexpected repeated field in {path}"));
        }
        let entry = object.entry(field.name().to_owned()).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(next) = entry else { return Err(format!("{name} is given twice")) };
        (object, message) = (next, inner);
    }
    let Some(field) = field_of(&message, last) else { return Ok(()) };
    let value = if field.is_list() {
        Value::Array(values.iter().map(|text| value(&field, text)).collect::<Result<_, _>>()?)
    } else {
        value(&field, values.first().map_or("", String::as_str))?
    };
    // One spelling only: the value of the path or query string counts.
    object.remove(field.json_name());
    object.insert(field.name().to_owned(), value);
    Ok(())
}

fn field_of(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

/// One value in the JSON of its field.
fn value(field: &FieldDescriptor, text: &str) -> Result<Value, String> {
    Ok(match field.kind() {
        Kind::String => Value::from(text),
        Kind::Bytes => Value::from(BASE64_STANDARD.encode(bytes(text)?)),
        Kind::Bool => Value::from(boolean(text)?),
        Kind::Enum(descriptor) => Value::from(enumeration(&descriptor, text)?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::from(integer::<i32>("ParseInt", text)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::from(integer::<i64>("ParseInt", text)?),
        Kind::Uint32 | Kind::Fixed32 => Value::from(integer::<u32>("ParseUint", text)?),
        Kind::Uint64 | Kind::Fixed64 => Value::from(integer::<u64>("ParseUint", text)?),
        Kind::Message(m)
            if ["google.protobuf.Timestamp", "google.protobuf.Duration"].contains(&m.full_name()) =>
        {
            Value::from(text)
        }
        Kind::Message(m) => {
            return Err(format!("field type {} is not supported in query parameters", m.full_name()));
        }
        Kind::Float | Kind::Double => return Err("floats are not supported in query parameters".to_owned()),
    })
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let alphabets = [BASE64_STANDARD, BASE64_URL_SAFE, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD];
    let found = alphabets.iter().find_map(|alphabet| alphabet.decode(text).ok());
    found.ok_or_else(|| format!("illegal base64 data {:?}", excerpt(text)))
}

/// As Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {:?}: invalid syntax", excerpt(text))),
    }
}

/// As Go's `strconv.ParseInt` and `ParseUint` with the base out of the prefix.
fn integer<T: TryFrom<i128>>(function: &str, text: &str) -> Result<T, String> {
    let fail = |what: &str| format!("strconv.{function}: parsing {:?}: {what}", excerpt(text));
    let signed = function == "ParseInt";
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if signed => (text.starts_with('-'), digits),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)];
    let prefixed = prefixes.iter().find_map(|(p, base)| Some((lower.strip_prefix(p)?, *base)));
    let (digits, base) = prefixed.filter(|(rest, _)| !rest.is_empty()).unwrap_or((lower.as_str(), 10));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(fail("invalid syntax"));
    }
    let value = i128::from_str_radix(digits, base).map_err(|_| fail("value out of range"))?;
    let value = if negative { value.saturating_neg() } else { value };
    T::try_from(value).map_err(|_| fail("value out of range"))
}

/// The number of a value given by name or by number.
fn enumeration(descriptor: &EnumDescriptor, text: &str) -> Result<i32, String> {
    let known = match descriptor.get_value_by_name(text) {
        Some(value) => Some(value),
        None => text.parse().ok().and_then(|number| descriptor.get_value(number)),
    };
    let known =
        known.ok_or_else(|| format!("{} is not a valid {}", excerpt(text), descriptor.full_name()))?;
    Ok(known.number())
}

/// The beginning of something a stranger wrote.
fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use geodesic_proto::pool;

    fn request(message: &str, query: &str) -> Result<String, String> {
        let message = pool().get_message_by_name(message).unwrap();
        let mut object = Map::new();
        fill(&mut object, &message, pairs(query)?)?;
        Ok(Value::Object(object).to_string())
    }

    #[test]
    fn query_strings() {
        const VALIDATORS: &str = "cosmos.staking.v1beta1.QueryValidatorsRequest";
        const TXS: &str = "cosmos.tx.v1beta1.GetTxsEventRequest";
        for (message, query, want) in [
            (VALIDATORS, "", "{}"),
            (VALIDATORS, "status=BOND_STATUS_BONDED", r#"{"status":"BOND_STATUS_BONDED"}"#),
            (VALIDATORS, "pagination.limit=5", r#"{"pagination":{"limit":5}}"#),
            (VALIDATORS, "pagination.countTotal=true", r#"{"pagination":{"count_total":true}}"#),
            (
                VALIDATORS,
                "pagination.count_total=T&pagination.reverse=0",
                r#"{"pagination":{"count_total":true,"reverse":false}}"#,
            ),
            (VALIDATORS, "pagination.key=AQL%2F", r#"{"pagination":{"key":"AQL/"}}"#),
            (VALIDATORS, "pagination.key=AQL_", r#"{"pagination":{"key":"AQL/"}}"#),
            (VALIDATORS, "pagination.limit=0x10", r#"{"pagination":{"limit":16}}"#),
            (VALIDATORS, "nope=1&pagination.nope=2", r#"{"pagination":{}}"#),
            (TXS, "query=a%3D%27b%27+AND+c", r#"{"query":"a='b' AND c"}"#),
            (TXS, "events=a&events=b", r#"{"events":["a","b"]}"#),
            (TXS, "order_by=ORDER_BY_DESC&page=2", r#"{"order_by":2,"page":2}"#),
            (TXS, "order_by=2", r#"{"order_by":2}"#),
            (TXS, "page=1&page=2", r#"{"page":1}"#),
        ] {
            assert_eq!(request(message, query).as_deref(), Ok(want), "{query}");
        }
        for (message, query, want) in [
            (VALIDATORS, "pagination.limit=x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
            (VALIDATORS, "pagination.limit=-1", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
            (
                VALIDATORS,
                "pagination.limit=18446744073709551616",
                "strconv.ParseUint: parsing \"18446744073709551616\": value out of range",
            ),
            (VALIDATORS, "pagination.limit=", "strconv.ParseUint: parsing \"\": invalid syntax"),
            (VALIDATORS, "pagination.reverse=yes", "strconv.ParseBool: parsing \"yes\": invalid syntax"),
            (VALIDATORS, "pagination.key=*", "illegal base64 data \"*\""),
            (
                VALIDATORS,
                "pagination=1",
                "field type cosmos.base.query.v1beta1.PageRequest is not supported in query parameters",
            ),
            (VALIDATORS, "status.x=1", "unexpected nested field in status.x: status is no message"),
            (VALIDATORS, "a;b", "invalid semicolon separator in query"),
            (VALIDATORS, "a=%zz", "invalid URL escape \"%zz\""),
            (VALIDATORS, "a=%f", "invalid URL escape \"%f\""),
            (VALIDATORS, "a=%ff", "text in the URL is not UTF-8"),
            (TXS, "order_by=9", "9 is not a valid cosmos.tx.v1beta1.OrderBy"),
        ] {
            assert_eq!(request(message, query), Err(want.to_owned()), "{query}");
        }
    }

    #[test]
    fn deep_paths_end() {
        let deep = format!("{}=1", "pagination.".repeat(10_000));
        assert!(request("cosmos.staking.v1beta1.QueryValidatorsRequest", &deep).is_err());
    }
}
