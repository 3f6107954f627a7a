#![doc = include_str!("../README.md")]

pub mod keys;
mod msgs;
mod rules;

use geodesic_core::address::AddressError;
use geodesic_core::module::{answer, decode_msg, unknown_method};
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::cosmos::consensus::v1 as pb;
use geodesic_proto::prost_types::Any;
use geodesic_proto::tendermint::types::ConsensusParams;
use serde_json::value::RawValue;

use crate::keys::PARAMS;

/// The module: it needs nothing of the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Consensus;

/// The parameters in force; `None` before InitChain.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn params(ctx: &Ctx) -> Result<Option<ConsensusParams>, StateError> {
    PARAMS.get(ctx)
}

/// Writes the parameters that CometBFT gives at InitChain.
///
/// # Errors
/// [`GenesisError`] names what is wrong with them.
pub fn init(ctx: &mut Ctx, params: &ConsensusParams) -> Result<(), GenesisError> {
    let refuse = |reason: String| GenesisError { module: Consensus::NAME, reason };
    rules::validate(params).map_err(refuse)?;
    PARAMS.set(ctx, params).map_err(|e| refuse(e.to_string()))
}

/// First height whose votes carry extensions; 0 if none ever do.
pub fn vote_extensions_enable_height(params: &ConsensusParams) -> u64 {
    let height = params.abci.as_ref().map_or(0, |a| a.vote_extensions_enable_height);
    u64::try_from(height).unwrap_or(0)
}

/// The messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// See [`pb::MsgUpdateParams`].
    UpdateParams(pb::MsgUpdateParams),
}

impl Module for Consensus {
    type Msg = Msg;
    const NAME: &'static str = "consensus";
    const MESSAGES: &'static [&'static str] = &["cosmos.consensus.v1.MsgUpdateParams"];
    const SERVICES: &'static [&'static str] = &["cosmos.consensus.v1.Query"];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        decode_msg(any).map(Msg::UpdateParams)
    }

    fn validate_basic(&self, _: &Msg) -> Result<(), TxError> {
        Ok(()) // checked with the authority, as in the SDK
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        let Msg::UpdateParams(m) = msg;
        Ok(vec![Address::from_bech32(prefix, &m.authority)?])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        let Msg::UpdateParams(m) = msg;
        Ok(any::pack(&msgs::update_params(ctx, m)?))
    }

    fn begin_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn end_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn query(&self, ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
        match path.rsplit('/').next() {
            Some("Params") => answer(request, |_: pb::QueryParamsRequest| {
                Ok(pb::QueryParamsResponse { params: Some(PARAMS.load(ctx)?) })
            }),
            _ => Err(unknown_method(path)),
        }
    }

    /// Nothing: the parameters stand in CometBFT's part of the genesis and come with InitChain.
    fn init_genesis(&self, _: &mut Ctx, _: Option<&RawValue>) -> Result<(), GenesisError> {
        Ok(())
    }

    fn export_genesis(&self, _: &Ctx) -> Result<Box<RawValue>, StateError> {
        Ok(RawValue::NULL.to_owned())
    }

    fn default_genesis(&self) -> Box<RawValue> {
        RawValue::NULL.to_owned()
    }
}
