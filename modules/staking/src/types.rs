//! What is in state: validators, delegations and coins on their way, each with the SDK's arithmetic.

use geodesic_core::item::Codec;
use geodesic_core::{Address, Dec, Int, Overflow, Sdk, TxError, address};
use geodesic_proto::any;
use geodesic_proto::cosmos::crypto::ed25519;
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::prost::Message;

use crate::errors::Error;
use crate::time::Time;

/// Tokens of one unit of power under `stake` (`DefaultPowerReduction`).
pub const POWER_REDUCTION: u32 = 1_000_000;

/// A domain type and the protobuf message that it is in state and in genesis.
pub trait Stored: Sized {
    /// The message.
    type Message: Message + Default;

    /// As a message.
    fn to_message(&self) -> Self::Message;

    /// Of a message.
    ///
    /// # Errors
    /// Names the field and its value.
    fn from_message(message: Self::Message) -> Result<Self, String>;
}

/// Codec of [`Stored`] types.
#[derive(Debug)]
pub struct AsMessage;

impl<V: Stored> Codec<V> for AsMessage {
    fn encode(value: &V) -> Vec<u8> {
        value.to_message().encode_to_vec()
    }
    fn decode(bytes: &[u8]) -> Option<V> {
        V::from_message(V::Message::decode(bytes).ok()?).ok()
    }
}

/// A number's text; an empty one is 0, as the SDK reads it.
pub(crate) fn read_int(field: &str, text: &str) -> Result<Int, String> {
    if text.is_empty() {
        return Ok(Int::ZERO);
    }
    text.parse().map_err(|e| format!("{field}: {e}"))
}

/// A decimal's wire text; an empty one is 0.
pub(crate) fn read_dec(field: &str, text: &str) -> Result<Dec, String> {
    if text.is_empty() {
        return Ok(Dec::ZERO);
    }
    Dec::from_wire(text).map_err(|e| format!("{field}: {e}"))
}

pub(crate) fn read_time(
    field: &str,
    time: Option<&geodesic_proto::prost_types::Timestamp>,
) -> Result<Time, String> {
    Time::from_message(time).ok_or_else(|| format!("{field}: {time:?} is not between the years 1 and 9999"))
}

pub(crate) fn read_address(field: &str, text: &str) -> Result<Address, String> {
    let (_, bytes) = address::decode(text).map_err(|e| format!("{field} {text}: {e}"))?;
    Address::try_new(bytes).map_err(|e| format!("{field} {text}: {e}"))
}

/// Where a validator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Out of the set; its coins can be had back at once only by redelegation.
    Unbonded,
    /// Left the set less than the unbonding time ago.
    Unbonding,
    /// In the set.
    Bonded,
}

impl Status {
    /// As protobuf.
    pub const fn to_message(self) -> pb::BondStatus {
        match self {
            Self::Unbonded => pb::BondStatus::Unbonded,
            Self::Unbonding => pb::BondStatus::Unbonding,
            Self::Bonded => pb::BondStatus::Bonded,
        }
    }

    fn from_message(value: i32) -> Result<Self, String> {
        match pb::BondStatus::try_from(value) {
            Ok(pb::BondStatus::Unbonded) => Ok(Self::Unbonded),
            Ok(pb::BondStatus::Unbonding) => Ok(Self::Unbonding),
            Ok(pb::BondStatus::Bonded) => Ok(Self::Bonded),
            _ => Err(format!("status: {value} is none of 1, 2, 3")),
        }
    }
}

/// What an operator keeps of its delegators' rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commission {
    /// Part that it keeps.
    pub rate: Dec,
    /// Most that it may ever keep.
    pub max_rate: Dec,
    /// Most that the rate may rise at once.
    pub max_change_rate: Dec,
    /// When the rate was last changed.
    pub update_time: Time,
}

impl Commission {
    /// Rates of a message, as they are.
    pub(crate) fn from_rates(rates: &pb::CommissionRates, update_time: Time) -> Result<Self, String> {
        Ok(Self {
            rate: read_dec("rate", &rates.rate)?,
            max_rate: read_dec("max_rate", &rates.max_rate)?,
            max_change_rate: read_dec("max_change_rate", &rates.max_change_rate)?,
            update_time,
        })
    }

    /// Checks a validator's first rates.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let Self { rate, max_rate, max_change_rate: change, .. } = *self;
        first_of([
            (max_rate.is_negative(), Error::CommissionNegative),
            (max_rate > Dec::ONE, Error::CommissionHuge),
            (rate.is_negative(), Error::CommissionNegative),
            (rate > max_rate, Error::CommissionAboveMaxRate),
            (change.is_negative(), Error::CommissionChangeRateNegative),
            (change > max_rate, Error::CommissionChangeRateAboveMaxRate),
        ])
    }

    /// Checks a new rate at `now`: one change in 24 hours, within the bounds of the validator's creation.
    pub(crate) fn validate_new_rate(&self, rate: Dec, now: Time) -> Result<(), Error> {
        const DAY: i128 = 24 * 60 * 60 * 1_000_000_000;
        let rise = rate.checked_sub(self.rate)?;
        first_of([
            (now.since(self.update_time) < DAY, Error::CommissionUpdateTime),
            (rate.is_negative(), Error::CommissionNegative),
            (rate > self.max_rate, Error::CommissionAboveMaxRate),
            (rise > self.max_change_rate, Error::CommissionAboveMaxChangeRate),
        ])
    }

    fn to_message(self) -> pb::Commission {
        let rates = pb::CommissionRates {
            rate: self.rate.to_wire(),
            max_rate: self.max_rate.to_wire(),
            max_change_rate: self.max_change_rate.to_wire(),
        };
        pb::Commission { commission_rates: Some(rates), update_time: Some(self.update_time.to_message()) }
    }
}

/// The error of the first condition that holds.
fn first_of<const N: usize>(checks: [(bool, Error); N]) -> Result<(), Error> {
    checks.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, e)| Err(e))
}

/// As protobuf's compact text, which the event `edit_validator` carries.
impl std::fmt::Display for Commission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rate, max, change) =
            (self.rate.to_wire(), self.max_rate.to_wire(), self.max_change_rate.to_wire());
        write!(f, "commission_rates:<rate:\"{rate}\" max_rate:\"{max}\" max_change_rate:\"{change}\" > ")?;
        let time = self.update_time.to_message();
        f.write_str("update_time:<")?;
        if time.seconds != 0 {
            write!(f, "seconds:{} ", time.seconds)?;
        }
        if time.nanos != 0 {
            write!(f, "nanos:{} ", time.nanos)?;
        }
        f.write_str("> ")
    }
}

/// In an edit, leaves a text of the description as it is.
const DO_NOT_MODIFY: &str = "[do-not-modify]";

/// Checks the lengths of a description's texts.
pub(crate) fn check_description(d: &pb::Description) -> Result<(), TxError> {
    for (name, text, max) in [
        ("moniker", &d.moniker, 70),
        ("identity", &d.identity, 3000),
        ("website", &d.website, 140),
        ("security contact", &d.security_contact, 140),
        ("details", &d.details, 280),
    ] {
        if text.len() > max {
            let what = format!("invalid {name} length; got: {}, max: {max}", text.len());
            return Err(Sdk::InvalidRequest.with(what));
        }
    }
    Ok(())
}

/// The new description, with the old text where the new one says so.
pub(crate) fn update_description(old: &pb::Description, new: &pb::Description) -> pb::Description {
    let pick = |old: &String, new: &String| if new == DO_NOT_MODIFY { old.clone() } else { new.clone() };
    pb::Description {
        moniker: pick(&old.moniker, &new.moniker),
        identity: pick(&old.identity, &new.identity),
        website: pick(&old.website, &new.website),
        security_contact: pick(&old.security_contact, &new.security_contact),
        details: pick(&old.details, &new.details),
    }
}

/// A validator.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the names are the SDK's
pub struct Validator {
    /// Bytes of `operator`.
    pub address: Address,
    /// Operator address as text.
    pub operator: String,
    /// Ed25519 key that signs blocks.
    pub pub_key: [u8; 32],
    pub jailed: bool,
    pub status: Status,
    pub tokens: Int,
    pub shares: Dec,
    pub description: pb::Description,
    pub unbonding_height: i64,
    pub unbonding_time: Time,
    pub commission: Commission,
    pub min_self_delegation: Int,
    pub on_hold: i64,
    pub unbonding_ids: Vec<u64>,
}

/// Consensus address of an Ed25519 key: the first 20 bytes of its SHA-256.
pub fn consensus_address(pub_key: &[u8; 32]) -> [u8; 20] {
    address::hash20(pub_key)
}

/// The Ed25519 key in an `Any`.
pub(crate) fn ed25519_key(key: Option<&geodesic_proto::prost_types::Any>) -> Result<[u8; 32], String> {
    let any = key.ok_or("consensus_pubkey: missing")?;
    let key: ed25519::PubKey = any::unpack(any).map_err(|e| format!("consensus_pubkey: {e}"))?;
    let len = key.key.len();
    key.key.try_into().map_err(|_| format!("consensus_pubkey: ed25519 key has {len} bytes, not 32"))
}

impl Validator {
    /// Consensus address.
    pub fn consensus(&self) -> Address {
        consensus_address(&self.pub_key).into()
    }

    /// Whether it is in the set.
    pub fn is_bonded(&self) -> bool {
        self.status == Status::Bonded
    }

    /// Whether it is out of the set for longer than the unbonding time.
    pub fn is_unbonded(&self) -> bool {
        self.status == Status::Unbonded
    }

    /// Whether its shares are worth nothing any more, so that no more may be issued.
    pub fn invalid_exchange_rate(&self) -> bool {
        self.tokens.is_zero() && self.shares.is_positive()
    }

    /// Power that its tokens give under `stake`, if it is in the set.
    ///
    /// # Errors
    /// [`Overflow`] above `2^63 - 1`.
    pub fn stake_power(&self) -> Result<u64, Overflow> {
        let power = self.tokens.checked_quo(POWER_REDUCTION.into())?.to_i64().ok_or(Overflow)?;
        u64::try_from(power).map_err(|_| Overflow)
    }

    /// `shares * tokens / all shares`, as `LegacyDec` rounds.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit, or there are no shares.
    pub fn tokens_from_shares(&self, shares: Dec) -> Result<Dec, Overflow> {
        shares.mul_int(self.tokens)?.checked_quo(self.shares)
    }

    /// `all shares * amount / tokens`, rounded down.
    pub(crate) fn shares_from_tokens(&self, amount: Int) -> Result<Dec, Error> {
        if self.tokens.is_zero() {
            return Err(Error::InsufficientShares);
        }
        Ok(self.shares.mul_int(amount)?.quo_int(self.tokens)?)
    }

    /// The same through `QuoTruncate`.
    pub(crate) fn shares_from_tokens_truncated(&self, amount: Int) -> Result<Dec, Error> {
        if self.tokens.is_zero() {
            return Err(Error::InsufficientShares);
        }
        Ok(self.shares.mul_int(amount)?.quo_truncate(Dec::from_int(self.tokens))?)
    }

    /// Takes coins in; returns the shares issued for them, one each at first.
    pub(crate) fn add_tokens(&mut self, amount: Int) -> Result<Dec, Error> {
        let issued =
            if self.shares.is_zero() { Dec::from_int(amount) } else { self.shares_from_tokens(amount)? };
        self.tokens = self.tokens.checked_add(amount)?;
        self.shares = self.shares.checked_add(issued)?;
        Ok(issued)
    }

    /// Takes shares back; returns the tokens they are worth. The last ones get all that is left.
    pub(crate) fn remove_shares(&mut self, shares: Dec) -> Result<Int, Error> {
        let rest = self.shares.checked_sub(shares)?;
        let worth =
            if rest.is_zero() { self.tokens } else { self.tokens_from_shares(shares)?.truncate_int() };
        self.tokens = self.tokens.checked_sub(worth)?;
        if self.tokens.is_negative() {
            return Err(Overflow.into());
        }
        self.shares = rest;
        Ok(worth)
    }
}

impl Stored for Validator {
    type Message = pb::Validator;

    fn to_message(&self) -> pb::Validator {
        pb::Validator {
            operator_address: self.operator.clone(),
            consensus_pubkey: Some(any::pack(&ed25519::PubKey { key: self.pub_key.to_vec() })),
            jailed: self.jailed,
            status: self.status.to_message().into(),
            tokens: self.tokens.to_string(),
            delegator_shares: self.shares.to_wire(),
            description: Some(self.description.clone()),
            unbonding_height: self.unbonding_height,
            unbonding_time: Some(self.unbonding_time.to_message()),
            commission: Some(self.commission.to_message()),
            min_self_delegation: self.min_self_delegation.to_string(),
            unbonding_on_hold_ref_count: self.on_hold,
            unbonding_ids: self.unbonding_ids.clone(),
        }
    }

    fn from_message(m: pb::Validator) -> Result<Self, String> {
        let commission = m.commission.unwrap_or_default();
        let update_time = read_time("update_time", commission.update_time.as_ref())?;
        Ok(Self {
            address: read_address("operator_address", &m.operator_address)?,
            operator: m.operator_address,
            pub_key: ed25519_key(m.consensus_pubkey.as_ref())?,
            jailed: m.jailed,
            status: Status::from_message(m.status)?,
            tokens: read_int("tokens", &m.tokens)?,
            shares: read_dec("delegator_shares", &m.delegator_shares)?,
            description: m.description.unwrap_or_default(),
            unbonding_height: m.unbonding_height,
            unbonding_time: read_time("unbonding_time", m.unbonding_time.as_ref())?,
            commission: Commission::from_rates(
                &commission.commission_rates.unwrap_or_default(),
                update_time,
            )?,
            min_self_delegation: read_int("min_self_delegation", &m.min_self_delegation)?,
            on_hold: m.unbonding_on_hold_ref_count,
            unbonding_ids: m.unbonding_ids,
        })
    }
}

/// Shares that a delegator has of a validator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // addresses as text
pub struct Delegation {
    pub delegator: String,
    pub validator: String,
    pub shares: Dec,
}

impl Stored for Delegation {
    type Message = pb::Delegation;

    fn to_message(&self) -> pb::Delegation {
        pb::Delegation {
            delegator_address: self.delegator.clone(),
            validator_address: self.validator.clone(),
            shares: self.shares.to_wire(),
        }
    }

    fn from_message(m: pb::Delegation) -> Result<Self, String> {
        let shares = read_dec("shares", &m.shares)?;
        Ok(Self { delegator: m.delegator_address, validator: m.validator_address, shares })
    }
}
