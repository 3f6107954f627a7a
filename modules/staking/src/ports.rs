//! What staking needs of others.

use geodesic_core::{Address, Coins, Ctx, Dec, Int, StateError, TxError};

/// Module account that holds the coins of bonded validators.
pub const BONDED_POOL: &str = "bonded_tokens_pool";

/// Module account that holds the coins of all other validators, and those on their way back.
pub const NOT_BONDED_POOL: &str = "not_bonded_tokens_pool";

/// Something happened to a validator or a delegation; the SDK's `StakingHooks`, one variant for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // operators, delegators and consensus addresses
pub enum Hook<'a> {
    AfterValidatorCreated { operator: &'a Address },
    BeforeValidatorModified { operator: &'a Address },
    AfterValidatorRemoved { consensus: &'a Address, operator: &'a Address },
    AfterValidatorBonded { consensus: &'a Address, operator: &'a Address },
    AfterValidatorBeginUnbonding { consensus: &'a Address, operator: &'a Address },
    BeforeDelegationCreated { delegator: &'a Address, operator: &'a Address },
    BeforeDelegationSharesModified { delegator: &'a Address, operator: &'a Address },
    BeforeDelegationRemoved { delegator: &'a Address, operator: &'a Address },
    AfterDelegationModified { delegator: &'a Address, operator: &'a Address },
    BeforeValidatorSlashed { operator: &'a Address, fraction: Dec },
    AfterUnbondingInitiated { id: u64 },
}

/// What staking needs of others. Pools are [`BONDED_POOL`] and [`NOT_BONDED_POOL`].
pub trait Ports {
    /// Moves coins of an account into a pool, vesting ones too (`DelegateCoinsFromAccountToModule`).
    ///
    /// # Errors
    /// The bank's, such as too few coins.
    fn delegate_coins(
        &self,
        ctx: &mut Ctx,
        from: &Address,
        pool: &'static str,
        coins: &Coins,
    ) -> Result<(), TxError>;

    /// Moves coins out of a pool to their owner (`UndelegateCoinsFromModuleToAccount`).
    ///
    /// # Errors
    /// The bank's.
    fn undelegate_coins(
        &self,
        ctx: &mut Ctx,
        pool: &'static str,
        to: &Address,
        coins: &Coins,
    ) -> Result<(), TxError>;

    /// Moves coins between the pools (`SendCoinsFromModuleToModule`).
    ///
    /// # Errors
    /// The bank's.
    fn send_between_pools(
        &self,
        ctx: &mut Ctx,
        from: &'static str,
        to: &'static str,
        coins: &Coins,
    ) -> Result<(), TxError>;

    /// Burns coins of a pool (`BurnCoins`).
    ///
    /// # Errors
    /// The bank's.
    fn burn(&self, ctx: &mut Ctx, pool: &'static str, coins: &Coins) -> Result<(), TxError>;

    /// Creates the account of a pool if there is none (`GetModuleAccount`).
    ///
    /// # Errors
    /// The auth module's.
    fn open_pool(&self, ctx: &mut Ctx, pool: &'static str) -> Result<(), TxError>;

    /// What a pool holds of a denomination.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn pool_balance(&self, ctx: &Ctx, pool: &'static str, denom: &str) -> Result<Int, StateError>;

    /// Key types that the consensus parameters allow, such as `ed25519`; none if they say nothing. Costs no gas.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn pub_key_types(&self, ctx: &mut Ctx) -> Result<Vec<String>, StateError>;

    /// Whether an operator has a VRF key in force: without one it gets no power under `compute`.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn has_vrf_key(&self, ctx: &Ctx, operator: &[u8; 20]) -> Result<bool, StateError>;

    /// Tells the modules that listen (slashing, distribution) what happened; does nothing if there are none.
    ///
    /// # Errors
    /// Those of the listeners; they fail the message.
    fn hook(&self, ctx: &mut Ctx, hook: Hook<'_>) -> Result<(), TxError>;
}
