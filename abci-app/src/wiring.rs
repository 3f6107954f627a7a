//! Modules do not know each other: here each gets what it needs of the others.

use geodesic_auth::modules::is_blocked;
use geodesic_auth::{keeper as accounts, modules};
use geodesic_bank::keeper as bank;
use geodesic_core::address::{hash20, module_address};
use geodesic_core::{Address, Coin, Coins, Ctx, Dec, Int, StateError, TxError};
use geodesic_epochs::Epoch;
use geodesic_pow::{Operator, Settled, Target, Window};
use geodesic_proto::prost::Message as _;
use geodesic_staking as staking;
use staking::ports::Hook;
use tendermint_proto::v0_38::abci::ValidatorUpdate;

use crate::router::AppMsg;
use crate::tx::AntePorts;

/// All the modules' needs, met by calling the others.
#[derive(Debug, Clone, Copy)]
pub struct Wiring;

/// The one instance.
pub static WIRING: Wiring = Wiring;

/// Name of the module account that holds what pow takes in deposit.
const POW: &str = "pow";
/// Name of the module account that holds unclaimed rewards.
const REWARDS: &str = "rewards";

/// Whether consensus power comes from compute.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn is_compute(ctx: &Ctx) -> Result<bool, StateError> {
    Ok(staking::PowerSource::load(ctx)? == staking::PowerSource::Compute)
}

/// What follows the genesis transactions: the first validator set.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn end_genesis(ctx: &mut Ctx) -> Result<(), StateError> {
    staking::genesis_set(ctx, &WIRING)
}

/// The first validator set, for CometBFT.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn genesis_updates(ctx: &Ctx) -> Result<Vec<ValidatorUpdate>, StateError> {
    recode(&staking::genesis_updates(ctx)?)
}

/// What CometBFT is to be told at the end of the block.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn validator_updates(ctx: &Ctx) -> Result<Vec<ValidatorUpdate>, StateError> {
    recode(&staking::validator_updates(ctx)?)
}

/// The same updates in ABCI's type, which has the same encoding.
fn recode(
    updates: &[geodesic_proto::tendermint::abci::ValidatorUpdate],
) -> Result<Vec<ValidatorUpdate>, StateError> {
    let one = |u: &geodesic_proto::tendermint::abci::ValidatorUpdate| {
        <ValidatorUpdate as prost::Message>::decode(u.encode_to_vec().as_slice())
            .map_err(|e| StateError::Invariant(e.to_string()))
    };
    updates.iter().map(one).collect()
}

/// Whether a transaction belongs in front of a proposal: messages of registered participants that pass on the current state.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn is_priority(ctx: &mut Ctx, messages: &[AppMsg]) -> Result<bool, StateError> {
    let pow = geodesic_pow::Pow { ports: &WIRING };
    for message in messages {
        let AppMsg::Pow(message) = message else { return Ok(false) };
        if !pow.is_priority(ctx, message)? {
            return Ok(false);
        }
    }
    Ok(!messages.is_empty())
}

/// An error that no user can cause here: the chain's own books are wrong.
pub(crate) fn broken(e: impl Into<TxError>) -> StateError {
    StateError::Invariant(e.into().log)
}

fn one(coin: &Coin) -> Result<Coins, StateError> {
    Coins::try_from(coin.clone()).map_err(|e| StateError::Invariant(e.to_string()))
}

impl AntePorts for Wiring {
    fn pay_fee(&self, ctx: &mut Ctx, payer: &Address, fee: &Coins) -> Result<(), TxError> {
        Ok(bank::send_to_module(ctx, self, payer, modules::FEE_COLLECTOR, fee)?)
    }
}

impl geodesic_auth::Ports for Wiring {
    fn authority(&self, _: &Ctx) -> Result<Address, StateError> {
        Ok(module_address(modules::GOV))
    }
}

impl geodesic_bank::Ports for Wiring {
    fn is_blocked(&self, address: &Address) -> bool {
        is_blocked(address)
    }

    fn ensure_account(&self, ctx: &mut Ctx, address: &Address) -> Result<(), StateError> {
        accounts::ensure_account(ctx, address)
    }

    /// Reads the account, as the SDK does; none of the accounts here locks coins.
    fn locked_coins(&self, ctx: &Ctx, address: &Address) -> Result<Coins, StateError> {
        accounts::get_account(ctx, address).map(|_| Coins::default())
    }

    fn account_is_there(&self, ctx: &Ctx, address: &Address) -> Result<bool, StateError> {
        Ok(accounts::get_account(ctx, address)?.is_some())
    }

    fn module_account(&self, ctx: &mut Ctx, name: &str) -> Result<Address, StateError> {
        Ok(accounts::get_module_account(ctx, name)?.address().clone())
    }
}

impl staking::Ports for Wiring {
    fn delegate_coins(
        &self,
        ctx: &mut Ctx,
        from: &Address,
        pool: &'static str,
        coins: &Coins,
    ) -> Result<(), TxError> {
        Ok(bank::delegate(ctx, self, from, pool, coins)?)
    }

    fn undelegate_coins(
        &self,
        ctx: &mut Ctx,
        pool: &'static str,
        to: &Address,
        coins: &Coins,
    ) -> Result<(), TxError> {
        Ok(bank::undelegate(ctx, self, pool, to, coins)?)
    }

    fn send_between_pools(
        &self,
        ctx: &mut Ctx,
        from: &'static str,
        to: &'static str,
        coins: &Coins,
    ) -> Result<(), TxError> {
        Ok(bank::send_to_module(ctx, self, &module_address(from), to, coins)?)
    }

    fn burn(&self, ctx: &mut Ctx, pool: &'static str, coins: &Coins) -> Result<(), TxError> {
        Ok(bank::burn(ctx, self, pool, coins)?)
    }

    fn open_pool(&self, ctx: &mut Ctx, pool: &'static str) -> Result<(), TxError> {
        accounts::get_module_account(ctx, pool)?;
        Ok(())
    }

    fn pool_balance(&self, ctx: &Ctx, pool: &'static str, denom: &str) -> Result<Int, StateError> {
        bank::balance(ctx, &module_address(pool), denom)
    }

    /// The SDK has them at hand with each block: they cost a message nothing.
    fn pub_key_types(&self, ctx: &mut Ctx) -> Result<Vec<String>, StateError> {
        let params = ctx.without_gas(|ctx| geodesic_consensus::params(ctx))?;
        Ok(params.and_then(|p| p.validator).map(|v| v.pub_key_types).unwrap_or_default())
    }

    fn has_vrf_key(&self, ctx: &Ctx, operator: &Operator) -> Result<bool, StateError> {
        Ok(geodesic_seeds::key_of(ctx, operator)?.is_some())
    }

    fn hook(&self, ctx: &mut Ctx, hook: Hook<'_>) -> Result<(), TxError> {
        crate::penalties::hook(ctx, hook)
    }
}

impl geodesic_seeds::Ports for Wiring {
    fn is_validator(&self, ctx: &Ctx, operator: &Operator) -> Result<bool, StateError> {
        Ok(staking::validator(ctx, &Address::from(*operator))?.is_some())
    }
}

impl geodesic_difficulty::Ports for Wiring {
    fn vocab(&self, ctx: &Ctx) -> Result<u32, StateError> {
        Ok(geodesic_pow::network(ctx)?.vocab())
    }
}

impl geodesic_rewards::Ports for Wiring {
    fn mint(&self, ctx: &mut Ctx, coin: &Coin) -> Result<(), TxError> {
        Ok(bank::mint(ctx, self, REWARDS, &one(coin)?)?)
    }

    fn pay(&self, ctx: &mut Ctx, to: &Address, coin: &Coin) -> Result<(), TxError> {
        Ok(bank::send_from_module(ctx, self, &module_address(REWARDS), to, &one(coin)?)?)
    }

    fn may_act_for(&self, ctx: &Ctx, sender: &Address, participant: &Operator) -> Result<bool, StateError> {
        if sender.as_bytes() == participant.as_slice() {
            return Ok(true);
        }
        let epoch = geodesic_epochs::current(ctx)?.map_or(0, |e| e.index);
        let registered = geodesic_pow::keys::PARTICIPANT.get(ctx, participant)?;
        let settings = registered.as_ref().and_then(|p| geodesic_pow::in_force(p, epoch));
        Ok(settings.is_some_and(|s| s.agent == ctx.account_text(sender)))
    }
}

fn window(e: &Epoch) -> Window {
    Window {
        epoch: e.index,
        start: e.start,
        draw: e.draw,
        open: e.open,
        verdict: e.verdict,
        verdict_end: e.verdict_end,
        judge_commit: e.judge_commit,
        judge_reveal: e.judge_reveal,
        settle: e.settle,
        activate: e.activate,
    }
}

impl geodesic_pow::Ports for Wiring {
    fn window(&self, ctx: &Ctx) -> Result<Option<Window>, StateError> {
        Ok(geodesic_epochs::current(ctx)?.as_ref().map(window))
    }

    fn judge_duration(&self, ctx: &Ctx) -> Result<u64, StateError> {
        geodesic_epochs::params(ctx).map(|p| p.poc_judge_duration)
    }

    fn beacon(&self, ctx: &Ctx, height: u64) -> Result<Option<[u8; 32]>, StateError> {
        geodesic_seeds::beacon(ctx, height)
    }

    fn vrf_key(&self, ctx: &Ctx, operator: &Operator) -> Result<Option<[u8; 32]>, StateError> {
        let key = geodesic_seeds::key_in_force(ctx, operator, ctx.block.height)?;
        Ok(key.and_then(|k| k.try_into().ok()))
    }

    fn has_vrf_key(&self, ctx: &Ctx, operator: &Operator) -> Result<bool, StateError> {
        Ok(geodesic_seeds::key_of(ctx, operator)?.is_some())
    }

    fn target(&self, ctx: &Ctx, epoch: u64) -> Result<Target, StateError> {
        let (r_target, pass_probability) = geodesic_difficulty::target(ctx, epoch)?
            .ok_or_else(|| StateError::Invariant(format!("epoch {epoch} has no target")))?;
        Ok(Target { r_target, pass_probability })
    }

    fn record_hits(&self, ctx: &mut Ctx, epoch: u64, accepted_hits: u64) -> Result<(), StateError> {
        geodesic_difficulty::settle(ctx, self, epoch, accepted_hits)
    }

    fn is_validator(&self, ctx: &Ctx, operator: &Operator) -> Result<bool, StateError> {
        Ok(staking::validator(ctx, &Address::from(*operator))?.is_some())
    }

    fn powers(&self, ctx: &Ctx) -> Result<Vec<(Operator, u64)>, StateError> {
        let set = staking::validator_set_at(ctx, ctx.block.height)?;
        Ok(set.into_iter().filter_map(|m| Some((m.operator.as_20()?, m.power))).collect())
    }

    fn slash(
        &self,
        ctx: &mut Ctx,
        operator: &Operator,
        height: u64,
        fraction: Dec,
    ) -> Result<Int, StateError> {
        let operator = Address::from(*operator);
        let offender = staking::Offender::Operator(&operator);
        // Under `compute` the power is no coins: staking looks up what stood behind it at that height.
        staking::slash(ctx, self, offender, height, staking::Stake::Power(0), fraction).map_err(broken)
    }

    /// By slashing, which knows when it may come back.
    fn jail(&self, ctx: &mut Ctx, operator: &Operator) -> Result<(), StateError> {
        match staking::validator(ctx, &Address::from(*operator))? {
            Some(validator) => geodesic_slashing::jail(ctx, self, &hash20(&validator.pub_key).into()),
            None => Ok(()),
        }
    }

    fn activate(&self, ctx: &mut Ctx, _: u64, weights: &[(Operator, u64)]) -> Result<(), StateError> {
        let weights: Vec<(Operator, u128)> =
            weights.iter().map(|(o, weight)| (*o, u128::from(*weight))).collect();
        staking::compute_set_shares(ctx, &weights)?;
        staking::compute_activate(ctx, self)
    }

    fn settle_epoch(&self, ctx: &mut Ctx, epoch: u64, settled: &[Settled]) -> Result<(), StateError> {
        let claim = geodesic_epochs::by_index(ctx, epoch)?.map_or(u64::MAX, |e| e.claim);
        let settled: Vec<geodesic_rewards::Settled> = settled
            .iter()
            .map(|s| geodesic_rewards::Settled {
                participant: s.operator,
                weight: u128::from(s.weight),
                penalty: s.penalty,
            })
            .collect();
        geodesic_rewards::settle(ctx, self, epoch, claim, &settled)
    }

    fn escrow(&self, ctx: &mut Ctx, from: &Address, coin: &Coin) -> Result<(), TxError> {
        Ok(bank::send_to_module(ctx, self, from, POW, &one(coin)?)?)
    }

    fn pay(&self, ctx: &mut Ctx, to: &Address, coin: &Coin) -> Result<(), StateError> {
        bank::send(ctx, self, &module_address(POW), to, &one(coin)?).map_err(broken)
    }

    fn burn(&self, ctx: &mut Ctx, coin: &Coin) -> Result<(), StateError> {
        bank::burn(ctx, self, POW, &one(coin)?).map_err(broken)
    }
}
