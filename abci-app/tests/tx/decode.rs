//! Hostile bytes.

use geodesic_app::tx::{self, MAX_TX_BYTES};
use geodesic_core::TxError;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgBurn;
use geodesic_proto::cosmos::crypto::secp256k1;
use geodesic_proto::cosmos::tx::v1beta1::{Fee, ModeInfo};
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;
use proptest::prelude::*;

use crate::support::{Draft, Send, coin, send, send_text};

fn decode(bytes: &[u8]) -> Result<(tx::Tx, Vec<Send>), TxError> {
    tx::decode(bytes, "geo")
}

fn code(bytes: &[u8]) -> (&'static str, u32, String) {
    let e = decode(bytes).unwrap_err();
    (e.codespace, e.code, e.log)
}

/// A draft with its auth info or body replaced by other bytes.
fn with(change: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = Draft::default();
    change(&mut draft);
    draft.bytes()
}

#[test]
fn a_transaction_keeps_the_bytes_that_are_signed() {
    let draft = Draft::default();
    let (tx, messages) = decode(&draft.bytes()).unwrap();
    assert_eq!(
        (tx.body_bytes, tx.auth_info_bytes),
        (draft.body.encode_to_vec(), draft.auth_info.encode_to_vec())
    );
    assert_eq!((tx.size, messages.len(), tx.has_non_critical), (draft.bytes().len(), 1, false));
}

#[test]
fn bytes_that_are_no_transaction() {
    let good = Draft::default().bytes();
    let body = Draft::default().body.encode_to_vec();
    assert_eq!(usize::from(good[1]), body.len(), "its length takes one byte");
    let (head, rest) = good.split_at(2 + body.len());
    let not_minimal = [&[0x0a, good[1] | 0x80, 0], &good[2..]].concat();
    let mut deep = Any::default();
    for _ in 0..40 {
        deep = Any { type_url: "/google.protobuf.Any".into(), value: deep.encode_to_vec() };
    }
    let bad_key = any::pack(&secp256k1::PubKey { key: vec![2; 32] });
    for (name, bytes, want) in [
        ("cut short", good[..good.len() - 1].to_vec(), "ends inside"),
        ("field at the end", [good.as_slice(), &[0x7a, 1, 0]].concat(), "no field 15"),
        ("non-critical field at the end", [good.as_slice(), &[0x82, 0x40, 1, 0]].concat(), "no field 1024"),
        ("body behind", [rest, head].concat(), "ADR-027"),
        ("body twice", [head, good.as_slice()].concat(), "ADR-027"),
        ("long length", not_minimal, "not as short as possible"),
        ("group", vec![0x0b, 0x0c], "group"),
        (
            "unknown message",
            with(|d| d.body.messages = vec![Any { type_url: "/x.Y".into(), value: vec![] }]),
            "/x.Y",
        ),
        ("message nobody runs", with(|d| d.body.messages = vec![any::pack(&MsgBurn::default())]), "MsgSend"),
        ("message that does not decode", with(|d| d.body.messages[0].value = vec![0xff]), "MsgSend"),
        (
            "unknown field in a message",
            with(|d| d.body.messages[0].value.extend([0x7a, 1, 0])),
            "no field 15",
        ),
        ("nested deeply", with(|d| d.body.extension_options = vec![deep.clone()]), "nested deeper"),
        (
            "key of a wrong size",
            with(|d| d.auth_info.signer_infos[0].public_key = Some(bad_key.clone())),
            "32 bytes",
        ),
        ("key of no type", with(|d| d.auth_info.signer_infos[0].public_key = Some(send(1))), "not supported"),
        ("amount of no number", with(|d| d.fee().amount = vec![coin("ugeo", "5x")]), "5x"),
        ("amount above 256 bits", with(|d| d.fee().amount = vec![coin("ugeo", &"9".repeat(78))]), "999"),
    ] {
        let (codespace, code, log) = code(&bytes);
        assert_eq!((codespace, code), ("sdk", 2), "{name}: {log}");
        assert!(log.contains(want), "{name}: {log}");
        assert!(log.ends_with(": tx parse error"), "{name}: {log}");
    }
    let (codespace, code, log) = code(&vec![0; MAX_TX_BYTES + 1]);
    assert_eq!((codespace, code), ("sdk", 21), "{log}");
}

#[test]
fn fields_that_may_be_ignored_only_in_the_body() {
    let mut draft = Draft::default();
    draft.body.messages[0].value.extend([0x82, 0x40, 1, 0]); // field 1024
    assert!(decode(&draft.bytes()).unwrap().0.has_non_critical);
}

#[test]
fn nothing_at_all() {
    let (tx, messages) = decode(&[]).unwrap();
    assert!(messages.is_empty() && tx.fee().is_err() && tx.signers().unwrap().is_empty());
    let e = tx::validate_messages(&messages).unwrap_err();
    assert_eq!((e.code, e.log.as_str()), (18, "must contain at least one message: invalid request"));
}

#[test]
fn signers_are_unique_and_the_payer_comes_last() {
    let payer = crate::support::address(3).to_bech32("geo");
    let bytes = with(|d| {
        d.body.messages = vec![send(2), send(1), send(2)];
        d.auth_info.fee = Some(Fee { payer: payer.clone(), ..Fee::default() });
    });
    let (tx, _) = decode(&bytes).unwrap();
    assert_eq!(tx.signers().unwrap(), [2, 1, 3].map(crate::support::address));
    assert_eq!(tx.fee_payer().unwrap().to_bech32("geo"), payer);

    let (tx, _) = decode(&with(|d| d.body.messages = vec![send_text("cosmos1", "")])).unwrap();
    let e = tx.signers().unwrap_err();
    assert_eq!((e.codespace, e.code), ("undefined", 1));
}

#[test]
fn modes_and_signatures_that_do_not_belong_together() {
    let one = |mode_info: Option<ModeInfo>, signatures: Vec<Vec<u8>>| {
        let mut draft = Draft::default();
        draft.auth_info.signer_infos[0].mode_info = mode_info;
        decode(&draft.raw(signatures)).unwrap().0.signatures().map(<[_]>::len).map_err(|e| (e.code, e.log))
    };
    let direct = Draft::default().auth_info.signer_infos[0].mode_info.clone();
    assert_eq!(one(direct.clone(), vec![vec![1]]), Ok(1));
    assert_eq!(one(None, vec![]), Ok(1), "as the SDK: no mode, no signature");
    assert_eq!(one(direct, vec![]).unwrap_err().0, 4);
    assert_eq!(one(Some(ModeInfo { sum: None }), vec![vec![1]]).unwrap_err().0, 4);
}

fn survives(bytes: &[u8]) {
    if let Ok((tx, messages)) = decode(bytes) {
        let _ = tx::validate_messages(&messages);
        let mut ctx = crate::support::chain(geodesic_core::ExecMode::Finalize);
        let _ = crate::support::run(&mut ctx, &tx);
        let mut ctx = crate::support::chain(geodesic_core::ExecMode::Simulate);
        let _ = crate::support::run(&mut ctx, &tx);
        let _ = tx::priority(&tx);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        survives(&bytes);
    }

    /// Random parts in a well-formed envelope reach further.
    #[test]
    fn random_parts_never_panic(body: Vec<u8>, auth: Vec<u8>, signatures in prop::collection::vec(any::<Vec<u8>>(), 0..3)) {
        let raw = geodesic_proto::cosmos::tx::v1beta1::TxRaw { body_bytes: body, auth_info_bytes: auth, signatures };
        survives(&raw.encode_to_vec());
    }

    #[test]
    fn damaged_transactions_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = Draft::default().bytes();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        survives(&bytes);
    }

    #[test]
    fn damaged_multisignatures_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = crate::multisig::draft(&[1, 2], &[1, 2]);
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        survives(&bytes);
    }
}
