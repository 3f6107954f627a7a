//! Signers who leave the fee to another: `SIGN_MODE_DIRECT_AUX`.

use geodesic_app::tx::sign::{SignerData, sign_bytes};
use geodesic_core::ExecMode;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::{SignDocDirectAux, Tip};
use geodesic_proto::prost::Message;

use crate::support::*;

/// Account 2 sends, account 1 pays, both with these modes.
fn draft(sender: SignMode, payer: SignMode) -> Draft {
    let mut draft = Draft::default();
    draft.body.messages = vec![send(2)];
    draft.fee().payer = address(1).to_bech32("geo");
    draft.auth_info.signer_infos = vec![info(Some(key_any(2)), 0), info(Some(key_any(1)), 0)];
    draft.auth_info.signer_infos[0].mode_info = single(sender);
    draft.auth_info.signer_infos[1].mode_info = single(payer);
    draft
}

/// What account 2 signs.
fn document(draft: &Draft) -> SignDocDirectAux {
    SignDocDirectAux {
        body_bytes: draft.body.encode_to_vec(),
        public_key: Some(key_any(2)),
        chain_id: CHAIN.into(),
        account_number: 2,
        ..SignDocDirectAux::default()
    }
}

fn amino(draft: &Draft, byte: u8, number: u64) -> Vec<u8> {
    let (address, key) = (address(byte), pub_key(byte));
    let signer =
        SignerData { address: &address, pub_key: &key, chain_id: CHAIN, account_number: number, sequence: 0 };
    sign_bytes(SignMode::LegacyAminoJson.into(), signer, &decoded(&draft.raw(vec![]))).unwrap()
}

#[test]
fn the_payer_signs_the_fee_and_the_sender_does_not() {
    for (name, mode) in [("direct", SignMode::Direct), ("amino", SignMode::LegacyAminoJson)] {
        let mut draft = draft(SignMode::DirectAux, mode);
        let of_sender = sign(2, &document(&draft).encode_to_vec());
        // The payer settles the fee after the sender signed.
        draft.fee().amount = vec![coin("ugeo", "777")];
        let of_payer = match mode {
            SignMode::Direct => sign(1, &draft.sign_doc(1)),
            _ => sign(1, &amino(&draft, 1, 1)),
        };
        for exec in [ExecMode::Check, ExecMode::Finalize] {
            let mut ctx = chain(exec);
            run(&mut ctx, &decoded(&draft.raw(vec![of_sender.clone(), of_payer.clone()])))
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(fees_of(&ctx, &address(1)).as_deref(), Some("777ugeo"), "{name}");
        }
        draft.fee().amount = vec![coin("ugeo", "778")];
        let e = run(&mut chain(ExecMode::Finalize), &decoded(&draft.raw(vec![of_sender, of_payer])));
        assert_eq!(e.unwrap_err().code, 4, "{name}: the payer's signature covers the fee");
    }
}

#[test]
fn without_a_named_payer_the_first_signer_pays() {
    let mut draft = draft(SignMode::Direct, SignMode::DirectAux);
    draft.body.messages = vec![send(2), send(1)];
    draft.fee().payer.clear();
    let document = SignDocDirectAux { public_key: Some(key_any(1)), account_number: 1, ..document(&draft) };
    let signatures = vec![sign(2, &draft.sign_doc(2)), sign(1, &document.encode_to_vec())];
    let mut ctx = chain(ExecMode::Finalize);
    run(&mut ctx, &decoded(&draft.raw(signatures))).unwrap();
    assert_eq!(fees_of(&ctx, &address(2)).as_deref(), Some("300ugeo"));
}

#[test]
fn what_is_refused() {
    type Change = fn(&mut SignDocDirectAux);
    let rows: &[(&str, Change)] = &[
        ("another body", |d| d.body_bytes.push(0)),
        ("another key", |d| d.public_key = Some(key_any(1))),
        ("no key", |d| d.public_key = None),
        ("another chain", |d| d.chain_id = "other".into()),
        ("another number", |d| d.account_number = 1),
        ("another sequence", |d| d.sequence = 1),
        #[allow(deprecated)]
        ("a tip", |d| {
            let amount = vec![Coin { denom: "ugeo".into(), amount: "1".into() }];
            d.tip = Some(Tip { amount, tipper: address(2).to_bech32("geo") });
        }),
    ];
    let draft = draft(SignMode::DirectAux, SignMode::Direct);
    for (name, change) in rows {
        let mut document = document(&draft);
        change(&mut document);
        let signatures = vec![sign(2, &document.encode_to_vec()), sign(1, &draft.sign_doc(1))];
        let e = run(&mut chain(ExecMode::Finalize), &decoded(&draft.raw(signatures))).unwrap_err();
        assert_eq!(
            (e.code, e.log.as_str()),
            (
                4,
                "signature verification failed; please verify account number (2) and chain-id (test-1): \
                 (unable to verify single signer signature): unauthorized"
            ),
            "{name}"
        );
    }
}

#[test]
fn the_payer_may_not_leave_the_fee_out() {
    for (name, named) in [("named", true), ("first signer", false)] {
        let mut draft = Draft::default();
        draft.auth_info.signer_infos[0].mode_info = single(SignMode::DirectAux);
        if named {
            draft.fee().payer = address(1).to_bech32("geo");
        }
        let document =
            SignDocDirectAux { public_key: Some(key_any(1)), account_number: 1, ..document(&draft) };
        let bytes = draft.raw(vec![sign(1, &document.encode_to_vec())]);
        let e = run(&mut chain(ExecMode::Finalize), &decoded(&bytes)).unwrap_err();
        assert_eq!(
            (e.code, e.log.as_str()),
            (
                4,
                "signature verification failed; please verify account number (1) and chain-id (test-1): \
                 (the fee payer cannot sign with SIGN_MODE_DIRECT_AUX: unauthorized): unauthorized"
            ),
            "{name}"
        );
    }
}
