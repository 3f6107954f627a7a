//! What slashing needs of staking.

use geodesic_core::address::hash20;
use geodesic_core::{Address, Ctx, Dec, Int, StateError, TxError};

/// A validator, as far as slashing looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validator {
    /// Ed25519 key that signs blocks.
    pub pub_key: [u8; 32],
    /// Whether it is in jail.
    pub jailed: bool,
    /// Whether it is out of the set for longer than the unbonding time.
    pub unbonded: bool,
    /// Coins that its operator promised to keep delegated.
    pub min_self_delegation: Int,
}

impl Validator {
    /// Consensus address.
    pub fn consensus(&self) -> Address {
        hash20(&self.pub_key).into()
    }
}

/// What slashing needs of staking.
pub trait Ports {
    /// The validator of an operator; costs one read.
    ///
    /// # Errors
    /// `staking` 3 if there is none.
    fn validator(&self, ctx: &Ctx, operator: &Address) -> Result<Validator, TxError>;

    /// The validator of an operator, and the tokens that the operator's own delegation to it is worth, rounded down;
    /// costs a read of each, in this order.
    ///
    /// # Errors
    /// `staking` 3 if there is no validator, 19 if there is no delegation.
    fn validator_with_self_bond(&self, ctx: &Ctx, operator: &Address) -> Result<(Validator, Int), TxError>;

    /// The validator with this consensus address.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn validator_by_consensus(&self, ctx: &Ctx, consensus: &Address)
    -> Result<Option<Validator>, StateError>;

    /// Consensus keys of all validators.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn pub_keys(&self, ctx: &Ctx) -> Result<Vec<[u8; 32]>, StateError>;

    /// Burns `fraction` of what stood behind `power` at `height`, and returns how much that was. The validator exists and
    /// is not unbonded.
    ///
    /// # Errors
    /// [`StateError`] if the books are wrong.
    fn slash(
        &self,
        ctx: &mut Ctx,
        consensus: &Address,
        height: u64,
        power: u64,
        fraction: Dec,
    ) -> Result<Int, StateError>;

    /// Puts the validator with this consensus address, which is not there yet, into jail.
    ///
    /// # Errors
    /// [`StateError`] if the books are wrong.
    fn jail(&self, ctx: &mut Ctx, consensus: &Address) -> Result<(), StateError>;

    /// Frees the validator with this consensus address; costs what staking's `Unjail` does: the index, the validator, and
    /// the writes of both.
    ///
    /// # Errors
    /// Staking's.
    fn unjail(&self, ctx: &mut Ctx, consensus: &Address) -> Result<(), TxError>;
}
