//! `google.protobuf.Any` with Cosmos type URLs: a slash and the full message name.

use prost::{Message, Name};
use prost_types::Any;

/// Why an `Any` is not the message that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its type URL names another message.
    #[error("expected type url {expected}, got {got:?}")]
    TypeUrl {
        /// What the caller asked for.
        expected: String,
        /// What the `Any` names, at most 96 characters of it.
        got: String,
    },
    /// Its value does not decode.
    #[error("value of {type_url} does not decode: {source}")]
    Decode {
        /// The message that was asked for.
        type_url: String,
        /// The decoder's answer.
        source: prost::DecodeError,
    },
}

/// `/package.Message` of a message type.
#[must_use]
pub fn type_url<T: Name>() -> String {
    format!("/{}", T::full_name())
}

/// The message as an `Any`.
#[must_use]
pub fn pack<T: Message + Name>(message: &T) -> Any {
    Any { type_url: type_url::<T>(), value: message.encode_to_vec() }
}

/// The message inside an `Any`.
///
/// # Errors
/// [`Error::TypeUrl`] if it holds another type, [`Error::Decode`] if its bytes are malformed.
pub fn unpack<T: Message + Name + Default>(any: &Any) -> Result<T, Error> {
    let expected = type_url::<T>();
    if any.type_url != expected {
        return Err(Error::TypeUrl { expected, got: any.type_url.chars().take(96).collect() });
    }
    T::decode(any.value.as_slice()).map_err(|source| Error::Decode { type_url: expected, source })
}
