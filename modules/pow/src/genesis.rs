//! Genesis and export.

use geodesic_challenge::CHAIN_ID_MAX;
use geodesic_core::item::{Codec, Key};
use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Ctx, GenesisError, Map, StateError};
use geodesic_proto::cosmos::base::v1beta1::Coin as PbCoin;
use geodesic_proto::geodesic::pow::v1 as pb;
use serde_json::value::RawValue;

use crate::NAME;
use crate::draw::store_provers;
use crate::errors::Error;
use crate::judge::subject;
use crate::keys::{
    ACCUSATION, ACCUSED, CASE, CASES, COMMITMENT, DEMAND, DUTY, EPOCH, JUDGMENT, PARAMS, PARTICIPANT, POWER,
    SHAPE, SUBJECT, VERDICT, WEIGHT,
};
use crate::network::Network;
use crate::params::Params;
use crate::participants::{epoch_params, operator, stored_coin, stored_hash, stored_operator};
use crate::ports::Ports;
use crate::types::{check_settings, node_commitment};
use crate::vrf;

/// Default shape, and the blocks that its slowest judge needs.
const SHAPE_NAME: &str = "local";
const JUDGE_BLOCKS: u64 = 2;

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: NAME, reason: reason.to_string() }
}

fn default_shape() -> pb::ShapeSetting {
    pb::ShapeSetting { name: SHAPE_NAME.to_owned(), shape: None, judge_blocks: JUDGE_BLOCKS, profile: None }
}

/// Checks that parameters are of the network's profile.
pub(crate) fn check_profile(network: &Network, params: &Params) -> Result<(), Error> {
    match (network, &params.tolerance) {
        (Network::Exact(_), Some(_)) => {
            Err(Error::InvalidParams("pow2_f16 is set, the shape's profile is exact".to_owned()))
        }
        (Network::Float(_), None) => {
            Err(Error::InvalidParams("pow2_f16 is missing, the shape's profile is pow2-f16".to_owned()))
        }
        _ => Ok(()),
    }
}

fn check_participant(ctx: &Ctx, p: &pb::Participant) -> Result<(), GenesisError> {
    let name = &p.participant;
    for settings in p.settings.iter().chain(&p.next) {
        check_settings(settings).map_err(|e| refuse(format!("participant {name}: {e}")))?;
        ctx.account(&settings.agent).map_err(|e| refuse(format!("participant {name}: agent: {e}")))?;
    }
    if p.settings.is_none() {
        return Err(refuse(format!("participant {name} has no settings")));
    }
    match p.deposit.as_ref().map(geodesic_core::Coin::try_from) {
        Some(Err(e)) => Err(refuse(format!("participant {name}: deposit: {e}"))),
        _ => Ok(()),
    }
}

/// Writes the genesis state.
pub(crate) fn init(ctx: &mut Ctx, ports: &dyn Ports, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let state: pb::GenesisState = parse_genesis(NAME, state)?;
    let params = match &state.params {
        Some(p) => Params::try_from(p).map_err(refuse)?,
        None => Params::default(),
    };
    let shape = state.shape.clone().unwrap_or_else(default_shape);
    let network = Network::of(&shape).map_err(refuse)?;
    check_profile(&network, &params).map_err(refuse)?;
    let judge_duration = ports.judge_duration(ctx).map_err(refuse)?;
    if shape.judge_blocks == 0 || shape.judge_blocks > judge_duration {
        let blocks = shape.judge_blocks;
        return Err(refuse(format!(
            "judge_blocks is {blocks}, allowed are 1 to poc_judge_duration {judge_duration}"
        )));
    }
    if ctx.block.chain_id.len() > CHAIN_ID_MAX {
        return Err(refuse(format!(
            "chain id has {} bytes, allowed are {CHAIN_ID_MAX}",
            ctx.block.chain_id.len()
        )));
    }
    PARAMS.set(ctx, &params.into()).map_err(refuse)?;
    SHAPE.set(ctx, &network.setting(shape.judge_blocks)).map_err(refuse)?;
    state.participants.iter().try_for_each(|p| check_participant(ctx, p))?;
    import(ctx, state)
}

/// Stores each record at the key that `key` finds in it; no two may have the same.
fn store<K: Key, V, C: Codec<V>>(
    ctx: &mut Ctx,
    map: &Map<K, V, C>,
    what: &str,
    records: Vec<V>,
    key: impl Fn(&Ctx, &V) -> Result<K, Error>,
) -> Result<(), GenesisError> {
    for (i, record) in records.iter().enumerate() {
        let key = key(ctx, record).map_err(|e| refuse(format!("{what} {i}: {e}")))?;
        if map.has(ctx, &key).map_err(refuse)? {
            return Err(refuse(format!("{what} {i} is there twice")));
        }
        map.set(ctx, &key, record).map_err(refuse)?;
    }
    Ok(())
}

/// Checks what the chain will later take for granted in an epoch's record.
fn check_epoch(e: &pb::Epoch) -> Result<u64, Error> {
    epoch_params(e)?;
    let draw = e.draw.as_ref().map(|d| d.beacon.as_slice());
    draw.into_iter().chain([e.beacon.as_slice()]).try_for_each(|b| stored_hash(b).map(drop))?;
    Ok(e.epoch)
}

/// Checks who gets what back.
fn check_escrow(ctx: &Ctx, sender: &str, coin: Option<&PbCoin>) -> Result<(), Error> {
    stored_coin(coin)?;
    ctx.account(sender)?;
    Ok(())
}

fn import(ctx: &mut Ctx, s: pb::GenesisState) -> Result<(), GenesisError> {
    let drawn: Vec<_> = s.epochs.iter().filter(|e| e.draw.is_some()).cloned().collect();
    let cases = s.cases.clone();
    store(ctx, &PARTICIPANT, "participants", s.participants, |c, r| operator(c, &r.participant))?;
    store(ctx, &EPOCH, "epochs", s.epochs, |_, r| check_epoch(r))?;
    store(ctx, &COMMITMENT, "commitments", s.commitments, |c, r| {
        r.nodes.iter().try_for_each(|n| node_commitment(n).map(drop))?;
        Ok((r.epoch, operator(c, &r.participant)?))
    })?;
    store(ctx, &POWER, "powers", s.powers, |c, r| Ok((r.epoch, operator(c, &r.validator)?)))?;
    store(ctx, &DEMAND, "demands", s.demands, |c, r| {
        check_escrow(c, &r.sender, r.fee.as_ref())?;
        vrf::stored_seed(&r.vrf_output)?;
        Ok((r.epoch, operator(c, &r.prover)?, operator(c, &r.auditor)?))
    })?;
    store(ctx, &VERDICT, "verdicts", s.verdicts, |c, r| {
        vrf::stored_seed(&r.vrf_output)?;
        Ok((r.epoch, operator(c, &r.auditor)?))
    })?;
    store(ctx, &DUTY, "duties", s.duties, |c, r| {
        Ok((r.epoch, operator(c, &r.auditor)?, operator(c, &r.prover)?))
    })?;
    store(ctx, &CASE, "cases", s.cases, |c, r| {
        operator(c, &r.first_accuser)?;
        Ok((r.epoch, r.case_id))
    })?;
    store(ctx, &ACCUSATION, "accusations", s.accusations, |c, r| {
        check_escrow(c, &r.sender, r.deposit.as_ref())?;
        Ok((r.epoch, r.case_id, operator(c, &r.accuser)?))
    })?;
    store(ctx, &JUDGMENT, "judgments", s.judgments, |c, r| Ok((r.epoch, operator(c, &r.judge)?)))?;
    store(ctx, &WEIGHT, "weights", s.weights, |c, r| Ok((r.epoch, operator(c, &r.participant)?)))?;
    derive(ctx, &drawn, &cases).map_err(refuse)
}

/// Writes what follows from the records: provers, and the indexes of cases and accusations.
fn derive(ctx: &mut Ctx, drawn: &[pb::Epoch], cases: &[pb::Case]) -> Result<(), StateError> {
    for epoch in drawn {
        let min_leaves = epoch_params(epoch)?.min_leaves;
        store_provers(ctx, epoch.epoch, min_leaves)?;
    }
    for case in cases {
        let (accused, prover) = (stored_operator(ctx, &case.accused)?, stored_operator(ctx, &case.prover)?);
        SUBJECT.set(ctx, &(case.epoch, subject(case, &accused, &prover)), &case.case_id)?;
        let count = CASES.get(ctx, &case.epoch)?.unwrap_or_default().max(case.case_id.saturating_add(1));
        CASES.set(ctx, &case.epoch, &count)?;
        let accusers = ACCUSATION.prefix(ctx, &(case.epoch, case.case_id))?;
        let accusers =
            accusers.map(|e| e.map(|((.., accuser), _)| accuser)).collect::<Result<Vec<_>, _>>()?;
        let kind = u8::try_from(case.kind).unwrap_or_default();
        for accuser in accusers {
            ACCUSED.set(ctx, &(case.epoch, accuser, kind, accused), &case.case_id)?;
        }
    }
    Ok(())
}

fn all<K: Key, V, C: Codec<V>>(ctx: &Ctx, map: &Map<K, V, C>) -> Result<Vec<V>, StateError> {
    map.prefix(ctx, &())?.map(|e| e.map(|(_, record)| record)).collect()
}

/// The state as JSON that [`init`] takes.
pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    genesis_json(&pb::GenesisState {
        params: Some(PARAMS.load(ctx)?),
        shape: Some(SHAPE.load(ctx)?),
        participants: all(ctx, &PARTICIPANT)?,
        epochs: all(ctx, &EPOCH)?,
        commitments: all(ctx, &COMMITMENT)?,
        powers: all(ctx, &POWER)?,
        demands: all(ctx, &DEMAND)?,
        verdicts: all(ctx, &VERDICT)?,
        duties: all(ctx, &DUTY)?,
        cases: all(ctx, &CASE)?,
        accusations: all(ctx, &ACCUSATION)?,
        judgments: all(ctx, &JUDGMENT)?,
        weights: all(ctx, &WEIGHT)?,
    })
}

/// The default genesis state.
pub(crate) fn default() -> Box<RawValue> {
    let state = pb::GenesisState {
        params: Some(Params::default().into()),
        shape: Some(default_shape()),
        ..pb::GenesisState::default()
    };
    genesis_json(&state).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
