//! Genesis and export.

use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Ctx, GenesisError, Module as _, StateError};
use geodesic_proto::geodesic::epochs::v1 as pb;
use serde_json::value::RawValue;

use crate::Epochs;
use crate::blocks::current;
use crate::keys::{CURRENT, EPOCH, PARAMS};
use crate::params::Params;

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: Epochs::NAME, reason: reason.to_string() }
}

pub(crate) fn init(ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let state: pb::GenesisState = parse_genesis(Epochs::NAME, state)?;
    let params = match state.params {
        Some(p) => Params::try_from(p).map_err(refuse)?,
        None => Params::default(),
    };
    PARAMS.set(ctx, &params.into()).map_err(refuse)?;
    if let Some(epoch) = state.current {
        CURRENT.set(ctx, &epoch.index).map_err(refuse)?;
        EPOCH.set(ctx, &epoch.index, &epoch).map_err(refuse)?;
    }
    Ok(())
}

pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let params = Some(PARAMS.load(ctx)?);
    genesis_json(&pb::GenesisState { params, current: current(ctx)?.map(Into::into) })
}

pub(crate) fn default() -> Box<RawValue> {
    let state = pb::GenesisState { params: Some(Params::default().into()), current: None };
    genesis_json(&state).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
