//! Genesis and export (`x/slashing/keeper/genesis.go`).

use geodesic_core::address::{self, hash20};
use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Address, Ctx, GenesisError, Module as _, StateError};
use geodesic_proto::cosmos::slashing::v1beta1 as pb;
use serde_json::value::RawValue;

use crate::events::valcons;
use crate::hooks::pack;
use crate::keys::{PARAMS, PUB_KEY, SIGNING_INFO, len};
use crate::params::Params;
use crate::ports::Ports;
use crate::{Slashing, bitmap};

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: Slashing::NAME, reason: reason.to_string() }
}

/// A checked genesis.
struct Genesis {
    params: Params,
    infos: Vec<(Address, pb::ValidatorSigningInfo)>,
    /// Indexes in the bitmap of those who missed blocks.
    missed: Vec<(Address, Vec<u64>)>,
}

fn consensus_address(field: &str, text: &str) -> Result<Address, GenesisError> {
    let at = |e: &dyn std::fmt::Display| refuse(format!("{field}: address {text:?}: {e}"));
    let (_, bytes) = address::decode(text).map_err(|e| at(&e))?;
    Address::try_new(bytes).map_err(|e| at(&e))
}

fn not_negative(text: &str, field: &str, value: i64) -> Result<u64, GenesisError> {
    u64::try_from(value).map_err(|_| refuse(format!("{text}: {field} is {value}, must not be negative")))
}

fn signing_info(info: pb::SigningInfo) -> Result<(Address, pb::ValidatorSigningInfo), GenesisError> {
    let text = &info.address;
    let consensus = consensus_address("signing_infos", text)?;
    let info = info.validator_signing_info.unwrap_or_default();
    for (field, value) in [
        ("start_height", info.start_height),
        ("index_offset", info.index_offset),
        ("missed_blocks_counter", info.missed_blocks_counter),
    ] {
        not_negative(text, field, value)?;
    }
    Ok((consensus, info))
}

fn missed_blocks(blocks: &pb::ValidatorMissedBlocks) -> Result<(Address, Vec<u64>), GenesisError> {
    let text = &blocks.address;
    let consensus = consensus_address("missed_blocks", text)?;
    let indexes = blocks.missed_blocks.iter().filter(|b| b.missed);
    let indexes = indexes.map(|b| not_negative(text, "index", b.index)).collect::<Result<_, _>>()?;
    Ok((consensus, indexes))
}

fn default_state() -> pb::GenesisState {
    pb::GenesisState { params: Some(Params::default().into()), ..Default::default() }
}

fn parse(state: Option<&RawValue>) -> Result<Genesis, GenesisError> {
    let state = match state {
        Some(_) => parse_genesis(Slashing::NAME, state)?,
        None => default_state(),
    };
    Ok(Genesis {
        params: Params::try_from(&state.params.unwrap_or_default()).map_err(refuse)?,
        infos: state.signing_infos.into_iter().map(signing_info).collect::<Result<_, _>>()?,
        missed: state.missed_blocks.iter().map(missed_blocks).collect::<Result<_, _>>()?,
    })
}

/// Checks a genesis without writing it.
///
/// # Errors
/// [`GenesisError`] names field and value.
pub fn validate_genesis(state: Option<&RawValue>) -> Result<(), GenesisError> {
    parse(state).map(drop)
}

pub(crate) fn init(ctx: &mut Ctx, ports: &dyn Ports, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let genesis = parse(state)?;
    write(ctx, ports, &genesis).map_err(refuse)
}

fn write(ctx: &mut Ctx, ports: &dyn Ports, genesis: &Genesis) -> Result<(), StateError> {
    for key in ports.pub_keys(ctx)? {
        PUB_KEY.set(ctx, &len(&hash20(&key).into()), &pack(&key))?;
    }
    for (consensus, info) in &genesis.infos {
        SIGNING_INFO.set(ctx, &len(consensus), info)?;
    }
    for (consensus, indexes) in &genesis.missed {
        for index in indexes {
            bitmap::record(ctx, consensus, *index, true)?;
        }
    }
    PARAMS.set(ctx, &genesis.params.into())
}

/// Lets every validator's signing begin at the first height of a chain that begins anew. The state is to be exported, not
/// to be committed.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn for_zero_height(ctx: &mut Ctx) -> Result<(), StateError> {
    let infos = SIGNING_INFO.prefix(ctx, &())?.collect::<Result<Vec<_>, _>>()?;
    for (key, mut info) in infos {
        info.start_height = 0;
        SIGNING_INFO.set(ctx, &key, &info)?;
    }
    Ok(())
}

pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let (mut signing_infos, mut missed_blocks) = (Vec::new(), Vec::new());
    for entry in SIGNING_INFO.prefix(ctx, &())? {
        let (consensus, info) = entry?;
        let address = valcons(ctx, &consensus.0);
        let mut missed = Vec::new();
        for index in bitmap::missed(ctx, &consensus.0)? {
            let index = i64::try_from(index).map_err(|e| StateError::Invariant(e.to_string()))?;
            missed.push(pb::MissedBlock { index, missed: true });
        }
        signing_infos.push(pb::SigningInfo { address: address.clone(), validator_signing_info: Some(info) });
        missed_blocks.push(pb::ValidatorMissedBlocks { address, missed_blocks: missed });
    }
    let params = Some(PARAMS.load(ctx)?);
    genesis_json(&pb::GenesisState { params, signing_infos, missed_blocks })
}

pub(crate) fn default() -> Box<RawValue> {
    genesis_json(&default_state()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
