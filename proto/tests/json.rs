//! The JSON dialect against the answers of the Cosmos SDK 0.50.15 (`fixtures/json.json`), and its bounds.
//!
//! A fixture with `source` is JSON that the SDK read: `bytes` is its encoding of it, `json` what it writes back,
//! `refused` says that it did not. A fixture without `source` is an encoded message and the JSON of it. Made by a Go
//! program that fed ibc-go v8.8.0's test application with them: `AppCodec().UnmarshalJSON`, then `MarshalJSON`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::{GenesisState, MsgSend};
use geodesic_proto::cosmos::base::v1beta1::{Coin, DecCoin};
use geodesic_proto::cosmos::tx::v1beta1::TxBody;
use geodesic_proto::cosmos::{auth, bank, distribution, slashing, staking};
use geodesic_proto::json::{self, JsonError, Options};
use geodesic_proto::prost::{Message, Name};
use geodesic_proto::prost_types::{self, Duration};
use serde_json::{Value, json};

/// (message, value, ours): where reading differs from the SDK on purpose. `None`: refused here only, because Go reads
/// integers with prefixes, so that `"007"` is octal there. `Some`: read here as that JSON, refused there.
const DIFFERENT: &[(&str, &str, Option<&str>)] = &[
    ("Coin", "\"+1\"", None),
    ("Coin", "\"007\"", None),
    ("Coin", "\"0x10\"", None),
    ("Coin", "\"1_0\"", None),
    ("Coin", "null", Some("\"0\"")),
    ("DecCoin", "\"+1\"", None),
    ("DecCoin", "\"--1\"", None),
    ("DecCoin", "null", Some("\"0.000000000000000000\"")),
    ("Params", "\"+3s\"", None),
    ("Params", "null", Some("\"0s\"")),
    ("Params", "\"9223372037s\"", Some("\"9223372037s\"")),
    ("ValidatorSigningInfo", "null", Some("\"0001-01-01T00:00:00Z\"")),
];

/// Fields that 0.50 does not know yet.
const SINCE_0_53: [&str; 2] =
    [",\"unordered\":false,\"timeout_timestamp\":null", ",\"historical_record\":null"];

fn fixtures() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/json.json")).unwrap()
}

fn bytes(fixture: &Value) -> Vec<u8> {
    STANDARD.decode(fixture["bytes"].as_str().unwrap_or_default()).unwrap()
}

#[test]
fn writes_what_the_sdk_writes() {
    for fixture in fixtures() {
        let name = fixture["name"].as_str().unwrap();
        let got = json::bytes_to_json(name, &bytes(&fixture), Options::default());
        match fixture["json"].as_str() {
            Some(want) => {
                let got = SINCE_0_53.iter().fold(got.unwrap(), |text, later| text.replace(later, ""));
                assert_eq!(got, want, "{fixture}");
            }
            None if fixture["source"].is_null() => assert!(got.is_err(), "{fixture}"),
            None => {}
        }
    }
}

#[test]
fn reads_what_the_sdk_reads() {
    let mut different = 0;
    for fixture in fixtures() {
        let (name, refused) = (fixture["name"].as_str().unwrap(), fixture["refused"] == true);
        let Some(source) = fixture["source"].as_str().or(fixture["json"].as_str()) else { continue };
        let got = json::json_to_bytes(name, source, Options::default());
        let exception = DIFFERENT.iter().find(|(message, value, _)| {
            name.ends_with(&format!(".{message}")) && source.contains(&format!(": {value}}}"))
        });
        if let (Some((message, _, ours)), true) = (exception, fixture["source"].is_string()) {
            different += 1;
            let got = got.ok().map(|bytes| json::bytes_to_json(name, &bytes, Options::default()).unwrap());
            match ours {
                Some(ours) => assert!(got.unwrap().contains(ours), "{message} {fixture}"),
                None => assert_eq!(got, None, "{message} {fixture}"),
            }
        } else if refused {
            assert!(got.is_err(), "{fixture}");
        } else if fixture["source"].is_string() || is_canonical(&fixture) {
            let value = |bytes: &[u8]| json::bytes_to_value(name, bytes, Options::default()).unwrap();
            if name == "cosmos.genutil.v1beta1.GenesisState" {
                // Bytes that hold JSON keep its meaning, not its blanks.
                assert_eq!(value(&got.unwrap()), value(&bytes(&fixture)), "{fixture}");
            } else {
                assert_eq!(got.unwrap(), bytes(&fixture), "{fixture}");
            }
        }
    }
    assert!(different >= DIFFERENT.len(), "{different}");
}

/// Fixtures without a source whose bytes are not what an encoder writes: a field twice, a member by value left out.
fn is_canonical(fixture: &Value) -> bool {
    const BYTES: [&str; 3] = ["CgFhEgExCgFiEgEy", "CgIIARIA", "EgIQBRICCgA="];
    !BYTES.contains(&fixture["bytes"].as_str().unwrap_or_default())
}

#[test]
fn genesis_of_a_chain_reads_into_types_and_back() {
    fn check<T: Message + Name + Default>() {
        let all = fixtures();
        let genesis = all.iter().find(|f| f["name"] == T::full_name() && f["source"] != "{}").unwrap();
        let state: T = json::from_json(genesis["source"].as_str().unwrap()).unwrap();
        assert_eq!(state.encode_to_vec(), bytes(genesis), "{}", T::full_name());
        // The SDK's own genesis is in the order of the files, so the texts are the same.
        assert_eq!(json::to_json(&state).unwrap(), genesis["json"].as_str().unwrap(), "{}", T::full_name());
    }
    check::<auth::v1beta1::GenesisState>();
    check::<bank::v1beta1::GenesisState>();
    check::<distribution::v1beta1::GenesisState>();
    check::<slashing::v1beta1::GenesisState>();
    check::<staking::v1beta1::GenesisState>();
}

#[test]
fn typed_messages_round_trip() {
    let send = MsgSend {
        from_address: "a".into(),
        to_address: "b<>".into(),
        amount: vec![Coin { denom: "ugeo".into(), amount: "5".into() }],
    };
    let text = json::to_json(&send).unwrap();
    let want =
        r#"{"from_address":"a","to_address":"b\u003c\u003e","amount":[{"denom":"ugeo","amount":"5"}]}"#;
    assert_eq!(text, want);
    assert_eq!(json::from_json::<MsgSend>(&text).unwrap(), send);
    assert_eq!(json::from_value::<MsgSend>(&json::to_value(&send).unwrap()).unwrap(), send);
}

#[test]
fn decimals_are_integers_on_the_wire() {
    let coin: DecCoin = json::from_json(r#"{"denom":"ugeo","amount":"-12.5"}"#).unwrap();
    assert_eq!(coin.amount, "-12500000000000000000");
    let params: slashing::v1beta1::Params = json::from_json(r#"{"slashFractionDowntime":"0.01"}"#).unwrap();
    assert_eq!(params.slash_fraction_downtime, b"10000000000000000");
    assert_eq!(json::to_value(&params).unwrap()["slash_fraction_downtime"], "0.010000000000000000");
}

#[test]
fn well_known_types_in_any_stand_under_value() {
    let text = r#"{"@type":"/google.protobuf.Duration","value":"1.500s"}"#;
    let any: prost_types::Any = json::from_json(text).unwrap();
    assert_eq!(any::unpack::<Duration>(&any).unwrap(), Duration { seconds: 1, nanos: 500_000_000 });
    assert_eq!(json::to_json(&any).unwrap(), text);
}

#[test]
fn a_message_is_one_object() {
    for text in ["", "null", "[]", "{} {}", "5", "{", "\"{}\""] {
        assert!(json::from_json::<MsgSend>(text).is_err(), "{text}");
    }
}

#[test]
fn errors_name_the_field() {
    for (name, text, want) in [
        ("unknown field", r#"{"nope":1}"#, "unknown field \"nope\" in cosmos.bank.v1beta1.GenesisState"),
        (
            "unknown nested field",
            r#"{"params":{"x":1}}"#,
            "unknown field \"x\" in cosmos.bank.v1beta1.Params",
        ),
        (
            "malformed integer",
            r#"{"supply":[{"amount":"1.5"}]}"#,
            "cosmos.base.v1beta1.Coin.amount: expected an integer of at most 256 bits, got \"1.5\"",
        ),
        (
            "wrong type",
            r#"{"balances":5}"#,
            "cosmos.bank.v1beta1.GenesisState.balances: expected a list, got 5",
        ),
    ] {
        assert_eq!(json::from_json::<GenesisState>(text).unwrap_err().to_string(), want, "{name}");
    }
}

#[test]
fn unknown_fields_are_ignored_on_request() {
    let options = Options { ignore_unknown: true, ..Options::default() };
    let text = r#"{"from_address":"a","later":{"x":[1]},"amount":[{"denom":"b","new":true}]}"#;
    let send: MsgSend = json::from_json_with(text, options).unwrap();
    assert_eq!((send.from_address.as_str(), send.amount[0].denom.as_str()), ("a", "b"));
}

#[test]
fn two_members_of_a_oneof_are_refused() {
    let text = r#"{"single":{"mode":1},"multi":{}}"#;
    let got = json::json_to_bytes("cosmos.tx.v1beta1.ModeInfo", text, Options::default());
    assert!(matches!(got, Err(JsonError::Field { field, .. }) if field == "multi"));
}

#[test]
fn nesting_is_bounded_in_both_directions() {
    let mut deep = json!({ "@type": "/cosmos.base.v1beta1.Coin", "denom": "x", "amount": "1" });
    for _ in 0..json::MAX_DEPTH {
        deep = json!({ "@type": "/google.protobuf.Any", "value": deep });
    }
    let body = json!({ "messages": [deep] });
    let got = json::value_to_bytes("cosmos.tx.v1beta1.TxBody", &body, Options::default());
    assert!(matches!(got, Err(JsonError::TooDeep)));

    let mut any = prost_types::Any { type_url: "/cosmos.base.v1beta1.Coin".into(), value: Vec::new() };
    for _ in 0..json::MAX_DEPTH {
        any = any::pack(&any);
    }
    let body = TxBody { messages: vec![any], ..TxBody::default() };
    assert!(matches!(json::to_json(&body), Err(JsonError::TooDeep)));

    let text = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(json::from_json::<MsgSend>(&text), Err(JsonError::Syntax(_))));
}

#[test]
fn size_is_bounded_in_both_directions() {
    let options = Options { max_bytes: 100, ..Options::default() };
    let text = format!(r#"{{"from_address":"{}"}}"#, "a".repeat(100));
    assert!(matches!(json::from_json_with::<MsgSend>(&text, options), Err(JsonError::TooLarge(100))));
    // Empty coins: two bytes each here, twenty-five in JSON.
    let coins = [0x1a, 0x00].repeat(50);
    let got = json::bytes_to_json("cosmos.bank.v1beta1.MsgSend", &coins, options);
    assert!(matches!(got, Err(JsonError::TooLarge(100))));
}

#[test]
fn everything_on_the_interface_has_a_json_form() {
    use geodesic_proto::prost_reflect::Kind;
    // google.protobuf itself describes descriptors, which nobody writes as JSON.
    for message in geodesic_proto::pool().all_messages().filter(|m| m.package_name() != "google.protobuf") {
        for field in message.fields() {
            assert!(!field.is_map() && !matches!(field.kind(), Kind::Float | Kind::Double), "{field:?}");
        }
    }
}
