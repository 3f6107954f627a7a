#![doc = include_str!("../README.md")]

mod bitmap;
mod blocks;
mod errors;
mod events;
mod genesis;
mod hooks;
pub mod keys;
mod msgs;
mod params;
mod ports;
mod query;
mod time;

use geodesic_core::address::AddressError;
use geodesic_core::module::decode_msg;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, Sdk, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::cosmos::slashing::v1beta1 as pb;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use bitmap::Chunk;
pub use blocks::{Vote, handle_votes, jail, punish_double_sign};
pub use errors::Error;
pub use genesis::{for_zero_height, validate_genesis};
pub use hooks::{Hook, on_hook};
pub use ports::{Ports, Validator};

/// The module.
#[derive(Clone, Copy)]
pub struct Slashing<'a> {
    ports: &'a dyn Ports,
}

impl<'a> Slashing<'a> {
    /// The module with what it needs of staking.
    pub const fn new(ports: &'a dyn Ports) -> Self {
        Self { ports }
    }
}

/// The messages.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the names are the SDK's
pub enum Msg {
    Unjail(pb::MsgUnjail),
    UpdateParams(pb::MsgUpdateParams),
}

impl Module for Slashing<'_> {
    type Msg = Msg;
    const NAME: &'static str = "slashing";
    const MESSAGES: &'static [&'static str] =
        &["cosmos.slashing.v1beta1.MsgUnjail", "cosmos.slashing.v1beta1.MsgUpdateParams"];
    const SERVICES: &'static [&'static str] = &["cosmos.slashing.v1beta1.Query"];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        if any.type_url.ends_with(".MsgUnjail") {
            return decode_msg(any).map(Msg::Unjail);
        }
        let msg: pb::MsgUpdateParams = decode_msg(any)?;
        if let Some(p) = &msg.params {
            params::check_encoding(p).map_err(|e| Sdk::TxDecode.with(e))?;
        }
        Ok(Msg::UpdateParams(msg))
    }

    fn validate_basic(&self, _: &Msg) -> Result<(), TxError> {
        Ok(()) // the SDK's slashing checks in its handlers
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        Ok(vec![match msg {
            Msg::Unjail(m) => Address::from_bech32(&format!("{prefix}valoper"), &m.validator_addr)?,
            Msg::UpdateParams(m) => Address::from_bech32(prefix, &m.authority)?,
        }])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        Ok(match msg {
            Msg::Unjail(m) => any::pack(&msgs::unjail(ctx, self.ports, m)?),
            Msg::UpdateParams(m) => any::pack(&msgs::update_params(ctx, m)?),
        })
    }

    /// Nothing: the application calls [`handle_votes`], for it has the commit.
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
        genesis::init(ctx, self.ports, state)
    }

    fn export_genesis(&self, ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
        genesis::export(ctx)
    }

    fn default_genesis(&self) -> Box<RawValue> {
        genesis::default()
    }
}
