//! Genesis and export.

use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Ctx, GenesisError, Module as _, StateError};
use geodesic_proto::geodesic::difficulty::v1 as pb;
use serde_json::value::RawValue;

use crate::Difficulty;
use crate::keys::{NEWEST, PARAMS, TARGET};
use crate::params::Params;
use crate::ports::Ports;
use crate::targets::set;

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: Difficulty::NAME, reason: reason.to_string() }
}

pub(crate) fn init(ctx: &mut Ctx, ports: &dyn Ports, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let state: pb::GenesisState = parse_genesis(Difficulty::NAME, state)?;
    let params = match state.params {
        Some(p) => Params::try_from(p).map_err(refuse)?,
        None => Params::default(),
    };
    PARAMS.set(ctx, &params.into()).map_err(refuse)?;
    for target in &state.targets {
        TARGET.set(ctx, &target.epoch, target).map_err(refuse)?;
    }
    match state.targets.iter().map(|t| t.epoch).max() {
        Some(newest) => NEWEST.set(ctx, &newest).map_err(refuse),
        None => set(ctx, ports, 0, params.initial()).map_err(refuse),
    }
}

pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let targets = TARGET.prefix(ctx, &())?.map(|e| e.map(|(_, t)| t)).collect::<Result<_, _>>()?;
    genesis_json(&pb::GenesisState { params: Some(PARAMS.load(ctx)?), targets })
}

pub(crate) fn default() -> Box<RawValue> {
    let state = pb::GenesisState { params: Some(Params::default().into()), targets: Vec::new() };
    genesis_json(&state).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
