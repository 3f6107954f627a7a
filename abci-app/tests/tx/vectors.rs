//! Sign bytes, signatures and results that the Cosmos SDK wrote.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use geodesic_app::tx::sign::{SignerData, sign_bytes};
use geodesic_app::tx::verify::Curve;
use geodesic_app::tx::{self, TxMsg, Verifier};
use geodesic_auth::PubKey;
use geodesic_core::address::AddressError;
use geodesic_core::{Address, TxError};
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::prost_types::Any;
use k256::ecdsa::signature::Verifier as _;
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{pub_key, secret, sign};

/// A message of any type, signed by the vectors' first key.
struct Whatever;

impl TxMsg for Whatever {
    fn decode(_: &Any) -> Result<Self, TxError> {
        Ok(Self)
    }
    fn validate_basic(&self) -> Result<(), TxError> {
        Ok(())
    }
    fn signers(&self, prefix: &str) -> Result<Vec<Address>, AddressError> {
        Ok(vec![Address::from_bech32(prefix, "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4")?])
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn sign_bytes_and_signatures_of_the_sdk() {
    let vectors: Value = serde_json::from_str(include_str!("fixtures/sign.json")).unwrap();
    let key = PubKey::Secp256k1(bytes(&vectors["public"]).try_into().unwrap());
    let verifier = Verifier::default();
    let messages = vectors["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 52);
    for vector in messages {
        let name = &vector["type_url"];
        let (tx, decoded) = tx::decode::<Whatever>(&bytes(&vector["tx"]), "cosmos").unwrap();
        assert_eq!((decoded.len(), tx.body.messages[0].type_url.as_str()), (1, name.as_str().unwrap()));
        let address = &tx.signers().unwrap()[0];
        assert_eq!(tx.fee_payer().unwrap(), address);
        assert_eq!(tx.pub_keys, [Some(key.clone())], "{name}");

        let signer = SignerData {
            address,
            pub_key: &key,
            chain_id: vectors["chain_id"].as_str().unwrap(),
            account_number: vectors["account_number"].as_u64().unwrap(),
            sequence: vectors["sequence"].as_u64().unwrap(),
        };
        let message = sign_bytes(SignMode::Direct.into(), signer, &tx).unwrap();
        assert_eq!(message, bytes(&vector["direct_sign_bytes"]), "{name}");
        let amino = sign_bytes(SignMode::LegacyAminoJson.into(), signer, &tx).unwrap();
        assert_eq!(String::from_utf8(amino).unwrap(), vector["amino_sign_bytes"].as_str().unwrap(), "{name}");
        let data = tx.signatures().unwrap()[0].data.as_ref().unwrap();
        let signed = |mode| sign_bytes(mode, signer, &tx);
        verifier.check(&key, data, &signed).unwrap();
        let other = SignerData { account_number: 41, ..signer };
        assert!(verifier.check(&key, data, &|mode| sign_bytes(mode, other, &tx)).is_err(), "{name}");
    }
}

/// Two signers, of whom the second pays: `DIRECT_AUX` next to `DIRECT` and to amino JSON, of keys of both curves.
#[test]
fn signers_who_do_not_pay() {
    let vectors: Value = serde_json::from_str(include_str!("fixtures/aux.json")).unwrap();
    let (verifier, rows) = (Verifier::default(), vectors["txs"].as_array().unwrap());
    assert_eq!(rows.len(), 4);
    for row in rows {
        let (tx, _) = tx::decode::<Whatever>(&bytes(&row["tx"]), "cosmos").unwrap();
        let keys: Vec<_> = tx.pub_keys.iter().map(|key| key.clone().unwrap()).collect();
        let addresses: Vec<_> = keys.iter().map(PubKey::address).collect();
        let texts: Vec<_> = addresses.iter().map(|a| Value::from(a.to_bech32("cosmos"))).collect();
        assert_eq!(row["signers"], Value::from(texts), "the addresses of the keys");
        assert_eq!(*tx.fee_payer().unwrap(), addresses[1]);
        for (i, pub_key) in keys.iter().enumerate() {
            let mode = i32::try_from(row["modes"][i].as_i64().unwrap()).unwrap();
            let signature = &tx.signatures().unwrap()[i];
            let signer = SignerData {
                address: &addresses[i],
                pub_key,
                chain_id: vectors["chain_id"].as_str().unwrap(),
                account_number: row["numbers"][i].as_u64().unwrap(),
                sequence: signature.sequence,
            };
            assert_eq!(sign_bytes(mode, signer, &tx).unwrap(), bytes(&row["sign_bytes"][i]));
            let data = signature.data.as_ref().unwrap();
            verifier.check(pub_key, data, &|mode| sign_bytes(mode, signer, &tx)).unwrap();
            let other = SignerData { sequence: 99, account_number: 99, ..signer };
            assert!(verifier.check(pub_key, data, &|mode| sign_bytes(mode, other, &tx)).is_err());
        }
    }
}

#[test]
fn what_the_sdk_decodes_and_what_not() {
    let vectors: Value = serde_json::from_str(include_str!("fixtures/decode.json")).unwrap();
    let rows = vectors["txs"].as_array().unwrap();
    assert_eq!(rows.len(), 48);
    for row in rows {
        let what = row["what"].as_str().unwrap();
        let result = tx::decode::<Whatever>(&bytes(&row["tx"]), "cosmos")
            .and_then(|(_, messages)| tx::validate_messages(&messages));
        let early = matches!(what, "garbage" | "trailing unknown field" | "no messages");
        let want = early.then(|| (row["codespace"].as_str().unwrap(), row["code"].as_u64().unwrap()));
        assert_eq!(result.err().map(|e| (e.codespace, u64::from(e.code))), want, "{what}");
    }
}

/// Order of the curve, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
    0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// `ORDER - s`: the other signature of the same message.
fn flip(signature: &[u8]) -> Vec<u8> {
    let mut out = signature.to_vec();
    let mut borrow = 0;
    for i in (0..32).rev() {
        let digit = i32::from(ORDER[i]) - i32::from(signature[32 + i]) - borrow;
        borrow = i32::from(digit < 0);
        out[32 + i] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    out
}

#[test]
fn signatures_have_one_form() {
    let (verifier, message) = (Verifier::default(), b"message".as_slice());
    let PubKey::Secp256k1(key) = pub_key(1) else { panic!("a single key") };
    let good = sign(1, message);
    let long = [good.as_slice(), &[0]].concat();
    for (name, signature, want) in [
        ("low s", good.clone(), true),
        ("again, from memory", good.clone(), true),
        ("high s", flip(&good), false),
        ("low s after high s", good.clone(), true),
        ("short", good[..63].to_vec(), false),
        ("long", long, false),
        ("empty", vec![], false),
        ("zero", vec![0; 64], false),
        ("order", [ORDER, ORDER].concat(), false),
        ("of another key", sign(2, message), false),
        ("of another message", sign(1, b"massage"), false),
    ] {
        assert_eq!(verifier.ecdsa(Curve::Secp256k1, &key, message, &signature), want, "{name}");
    }
    assert!(!verifier.ecdsa(Curve::Secp256k1, &[2; 33], message, &good), "key off the curve or another's");
    assert!(!verifier.ecdsa(Curve::Secp256k1, &[0; 33], message, &good), "no key");
}

#[test]
fn signatures_of_secp256r1_have_one_form() {
    use p256::ecdsa::signature::Signer as _;
    let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let key: [u8; 33] = secret.verifying_key().to_encoded_point(true).as_bytes().try_into().unwrap();
    let signature: p256::ecdsa::Signature = secret.sign(b"message");
    let low = signature.normalize_s().unwrap_or(signature);
    let high = p256::ecdsa::Signature::from_scalars(low.r(), -*low.s()).unwrap();
    let (low, high): (Vec<u8>, Vec<u8>) = (low.to_bytes().to_vec(), high.to_bytes().to_vec());
    let verifier = Verifier::default();
    for (name, message, signature, want) in [
        ("low s", b"message".as_slice(), low.clone(), true),
        ("again, from memory", b"message", low.clone(), true),
        ("high s", b"message", high, false),
        ("another message", b"massage", low.clone(), false),
        ("short", b"message", low[..63].to_vec(), false),
        ("zero", b"message", vec![0; 64], false),
        ("order", b"message", vec![0xff; 64], false),
    ] {
        assert_eq!(verifier.ecdsa(Curve::Secp256r1, &key, message, &signature), want, "{name}");
    }
    assert!(!verifier.ecdsa(Curve::Secp256k1, &key, b"message", &low), "what is remembered is of one curve");
}

fn k256_says(key: &[u8; 33], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = k256::ecdsa::VerifyingKey::from_sec1_bytes(key) else { return false };
    let Ok(signature) = k256::ecdsa::Signature::from_slice(signature) else { return false };
    signature.normalize_s().is_none() && key.verify(message, &signature).is_ok()
}

proptest! {
    /// The C library and the Rust one agree on signatures that are right, damaged, or flipped.
    #[test]
    fn two_libraries_agree(
        byte in 1..u8::MAX,
        message: Vec<u8>,
        damage in prop::option::of((0..97_usize, 1..=u8::MAX)),
        flipped: bool,
    ) {
        let mut key = secret(byte).public_key(&secp256k1::Secp256k1::new()).serialize();
        let mut signature = sign(byte, &message);
        if flipped {
            signature = flip(&signature);
        }
        if let Some((at, by)) = damage {
            if at < 64 { signature[at] ^= by } else { key[at - 64] ^= by }
        }
        let ours = Verifier::default().ecdsa(Curve::Secp256k1, &key, &message, &signature);
        prop_assert_eq!(ours, k256_says(&key, &message, &signature));
        prop_assert_eq!(ours, damage.is_none() && !flipped);
    }
}
