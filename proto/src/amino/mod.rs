//! Amino: transactions as the Cosmos SDK wrote them before protobuf, in binary and as JSON that keeps the order of the fields.
//!
//! ```text
//! transaction   prefix(cosmos-sdk/StdTx) | fields
//! fields        number << 3 | type, value; ascending; numbers count the fields of the Go struct from 1, whatever protobuf says
//! value         varint (integers, enums, booleans), or length | bytes (texts, bytes, structs, lists of numbers, interfaces)
//! interface     length | prefix(name) | fields, where prefix = 4 bytes of sha256(name) behind 3 more and without zeros
//! ```
//! What is empty is left out, but for pointers and numbers in text (`math.Int`, `math.LegacyDec`). An `Any` is the bytes of what it holds.
//! Source: `go-amino` 0.16.0 and `x/auth/migrations/legacytx` of the Cosmos SDK 0.50.15; the structs follow from the descriptors
//! (`schema.rs`). Texts of errors are those of `go-amino` where the cause is the same.

mod bytes;
mod json_read;
mod json_write;
mod layout;
mod read;
mod write;

use layout::{Interface, Layouts, STD_TX, Type};

/// Most bytes of a transaction in binary, and most characters of its JSON.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of interfaces: keys of several keys.
const LEVELS: u32 = 16;
/// Most bytes that a text of an error shows.
const SHOWN: usize = 1024;

/// Why a transaction has no other form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// The two forms of transactions, for the messages of one chain.
pub struct Codec(Layouts);

/// A value of any type; which one it is follows from the layout.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// Go's zero of the type: nothing, `nil`, the year 1.
    Zero,
    Bool(bool),
    /// Signed integers, in two's complement of 64 bits, and unsigned ones.
    Number(u64),
    /// A text need not be UTF-8 in binary.
    Bytes(Vec<u8>),
    /// Digits of `math.Int` or `math.LegacyDec` (18 decimals).
    Digits(String),
    Time {
        seconds: i64,
        nanos: u32,
    },
    List(Vec<Value>),
    Struct(Vec<Value>),
    /// What an interface or `Any` holds, with its place among the registered types.
    Concrete(usize, Box<Value>),
    /// An `Any` that cannot be read, and why.
    Broken(String),
}

impl Value {
    /// What is wrong with the first `Any` that cannot be read.
    fn broken(&self) -> Option<&str> {
        match self {
            Self::Broken(text) => Some(text),
            Self::List(values) | Self::Struct(values) => values.iter().find_map(Self::broken),
            Self::Concrete(_, value) => value.broken(),
            _ => None,
        }
    }
}

impl Codec {
    /// A codec for these messages, by full name; each needs `amino.name` and fields without oneofs, else it stays unknown.
    /// Public keys and evidence are always known.
    pub fn new<'a>(messages: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Layouts::new(messages))
    }

    /// The JSON of a transaction in binary: what `TxDecodeAmino` answers.
    ///
    /// # Errors
    /// [`Error`], with the place.
    pub fn to_json(&self, binary: &[u8]) -> Result<String, Error> {
        let tx = self.0.read_transaction(binary).map_err(Error)?;
        let mut out = String::new();
        self.0.write_named(&mut out, layout::STD_TX_NAME, &tx, Type::Struct(STD_TX)).map_err(Error)?;
        Ok(out)
    }

    /// The binary form of a transaction in JSON: what `TxEncodeAmino` answers.
    ///
    /// # Errors
    /// [`Error`], with what is wrong.
    pub fn to_binary(&self, json: &str) -> Result<Vec<u8>, Error> {
        let tx = self.0.parse_transaction(json).map_err(Error)?;
        let mut out = layout::prefix(layout::STD_TX_NAME).1.to_vec();
        self.0.write(&mut out, Type::Struct(STD_TX), &tx, true).map_err(Error)?;
        Ok(out)
    }
}

impl Layouts {
    /// Go's panic at an `Any` that is not there, and at values that an interface cannot hold, are errors here.
    fn require_any(&self, concrete: usize, value: &Value) -> Result<(), String> {
        let Some(layout) = self.concrete_layout(concrete) else { return Ok(()) };
        for (index, field) in layout.fields.iter().enumerate() {
            let value = match value {
                Value::Struct(fields) => fields.get(index).unwrap_or(&Value::Zero),
                _ => &Value::Zero,
            };
            let empty = match value {
                Value::List(items) => items.contains(&Value::Zero),
                value => !field.list && *value == Value::Zero,
            };
            if matches!(field.ty, Type::Any(_)) && empty {
                return Err(format!("{} of {} holds nothing", field.name, layout.name));
            }
        }
        Ok(())
    }

    fn not_of(&self, concrete: usize, interface: Interface) -> String {
        let name = self.concretes.get(concrete).map_or("", |c| c.name.as_str());
        format!("{name} is no {}", interface.name())
    }
}

/// Bytes in upper case hexadecimal, cut where an answer would get too long.
fn hex(bytes: &[u8]) -> String {
    let cut = if bytes.len() > SHOWN { "..." } else { "" };
    format!("{}{cut}", hex::encode_upper(bytes.get(..SHOWN).unwrap_or(bytes)))
}

/// A text of a request in an error.
fn excerpt(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SHOWN)).unwrap_or(text)
}
