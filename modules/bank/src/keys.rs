//! Every entry of the store `bank`, as in the SDK (`x/bank/types/keys.go`).

use geodesic_core::item::{Key, LenAddress};
use geodesic_core::{Int, Item, Map, Pb, StoreId, Text};
use geodesic_proto::cosmos::bank::v1beta1 as pb;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("bank");

/// Who has a denomination; can be derived from the balances, so it is not proven.
pub const INDEX: StoreId = StoreId::flat("bank.index");

/// `0x00 | denom -> amount`, text.
pub static SUPPLY: Map<String, Int, Text> = Map::new(STORE, &[0]);

/// `0x01 | denom -> Metadata`.
pub static METADATA: Map<String, pb::Metadata, Pb> = Map::new(STORE, &[1]);

/// `0x02 | len | address | denom -> amount`, text.
pub static BALANCE: Map<(LenAddress, String), Int, Text> = Map::new(STORE, &[2]);

/// `0x03 | denom | 0x00 | len | address ->`.
pub static OWNER: Map<(Denom, LenAddress), ()> = Map::new(INDEX, &[3]);

/// `0x04 | denom -> BoolValue`.
pub static SEND_ENABLED: Map<String, bool, Pb> = Map::new(STORE, &[4]);

/// `0x05 -> Params`.
pub static PARAMS: Item<pb::Params, Pb> = Item::new(STORE, &[5]);

/// A denomination with a zero byte behind it, so that more key can follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denom(pub String);

impl Key for Denom {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
        out.push(0);
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let end = input.iter().position(|b| *b == 0)?;
        let (head, rest) = input.split_at_checked(end)?;
        *input = rest.get(1..)?;
        String::from_utf8(head.to_vec()).ok().map(Self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use geodesic_core::Address;

    /// Wallets and relayers read these keys with proofs: frozen.
    #[test]
    fn layout() {
        let address = LenAddress(Address::try_new(vec![0xab; 20]).unwrap());
        let hex = |bytes: Vec<u8>| hex::encode(bytes);
        let ab = "ab".repeat(20);
        assert_eq!(hex(BALANCE.key(&(address.clone(), "ugeo".into()))), format!("0214{ab}7567656f"));
        assert_eq!(hex(SUPPLY.key(&"ugeo".into())), "007567656f");
        assert_eq!(hex(OWNER.key(&(Denom("ugeo".into()), address))), format!("037567656f0014{ab}"));
        assert_eq!(hex(SEND_ENABLED.key(&"ugeo".into())), "047567656f");
    }
}
