//! Keys, addresses, sign bytes and signatures as the Cosmos SDK makes them (`fixtures/sign.json`, SDK 0.50.15).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_client::address;
use geodesic_client::coins::parse_coins;
use geodesic_client::key::SecretKey;
use geodesic_client::tx::{Draft, Place};
use geodesic_proto::cosmos::tx::v1beta1::{SignDoc, TxBody, TxRaw};
use prost::Message as _;
use prost_types::Any;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("fixtures/sign.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn words_and_paths_give_the_sdks_keys_and_addresses() {
    let vectors = vectors();
    let keys = vectors["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 8);
    for key in keys {
        let (words, path) = (text(&key["mnemonic"]), text(&key["path"]));
        let secret = SecretKey::from_mnemonic(words, path).unwrap();
        assert_eq!(secret.to_bytes().to_vec(), bytes(&key["private"]), "{path} of {words}");
        assert_eq!(secret.public().as_bytes().to_vec(), bytes(&key["public"]));
        for (prefix, want) in key["address"].as_object().unwrap() {
            assert_eq!(address::encode(prefix, &secret.public().address()).unwrap(), text(want));
        }
    }
}

#[test]
fn sign_bytes_and_signed_transactions_are_the_sdks() {
    let vectors = vectors();
    let key = SecretKey::from_bytes(&bytes(&vectors["keys"][0]["private"])).unwrap();
    let place = Place {
        chain_id: text(&vectors["chain_id"]),
        account_number: vectors["account_number"].as_u64().unwrap(),
        sequence: vectors["sequence"].as_u64().unwrap(),
    };
    let messages = vectors["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 52);
    for message in messages {
        let value = bytes(&message["value"]);
        let want = SignDoc::decode(bytes(&message["direct_sign_bytes"]).as_slice()).unwrap();
        let body = TxBody::decode(want.body_bytes.as_slice()).unwrap();
        let draft = Draft {
            messages: vec![Any { type_url: text(&message["type_url"]).to_owned(), value }],
            memo: body.memo,
            timeout_height: body.timeout_height,
            fee: parse_coins("5000stake").unwrap(),
            gas: 200_000,
            ..Draft::default()
        };
        let name = text(&message["type_url"]);
        assert_eq!(draft.sign_bytes(&key.public(), place), bytes(&message["direct_sign_bytes"]), "{name}");

        let signed = draft.sign(&key, place);
        let raw = TxRaw::decode(signed.bytes.as_slice()).unwrap();
        let signature: [u8; 64] = raw.signatures[0].as_slice().try_into().unwrap();
        assert!(key.public().verify(&draft.sign_bytes(&key.public(), place), &signature), "{name}");
        let theirs = TxRaw::decode(bytes(&message["tx"]).as_slice()).unwrap();
        if theirs.auth_info_bytes == raw.auth_info_bytes {
            assert_eq!(signed.bytes, bytes(&message["tx"]), "{name}: signatures are deterministic");
        }
    }
}
