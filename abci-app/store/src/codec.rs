//! Byte layouts: numbers, lengths, checksums, and the keys of the database.

use crate::error::{Error, Result};
use crate::hash::{Hash, sha256};

/// Longest key of an entry (as in the SDK).
pub const MAX_KEY: usize = (1 << 17) - 1;

/// Unsigned varint, as in protobuf and Go's `binary.PutUvarint`.
pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        let [low, ..] = n.to_le_bytes();
        out.push(low | 0x80);
        n = n.wrapping_shr(7);
    }
    let [low, ..] = n.to_le_bytes();
    out.push(low);
}

/// Length as an unsigned varint, then the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uvarint(out, to_u64(bytes.len()));
    out.extend_from_slice(bytes);
}

/// `usize` to `u64`; no platform has wider ones.
pub(crate) fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Reads what the functions above wrote; everything is checked, a shortage is damage.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(|| Error::damaged("record ends early"))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Error::damaged("record ends early"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn uvarint(&mut self) -> Result<u64> {
        let mut n = 0_u64;
        for shift in (0..64_u32).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Error::damaged("number is too long"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.uvarint()?).map_err(|_| Error::damaged("length is too big"))?;
        self.take(len)
    }

    pub(crate) fn hash(&mut self) -> Result<Hash> {
        self.array()
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Error::damaged("a name is not UTF-8"))
    }
}

const CHECKSUM: usize = 8;

/// Appends the first 8 bytes of the record's SHA-256.
pub(crate) fn seal(mut record: Vec<u8>) -> Vec<u8> {
    let hash = sha256(&record);
    record.extend(hash.iter().take(CHECKSUM));
    record
}

/// The record without its checksum.
pub(crate) fn unseal<'a>(record: &'a [u8], what: &str) -> Result<Input<'a>> {
    let split = record.len().checked_sub(CHECKSUM).and_then(|at| record.split_at_checked(at));
    match split {
        Some((body, sum)) if sha256(body).starts_with(sum) => Ok(Input(body)),
        _ => Err(Error::damaged(format!("checksum of {what}"))),
    }
}

/// `name | 0 | key`: an entry in the column family of latest values. Names hold no zero byte.
pub(crate) fn flat_key(store: &str, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(store.len().saturating_add(key.len()).saturating_add(1));
    out.extend_from_slice(store.as_bytes());
    out.push(0);
    out.extend_from_slice(key);
    out
}

/// First key above all of a store.
pub(crate) fn store_end(store: &str) -> Vec<u8> {
    let mut out = store.as_bytes().to_vec();
    out.push(1);
    out
}

/// `flat_key`, so escaped that no key is a prefix of another and the order stays the same:
/// `0 -> 0 255`, closed by `0 0`. The height that follows can then not be taken for a part of the key.
pub(crate) fn history_prefix(flat_key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(flat_key.len().saturating_add(16));
    escape(flat_key, &mut out);
    out.extend_from_slice(&[0, 0]);
    out
}

/// Where a history range that begins or ends at `flat_key` does.
pub(crate) fn history_bound(flat_key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(flat_key.len().saturating_add(8));
    escape(flat_key, &mut out);
    out
}

fn escape(key: &[u8], out: &mut Vec<u8>) {
    for byte in key {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
}

/// `history_prefix | be64(height)`.
pub(crate) fn history_key(prefix: &[u8], height: u64) -> Vec<u8> {
    let mut out = prefix.to_vec();
    out.extend_from_slice(&height.to_be_bytes());
    out
}

/// The prefix and the height of a history key.
pub(crate) fn split_history_key(key: &[u8]) -> Result<(&[u8], u64)> {
    let bad = || Error::damaged("history key");
    let (prefix, height) = key.split_last_chunk::<8>().ok_or_else(bad)?;
    if prefix.ends_with(&[0, 0]) { Ok((prefix, u64::from_be_bytes(*height))) } else { Err(bad()) }
}

/// The `flat_key` of a history prefix.
pub(crate) fn unescape(prefix: &[u8]) -> Result<Vec<u8>> {
    let bad = || Error::damaged("history key");
    let mut out = Vec::with_capacity(prefix.len());
    let mut bytes = prefix.strip_suffix(&[0, 0]).ok_or_else(bad)?.iter();
    while let Some(byte) = bytes.next() {
        out.push(*byte);
        if *byte == 0 && bytes.next() != Some(&0xff) {
            return Err(bad());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn history_keys_sort_like_entries_and_then_by_height(
            a in prop::collection::vec(0_u8..3, 0..6), x: u64,
            b in prop::collection::vec(0_u8..3, 0..6), y: u64,
        ) {
            let (left, right) = (history_key(&history_prefix(&a), x), history_key(&history_prefix(&b), y));
            prop_assert_eq!(left.cmp(&right), (&a, x).cmp(&(&b, y)));
            let (prefix, height) = split_history_key(&left).unwrap();
            prop_assert_eq!((unescape(prefix).unwrap(), height), (a.clone(), x));
            prop_assert_eq!(history_bound(&b) <= left, b <= a);
        }

        #[test]
        fn numbers_come_back(n: u64) {
            let mut bytes = Vec::new();
            put_uvarint(&mut bytes, n);
            let mut input = Input(&bytes);
            prop_assert_eq!(input.uvarint().unwrap(), n);
            prop_assert!(input.is_empty());
        }
    }
}
