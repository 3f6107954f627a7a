//! Parameters, checked in one place.

use geodesic_core::coin::validate_denom;
use geodesic_core::{Dec, Int};
use geodesic_proto::geodesic::rewards::v1 as pb;

use crate::errors::Error;

/// Largest reward of an epoch: 2^96 base units, so that shares are sums of 128 bits.
const REWARD_MAX: u128 = 1 << 96;

/// Parameters of the emission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    denom: String,
    initial_epoch_reward: u128,
    decay: Dec,
}

impl Params {
    /// Checked parameters: a valid denomination, a reward up to 2^96, a decay of 0 to 1.
    ///
    /// # Errors
    /// [`Error::InvalidParams`] names the field, its value and its bound.
    pub fn try_new(denom: &str, initial_epoch_reward: u128, decay: Dec) -> Result<Self, Error> {
        validate_denom(denom).map_err(|e| Error::InvalidParams(format!("denom: {e}")))?;
        if initial_epoch_reward > REWARD_MAX {
            return Err(Error::InvalidParams(format!(
                "initial_epoch_reward is {initial_epoch_reward}, at most {REWARD_MAX} is allowed"
            )));
        }
        if decay.is_negative() || decay > Dec::ONE {
            return Err(Error::InvalidParams(format!("decay is {decay}, allowed are 0 to 1")));
        }
        Ok(Self { denom: denom.to_owned(), initial_epoch_reward, decay })
    }

    /// Denomination of rewards.
    pub fn denom(&self) -> &str {
        &self.denom
    }

    /// Reward of the first epoch in base units.
    pub const fn initial(&self) -> u128 {
        self.initial_epoch_reward
    }

    /// Rate of decay by the epoch.
    pub const fn decay(&self) -> Dec {
        self.decay
    }
}

impl Default for Params {
    /// 323,000 GEO, halved every 1459 epochs: about 680 million in all.
    fn default() -> Self {
        let decay = Dec::with_decimals(475, 6).unwrap_or(Dec::ZERO);
        Self { denom: "ugeo".to_owned(), initial_epoch_reward: 323_000_000_000, decay }
    }
}

impl TryFrom<pb::Params> for Params {
    type Error = Error;

    fn try_from(p: pb::Params) -> Result<Self, Error> {
        let text = &p.initial_epoch_reward;
        let reward = text.parse::<Int>().ok().and_then(Int::to_u128);
        let reward = reward.ok_or_else(|| {
            Error::InvalidParams(format!(
                "initial_epoch_reward is {text:?}, must be an integer from 0 to {REWARD_MAX}"
            ))
        })?;
        let decay = Dec::from_wire(&p.decay)
            .map_err(|e| Error::InvalidParams(format!("decay is {:?}: {e}", p.decay)))?;
        Self::try_new(&p.denom, reward, decay)
    }
}

impl From<Params> for pb::Params {
    fn from(p: Params) -> Self {
        Self {
            initial_epoch_reward: p.initial_epoch_reward.to_string(),
            decay: p.decay.to_wire(),
            denom: p.denom,
        }
    }
}
