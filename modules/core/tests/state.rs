//! Keys, gas, branches and errors as other nodes and clients see them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use geodesic_core::address::AddressError;
use geodesic_core::dec::Wire;
use geodesic_core::gas::GasMeter;
use geodesic_core::item::LenAddress;
use geodesic_core::{
    Address, BlockInfo, Ctx, Dec, Event, Int, Item, Map, MemStore, Overflow, Raw, Sdk, State, StateError,
    StoreId, Text, TxError,
};
use geodesic_proto::cosmos::base::query::v1beta1::PageRequest;

const BANK: StoreId = StoreId::tree("bank");
static BALANCE: Map<(LenAddress, String), Int, Text> = Map::new(BANK, &[2]);
static NUMBERS: Map<u64, u64> = Map::new(BANK, b"n/");
static RATE: Item<Dec, Wire> = Item::new(BANK, b"rate");

fn ctx() -> Ctx {
    Ctx::new(
        BlockInfo { prefix: "geo".into(), ..Default::default() },
        State::new(Arc::new(MemStore::default())),
    )
}

/// A change here breaks consensus and every wallet that reads proofs.
#[test]
fn layouts() {
    let mut ctx = ctx();
    let owner = Address::from([9; 20]);
    BALANCE.set(&mut ctx, &(LenAddress(owner.clone()), "ugeo".into()), &Int::from(1500)).unwrap();
    NUMBERS.set(&mut ctx, &258, &1).unwrap();
    RATE.set(&mut ctx, &Dec::from_atomics(50_000_000_000_000_000)).unwrap();
    let changes = ctx.state_mut().changes();
    let entries = MemStore::default().apply(&changes).entries(BANK);
    let want: [(Vec<u8>, Vec<u8>); 3] = [
        ([&[2, 20][..], &[9; 20], b"ugeo"].concat(), b"1500".to_vec()),
        (b"n/\0\0\0\0\0\0\x01\x02".to_vec(), 1_u64.to_be_bytes().to_vec()),
        (b"rate".to_vec(), b"50000000000000000".to_vec()),
    ];
    assert_eq!(entries, want);
    assert_eq!(RATE.load(&ctx), Ok(Dec::from_atomics(50_000_000_000_000_000)));
    let all: Vec<_> = BALANCE.prefix(&ctx, &LenAddress(owner.clone())).unwrap().map(Result::unwrap).collect();
    assert_eq!(all, [((LenAddress(owner), "ugeo".to_owned()), Int::from(1500))]);
}

/// Prices of `store/types/gas.go` and the order of `store/gaskv`.
#[test]
fn gas_of_each_access() {
    let mut ctx = ctx();
    let used = |ctx: &mut Ctx, f: &dyn Fn(&mut Ctx)| {
        let before = ctx.gas.used();
        f(ctx);
        ctx.gas.used() - before
    };
    for (name, want, f) in [
        ("read nothing", 1000 + 3 * 10, &(|c: &mut Ctx| drop(NUMBERS.get(c, &1))) as &dyn Fn(&mut Ctx)),
        ("write", 2000 + 30 * 18, &|c| NUMBERS.set(c, &1, &5).unwrap()),
        ("write another", 2000 + 30 * 18, &|c| NUMBERS.set(c, &2, &6).unwrap()),
        ("read", 1000 + 3 * 18, &|c| drop(NUMBERS.get(c, &1))),
        ("has", 1000, &|c| drop(NUMBERS.has(c, &1))),
        ("begin a walk", 54 + 30, &|c| drop(NUMBERS.prefix(c, &()).unwrap())),
        ("the first only", 54 + 30, &|c| drop(NUMBERS.prefix(c, &()).unwrap().next())),
        ("walk over two", 3 * (54 + 30), &|c| assert_eq!(NUMBERS.prefix(c, &()).unwrap().count(), 2)),
        ("walk over nothing", 30, &|c| assert_eq!(NUMBERS.prefix(c, &77_u64).unwrap().count(), 0)),
        ("delete", 1000, &|c| NUMBERS.delete(c, &1).unwrap()),
        ("for free", 0, &|c| c.without_gas(|c| drop(NUMBERS.get(c, &1)))),
    ] {
        assert_eq!(used(&mut ctx, f), want, "{name}");
    }
}

#[test]
fn a_caught_panic_in_free_work_leaves_the_meter_of_the_transaction() {
    let mut ctx = ctx();
    ctx.gas = GasMeter::limited(5000);
    ctx.gas.charge(70, "before").unwrap();
    let work = std::panic::AssertUnwindSafe(|| ctx.without_gas(|_| panic!("on purpose")));
    assert!(std::panic::catch_unwind(work).is_err());
    assert_eq!((ctx.gas.limit(), ctx.gas.used()), (Some(5000), 70));
}

#[test]
fn out_of_gas_is_the_senders_and_the_rest_is_fatal() {
    let mut ctx = ctx();
    ctx.gas = GasMeter::limited(2100);
    let error = NUMBERS.set(&mut ctx, &1, &1).unwrap_err();
    assert_eq!(error, StateError::OutOfGas { what: "WritePerByte", limit: 2100, used: 2300 });
    let error = TxError::from(error);
    assert_eq!((error.codespace, error.code, error.fatal), ("sdk", 11, false));
    assert_eq!(error.log, "out of gas in location: WritePerByte; gasWanted: 2100, gasUsed: 2300: out of gas");
    assert_eq!(ctx.gas.remaining(), 0);

    let mut ctx = ctx_with_junk();
    let error = TxError::from(NUMBERS.get(&ctx, &1).unwrap_err());
    assert_eq!((error.codespace, error.code, error.fatal), ("undefined", 1, true));
    assert_eq!(error.log, "entry 6e2f0000000000000001 of store bank does not decode");
    assert_eq!(RATE.load(&ctx), Err(StateError::Corrupt { store: "bank", key: "72617465".into() }));
    NUMBERS.set(&mut ctx, &1, &1).unwrap();
    assert_eq!(NUMBERS.get(&ctx, &1), Ok(Some(1)));
}

fn ctx_with_junk() -> Ctx {
    let mut ctx = ctx();
    static JUNK: Map<u64, Vec<u8>, Raw> = Map::new(BANK, b"n/");
    JUNK.set(&mut ctx, &1, &vec![0; 9]).unwrap();
    ctx
}

#[test]
fn a_failed_branch_leaves_gas_and_nothing_else() {
    let mut ctx = ctx();
    ctx.emit(Event::new("kept"));
    let result = ctx.atomic(|c| {
        NUMBERS.set(c, &1, &1)?;
        c.emit(Event::new("dropped"));
        c.atomic(|c| NUMBERS.set(c, &2, &2))?;
        Err::<(), _>(StateError::Invariant("x".into()))
    });
    assert!(result.is_err());
    assert_eq!((NUMBERS.get(&ctx, &1), NUMBERS.get(&ctx, &2)), (Ok(None), Ok(None)));
    assert_eq!(ctx.take_events(), [Event::new("kept")]);
    assert!(ctx.gas.used() >= 2 * 2540);
    ctx.atomic(|c| NUMBERS.set(c, &1, &1)).unwrap();
    assert_eq!(NUMBERS.get(&ctx, &1), Ok(Some(1)));
}

/// As `TypedEventToEvent` of the Cosmos SDK v0.50.
#[test]
fn events_of_messages() {
    let event = Event::typed(&PageRequest { key: vec![1], limit: 5, ..Default::default() });
    let attributes: Vec<_> = event.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(event.kind, "cosmos.base.query.v1beta1.PageRequest");
    assert_eq!(
        attributes,
        ["count_total=false", r#"key="AQ==""#, r#"limit="5""#, r#"offset="0""#, "reverse=false"]
    );
}

#[test]
fn codes_that_clients_know() {
    let overflow = TxError::from(Overflow);
    assert_eq!((overflow.codespace, overflow.code), ("undefined", 111_222));
    let error = Sdk::WrongSequence.with("account sequence mismatch, expected 1, got 0");
    assert_eq!((error.codespace, error.code), ("sdk", 32));
    assert_eq!(error.log, "account sequence mismatch, expected 1, got 0: incorrect account sequence");
    let error = TxError::from(Address::from_bech32("geo", "").unwrap_err());
    assert_eq!((error.code, error.log.as_str()), (7, "empty address string is not allowed: invalid address"));
}

/// The key hash is that of BIP-173's examples.
#[test]
fn addresses() {
    let bytes = [
        0x75, 0x1e, 0x76, 0xe8, 0x19, 0x91, 0x96, 0xd4, 0x54, 0x94, 0x1c, 0x45, 0xd1, 0xb3, 0xa3, 0x23, 0xf1,
        0x43, 0x3b, 0xd6,
    ];
    let address = Address::from(bytes);
    let text = address.to_bech32("cosmos");
    assert_eq!(text, "cosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah60c");
    assert_eq!(Address::from_bech32("cosmos", &text), Ok(address));
    assert_eq!(Address::from_bech32("cosmos", &text.to_uppercase()), Ok(Address::from(bytes)));
    assert_eq!(
        Address::from_bech32("geo", &text),
        Err(AddressError::Prefix { expected: "geo".into(), got: "cosmos".into() })
    );
    let long = Address::try_new(vec![7; 255]).unwrap();
    assert_eq!(Address::from_bech32("geo", &long.to_bech32("geo")), Ok(long));
    assert_eq!(Address::try_new(vec![]), Err(AddressError::Length(0)));
    assert_eq!(Address::try_new(vec![0; 256]), Err(AddressError::Length(256)));
    for (bad, text) in [
        (" ", "empty address string is not allowed"),
        ("cosmos", "decoding bech32 failed: invalid bech32 string length 6"),
        ("é1qqqqqq", "decoding bech32 failed: invalid character in string: 'Ã'"),
        ("cosmos1Qqqqqqq", "decoding bech32 failed: string not all lowercase or all uppercase"),
        ("cosmosqqqq", "decoding bech32 failed: invalid separator index -1"),
        ("cosmos1qqqq", "decoding bech32 failed: invalid separator index 6"),
        ("cosmos1bqqqqqq", "decoding bech32 failed: invalid character not part of charset: 98"),
        (
            "cosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah60d",
            "decoding bech32 failed: invalid checksum (expected 6ah60c got 6ah60d)",
        ),
        (
            "geo1w508d6qejxtdg4y5r3zarvary0c5xw7kdn8kw0",
            "hrp does not match bech32 prefix: expected 'cosmos' got 'geo': internal logic error",
        ),
    ] {
        assert_eq!(Address::from_bech32("cosmos", bad).unwrap_err().to_string(), text, "{bad:?}");
    }
}

/// Bits that no byte has room for must be zero, as in the SDK: else an address would have several texts.
#[test]
fn an_address_has_one_text() {
    use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
    let hrp = bech32::Hrp::parse("cosmos").unwrap();
    let text = |change: &dyn Fn(&mut Vec<bech32::Fe32>)| {
        let mut values: Vec<_> = [7_u8; 33].into_iter().bytes_to_fes().collect(); // 264 bits in 53 groups of 5
        change(&mut values);
        values.into_iter().with_checksum::<bech32::Bech32>(&hrp).chars().collect::<String>()
    };
    assert!(Address::from_bech32("cosmos", &text(&|_| ())).is_ok());
    let incomplete = "decoding bech32 failed: invalid incomplete group";
    for (name, text) in [
        ("a bit behind the last byte", text(&|v| *v.last_mut().unwrap() = bech32::Fe32::P)),
        ("a group behind the last byte", text(&|v| v.push(bech32::Fe32::Q))),
    ] {
        assert_eq!(Address::from_bech32("cosmos", &text).unwrap_err().to_string(), incomplete, "{name}");
    }
}

/// `types/errors/errors.go` of the Cosmos SDK 0.50.15, and the one that 0.53 adds.
#[test]
fn errors_of_the_sdk() {
    for (error, code, text) in [
        (Sdk::TxDecode, 2, "tx parse error"),
        (Sdk::InvalidSequence, 3, "invalid sequence"),
        (Sdk::Unauthorized, 4, "unauthorized"),
        (Sdk::InsufficientFunds, 5, "insufficient funds"),
        (Sdk::UnknownRequest, 6, "unknown request"),
        (Sdk::InvalidAddress, 7, "invalid address"),
        (Sdk::InvalidPubKey, 8, "invalid pubkey"),
        (Sdk::UnknownAddress, 9, "unknown address"),
        (Sdk::InvalidCoins, 10, "invalid coins"),
        (Sdk::OutOfGas, 11, "out of gas"),
        (Sdk::MemoTooLarge, 12, "memo too large"),
        (Sdk::InsufficientFee, 13, "insufficient fee"),
        (Sdk::TooManySignatures, 14, "maximum number of signatures exceeded"),
        (Sdk::NoSignatures, 15, "no signatures supplied"),
        (Sdk::JsonMarshal, 16, "failed to marshal JSON bytes"),
        (Sdk::JsonUnmarshal, 17, "failed to unmarshal JSON bytes"),
        (Sdk::InvalidRequest, 18, "invalid request"),
        (Sdk::TxInMempoolCache, 19, "tx already in mempool"),
        (Sdk::MempoolIsFull, 20, "mempool is full"),
        (Sdk::TxTooLarge, 21, "tx too large"),
        (Sdk::KeyNotFound, 22, "key not found"),
        (Sdk::WrongPassword, 23, "invalid account password"),
        (Sdk::InvalidSigner, 24, "tx intended signer does not match the given signer"),
        (Sdk::InvalidGasAdjustment, 25, "invalid gas adjustment"),
        (Sdk::InvalidHeight, 26, "invalid height"),
        (Sdk::InvalidVersion, 27, "invalid version"),
        (Sdk::InvalidChainId, 28, "invalid chain-id"),
        (Sdk::InvalidType, 29, "invalid type"),
        (Sdk::TxTimeoutHeight, 30, "tx timeout height"),
        (Sdk::UnknownExtensionOptions, 31, "unknown extension options"),
        (Sdk::WrongSequence, 32, "incorrect account sequence"),
        (Sdk::PackAny, 33, "failed packing protobuf message to Any"),
        (Sdk::UnpackAny, 34, "failed unpacking protobuf message from Any"),
        (Sdk::Logic, 35, "internal logic error"),
        (Sdk::Conflict, 36, "conflict"),
        (Sdk::NotSupported, 37, "feature not supported"),
        (Sdk::NotFound, 38, "not found"),
        (Sdk::Io, 39, "Internal IO error"),
        (Sdk::AppConfig, 40, "error in app.toml"),
        (Sdk::InvalidGasLimit, 41, "invalid gas limit"),
        (Sdk::TxTimeout, 42, "tx timeout"),
    ] {
        assert_eq!(error.text(), text);
        assert_eq!(error.with("why"), TxError::new("sdk", code, format!("why: {text}")));
    }
}
