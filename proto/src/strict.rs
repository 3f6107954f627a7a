//! What a transaction's bytes must obey before anything decodes them.
//!
//! prost drops fields that it does not know. A signature covers them all the same, so a transaction with a field
//! that this node ignores and another one obeys would mean two things. Both checks read the bytes once, against
//! tables made once, and allocate nothing unless they fail.
//!
//! Source: the Cosmos SDK's ADR-020 (unknown fields) and ADR-027 (deterministic encoding), and what its transaction
//! decoder does. Stricter than that decoder: a level bound of 16, no duplicates, minimal tags, no groups at all, and
//! packed encodings only for repeated fields.

use crate::schema::{Field, Kind, Message, Schema, WellKnown};
use crate::wire::{self, Fields, Payload, WireError};

/// Deepest nesting of messages, the outermost one and those inside `Any` counted.
pub const MAX_DEPTH: u32 = 16;

/// Field numbers with this bit (the eleventh) are non-critical.
pub const NON_CRITICAL_BIT: u32 = 1 << 10;

/// What happens to unknown fields whose number has [`NON_CRITICAL_BIT`] set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They are errors like all others: `TxRaw`, `AuthInfo`.
    Strict,
    /// They pass and are reported: `TxBody`, with all it contains.
    AllowNonCritical,
}

/// Whether unknown non-critical fields were passed over; amino and textual signing must then refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HasNonCritical(pub bool);

/// Why bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrictError {
    /// The caller asked for a message that the pool does not hold.
    #[error("no message named {0}")]
    UnknownMessage(String),
    /// An `Any` names a message that the pool does not hold.
    #[error("unable to resolve type URL {0:?}")]
    UnknownTypeUrl(String),
    /// A field number that the message does not have.
    #[error("{message} has no field {number}")]
    UnknownField {
        /// Full name.
        message: &'static str,
        /// Field number.
        number: u32,
    },
    /// A field encoded as no value of its type can be.
    #[error("{message}.{field} cannot have this wire type")]
    WireType {
        /// Full name.
        message: &'static str,
        /// Field name.
        field: &'static str,
    },
    /// Messages nested deeper than [`MAX_DEPTH`].
    #[error("messages nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Not protobuf.
    #[error("{message}: {source}")]
    Malformed {
        /// Full name.
        message: &'static str,
        /// What is wrong with the bytes.
        source: WireError,
    },
    /// `TxRaw` has its fields out of order, or one of the first two twice.
    #[error("txRaw must follow ADR-027, got field {number} after field {previous}")]
    Order {
        /// Field number.
        number: u32,
        /// The field before it.
        previous: u32,
    },
    /// A tag or length of `TxRaw` takes more bytes than it needs.
    #[error("txRaw must follow ADR-027, a varint of field {0} is not as short as possible")]
    NotMinimal(u32),
    /// `TxRaw` spells out an empty body or auth info.
    #[error("txRaw must follow ADR-027, field {0} is present but empty")]
    Default(u32),
}

/// The parts of a `TxRaw`, borrowed from its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TxRawParts<'a> {
    /// Encoded `TxBody`.
    pub body_bytes: &'a [u8],
    /// Encoded `AuthInfo`.
    pub auth_info_bytes: &'a [u8],
    /// Number of signatures.
    pub signatures: usize,
}

/// Checks that `bytes` hold only fields of `message_name` and of the messages nested in it, also inside `Any`.
///
/// # Errors
/// [`StrictError`], for the first field that is unknown, has a wire type that its type cannot have, is a group, names
/// an unknown type URL, is nested deeper than [`MAX_DEPTH`], or is cut short.
pub fn reject_unknown_fields(
    bytes: &[u8],
    message_name: &str,
    policy: Policy,
) -> Result<HasNonCritical, StrictError> {
    let schema = Schema::get();
    let message = schema
        .message_by_name(message_name)
        .ok_or_else(|| StrictError::UnknownMessage(message_name.to_owned()))?;
    let mut walker = Walker { schema, policy, non_critical: false };
    walker.message(bytes, message, MAX_DEPTH)?;
    Ok(HasNonCritical(walker.non_critical))
}

struct Walker {
    schema: &'static Schema,
    policy: Policy,
    non_critical: bool,
}

impl Walker {
    /// `levels`: how many more levels may follow, this one counted.
    fn message(&mut self, bytes: &[u8], message: &'static Message, levels: u32) -> Result<(), StrictError> {
        let below = levels.checked_sub(1).ok_or(StrictError::TooDeep)?;
        if message.well_known == Some(WellKnown::Any) {
            return self.any(bytes, message, below);
        }
        for item in Fields(bytes) {
            let item = item.map_err(|source| StrictError::Malformed { message: &message.name, source })?;
            let Some(field) = self.known(message, &item)? else { continue };
            if let (Kind::Message(child), Payload::Bytes(inner)) = (field.kind, item.payload) {
                let child = self.schema.message(child).ok_or(StrictError::TooDeep)?;
                self.message(inner, child, below)?;
            }
        }
        Ok(())
    }

    fn any(&mut self, bytes: &[u8], message: &'static Message, levels: u32) -> Result<(), StrictError> {
        let (mut type_url, mut value): (&[u8], &[u8]) = (&[], &[]);
        for item in Fields(bytes) {
            let item = item.map_err(|source| StrictError::Malformed { message: &message.name, source })?;
            let Some(field) = self.known(message, &item)? else { continue };
            // As every decoder does, the last occurrence counts.
            match (field.number, item.payload) {
                (1, Payload::Bytes(inner)) => type_url = inner,
                (2, Payload::Bytes(inner)) => value = inner,
                _ => {}
            }
        }
        let child = std::str::from_utf8(type_url).ok().and_then(|url| self.schema.message_by_url(url));
        let child = child.ok_or_else(|| StrictError::UnknownTypeUrl(excerpt(type_url)))?;
        self.message(value, child, levels)
    }

    /// The field's table entry, or `None` for an unknown field that may pass.
    fn known(
        &mut self,
        message: &'static Message,
        item: &wire::Field<'_>,
    ) -> Result<Option<&'static Field>, StrictError> {
        if let Some(field) = message.field(item.number) {
            return if fits(field, item.payload) {
                Ok(Some(field))
            } else {
                Err(StrictError::WireType { message: &message.name, field: &field.name })
            };
        }
        if item.number & NON_CRITICAL_BIT == 0 || self.policy == Policy::Strict {
            return Err(StrictError::UnknownField { message: &message.name, number: item.number });
        }
        self.non_critical = true;
        Ok(None)
    }
}

fn fits(field: &Field, payload: Payload<'_>) -> bool {
    match field.kind {
        Kind::String | Kind::Bytes | Kind::Message(_) => matches!(payload, Payload::Bytes(_)),
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            matches!(payload, Payload::Fixed64(_)) || is_packed(field, payload)
        }
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => {
            matches!(payload, Payload::Fixed32(_)) || is_packed(field, payload)
        }
        _ => matches!(payload, Payload::Varint(_)) || is_packed(field, payload),
    }
}

fn is_packed(field: &Field, payload: Payload<'_>) -> bool {
    field.repeated && matches!(payload, Payload::Bytes(_))
}

fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..96).unwrap_or(bytes)).into_owned()
}

/// Checks that `bytes` are a `TxRaw` in the one encoding that ADR-027 allows, and returns its parts.
///
/// Fields ascend, only signatures repeat, tags and lengths are as short as possible, no field is present with its
/// default value (an empty signature is an element, not a default).
///
/// # Errors
/// [`StrictError`], for the first field that breaks a rule, is unknown, or is cut short.
pub fn check_adr027(bytes: &[u8]) -> Result<TxRawParts<'_>, StrictError> {
    const NAME: &str = "cosmos.tx.v1beta1.TxRaw";
    let mut parts = TxRawParts::default();
    let mut previous = 0;
    for item in Fields(bytes) {
        let item = item.map_err(|source| StrictError::Malformed { message: NAME, source })?;
        let number = item.number;
        let field = match number {
            1 => "body_bytes",
            2 => "auth_info_bytes",
            3 => "signatures",
            _ => return Err(StrictError::UnknownField { message: NAME, number }),
        };
        let Payload::Bytes(inner) = item.payload else {
            return Err(StrictError::WireType { message: NAME, field });
        };
        if number < previous || (number == previous && number != 3) {
            return Err(StrictError::Order { number, previous });
        }
        if !item.minimal {
            return Err(StrictError::NotMinimal(number));
        }
        if inner.is_empty() && number != 3 {
            return Err(StrictError::Default(number));
        }
        match number {
            1 => parts.body_bytes = inner,
            2 => parts.auth_info_bytes = inner,
            _ => parts.signatures = parts.signatures.saturating_add(1),
        }
        previous = number;
    }
    Ok(parts)
}
