//! Keys, beacons and proposals' proofs, as validators use them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use geodesic_core::{
    AbciError as _, Address, BlockInfo, Ctx, MemStore, Module as _, State, StateError, TxError,
};
use geodesic_proto::geodesic::seeds::v1 as pb;
use geodesic_seeds::{
    Msg, Ports, Seeds, advance, beacon, check_proofs, collect, key_in_force, possession_input,
};

/// Operators whose first byte is below 100 have a validator.
struct Fake;

impl Ports for Fake {
    fn is_validator(&self, _: &Ctx, operator: &[u8; 20]) -> Result<bool, StateError> {
        Ok(operator[0] < 100)
    }
}

fn chain() -> Ctx {
    let block = BlockInfo {
        chain_id: "geodesic-test-1".into(),
        prefix: "geo".into(),
        height: 1,
        ..Default::default()
    };
    let mut ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
    Seeds::new(&Fake).init_genesis(&mut ctx, None).unwrap();
    ctx
}

fn secret(seed: u8) -> vrf_r255::SecretKey {
    vrf_r255::SecretKey::from_bytes([seed; 32]).unwrap()
}

fn public(seed: u8) -> Vec<u8> {
    vrf_r255::PublicKey::from(secret(seed)).to_bytes().to_vec()
}

fn operator(n: u8) -> [u8; 20] {
    [n; 20]
}

fn register(ctx: &mut Ctx, n: u8, seed: u8) -> Result<(), TxError> {
    let input = possession_input(&ctx.block.chain_id, &operator(n));
    let proof = secret(seed).prove(&input).to_bytes().to_vec();
    let operator = ctx.account_text(&Address::from(operator(n)));
    let msg = Msg::RegisterVrfKey(pb::MsgRegisterVrfKey { operator, public_key: public(seed), proof });
    Seeds::new(&Fake).validate_basic(&msg)?;
    ctx.atomic(|ctx| Seeds::new(&Fake).handle(ctx, &msg)).map(drop)
}

fn code(result: Result<(), TxError>) -> u32 {
    result.map_or_else(|e| e.code, |()| 0)
}

#[test]
fn who_may_have_which_key() {
    let mut ctx = chain();
    assert_eq!(code(register(&mut ctx, 1, 1)), 0, "an operator takes a key");
    assert_eq!(code(register(&mut ctx, 1, 2)), 8, "one change a height");
    assert_eq!(code(register(&mut ctx, 2, 1)), 5, "a key that somebody has");
    assert_eq!(code(register(&mut ctx, 200, 3)), 6, "no validator");
    ctx.block.height = 2;
    assert_eq!(code(register(&mut ctx, 1, 2)), 0, "a change at another height");
    assert_eq!(code(register(&mut ctx, 2, 1)), 5, "a key that was given up stays taken");
    let stolen = Msg::RegisterVrfKey(pb::MsgRegisterVrfKey {
        operator: ctx.account_text(&Address::from(operator(3))),
        public_key: public(9),
        proof: secret(9).prove(&possession_input("another-chain", &operator(3))).to_bytes().to_vec(),
    });
    assert_eq!(Seeds::new(&Fake).handle(&mut ctx, &stolen).unwrap_err().code, 4, "a proof for another chain");
}

#[test]
fn a_new_key_holds_from_the_next_height() {
    let mut ctx = chain();
    register(&mut ctx, 1, 1).unwrap();
    ctx.block.height = 7;
    register(&mut ctx, 1, 2).unwrap();
    for (height, want) in [(1, public(1)), (7, public(1)), (8, public(2))] {
        assert_eq!(key_in_force(&ctx, &operator(1), height).unwrap(), Some(want), "height {height}");
    }
    assert_eq!(key_in_force(&ctx, &operator(5), 8).unwrap(), None, "an operator without a key");
}

/// Four validators of power 10, 20, 30 and 40 with keys 1 to 4 in the set of `ctx.block.height`.
fn set() -> geodesic_seeds::Proofs {
    (1..=4_u8).map(|n| ([n; 20], (public(n), u64::from(n) * 10))).collect::<BTreeMap<_, _>>()
}

fn proofs(ctx: &Ctx, validators: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let before = beacon(ctx, ctx.block.height - 1).unwrap().unwrap_or_default();
    let input = geodesic_seeds::extension_input(&ctx.block.chain_id, ctx.block.height, &before);
    validators.iter().map(|n| (vec![*n; 20], secret(*n).prove(&input).to_bytes().to_vec())).collect()
}

#[test]
fn a_proposer_drops_what_is_not_valid() {
    let mut ctx = chain();
    advance(&mut ctx, None).unwrap();
    let mut extensions = proofs(&ctx, &[4, 1]);
    extensions.push((vec![2; 20], vec![7; 80])); // malformed
    extensions.push((vec![3; 20], Vec::new())); // absent
    extensions.push((vec![9; 20], extensions[0].1.clone())); // not of the set
    extensions.push((vec![3; 20], extensions[1].1.clone())); // another's proof
    let msg = collect(&ctx, &set(), &extensions).unwrap();
    let addresses: Vec<u8> = msg.proofs.iter().map(|p| p.address[0]).collect();
    assert_eq!(addresses, [1, 4], "valid ones alone, ascending");
    assert!(check_proofs(&ctx, &set(), &msg).is_ok(), "50 of 100");
}

#[test]
fn proposals_that_nobody_votes_for() {
    let mut ctx = chain();
    advance(&mut ctx, None).unwrap();
    let make = |validators: &[u8]| collect(&ctx, &set(), &proofs(&ctx, validators)).unwrap();
    let good = make(&[2, 3]);
    let change = |f: &dyn Fn(&mut pb::MsgBeacon)| {
        let mut msg = good.clone();
        f(&mut msg);
        msg
    };
    for (name, msg, want) in [
        ("half of the power", good.clone(), 0),
        ("34 of 100 and more", make(&[1, 2, 3]), 0),
        ("30 of 100", make(&[3]), 7),
        ("nobody", pb::MsgBeacon::default(), 7),
        ("descending", change(&|m| m.proofs.reverse()), 7),
        ("the same twice", change(&|m| m.proofs[1] = m.proofs[0].clone()), 7),
        ("another output", change(&|m| m.proofs[0].output[0] ^= 1), 7),
        ("a broken proof", change(&|m| m.proofs[0].proof[79] ^= 1), 7),
        ("a stranger", change(&|m| m.proofs[1].address = vec![9; 20]), 7),
        ("an address of 19 bytes", change(&|m| m.proofs[1].address = vec![9; 19]), 7),
    ] {
        let got = check_proofs(&ctx, &set(), &msg).map_or_else(|e| e.code(), |()| 0);
        assert_eq!(got, want, "{name}");
    }
    ctx.block.height = 2;
    assert!(check_proofs(&ctx, &set(), &good).is_err(), "proofs of another height");
}

#[test]
fn a_set_of_one_may_go_on_without_its_proof() {
    let mut ctx = chain();
    advance(&mut ctx, None).unwrap();
    let alone: geodesic_seeds::Proofs = set().into_iter().take(1).collect();
    let none = collect(&ctx, &alone, &[(vec![1; 20], vec![7; 80])]).unwrap();
    assert!(none.proofs.is_empty() && check_proofs(&ctx, &alone, &none).is_ok());
    let two: geodesic_seeds::Proofs = set().into_iter().take(2).collect();
    assert!(check_proofs(&ctx, &two, &none).is_err(), "there are others whose proofs can be had");
    let mut wrong = collect(&ctx, &alone, &proofs(&ctx, &[1])).unwrap();
    assert!(check_proofs(&ctx, &alone, &wrong).is_ok(), "its own");
    wrong.proofs[0].output[0] ^= 1;
    assert!(check_proofs(&ctx, &alone, &wrong).is_err(), "a false one is no better for it");
    // Without proofs the hash of the block stands in: else everyone could compute the beacons to come.
    ctx.block.height += 1;
    let mut beacons = Vec::new();
    for hash in [8, 9] {
        ctx.block.hash = vec![hash; 32];
        // Dropped again, so that both go on from the same state.
        let _: Result<(), ()> = ctx.atomic(|ctx| {
            beacons.push(advance(ctx, Some(&none)).unwrap());
            Err(())
        });
    }
    assert_ne!(beacons[0], beacons[1]);
    advance(&mut ctx, Some(&none)).unwrap();
    let stored = geodesic_seeds::keys::BEACON.get(&ctx, &ctx.block.height).unwrap().unwrap();
    assert_eq!((stored.source(), stored.contributors), (pb::BeaconSource::BlockHash, 0));
}

#[test]
fn beacons_depend_on_all_that_goes_in() {
    let mut ctx = chain();
    advance(&mut ctx, None).unwrap();
    let msg = collect(&ctx, &set(), &proofs(&ctx, &[2, 3])).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut at = |height: u64, hash: u8, msg: Option<&pb::MsgBeacon>| {
        let mut values = Vec::new();
        ctx.block.height = height;
        ctx.block.hash = vec![hash; 32];
        let _: Result<(), ()> = ctx.atomic(|ctx| {
            values.push(advance(ctx, msg).unwrap());
            Err(())
        });
        assert!(seen.insert(values[0]), "height {height}, hash {hash}");
    };
    at(2, 1, None);
    at(2, 2, None);
    at(3, 1, None);
    at(2, 1, Some(&msg));
    at(2, 1, Some(&pb::MsgBeacon { proofs: msg.proofs[..1].to_vec() }));
}

#[test]
fn beacons_are_kept_as_long_as_the_parameters_say() {
    let mut ctx = chain();
    for height in 1..=1010 {
        ctx.block.height = height;
        advance(&mut ctx, None).unwrap();
    }
    assert!(beacon(&ctx, 10).unwrap().is_none(), "1000 heights ago");
    assert!(beacon(&ctx, 11).unwrap().is_some());
    assert!(beacon(&ctx, 1010).unwrap().is_some());
}

#[test]
fn genesis_round_trip() {
    let mut ctx = chain();
    register(&mut ctx, 1, 1).unwrap();
    advance(&mut ctx, None).unwrap();
    let exported = Seeds::new(&Fake).export_genesis(&ctx).unwrap();
    let mut other = Ctx::new(ctx.block.clone(), State::new(Arc::new(MemStore::default())));
    Seeds::new(&Fake).init_genesis(&mut other, Some(&exported)).unwrap();
    assert_eq!(Seeds::new(&Fake).export_genesis(&other).unwrap().get(), exported.get());
    let double = exported.get().replace("\"vrf_keys\":[", "\"vrf_keys\":[{\"operator\":\"\",\"key\":null},");
    let raw = serde_json::value::RawValue::from_string(double).unwrap();
    assert!(Seeds::new(&Fake).init_genesis(&mut other, Some(&raw)).is_err(), "an entry without an operator");
}
