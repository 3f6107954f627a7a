//! Every key of the store `acc`, with its byte layout.

use geodesic_core::item::{Codec, Key};
use geodesic_core::{Address, Item, Map, Pb, StoreId};
use geodesic_proto::cosmos::auth::v1beta1::Params;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;

use crate::account::Account;

/// Accounts, parameters and the next number; the SDK's name.
pub const STORE: StoreId = StoreId::tree("acc");

/// The index by number, which anyone can rebuild from the accounts: outside the app hash.
pub const INDEX: StoreId = StoreId::flat("acc.number");

/// `00 -> Params`
pub static PARAMS: Item<Params, Pb> = Item::new(STORE, &[0]);

/// `01 | address -> Any(BaseAccount | ModuleAccount)`
pub static ACCOUNTS: Map<Address, Account, AnyAccount> = Map::new(STORE, &[1]);

/// `02 -> be64`, the number of the next account
pub static NEXT_NUMBER: Item<u64> = Item::new(STORE, &[2]);

/// `5a | timeout:time | address -> nothing`, who used which timeout for an unordered transaction
pub static UNORDERED: Map<(Timeout, Address), ()> = Map::new(STORE, &[0x5a]);

/// `5b -> time`, timeouts up to this one may have been used before the state was exported; gone when it has passed
pub static NO_TIMEOUT_UNTIL: Item<Timeout> = Item::new(STORE, &[0x5b]);

/// `"accountNumber" | number:be64 -> address`
pub static BY_NUMBER: Map<u64, Address> = Map::new(INDEX, b"accountNumber");

/// Accounts as the SDK stores them: an encoded `Any`.
#[derive(Debug)]
pub struct AnyAccount;

impl Codec<Account> for AnyAccount {
    fn encode(account: &Account) -> Vec<u8> {
        account.to_any().encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Account> {
        Account::from_any(&Any::decode(bytes).ok()?).ok()
    }
}

/// A time in nanoseconds since the Unix epoch: 8 bytes, big-endian, the sign bit flipped, so that byte order is time order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(pub i64);

/// The sign bit of a time.
const SIGN: u64 = 1 << 63;

impl Key for Timeout {
    fn write(&self, out: &mut Vec<u8>) {
        (u64::from_be_bytes(self.0.to_be_bytes()) ^ SIGN).write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        let bits = u64::read(input)? ^ SIGN;
        Some(Self(i64::from_be_bytes(bits.to_be_bytes())))
    }
}
