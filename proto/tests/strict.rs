//! The walker of unknown fields and the check of `TxRaw`, on transactions signed by the Cosmos SDK and on made-up ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_proto::prost::Message as _;
use geodesic_proto::prost::bytes::Bytes;
use geodesic_proto::prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};
use geodesic_proto::prost_types::Any;
use geodesic_proto::strict::{
    HasNonCritical, MAX_DEPTH, Policy, StrictError, check_adr027, reject_unknown_fields,
};
use geodesic_proto::{WireError, any, json, pool};
use proptest::prelude::*;

const BODY: &str = "cosmos.tx.v1beta1.TxBody";
const AUTH: &str = "cosmos.tx.v1beta1.AuthInfo";
const COIN: &str = "cosmos.base.v1beta1.Coin";

fn signed_transactions() -> Vec<Vec<u8>> {
    let fixtures: Vec<serde_json::Value> = serde_json::from_str(include_str!("fixtures/json.json")).unwrap();
    let txs = fixtures.iter().filter(|f| f["name"] == "cosmos.tx.v1beta1.Tx" && f["source"].is_null());
    txs.map(|f| STANDARD.decode(f["bytes"].as_str().unwrap()).unwrap()).collect()
}

/// A field of any number and wire type.
fn field(number: u32, wire_type: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    geodesic_proto::prost::encoding::encode_varint(u64::from(number << 3 | wire_type), &mut bytes);
    bytes.extend(rest);
    bytes
}

fn nested(number: u32, inner: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    geodesic_proto::prost::encoding::encode_varint(inner.len() as u64, &mut length);
    field(number, 2, &[&length, inner].concat())
}

#[test]
fn signed_transactions_pass() {
    let txs = signed_transactions();
    assert!(txs.len() > 10);
    for tx in txs {
        let parts = check_adr027(&tx).unwrap();
        assert_eq!(parts.signatures, 1);
        let body = reject_unknown_fields(parts.body_bytes, BODY, Policy::AllowNonCritical);
        assert_eq!(body, Ok(HasNonCritical(false)));
        let auth = reject_unknown_fields(parts.auth_info_bytes, AUTH, Policy::Strict);
        assert_eq!(auth, Ok(HasNonCritical(false)));
    }
}

#[test]
fn everything_the_sdk_encodes_passes() {
    let fixtures: Vec<serde_json::Value> = serde_json::from_str(include_str!("fixtures/json.json")).unwrap();
    for fixture in fixtures.iter().filter(|f| f["refused"].is_null()) {
        let bytes = STANDARD.decode(fixture["bytes"].as_str().unwrap_or_default()).unwrap();
        let got = reject_unknown_fields(&bytes, fixture["name"].as_str().unwrap(), Policy::Strict);
        assert_eq!(got, Ok(HasNonCritical(false)), "{fixture}");
    }
}

#[test]
fn tx_raw_has_one_encoding() {
    let nope = WireError::Truncated;
    for (name, bytes, want) in [
        ("empty", vec![], None),
        ("all parts", [nested(1, b"b"), nested(2, b"a"), nested(3, b""), nested(3, b"s")].concat(), None),
        (
            "descending",
            [nested(2, b"a"), nested(1, b"b")].concat(),
            Some(StrictError::Order { number: 1, previous: 2 }),
        ),
        (
            "body twice",
            [nested(1, b"a"), nested(1, b"b")].concat(),
            Some(StrictError::Order { number: 1, previous: 1 }),
        ),
        (
            "body after signature",
            [nested(3, b"a"), nested(1, b"b")].concat(),
            Some(StrictError::Order { number: 1, previous: 3 }),
        ),
        ("long length", field(1, 2, &[0x81, 0x00, b'b']), Some(StrictError::NotMinimal(1))),
        ("long tag", vec![0x8a, 0x00, 0x01, b'b'], Some(StrictError::NotMinimal(1))),
        ("empty body", nested(1, b""), Some(StrictError::Default(1))),
        ("empty auth info", nested(2, b""), Some(StrictError::Default(2))),
        (
            "unknown field",
            nested(4, b"x"),
            Some(StrictError::UnknownField { message: "cosmos.tx.v1beta1.TxRaw", number: 4 }),
        ),
        (
            "unknown non-critical field",
            nested(1024, b"x"),
            Some(StrictError::UnknownField { message: "cosmos.tx.v1beta1.TxRaw", number: 1024 }),
        ),
        (
            "number for a body",
            field(1, 0, &[1]),
            Some(StrictError::WireType { message: "cosmos.tx.v1beta1.TxRaw", field: "body_bytes" }),
        ),
        (
            "cut short",
            field(1, 2, &[5, b'b']),
            Some(StrictError::Malformed { message: "cosmos.tx.v1beta1.TxRaw", source: nope }),
        ),
    ] {
        assert_eq!(check_adr027(&bytes).err(), want, "{name}");
    }
}

#[test]
fn walker_rules() {
    let wire = |source| Some(StrictError::Malformed { message: COIN, source });
    let unknown = |number| Some(StrictError::UnknownField { message: COIN, number });
    let long = [&field(3, 0, &[]), [0xff; 10].as_slice()].concat();
    for (name, bytes, want) in [
        ("known", [nested(1, b"d"), nested(2, b"1")].concat(), None),
        ("order and repetition are free", [nested(2, b"1"), nested(1, b"d"), nested(2, b"2")].concat(), None),
        ("unknown", nested(3, b""), unknown(3)),
        ("unknown, non-critical by bit 11 only", field(2048, 0, &[1]), unknown(2048)),
        ("unknown, non-critical", field(1024, 0, &[1]), unknown(1024)),
        (
            "number for a string",
            field(1, 0, &[1]),
            Some(StrictError::WireType { message: COIN, field: "denom" }),
        ),
        ("group", [field(3, 3, &[]), field(3, 4, &[])].concat(), wire(WireError::Group(3))),
        ("group in place of a field", field(1, 3, &[]), wire(WireError::Group(1))),
        ("wire type 6", field(1, 6, &[]), wire(WireError::WireType { number: 1, wire_type: 6 })),
        ("field zero", field(0, 0, &[1]), wire(WireError::Tag(0))),
        ("number above 2^29", vec![0x80, 0x80, 0x80, 0x80, 0x10, 0], wire(WireError::Tag(1 << 32))),
        ("varint of eleven bytes", long, wire(WireError::Varint)),
        ("cut short", field(1, 2, &[2, b'd']), wire(WireError::Truncated)),
    ] {
        assert_eq!(reject_unknown_fields(&bytes, COIN, Policy::Strict).err(), want, "{name}");
    }
    let nothing = reject_unknown_fields(&[], "cosmos.Nothing", Policy::Strict);
    assert_eq!(nothing, Err(StrictError::UnknownMessage("cosmos.Nothing".into())));
}

#[test]
fn packed_lists_pass_and_packed_scalars_do_not() {
    let scalar = "tendermint.abci.CommitInfo";
    assert!(reject_unknown_fields(&field(1, 0, &[1]), scalar, Policy::Strict).is_ok());
    let packed = reject_unknown_fields(&nested(1, &[1]), scalar, Policy::Strict);
    assert_eq!(packed, Err(StrictError::WireType { message: "tendermint.abci.CommitInfo", field: "round" }));
    let list = "google.protobuf.SourceCodeInfo.Location";
    for path in [nested(1, &[1, 2, 3]), field(1, 0, &[1])] {
        assert!(reject_unknown_fields(&path, list, Policy::Strict).is_ok());
    }
}

#[test]
fn non_critical_fields_pass_in_a_body_with_all_it_contains() {
    let coin = [nested(1, b"d"), field(1024, 0, &[1])].concat();
    let send = Any { type_url: "/cosmos.bank.v1beta1.MsgSend".into(), value: nested(3, &coin) };
    let body = nested(1, &send.encode_to_vec());
    assert_eq!(reject_unknown_fields(&body, BODY, Policy::AllowNonCritical), Ok(HasNonCritical(true)));
    let strict = reject_unknown_fields(&body, BODY, Policy::Strict);
    assert_eq!(strict, Err(StrictError::UnknownField { message: COIN, number: 1024 }));
    let critical = Any { type_url: send.type_url, value: nested(3, &nested(3, b"")) };
    let body = nested(1, &critical.encode_to_vec());
    let got = reject_unknown_fields(&body, BODY, Policy::AllowNonCritical);
    assert_eq!(got, Err(StrictError::UnknownField { message: COIN, number: 3 }));
}

#[test]
fn any_must_name_a_known_message() {
    for url in
        ["", "/", "/nope", "cosmos.bank.v1beta1.MsgSend", "type.googleapis.com/cosmos.bank.v1beta1.MsgSend"]
    {
        let body = nested(1, &Any { type_url: url.into(), value: Vec::new() }.encode_to_vec());
        let got = reject_unknown_fields(&body, BODY, Policy::AllowNonCritical);
        assert_eq!(got, Err(StrictError::UnknownTypeUrl(url.into())));
    }
    let extra = [any::pack(&Any::default()).encode_to_vec(), nested(3, b"x")].concat();
    let got = reject_unknown_fields(&nested(1, &extra), BODY, Policy::AllowNonCritical);
    assert_eq!(got, Err(StrictError::UnknownField { message: "google.protobuf.Any", number: 3 }));
}

#[test]
fn nesting_is_bounded() {
    let levels = |count: u32| {
        let mut any = Any { type_url: "/cosmos.base.v1beta1.Coin".into(), value: Vec::new() };
        for _ in 1..count {
            any = any::pack(&any);
        }
        reject_unknown_fields(&any.encode_to_vec(), "google.protobuf.Any", Policy::Strict)
    };
    assert_eq!(levels(MAX_DEPTH - 1), Ok(HasNonCritical(false)));
    assert_eq!(levels(MAX_DEPTH), Err(StrictError::TooDeep));
    // Three bytes a level: the bound, not the stack, must stop a megabyte of it.
    let mut groups = Vec::new();
    for _ in 0..1000 {
        groups = nested(2, &nested(2, &groups));
    }
    let got = reject_unknown_fields(&groups, "cosmos.tx.v1beta1.ModeInfo", Policy::Strict);
    assert_eq!(got, Err(StrictError::TooDeep));
}

/// Messages that strangers send or that nest: everything of the pool but descriptors.
fn messages() -> Vec<MessageDescriptor> {
    pool().all_messages().filter(|m| m.package_name() != "google.protobuf").collect()
}

/// Fills a message from `entropy`; when that runs out, fields stay absent.
fn fill(
    descriptor: &MessageDescriptor,
    entropy: &mut impl Iterator<Item = u8>,
    levels: u32,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    if levels == 0 {
        return message;
    }
    if descriptor.full_name() == "google.protobuf.Any" {
        let all = messages();
        let seed = usize::from(entropy.next().unwrap_or(0)) * 7;
        let child = &all[seed % all.len()];
        let inner = fill(child, entropy, levels - 1).encode_to_vec();
        message.set_field_by_name("type_url", Value::String(format!("/{}", child.full_name())));
        message.set_field_by_name("value", Value::Bytes(Bytes::from(inner)));
        return message;
    }
    for field in descriptor.fields() {
        let Some(seed) = entropy.next() else { break };
        let count = if field.is_list() { seed % 4 } else { seed % 2 };
        let mut values: Vec<Value> = (0..count)
            .map(|_| value(&field.kind(), entropy.next().unwrap_or(0), entropy, levels - 1))
            .collect();
        if field.is_list() {
            message.set_field(&field, Value::List(values));
        } else if let Some(value) = values.pop() {
            message.set_field(&field, value);
        }
    }
    message
}

fn value(kind: &Kind, seed: u8, entropy: &mut impl Iterator<Item = u8>, levels: u32) -> Value {
    let number = i64::from(seed) * 1000 + 1;
    match kind {
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-(number as i32)),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number as u64),
        Kind::Float | Kind::Double => panic!("no floats"),
        // Digits are good strings, bytes, integers and decimals.
        Kind::String => Value::String(number.to_string()),
        Kind::Bytes => Value::Bytes(Bytes::from(number.to_string())),
        Kind::Enum(_) => Value::EnumNumber(i32::from(seed % 5)),
        Kind::Message(child) => Value::Message(fill(child, entropy, levels)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_an_encoder_writes_passes_and_an_unknown_field_fails(
        index: prop::sample::Index,
        entropy in prop::collection::vec(any::<u8>(), 0..300),
        number in 1_u32..3000,
        wire_type in prop::sample::select(vec![0_u32, 1, 2, 5]),
    ) {
        let all = messages();
        let descriptor = &all[index.index(all.len())];
        let name = descriptor.full_name();
        let mut bytes = fill(descriptor, &mut entropy.into_iter(), 8).encode_to_vec();
        let got = reject_unknown_fields(&bytes, name, Policy::Strict);
        prop_assert_eq!(got, Ok(HasNonCritical(false)), "{}", name);

        prop_assume!(descriptor.get_field(number).is_none());
        bytes.extend(field(number, wire_type, &[0; 8][..[1, 8, 1, 0, 0, 4][wire_type as usize]]));
        let strict = reject_unknown_fields(&bytes, name, Policy::Strict);
        let unknown = Err(StrictError::UnknownField { message: Box::leak(name.to_owned().into()), number });
        prop_assert_eq!(strict, unknown.clone());
        let lenient = reject_unknown_fields(&bytes, name, Policy::AllowNonCritical);
        let passes = number & 1024 != 0;
        prop_assert_eq!(lenient, if passes { Ok(HasNonCritical(true)) } else { unknown });
    }

    #[test]
    fn json_of_any_message_reads_back(index: prop::sample::Index, entropy in prop::collection::vec(any::<u8>(), 0..300)) {
        let all = messages();
        let descriptor = &all[index.index(all.len())];
        let bytes = fill(descriptor, &mut entropy.into_iter(), 8).encode_to_vec();
        let options = json::Options::default();
        // Times out of range and bytes that should be JSON have no JSON form.
        if let Ok(text) = json::bytes_to_json(descriptor.full_name(), &bytes, options) {
            let again = json::json_to_bytes(descriptor.full_name(), &text, options).unwrap();
            prop_assert_eq!(json::bytes_to_json(descriptor.full_name(), &again, options).unwrap(), text);
        }
    }

    #[test]
    fn arbitrary_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200), index: prop::sample::Index) {
        let all = messages();
        let descriptor = &all[index.index(all.len())];
        let walked = reject_unknown_fields(&bytes, descriptor.full_name(), Policy::Strict);
        let written = json::bytes_to_json(descriptor.full_name(), &bytes, json::Options::default());
        let decoded = DynamicMessage::decode(descriptor.clone(), bytes.as_slice());
        // The JSON writer is at least as strict as the decoder about what a message is.
        prop_assert!(decoded.is_ok() || written.is_err(), "{:?} {:?}", walked, written);
        prop_assert!(check_adr027(&bytes).is_err() || bytes.is_empty() || bytes[0] < 0x20);
    }
}
