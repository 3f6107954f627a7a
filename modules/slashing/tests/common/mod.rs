//! A chain of one module: slashing over a staking that only remembers.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::cell::RefCell;
use std::sync::Arc;

use geodesic_core::address::hash20;
use geodesic_core::{
    Address, BlockInfo, Ctx, Dec, Int, MemStore, Module, QueryError, State, StateError, TxError,
};
use geodesic_proto::any::pack;
use geodesic_proto::cosmos::slashing::v1beta1 as pb;
use geodesic_proto::prost::{Message, Name};
use geodesic_slashing::{Ports, Slashing, Validator, Vote, handle_votes, keys};
use serde_json::value::RawValue;

pub const START_NS: i64 = 1_700_000_000_000_000_000;
pub const PREFIX: &str = "cosmos";

/// A validator of the world.
#[derive(Debug, Clone)]
pub struct Member {
    pub operator: Address,
    pub validator: Validator,
    /// Worth of the operator's delegation, if it has one.
    pub own: Option<Int>,
}

/// Who was slashed: height, power and fraction.
pub type Slash = (Address, u64, u64, Dec);

/// Staking.
#[derive(Default)]
pub struct World {
    pub members: RefCell<Vec<Member>>,
    pub slashes: RefCell<Vec<Slash>>,
}

impl World {
    fn find(&self, f: impl Fn(&Member) -> bool) -> Option<Member> {
        self.members.borrow().iter().find(|m| f(m)).cloned()
    }

    fn set_jailed(&self, consensus: &Address, jailed: bool) {
        let mut members = self.members.borrow_mut();
        let member = members.iter_mut().find(|m| m.validator.consensus() == *consensus).unwrap();
        assert_ne!(member.validator.jailed, jailed);
        member.validator.jailed = jailed;
    }

    pub fn change(&self, i: u8, f: impl FnOnce(&mut Member)) {
        f(self.members.borrow_mut().iter_mut().find(|m| m.operator == operator(i)).unwrap());
    }
}

/// What each slash burns.
pub const BURNED: u32 = 77;

impl Ports for World {
    fn validator(&self, _: &Ctx, operator: &Address) -> Result<Validator, TxError> {
        let member = self.find(|m| m.operator == *operator);
        member.map(|m| m.validator).ok_or_else(|| TxError::new("staking", 3, "no validator"))
    }
    fn validator_with_self_bond(&self, ctx: &Ctx, operator: &Address) -> Result<(Validator, Int), TxError> {
        let validator = self.validator(ctx, operator)?;
        let own = self.find(|m| m.operator == *operator).unwrap().own;
        own.map(|own| (validator, own)).ok_or_else(|| TxError::new("staking", 19, "no delegation"))
    }
    fn validator_by_consensus(&self, _: &Ctx, consensus: &Address) -> Result<Option<Validator>, StateError> {
        Ok(self.find(|m| m.validator.consensus() == *consensus).map(|m| m.validator))
    }
    fn pub_keys(&self, _: &Ctx) -> Result<Vec<[u8; 32]>, StateError> {
        Ok(self.members.borrow().iter().map(|m| m.validator.pub_key).collect())
    }
    fn slash(
        &self,
        _: &mut Ctx,
        consensus: &Address,
        height: u64,
        power: u64,
        f: Dec,
    ) -> Result<Int, StateError> {
        self.slashes.borrow_mut().push((consensus.clone(), height, power, f));
        Ok(BURNED.into())
    }
    fn jail(&self, _: &mut Ctx, consensus: &Address) -> Result<(), StateError> {
        self.set_jailed(consensus, true);
        Ok(())
    }
    fn unjail(&self, _: &mut Ctx, consensus: &Address) -> Result<(), TxError> {
        self.set_jailed(consensus, false);
        Ok(())
    }
}

pub fn operator(i: u8) -> Address {
    hash20(&[i]).into()
}

pub fn pub_key(i: u8) -> [u8; 32] {
    [i; 32]
}

pub fn consensus(i: u8) -> Address {
    hash20(&pub_key(i)).into()
}

pub fn valcons(i: u8) -> String {
    consensus(i).to_bech32("cosmosvalcons")
}

/// A running chain.
pub struct Chain {
    pub world: World,
    pub ctx: Ctx,
}

pub fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// Parameters in a genesis.
pub fn params_json(window: &str, min_signed: &str) -> String {
    format!(
        r#"{{"signed_blocks_window":"{window}","min_signed_per_window":"{min_signed}","downtime_jail_duration":"600s","slash_fraction_double_sign":"0.05","slash_fraction_downtime":"0.01"}}"#
    )
}

impl Chain {
    /// A chain with `n` bonded validators, before its first block.
    pub fn new(n: u8, params: &str) -> Self {
        let block = BlockInfo { prefix: PREFIX.to_owned(), time_ns: START_NS, ..BlockInfo::default() };
        let mut ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
        let world = World::default();
        for i in 0..n {
            let validator = Validator {
                pub_key: pub_key(i),
                jailed: false,
                unbonded: false,
                min_self_delegation: Int::ONE,
            };
            world.members.borrow_mut().push(Member {
                operator: operator(i),
                validator,
                own: Some(Int::from(5_u32)),
            });
        }
        let genesis = raw(&format!(r#"{{"params":{params}}}"#));
        Slashing::new(&world).init_genesis(&mut ctx, Some(&genesis)).unwrap();
        Self { world, ctx }
    }

    /// The next block, `seconds` later, with these votes; returns its events.
    pub fn block(&mut self, seconds: i64, votes: &[(u8, bool)]) -> Vec<String> {
        self.ctx.block.height += 1;
        self.ctx.block.time_ns += seconds * 1_000_000_000;
        self.ctx.take_events();
        let vote = |(i, signed): &(u8, bool)| Vote { consensus: consensus(*i), power: 9, signed: *signed };
        let votes: Vec<_> = votes.iter().map(vote).collect();
        handle_votes(&mut self.ctx, &self.world, &votes).unwrap();
        self.events()
    }

    /// Events of the block so far.
    pub fn events(&mut self) -> Vec<String> {
        let text = |e: geodesic_core::Event| {
            let attributes: String = e.attributes.iter().map(|(k, v)| format!(" {k}={v}")).collect();
            format!("{}{attributes}", e.kind)
        };
        self.ctx.take_events().into_iter().map(text).collect()
    }

    pub fn info(&self, i: u8) -> pb::ValidatorSigningInfo {
        keys::SIGNING_INFO.get(&self.ctx, &geodesic_core::item::LenAddress(consensus(i))).unwrap().unwrap()
    }

    pub fn send<T: Message + Name>(&mut self, msg: &T) -> Result<(), TxError> {
        let module = Slashing::new(&self.world);
        let msg = module.decode(&pack(msg))?;
        module.validate_basic(&msg)?;
        module.handle(&mut self.ctx, &msg).map(drop)
    }

    pub fn query<R: Message + Default>(&self, method: &str, request: &impl Message) -> Result<R, QueryError> {
        let path = format!("/cosmos.slashing.v1beta1.Query/{method}");
        let reply = Slashing::new(&self.world).query(&self.ctx, &path, &request.encode_to_vec())?;
        Ok(R::decode(reply.as_slice()).unwrap())
    }
}
