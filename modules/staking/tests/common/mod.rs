//! A chain of one module: staking over a bank that costs no gas, in a store of its own so that it is branched with it.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use geodesic_core::address::{hash20, module_address};
use geodesic_core::{
    Address, BlockInfo, Coins, Ctx, Int, Map, MemStore, Module, Sdk, State, StateError, StoreId, Text,
    TxError,
};
use geodesic_proto::any::pack;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::crypto::ed25519;
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::prost::{Message, Name};
use geodesic_proto::prost_types::Any;
use geodesic_staking::ports::{BONDED_POOL, Hook, NOT_BONDED_POOL};
use geodesic_staking::{Params, Ports, Staking, types::Stored};
use serde_json::value::RawValue;

pub const BANK: StoreId = StoreId::tree("bank");
pub static BALANCES: Map<(Account20, String), Int, Text> = Map::new(BANK, &[0]);

/// 20 bytes of an account.
pub type Account20 = [u8; 20];

fn key(address: &Address, denom: &str) -> (Account20, String) {
    (address.as_20().unwrap(), denom.to_owned())
}

/// Balance of an account; costs nothing.
pub fn balance(ctx: &Ctx, address: &Address, denom: &str) -> Int {
    BALANCES.get(ctx, &key(address, denom)).unwrap().unwrap_or_default()
}

fn put(ctx: &mut Ctx, address: &Address, denom: &str, amount: Int) {
    BALANCES.set(ctx, &key(address, denom), &amount).unwrap();
}

fn change(ctx: &mut Ctx, from: &Address, to: Option<&Address>, coins: &Coins) -> Result<(), TxError> {
    ctx.without_gas(|ctx| {
        for coin in coins {
            let has = balance(ctx, from, &coin.denom);
            if has < coin.amount {
                return Err(Sdk::InsufficientFunds.with(format!("{from:?} has {has}")));
            }
            put(ctx, from, &coin.denom, has.checked_sub(coin.amount)?);
            if let Some(to) = to {
                let sum = balance(ctx, to, &coin.denom).checked_add(coin.amount)?;
                put(ctx, to, &coin.denom, sum);
            }
        }
        Ok(())
    })
}

/// The other modules.
#[derive(Default)]
pub struct World {
    /// Operators without a VRF key.
    pub keyless: RefCell<Vec<Account20>>,
    /// Hooks called, by name.
    pub hooks: RefCell<Vec<String>>,
    /// Makes the next hook of this name fail.
    pub failing: Cell<Option<&'static str>>,
    /// Key types of the consensus parameters.
    pub key_types: RefCell<Vec<String>>,
}

impl Ports for World {
    fn delegate_coins(
        &self,
        ctx: &mut Ctx,
        from: &Address,
        pool: &'static str,
        c: &Coins,
    ) -> Result<(), TxError> {
        change(ctx, from, Some(&module_address(pool)), c)
    }
    fn undelegate_coins(
        &self,
        ctx: &mut Ctx,
        pool: &'static str,
        to: &Address,
        c: &Coins,
    ) -> Result<(), TxError> {
        change(ctx, &module_address(pool), Some(to), c)
    }
    fn send_between_pools(
        &self,
        ctx: &mut Ctx,
        from: &'static str,
        to: &'static str,
        c: &Coins,
    ) -> Result<(), TxError> {
        change(ctx, &module_address(from), Some(&module_address(to)), c)
    }
    fn burn(&self, ctx: &mut Ctx, pool: &'static str, c: &Coins) -> Result<(), TxError> {
        change(ctx, &module_address(pool), None, c)
    }
    fn open_pool(&self, _: &mut Ctx, _: &'static str) -> Result<(), TxError> {
        Ok(())
    }
    fn pool_balance(&self, ctx: &Ctx, pool: &'static str, denom: &str) -> Result<Int, StateError> {
        Ok(balance(ctx, &module_address(pool), denom))
    }
    fn pub_key_types(&self, _: &mut Ctx) -> Result<Vec<String>, StateError> {
        Ok(self.key_types.borrow().clone())
    }
    fn has_vrf_key(&self, _: &Ctx, operator: &[u8; 20]) -> Result<bool, StateError> {
        Ok(!self.keyless.borrow().contains(operator))
    }
    fn hook(&self, _: &mut Ctx, hook: Hook<'_>) -> Result<(), TxError> {
        let name = format!("{hook:?}").split([' ', '{']).next().unwrap().to_owned();
        let fails = self.failing.get() == Some(name.as_str());
        self.hooks.borrow_mut().push(name);
        if fails { Err(Sdk::Logic.with("hook")) } else { Ok(()) }
    }
}

/// A running chain.
pub struct Chain {
    pub world: World,
    pub ctx: Ctx,
}

pub const PREFIX: &str = "cosmos";
pub const START_NS: i64 = 1_700_000_000_000_000_000;
pub const FUNDS: u64 = 1_000_000_000_000;

/// Account `i`.
pub fn account(i: usize) -> Address {
    hash20(format!("account {i}").as_bytes()).into()
}

/// Account `i` as text.
pub fn acc(i: usize) -> String {
    account(i).to_bech32(PREFIX)
}

/// Operator `i` as text.
pub fn val(i: usize) -> String {
    account(i).to_bech32("cosmosvaloper")
}

/// Consensus key of operator `i`.
pub fn key_of(i: usize) -> [u8; 32] {
    let mut key = [0_u8; 32];
    key[..20].copy_from_slice(&hash20(format!("key {i}").as_bytes()));
    key
}

pub fn coin(amount: u64, denom: &str) -> Option<Coin> {
    Some(Coin { denom: denom.to_owned(), amount: amount.to_string() })
}

pub fn stake(amount: u64) -> Option<Coin> {
    coin(amount, "stake")
}

/// A minute of unbonding, four validators.
pub fn params() -> Params {
    Params { unbonding_time_ns: 60_000_000_000, max_validators: 4, max_entries: 3, ..Params::default() }
}

fn block(height: u64, time_ns: i64) -> BlockInfo {
    BlockInfo {
        chain_id: "life-1".to_owned(),
        prefix: PREFIX.to_owned(),
        initial_height: 1,
        height,
        time_ns,
        ..BlockInfo::default()
    }
}

impl Chain {
    /// A chain of this genesis (JSON) whose accounts 0 to 39 have [`FUNDS`].
    pub fn of_genesis(genesis: &str, fill_pools: impl FnOnce(&mut Ctx)) -> Self {
        let mut ctx = Ctx::new(block(0, START_NS), State::new(Arc::new(MemStore::default())));
        for i in 0..40 {
            for denom in ["stake", "atoken"] {
                put(&mut ctx, &account(i), denom, FUNDS.into());
            }
        }
        fill_pools(&mut ctx);
        let world = World { key_types: RefCell::new(vec!["ed25519".to_owned()]), ..World::default() };
        let raw = RawValue::from_string(genesis.to_owned()).unwrap();
        Staking::new(&world).init_genesis(&mut ctx, Some(&raw)).unwrap();
        Self { world, ctx }
    }

    /// A chain without validators.
    pub fn new(params: &Params, source: &str, compute: &str) -> Self {
        let params = geodesic_proto::json::to_json(&params.to_message()).unwrap();
        let json = format!(r#"{{"params":{params},"power_source":"{source}","compute":{compute}}}"#);
        Self::of_genesis(&json, |_| {})
    }

    /// A chain of stake with [`params`].
    pub fn stake() -> Self {
        Self::new(&params(), "stake", "null")
    }

    pub fn module(&self) -> Staking<'_> {
        Staking::new(&self.world)
    }

    /// Executes a message as the application does; its gas, and the answer.
    pub fn run(&mut self, any: &Any) -> (u64, Result<Any, TxError>) {
        let module = Staking::new(&self.world);
        let msg = match module.decode(any) {
            Ok(msg) => msg,
            Err(e) => return (0, Err(e)),
        };
        self.ctx.gas = geodesic_core::gas::GasMeter::limited(100_000_000);
        let result = self.ctx.atomic(|ctx| module.handle(ctx, &msg));
        let used = self.ctx.gas.used();
        self.ctx.gas = geodesic_core::gas::GasMeter::unlimited();
        (used, result)
    }

    pub fn send<T: Message + Name>(&mut self, msg: &T) -> Result<Any, TxError> {
        self.run(&pack(msg)).1
    }

    /// Code of a message's error, 0 if it succeeds.
    pub fn code<T: Message + Name>(&mut self, msg: &T) -> (&'static str, u32) {
        match self.send(msg) {
            Ok(_) => ("", 0),
            Err(e) => (e.codespace, e.code),
        }
    }

    /// Begins the next block, so many seconds later.
    pub fn begin(&mut self, seconds: i64) {
        let height = self.ctx.block.height + 1;
        let time = self.ctx.block.time_ns + seconds * 1_000_000_000;
        self.begin_at(height, time);
    }

    pub fn begin_at(&mut self, height: u64, time_ns: i64) {
        self.ctx.block = BlockInfo {
            proposer: vec![1, 2],
            next_validators_hash: vec![3],
            app_hash: vec![height as u8],
            ..block(height, time_ns)
        };
        Staking::new(&self.world).begin_block(&mut self.ctx).unwrap();
    }

    /// Ends the block.
    pub fn end(&mut self) {
        Staking::new(&self.world).end_block(&mut self.ctx).unwrap();
    }

    /// Ends the block and begins the next.
    pub fn next(&mut self, seconds: i64) {
        self.end();
        self.begin(seconds);
    }

    pub fn create(&mut self, i: usize, tokens: u64) {
        self.send(&create(i, tokens)).unwrap();
    }

    pub fn delegate(&mut self, from: usize, to: usize, tokens: u64) {
        let msg = pb::MsgDelegate {
            delegator_address: acc(from),
            validator_address: val(to),
            amount: stake(tokens),
        };
        self.send(&msg).unwrap();
    }

    pub fn undelegate(&mut self, from: usize, to: usize, tokens: u64) {
        self.send(&undelegate(from, to, tokens)).unwrap();
    }

    pub fn validator(&self, i: usize) -> geodesic_staking::types::Validator {
        geodesic_staking::validator(&self.ctx, &account(i)).unwrap().unwrap()
    }

    pub fn power(&self, i: usize) -> u64 {
        geodesic_staking::last_power(&self.ctx, &account(i)).unwrap()
    }

    pub fn pool(&self, name: &str) -> Int {
        balance(&self.ctx, &module_address(name), "stake")
    }

    /// Both pools.
    pub fn pools(&self) -> (Int, Int) {
        (self.pool(BONDED_POOL), self.pool(NOT_BONDED_POOL))
    }

    pub fn query<Q: Message, R: Message + Default>(&self, path: &str, q: &Q) -> R {
        let bytes = self.module().query(&self.ctx, path, &q.encode_to_vec()).unwrap();
        R::decode(bytes.as_slice()).unwrap()
    }
}

pub fn create(i: usize, tokens: u64) -> pb::MsgCreateValidator {
    pb::MsgCreateValidator {
        description: Some(pb::Description { moniker: format!("v{i}"), ..pb::Description::default() }),
        commission: Some(pb::CommissionRates {
            rate: "100000000000000000".to_owned(),
            max_rate: "200000000000000000".to_owned(),
            max_change_rate: "10000000000000000".to_owned(),
        }),
        min_self_delegation: "1".to_owned(),
        validator_address: val(i),
        pubkey: Some(pack(&ed25519::PubKey { key: key_of(i).to_vec() })),
        value: stake(tokens),
        ..pb::MsgCreateValidator::default()
    }
}

pub fn undelegate(from: usize, to: usize, tokens: u64) -> pb::MsgUndelegate {
    pb::MsgUndelegate { delegator_address: acc(from), validator_address: val(to), amount: stake(tokens) }
}

pub fn redelegate(from: usize, source: usize, destination: usize, tokens: u64) -> pb::MsgBeginRedelegate {
    pb::MsgBeginRedelegate {
        delegator_address: acc(from),
        validator_src_address: val(source),
        validator_dst_address: val(destination),
        amount: stake(tokens),
    }
}
