//! Genesis and export (`x/evidence/genesis.go`).

use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Ctx, GenesisError, Module as _, StateError};
use geodesic_proto::any;
use geodesic_proto::cosmos::evidence::v1beta1::{Equivocation, GenesisState};
use serde_json::value::RawValue;

use crate::Evidence;
use crate::equivocation::{hash, unpack, validate};
use crate::keys::EVIDENCE;

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: Evidence::NAME, reason: reason.to_string() }
}

fn parse(state: Option<&RawValue>) -> Result<Vec<Equivocation>, GenesisError> {
    let state: GenesisState = parse_genesis(Evidence::NAME, state)?;
    let checked = |(i, any)| {
        let e = unpack(any).and_then(|e| validate(&e).map(|()| e));
        e.map_err(|e| refuse(format!("evidence[{i}]: {e}")))
    };
    state.evidence.iter().enumerate().map(checked).collect()
}

/// Checks a genesis without writing it.
///
/// # Errors
/// [`GenesisError`] names the entry and what is wrong with it.
pub fn validate_genesis(state: Option<&RawValue>) -> Result<(), GenesisError> {
    parse(state).map(drop)
}

pub(crate) fn init(ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
    for e in parse(state)? {
        let hash = hash(&e);
        if EVIDENCE.has(ctx, &hash).map_err(refuse)? {
            return Err(refuse(format!("evidence with hash {} already exists", hex::encode_upper(hash))));
        }
        EVIDENCE.set(ctx, &hash, &any::pack(&e)).map_err(refuse)?;
    }
    Ok(())
}

pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let evidence = EVIDENCE.prefix(ctx, &())?.map(|entry| entry.map(|(_, any)| any));
    genesis_json(&GenesisState { evidence: evidence.collect::<Result<_, _>>()? })
}

pub(crate) fn default() -> Box<RawValue> {
    genesis_json(&GenesisState::default()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
