//! The Cosmos SDK's JSON of protobuf messages: genesis, REST, the CLI's transactions.
//!
//! Written: names as in the `.proto` file, in its order, all fields present; 64-bit integers, `math.Int` and
//! `math.LegacyDec` as strings, the last with its point; enums by name, bytes in base64, `Any` with `@type` among
//! the fields of what it holds, absent messages and bytes as `null`, absent oneofs left out, `<`, `>` and `&`
//! escaped. A field that the SDK keeps by value (`gogoproto.nullable = false`) is never absent.
//!
//! Read: names in either spelling, integers quoted or not, enums by name or number, `null` as absent. What is missing
//! becomes the encoding that the SDK gives its zero value, so the bytes are the SDK's too.
//!
//! Nothing on this interface is a float or a map; a message with one is refused.
//!
//! Source: behaviour of gogoproto's `jsonpb` as the SDK 0.50 sets it up; `tests/fixtures/json.json` holds its answers.

mod long;
mod read;
pub(crate) mod scalar;
mod write;

use prost::{Message, Name};
use serde_json::Value;

use crate::schema::{self, Schema};
use crate::wire::WireError;

pub use long::{from_long_json, to_long_json};

/// Deepest nesting of messages read or written, those inside `Any` counted.
pub const MAX_DEPTH: u32 = 64;

/// Bounds and lenience of a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Longest JSON text accepted or produced, in bytes.
    pub max_bytes: usize,
    /// Skip unknown JSON fields instead of failing.
    pub ignore_unknown: bool,
}

impl Default for Options {
    /// 64 MiB, unknown fields are errors.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, ignore_unknown: false }
    }
}

/// Why JSON and a message do not translate into each other.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("malformed JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The text is longer than [`Options::max_bytes`].
    #[error("JSON is longer than {0} bytes")]
    TooLarge(usize),
    /// Messages nested deeper than [`MAX_DEPTH`].
    #[error("messages nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// The pool has no such message.
    #[error("no message named {0:?}")]
    UnknownMessage(String),
    /// An `Any` names a message that the pool does not hold.
    #[error("unable to resolve type URL {0:?}")]
    UnknownTypeUrl(String),
    /// A JSON field that the message does not have.
    #[error("unknown field {field:?} in {message}")]
    UnknownField {
        /// Full name.
        message: String,
        /// The JSON name.
        field: String,
    },
    /// A value that its field cannot have.
    #[error("{message}.{field}: {reason}")]
    Field {
        /// Full name.
        message: String,
        /// Field name.
        field: String,
        /// What was expected, and what stands there.
        reason: String,
    },
    /// A JSON value that is no message at all.
    #[error("{message}: {reason}")]
    Message {
        /// Full name.
        message: String,
        /// What was expected, and what stands there.
        reason: String,
    },
    /// The message's bytes are malformed.
    #[error("{message}: {source}")]
    Wire {
        /// Full name.
        message: String,
        /// What is wrong with the bytes.
        source: WireError,
    },
    /// The generated type refuses the bytes.
    #[error("message does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
}

/// The message as JSON text without blanks.
///
/// # Errors
/// [`JsonError`]: an `Any` of unknown type, a number or time outside its range, more than 64 MiB.
pub fn to_json<T: Message + Name>(message: &T) -> Result<String, JsonError> {
    bytes_to_json(&T::full_name(), &message.encode_to_vec(), Options::default())
}

/// The message as a JSON value.
///
/// # Errors
/// As [`to_json`].
pub fn to_value<T: Message + Name>(message: &T) -> Result<Value, JsonError> {
    Ok(serde_json::from_str(&to_json(message)?)?)
}

/// The message that JSON text describes.
///
/// # Errors
/// [`JsonError`]: malformed JSON, an unknown field, a value outside its type, more than 64 MiB.
pub fn from_json<T: Message + Name + Default>(json: &str) -> Result<T, JsonError> {
    from_json_with(json, Options::default())
}

/// As [`from_json`], with other bounds, or ignoring unknown fields.
///
/// # Errors
/// As [`from_json`].
pub fn from_json_with<T: Message + Name + Default>(json: &str, options: Options) -> Result<T, JsonError> {
    Ok(T::decode(json_to_bytes(&T::full_name(), json, options)?.as_slice())?)
}

/// The message that a JSON value describes.
///
/// # Errors
/// As [`from_json`].
pub fn from_value<T: Message + Name + Default>(value: &Value) -> Result<T, JsonError> {
    Ok(T::decode(value_to_bytes(&T::full_name(), value, Options::default())?.as_slice())?)
}

/// JSON text of an encoded message of the given full name.
///
/// # Errors
/// As [`to_json`]; [`JsonError::UnknownMessage`], [`JsonError::Wire`].
pub fn bytes_to_json(message_name: &str, bytes: &[u8], options: Options) -> Result<String, JsonError> {
    let mut writer = write::Writer::new(Schema::get(), options);
    writer.message(find(message_name)?, bytes, MAX_DEPTH)?;
    Ok(writer.finish())
}

/// JSON value of an encoded message of the given full name.
///
/// # Errors
/// As [`bytes_to_json`].
pub fn bytes_to_value(message_name: &str, bytes: &[u8], options: Options) -> Result<Value, JsonError> {
    Ok(serde_json::from_str(&bytes_to_json(message_name, bytes, options)?)?)
}

/// Encoding of the message of the given full name that JSON text describes: fields ascending, as the SDK encodes.
///
/// # Errors
/// As [`from_json`]; [`JsonError::UnknownMessage`].
pub fn json_to_bytes(message_name: &str, json: &str, options: Options) -> Result<Vec<u8>, JsonError> {
    if json.len() > options.max_bytes {
        return Err(JsonError::TooLarge(options.max_bytes));
    }
    value_to_bytes(message_name, &serde_json::from_str(json)?, options)
}

/// Encoding of the message of the given full name that a JSON value describes.
///
/// # Errors
/// As [`json_to_bytes`], without the bound on the text.
pub fn value_to_bytes(message_name: &str, value: &Value, options: Options) -> Result<Vec<u8>, JsonError> {
    let reader = read::Reader { schema: Schema::get(), ignore_unknown: options.ignore_unknown };
    reader.message(find(message_name)?, value, MAX_DEPTH)
}

fn find(name: &str) -> Result<&'static schema::Message, JsonError> {
    Schema::get().message_by_name(name).ok_or_else(|| JsonError::UnknownMessage(excerpt(name)))
}

/// At most 64 characters of something a stranger wrote.
fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}
