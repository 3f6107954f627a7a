//! The messages, one function each, with the SDK's order of checks and store accesses (`msg_server.go`).

use geodesic_core::address::hash20;
use geodesic_core::module::check_authority;
use geodesic_core::{Address, Coin, Ctx, Dec, Event, Int, Sdk};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_proto::prost_types::Any;

use crate::delegate::{Source, delegate, shares_to_unbond, undelegate as begin_undelegation};
use crate::errors::Error;
use crate::keys;
use crate::params::{ComputeParams, Params};
use crate::ports::{Hook, Ports};
use crate::time::Time;
use crate::types::{
    Commission, Status, Stored, Validator, check_description, ed25519_key, read_dec, read_int,
    update_description,
};
use crate::validators::{rank_new, set_by_consensus, set_validator, validator, validator_by_consensus};

fn bad_request(what: impl std::fmt::Display) -> Error {
    Sdk::InvalidRequest.with(what).into()
}

pub(crate) fn operator(ctx: &Ctx, text: &str) -> Result<Address, Error> {
    let e = |e| Error::from(Sdk::InvalidAddress.with(format!("invalid validator address: {e}")));
    ctx.valoper(text).map_err(e)
}

pub(crate) fn delegator(ctx: &Ctx, text: &str) -> Result<Address, Error> {
    let e = |e| Error::from(Sdk::InvalidAddress.with(format!("invalid delegator address: {e}")));
    ctx.account(text).map_err(e)
}

/// A coin that is valid and above 0.
pub(crate) fn positive(
    coin: Option<&geodesic_proto::cosmos::base::v1beta1::Coin>,
    what: &str,
) -> Result<Coin, Error> {
    let coin = coin.and_then(|c| Coin::try_from(c).ok()).filter(Coin::is_positive);
    coin.ok_or_else(|| bad_request(what))
}

pub(crate) fn check_denom(params: &Params, coin: &Coin) -> Result<(), Error> {
    if coin.denom == params.bond_denom {
        return Ok(());
    }
    let (got, expected) = (&coin.denom, &params.bond_denom);
    Err(bad_request(format!("invalid coin denomination: got {got}, expected {expected}")))
}

/// Type of a consensus key, and the address it would have.
///
/// Only Ed25519 keys get past [`create_validator`]; the others are known so that they fail as in the SDK.
pub(crate) fn key_type(key: &Any) -> Option<(&'static str, Address)> {
    let (name, length) = match key.type_url.as_str() {
        "/cosmos.crypto.ed25519.PubKey" => ("ed25519", 20),
        "/cosmos.crypto.secp256k1.PubKey" => ("secp256k1", 20),
        "/cosmos.crypto.secp256r1.PubKey" => ("secp256r1", 32),
        "/cosmos.crypto.multisig.LegacyAminoPubKey" => ("PubKeyMultisigThreshold", 20),
        _ => return None,
    };
    let mut address = match ed25519_key(Some(key)) {
        Ok(key) => hash20(&key),
        // Only its length matters, for gas: no validator has a key of these types.
        Err(_) => hash20(&key.value),
    }
    .to_vec();
    address.resize(length, 0);
    Some((name, Address::try_new(address).ok()?))
}

/// Checks that need no state (`MsgCreateValidator.Validate`); the coin, the rates and the minimum come back.
fn check_create(msg: &pb::MsgCreateValidator, now: Time) -> Result<(Coin, Commission, Int), Error> {
    if msg.pubkey.is_none() {
        return Err(Error::EmptyPubKey);
    }
    let coin = positive(msg.value.as_ref(), "invalid delegation amount")?;
    if msg.description.as_ref().is_none_or(|d| *d == pb::Description::default()) {
        return Err(bad_request("empty description"));
    }
    let rates = msg.commission.as_ref().filter(|r| **r != pb::CommissionRates::default());
    let rates = rates.ok_or_else(|| bad_request("empty commission"))?;
    let commission = Commission::from_rates(rates, now).map_err(bad_request)?;
    commission.validate()?;
    let minimum = read_int("min_self_delegation", &msg.min_self_delegation).map_err(bad_request)?;
    if !minimum.is_positive() {
        return Err(bad_request("minimum self delegation must be a positive integer"));
    }
    if coin.amount < minimum {
        return Err(Error::SelfDelegationBelowMinimum);
    }
    Ok((coin, commission, minimum))
}

/// Makes its sender the operator of a new validator, with its first delegation.
pub(crate) fn create_validator(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgCreateValidator,
) -> Result<pb::MsgCreateValidatorResponse, Error> {
    let address = operator(ctx, &msg.validator_address)?;
    let (coin, commission, min_self_delegation) = check_create(msg, Time::of_block(ctx))?;
    let least = Params::load(ctx)?.min_commission_rate;
    if commission.rate < least {
        return Err(Error::CommissionBelowMinRate(least.to_string()));
    }
    if validator(ctx, &address)?.is_some() {
        return Err(Error::OwnerExists);
    }
    let key = msg.pubkey.as_ref().ok_or(Error::EmptyPubKey)?;
    let (key_type, consensus) =
        key_type(key).ok_or_else(|| Error::from(Sdk::InvalidType.with("expecting a public key")))?;
    if validator_by_consensus(ctx, &consensus)?.is_some() {
        return Err(Error::PubKeyExists);
    }
    check_denom(&Params::load(ctx)?, &coin)?;
    let description = msg.description.clone().unwrap_or_default();
    check_description(&description)?;
    let allowed = ports.pub_key_types(ctx)?;
    if key_type != "ed25519" || !(allowed.is_empty() || allowed.iter().any(|t| t == key_type)) {
        return Err(Error::PubKeyType { got: key_type.to_owned(), expected: allowed.join(" ") });
    }
    let mut v = Validator {
        address: address.clone(),
        operator: msg.validator_address.clone(),
        pub_key: ed25519_key(Some(key)).map_err(|e| Error::from(Sdk::InvalidPubKey.with(e)))?,
        jailed: false,
        status: Status::Unbonded,
        tokens: Int::ZERO,
        shares: Dec::ZERO,
        description,
        unbonding_height: 0,
        unbonding_time: Time::default(),
        commission,
        min_self_delegation,
        on_hold: 0,
        unbonding_ids: Vec::new(),
    };
    set_validator(ctx, &v)?;
    set_by_consensus(ctx, &v)?;
    rank_new(ctx, &v)?;
    ports.hook(ctx, Hook::AfterValidatorCreated { operator: &address })?;
    delegate(ctx, ports, &address, coin.amount, Source::Account, &mut v)?;
    ctx.emit(Event::new("create_validator").attr("validator", &msg.validator_address).attr("amount", coin));
    Ok(pb::MsgCreateValidatorResponse {})
}

/// Changes a validator's description, commission rate or minimum self delegation.
pub(crate) fn edit_validator(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgEditValidator,
) -> Result<pb::MsgEditValidatorResponse, Error> {
    let address = operator(ctx, &msg.validator_address)?;
    let new = msg.description.clone().unwrap_or_default();
    if new == pb::Description::default() {
        return Err(bad_request("empty description"));
    }
    let minimum = given(&msg.min_self_delegation).map(|t| read_int("min_self_delegation", t));
    let minimum = minimum.transpose().map_err(bad_request)?;
    if minimum.is_some_and(|m| !m.is_positive()) {
        return Err(bad_request("minimum self delegation must be a positive integer"));
    }
    let rate = given(&msg.commission_rate).map(|t| read_dec("commission_rate", t));
    let rate = rate.transpose().map_err(bad_request)?;
    if let Some(rate) = rate {
        if rate > Dec::ONE || rate.is_negative() {
            return Err(bad_request("commission rate must be between 0 and 1 (inclusive)"));
        }
        let least = Params::load(ctx)?.min_commission_rate;
        if rate < least {
            return Err(bad_request(format!(
                "commission rate cannot be less than the min commission rate {least}"
            )));
        }
    }
    let mut v = validator(ctx, &address)?.ok_or(Error::NoValidator)?;
    v.description = update_description(&v.description, &new);
    check_description(&v.description)?;
    if let Some(rate) = rate {
        let now = Time::of_block(ctx);
        v.commission.validate_new_rate(rate, now)?;
        Params::load(ctx)?; // the SDK compares with the least rate again, and pays for it
        v.commission.rate = rate;
        v.commission.update_time = now;
        ports.hook(ctx, Hook::BeforeValidatorModified { operator: &address })?;
    }
    if let Some(minimum) = minimum {
        if minimum <= v.min_self_delegation {
            return Err(Error::MinSelfDelegationDecreased);
        }
        if minimum > v.tokens {
            return Err(Error::SelfDelegationBelowMinimum);
        }
        v.min_self_delegation = minimum;
    }
    set_validator(ctx, &v)?;
    ctx.emit(
        Event::new("edit_validator")
            .attr("commission_rate", v.commission)
            .attr("min_self_delegation", v.min_self_delegation),
    );
    Ok(pb::MsgEditValidatorResponse {})
}

/// A field that is there.
fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Delegates coins of an account.
pub(crate) fn delegate_msg(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgDelegate,
) -> Result<pb::MsgDelegateResponse, Error> {
    let operator = operator(ctx, &msg.validator_address)?;
    let from = delegator(ctx, &msg.delegator_address)?;
    let coin = positive(msg.amount.as_ref(), "invalid delegation amount")?;
    let mut v = validator(ctx, &operator)?.ok_or(Error::NoValidator)?;
    check_denom(&Params::load(ctx)?, &coin)?;
    let shares = delegate(ctx, ports, &from, coin.amount, Source::Account, &mut v)?;
    ctx.emit(
        Event::new("delegate")
            .attr("validator", &msg.validator_address)
            .attr("delegator", &msg.delegator_address)
            .attr("amount", coin)
            .attr("new_shares", shares),
    );
    Ok(pb::MsgDelegateResponse {})
}

/// Begins to return coins to their delegator.
pub(crate) fn undelegate(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgUndelegate,
) -> Result<pb::MsgUndelegateResponse, Error> {
    let operator = operator(ctx, &msg.validator_address)?;
    let to = delegator(ctx, &msg.delegator_address)?;
    let coin = positive(msg.amount.as_ref(), "invalid shares amount")?;
    let shares = shares_to_unbond(ctx, &to, &operator, coin.amount)?;
    check_denom(&Params::load(ctx)?, &coin)?;
    let (completion, amount) = begin_undelegation(ctx, ports, &to, &operator, shares)?;
    let coin = Coin { amount, ..coin };
    ctx.emit(
        Event::new("unbond")
            .attr("validator", &msg.validator_address)
            .attr("delegator", &msg.delegator_address)
            .attr("amount", &coin)
            .attr("completion_time", completion.rfc3339()),
    );
    Ok(pb::MsgUndelegateResponse {
        completion_time: Some(completion.to_message()),
        amount: Some(coin.into()),
    })
}

/// Replaces the SDK's parameters.
pub(crate) fn update_params(
    ctx: &mut Ctx,
    msg: &pb::MsgUpdateParams,
) -> Result<pb::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let params = msg.params.clone().unwrap_or_default();
    let has_rate = !params.min_commission_rate.is_empty();
    let params = Params::from_message(params).map_err(Error::unregistered)?;
    if !has_rate {
        return Err(Error::unregistered("minimum commission rate cannot be nil"));
    }
    params.validate().map_err(Error::unregistered)?;
    keys::PARAMS.set(ctx, &params)?;
    Ok(pb::MsgUpdateParamsResponse {})
}

/// Replaces the parameters of compute power.
pub(crate) fn update_compute_params(
    ctx: &mut Ctx,
    msg: &own::MsgUpdateParams,
) -> Result<own::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let params = ComputeParams::from_message(msg.params.clone().unwrap_or_default()).map_err(bad_request)?;
    keys::COMPUTE_PARAMS.set(ctx, &params)?;
    Ok(own::MsgUpdateParamsResponse {})
}
