//! Transactions that are only tried for their gas.

use geodesic_app::tx::ante::SIMULATION_MAX_GAS;
use geodesic_auth::keeper;
use geodesic_core::ExecMode;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::Fee;
use geodesic_proto::prost_types::Any;

use crate::support::{Draft, address, chain, decoded, info, key_any, run, send, single};

/// As wallets ask: no gas, no fee, an empty signature.
fn asked(keys: &[bool]) -> Vec<u8> {
    let mut draft = Draft::default();
    draft.auth_info.fee = Some(Fee::default());
    let signer = |known: &bool| {
        let mut info = info(known.then(|| key_any(1)), 0);
        info.mode_info = single(SignMode::Unspecified);
        info
    };
    draft.auth_info.signer_infos = keys.iter().map(signer).collect();
    draft.raw(vec![vec![]; keys.len()])
}

#[test]
fn empty_signatures_pass_and_cost_what_real_ones_will() {
    for (name, given) in [("key given", true), ("key missing", false)] {
        let mut ctx = chain(ExecMode::Simulate);
        let tx = decoded(&asked(&[given]));
        run(&mut ctx, &tx).unwrap();
        assert_eq!(ctx.gas.limit(), Some(SIMULATION_MAX_GAS), "{name}");
        let simulated = ctx.gas.used();

        let mut draft = Draft::default();
        draft.auth_info.fee = Some(Fee { gas_limit: 200_000, ..Fee::default() });
        let real = draft.tx();
        let mut ctx = chain(ExecMode::Finalize);
        run(&mut ctx, &real).unwrap();
        let size = |tx: &geodesic_app::tx::Tx| u64::try_from(tx.size).unwrap();
        // The SDK adds 112 bytes for the signature and one more look at the account (before its key is known).
        let account = keeper::require_account(&chain(ExecMode::Finalize), &address(1)).unwrap();
        let look = 1000 + 3 * (21 + u64::try_from(prost_len(&account)).unwrap());
        assert_eq!(simulated, ctx.gas.used() - 10 * size(&real) + 10 * (size(&tx) + 112) + look, "{name}");
    }
}

/// `simd tx ... --dry-run` with an address has no key, and sends one without bytes.
#[test]
fn a_key_without_bytes_is_a_missing_one_in_a_simulation_alone() {
    let blank = Any { value: vec![], ..key_any(1) };
    let mut draft = Draft::default();
    draft.auth_info.signer_infos = vec![info(Some(blank), 0)];
    let mut ctx = chain(ExecMode::Simulate);
    run(&mut ctx, &decoded(&draft.raw(vec![vec![]]))).unwrap();
    let with_blank = ctx.gas.used();
    draft.auth_info.signer_infos = vec![info(None, 0)];
    let mut ctx = chain(ExecMode::Simulate);
    run(&mut ctx, &decoded(&draft.raw(vec![vec![]]))).unwrap();
    let bytes_of_it = 2 + 2 + 31; // the key's Any and its type
    assert_eq!(with_blank, ctx.gas.used() + 10 * bytes_of_it);

    draft.auth_info.signer_infos = vec![info(Some(Any { value: vec![], ..key_any(1) }), 0)];
    let e = run(&mut chain(ExecMode::Finalize), &draft.tx()).unwrap_err();
    assert_eq!((e.code, e.log.as_str()), (8, "the public key has no bytes, expected 33: invalid pubkey"));
}

fn prost_len(account: &geodesic_auth::Account) -> usize {
    use geodesic_proto::prost::Message;
    account.to_any().encoded_len()
}

#[test]
fn what_is_checked_all_the_same() {
    let mut ctx = chain(ExecMode::Simulate);
    let mut draft = Draft::default();
    draft.auth_info.signer_infos[0].sequence = 4;
    let e = run(&mut ctx, &draft.tx()).unwrap_err();
    assert_eq!(
        (e.code, e.log.as_str()),
        (32, "account sequence mismatch, expected 0, got 4: incorrect account sequence")
    );

    let e = run(&mut ctx, &decoded(&asked(&[true, true]))).unwrap_err();
    assert_eq!((e.code, e.log.as_str()), (4, "wrong number of signers; expected 1, got 2: unauthorized"));

    let mut draft = Draft::default();
    draft.body.messages = vec![send(9)];
    let e = run(&mut ctx, &draft.tx()).unwrap_err();
    assert_eq!(e.code, 9, "no such account: {e}");

    let mut draft = Draft::default();
    draft.auth_info.signer_infos[0].mode_info = None;
    let e = run(&mut ctx, &draft.tx()).unwrap_err();
    assert_eq!((e.codespace, e.code, e.log.as_str()), ("undefined", 1, "got empty SignatureData"));
}

#[test]
fn a_key_that_is_known_is_not_replaced() {
    let mut ctx = chain(ExecMode::Finalize);
    run(&mut ctx, &Draft::default().tx()).unwrap();
    let known = keeper::pub_key(&ctx, &address(1)).unwrap();
    ctx.mode = ExecMode::Simulate;
    let mut draft = Draft::default();
    draft.auth_info.signer_infos = vec![info(None, 1)];
    run(&mut ctx, &draft.tx()).unwrap();
    assert_eq!(keeper::pub_key(&ctx, &address(1)).unwrap(), known);
}
