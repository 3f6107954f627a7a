//! What the module needs of the others. Operators are the 20 bytes of their account.

use geodesic_core::{Address, Coin, Ctx, Dec, Int, StateError, TxError};

/// The 20 bytes of an operator's account.
pub type Operator = [u8; 20];

/// The heights of an epoch; each part lasts to the height before the next part's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Number of the epoch.
    pub epoch: u64,
    /// S: the stage begins.
    pub start: u64,
    /// X: commitments are closed; the draw is made at the end of this block.
    pub draw: u64,
    /// Answers to demands begin; demands are closed.
    pub open: u64,
    /// Verdicts begin; answers are closed.
    pub verdict: u64,
    /// First height at which a verdict is too late.
    pub verdict_end: u64,
    /// Hashes of judgments begin; accusations are closed.
    pub judge_commit: u64,
    /// Revealing judgments begins.
    pub judge_reveal: u64,
    /// T: settlement, at the end of this block.
    pub settle: u64,
    /// New powers, at the end of this block.
    pub activate: u64,
}

/// How hard an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Distance below which a nonce is a hit, in units of 2^-32.
    pub r_target: u64,
    /// Probability of a hit in units of 2^-64, above 0.
    pub pass_probability: u64,
}

/// What an operator's epoch counts for its reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The operator.
    pub operator: Operator,
    /// Its weight, above 0.
    pub weight: u64,
    /// The part of its share that is not minted, 0 to 1.
    pub penalty: Dec,
}

/// The other modules. Errors of the state alone, except where a sender can be at fault.
#[allow(clippy::missing_errors_doc)] // all as said above
pub trait Ports {
    /// epochs: the running epoch; `None` before the first block.
    fn window(&self, ctx: &Ctx) -> Result<Option<Window>, StateError>;
    /// epochs: `poc_judge_duration` of the parameters.
    fn judge_duration(&self, ctx: &Ctx) -> Result<u64, StateError>;

    /// seeds: the beacon of a height, the current one included.
    fn beacon(&self, ctx: &Ctx, height: u64) -> Result<Option<[u8; 32]>, StateError>;
    /// seeds: the operator's VRF key in force at the current height.
    fn vrf_key(&self, ctx: &Ctx, operator: &Operator) -> Result<Option<[u8; 32]>, StateError>;
    /// seeds: whether the operator has registered a VRF key, in force or not yet.
    fn has_vrf_key(&self, ctx: &Ctx, operator: &Operator) -> Result<bool, StateError>;

    /// difficulty: the target of the running epoch.
    fn target(&self, ctx: &Ctx, epoch: u64) -> Result<Target, StateError>;
    /// difficulty: hits that were accepted in an epoch; called once, at its settlement.
    fn record_hits(&self, ctx: &mut Ctx, epoch: u64, accepted_hits: u64) -> Result<(), StateError>;

    /// staking: whether the operator has a validator, bonded or not.
    fn is_validator(&self, ctx: &Ctx, operator: &Operator) -> Result<bool, StateError>;
    /// staking: operators with consensus power, each once, in any order.
    fn powers(&self, ctx: &Ctx) -> Result<Vec<(Operator, u64)>, StateError>;
    /// staking: burns `fraction` of the collateral that stood behind the operator at `height`, unbondings and
    /// redelegations begun since included; returns what was burned.
    fn slash(
        &self,
        ctx: &mut Ctx,
        operator: &Operator,
        height: u64,
        fraction: Dec,
    ) -> Result<Int, StateError>;
    /// staking, slashing: jails the operator for a time, longer if it is jailed already; does nothing if it is gone.
    fn jail(&self, ctx: &mut Ctx, operator: &Operator) -> Result<(), StateError>;
    /// staking: weights above 0 from which powers follow, ascending by operator; never called with none.
    fn activate(&self, ctx: &mut Ctx, epoch: u64, weights: &[(Operator, u64)]) -> Result<(), StateError>;

    /// rewards: what the epoch's reward is split by, ascending by operator; never called with none.
    fn settle_epoch(&self, ctx: &mut Ctx, epoch: u64, settled: &[Settled]) -> Result<(), StateError>;

    /// bank: moves a coin from an account to the account of the module `pow`. The sender may lack it.
    fn escrow(&self, ctx: &mut Ctx, from: &Address, coin: &Coin) -> Result<(), TxError>;
    /// bank: moves a coin from the account of the module `pow` to an account.
    fn pay(&self, ctx: &mut Ctx, to: &Address, coin: &Coin) -> Result<(), StateError>;
    /// bank: burns a coin of the account of the module `pow`.
    fn burn(&self, ctx: &mut Ctx, coin: &Coin) -> Result<(), StateError>;
}
