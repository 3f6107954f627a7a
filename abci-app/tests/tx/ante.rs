//! Every rule of the ante steps, with the code and text that clients read.

use geodesic_app::tx::{self, Verifier};
use geodesic_auth::keeper;
use geodesic_core::{ExecMode, TxError};
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::Fee;
use geodesic_proto::prost_types::{Any, Timestamp};

use crate::support::*;

type Change = fn(&mut Draft);

fn outcome(mode: ExecMode, change: Change) -> Result<(), TxError> {
    let mut draft = Draft::default();
    change(&mut draft);
    run(&mut chain(mode), &draft.tx())
}

#[test]
fn rules_and_their_codes() {
    let rows: &[(&str, Change, u32, &str)] = &[
        ("no fee at all", |d| d.auth_info.fee = None, 2, "missing fee: tx parse error"),
        (
            "extension option",
            |d| d.body.extension_options = vec![send(1)],
            31,
            "/cosmos.bank.v1beta1.MsgSend: unknown extension options",
        ),
        (
            "gas above i64",
            |d| d.fee().gas_limit = 1 << 63,
            18,
            "invalid gas supplied; 9223372036854775808 > 9223372036854775807: invalid request",
        ),
        (
            "fee without amount",
            |d| d.fee().amount = vec![coin("ugeo", "")],
            13,
            "invalid fee provided: null: insufficient fee",
        ),
        (
            "negative fee",
            |d| d.fee().amount = vec![coin("ugeo", "-5")],
            13,
            "invalid fee provided: -5ugeo: insufficient fee",
        ),
        ("payer that is none", |d| d.fee().payer = "geo1".into(), 7, "Invalid fee payer address ("),
        ("no signature", |d| d.signers.clear(), 15, "no signatures supplied"),
        (
            "second signature missing",
            |d| d.body.messages.push(send(2)),
            4,
            "wrong number of signers; expected 2, got 1: unauthorized",
        ),
        (
            "timed out",
            |d| d.body.timeout_height = 9,
            30,
            "block height: 10, timeout height: 9: tx timeout height",
        ),
        (
            "timed out by the clock",
            |d| d.body.timeout_timestamp = Some(Timestamp { seconds: 999, nanos: 999_999_999 }),
            42,
            "block time: 1970-01-01 00:16:40 +0000 UTC, timeout timestamp: 1970-01-01 00:16:39.999999999 +0000 UTC: tx timeout",
        ),
        (
            "long memo",
            |d| d.body.memo = "x".repeat(257),
            12,
            "maximum number of characters is 256 but received 257 characters: memo too large",
        ),
        ("no gas for its size", |d| d.fee().gas_limit = 1100, 11, ": out of gas"),
        ("no gas", |d| d.fee().gas_limit = 0, 11, ": out of gas"),
        (
            "fee grant",
            |d| d.fee().granter = address(2).to_bech32("geo"),
            18,
            "fee grants are not enabled: invalid request",
        ),
        (
            "fee of two denoms, unsorted",
            |d| d.fee().amount = vec![coin("ugeo", "5"), coin("atoken", "5")],
            13,
            "invalid fee amount: 5ugeo,5atoken: insufficient fee",
        ),
        (
            "fee above balance",
            |d| d.fee().amount = vec![coin("ugeo", "1000001")],
            5,
            "balance 1000000 is smaller than 1000001ugeo: insufficient funds: insufficient funds",
        ),
        (
            "no such account",
            |d| {
                d.body.messages = vec![send(7)];
                d.auth_info.signer_infos[0].public_key = Some(key_any(7));
            },
            9,
            " does not exist: unknown address",
        ),
        (
            "key of another",
            |d| d.auth_info.signer_infos[0].public_key = Some(key_any(2)),
            8,
            " with signer index: 0: invalid pubkey",
        ),
        (
            "key never given",
            |d| d.auth_info.signer_infos[0].public_key = None,
            8,
            "unrecognized public key type: <nil>: invalid pubkey",
        ),
        (
            "signer info too many",
            |d| d.auth_info.signer_infos.push(info(None, 0)),
            4,
            "invalid number of signer;  expected: 1, got 2: unauthorized",
        ),
        (
            "signer info missing",
            |d| d.auth_info.signer_infos.clear(),
            4,
            "invalid number of signer;  expected: 1, got 0: unauthorized",
        ),
        ("mode missing", |d| d.auth_info.signer_infos[0].mode_info = None, 1, "got empty SignatureData"),
        (
            "sequence",
            |d| d.auth_info.signer_infos[0].sequence = 3,
            32,
            "account sequence mismatch, expected 0, got 3: incorrect account sequence",
        ),
        (
            "other chain",
            |d| d.chain_id = "other".into(),
            4,
            "please verify account number (1) and chain-id (test-1): (unable to verify single signer signature): unauthorized",
        ),
        (
            "other account number",
            |d| d.signers = vec![(1, 2)],
            4,
            "(unable to verify single signer signature)",
        ),
        ("signed by another", |d| d.signers = vec![(2, 1)], 4, "(unable to verify single signer signature)"),
        (
            "mode of nobody",
            |d| d.auth_info.signer_infos[0].mode_info = single(SignMode::Eip191),
            4,
            "(unsupported sign mode ",
        ),
    ];
    for (name, change, code, text) in rows {
        let e = outcome(ExecMode::Finalize, *change).expect_err(name);
        let codespace = if *code == 1 { "undefined" } else { "sdk" };
        assert_eq!((e.codespace, e.code, e.fatal), (codespace, *code, false), "{name}: {e}");
        assert!(e.log.contains(text), "{name}: {e}");
    }
}

#[test]
fn what_passes() {
    let rows: &[(&str, Change)] = &[
        ("plain", |_| {}),
        ("timeout at this height", |d| d.body.timeout_height = 10),
        ("timeout at this second", |d| {
            d.body.timeout_timestamp = Some(Timestamp { seconds: 1000, nanos: 0 })
        }),
        ("memo of 256 bytes", |d| d.body.memo = "x".repeat(256)),
        ("no fee", |d| d.fee().amount.clear()),
        ("fee of zero", |d| d.fee().amount = vec![coin("ugeo", "0")]),
        ("non-critical option", |d| d.body.non_critical_extension_options = vec![send(1)]),
        ("payer is the signer", |d| d.fee().payer = address(1).to_bech32("geo")),
        ("two signers", |d| {
            d.body.messages.push(send(2));
            d.auth_info.signer_infos.push(info(Some(key_any(2)), 0));
            d.signers.push((2, 2));
        }),
    ];
    for (name, change) in rows {
        for mode in [ExecMode::Finalize, ExecMode::Check] {
            outcome(mode, *change).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn what_stays_and_what_is_dropped() {
    let mut ctx = chain(ExecMode::Finalize);
    run(&mut ctx, &Draft::default().tx()).unwrap();
    let account = keeper::require_account(&ctx, &address(1)).unwrap();
    assert_eq!((account.sequence, account.pub_key), (1, Some(pub_key(1))));
    assert_eq!(fees_of(&ctx, &address(1)).as_deref(), Some("300ugeo"));
    ctx.take_events();

    // The next one may leave its key out; a copy of the first is refused and leaves nothing behind.
    let mut ctx2 = chain(ExecMode::Finalize);
    let bad = Draft { signers: vec![(2, 1)], ..Draft::default() };
    run(&mut ctx2, &bad.tx()).unwrap_err();
    assert_eq!(keeper::require_account(&ctx2, &address(1)).unwrap().pub_key, None);
    assert_eq!((fees_of(&ctx2, &address(1)), ctx2.events().len()), (None, 0));
    assert_eq!(ctx2.gas.limit(), Some(200_000), "gas of a failed transaction is reported");

    let e = run(&mut ctx, &Draft::default().tx()).unwrap_err();
    assert_eq!(e.log, "account sequence mismatch, expected 1, got 0: incorrect account sequence");
    let mut next = Draft::default();
    next.auth_info.signer_infos = vec![info(None, 1)];
    run(&mut ctx, &next.tx()).unwrap();
    assert_eq!(keeper::sequence(&ctx, &address(1)).unwrap(), 2);
}

#[test]
fn events_of_the_sdk() {
    let mut draft = Draft::default();
    draft.auth_info.fee = Some(Fee { payer: address(2).to_bech32("geo"), ..draft.fee().clone() });
    draft.auth_info.signer_infos.push(info(Some(key_any(2)), 0));
    draft.signers.push((2, 2));
    let tx = draft.tx();
    let mut ctx = chain(ExecMode::Finalize);
    run(&mut ctx, &tx).unwrap();
    use base64::Engine;
    let text = |bytes: &[u8]| base64::prelude::BASE64_STANDARD.encode(bytes);
    let (one, two) = (address(1).to_bech32("geo"), address(2).to_bech32("geo"));
    let want = vec![
        vec![("fee".to_owned(), "300ugeo".to_owned()), ("fee_payer".into(), two.clone())],
        vec![("acc_seq".into(), format!("{one}/0"))],
        vec![("signature".into(), text(&tx.raw_signatures[0]))],
        vec![("acc_seq".into(), format!("{two}/0"))],
        vec![("signature".into(), text(&tx.raw_signatures[1]))],
    ];
    let got: Vec<_> = ctx.take_events().into_iter().map(|e| (e.kind, e.attributes)).collect();
    assert_eq!(got, want.into_iter().map(|a| ("tx".to_owned(), a)).collect::<Vec<_>>());
    assert_eq!(fees_of(&ctx, &address(2)).as_deref(), Some("300ugeo"));
}

#[test]
fn gas_of_the_sdk() {
    // A memo that is too long: one look at the parameters (key of 1, value of 13 bytes), as the SDK reports.
    let mut ctx = chain(ExecMode::Finalize);
    let mut draft = Draft::default();
    draft.body.memo = "x".repeat(300);
    run(&mut ctx, &draft.tx()).unwrap_err();
    assert_eq!(ctx.gas.used(), 1042);

    // The whole: what each step reads and writes.
    let mut ctx = chain(ExecMode::Finalize);
    let bare = account_size(&ctx);
    let tx = Draft::default().tx();
    run(&mut ctx, &tx).unwrap();
    let used = ctx.gas.used();
    let keyed = account_size(&ctx) - 2; // without the sequence
    let (params, fee) = (1042, 2000 + 30 * (20 + "300ugeo".len()));
    let read = |size: usize| 1000 + 3 * (21 + size);
    let write = |old: usize, new: usize| read(old) + 1000 + 1000 + 2000 + 30 * 41 + 2000 + 30 * (21 + new);
    let size = params + 10 * tx.size;
    let deduct = read(bare) + fee;
    let set_key = read(bare) + write(bare, keyed);
    let count = params;
    let charge = params + read(keyed) + 1000;
    let verify = read(keyed);
    let sequence = read(keyed) + write(keyed, keyed + 2);
    let want = size + deduct + set_key + count + charge + verify + sequence;
    assert_eq!(used, u64::try_from(want).unwrap());
}

fn account_size(ctx: &geodesic_core::Ctx) -> usize {
    use geodesic_proto::prost::Message;
    keeper::require_account(ctx, &address(1)).unwrap().to_any().encoded_len()
}

#[test]
fn blocks_bound_the_gas_of_a_transaction() {
    let verifier = Verifier::default();
    for (max_gas, want) in [(-1, None), (0, None), (200_000, None), (199_999, Some(41))] {
        let result = run_with(&mut chain(ExecMode::Finalize), &Draft::default().tx(), &verifier, "", max_gas);
        assert_eq!(result.as_ref().err().map(|e| e.code), want, "{max_gas}: {result:?}");
    }
}

#[test]
fn nodes_ask_for_a_price_in_the_mempool_only() {
    let verifier = Verifier::default();
    for (name, mode, prices, fee, want) in [
        ("enough", ExecMode::Check, "0.0015ugeo", vec![("ugeo", "300")], None),
        (
            "too little",
            ExecMode::Check,
            "0.0015000001ugeo",
            vec![("ugeo", "300")],
            Some("got: 300ugeo required: 301ugeo"),
        ),
        (
            "again after a block",
            ExecMode::Recheck,
            "1ugeo",
            vec![("ugeo", "300")],
            Some("required: 200000ugeo"),
        ),
        ("none", ExecMode::Check, "0.0015ugeo", vec![], Some("insufficient fees; got:  required: 300ugeo")),
        ("other denom", ExecMode::Check, "0.0015ugeo", vec![("atoken", "300")], Some("got: 300atoken")),
        ("one of two", ExecMode::Check, "0.0015ugeo,9atoken", vec![("ugeo", "300")], None),
        ("in a block", ExecMode::Finalize, "9ugeo", vec![("ugeo", "300")], None),
        ("in a simulation", ExecMode::Simulate, "9ugeo", vec![], None),
    ] {
        let mut draft = Draft::default();
        draft.fee().amount = fee.iter().map(|(denom, amount)| coin(denom, amount)).collect();
        let result = run_with(&mut chain(mode), &draft.tx(), &verifier, prices, -1);
        match (result, want) {
            (Ok(()), None) => {}
            (Err(e), Some(text)) => assert!(e.code == 13 && e.log.contains(text), "{name}: {e}"),
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

#[test]
fn order_in_the_mempool() {
    for (fee, gas, want) in [
        (vec![], 100, 0),
        (vec![("ugeo", "1099")], 100, 10),
        (vec![("atoken", "700"), ("ugeo", "300")], 100, 3),
        (vec![("ugeo", "99999999999999999999999999")], 1, i64::MAX),
        (vec![("ugeo", "300")], 0, 0),
    ] {
        let mut draft = Draft::default();
        draft.fee().gas_limit = gas;
        draft.fee().amount = fee.iter().map(|(denom, amount)| coin(denom, amount)).collect();
        assert_eq!(tx::priority(&draft.tx()), want, "{fee:?} {gas}");
    }
}

#[test]
fn recheck_asks_again_for_state_but_not_for_signatures() {
    let mut bad = Draft { signers: vec![(2, 1)], ..Draft::default() };
    run(&mut chain(ExecMode::Recheck), &bad.tx()).unwrap();
    bad.auth_info.signer_infos[0].sequence = 1;
    assert_eq!(run(&mut chain(ExecMode::Recheck), &bad.tx()).unwrap_err().code, 32);
}

#[test]
fn genesis_transactions_have_no_gas_limit_and_account_number_zero() {
    let mut ctx = chain(ExecMode::Finalize);
    ctx.block.height = 0;
    let mut draft = Draft::default();
    draft.fee().gas_limit = 0;
    draft.fee().amount.clear();
    assert_eq!(run(&mut ctx, &draft.tx()).unwrap_err().code, 4, "signed for number 1");
    draft.signers = vec![(1, 0)];
    run(&mut ctx, &draft.tx()).unwrap();
    assert_eq!(ctx.gas.limit(), None);
}

#[test]
fn stateless_checks_of_messages() {
    let mut draft = Draft::default();
    draft.body.messages = vec![send(1), send_text(&address(1).to_bech32("geo"), "nowhere")];
    let (_, messages) = tx::decode::<Send>(&draft.bytes(), "geo").unwrap();
    assert_eq!(tx::validate_messages(&messages).unwrap_err().log, "nowhere: invalid address");
    draft.body.messages = vec![Any::default()];
    assert_eq!(tx::decode::<Send>(&draft.bytes(), "geo").unwrap_err().code, 2);
}

#[test]
fn a_key_of_secp256r1_signs_at_half_the_price() {
    use geodesic_auth::PubKey;
    use geodesic_proto::any;
    use geodesic_proto::cosmos::crypto::secp256r1;
    use p256::ecdsa::signature::Signer as _;
    let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = secret.verifying_key().to_encoded_point(true);
    let key = any::pack(&secp256r1::PubKey { key: point.as_bytes().to_vec() });
    let address = PubKey::from_any(&key).unwrap().address();
    assert_eq!(address.as_bytes().len(), 32);
    let mut draft = Draft::default();
    draft.body.messages = vec![send_text(&address.to_bech32("geo"), "")];
    draft.auth_info.signer_infos = vec![info(Some(key), 0)];
    let signature: p256::ecdsa::Signature = secret.sign(&draft.sign_doc(4));
    let low = signature.normalize_s().unwrap_or(signature);
    let mut ctx = chain(ExecMode::Finalize);
    keeper::ensure_account(&mut ctx, &address).unwrap();
    let tx = decoded(&draft.raw(vec![low.to_bytes().to_vec()]));
    run(&mut ctx, &tx).unwrap();
    let account = keeper::require_account(&ctx, &address).unwrap();
    assert_eq!((account.sequence, account.pub_key), (1, tx.pub_keys[0].clone()));

    // Gas by the price of secp256k1 alone: 1000 more of it costs 500 more.
    let gas = |cost: u64| {
        let mut ctx = chain(ExecMode::Finalize);
        keeper::ensure_account(&mut ctx, &address).unwrap();
        let params = geodesic_proto::cosmos::auth::v1beta1::Params {
            sig_verify_cost_secp256k1: cost,
            ..geodesic_auth::params::DEFAULT
        };
        geodesic_auth::keys::PARAMS.set(&mut ctx, &params).unwrap();
        run(&mut ctx, &tx).unwrap();
        ctx.gas.used()
    };
    assert_eq!(gas(3001) - gas(2000), 500, "rounded down");
}
