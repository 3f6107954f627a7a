#![doc = include_str!("../README.md")]

pub mod account;
pub mod genesis;
pub mod keeper;
pub mod keys;
pub mod modules;
pub mod msgs;
pub mod params;
pub mod ports;
pub mod pubkey;
pub mod query;
pub mod unordered;

use geodesic_core::address::AddressError;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, Sdk, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1::{MsgUpdateParams, MsgUpdateParamsResponse};
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use account::{Account, ModuleRole};
pub use ports::Ports;
pub use pubkey::PubKey;

/// The module.
pub struct Auth<'a> {
    ports: &'a dyn Ports,
}

impl<'a> Auth<'a> {
    /// The module with its ports.
    pub fn new(ports: &'a dyn Ports) -> Self {
        Self { ports }
    }
}

impl Module for Auth<'_> {
    type Msg = MsgUpdateParams;

    const NAME: &'static str = "auth";
    const MESSAGES: &'static [&'static str] = &["cosmos.auth.v1beta1.MsgUpdateParams"];
    const SERVICES: &'static [&'static str] = &["cosmos.auth.v1beta1.Query"];

    fn decode(&self, any: &Any) -> Result<Self::Msg, TxError> {
        any::unpack(any).map_err(|e| Sdk::TxDecode.with(e))
    }

    fn validate_basic(&self, _: &Self::Msg) -> Result<(), TxError> {
        Ok(())
    }

    fn signers(&self, msg: &Self::Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        Ok(vec![Address::from_bech32(prefix, &msg.authority)?])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Self::Msg) -> Result<Any, TxError> {
        msgs::update_params(ctx, self.ports, msg)?;
        Ok(any::pack(&MsgUpdateParamsResponse {}))
    }

    fn begin_block(&self, ctx: &mut Ctx) -> Result<(), StateError> {
        unordered::remove_expired(ctx)
    }

    fn end_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn query(&self, ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
        query::query(ctx, path, request)
    }

    fn init_genesis(&self, ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
        genesis::init(ctx, state)
    }

    fn export_genesis(&self, ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
        genesis::export(ctx)
    }

    fn default_genesis(&self) -> Box<RawValue> {
        genesis::raw(&genesis::default()).unwrap_or_default()
    }
}
