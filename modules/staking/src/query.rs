//! Read-only handlers of `cosmos.staking.v1beta1.Query` and `geodesic.staking.v1.Query`.

use geodesic_core::item::LenAddress;
use geodesic_core::module::{answer, unknown_method};
use geodesic_core::page::paginate;
use geodesic_core::{Address, Coin, Ctx, Int, QueryError, StateError};
use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;

use crate::compute;
use crate::delegate::{delegation, unbonding};
use crate::entries::{Redelegation, RedelegationEntry};
use crate::keys::{self, len};
use crate::math;
use crate::params::{ComputeParams, Params, PowerSource};
use crate::ports::{BONDED_POOL, NOT_BONDED_POOL, Ports};
use crate::redelegate::redelegation;
use crate::sets;
use crate::types::{Delegation, Stored, Validator};
use crate::validators::validator;

/// The SDK's service.
pub(crate) const SDK: &str = "cosmos.staking.v1beta1.Query";
/// Ours.
pub(crate) const OWN: &str = "geodesic.staking.v1.Query";

type Answer<T> = Result<T, QueryError>;

/// Answers `/service/method`.
pub(crate) fn query(ctx: &Ctx, ports: &dyn Ports, path: &str, request: &[u8]) -> Answer<Vec<u8>> {
    match path.strip_prefix('/').and_then(|p| p.split_once('/')) {
        Some((SDK, method)) => sdk(ctx, ports, method, path, request),
        Some((OWN, "PowerSource")) => answer(request, |_: own::QueryPowerSourceRequest| power_source(ctx)),
        Some((OWN, "ComputePowers")) => answer(request, |q| compute_powers(ctx, &q)),
        Some((OWN, "ValidatorSet")) => answer(request, |q| validator_set(ctx, &q)),
        _ => Err(unknown_method(path)),
    }
}

fn sdk(ctx: &Ctx, ports: &dyn Ports, method: &str, path: &str, request: &[u8]) -> Answer<Vec<u8>> {
    match method {
        "Validators" => answer(request, |q| validators(ctx, &q)),
        "Validator" => answer(request, |q: pb::QueryValidatorRequest| {
            let validator = Some(find(ctx, &q.validator_addr)?.to_message());
            Ok(pb::QueryValidatorResponse { validator })
        }),
        "ValidatorDelegations" => answer(request, |q| validator_delegations(ctx, &q)),
        "ValidatorUnbondingDelegations" => answer(request, |q| validator_unbondings(ctx, &q)),
        "Delegation" => answer(request, |q| one_delegation(ctx, &q)),
        "UnbondingDelegation" => answer(request, |q| one_unbonding(ctx, &q)),
        "DelegatorDelegations" => answer(request, |q| delegator_delegations(ctx, &q)),
        "DelegatorUnbondingDelegations" => answer(request, |q| delegator_unbondings(ctx, &q)),
        "Redelegations" => answer(request, |q| redelegations(ctx, &q)),
        "DelegatorValidators" => answer(request, |q| delegator_validators(ctx, &q)),
        "DelegatorValidator" => answer(request, |q| delegator_validator(ctx, &q)),
        "HistoricalInfo" => answer(request, |q| historical_info(ctx, &q)),
        "Pool" => answer(request, |_: pb::QueryPoolRequest| pool(ctx, ports)),
        "Params" => answer(request, |_: pb::QueryParamsRequest| {
            Ok(pb::QueryParamsResponse { params: Some(Params::load(ctx)?.to_message()) })
        }),
        _ => Err(unknown_method(path)),
    }
}

fn operator(ctx: &Ctx, text: &str) -> Answer<Address> {
    if text.is_empty() {
        return Err(QueryError::InvalidArgument("validator address cannot be empty".to_owned()));
    }
    ctx.valoper(text).map_err(|e| QueryError::InvalidArgument(e.to_string()))
}

fn delegator(ctx: &Ctx, text: &str) -> Answer<Address> {
    if text.is_empty() {
        return Err(QueryError::InvalidArgument("delegator address cannot be empty".to_owned()));
    }
    ctx.account(text).map_err(|e| QueryError::InvalidArgument(e.to_string()))
}

fn find(ctx: &Ctx, text: &str) -> Answer<Validator> {
    let address = operator(ctx, text)?;
    validator(ctx, &address)?.ok_or_else(|| QueryError::NotFound(format!("validator {text} not found")))
}

/// A validator that a record in state names.
fn named(ctx: &Ctx, address: &Address) -> Result<Validator, StateError> {
    let missing = || StateError::Invariant(format!("validator {address:?} is not there"));
    validator(ctx, address)?.ok_or_else(missing)
}

fn validators(ctx: &Ctx, q: &pb::QueryValidatorsRequest) -> Answer<pb::QueryValidatorsResponse> {
    let status = match q.status.as_str() {
        "" => None,
        name => match pb::BondStatus::from_str_name(name) {
            None | Some(pb::BondStatus::Unspecified) => {
                return Err(QueryError::InvalidArgument(format!("invalid validator status {name}")));
            }
            status => status,
        },
    };
    let (validators, page) = paginate(ctx, &keys::VALIDATORS, &(), q.pagination.as_ref(), |_, v| {
        let wanted = status.is_none_or(|s| s == v.status.to_message());
        Ok(wanted.then(|| v.to_message()))
    })?;
    Ok(pb::QueryValidatorsResponse { validators, pagination: Some(page) })
}

/// A delegation and what it is worth.
fn with_balance(d: &Delegation, v: &Validator, params: &Params) -> Answer<pb::DelegationResponse> {
    let worth = v.tokens_from_shares(d.shares)?.truncate_int();
    let balance = Coin { denom: params.bond_denom.clone(), amount: worth };
    Ok(pb::DelegationResponse { delegation: Some(d.to_message()), balance: Some(balance.into()) })
}

fn validator_delegations(
    ctx: &Ctx,
    q: &pb::QueryValidatorDelegationsRequest,
) -> Answer<pb::QueryValidatorDelegationsResponse> {
    let operator = operator(ctx, &q.validator_addr)?;
    let params = Params::load(ctx)?;
    let v = validator(ctx, &operator)?;
    let each = |(_, from): (LenAddress, Address), ()| {
        let (d, v) = (delegation(ctx, &from, &operator)?, v.as_ref());
        let (Some(d), Some(v)) = (d, v) else { return Ok(None) };
        with_balance(&d, v, &params).map(Some)
    };
    let (delegation_responses, page) =
        paginate(ctx, &keys::DELEGATIONS_BY_VALIDATOR, &len(&operator), q.pagination.as_ref(), each)?;
    Ok(pb::QueryValidatorDelegationsResponse { delegation_responses, pagination: Some(page) })
}

fn validator_unbondings(
    ctx: &Ctx,
    q: &pb::QueryValidatorUnbondingDelegationsRequest,
) -> Answer<pb::QueryValidatorUnbondingDelegationsResponse> {
    let operator = operator(ctx, &q.validator_addr)?;
    let each = |(_, from): (LenAddress, LenAddress), ()| {
        Ok(unbonding(ctx, &from.0, &operator)?.map(|u| u.to_message()))
    };
    let (unbonding_responses, page) =
        paginate(ctx, &keys::UNBONDINGS_BY_VALIDATOR, &len(&operator), q.pagination.as_ref(), each)?;
    Ok(pb::QueryValidatorUnbondingDelegationsResponse { unbonding_responses, pagination: Some(page) })
}

fn one_delegation(ctx: &Ctx, q: &pb::QueryDelegationRequest) -> Answer<pb::QueryDelegationResponse> {
    let from = delegator(ctx, &q.delegator_addr)?;
    let operator = operator(ctx, &q.validator_addr)?;
    let missing = || {
        let (d, v) = (&q.delegator_addr, &q.validator_addr);
        QueryError::NotFound(format!("delegation with delegator {d} not found for validator {v}"))
    };
    let d = delegation(ctx, &from, &operator)?.ok_or_else(missing)?;
    let response = with_balance(&d, &named(ctx, &operator)?, &Params::load(ctx)?)?;
    Ok(pb::QueryDelegationResponse { delegation_response: Some(response) })
}

fn one_unbonding(
    ctx: &Ctx,
    q: &pb::QueryUnbondingDelegationRequest,
) -> Answer<pb::QueryUnbondingDelegationResponse> {
    let from = delegator(ctx, &q.delegator_addr)?;
    let operator = operator(ctx, &q.validator_addr)?;
    let missing = || {
        let (d, v) = (&q.delegator_addr, &q.validator_addr);
        QueryError::NotFound(format!("unbonding delegation with delegator {d} not found for validator {v}"))
    };
    let unbond = unbonding(ctx, &from, &operator)?.ok_or_else(missing)?.to_message();
    Ok(pb::QueryUnbondingDelegationResponse { unbond: Some(unbond) })
}

/// One page of a delegator's delegations, each with its validator.
fn of_delegator<T>(
    ctx: &Ctx,
    text: &str,
    page: Option<&PageRequest>,
    mut f: impl FnMut(Delegation, Validator) -> Answer<T>,
) -> Answer<(Vec<T>, PageResponse)> {
    let from = delegator(ctx, text)?;
    paginate(ctx, &keys::DELEGATIONS, &len(&from), page, |(_, operator), d| {
        f(d, named(ctx, &operator.0)?).map(Some)
    })
}

fn delegator_delegations(
    ctx: &Ctx,
    q: &pb::QueryDelegatorDelegationsRequest,
) -> Answer<pb::QueryDelegatorDelegationsResponse> {
    let params = Params::load(ctx)?;
    let (delegation_responses, page) =
        of_delegator(ctx, &q.delegator_addr, q.pagination.as_ref(), |d, v| with_balance(&d, &v, &params))?;
    Ok(pb::QueryDelegatorDelegationsResponse { delegation_responses, pagination: Some(page) })
}

fn delegator_validators(
    ctx: &Ctx,
    q: &pb::QueryDelegatorValidatorsRequest,
) -> Answer<pb::QueryDelegatorValidatorsResponse> {
    let (validators, page) =
        of_delegator(ctx, &q.delegator_addr, q.pagination.as_ref(), |_, v| Ok(v.to_message()))?;
    Ok(pb::QueryDelegatorValidatorsResponse { validators, pagination: Some(page) })
}

fn delegator_validator(
    ctx: &Ctx,
    q: &pb::QueryDelegatorValidatorRequest,
) -> Answer<pb::QueryDelegatorValidatorResponse> {
    let from = delegator(ctx, &q.delegator_addr)?;
    let operator = operator(ctx, &q.validator_addr)?;
    let missing = || QueryError::NotFound("no delegation for (address, validator) tuple".to_owned());
    delegation(ctx, &from, &operator)?.ok_or_else(missing)?;
    Ok(pb::QueryDelegatorValidatorResponse { validator: Some(named(ctx, &operator)?.to_message()) })
}

fn delegator_unbondings(
    ctx: &Ctx,
    q: &pb::QueryDelegatorUnbondingDelegationsRequest,
) -> Answer<pb::QueryDelegatorUnbondingDelegationsResponse> {
    let from = delegator(ctx, &q.delegator_addr)?;
    let (unbonding_responses, page) =
        paginate(ctx, &keys::UNBONDINGS, &len(&from), q.pagination.as_ref(), |_, u| {
            Ok(Some(u.to_message()))
        })?;
    Ok(pb::QueryDelegatorUnbondingDelegationsResponse { unbonding_responses, pagination: Some(page) })
}

/// By delegator and both validators, by source, or by delegator.
fn redelegations(ctx: &Ctx, q: &pb::QueryRedelegationsRequest) -> Answer<pb::QueryRedelegationsResponse> {
    let (from, source, destination) = (&q.delegator_addr, &q.src_validator_addr, &q.dst_validator_addr);
    let (found, pagination) = match (from.is_empty(), source.is_empty(), destination.is_empty()) {
        (false, false, false) => {
            let (d, s, t) = (delegator(ctx, from)?, operator(ctx, source)?, operator(ctx, destination)?);
            let missing = || {
                let what = "redelegation not found for delegator address";
                QueryError::NotFound(format!("{what} {from} from validator address {source}"))
            };
            (vec![redelegation(ctx, &d, &s, &t)?.ok_or_else(missing)?], None)
        }
        (true, false, true) => {
            let source = operator(ctx, source)?;
            let each = |(_, d, t): (LenAddress, LenAddress, LenAddress), ()| {
                Ok(redelegation(ctx, &d.0, &source, &t.0)?)
            };
            let map = &keys::REDELEGATIONS_BY_SOURCE;
            let (found, page) = paginate(ctx, map, &len(&source), q.pagination.as_ref(), each)?;
            (found, Some(page))
        }
        _ => {
            let from = delegator(ctx, from)?;
            let map = &keys::REDELEGATIONS;
            let (found, page) = paginate(ctx, map, &len(&from), q.pagination.as_ref(), |_, r| Ok(Some(r)))?;
            (found, Some(page))
        }
    };
    let redelegation_responses =
        found.iter().map(|r| redelegation_response(ctx, r)).collect::<Answer<_>>()?;
    Ok(pb::QueryRedelegationsResponse { redelegation_responses, pagination })
}

fn redelegation_response(ctx: &Ctx, r: &Redelegation) -> Answer<pb::RedelegationResponse> {
    let destination = ctx.valoper(&r.destination).map_err(|e| StateError::Invariant(e.to_string()))?;
    // The SDK fails if the destination is gone; what was moved there is worth nothing then.
    let v = validator(ctx, &destination)?;
    let entry = |e: &RedelegationEntry| {
        let balance = match &v {
            Some(v) if v.shares.is_positive() => v.tokens_from_shares(e.shares_dst)?.truncate_int(),
            _ => Int::ZERO,
        };
        let redelegation_entry = Some(e.to_message());
        Ok(pb::RedelegationEntryResponse { redelegation_entry, balance: balance.to_string() })
    };
    let entries = r.entries.iter().map(entry).collect::<Answer<_>>()?;
    let redelegation = Redelegation { entries: Vec::new(), ..r.clone() }.to_message();
    Ok(pb::RedelegationResponse { redelegation: Some(redelegation), entries })
}

fn historical_info(ctx: &Ctx, q: &pb::QueryHistoricalInfoRequest) -> Answer<pb::QueryHistoricalInfoResponse> {
    let negative = |_| QueryError::InvalidArgument("height cannot be negative".to_owned());
    let height = u64::try_from(q.height).map_err(negative)?;
    let missing = || QueryError::NotFound(format!("historical info for height {height} not found"));
    let hist = keys::HISTORICAL.get(ctx, &height)?.ok_or_else(missing)?;
    #[allow(deprecated)] // the SDK's clients read this field
    Ok(pb::QueryHistoricalInfoResponse { hist: Some(hist), ..pb::QueryHistoricalInfoResponse::default() })
}

fn pool(ctx: &Ctx, ports: &dyn Ports) -> Answer<pb::QueryPoolResponse> {
    let denom = Params::load(ctx)?.bond_denom;
    let pool = pb::Pool {
        not_bonded_tokens: ports.pool_balance(ctx, NOT_BONDED_POOL, &denom)?.to_string(),
        bonded_tokens: ports.pool_balance(ctx, BONDED_POOL, &denom)?.to_string(),
    };
    Ok(pb::QueryPoolResponse { pool: Some(pool) })
}

fn power_source(ctx: &Ctx) -> Answer<own::QueryPowerSourceResponse> {
    let power_source = PowerSource::load(ctx)?.to_message().into();
    let params = Some(ComputeParams::load(ctx)?.to_message());
    Ok(own::QueryPowerSourceResponse { power_source, params })
}

fn compute_powers(ctx: &Ctx, q: &own::QueryComputePowersRequest) -> Answer<own::QueryComputePowersResponse> {
    let params = ComputeParams::load(ctx)?;
    let each = |operator: [u8; 20], share: u64| {
        let collateral = compute::collateral(ctx, &operator)?;
        Ok(Some(own::OperatorPower {
            operator: ctx.valoper_text(&Address::from(operator)),
            share,
            collateral: collateral.to_string(),
            effective: math::effective_share(share, collateral, &params)?,
            power: keys::POWERS.get(ctx, &operator)?.unwrap_or_default(),
        }))
    };
    let (powers, page) = paginate(ctx, &keys::SHARES, &(), q.pagination.as_ref(), each)?;
    Ok(own::QueryComputePowersResponse { powers, pagination: Some(page) })
}

fn validator_set(ctx: &Ctx, q: &own::QueryValidatorSetRequest) -> Answer<own::QueryValidatorSetResponse> {
    let (oldest, newest) = (ctx.block.height.saturating_sub(1), sets::next_height(ctx));
    if !(oldest..=newest).contains(&q.height) {
        let height = q.height;
        return Err(QueryError::NotFound(format!("set of height {height}, known are {oldest} to {newest}")));
    }
    let prefix = ctx.block.valcons_prefix();
    let member = |m: sets::Member| own::SetMember {
        operator: ctx.valoper_text(&m.operator),
        consensus_address: Address::from(m.consensus()).to_bech32(&prefix),
        pub_key: m.pub_key.to_vec(),
        power: m.power,
    };
    let members = sets::validator_set_at(ctx, q.height)?.into_iter().map(member).collect();
    Ok(own::QueryValidatorSetResponse { members })
}
