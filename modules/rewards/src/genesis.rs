//! Genesis and export.

use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Ctx, GenesisError, Int, Module as _, StateError};
use geodesic_proto::geodesic::rewards::v1 as pb;
use serde_json::value::RawValue;

use crate::Rewards;
use crate::keys::{BY_EPOCH, EPOCH, PARAMS, SHARE};
use crate::params::Params;

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: Rewards::NAME, reason: reason.to_string() }
}

pub(crate) fn init(ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let state: pb::GenesisState = parse_genesis(Rewards::NAME, state)?;
    let params = match state.params {
        Some(p) => Params::try_from(p).map_err(refuse)?,
        None => Params::default(),
    };
    PARAMS.set(ctx, &params.into()).map_err(refuse)?;
    for epoch in &state.epochs {
        EPOCH.set(ctx, &epoch.epoch, epoch).map_err(refuse)?;
    }
    for share in &state.shares {
        let who = ctx.account(&share.participant).ok().and_then(|a| a.as_20());
        let who = who.ok_or_else(|| {
            refuse(format!("participant {:?} is no account of 20 bytes", share.participant))
        })?;
        if !share.amount.parse::<Int>().is_ok_and(Int::is_positive) {
            return Err(refuse(format!(
                "amount {:?} of epoch {} is not positive",
                share.amount, share.epoch
            )));
        }
        SHARE.set(ctx, &(who, share.epoch), share).map_err(refuse)?;
        BY_EPOCH.set(ctx, &(share.epoch, who), &()).map_err(refuse)?;
    }
    Ok(())
}

pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let epochs = EPOCH.prefix(ctx, &())?.map(|e| e.map(|(_, v)| v)).collect::<Result<_, _>>()?;
    let shares = SHARE.prefix(ctx, &())?.map(|e| e.map(|(_, v)| v)).collect::<Result<_, _>>()?;
    genesis_json(&pb::GenesisState { params: Some(PARAMS.load(ctx)?), epochs, shares })
}

pub(crate) fn default() -> Box<RawValue> {
    let state = pb::GenesisState { params: Some(Params::default().into()), ..Default::default() };
    genesis_json(&state).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
