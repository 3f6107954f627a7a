//! Genesis and export.

use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Address, Ctx, GenesisError, Module as _, StateError};
use geodesic_proto::geodesic::seeds::v1 as pb;
use serde_json::value::RawValue;

use crate::Seeds;
use crate::keys::{BEACON, KEY_OWNER, LAST, PARAMS, VRF_KEY};
use crate::params::Params;

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: Seeds::NAME, reason: reason.to_string() }
}

pub(crate) fn init(ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let state: pb::GenesisState = parse_genesis(Seeds::NAME, state)?;
    let params = match state.params {
        Some(p) => Params::try_from(p).map_err(refuse)?,
        None => Params::default(),
    };
    PARAMS.set(ctx, &params.into()).map_err(refuse)?;
    for entry in state.vrf_keys {
        let operator =
            ctx.account(&entry.operator).map_err(|e| refuse(format!("{}: {e}", entry.operator)))?;
        let operator =
            operator.as_20().ok_or_else(|| refuse(format!("{} is not 20 bytes", entry.operator)))?;
        let key = entry.key.ok_or_else(|| refuse(format!("{} has no key", entry.operator)))?;
        write_key(ctx, &operator, &key)?;
    }
    if let Some(beacon) = state.beacon {
        LAST.set(ctx, &beacon.height).map_err(refuse)?;
        BEACON.set(ctx, &beacon.height, &beacon).map_err(refuse)?;
    }
    Ok(())
}

fn write_key(ctx: &mut Ctx, operator: &[u8; 20], key: &pb::VrfKey) -> Result<(), GenesisError> {
    let public: [u8; 32] =
        key.public_key.as_slice().try_into().map_err(|_| refuse("a VRF key is not 32 bytes"))?;
    if vrf_r255::PublicKey::from_bytes(public).is_none() {
        return Err(refuse("a VRF key is no point of the curve"));
    }
    if KEY_OWNER.get(ctx, &public).map_err(refuse)?.is_some() {
        return Err(refuse("two operators have the same VRF key"));
    }
    KEY_OWNER.set(ctx, &public, operator).map_err(refuse)?;
    VRF_KEY.set(ctx, operator, key).map_err(refuse)
}

pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let mut vrf_keys = Vec::new();
    for entry in VRF_KEY.prefix(ctx, &())? {
        let (operator, key) = entry?;
        vrf_keys
            .push(pb::OperatorKey { operator: ctx.account_text(&Address::from(operator)), key: Some(key) });
    }
    let beacon = match LAST.get(ctx)? {
        Some(last) => BEACON.get(ctx, &last)?,
        None => None,
    };
    genesis_json(&pb::GenesisState { params: Some(PARAMS.load(ctx)?), vrf_keys, beacon })
}

pub(crate) fn default() -> Box<RawValue> {
    let state = pb::GenesisState { params: Some(Params::default().into()), ..Default::default() };
    genesis_json(&state).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
