#![doc = include_str!("../README.md")]

mod errors;
mod events;
mod genesis;
pub mod keys;
mod msgs;
mod params;
mod ports;
mod query;
mod settle;

use geodesic_core::address::AddressError;
use geodesic_core::module::decode_msg;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::geodesic::rewards::v1 as pb;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use errors::Error;
pub use params::Params;
pub use ports::Ports;
pub use settle::{Settled, settle};

/// The module.
#[derive(Clone, Copy)]
pub struct Rewards<'a> {
    ports: &'a dyn Ports,
}

impl<'a> Rewards<'a> {
    /// The module with what it needs of the others.
    pub const fn new(ports: &'a dyn Ports) -> Self {
        Self { ports }
    }
}

/// The messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// See [`pb::MsgUpdateParams`].
    UpdateParams(pb::MsgUpdateParams),
    /// See [`pb::MsgClaim`].
    Claim(pb::MsgClaim),
}

impl Module for Rewards<'_> {
    type Msg = Msg;
    const NAME: &'static str = "rewards";
    const MESSAGES: &'static [&'static str] =
        &["geodesic.rewards.v1.MsgUpdateParams", "geodesic.rewards.v1.MsgClaim"];
    const SERVICES: &'static [&'static str] = &["geodesic.rewards.v1.Query"];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        if any.type_url.ends_with("MsgUpdateParams") {
            decode_msg(any).map(Msg::UpdateParams)
        } else {
            decode_msg(any).map(Msg::Claim)
        }
    }

    fn validate_basic(&self, msg: &Msg) -> Result<(), TxError> {
        match msg {
            Msg::UpdateParams(_) => Ok(()), // checked with the authority, as in the SDK
            Msg::Claim(m) => Ok(msgs::check_epochs(m)?),
        }
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        let text = match msg {
            Msg::UpdateParams(m) => &m.authority,
            Msg::Claim(m) => &m.sender,
        };
        Ok(vec![Address::from_bech32(prefix, text)?])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        Ok(match msg {
            Msg::UpdateParams(m) => any::pack(&msgs::update_params(ctx, m)?),
            Msg::Claim(m) => any::pack(&msgs::claim(ctx, self.ports, m)?),
        })
    }

    fn begin_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn end_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn query(&self, ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
        query::route(ctx, path, request)
    }

    fn init_genesis(&self, ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
        genesis::init(ctx, state)
    }

    fn export_genesis(&self, ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
        genesis::export(ctx)
    }

    fn default_genesis(&self) -> Box<RawValue> {
        genesis::default()
    }
}
