#![doc = include_str!("../README.md")]

mod blocks;
mod errors;
mod events;
mod genesis;
pub mod keys;
mod msgs;
mod params;
mod query;
mod schedule;

use geodesic_core::address::AddressError;
use geodesic_core::module::decode_msg;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::geodesic::epochs::v1 as pb;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use blocks::{by_index, current, params};
pub use errors::Error;
pub use params::Params;
pub use schedule::{Epoch, Phase};

/// The module: it needs nothing of the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epochs;

/// The messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// See [`pb::MsgUpdateParams`].
    UpdateParams(pb::MsgUpdateParams),
}

impl Module for Epochs {
    type Msg = Msg;
    const NAME: &'static str = "epochs";
    const MESSAGES: &'static [&'static str] = &["geodesic.epochs.v1.MsgUpdateParams"];
    const SERVICES: &'static [&'static str] = &["geodesic.epochs.v1.Query"];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        decode_msg(any).map(Msg::UpdateParams)
    }

    fn validate_basic(&self, _: &Msg) -> Result<(), TxError> {
        Ok(()) // parameters are checked with the authority, as in the SDK
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        let Msg::UpdateParams(m) = msg;
        Ok(vec![Address::from_bech32(prefix, &m.authority)?])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        let Msg::UpdateParams(m) = msg;
        Ok(any::pack(&msgs::update_params(ctx, m)?))
    }

    fn begin_block(&self, ctx: &mut Ctx) -> Result<(), StateError> {
        blocks::begin_block(ctx)
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
