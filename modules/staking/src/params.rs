//! Parameters: the SDK's, and those of compute power.

use geodesic_core::coin::validate_denom;
use geodesic_core::{Coin, Coins, Ctx, Dec, Int, StateError};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;

use crate::errors::{Error, broken};
use crate::keys;
use crate::time::{duration, duration_ns};
use crate::types::{Stored, read_dec, read_int};

/// Parameters of the SDK's staking module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// From undelegating to the coins' return, in nanoseconds.
    pub unbonding_time_ns: i64,
    /// Most validators in the set.
    pub max_validators: u32,
    /// Most unbondings at once of a delegator from a validator.
    pub max_entries: u32,
    /// Blocks whose header and validators are kept for IBC.
    pub historical_entries: u32,
    /// The denomination that can be delegated.
    pub bond_denom: String,
    /// Least commission.
    pub min_commission_rate: Dec,
}

impl Default for Params {
    /// Three weeks, 100 validators, 7 entries, 10,000 blocks, `stake`, no least commission: the SDK's.
    fn default() -> Self {
        Self {
            unbonding_time_ns: 21 * 24 * 60 * 60 * 1_000_000_000,
            max_validators: 100,
            max_entries: 7,
            historical_entries: 10_000,
            bond_denom: "stake".to_owned(),
            min_commission_rate: Dec::ZERO,
        }
    }
}

impl Params {
    /// The parameters in state; costs a read.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    pub fn load(ctx: &Ctx) -> Result<Self, StateError> {
        keys::PARAMS.load(ctx)
    }

    /// Checks the bounds, as the SDK does.
    ///
    /// # Errors
    /// Names the parameter and its value.
    pub fn validate(&self) -> Result<(), String> {
        if self.unbonding_time_ns <= 0 {
            return Err(format!("unbonding time must be positive: {}", self.unbonding_time_ns));
        }
        if self.max_validators == 0 {
            return Err("max validators must be positive: 0".to_owned());
        }
        if self.max_entries == 0 {
            return Err("max entries must be positive: 0".to_owned());
        }
        if self.bond_denom.trim().is_empty() {
            return Err("bond denom cannot be blank".to_owned());
        }
        validate_denom(&self.bond_denom).map_err(|e| e.to_string())?;
        let rate = self.min_commission_rate;
        if rate.is_negative() {
            return Err(format!("minimum commission rate cannot be negative: {rate}"));
        }
        if rate > Dec::ONE {
            return Err(format!("minimum commission rate cannot be greater than 100%: {rate}"));
        }
        Ok(())
    }

    /// So many coins of the bond denomination; none if it is 0.
    pub(crate) fn coins(&self, amount: Int) -> Result<Coins, Error> {
        let coin = Coin { denom: self.bond_denom.clone(), amount };
        Coins::try_from(coin).map_err(|e| broken(format!("bond denom {}: {e}", self.bond_denom)))
    }
}

impl Stored for Params {
    type Message = pb::Params;

    fn to_message(&self) -> pb::Params {
        pb::Params {
            unbonding_time: Some(duration(self.unbonding_time_ns)),
            max_validators: self.max_validators,
            max_entries: self.max_entries,
            historical_entries: self.historical_entries,
            bond_denom: self.bond_denom.clone(),
            min_commission_rate: self.min_commission_rate.to_wire(),
        }
    }

    fn from_message(m: pb::Params) -> Result<Self, String> {
        let time = m.unbonding_time.unwrap_or_default();
        let unbonding_time_ns = duration_ns(&time)
            .ok_or_else(|| format!("unbonding_time: {time:?} is no duration below 292 years"))?;
        Ok(Self {
            unbonding_time_ns,
            max_validators: m.max_validators,
            max_entries: m.max_entries,
            historical_entries: m.historical_entries,
            bond_denom: m.bond_denom,
            min_commission_rate: read_dec("min_commission_rate", &m.min_commission_rate)?,
        })
    }
}

/// What gives a validator its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PowerSource {
    /// The delegated coins.
    #[default]
    Stake,
    /// The share of proven work, limited by the delegated coins.
    Compute,
}

impl PowerSource {
    /// The chain's, set in its genesis.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    pub fn load(ctx: &Ctx) -> Result<Self, StateError> {
        Ok(match keys::POWER_SOURCE.get(ctx)? {
            Some(1) => Self::Compute,
            _ => Self::Stake,
        })
    }

    /// The name in genesis.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stake => "stake",
            Self::Compute => "compute",
        }
    }

    /// The source of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Stake, Self::Compute].into_iter().find(|s| s.name() == name)
    }

    /// As protobuf.
    pub const fn to_message(self) -> own::PowerSource {
        match self {
            Self::Stake => own::PowerSource::Stake,
            Self::Compute => own::PowerSource::Compute,
        }
    }

    /// As in state.
    pub(crate) const fn to_byte(self) -> u8 {
        match self {
            Self::Stake => 0,
            Self::Compute => 1,
        }
    }
}

/// How work and coins become power under [`PowerSource::Compute`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeParams {
    base: Dec,
    collateral_per_share: Int,
}

impl Default for ComputeParams {
    /// 0.2, and 10^12: a million GEO back all the power.
    fn default() -> Self {
        Self {
            base: Dec::from_atomics(200_000_000_000_000_000),
            collateral_per_share: 1_000_000_000_000_u64.into(),
        }
    }
}

impl ComputeParams {
    /// Parameters within their bounds: `base` from 0 to 1, `collateral_per_share` above 0 and below 2^127.
    ///
    /// # Errors
    /// Names the parameter and its value.
    pub fn try_new(base: Dec, collateral_per_share: Int) -> Result<Self, String> {
        if base.is_negative() || base > Dec::ONE {
            return Err(format!("base is {base}, allowed are 0 to 1"));
        }
        let fits = collateral_per_share.to_u128().is_some_and(|c| c > 0 && i128::try_from(c).is_ok());
        if !fits {
            return Err(format!(
                "collateral_per_share is {collateral_per_share}, allowed are 1 to 2^127 - 1"
            ));
        }
        Ok(Self { base, collateral_per_share })
    }

    /// The parameters in state.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    pub fn load(ctx: &Ctx) -> Result<Self, StateError> {
        Ok(keys::COMPUTE_PARAMS.get(ctx)?.unwrap_or_default())
    }

    /// Part of a share that needs no collateral.
    pub const fn base(&self) -> Dec {
        self.base
    }

    /// Coins that back all the power.
    pub const fn collateral_per_share(&self) -> Int {
        self.collateral_per_share
    }
}

impl Stored for ComputeParams {
    type Message = own::ComputeParams;

    fn to_message(&self) -> own::ComputeParams {
        own::ComputeParams {
            base: self.base.to_wire(),
            collateral_per_share: self.collateral_per_share.to_string(),
        }
    }

    fn from_message(m: own::ComputeParams) -> Result<Self, String> {
        let base = read_dec("base", &m.base)?;
        Self::try_new(base, read_int("collateral_per_share", &m.collateral_per_share)?)
    }
}
