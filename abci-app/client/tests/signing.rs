//! Signing in both modes, for one key and for a group, against what the Cosmos SDK makes (`fixtures/sign.json`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_client::account_key::{AccountKey, Group};
use geodesic_client::key::SecretKey;
use geodesic_client::sign_doc::Mode;
use geodesic_client::signers::signers;
use geodesic_client::signing::{Error, encode, join, set_signatures, sign, signatures, verify};
use geodesic_client::tx::{Draft, Place};
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::tx::v1beta1::{Tx, TxRaw};
use prost::Message as _;
use serde_json::Value;

const PLACE: Place<'_> = Place { chain_id: "vectors-1", account_number: 42, sequence: 7 };

fn vectors() -> Value {
    serde_json::from_str(include_str!("fixtures/sign.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn tx_of(message: &Value) -> Tx {
    let raw = TxRaw::decode(bytes(&message["tx"]).as_slice()).unwrap();
    Tx {
        body: Some(prost::Message::decode(raw.body_bytes.as_slice()).unwrap()),
        auth_info: Some(prost::Message::decode(raw.auth_info_bytes.as_slice()).unwrap()),
        signatures: raw.signatures,
    }
}

#[test]
fn sign_bytes_and_signatures_are_the_sdks_for_every_message() {
    let vectors = vectors();
    let secret = SecretKey::from_bytes(&bytes(&vectors["keys"][0]["private"])).unwrap();
    let (mut direct, mut amino) = (0, 0);
    for message in vectors["messages"].as_array().unwrap() {
        let (name, mut tx) = (&message["type_url"], tx_of(message));
        assert_eq!(encode(&tx).bytes, bytes(&message["tx"]), "{name}");
        assert_eq!(
            Mode::Direct.sign_bytes(&tx, PLACE).unwrap(),
            bytes(&message["direct_sign_bytes"]),
            "{name}"
        );
        let signature = signatures(&tx).unwrap().remove(0);
        verify(&secret.public().into(), &signature.data.unwrap(), &tx, PLACE).unwrap();
        direct += 1;
        if let Some(doc) = message["amino_sign_bytes"].as_str().filter(|doc| !doc.is_empty()) {
            assert_eq!(
                String::from_utf8(Mode::AminoJson.sign_bytes(&tx, PLACE).unwrap()).unwrap(),
                doc,
                "{name}"
            );
            amino += 1;
        }
        // Signed anew: the same bytes, as signatures are deterministic.
        sign(&mut tx, &secret, Mode::Direct, PLACE, true).unwrap();
        assert_eq!(encode(&tx).bytes, bytes(&message["tx"]), "{name}");
    }
    assert!(direct == 52 && amino > 45, "{direct} and {amino} messages");
}

#[test]
fn the_signers_of_every_message_of_the_sdk_are_found() {
    let vectors = vectors();
    let secret = SecretKey::from_bytes(&bytes(&vectors["keys"][0]["private"])).unwrap();
    for message in vectors["messages"].as_array().unwrap() {
        assert_eq!(
            signers(&tx_of(message)).unwrap(),
            [secret.public().address().to_vec()],
            "{}",
            message["type_url"]
        );
    }
}

fn transfer() -> Tx {
    let message = MsgSend { from_address: "geo1x".into(), to_address: "geo1y".into(), amount: Vec::new() };
    Draft { messages: vec![any::pack(&message)], gas: 200_000, ..Draft::default() }.unsigned()
}

fn keys() -> [SecretKey; 3] {
    [1, 2, 3].map(|n| SecretKey::from_bytes(&[n; 32]).unwrap())
}

fn group() -> Group {
    Group::new(2, keys().iter().map(|key| key.public().into()).collect()).unwrap()
}

/// The signature of one member, as `tx sign --multisig --signature-only` makes it.
fn part(tx: &Tx, key: &SecretKey) -> geodesic_proto::cosmos::tx::signing::v1beta1::SignatureDescriptor {
    let mut tx = tx.clone();
    sign(&mut tx, key, Mode::AminoJson, PLACE, true).unwrap();
    signatures(&tx).unwrap().remove(0)
}

#[test]
fn any_two_of_three_sign_for_the_group_in_any_order() {
    let (group, keys) = (group(), keys());
    for (name, members, valid) in [
        ("first two", vec![0, 1], true),
        ("out of order", vec![2, 0], true),
        ("all", vec![1, 2, 0], true),
        ("one", vec![1], false),
        ("the same twice", vec![1, 1], false),
    ] {
        let mut tx = transfer();
        let parts: Vec<_> = members.iter().map(|i| part(&tx, &keys[*i])).collect();
        set_signatures(&mut tx, &[join(&group, PLACE.sequence, &parts).unwrap()]);
        // What a node gets is what was put together.
        let raw = TxRaw::decode(encode(&tx).bytes.as_slice()).unwrap();
        assert_eq!(raw.signatures, tx.signatures);
        let found = signatures(&tx).unwrap().remove(0);
        let key = AccountKey::from_any(&found.public_key.unwrap()).unwrap();
        assert_eq!(key, AccountKey::Group(group.clone()));
        assert_eq!(verify(&key, &found.data.clone().unwrap(), &tx, PLACE).is_ok(), valid, "{name}");
        let elsewhere = Place { chain_id: "vectors-2", ..PLACE };
        assert!(
            verify(&key, &found.data.unwrap(), &tx, elsewhere).is_err(),
            "{name}: the chain id is signed"
        );
    }
}

#[test]
fn a_stranger_does_not_sign_for_the_group() {
    let tx = transfer();
    let stranger = part(&tx, &SecretKey::from_bytes(&[9; 32]).unwrap());
    assert!(matches!(join(&group(), 0, std::slice::from_ref(&stranger)), Err(Error::NotOfGroup(_))));
    // Nor does another's signature under a member's name.
    let mut forged = stranger;
    forged.public_key = Some(AccountKey::from(keys()[0].public()).to_any());
    let joined = join(&group(), 0, &[forged, part(&tx, &keys()[1])]).unwrap();
    assert!(verify(&AccountKey::Group(group()), &joined.data.unwrap(), &tx, PLACE).is_err());
}

#[test]
fn a_second_direct_signature_is_refused_and_amino_ones_are_added() {
    let [a, b, _] = keys();
    let mut tx = transfer();
    sign(&mut tx, &a, Mode::Direct, PLACE, false).unwrap();
    assert!(matches!(sign(&mut tx.clone(), &b, Mode::Direct, PLACE, false), Err(Error::SecondDirect)));
    let mut tx = transfer();
    for key in [&a, &b] {
        sign(&mut tx, key, Mode::AminoJson, PLACE, false).unwrap();
    }
    let found = signatures(&tx).unwrap();
    for (key, signature) in [a, b].iter().zip(found) {
        verify(&key.public().into(), &signature.data.unwrap(), &tx, PLACE).unwrap();
    }
    tx.signatures.pop();
    assert!(matches!(signatures(&tx), Err(Error::Malformed { .. })));
}
