//! What a failed transaction reports, and what of it stays.

use std::sync::Arc;

use geodesic_auth::{PubKey, keeper};
use geodesic_core::{Address, BlockInfo, MemStore, State, gas};
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::crypto::secp256k1 as pb;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::mode_info::{Single, Sum};
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw};
use secp256k1::{Secp256k1, SecretKey};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::router;

fn secret() -> SecretKey {
    SecretKey::from_byte_array([1; 32]).unwrap()
}

fn key() -> pb::PubKey {
    pb::PubKey { key: secret().public_key(&Secp256k1::new()).serialize().to_vec() }
}

fn sender() -> Address {
    PubKey::from_any(&any::pack(&key())).unwrap().address()
}

fn text(address: &Address) -> String {
    address.to_bech32("geo")
}

/// The chain at height 1, its time a second after 1970, with one account of 1000000ugeo.
fn chain() -> Ctx {
    let mut state = router::default_genesis();
    let sender = text(&sender());
    let mut set = |module: &str, name: &str, value: Value| {
        let mut genesis: Value = serde_json::from_str(state[module].get()).unwrap();
        genesis[name] = value;
        state.insert(module.to_owned(), to_raw_value(&genesis).unwrap());
    };
    let account = json!({"@type": "/cosmos.auth.v1beta1.BaseAccount", "address": sender, "account_number": "0",
        "sequence": "0", "pub_key": null});
    set("auth", "accounts", json!([account]));
    let coins = json!([{"denom": "ugeo", "amount": "1000000"}]);
    set("bank", "balances", json!([{"address": sender, "coins": coins}]));
    let block = BlockInfo { chain_id: "test-1".into(), prefix: "geo".into(), ..BlockInfo::default() };
    let mut ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
    router::init_genesis(&mut ctx, &state).unwrap();
    ctx.take_events();
    ctx.block.height = 1;
    ctx.block.time_ns = 1_000_000_000;
    ctx
}

/// Sends that many ugeo, in as many messages, for that much gas.
fn tx(sequence: u64, gas_limit: u64, amounts: &[u64]) -> Vec<u8> {
    let send = |amount: &u64| {
        any::pack(&MsgSend {
            from_address: text(&sender()),
            to_address: text(&Address::from([9; 20])),
            amount: vec![Coin { denom: "ugeo".into(), amount: amount.to_string() }],
        })
    };
    let body = TxBody { messages: amounts.iter().map(send).collect(), ..TxBody::default() };
    let fee = Fee {
        amount: vec![Coin { denom: "ugeo".into(), amount: "300".into() }],
        gas_limit,
        ..Fee::default()
    };
    let mode_info = Some(ModeInfo { sum: Some(Sum::Single(Single { mode: SignMode::Direct.into() })) });
    let signer_infos = vec![SignerInfo { public_key: Some(any::pack(&key())), mode_info, sequence }];
    #[allow(deprecated)] // the tip
    let auth_info = AuthInfo { signer_infos, fee: Some(fee), tip: None };
    let (body_bytes, auth_info_bytes) = (body.encode_to_vec(), auth_info.encode_to_vec());
    let document = SignDoc {
        body_bytes: body_bytes.clone(),
        auth_info_bytes: auth_info_bytes.clone(),
        chain_id: "test-1".into(),
        account_number: 0,
    };
    let digest = secp256k1::Message::from_digest(Sha256::digest(document.encode_to_vec()).into());
    let signature = Secp256k1::new().sign_ecdsa(digest, &secret()).serialize_compact().to_vec();
    TxRaw { body_bytes, auth_info_bytes, signatures: vec![signature] }.encode_to_vec()
}

fn deliver(ctx: &mut Ctx, bytes: &[u8], block_gas: BlockGas) -> (Outcome, BlockGas) {
    let (verifier, prices) = (Verifier::default(), DecCoins::default());
    let mut deliver = Deliver { verifier: &verifier, min_gas_prices: &prices, block_gas };
    let outcome = deliver.run(ctx, bytes).unwrap();
    (outcome, deliver.block_gas)
}

fn error(outcome: &Outcome) -> (&str, u32, &str) {
    outcome.error.as_ref().map_or(("", 0, ""), |e| (e.codespace, e.code, e.log.as_str()))
}

/// Gas of the ante steps and of the whole of a good transaction of one message.
fn gas_of_one() -> (u64, u64) {
    let bytes = tx(0, 200_000, &[5]);
    let mut check = chain();
    check.mode = ExecMode::Check;
    let ante = deliver(&mut check, &bytes, BlockGas::default()).0;
    let whole = deliver(&mut chain(), &bytes, BlockGas::default()).0;
    assert_eq!((error(&ante), error(&whole)), (("", 0, ""), ("", 0, "")));
    (ante.gas_used, whole.gas_used)
}

#[test]
fn gas_that_runs_out_is_reported_as_the_sdk_does() {
    let (ante, whole) = gas_of_one();
    for (name, limit, paid) in [
        ("for the size", 1100, false),
        ("at the last step of the ante", ante - 1, false),
        ("at the first access of the message", ante, true),
        ("at the last access of the message", whole - 1, true),
    ] {
        let mut ctx = chain();
        let (outcome, block) = deliver(&mut ctx, &tx(0, limit, &[5]), BlockGas::default());
        let (codespace, code, log) = error(&outcome);
        assert_eq!((codespace, code), ("sdk", 11), "{name}: {log}");
        assert!(outcome.gas_used > limit && outcome.gas_wanted == limit, "{name}: {outcome:?}");
        let end = format!("; gasWanted: {limit}, gasUsed: {}: out of gas", outcome.gas_used);
        assert!(log.starts_with("out of gas in location: ") && log.ends_with(&end), "{name}: {log}");
        assert_eq!(block.used, limit, "{name}: the block pays no more than the limit");
        assert_eq!(keeper::sequence(&ctx, &sender()).unwrap(), u64::from(paid), "{name}");
        assert_eq!(
            outcome.events.is_empty(),
            !paid,
            "{name}: events of the ante steps stay with their writes"
        );
        assert_eq!(keeper::has_account(&ctx, &Address::from([9; 20])), Ok(false), "{name}");
    }
    let (outcome, _) = deliver(&mut chain(), &tx(0, whole, &[5]), BlockGas::default());
    assert_eq!((error(&outcome).1, outcome.gas_used, outcome.gas_wanted), (0, whole, whole), "just enough");
}

#[test]
fn what_fails_in_a_message_names_it() {
    let mut ctx = chain();
    let (outcome, block) = deliver(&mut ctx, &tx(0, 200_000, &[5, 2_000_000]), BlockGas::default());
    assert_eq!(
        error(&outcome),
        (
            "sdk",
            5,
            "failed to execute message; message index: 1: spendable balance 999695ugeo is smaller than 2000000ugeo: \
             insufficient funds"
        )
    );
    assert_eq!((outcome.gas_wanted, outcome.gas_used), (200_000, block.used));
    assert_eq!(keeper::has_account(&ctx, &Address::from([9; 20])), Ok(false), "the first message is undone");
    assert_eq!(keeper::sequence(&ctx, &sender()), Ok(1));
}

#[test]
fn what_fails_before_it_has_a_meter_pays_for_the_parameters_of_consensus() {
    // Nothing is stored in this chain: the flat price, and that of the key.
    let parameters = gas::READ_FLAT + gas::READ_PER_BYTE * 9;
    for (name, bytes, mode, used) in [
        ("no transaction in a block", vec![0xff], ExecMode::Finalize, 0),
        ("no transaction", vec![0xff], ExecMode::Check, parameters),
        ("no messages in a block", tx(0, 200_000, &[]), ExecMode::Finalize, parameters),
        ("no messages", tx(0, 200_000, &[]), ExecMode::Check, parameters),
    ] {
        let mut ctx = chain();
        ctx.mode = mode;
        let (outcome, block) = deliver(&mut ctx, &bytes, BlockGas::default());
        assert!(!outcome.is_ok(), "{name}");
        assert_eq!((outcome.gas_wanted, outcome.gas_used), (0, used), "{name}");
        assert_eq!(block.used, if mode == ExecMode::Finalize { used } else { 0 }, "{name}");
    }
}

#[test]
fn the_gas_of_a_block_ends_it() {
    let (_, whole) = gas_of_one();
    for (name, limit, used, want) in [
        ("room for just this one", 200_000 + whole, 200_000, ("", 0, String::new())),
        (
            "passed by this one",
            200_000 + whole - 1,
            200_000,
            (
                "sdk",
                11,
                format!(
                    "out of gas in location: block gas meter; gasWanted: 200000, gasUsed: {whole}: out of gas"
                ),
            ),
        ),
        (
            "full before it",
            300_000,
            300_000,
            ("sdk", 11, "no block gas left to run tx: out of gas".to_owned()),
        ),
        (
            "more than a block has",
            199_999,
            0,
            ("sdk", 41, "tx gas limit 200000 exceeds block max gas 199999: invalid gas limit".to_owned()),
        ),
    ] {
        let mut ctx = chain();
        let block = BlockGas { limit: Some(limit), used };
        let (outcome, _) = deliver(&mut ctx, &tx(0, 200_000, &[5]), block);
        let (codespace, code, log) = error(&outcome);
        assert_eq!((codespace, code, log.to_owned()), want, "{name}");
        let arrived = keeper::has_account(&ctx, &Address::from([9; 20])).unwrap();
        assert_eq!(arrived, code == 0, "{name}");
    }
}

#[test]
fn a_panic_fails_the_transaction_with_the_gas_it_used() {
    let mut ctx = chain();
    ctx.gas = GasMeter::limited(1000);
    ctx.gas.charge(100, "before").unwrap();
    let result: Result<(), _> = guarded(&mut ctx, |ctx| {
        ctx.gas.charge(20, "in it").unwrap();
        ctx.without_gas(|ctx| {
            keeper::ensure_account(ctx, &Address::from([9; 20])).unwrap();
            ctx.emit(Event::new("half"));
            panic!("on purpose")
        })
    });
    let e = result.unwrap_err();
    assert_eq!((e.codespace, e.code, e.log.as_str()), ("undefined", 111_222, "recovered: on purpose: panic"));
    assert_eq!((ctx.gas.limit(), ctx.gas.used()), (Some(1000), 120));
    assert!(ctx.events().is_empty());
    assert_eq!(in_message(0, e.clone()), e, "as in the SDK it is the transaction's, not the message's");
}

#[test]
fn a_simulation_is_bounded_by_a_block() {
    let (_, whole) = gas_of_one();
    let bytes = tx(0, 0, &[5; 20]);
    for (name, limit, want) in [("no limit", None, 0), ("small blocks", Some(whole), 11)] {
        let mut ctx = chain();
        ctx.mode = ExecMode::Simulate;
        let (outcome, _) = deliver(&mut ctx, &bytes, BlockGas { limit, used: 0 });
        assert_eq!(error(&outcome).1, want, "{name}: {outcome:?}");
        assert_eq!(outcome.gas_wanted, u64::MAX, "{name}: as the SDK answers");
    }
}
