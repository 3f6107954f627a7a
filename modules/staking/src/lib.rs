#![doc = include_str!("../README.md")]

mod blocks;
pub mod compute;
pub mod delegate;
pub mod entries;
mod errors;
pub mod genesis;
mod historical;
pub mod keys;
pub mod math;
mod msgs;
pub mod params;
pub mod ports;
mod query;
pub mod redelegate;
pub mod sets;
pub mod slash;
pub mod status;
pub mod time;
pub mod types;
pub mod validators;
mod zero;

use geodesic_core::module::decode_msg;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, Sdk, StateError, TxError, address};
use geodesic_proto::any::pack;
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use compute::{collateral, compute_activate, compute_set_shares};
pub use errors::Error;
pub use genesis::{genesis_set, genesis_updates, validate_genesis};
pub use params::{ComputeParams, Params, PowerSource};
pub use ports::Ports;
pub use sets::{Member, validator_set_at, validator_updates};
pub use slash::{Offender, Stake, slash};
pub use status::{jail, last_power, last_total_power, unjail};
pub use validators::{all_validators, validator, validator_by_consensus};
pub use zero::for_zero_height;

use crate::types::{read_dec, read_int};

/// The module.
#[derive(Clone, Copy)]
pub struct Staking<'a> {
    ports: &'a dyn Ports,
}

impl<'a> Staking<'a> {
    /// The module, with what it needs of others.
    pub const fn new(ports: &'a dyn Ports) -> Self {
        Self { ports }
    }
}

/// The messages of staking.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the names are the SDK's
pub enum Msg {
    CreateValidator(Box<pb::MsgCreateValidator>),
    EditValidator(Box<pb::MsgEditValidator>),
    Delegate(pb::MsgDelegate),
    BeginRedelegate(pb::MsgBeginRedelegate),
    Undelegate(pb::MsgUndelegate),
    CancelUnbondingDelegation(pb::MsgCancelUnbondingDelegation),
    UpdateParams(Box<pb::MsgUpdateParams>),
    UpdateComputeParams(own::MsgUpdateParams),
}

/// Numbers and keys that the SDK's decoder refuses.
fn check_encoding(msg: &Msg) -> Result<(), String> {
    let coin = |c: &Option<geodesic_proto::cosmos::base::v1beta1::Coin>| {
        c.as_ref().map_or(Ok(()), |c| read_int("amount", &c.amount).map(drop))
    };
    match msg {
        Msg::CreateValidator(m) => {
            coin(&m.value)?;
            read_int("min_self_delegation", &m.min_self_delegation)?;
            if let Some(rates) = &m.commission {
                types::Commission::from_rates(rates, time::Time::default())?;
            }
            match &m.pubkey {
                Some(key) if msgs::key_type(key).is_none() => {
                    Err(format!("unable to resolve type URL {}", key.type_url))
                }
                _ => Ok(()),
            }
        }
        Msg::EditValidator(m) => {
            read_int("min_self_delegation", &m.min_self_delegation)?;
            read_dec("commission_rate", &m.commission_rate).map(drop)
        }
        Msg::Delegate(m) => coin(&m.amount),
        Msg::BeginRedelegate(m) => coin(&m.amount),
        Msg::Undelegate(m) => coin(&m.amount),
        Msg::CancelUnbondingDelegation(m) => coin(&m.amount),
        Msg::UpdateParams(m) => {
            let rate = m.params.as_ref().map_or("", |p| p.min_commission_rate.as_str());
            read_dec("min_commission_rate", rate).map(drop)
        }
        Msg::UpdateComputeParams(_) => Ok(()),
    }
}

impl Module for Staking<'_> {
    type Msg = Msg;

    const NAME: &'static str = "staking";

    const MESSAGES: &'static [&'static str] = &[
        "cosmos.staking.v1beta1.MsgCreateValidator",
        "cosmos.staking.v1beta1.MsgEditValidator",
        "cosmos.staking.v1beta1.MsgDelegate",
        "cosmos.staking.v1beta1.MsgBeginRedelegate",
        "cosmos.staking.v1beta1.MsgUndelegate",
        "cosmos.staking.v1beta1.MsgCancelUnbondingDelegation",
        "cosmos.staking.v1beta1.MsgUpdateParams",
        "geodesic.staking.v1.MsgUpdateParams",
    ];

    const SERVICES: &'static [&'static str] = &[query::SDK, query::OWN];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        let msg = match any.type_url.strip_prefix('/') {
            Some("cosmos.staking.v1beta1.MsgCreateValidator") => {
                Msg::CreateValidator(Box::new(decode_msg(any)?))
            }
            Some("cosmos.staking.v1beta1.MsgEditValidator") => Msg::EditValidator(Box::new(decode_msg(any)?)),
            Some("cosmos.staking.v1beta1.MsgDelegate") => Msg::Delegate(decode_msg(any)?),
            Some("cosmos.staking.v1beta1.MsgBeginRedelegate") => Msg::BeginRedelegate(decode_msg(any)?),
            Some("cosmos.staking.v1beta1.MsgUndelegate") => Msg::Undelegate(decode_msg(any)?),
            Some("cosmos.staking.v1beta1.MsgCancelUnbondingDelegation") => {
                Msg::CancelUnbondingDelegation(decode_msg(any)?)
            }
            Some("cosmos.staking.v1beta1.MsgUpdateParams") => Msg::UpdateParams(Box::new(decode_msg(any)?)),
            Some("geodesic.staking.v1.MsgUpdateParams") => Msg::UpdateComputeParams(decode_msg(any)?),
            _ => return Err(Sdk::TxDecode.with(format!("no message of staking: {}", any.type_url))),
        };
        check_encoding(&msg).map_err(|e| Sdk::TxDecode.with(e))?;
        Ok(msg)
    }

    /// The SDK 0.50 checks all of staking's messages when it executes them.
    fn validate_basic(&self, _: &Msg) -> Result<(), TxError> {
        Ok(())
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, address::AddressError> {
        let account = |text| Address::from_bech32(prefix, text);
        let operator = |text| Address::from_bech32(&format!("{prefix}valoper"), text);
        Ok(vec![match msg {
            Msg::CreateValidator(m) => operator(&m.validator_address)?,
            Msg::EditValidator(m) => operator(&m.validator_address)?,
            Msg::Delegate(m) => account(&m.delegator_address)?,
            Msg::BeginRedelegate(m) => account(&m.delegator_address)?,
            Msg::Undelegate(m) => account(&m.delegator_address)?,
            Msg::CancelUnbondingDelegation(m) => account(&m.delegator_address)?,
            Msg::UpdateParams(m) => account(&m.authority)?,
            Msg::UpdateComputeParams(m) => account(&m.authority)?,
        }])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        Ok(match msg {
            Msg::CreateValidator(m) => pack(&msgs::create_validator(ctx, self.ports, m)?),
            Msg::EditValidator(m) => pack(&msgs::edit_validator(ctx, self.ports, m)?),
            Msg::Delegate(m) => pack(&msgs::delegate_msg(ctx, self.ports, m)?),
            Msg::BeginRedelegate(m) => pack(&redelegate::begin_redelegate(ctx, self.ports, m)?),
            Msg::Undelegate(m) => pack(&msgs::undelegate(ctx, self.ports, m)?),
            Msg::CancelUnbondingDelegation(m) => pack(&redelegate::cancel_unbonding(ctx, self.ports, m)?),
            Msg::UpdateParams(m) => pack(&msgs::update_params(ctx, m)?),
            Msg::UpdateComputeParams(m) => pack(&msgs::update_compute_params(ctx, m)?),
        })
    }

    fn begin_block(&self, ctx: &mut Ctx) -> Result<(), StateError> {
        blocks::begin_block(ctx)
    }

    fn end_block(&self, ctx: &mut Ctx) -> Result<(), StateError> {
        blocks::end_block(ctx, self.ports)
    }

    fn query(&self, ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
        query::query(ctx, self.ports, path, request)
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
