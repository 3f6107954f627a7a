//! Protobuf's wire format, read without allocation.

/// Why bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ends inside a tag, a length or a value.
    #[error("input ends inside a field")]
    Truncated,
    /// A varint does not fit 64 bits.
    #[error("varint longer than 64 bits")]
    Varint,
    /// Field numbers are 1 to 2^29 - 1.
    #[error("tag {0} holds no valid field number")]
    Tag(u64),
    /// Groups are not used on this interface.
    #[error("field {0} is a group")]
    Group(u32),
    /// Wire types 6 and 7 do not exist.
    #[error("field {number} has wire type {wire_type}")]
    WireType {
        /// Field number.
        number: u32,
        /// What the tag says.
        wire_type: u8,
    },
}

/// How a value travels, with the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// One field as it stands in the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) payload: Payload<'a>,
    /// No varint in the tag, the length or the value has a byte that it could do without.
    pub(crate) minimal: bool,
}

/// Fields of a message in wire order; stops after the first error.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<Field<'a>, WireError> {
        let (tag, tag_minimal) = varint(&mut self.0)?;
        let number = u32::try_from(tag).map_err(|_| WireError::Tag(tag))? >> 3;
        if number == 0 {
            return Err(WireError::Tag(tag));
        }
        let mut minimal = tag_minimal;
        let payload = match tag & 7 {
            0 => {
                let (value, value_minimal) = varint(&mut self.0)?;
                minimal &= value_minimal;
                Payload::Varint(value)
            }
            1 => Payload::Fixed64(u64::from_le_bytes(array(&mut self.0)?)),
            2 => {
                let (length, length_minimal) = varint(&mut self.0)?;
                minimal &= length_minimal;
                let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(WireError::Truncated)?;
                self.0 = rest;
                Payload::Bytes(bytes)
            }
            5 => Payload::Fixed32(u32::from_le_bytes(array(&mut self.0)?)),
            3 | 4 => return Err(WireError::Group(number)),
            other => {
                return Err(WireError::WireType {
                    number,
                    wire_type: u8::try_from(other).unwrap_or(u8::MAX),
                });
            }
        };
        Ok(Field { number, payload, minimal })
    }
}

/// The varint at the front of `input`, and whether its last byte was needed.
pub(crate) fn varint(input: &mut &[u8]) -> Result<(u64, bool), WireError> {
    let mut value = 0_u64;
    for shift in (0..64_u32).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(WireError::Truncated)?;
        *input = rest;
        if shift == 63 && byte > 1 {
            return Err(WireError::Varint);
        }
        value |= u64::from(byte & 0x7f).wrapping_shl(shift);
        if byte < 0x80 {
            return Ok((value, byte != 0 || shift == 0));
        }
    }
    Err(WireError::Varint)
}

pub(crate) fn array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], WireError> {
    let (bytes, rest) = input.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
    *input = rest;
    Ok(*bytes)
}
