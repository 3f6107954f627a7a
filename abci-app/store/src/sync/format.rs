//! The bytes of a snapshot for state sync, format 1.
//!
//! ```text
//! snapshot = header trees
//! header   = uvarint(height) | uvarint(stores) | (bytes(name) | root:32)*      by name, empty trees too
//! trees    = of each tree that is not empty, in the header's order, its nodes in pre-order
//! leaf     = 0 | uvarint(version) | bytes(key) | bytes(value)
//! inner    = 1 | uvarint(version)                                              over at most GROUP leaves
//! top      = 2 | uvarint(version) | uvarint(height) | uvarint(size) | left:32 | right:32       over more
//! ```
//! The roots give the app hash, and each hash of a top node is that of the child, so a reader knows after every [`GROUP`]
//! leaves at most whether what it has read is the chain's state. Stores without a tree are not in it: nothing proves them,
//! and they follow from those that have one. The bytes are cut into chunks without regard to what they mean.

use crate::codec::{MAX_KEY, put_bytes, put_uvarint, to_u64};
use crate::error::{Error, Result};
use crate::hash::{self, Hash};

/// Format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// Most leaves that are read before their hash is known to be right.
pub(crate) const GROUP: u32 = 256;

/// Longest value, as in the SDK.
pub(crate) const VALUE_MAX: usize = 64_000_000;

/// Most stores, and the longest of their names.
const STORES_MAX: u64 = 256;
const NAME_MAX: usize = 64;

/// Versions are kept in 56 bits.
pub(crate) const HEIGHT_MAX: u64 = (1 << 55) - 1;

/// Roots by name.
pub(crate) type Roots = Vec<(String, Hash)>;

/// A node with the hashes of its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Top {
    pub(crate) version: u64,
    pub(crate) height: u8,
    pub(crate) size: u32,
    pub(crate) left: Hash,
    pub(crate) right: Hash,
}

impl Top {
    pub(crate) fn hash(&self) -> Hash {
        hash::inner(&mut Vec::new(), (self.height, self.size, self.version), &self.left, &self.right)
    }
}

/// What a snapshot is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Leaf { version: u64, key: &'a [u8], value: &'a [u8] },
    Inner { version: u64 },
    Top(Top),
}

pub(crate) fn put_header(out: &mut Vec<u8>, height: u64, roots: &Roots) {
    put_uvarint(out, height);
    put_uvarint(out, to_u64(roots.len()));
    for (name, root) in roots {
        put_bytes(out, name.as_bytes());
        out.extend_from_slice(root);
    }
}

pub(crate) fn put_item(out: &mut Vec<u8>, item: &Item<'_>) {
    match item {
        Item::Leaf { version, key, value } => {
            out.push(0);
            put_uvarint(out, *version);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Item::Inner { version } => {
            out.push(1);
            put_uvarint(out, *version);
        }
        Item::Top(top) => {
            out.push(2);
            for number in [top.version, top.height.into(), top.size.into()] {
                put_uvarint(out, number);
            }
            out.extend_from_slice(&top.left);
            out.extend_from_slice(&top.right);
        }
    }
}

/// Why nothing was read.
pub(crate) enum Stop {
    /// The rest has not come yet.
    Short,
    /// These bytes are no snapshot, whatever comes.
    Bad(String),
}

fn bad<T>(what: impl std::fmt::Display) -> Result<T, Stop> {
    Err(Stop::Bad(what.to_string()))
}

/// Reads what has come; see [`whole`].
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Stop::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn uvarint(&mut self) -> Result<u64, Stop> {
        let mut number = 0_u64;
        for shift in (0..64_u32).step_by(7) {
            let byte = self.take(1)?.first().copied().unwrap_or_default();
            number |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        bad("a number is too long")
    }

    fn hash(&mut self) -> Result<Hash, Stop> {
        self.take(32)?.try_into().map_err(|_| Stop::Short)
    }

    /// Bytes with their length before them; a length above `max` is not waited for.
    fn bytes(&mut self, what: &str, max: usize) -> Result<&'a [u8], Stop> {
        let len = self.uvarint()?;
        match usize::try_from(len) {
            Ok(len) if len <= max => self.take(len),
            _ => bad(format_args!("a {what} of {len} bytes, at most {max} are allowed")),
        }
    }

    fn version(&mut self, height: u64) -> Result<u64, Stop> {
        let version = self.uvarint()?;
        if version > height { bad(format_args!("a node of version {version}")) } else { Ok(version) }
    }

    /// Height and roots.
    pub(crate) fn header(&mut self) -> Result<(u64, Roots), Stop> {
        let (height, count) = (self.uvarint()?, self.uvarint()?);
        if height > HEIGHT_MAX || count > STORES_MAX {
            return bad(format_args!("a header of height {height} with {count} stores"));
        }
        let mut roots = Roots::new();
        for _ in 0..count {
            let name = self.bytes("name", NAME_MAX)?;
            let Ok(name) = std::str::from_utf8(name) else { return bad("a name is no text") };
            if roots.last().is_some_and(|(last, _)| last.as_str() >= name) {
                return bad(format_args!("store {name} is out of order"));
            }
            roots.push((name.to_owned(), self.hash()?));
        }
        Ok((height, roots))
    }

    /// The next node of a snapshot of `height`.
    pub(crate) fn item(&mut self, height: u64) -> Result<Item<'a>, Stop> {
        match self.take(1)? {
            [0] => {
                let version = self.version(height)?;
                let key = self.bytes("key", MAX_KEY)?;
                if key.is_empty() {
                    return bad("an empty key");
                }
                Ok(Item::Leaf { version, key, value: self.bytes("value", VALUE_MAX)? })
            }
            [1] => Ok(Item::Inner { version: self.version(height)? }),
            [2] => {
                let version = self.version(height)?;
                let (depth, size) = (self.uvarint()?, self.uvarint()?);
                let (Ok(height), Ok(size)) = (u8::try_from(depth), u32::try_from(size)) else {
                    return bad(format_args!("a node of height {depth} over {size} leaves"));
                };
                Ok(Item::Top(Top { version, height, size, left: self.hash()?, right: self.hash()? }))
            }
            kind => bad(format_args!("a node of kind {kind:?}")),
        }
    }
}

/// What `read` finds at the beginning of `bytes`, and how long it is; `None` if it has not come whole.
///
/// # Errors
/// [`Error::Snapshot`] if these bytes are none, whatever comes.
pub(crate) fn whole<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Source<'a>) -> Result<T, Stop>,
) -> Result<Option<(T, usize)>> {
    let mut source = Source(bytes);
    match read(&mut source) {
        Ok(found) => Ok(Some((found, bytes.len().saturating_sub(source.0.len())))),
        Err(Stop::Short) => Ok(None),
        Err(Stop::Bad(what)) => Err(Error::Snapshot(what)),
    }
}
