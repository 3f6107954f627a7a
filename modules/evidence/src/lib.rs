#![doc = include_str!("../README.md")]

mod blocks;
mod equivocation;
mod errors;
mod genesis;
pub mod keys;
mod msgs;
mod ports;
mod query;

use geodesic_core::address::AddressError;
use geodesic_core::module::decode_msg;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, Sdk, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::cosmos::evidence::v1beta1 as pb;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use blocks::{Misbehavior, handle_misbehavior};
pub use errors::Error;
pub use genesis::validate_genesis;
pub use ports::{MaxAge, Ports};

/// The module. Its messages and queries need nothing of the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence;

/// The messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// See [`pb::MsgSubmitEvidence`].
    SubmitEvidence(pb::MsgSubmitEvidence),
}

impl Module for Evidence {
    type Msg = Msg;
    const NAME: &'static str = "evidence";
    const MESSAGES: &'static [&'static str] = &["cosmos.evidence.v1beta1.MsgSubmitEvidence"];
    const SERVICES: &'static [&'static str] = &["cosmos.evidence.v1beta1.Query"];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        let msg: pb::MsgSubmitEvidence = decode_msg(any)?;
        if let Some(evidence) = msg.evidence.as_ref().filter(|any| !any.type_url.is_empty()) {
            equivocation::unpack(evidence).map_err(|e| Sdk::TxDecode.with(e))?;
        }
        Ok(Msg::SubmitEvidence(msg))
    }

    fn validate_basic(&self, _: &Msg) -> Result<(), TxError> {
        Ok(()) // the SDK's evidence checks in its handler
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        let Msg::SubmitEvidence(m) = msg;
        Ok(vec![Address::from_bech32(prefix, &m.submitter)?])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        let Msg::SubmitEvidence(m) = msg;
        Ok(any::pack(&msgs::submit(ctx, m)?))
    }

    /// Nothing: the application calls [`handle_misbehavior`], for it has the block's.
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
