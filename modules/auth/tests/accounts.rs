//! Keys, addresses, accounts and module accounts, as the Cosmos SDK has them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use geodesic_auth::keys::ACCOUNTS;
use geodesic_auth::modules::{self, MODULE_ACCOUNTS, module_address};
use geodesic_auth::pubkey::{MAX_DEPTH, MAX_KEYS};
use geodesic_auth::{Account, PubKey, keeper};
use geodesic_core::gas::GasMeter;
use geodesic_core::{Address, BlockInfo, Ctx, MemStore, State, StateError};
use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1::QueryAccountResponse;
use geodesic_proto::cosmos::crypto::multisig::LegacyAminoPubKey;
use geodesic_proto::cosmos::crypto::{ed25519, secp256k1, secp256r1};
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;
use proptest::prelude::*;
use serde_json::Value;

fn ctx(prefix: &str) -> Ctx {
    let block = BlockInfo { prefix: prefix.into(), height: 1, ..BlockInfo::default() };
    Ctx::new(block, State::new(Arc::new(MemStore::default())))
}

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn secp(byte: u8) -> Any {
    any::pack(&secp256k1::PubKey { key: vec![byte; 33] })
}

fn secp256r1(key: &[u8]) -> Any {
    any::pack(&secp256r1::PubKey { key: key.to_vec() })
}

fn multisig(threshold: u32, public_keys: Vec<Any>) -> Any {
    any::pack(&LegacyAminoPubKey { threshold, public_keys })
}

#[test]
fn addresses_are_those_of_the_sdk() {
    let keys = fixture(include_str!("fixtures/keys.json"));
    for key in keys["keys"].as_array().unwrap() {
        let key_any = any::pack(&secp256k1::PubKey { key: bytes(&key["public"]) });
        let address = PubKey::from_any(&key_any).unwrap().address();
        for prefix in ["cosmos", "geo"] {
            assert_eq!(address.to_bech32(prefix), key[prefix].as_str().unwrap());
        }
    }
    let multi = Any::decode(bytes(&keys["multisig"]["any"]).as_slice()).unwrap();
    let key = PubKey::from_any(&multi).unwrap();
    assert_eq!(key.address().to_bech32("cosmos"), keys["multisig"]["address"].as_str().unwrap());
    assert_eq!((key.count(), key.to_any()), (3, multi));
}

#[test]
fn stored_accounts_are_the_sdks_bytes() {
    let queries = fixture(include_str!("fixtures/queries.json"));
    let mut seen = 0;
    for query in queries["queries"].as_array().unwrap() {
        if !query["path"].as_str().unwrap().ends_with("/Account") {
            continue;
        }
        let any = QueryAccountResponse::decode(bytes(&query["value"]).as_slice()).unwrap().account.unwrap();
        let account = Account::from_any(&any).unwrap();
        account.validate("cosmos").unwrap();
        assert_eq!(account.to_any(), any);
        seen += 1;
    }
    assert_eq!(seen, 29);
}

#[test]
fn keys_that_no_account_may_have() {
    let mut deep = secp(2);
    for _ in 0..MAX_DEPTH {
        deep = multisig(1, vec![deep]);
    }
    for (name, key, want) in [
        ("short", any::pack(&secp256k1::PubKey { key: vec![2; 32] }), "32 bytes, expected 33"),
        ("long", any::pack(&ed25519::PubKey { key: vec![2; 33] }), "33 bytes, expected 32"),
        ("secp256r1, short", secp256r1(&[2; 32]), "32 bytes, expected 33"),
        (
            "secp256r1, off the curve",
            secp256r1(&[&[2], [0; 31].as_slice(), &[1]].concat()),
            "no compressed point",
        ),
        ("secp256r1, another form", secp256r1(&[5; 33]), "no compressed point"),
        ("secp256r1 as a member", multisig(1, vec![secp256r1(&[2; 33])]), "not supported"),
        ("no bytes of it", Any { value: vec![0xff], ..secp(2) }, "does not decode"),
        ("threshold 0", multisig(0, vec![secp(2)]), "threshold 0 of 1"),
        ("threshold above", multisig(3, vec![secp(2), secp(3)]), "threshold 3 of 2"),
        ("no keys", multisig(1, vec![]), "threshold 1 of 0"),
        ("many keys", multisig(1, vec![secp(2); MAX_KEYS + 1]), "101 keys"),
        ("bad member", multisig(1, vec![Any::default()]), "not supported"),
        ("nested", deep, "nested deeper"),
    ] {
        let error = PubKey::from_any(&key).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

#[test]
fn accounts_cost_the_gas_of_the_sdk() {
    let mut ctx = ctx("cosmos");
    let address = Address::from([7; 20]);
    let account = keeper::new_account_with_address(&mut ctx, &address).unwrap();
    let size = u64::try_from(account.to_any().encode_to_vec().len()).unwrap();

    // Missing: read of the old (key of 21 bytes), lookup of the number, index entry (13 + 8 + 20), account.
    ctx.gas = GasMeter::unlimited();
    keeper::set_account(&mut ctx, &account).unwrap();
    let write = 2000 + 30 * 41 + 2000 + 30 * (21 + size);
    assert_eq!(ctx.gas.used(), 1000 + 3 * 21 + 1000 + write);

    // There: its bytes are read, its number is deleted.
    ctx.gas = GasMeter::unlimited();
    keeper::set_account(&mut ctx, &account).unwrap();
    assert_eq!(ctx.gas.used(), 1000 + 3 * (21 + size) + 1000 + 1000 + write);

    // The counter: read and written.
    ctx.gas = GasMeter::unlimited();
    assert_eq!(keeper::next_account_number(&mut ctx).unwrap(), 1);
    assert_eq!(ctx.gas.used(), 1000 + 3 * 9 + 2000 + 30 * 9);
}

#[test]
fn numbers_count_up_and_are_unique() {
    let mut ctx = ctx("geo");
    for i in 0..3_u8 {
        let address = Address::from([i; 20]);
        keeper::ensure_account(&mut ctx, &address).unwrap();
        keeper::ensure_account(&mut ctx, &address).unwrap();
        assert_eq!(keeper::require_account(&ctx, &address).unwrap().number, u64::from(i));
    }
    let twin = Account::new(&Address::from([9; 20]), "geo", 1);
    assert!(matches!(keeper::set_account(&mut ctx, &twin), Err(StateError::Invariant(_))));

    let missing = Address::from([8; 20]);
    let error = keeper::sequence(&ctx, &missing).unwrap_err();
    assert_eq!((error.codespace, error.code), ("sdk", 9));
    assert_eq!(error.log, format!("account {} does not exist: unknown address", missing.to_bech32("geo")));
    assert_eq!(keeper::pub_key(&ctx, &Address::from([1; 20])).unwrap(), None);
}

#[test]
fn module_accounts() {
    assert_eq!(
        module_address("fee_collector").to_bech32("cosmos"),
        "cosmos17xpfvakm2amg962yls6f84z3kell8c5lserqta"
    );
    assert!(MODULE_ACCOUNTS.windows(2).all(|w| w[0].0 < w[1].0), "ascending, each once");
    for (name, blocked) in [("fee_collector", true), ("pow", true), ("transfer", true), ("gov", false)] {
        assert_eq!(modules::is_blocked(&module_address(name)), blocked, "{name}");
    }
    assert!(!modules::is_blocked(&Address::from([1; 20])));
    assert!(modules::has_permission("rewards", modules::MINTER));
    assert!(!modules::has_permission("distribution", modules::MINTER));

    let mut ctx = ctx("geo");
    let gov = module_address("gov");
    keeper::ensure_account(&mut ctx, &gov).unwrap();
    let account = keeper::get_module_account(&mut ctx, "gov").unwrap();
    let role = account.module.clone().unwrap();
    assert_eq!(
        (account.number, role.name.as_str(), role.permissions.as_slice()),
        (0, "gov", &["burner".to_owned()][..])
    );
    assert_eq!(keeper::get_module_account(&mut ctx, "gov").unwrap(), account);
    assert_eq!(ACCOUNTS.get(&ctx, &gov).unwrap(), Some(account));
    assert!(keeper::get_module_account(&mut ctx, "nobody").is_err());
}

fn keys() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        prop::collection::vec(any::<u8>(), 33).prop_map(|key| any::pack(&secp256k1::PubKey { key })),
        prop::collection::vec(any::<u8>(), 32).prop_map(|key| any::pack(&ed25519::PubKey { key })),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop::collection::vec(inner, 1..5)
            .prop_flat_map(|keys| (1..=u32::try_from(keys.len()).unwrap(), Just(keys)))
            .prop_map(|(threshold, keys)| multisig(threshold, keys))
    })
}

proptest! {
    #[test]
    fn keys_come_back_as_they_were(key in keys()) {
        let read = PubKey::from_any(&key).unwrap();
        prop_assert_eq!(read.to_any(), key);
        prop_assert!(read.count() >= 1);
        prop_assert_eq!(read.address().as_bytes().len(), 20);
    }

    #[test]
    fn changed_bytes_never_panic(key in keys(), at: prop::sample::Index, to: u8) {
        let mut bytes = key.encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(key) = Any::decode(bytes.as_slice()) {
            let _ = PubKey::from_any(&key).map(|k| k.address());
            let _ = Account::from_any(&key);
        }
    }
}
