//! Typed keys and values: the only way a module touches its store.

use std::marker::PhantomData;

use geodesic_proto::prost::Message;

use crate::address::Address;
use crate::ctx::Ctx;
use crate::error::StateError;
use crate::store::{Entry, Range, StoreId, prefix_end};

/// A key, or a part of one. Numbers are big-endian, so byte order is number order.
pub trait Key: Sized {
    /// Appends the bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes the part from the front of `input`; `None` if it does not fit.
    fn read(input: &mut &[u8]) -> Option<Self>;
}

macro_rules! number_key {
    ($($t:ty),*) => {$(
        impl Key for $t {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn read(input: &mut &[u8]) -> Option<Self> {
                let (head, rest) = input.split_first_chunk()?;
                *input = rest;
                Some(Self::from_be_bytes(*head))
            }
        }
    )*};
}
number_key!(u8, u16, u32, u64);

impl<const N: usize> Key for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        let (head, rest) = input.split_first_chunk()?;
        *input = rest;
        Some(*head)
    }
}

/// All the rest of the key: the last part only.
impl Key for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        Some(std::mem::take(input).to_vec())
    }
}

/// All the rest of the key: the last part only.
impl Key for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        Self::from_utf8(std::mem::take(input).to_vec()).ok()
    }
}

/// All the rest of the key: the last part only. See [`LenAddress`].
impl Key for Address {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        Self::try_new(std::mem::take(input)).ok()
    }
}

/// An address behind a byte with its length (`types/address.LengthPrefix`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LenAddress(pub Address);

impl Key for LenAddress {
    fn write(&self, out: &mut Vec<u8>) {
        let bytes = self.0.as_bytes();
        out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX)); // an Address has at most 255 bytes
        out.extend_from_slice(bytes);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        let (len, rest) = input.split_first()?;
        let (head, rest) = rest.split_at_checked(usize::from(*len))?;
        *input = rest;
        Address::try_new(head).ok().map(Self)
    }
}

impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}
    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

macro_rules! tuple_key {
    ($($t:ident $i:tt),*) => {
        impl<$($t: Key),*> Key for ($($t,)*) {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$i.write(out);)*
            }
            fn read(input: &mut &[u8]) -> Option<Self> {
                Some(($($t::read(input)?,)*))
            }
        }
    };
}
tuple_key!(A 0, B 1);
tuple_key!(A 0, B 1, C 2);
tuple_key!(A 0, B 1, C 2, D 3);

/// How values of type `V` are written.
pub trait Codec<V> {
    /// The bytes of a value.
    fn encode(value: &V) -> Vec<u8>;
    /// The value of the bytes; `None` if they are none.
    fn decode(bytes: &[u8]) -> Option<V>;
}

/// Big-endian numbers, arrays, texts and bytes as they are: the [`Key`] encoding, with nothing left over.
#[derive(Debug)]
pub struct Raw;

impl<V: Key> Codec<V> for Raw {
    fn encode(value: &V) -> Vec<u8> {
        let mut out = Vec::new();
        value.write(&mut out);
        out
    }
    fn decode(mut bytes: &[u8]) -> Option<V> {
        let value = V::read(&mut bytes)?;
        bytes.is_empty().then_some(value)
    }
}

/// Protobuf messages, the wrappers of plain numbers included (`google.protobuf.UInt64Value` for `u64`).
#[derive(Debug)]
pub struct Pb;

impl<V: Message + Default> Codec<V> for Pb {
    fn encode(value: &V) -> Vec<u8> {
        value.encode_to_vec()
    }
    fn decode(bytes: &[u8]) -> Option<V> {
        V::decode(bytes).ok()
    }
}

/// A number, coin amount or other value as decimal text ([`std::fmt::Display`] and [`std::str::FromStr`]).
#[derive(Debug)]
pub struct Text;

impl<V: std::fmt::Display + std::str::FromStr> Codec<V> for Text {
    fn encode(value: &V) -> Vec<u8> {
        value.to_string().into_bytes()
    }
    fn decode(bytes: &[u8]) -> Option<V> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

fn corrupt(store: StoreId, key: &[u8]) -> StateError {
    let key = key.iter().map(|b| format!("{b:02x}")).collect();
    StateError::Corrupt { store: store.name(), key }
}

/// `prefix | K -> V`, `V` written by `C`.
pub struct Map<K, V, C = Raw> {
    store: StoreId,
    prefix: &'static [u8],
    types: PhantomData<fn(K, V, C)>,
}

impl<K: Key, V, C: Codec<V>> Map<K, V, C> {
    /// The map of a store's keys with this prefix. No prefix of a store may begin another of it.
    pub const fn new(store: StoreId, prefix: &'static [u8]) -> Self {
        Self { store, prefix, types: PhantomData }
    }

    /// The store's key of `key`.
    pub fn key(&self, key: &K) -> Vec<u8> {
        let mut out = self.prefix.to_vec();
        key.write(&mut out);
        out
    }

    /// The value at `key`.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out, the disk fails or the value does not decode.
    pub fn get(&self, ctx: &Ctx, key: &K) -> Result<Option<V>, StateError> {
        let key = self.key(key);
        let Some(bytes) = ctx.get(self.store, &key)? else { return Ok(None) };
        C::decode(&bytes).map(Some).ok_or_else(|| corrupt(self.store, &key))
    }

    /// Whether `key` is there.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    pub fn has(&self, ctx: &Ctx, key: &K) -> Result<bool, StateError> {
        ctx.has(self.store, &self.key(key))
    }

    /// Writes the value at `key`.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out.
    pub fn set(&self, ctx: &mut Ctx, key: &K, value: &V) -> Result<(), StateError> {
        ctx.set(self.store, &self.key(key), C::encode(value))
    }

    /// The store's entry of a key and its value, as [`Map::set`] writes it.
    pub fn entry(&self, key: &K, value: &V) -> Entry {
        (self.key(key), C::encode(value))
    }

    /// Deletes the entry at `key`.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out.
    pub fn delete(&self, ctx: &mut Ctx, key: &K) -> Result<(), StateError> {
        ctx.delete(self.store, &self.key(key))
    }

    /// The entries whose key begins with `part`, such as `()` for all or the first part of a tuple, in key order.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails; each item may also be one.
    pub fn prefix<'a, P: Key>(
        &'a self,
        ctx: &'a Ctx,
        part: &P,
    ) -> Result<impl Iterator<Item = Result<(K, V), StateError>> + use<'a, K, V, C, P>, StateError> {
        let mut start = self.prefix.to_vec();
        part.write(&mut start);
        self.walk(ctx, &Range { end: prefix_end(&start), start, reverse: false })
    }

    /// The entries whose key is below every one that begins with `part`, in key order.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails; each item may also be one.
    pub fn before<'a, P: Key>(
        &'a self,
        ctx: &'a Ctx,
        part: &P,
    ) -> Result<impl Iterator<Item = Result<(K, V), StateError>> + use<'a, K, V, C, P>, StateError> {
        let mut end = self.prefix.to_vec();
        part.write(&mut end);
        self.walk(ctx, &Range { start: self.prefix.to_vec(), end: Some(end), reverse: false })
    }

    /// The entries of a range of the store's whole keys, in its order. Keys of other maps in it are errors.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails; each item may also be one.
    pub fn walk<'a>(
        &'a self,
        ctx: &'a Ctx,
        range: &Range,
    ) -> Result<impl Iterator<Item = Result<(K, V), StateError>> + use<'a, K, V, C>, StateError> {
        Ok(ctx.range(self.store, range)?.map(move |entry| {
            let (key, value) = entry?;
            self.decode(&key, &value).ok_or_else(|| corrupt(self.store, &key))
        }))
    }

    fn decode(&self, key: &[u8], value: &[u8]) -> Option<(K, V)> {
        let mut rest = key.strip_prefix(self.prefix)?;
        let key = K::read(&mut rest)?;
        rest.is_empty().then_some((key, C::decode(value)?))
    }

    /// The store, for proofs and pagination.
    pub const fn store(&self) -> StoreId {
        self.store
    }

    /// The prefix, for proofs and pagination.
    pub const fn prefix_bytes(&self) -> &'static [u8] {
        self.prefix
    }
}

/// One value at a fixed key.
pub struct Item<V, C = Raw>(Map<(), V, C>);

impl<V, C: Codec<V>> Item<V, C> {
    /// The item at this key of a store.
    pub const fn new(store: StoreId, key: &'static [u8]) -> Self {
        Self(Map { store, prefix: key, types: PhantomData })
    }

    /// The value, if there is one.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out, the disk fails or the value does not decode.
    pub fn get(&self, ctx: &Ctx) -> Result<Option<V>, StateError> {
        self.0.get(ctx, &())
    }

    /// The value, which genesis wrote.
    ///
    /// # Errors
    /// As [`Item::get`], and [`StateError::Corrupt`] if there is none.
    pub fn load(&self, ctx: &Ctx) -> Result<V, StateError> {
        self.get(ctx)?.ok_or_else(|| corrupt(self.0.store, self.0.prefix))
    }

    /// Writes the value.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out.
    pub fn set(&self, ctx: &mut Ctx, value: &V) -> Result<(), StateError> {
        self.0.set(ctx, &(), value)
    }

    /// Deletes the value.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out.
    pub fn delete(&self, ctx: &mut Ctx) -> Result<(), StateError> {
        self.0.delete(ctx, &())
    }
}
