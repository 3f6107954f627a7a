//! Both forms of amino against the answers of the Go SDK's `TxEncodeAmino` and `TxDecodeAmino` (0.50.15).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use geodesic_proto::amino::{Codec, MAX_BYTES};
use geodesic_proto::pool;
use serde_json::Value;

/// What the SDK takes and we do not: numbers that are not canonical, halves of a surrogate, types of no message of this chain.
const REFUSED: [&str; 9] = [
    "account as message",
    "amount in hex",
    "amount of hex",
    "amount of zeros",
    "amount with plus",
    "amount with underscore",
    "amount with zeros",
    "memo with escapes",
    "params as message",
];

/// Where the text is of our JSON parser or clock.
const OTHER_TEXT: [&str; 5] =
    ["evidence time wrong", "gas of words", "gas with zeros", "more behind", "no JSON"];

fn codec() -> Codec {
    let messages: Vec<_> = pool().all_messages().map(|m| m.full_name().to_owned()).collect();
    let here = ["cosmos.auth", "cosmos.bank", "cosmos.consensus", "cosmos.evidence", "cosmos.slashing"];
    let here = |name: &str| {
        let module = here.iter().any(|module| name.starts_with(module));
        (module || name.starts_with("cosmos.staking") || name.starts_with("geodesic.")) && is_msg(name)
    };
    Codec::new(messages.iter().map(String::as_str).filter(|name| here(name)))
}

fn is_msg(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|m| m.starts_with("Msg") && !m.ends_with("Response"))
}

fn rows(which: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("fixtures/amino.json")).unwrap();
    vectors[which].as_array().unwrap().clone()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or("")
}

fn compare(row: &Value, ours: Result<String, String>, form: &str) {
    let name = text(row, "name");
    let (error, panics) = (text(row, "error"), row["panic"] == true);
    match ours {
        Ok(ours) => assert_eq!(ours, text(row, form), "{name}: {error}"),
        Err(_) if panics || OTHER_TEXT.contains(&name) => assert!(!error.is_empty(), "{name}"),
        Err(ours) if REFUSED.contains(&name) => assert!(error.is_empty(), "{name}: {ours}"),
        Err(ours) => assert_eq!(ours, error, "{name}"),
    }
}

#[test]
fn binary_is_what_the_sdk_makes_of_json() {
    let codec = codec();
    let rows = rows("encode");
    assert!(rows.len() > 120);
    for row in rows {
        compare(&row, codec.to_binary(text(&row, "json")).map(hex::encode).map_err(|e| e.to_string()), "hex");
    }
}

#[test]
fn json_is_what_the_sdk_makes_of_binary() {
    let codec = codec();
    let rows = rows("decode");
    assert!(rows.len() > 150);
    for row in rows {
        let bytes = hex::decode(text(&row, "hex")).unwrap();
        let all = hex::encode_upper(&bytes);
        let short = |text: String| match all.get(8..).filter(|rest| !rest.is_empty()) {
            Some(rest) => text.replace(&all, "ALL").replace(rest, "REST"),
            None => text.replace(&all, "ALL"),
        };
        compare(&row, codec.to_json(&bytes).map_err(|e| short(e.to_string())), "json");
    }
}

/// What one form gives, the other takes: for our own messages as well, which no Go program knows.
#[test]
fn both_forms_give_each_other() {
    let codec = codec();
    let wrap = |message: &str| {
        format!(
            r#"{{"type":"cosmos-sdk/StdTx","value":{{"msg":[{message}],"fee":{{"amount":[],"gas":"1"}},"signatures":null,"memo":"m","timeout_height":"0"}}}}"#
        )
    };
    let claim = r#"{"type":"geodesic/MsgClaim","value":{"sender":"geo1a","participant":"geo1b","epochs":["1","300","0"]}}"#;
    let demand = r#"{"type":"geodesic/MsgDemand","value":{"sender":"geo1a","epoch":"7","vrf_output":"AQI=","positions":[0,5,4294967295]}}"#;
    for (message, end) in [
        (claim, "0a0567656f31611205 67656f3162 1a04 01ac0200"),
        (demand, "0a0567656f3161 1807 22020102 3a07 0005ffffffff0f"),
    ] {
        let json = wrap(message);
        let binary = codec.to_binary(&json).unwrap();
        assert_eq!(codec.to_json(&binary).unwrap(), json);
        assert!(hex::encode(&binary).contains(&end.replace(' ', "")), "{}", hex::encode(&binary));
    }
    let accuse = codec.to_binary(&wrap(r#"{"type":"geodesic/MsgAccuse","value":{}}"#)).unwrap_err();
    assert_eq!(accuse.to_string(), "unrecognized concrete type name geodesic/MsgAccuse"); // a oneof
}

/// Nested keys and large requests cost little and end in an error.
#[test]
fn sizes_and_depths_are_bounded() {
    let codec = codec();
    let mut key = r#"{"type":"tendermint/PubKeySecp256k1","value":null}"#.to_owned();
    let tx = |key: &str| {
        format!(r#"{{"type":"cosmos-sdk/StdTx","value":{{"signatures":[{{"pub_key":{key}}}]}}}}"#)
    };
    for _ in 0..15 {
        key = format!(
            r#"{{"type":"tendermint/PubKeyMultisigThreshold","value":{{"threshold":"1","pubkeys":[{key}]}}}}"#
        );
    }
    let deepest = codec.to_binary(&tx(&key)).unwrap();
    assert_eq!(
        codec.to_json(&deepest).unwrap_err().to_string().split(" after").next(),
        Some("unmarshal to types.PubKey failed"), // the innermost key is too short
    );
    let key = format!(
        r#"{{"type":"tendermint/PubKeyMultisigThreshold","value":{{"threshold":"1","pubkeys":[{key}]}}}}"#
    );
    let error = codec.to_binary(&tx(&key)).unwrap_err().to_string();
    assert_eq!(error, "interfaces are nested deeper than 16 levels");

    let error = codec.to_json(&vec![0; MAX_BYTES + 1]).unwrap_err().to_string();
    assert_eq!(error, "a transaction of 1048577 bytes, at most 1048576 are read");
    let error = codec.to_binary(&" ".repeat(MAX_BYTES + 1)).unwrap_err().to_string();
    assert_eq!(error, "a transaction of 1048577 characters, at most 1048576 are read");
    let long = [hex::decode("282816a90a").unwrap(), vec![0xff; 100_000]].concat();
    assert!(codec.to_json(&long).unwrap_err().to_string().len() < 2500);
}
