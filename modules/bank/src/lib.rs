#![doc = include_str!("../README.md")]

mod errors;
mod events;
mod genesis;
pub mod keeper;
pub mod keys;
mod metadata;
mod msgs;
mod ports;
mod query;

use geodesic_core::address::AddressError;
use geodesic_core::module::decode_msg;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1 as pb;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use errors::Error;
pub use ports::Ports;

/// The module.
#[derive(Clone, Copy)]
pub struct Bank<'a> {
    ports: &'a dyn Ports,
}

impl<'a> Bank<'a> {
    /// The module with what it needs of the others.
    pub const fn new(ports: &'a dyn Ports) -> Self {
        Self { ports }
    }
}

/// The messages.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // one variant for each message of the SDK
pub enum Msg {
    Send(pb::MsgSend),
    MultiSend(pb::MsgMultiSend),
    UpdateParams(pb::MsgUpdateParams),
    SetSendEnabled(pb::MsgSetSendEnabled),
}

impl Module for Bank<'_> {
    type Msg = Msg;
    const NAME: &'static str = "bank";
    const MESSAGES: &'static [&'static str] = &[
        "cosmos.bank.v1beta1.MsgSend",
        "cosmos.bank.v1beta1.MsgMultiSend",
        "cosmos.bank.v1beta1.MsgUpdateParams",
        "cosmos.bank.v1beta1.MsgSetSendEnabled",
    ];
    const SERVICES: &'static [&'static str] = &["cosmos.bank.v1beta1.Query"];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        match any.type_url.rsplit('.').next() {
            Some("MsgSend") => decode_msg(any).map(Msg::Send),
            Some("MsgMultiSend") => decode_msg(any).map(Msg::MultiSend),
            Some("MsgUpdateParams") => decode_msg(any).map(Msg::UpdateParams),
            _ => decode_msg(any).map(Msg::SetSendEnabled),
        }
    }

    fn validate_basic(&self, _: &Msg) -> Result<(), TxError> {
        Ok(()) // the SDK's bank checks in its handlers
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        let texts: Vec<&str> = match msg {
            Msg::Send(m) => vec![&m.from_address],
            Msg::MultiSend(m) => m.inputs.iter().map(|i| i.address.as_str()).collect(),
            Msg::UpdateParams(m) => vec![&m.authority],
            Msg::SetSendEnabled(m) => vec![&m.authority],
        };
        let mut signers = Vec::new();
        for text in texts {
            let address = Address::from_bech32(prefix, text)?;
            if !signers.contains(&address) {
                signers.push(address);
            }
        }
        Ok(signers)
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        Ok(match msg {
            Msg::Send(m) => any::pack(&msgs::send(ctx, self.ports, m)?),
            Msg::MultiSend(m) => any::pack(&msgs::multi_send(ctx, self.ports, m)?),
            Msg::UpdateParams(m) => any::pack(&msgs::update_params(ctx, m)?),
            Msg::SetSendEnabled(m) => any::pack(&msgs::set_send_enabled(ctx, m)?),
        })
    }

    fn begin_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn end_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn query(&self, ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
        query::route(ctx, self.ports, path, request)
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
