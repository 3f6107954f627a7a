//! Unordered transactions: a timeout instead of a sequence, and a record against replay.

use geodesic_app::tx::sign::{SignerData, sign_bytes};
use geodesic_app::tx::{self, Ante, Verifier};
use geodesic_auth::keys::{Timeout, UNORDERED};
use geodesic_auth::{keeper, unordered};
use geodesic_core::{Ctx, DecCoins, ExecMode, TxError};
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::prost_types::Timestamp;

use crate::support::*;

/// The time of the chain in these tests, in seconds.
const NOW: i64 = 1000;
const NANOS: i64 = 1_000_000_000;

/// Signed by account 1 with a timeout so many nanoseconds from now.
fn draft(ahead_ns: i64) -> Draft {
    let mut draft = Draft::default();
    draft.body.unordered = true;
    let at = NOW * NANOS + ahead_ns;
    let nanos = i32::try_from(at.rem_euclid(NANOS)).unwrap();
    draft.body.timeout_timestamp = Some(Timestamp { seconds: at.div_euclid(NANOS), nanos });
    draft
}

fn sequence(ctx: &Ctx) -> u64 {
    keeper::sequence(ctx, &address(1)).unwrap()
}

#[test]
fn rules_and_their_texts() {
    type Row = (&'static str, fn(&mut Draft), Result<(), (u32, &'static str)>);
    let rows: &[Row] = &[
        ("a minute ahead", |_| {}, Ok(())),
        ("timeout now", |d| d.body = draft(0).body, Ok(())),
        ("ten minutes ahead", |d| d.body = draft(600 * NANOS).body, Ok(())),
        (
            "a nanosecond more",
            |d| d.body = draft(600 * NANOS + 1).body,
            Err((18, "unordered tx ttl exceeds 10m0s: invalid request")),
        ),
        (
            "in the year 9999",
            |d| d.body.timeout_timestamp = Some(Timestamp { seconds: 253_402_300_799, nanos: 0 }),
            Err((18, "unordered tx ttl exceeds 10m0s: invalid request")),
        ),
        (
            "past",
            |d| d.body = draft(-1).body,
            Err((
                42,
                "block time: 1970-01-01 00:16:40 +0000 UTC, timeout timestamp: 1970-01-01 00:16:39.999999999 +0000 UTC: \
                 tx timeout",
            )),
        ),
        (
            "no timeout",
            |d| d.body.timeout_timestamp = None,
            Err((18, "unordered transaction must have timeout_timestamp set: invalid request")),
        ),
        (
            "first second of 1970",
            |d| d.body.timeout_timestamp = Some(Timestamp { seconds: 0, nanos: 5 }),
            Err((18, "unordered transaction must have timeout_timestamp set: invalid request")),
        ),
        (
            "zero of Go",
            |d| d.body.timeout_timestamp = Some(Timestamp { seconds: -62_135_596_800, nanos: 0 }),
            Err((18, "unordered transaction must have timeout_timestamp set: invalid request")),
        ),
        (
            "with a sequence",
            |d| d.auth_info.signer_infos[0].sequence = 1,
            Err((18, "sequence is not allowed for unordered transactions: invalid request")),
        ),
    ];
    for (name, change, want) in rows {
        for mode in [ExecMode::Check, ExecMode::Finalize] {
            let mut draft = draft(60 * NANOS);
            change(&mut draft);
            let mut ctx = chain(mode);
            let got = run(&mut ctx, &draft.tx()).map_err(|e| (e.code, e.log));
            assert_eq!(got, want.map_err(|(code, text)| (code, text.to_owned())), "{name}");
            assert_eq!(sequence(&ctx), 0, "{name}");
        }
    }
}

#[test]
fn a_chain_may_do_without() {
    let (verifier, prices) = (Verifier::default(), DecCoins::default());
    let ante = Ante {
        ports: &Bank,
        verifier: &verifier,
        min_gas_prices: &prices,
        block_max_gas: -1,
        unordered: false,
    };
    let e = tx::run(&mut chain(ExecMode::Finalize), &draft(NANOS).tx(), &ante).unwrap_err();
    assert_eq!(
        (e.code, e.log.as_str()),
        (37, "unordered transactions are not enabled: feature not supported")
    );
}

fn used(e: &TxError) -> bool {
    e.code == 18 && e.log.contains("has already used timeout")
}

#[test]
fn a_timeout_counts_once_for_each_signer() {
    for mode in [ExecMode::Check, ExecMode::Recheck, ExecMode::Finalize] {
        let mut ctx = chain(mode);
        let first = draft(60 * NANOS).tx();
        run(&mut ctx, &first).unwrap();
        let e = run(&mut ctx, &first).unwrap_err();
        let who = address(1).to_bech32("geo");
        assert_eq!(
            (e.code, e.log),
            (
                18,
                format!(
                    "failed to add unordered nonce: sender {who} has already used timeout 1060000000000: invalid request"
                )
            )
        );
        let mut other = draft(60 * NANOS);
        other.body.memo = "another transaction of the same timeout".into();
        assert!(used(&run(&mut ctx, &other.tx()).unwrap_err()), "{mode:?}");
        run(&mut ctx, &draft(60 * NANOS + 1).tx()).unwrap();
        assert_eq!(sequence(&ctx), 0);

        // Two signers: one record each; the second has used none, the first has.
        let mut both = draft(60 * NANOS);
        both.body.messages = vec![send(2), send(1)];
        both.auth_info.signer_infos = vec![info(Some(key_any(2)), 0), info(Some(key_any(1)), 0)];
        both.signers = vec![(2, 2), (1, 1)];
        assert!(used(&run(&mut ctx, &both.tx()).unwrap_err()));
        let mut second = draft(60 * NANOS);
        second.body.messages = vec![send(2)];
        second.auth_info.signer_infos = vec![info(Some(key_any(2)), 0)];
        second.signers = vec![(2, 2)];
        run(&mut ctx, &second.tx()).unwrap();

        // An ordered one goes on as if nothing had been.
        run(&mut ctx, &Draft::default().tx()).unwrap();
        assert_eq!(sequence(&ctx), 1);
        run(&mut ctx, &draft(61 * NANOS).tx()).unwrap();
        assert_eq!(sequence(&ctx), 1);
    }
}

#[test]
fn what_fails_or_is_only_tried_leaves_no_record() {
    let mut ctx = chain(ExecMode::Finalize);
    let bad = Draft { signers: vec![(2, 1)], ..draft(60 * NANOS) };
    assert_eq!(run(&mut ctx, &bad.tx()).unwrap_err().code, 4);
    ctx.mode = ExecMode::Simulate;
    run(&mut ctx, &draft(60 * NANOS).tx()).unwrap();
    run(&mut ctx, &draft(60 * NANOS).tx()).unwrap();
    ctx.mode = ExecMode::Finalize;
    run(&mut ctx, &draft(60 * NANOS).tx()).unwrap();
}

#[test]
fn gas_of_the_check() {
    let (mut ordered, mut other) = (chain(ExecMode::Finalize), chain(ExecMode::Finalize));
    for ctx in [&mut ordered, &mut other] {
        run(ctx, &Draft::default().tx()).unwrap();
    }
    let mut next = draft(60 * NANOS);
    next.auth_info.signer_infos = vec![info(None, 0)];
    let tx = next.tx();
    run(&mut other, &tx).unwrap();
    let mut plain = next.clone();
    plain.body.unordered = false;
    plain.auth_info.signer_infos[0].sequence = 1;
    let plain = plain.tx();
    run(&mut ordered, &plain).unwrap();
    let (without, with) = (ordered.gas.used(), other.gas.used());
    // The SDK: 2240 for the check, a look and a write of a key of 1 + 8 + 20 bytes; no increment of the sequence.
    let account = {
        use geodesic_proto::prost::Message;
        let account = keeper::require_account(&ordered, &address(1)).unwrap();
        u64::try_from(account.to_any().encoded_len()).unwrap()
    };
    let read = 1000 + 3 * (21 + account);
    let increment = 2 * read + 1000 + 1000 + 2000 + 30 * 41 + 2000 + 30 * (21 + account);
    let check = 2240 + 1000 + 2000 + 30 * 29;
    let size = |tx: &tx::Tx| 10 * u64::try_from(tx.size).unwrap();
    assert_eq!(with - size(&tx) + increment, without - size(&plain) + check);
}

/// As the SDK's `AminoSignDoc`: both fields at the end, left out unless they are set.
#[test]
fn amino_json_covers_the_timeout() {
    let mut draft = draft(60 * NANOS + 890_000_000);
    draft.auth_info.signer_infos[0].mode_info = single(SignMode::LegacyAminoJson);
    let (account, key) = (address(1), pub_key(1));
    let signer =
        SignerData { address: &account, pub_key: &key, chain_id: CHAIN, account_number: 1, sequence: 0 };
    let text = |draft: &Draft| {
        let bytes = sign_bytes(SignMode::LegacyAminoJson.into(), signer, &decoded(&draft.raw(vec![])));
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    let end = "\"sequence\":\"0\",\"timeout_timestamp\":\"1970-01-01T00:17:40.89Z\",\"unordered\":true}";
    assert!(text(&draft).ends_with(end), "{}", text(&draft));
    assert!(text(&Draft::default()).ends_with("\"sequence\":\"0\"}"));
    let signature = sign(1, text(&draft).as_bytes());
    run(&mut chain(ExecMode::Finalize), &decoded(&draft.raw(vec![signature]))).unwrap();
}

#[test]
fn records_are_kept_as_long_as_they_can_refuse() {
    let mut ctx = chain(ExecMode::Finalize);
    let tx = draft(60 * NANOS).tx();
    run(&mut ctx, &tx).unwrap();
    // Until the very time of the timeout the transaction would pass once more.
    ctx.block.time_ns += 60 * NANOS;
    unordered::remove_expired(&mut ctx).unwrap();
    assert!(used(&run(&mut ctx, &tx).unwrap_err()));
    ctx.block.time_ns += 1;
    unordered::remove_expired(&mut ctx).unwrap();
    assert!(!UNORDERED.has(&ctx, &(Timeout(1_060 * NANOS), address(1))).unwrap());
    assert_eq!(run(&mut ctx, &tx).unwrap_err().code, 42, "now its timeout refuses it");
}

#[test]
fn a_block_forgets_a_bounded_number_of_records() {
    let mut ctx = chain(ExecMode::Finalize);
    let at = |i: usize| NOW * NANOS + i64::try_from(i).unwrap();
    for i in 0..=unordered::EXPIRED_PER_BLOCK {
        unordered::record(&mut ctx, &address(1), at(i)).unwrap();
    }
    unordered::record(&mut ctx, &address(1), at(0) + NANOS).unwrap();
    ctx.block.time_ns = at(0) + NANOS;
    let left = |ctx: &Ctx| UNORDERED.prefix(ctx, &()).unwrap().map(|r| r.unwrap().0.0.0).collect::<Vec<_>>();
    unordered::remove_expired(&mut ctx).unwrap();
    assert_eq!(left(&ctx), [at(unordered::EXPIRED_PER_BLOCK), at(0) + NANOS], "the oldest go first");
    unordered::remove_expired(&mut ctx).unwrap();
    assert_eq!(left(&ctx), [at(0) + NANOS]);
}
