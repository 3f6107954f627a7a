//! Coins on their way out of a validator: back to the delegator, or to another validator.

use geodesic_core::{Dec, Int, Overflow};
use geodesic_proto::cosmos::staking::v1beta1 as pb;

use crate::time::Time;
use crate::types::{Stored, read_dec, read_int, read_time};

/// Coins that one delegator takes back from one validator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // addresses as text
pub struct UnbondingDelegation {
    pub delegator: String,
    pub validator: String,
    pub entries: Vec<UnbondingEntry>,
}

/// Coins that were taken back in one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnbondingEntry {
    /// Height at which it began: infractions after it do not concern these coins.
    pub creation_height: i64,
    /// When the coins are free.
    pub completion_time: Time,
    /// Coins at the beginning.
    pub initial_balance: Int,
    /// Coins left after slashes.
    pub balance: Int,
    /// Number among all unbondings.
    pub id: u64,
    /// How many modules hold it up.
    pub on_hold: i64,
}

/// Whether an entry is over, and nobody holds it up.
pub(crate) const fn is_done(on_hold: i64, mature: bool) -> bool {
    mature && on_hold <= 0
}

impl UnbondingEntry {
    /// Whether it is over at `now`.
    pub(crate) fn is_done(&self, now: Time) -> bool {
        is_done(self.on_hold, self.completion_time <= now)
    }

    /// Whether an infraction at `height` concerns it at `now`: it began later, and is not over.
    pub(crate) fn is_liable(&self, height: i64, now: Time) -> bool {
        self.creation_height >= height && !self.is_done(now)
    }
}

impl UnbondingDelegation {
    /// Adds coins; whether they are an entry of their own, for those of one block and time are one entry.
    pub(crate) fn add(
        &mut self,
        height: i64,
        completion: Time,
        coins: Int,
        id: u64,
    ) -> Result<bool, Overflow> {
        let same = |e: &&mut UnbondingEntry| e.creation_height == height && e.completion_time == completion;
        if let Some(entry) = self.entries.iter_mut().find(same) {
            entry.balance = entry.balance.checked_add(coins)?;
            entry.initial_balance = entry.initial_balance.checked_add(coins)?;
            return Ok(false);
        }
        self.entries.push(UnbondingEntry {
            creation_height: height,
            completion_time: completion,
            initial_balance: coins,
            balance: coins,
            id,
            on_hold: 0,
        });
        Ok(true)
    }
}

impl Stored for UnbondingDelegation {
    type Message = pb::UnbondingDelegation;

    fn to_message(&self) -> pb::UnbondingDelegation {
        let entry = |e: &UnbondingEntry| pb::UnbondingDelegationEntry {
            creation_height: e.creation_height,
            completion_time: Some(e.completion_time.to_message()),
            initial_balance: e.initial_balance.to_string(),
            balance: e.balance.to_string(),
            unbonding_id: e.id,
            unbonding_on_hold_ref_count: e.on_hold,
        };
        pb::UnbondingDelegation {
            delegator_address: self.delegator.clone(),
            validator_address: self.validator.clone(),
            entries: self.entries.iter().map(entry).collect(),
        }
    }

    fn from_message(m: pb::UnbondingDelegation) -> Result<Self, String> {
        let entry = |e: pb::UnbondingDelegationEntry| {
            Ok::<_, String>(UnbondingEntry {
                creation_height: e.creation_height,
                completion_time: read_time("completion_time", e.completion_time.as_ref())?,
                initial_balance: read_int("initial_balance", &e.initial_balance)?,
                balance: read_int("balance", &e.balance)?,
                id: e.unbonding_id,
                on_hold: e.unbonding_on_hold_ref_count,
            })
        };
        Ok(Self {
            delegator: m.delegator_address,
            validator: m.validator_address,
            entries: m.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        })
    }
}

/// Coins that one delegator moved from one validator to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // addresses as text
pub struct Redelegation {
    pub delegator: String,
    pub source: String,
    pub destination: String,
    pub entries: Vec<RedelegationEntry>,
}

/// Coins that were moved in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedelegationEntry {
    /// Height at which it began.
    pub creation_height: i64,
    /// Until when they answer for the source's infractions.
    pub completion_time: Time,
    /// Coins at the beginning.
    pub initial_balance: Int,
    /// Shares of the destination that they became.
    pub shares_dst: Dec,
    /// Number among all unbondings.
    pub id: u64,
    /// How many modules hold it up.
    pub on_hold: i64,
}

impl RedelegationEntry {
    /// Whether it is over at `now`.
    pub(crate) fn is_done(&self, now: Time) -> bool {
        is_done(self.on_hold, self.completion_time <= now)
    }

    /// Whether an infraction of the source at `height` concerns it at `now`.
    pub(crate) fn is_liable(&self, height: i64, now: Time) -> bool {
        self.creation_height >= height && !self.is_done(now)
    }

    /// As protobuf.
    pub(crate) fn to_message(&self) -> pb::RedelegationEntry {
        pb::RedelegationEntry {
            creation_height: self.creation_height,
            completion_time: Some(self.completion_time.to_message()),
            initial_balance: self.initial_balance.to_string(),
            shares_dst: self.shares_dst.to_wire(),
            unbonding_id: self.id,
            unbonding_on_hold_ref_count: self.on_hold,
        }
    }
}

impl Stored for Redelegation {
    type Message = pb::Redelegation;

    fn to_message(&self) -> pb::Redelegation {
        pb::Redelegation {
            delegator_address: self.delegator.clone(),
            validator_src_address: self.source.clone(),
            validator_dst_address: self.destination.clone(),
            entries: self.entries.iter().map(RedelegationEntry::to_message).collect(),
        }
    }

    fn from_message(m: pb::Redelegation) -> Result<Self, String> {
        let entry = |e: pb::RedelegationEntry| {
            Ok::<_, String>(RedelegationEntry {
                creation_height: e.creation_height,
                completion_time: read_time("completion_time", e.completion_time.as_ref())?,
                initial_balance: read_int("initial_balance", &e.initial_balance)?,
                shares_dst: read_dec("shares_dst", &e.shares_dst)?,
                id: e.unbonding_id,
                on_hold: e.unbonding_on_hold_ref_count,
            })
        };
        Ok(Self {
            delegator: m.delegator_address,
            source: m.validator_src_address,
            destination: m.validator_dst_address,
            entries: m.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        })
    }
}
