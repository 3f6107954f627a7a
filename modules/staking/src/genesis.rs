//! Genesis: `cosmos.staking.v1beta1.GenesisState` with two fields more, `power_source` and `compute`.

use std::collections::BTreeSet;

use geodesic_core::{Address, Ctx, GenesisError, Int, StateError};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_proto::json;
use geodesic_proto::tendermint::abci::ValidatorUpdate;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::blocks::new_set;
use crate::compute;
use crate::delegate::{import_delegation, import_unbonding, put_unbonding};
use crate::entries::{Redelegation, UnbondingDelegation};
use crate::errors::Error;
use crate::keys::{self, len};
use crate::math::SHARE_ONE;
use crate::params::{ComputeParams, Params, PowerSource};
use crate::ports::{BONDED_POOL, Hook, NOT_BONDED_POOL, Ports};
use crate::redelegate::{enqueue as enqueue_redelegation, put_redelegation};
use crate::sets::{self, Member};
use crate::status::{UnbondingKind, import_unbonding_id};
use crate::types::{Delegation, Status, Stored, Validator, read_int, read_time};
use crate::validators::{all_validators, enqueue, rank, set_by_consensus, set_validator, validator};

const POWER_SOURCE: &str = "power_source";
const COMPUTE: &str = "compute";

/// A genesis that has been read, and not yet compared with the rest of the chain's.
pub(crate) struct Genesis {
    power_source: PowerSource,
    compute: own::GenesisState,
    compute_params: ComputeParams,
    params: Params,
    last_total_power: Int,
    last_powers: Vec<pb::LastValidatorPower>,
    validators: Vec<Validator>,
    delegations: Vec<Delegation>,
    unbondings: Vec<UnbondingDelegation>,
    redelegations: Vec<Redelegation>,
    exported: bool,
}

fn list<V: Stored>(name: &str, messages: Vec<V::Message>) -> Result<Vec<V>, String> {
    let read = |(i, m)| V::from_message(m).map_err(|e| format!("{name}[{i}].{e}"));
    messages.into_iter().enumerate().map(read).collect()
}

impl Genesis {
    /// Reads JSON; `None` is the SDK's default.
    pub(crate) fn parse(raw: Option<&RawValue>) -> Result<Self, String> {
        let object: Option<Map<String, Value>> = match raw {
            Some(raw) => serde_json::from_str(raw.get()).map_err(|e| e.to_string())?,
            None => None,
        };
        let is_default = object.is_none();
        let mut object = object.unwrap_or_default();
        let source = object.remove(POWER_SOURCE).unwrap_or(Value::Null);
        let power_source = match &source {
            Value::Null => PowerSource::Stake,
            Value::String(name) => PowerSource::from_name(name)
                .ok_or_else(|| format!("{POWER_SOURCE} is {name}, not stake or compute"))?,
            other => return Err(format!("{POWER_SOURCE} is {other}, not stake or compute")),
        };
        let compute: own::GenesisState = match object.remove(COMPUTE) {
            None | Some(Value::Null) => own::GenesisState::default(),
            Some(value) => json::from_value(&value).map_err(|e| format!("{COMPUTE}: {e}"))?,
        };
        let m: pb::GenesisState = json::from_value(&Value::Object(object)).map_err(|e| e.to_string())?;
        let params = match m.params.filter(|_| !is_default) {
            Some(params) => Params::from_message(params)?,
            None => Params::default(),
        };
        let compute_params = match &compute.params {
            Some(params) => {
                ComputeParams::from_message(params.clone()).map_err(|e| format!("{COMPUTE}.params: {e}"))?
            }
            None => ComputeParams::default(),
        };
        let total = std::str::from_utf8(&m.last_total_power).map_err(|e| format!("last_total_power: {e}"))?;
        Ok(Self {
            power_source,
            compute,
            compute_params,
            params,
            last_total_power: read_int("last_total_power", total)?,
            last_powers: m.last_validator_powers,
            validators: list("validators", m.validators)?,
            delegations: list("delegations", m.delegations)?,
            unbondings: list("unbonding_delegations", m.unbonding_delegations)?,
            redelegations: list("redelegations", m.redelegations)?,
            exported: m.exported,
        })
    }

    /// Checks what can be checked without the other modules.
    pub(crate) fn validate(&self) -> Result<(), String> {
        self.params.validate()?;
        let (mut keys, mut operators) = (BTreeSet::new(), BTreeSet::new());
        for v in &self.validators {
            let name = &v.operator;
            if !keys.insert(v.pub_key) {
                return Err(format!("validators: the consensus key of {name} is there twice"));
            }
            if !operators.insert(&v.address) {
                return Err(format!("validators: {name} is there twice"));
            }
            if v.jailed && v.is_bonded() {
                return Err(format!("validators: {name} is bonded and jailed"));
            }
            if v.shares.is_zero() && v.status != Status::Unbonding {
                return Err(format!("validators: {name} has no delegator shares"));
            }
            if v.tokens.is_negative() || v.shares.is_negative() {
                return Err(format!("validators: {name} has {} tokens and {} shares", v.tokens, v.shares));
            }
        }
        for p in &self.last_powers {
            if p.power <= 0 {
                return Err(format!("last_validator_powers: {} has power {}", p.address, p.power));
            }
        }
        for p in &self.compute.powers {
            if p.share > SHARE_ONE || p.pending > SHARE_ONE {
                let (share, pending) = (p.share, p.pending);
                return Err(format!(
                    "{COMPUTE}.powers: share {share} or {pending} of {} is above 10^12",
                    p.operator
                ));
            }
        }
        Ok(())
    }
}

fn fail(reason: impl std::fmt::Display) -> GenesisError {
    GenesisError { module: "staking", reason: reason.to_string() }
}

/// Checks a genesis.
///
/// # Errors
/// [`GenesisError`] names the field and its value.
pub fn validate_genesis(raw: Option<&RawValue>) -> Result<(), GenesisError> {
    Genesis::parse(raw).and_then(|g| g.validate()).map_err(fail)
}

/// Writes a genesis. The bank's must be written before, for the pools must hold what the validators have.
pub(crate) fn init(ctx: &mut Ctx, ports: &dyn Ports, raw: Option<&RawValue>) -> Result<(), GenesisError> {
    let genesis = Genesis::parse(raw).map_err(fail)?;
    genesis.validate().map_err(fail)?;
    write(ctx, ports, &genesis).map_err(fail)
}

fn operator(ctx: &Ctx, text: &str) -> Result<Address, Error> {
    ctx.valoper(text).map_err(|e| Error::unregistered(format!("operator {text}: {e}")))
}

fn account(ctx: &Ctx, text: &str) -> Result<Address, Error> {
    ctx.account(text).map_err(|e| Error::unregistered(format!("delegator {text}: {e}")))
}

fn write(ctx: &mut Ctx, ports: &dyn Ports, g: &Genesis) -> Result<(), Error> {
    keys::PARAMS.set(ctx, &g.params)?;
    keys::LAST_TOTAL_POWER.set(ctx, &keys::IntProto { int: g.last_total_power.to_string() })?;
    keys::POWER_SOURCE.set(ctx, &g.power_source.to_byte())?;
    keys::COMPUTE_PARAMS.set(ctx, &g.compute_params)?;
    let (mut bonded, mut not_bonded) = (Int::ZERO, Int::ZERO);
    for v in &g.validators {
        operator(ctx, &v.operator)?;
        write_validator(ctx, ports, v, g.exported)?;
        let pool = if v.is_bonded() { &mut bonded } else { &mut not_bonded };
        *pool = pool.checked_add(v.tokens)?;
    }
    for d in &g.delegations {
        write_delegation(ctx, ports, d, g.exported)?;
    }
    for u in &g.unbondings {
        let (delegator, operator) = (account(ctx, &u.delegator)?, operator(ctx, &u.validator)?);
        put_unbonding(ctx, &delegator, &operator, u)?;
        let key = keys::UNBONDINGS.key(&(len(&delegator), len(&operator)));
        for entry in &u.entries {
            import_unbonding(ctx, u, entry)?;
            import_unbonding_id(ctx, entry.id, key.clone(), UnbondingKind::Delegation)?;
            not_bonded = not_bonded.checked_add(entry.balance)?;
        }
    }
    for r in &g.redelegations {
        let (source, destination) = (operator(ctx, &r.source)?, operator(ctx, &r.destination)?);
        let delegator = account(ctx, &r.delegator)?;
        put_redelegation(ctx, &delegator, &source, &destination, r)?;
        let key = keys::REDELEGATIONS.key(&(len(&delegator), len(&source), len(&destination)));
        for entry in &r.entries {
            enqueue_redelegation(ctx, r, entry.completion_time)?;
            import_unbonding_id(ctx, entry.id, key.clone(), UnbondingKind::Redelegation)?;
        }
    }
    check_pool(ctx, ports, &g.params, BONDED_POOL, bonded)?;
    check_pool(ctx, ports, &g.params, NOT_BONDED_POOL, not_bonded)?;
    write_compute(ctx, &g.compute)?;
    if g.exported { write_last_powers(ctx, &g.last_powers) } else { Ok(()) }
}

fn write_validator(ctx: &mut Ctx, ports: &dyn Ports, v: &Validator, exported: bool) -> Result<(), Error> {
    set_validator(ctx, v)?;
    set_by_consensus(ctx, v)?;
    rank(ctx, v)?;
    if !exported {
        ports.hook(ctx, Hook::AfterValidatorCreated { operator: &v.address })?;
    }
    if v.status == Status::Unbonding {
        enqueue(ctx, v)?;
    }
    if v.status == Status::Unbonded {
        return Ok(()); // its unbondings are over, and nothing looks them up
    }
    let key = keys::VALIDATORS.key(&len(&v.address));
    for id in &v.unbonding_ids {
        import_unbonding_id(ctx, *id, key.clone(), UnbondingKind::Validator)?;
    }
    Ok(())
}

fn write_delegation(ctx: &mut Ctx, ports: &dyn Ports, d: &Delegation, exported: bool) -> Result<(), Error> {
    let (delegator, operator) = (&account(ctx, &d.delegator)?, &operator(ctx, &d.validator)?);
    if validator(ctx, operator)?.is_none() {
        return Err(Error::unregistered(format!(
            "delegations: {} has no validator {}",
            d.delegator, d.validator
        )));
    }
    if !exported {
        ports.hook(ctx, Hook::BeforeDelegationCreated { delegator, operator })?;
    }
    import_delegation(ctx, delegator, operator, d)?;
    if !exported {
        ports.hook(ctx, Hook::AfterDelegationModified { delegator, operator })?;
    }
    Ok(())
}

fn check_pool(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    params: &Params,
    pool: &'static str,
    expected: Int,
) -> Result<(), Error> {
    ports.open_pool(ctx, pool)?;
    let balance = ports.pool_balance(ctx, pool, &params.bond_denom)?;
    if balance == expected {
        return Ok(());
    }
    let denom = &params.bond_denom;
    Err(Error::unregistered(format!(
        "{pool} holds {balance}{denom}, the validators and unbondings have {expected}{denom}"
    )))
}

/// The set of an exported chain goes on as it was.
fn write_last_powers(ctx: &mut Ctx, powers: &[pb::LastValidatorPower]) -> Result<(), Error> {
    let mut members = Vec::with_capacity(powers.len());
    for p in powers {
        let address = operator(ctx, &p.address)?;
        keys::LAST_VALIDATOR_POWER.set(ctx, &len(&address), &p.power)?;
        let missing = || Error::unregistered(format!("last_validator_powers: no validator {}", p.address));
        let v = validator(ctx, &address)?.ok_or_else(missing)?;
        let power = u64::try_from(p.power).map_err(|_| geodesic_core::Overflow)?;
        members.push(Member { operator: address, pub_key: v.pub_key, power });
    }
    Ok(sets::record(ctx, first_height(ctx), members)?)
}

fn first_height(ctx: &Ctx) -> u64 {
    ctx.block.initial_height.max(1)
}

fn write_compute(ctx: &mut Ctx, g: &own::GenesisState) -> Result<(), Error> {
    let operator = |ctx: &Ctx, text: &str| {
        let address = operator(ctx, text)?;
        address.as_20().ok_or_else(|| Error::unregistered(format!("operator {text} has not 20 bytes")))
    };
    for p in &g.powers {
        let key = operator(ctx, &p.operator)?;
        for (map, value) in [(&keys::SHARES, p.share), (&keys::POWERS, p.power), (&keys::PENDING, p.pending)]
        {
            if value > 0 {
                map.set(ctx, &key, &value)?;
            }
        }
    }
    for a in &g.activations {
        read_time("activations.time", a.time.as_ref()).map_err(Error::unregistered)?;
        keys::ACTIVATIONS.set(ctx, &a.height, &a.time.unwrap_or_default())?;
        for b in &a.backings {
            let tokens = read_int("activations.backings.tokens", &b.tokens).map_err(Error::unregistered)?;
            keys::BACKINGS.set(ctx, &(a.height, operator(ctx, &b.operator)?), &tokens)?;
        }
    }
    Ok(())
}

/// Makes the first validator set, in force from the first height on.
///
/// The application calls it once, when every module's genesis is written and the genesis transactions have run. The set of
/// an exported chain stays as it was.
///
/// # Errors
/// [`StateError`] if the disk fails or the pools do not hold what the validators have.
pub fn genesis_set(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), StateError> {
    let run = |ctx: &mut Ctx| {
        if PowerSource::load(ctx)? == PowerSource::Compute {
            compute::begin(ctx, ports)?;
        }
        let from = first_height(ctx);
        new_set(ctx, ports, from)
    };
    run(ctx).map_err(|e| e.into_state("genesis"))
}

/// The whole first set, as CometBFT reads it, ascending by key.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn genesis_updates(ctx: &Ctx) -> Result<Vec<ValidatorUpdate>, StateError> {
    Ok(sets::diff(&[], &sets::validator_set_at(ctx, first_height(ctx))?))
}

/// The state, to be imported by [`init`].
pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let validators = all_validators(ctx)?;
    let mut last_validator_powers = Vec::new();
    for entry in keys::LAST_VALIDATOR_POWER.prefix(ctx, &())? {
        let (operator, power) = entry?;
        last_validator_powers.push(pb::LastValidatorPower { address: ctx.valoper_text(&operator.0), power });
    }
    let delegations = keys::DELEGATIONS.prefix(ctx, &())?.map(|e| e.map(|(_, d)| d.to_message()));
    let unbondings = keys::UNBONDINGS.prefix(ctx, &())?.map(|e| e.map(|(_, u)| u.to_message()));
    let redelegations = keys::REDELEGATIONS.prefix(ctx, &())?.map(|e| e.map(|(_, r)| r.to_message()));
    let state = pb::GenesisState {
        params: Some(Params::load(ctx)?.to_message()),
        last_total_power: crate::status::last_total_power(ctx)?.to_string().into_bytes(),
        last_validator_powers,
        validators: validators.iter().map(Stored::to_message).collect(),
        delegations: delegations.collect::<Result<_, _>>()?,
        unbonding_delegations: unbondings.collect::<Result<_, _>>()?,
        redelegations: redelegations.collect::<Result<_, _>>()?,
        exported: true,
    };
    let source = PowerSource::load(ctx)?;
    let compute = match source {
        PowerSource::Stake => None,
        PowerSource::Compute => Some(export_compute(ctx)?),
    };
    to_raw(&state, source, compute.as_ref())
}

fn export_compute(ctx: &Ctx) -> Result<own::GenesisState, StateError> {
    let text = |operator: &[u8; 20]| ctx.valoper_text(&Address::from(*operator));
    let mut operators = BTreeSet::new();
    for map in [&keys::SHARES, &keys::POWERS, &keys::PENDING] {
        for entry in map.prefix(ctx, &())? {
            operators.insert(entry?.0);
        }
    }
    let mut powers = Vec::with_capacity(operators.len());
    for o in &operators {
        powers.push(own::GenesisPower {
            operator: text(o),
            share: keys::SHARES.get(ctx, o)?.unwrap_or_default(),
            power: keys::POWERS.get(ctx, o)?.unwrap_or_default(),
            pending: keys::PENDING.get(ctx, o)?.unwrap_or_default(),
        });
    }
    let mut activations = Vec::new();
    for entry in keys::ACTIVATIONS.prefix(ctx, &())? {
        let (height, time) = entry?;
        let backing = |((_, o), tokens): ((u64, [u8; 20]), Int)| own::GenesisBacking {
            operator: text(&o),
            tokens: tokens.to_string(),
        };
        let backings = keys::BACKINGS.prefix(ctx, &height)?.map(|e| e.map(backing));
        activations.push(own::GenesisActivation {
            height,
            time: Some(time),
            backings: backings.collect::<Result<_, _>>()?,
        });
    }
    Ok(own::GenesisState { params: Some(ComputeParams::load(ctx)?.to_message()), powers, activations })
}

fn to_raw(
    state: &pb::GenesisState,
    source: PowerSource,
    compute: Option<&own::GenesisState>,
) -> Result<Box<RawValue>, StateError> {
    let failed = |e: &dyn std::fmt::Display| StateError::Invariant(format!("genesis as JSON: {e}"));
    let mut value = json::to_value(state).map_err(|e| failed(&e))?;
    if let (Some(object), Some(compute)) = (value.as_object_mut(), compute) {
        object.insert(POWER_SOURCE.to_owned(), Value::String(source.name().to_owned()));
        object.insert(COMPUTE.to_owned(), json::to_value(compute).map_err(|e| failed(&e))?);
    }
    serde_json::value::to_raw_value(&value).map_err(|e| failed(&e))
}

/// The SDK's default: no validators, its parameters, power by stake.
pub(crate) fn default() -> Box<RawValue> {
    let state = pb::GenesisState {
        params: Some(Params::default().to_message()),
        last_total_power: b"0".to_vec(),
        ..pb::GenesisState::default()
    };
    // A message of constants prints; an empty object is the same genesis.
    to_raw(&state, PowerSource::Stake, None).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
