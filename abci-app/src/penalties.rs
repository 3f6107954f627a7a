//! What slashing and evidence need of the others, and what CometBFT tells them at the beginning of a block.

use geodesic_core::{Address, Ctx, Dec, Int, StateError, TxError};
use geodesic_evidence::{MaxAge, Misbehavior};
use geodesic_slashing::{self as slashing, Hook, Vote};
use geodesic_staking as staking;
use tendermint_proto::v0_38::abci::{MisbehaviorType, RequestFinalizeBlock};
use tendermint_proto::v0_38::types::BlockIdFlag;

use crate::convert;
use crate::wiring::{WIRING, Wiring, broken};

/// The part of staking's hooks that slashing listens to.
///
/// # Errors
/// Slashing's.
pub(crate) fn hook(ctx: &mut Ctx, hook: staking::ports::Hook<'_>) -> Result<(), TxError> {
    use staking::ports::Hook as H;
    let hook = match hook {
        H::AfterValidatorCreated { operator } => Hook::Created { operator },
        H::AfterValidatorBonded { consensus, .. } => Hook::Bonded { consensus },
        H::AfterValidatorRemoved { consensus, .. } => Hook::Removed { consensus },
        _ => return Ok(()),
    };
    slashing::on_hook(ctx, &WIRING, hook)
}

/// Counts the votes of the last commit and has those punished that missed too many, or signed twice.
///
/// # Errors
/// [`StateError`] ends the process.
pub(crate) fn begin_block(ctx: &mut Ctx, req: &RequestFinalizeBlock) -> Result<(), StateError> {
    slashing::handle_votes(ctx, &WIRING, &votes(req)?)?;
    geodesic_evidence::handle_misbehavior(ctx, &WIRING, &misbehavior(req)?)
}

fn consensus(bytes: &[u8]) -> Result<Address, StateError> {
    Address::try_new(bytes).map_err(|e| StateError::Invariant(format!("validator of CometBFT: {e}")))
}

fn votes(req: &RequestFinalizeBlock) -> Result<Vec<Vote>, StateError> {
    let votes = req.decided_last_commit.iter().flat_map(|c| &c.votes);
    votes
        .filter_map(|vote| vote.validator.as_ref().map(|v| (v, vote.block_id_flag)))
        .map(|(v, flag)| {
            let signed = flag != i32::from(BlockIdFlag::Absent);
            Ok(Vote { consensus: consensus(&v.address)?, power: convert::height(v.power), signed })
        })
        .collect()
}

/// Double votes and attacks on light clients; there are no other kinds.
fn misbehavior(req: &RequestFinalizeBlock) -> Result<Vec<Misbehavior>, StateError> {
    let known = [MisbehaviorType::DuplicateVote, MisbehaviorType::LightClientAttack].map(i32::from);
    let list = req.misbehavior.iter().filter(|m| known.contains(&m.r#type));
    list.filter_map(|m| m.validator.as_ref().map(|v| (m, v)))
        .map(|(m, v)| {
            Ok(Misbehavior {
                consensus: consensus(&v.address)?,
                height: convert::height(m.height),
                time_ns: convert::time_ns(m.time.as_ref()),
                power: convert::height(v.power),
            })
        })
        .collect()
}

fn seen(v: &staking::types::Validator) -> slashing::Validator {
    slashing::Validator {
        pub_key: v.pub_key,
        jailed: v.jailed,
        unbonded: v.is_unbonded(),
        min_self_delegation: v.min_self_delegation,
    }
}

fn existing(ctx: &Ctx, operator: &Address) -> Result<staking::types::Validator, TxError> {
    Ok(staking::validator(ctx, operator)?.ok_or(staking::Error::NoValidator)?)
}

impl slashing::Ports for Wiring {
    fn validator(&self, ctx: &Ctx, operator: &Address) -> Result<slashing::Validator, TxError> {
        existing(ctx, operator).map(|v| seen(&v))
    }

    fn validator_with_self_bond(
        &self,
        ctx: &Ctx,
        operator: &Address,
    ) -> Result<(slashing::Validator, Int), TxError> {
        let v = existing(ctx, operator)?;
        let own =
            staking::delegate::delegation(ctx, operator, operator)?.ok_or(staking::Error::NoDelegation)?;
        Ok((seen(&v), v.tokens_from_shares(own.shares)?.truncate_int()))
    }

    fn validator_by_consensus(
        &self,
        ctx: &Ctx,
        consensus: &Address,
    ) -> Result<Option<slashing::Validator>, StateError> {
        Ok(staking::validator_by_consensus(ctx, consensus)?.as_ref().map(seen))
    }

    fn pub_keys(&self, ctx: &Ctx) -> Result<Vec<[u8; 32]>, StateError> {
        Ok(staking::all_validators(ctx)?.into_iter().map(|v| v.pub_key).collect())
    }

    /// Under `compute` staking takes the collateral of that height, whatever the power.
    fn slash(
        &self,
        ctx: &mut Ctx,
        consensus: &Address,
        height: u64,
        power: u64,
        fraction: Dec,
    ) -> Result<Int, StateError> {
        let offender = staking::Offender::Consensus(consensus);
        staking::slash(ctx, self, offender, height, staking::Stake::Power(power), fraction).map_err(broken)
    }

    fn jail(&self, ctx: &mut Ctx, consensus: &Address) -> Result<(), StateError> {
        match staking::validator_by_consensus(ctx, consensus)? {
            Some(mut v) if !v.jailed => staking::jail(ctx, &mut v).map_err(broken),
            _ => Ok(()),
        }
    }

    fn unjail(&self, ctx: &mut Ctx, consensus: &Address) -> Result<(), TxError> {
        let v = staking::validator_by_consensus(ctx, consensus)?;
        Ok(staking::unjail(ctx, &mut v.ok_or(staking::Error::NoValidator)?)?)
    }
}

impl geodesic_evidence::Ports for Wiring {
    fn max_age(&self, ctx: &Ctx) -> Result<Option<MaxAge>, StateError> {
        let params = geodesic_consensus::params(ctx)?.and_then(|p| p.evidence);
        Ok(params.map(|e| {
            let age = e.max_age_duration.unwrap_or_default();
            let ns = age.seconds.saturating_mul(1_000_000_000).saturating_add(age.nanos.into());
            MaxAge { blocks: e.max_age_num_blocks, ns }
        }))
    }

    fn punish_double_sign(
        &self,
        ctx: &mut Ctx,
        consensus: &Address,
        height: u64,
        power: u64,
    ) -> Result<bool, StateError> {
        slashing::punish_double_sign(ctx, self, consensus, height, power)
    }
}
