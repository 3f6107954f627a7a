//! Every bound of a transaction, at the bound and just beyond it.

use geodesic_app::tx::ante::MAX_GAS;
use geodesic_app::tx::{self, MAX_TX_BYTES, Verifier};
use geodesic_auth::keeper;
use geodesic_core::ExecMode;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;

use crate::support::*;

/// Padded with its memo to this many bytes.
fn of_size(size: usize) -> Vec<u8> {
    let mut draft = Draft::default();
    draft.body.memo = "x".repeat(size / 2);
    let rest = size - draft.bytes().len();
    draft.body.memo = "x".repeat(size / 2 + rest);
    // Lengths of lengths may have grown.
    while draft.bytes().len() > size {
        draft.body.memo.pop();
    }
    draft.bytes()
}

#[test]
fn bytes() {
    let largest = of_size(MAX_TX_BYTES);
    assert_eq!(largest.len(), MAX_TX_BYTES);
    let (tx, _) = tx::decode::<Send>(&largest, "geo").unwrap();
    let e = run(&mut chain(ExecMode::Finalize), &tx).unwrap_err();
    assert_eq!(e.code, 12, "its memo is refused, not its size: {e}");
    let e = tx::decode::<Send>(&of_size(MAX_TX_BYTES + 1), "geo").unwrap_err();
    assert_eq!((e.code, e.log.as_str()), (21, "1048577 bytes, allowed are 1048576: tx too large"));
}

#[test]
fn gas() {
    for (limit, block, want) in [
        (MAX_GAS, -1, None),
        (MAX_GAS + 1, -1, Some(18)),
        (MAX_GAS, 0, None),
        (200_000, 200_000, None),
        (200_001, 200_000, Some(41)),
        (u64::MAX, i64::MAX, Some(41)),
    ] {
        let mut draft = Draft::default();
        draft.fee().gas_limit = limit;
        let got =
            run_with(&mut chain(ExecMode::Finalize), &draft.tx(), &Verifier::default(), "", block).err();
        assert_eq!(got.as_ref().map(|e| e.code), want, "{limit} of {block}: {got:?}");
    }
}

/// One message of each of the first `n` accounts, signed by all; their keys are given or known before.
fn of_signers(n: u8, given: bool) -> Result<(), (u32, String)> {
    let mut ctx = chain(ExecMode::Finalize);
    let mut draft = Draft::default();
    draft.fee().gas_limit = 2_000_000;
    (draft.body.messages, draft.auth_info.signer_infos, draft.signers) = Default::default();
    for key in 1..=n {
        keeper::ensure_account(&mut ctx, &address(key)).unwrap();
        let mut account = keeper::require_account(&ctx, &address(key)).unwrap();
        if !given {
            account.pub_key = Some(pub_key(key));
            keeper::set_account(&mut ctx, &account).unwrap();
        }
        draft.body.messages.push(send(key));
        draft.auth_info.signer_infos.push(info(given.then(|| key_any(key)), 0));
        draft.signers.push((key, account.number));
    }
    run(&mut ctx, &draft.tx()).map_err(|e| (e.code, e.log))
}

#[test]
fn signers() {
    assert_eq!(of_signers(7, true), Ok(()));
    let text = "signatures: 8, limit: 7: maximum number of signatures exceeded".to_owned();
    assert_eq!(of_signers(8, true), Err((14, text)));
    assert_eq!(of_signers(8, false), Ok(()), "as in the SDK, keys that are known are not counted");
}

#[test]
fn messages_are_bounded_by_bytes_and_paid_by_size() {
    let mut draft = Draft::default();
    draft.body.messages = vec![send(1); 5000];
    draft.fee().gas_limit = 10_000_000;
    let tx = draft.tx();
    let mut ctx = chain(ExecMode::Finalize);
    run(&mut ctx, &tx).unwrap();
    assert!(ctx.gas.used() > 10 * u64::try_from(tx.size).unwrap());
    draft.fee().gas_limit = 10 * u64::try_from(tx.size).unwrap();
    assert_eq!(run(&mut chain(ExecMode::Finalize), &draft.tx()).unwrap_err().code, 11);
}

#[test]
fn fee_coins() {
    let denom = |i: usize| format!("coin{i:05}");
    let many = |n: usize| (0..n).map(|i| coin(&denom(i), "1")).collect::<Vec<_>>();
    for (name, amount, want) in [
        ("a hundred", many(100), None),
        ("one twice", [many(2), vec![coin(&denom(1), "1")]].concat(), Some(13)),
        ("not ascending", vec![coin("b23", "1"), coin("a23", "1")], Some(13)),
        ("a zero among others", vec![coin("a23", "0"), coin("b23", "1")], Some(13)),
        ("no denom", vec![coin("", "1")], Some(13)),
        ("denom of two letters", vec![coin("ab", "1")], Some(13)),
        ("denom of 128", vec![coin(&"a".repeat(128), "1")], None),
        ("denom of 129", vec![coin(&"a".repeat(129), "1")], Some(13)),
    ] {
        let mut draft = Draft::default();
        draft.fee().amount = amount;
        draft.fee().gas_limit = 1_000_000;
        let got = run(&mut chain(ExecMode::Finalize), &draft.tx()).err();
        assert_eq!(got.as_ref().map(|e| e.code), want, "{name}: {got:?}");
    }
}

#[test]
fn nesting() {
    // Levels: the body, its option, an Any in it for each `depth`, the message at the end and its coins.
    let mut inner = send(1);
    let mut deepest = 0;
    for depth in 1..=20 {
        inner = Any { type_url: "/google.protobuf.Any".into(), value: inner.encode_to_vec() };
        let mut draft = Draft::default();
        draft.body.non_critical_extension_options = vec![inner.clone()];
        match tx::decode::<Send>(&draft.bytes(), "geo") {
            Ok(_) => deepest = depth,
            Err(e) => {
                assert_eq!((e.code, e.log.as_str()), (2, "messages nested deeper than 16: tx parse error"));
            }
        }
    }
    assert_eq!(1 + 1 + deepest + 1 + 1, 16);
}

#[test]
fn times() {
    use geodesic_proto::prost_types::Timestamp;
    for (seconds, nanos, taken) in [
        (-62_135_596_800, 0, true),
        (-62_135_596_801, 0, false),
        (253_402_300_799, 999_999_999, true),
        (253_402_300_800, 0, false),
        (1, 1_000_000_000, false),
        (1, -1, false),
        (i64::MAX, 0, false),
        (i64::MIN, i32::MIN, false),
    ] {
        let mut draft = Draft::default();
        draft.body.timeout_timestamp = Some(Timestamp { seconds, nanos });
        let got = tx::decode::<Send>(&draft.bytes(), "geo").map(drop);
        assert_eq!(got.map_err(|e| e.code), if taken { Ok(()) } else { Err(2) }, "{seconds} {nanos}");
    }
}
