//! What participants earn and how they are paid.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::{Arc, Mutex};

use geodesic_core::{
    Address, BlockInfo, Coin, Ctx, Dec, Int, MemStore, Module as _, State, StateError, TxError,
};
use geodesic_proto::geodesic::rewards::v1 as pb;
use geodesic_proto::prost::Message as _;
use geodesic_rewards::{Msg, Ports, Rewards, Settled, settle};
use proptest::prelude::*;

/// A bank that remembers, and agents whose address is the participant's with 7 in front.
#[derive(Default)]
struct Fake {
    minted: Mutex<Int>,
    paid: Mutex<Vec<(Address, Int)>>,
}

impl Ports for Fake {
    fn mint(&self, _: &mut Ctx, coin: &Coin) -> Result<(), TxError> {
        let mut minted = self.minted.lock().unwrap();
        *minted = minted.checked_add(coin.amount).unwrap();
        Ok(())
    }

    fn pay(&self, _: &mut Ctx, to: &Address, coin: &Coin) -> Result<(), TxError> {
        self.paid.lock().unwrap().push((to.clone(), coin.amount));
        Ok(())
    }

    fn may_act_for(&self, _: &Ctx, sender: &Address, participant: &[u8; 20]) -> Result<bool, StateError> {
        let mut agent = *participant;
        agent[0] = 7;
        Ok(sender.as_bytes() == participant || sender.as_bytes() == agent)
    }
}

fn chain(fake: &Fake) -> Ctx {
    let block = BlockInfo { prefix: "geo".into(), height: 50, ..Default::default() };
    let mut ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
    Rewards::new(fake).init_genesis(&mut ctx, None).unwrap();
    ctx
}

fn settled(weights: &[u128]) -> Vec<Settled> {
    let one = |(i, weight): (usize, &u128)| Settled {
        participant: [u8::try_from(i).unwrap(); 20],
        weight: *weight,
        penalty: Dec::ZERO,
    };
    weights.iter().enumerate().map(one).collect()
}

fn claim(
    ctx: &mut Ctx,
    fake: &Fake,
    sender: [u8; 20],
    participant: u8,
    epochs: &[u64],
) -> Result<String, TxError> {
    let msg = Msg::Claim(pb::MsgClaim {
        sender: ctx.account_text(&Address::from(sender)),
        participant: ctx.account_text(&Address::from([participant; 20])),
        epochs: epochs.to_vec(),
    });
    Rewards::new(fake).validate_basic(&msg)?;
    let any = ctx.atomic(|ctx| Rewards::new(fake).handle(ctx, &msg))?;
    Ok(pb::MsgClaimResponse::decode(any.value.as_slice()).unwrap().amount[0].amount.clone())
}

#[test]
fn an_epoch_is_paid_once_to_whom_it_belongs() {
    let fake = Fake::default();
    let mut ctx = chain(&fake);
    settle(&mut ctx, &fake, 0, 60, &settled(&[1, 3])).unwrap();
    settle(&mut ctx, &fake, 0, 60, &settled(&[9, 9])).unwrap();
    assert_eq!(*fake.minted.lock().unwrap(), 323_000_000_000_u64.into(), "settled once");

    let code = |r: Result<String, TxError>| r.map_or_else(|e| e.code, |_| 0);
    assert_eq!(code(claim(&mut ctx, &fake, [1; 20], 1, &[0])), 6, "its height has not come");
    ctx.block.height = 60;
    assert_eq!(code(claim(&mut ctx, &fake, [2; 20], 1, &[0])), 4, "a stranger sends");
    assert_eq!(code(claim(&mut ctx, &fake, [1; 20], 1, &[])), 3, "no epochs");
    assert_eq!(code(claim(&mut ctx, &fake, [1; 20], 1, &[0, 0])), 3, "an epoch twice");
    assert_eq!(code(claim(&mut ctx, &fake, [1; 20], 1, &(0..101).collect::<Vec<_>>())), 3, "too many");
    assert_eq!(
        code(claim(&mut ctx, &fake, [1; 20], 1, &[0, 1])),
        5,
        "one of two earned nothing: none is paid"
    );
    let mut agent = [1; 20];
    agent[0] = 7;
    assert_eq!(claim(&mut ctx, &fake, agent, 1, &[0]).unwrap(), "242250000000", "the agent sends");
    assert_eq!(fake.paid.lock().unwrap()[0].0, Address::from([1; 20]), "the participant is paid");
    assert_eq!(code(claim(&mut ctx, &fake, [1; 20], 1, &[0])), 7, "it was paid before");
    assert_eq!(claim(&mut ctx, &fake, [0; 20], 0, &[0]).unwrap(), "80750000000");
}

#[test]
fn penalties_are_not_minted() {
    let fake = Fake::default();
    let mut ctx = chain(&fake);
    let mut who = settled(&[1, 1, 0]);
    who[1].penalty = "0.01".parse().unwrap();
    settle(&mut ctx, &fake, 0, 60, &who).unwrap();
    assert_eq!(*fake.minted.lock().unwrap(), (161_500_000_000_u64 + 159_885_000_000).into());
}

#[test]
fn nothing_is_minted_for_nobody() {
    let fake = Fake::default();
    let mut ctx = chain(&fake);
    settle(&mut ctx, &fake, 0, 60, &settled(&[0, 0])).unwrap();
    settle(&mut ctx, &fake, 1, 60, &[]).unwrap();
    assert_eq!(*fake.minted.lock().unwrap(), Int::ZERO);
}

#[test]
fn emission_halves_in_1459_epochs() {
    let fake = Fake::default();
    let mut ctx = chain(&fake);
    settle(&mut ctx, &fake, 1459, 60, &settled(&[1])).unwrap();
    let minted = fake.minted.lock().unwrap().to_u64().unwrap();
    assert!((161_400_000_000..161_600_000_000).contains(&minted), "{minted}");
}

#[test]
fn genesis_round_trip_keeps_what_is_owed() {
    let fake = Fake::default();
    let mut ctx = chain(&fake);
    settle(&mut ctx, &fake, 3, 60, &settled(&[5, 7])).unwrap();
    let exported = Rewards::new(&fake).export_genesis(&ctx).unwrap();
    let mut other =
        Ctx::new(BlockInfo { height: 60, ..ctx.block.clone() }, State::new(Arc::new(MemStore::default())));
    Rewards::new(&fake).init_genesis(&mut other, Some(&exported)).unwrap();
    assert_eq!(Rewards::new(&fake).export_genesis(&other).unwrap().get(), exported.get());
    assert!(claim(&mut other, &fake, [1; 20], 1, &[3]).is_ok());
}

proptest! {
    /// What is paid is what was minted, whatever the weights.
    #[test]
    fn claims_sum_to_what_was_minted(weights in prop::collection::vec(0..1_u128 << 80, 1..20)) {
        let fake = Fake::default();
        let mut ctx = chain(&fake);
        settle(&mut ctx, &fake, 2, 60, &settled(&weights)).unwrap();
        ctx.block.height = 60;
        for (i, _) in weights.iter().enumerate() {
            let i = u8::try_from(i).unwrap();
            match claim(&mut ctx, &fake, [i; 20], i, &[2]) {
                Ok(_) => {}
                Err(e) => prop_assert_eq!(e.code, 5, "nothing earned"),
            }
        }
        let paid = fake.paid.lock().unwrap().iter().fold(Int::ZERO, |sum, (_, a)| sum.checked_add(*a).unwrap());
        prop_assert_eq!(paid, *fake.minted.lock().unwrap());
    }
}
