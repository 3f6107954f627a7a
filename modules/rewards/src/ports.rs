//! What the module needs of the others.

use geodesic_core::{Address, Coin, Ctx, StateError, TxError};

/// Supplied by the application's wiring.
pub trait Ports: Sync {
    /// Creates coins in the account of the module `rewards`.
    ///
    /// # Errors
    /// [`TxError`] of the bank.
    fn mint(&self, ctx: &mut Ctx, coin: &Coin) -> Result<(), TxError>;

    /// Pays from the account of the module `rewards`.
    ///
    /// # Errors
    /// [`TxError`] of the bank.
    fn pay(&self, ctx: &mut Ctx, to: &Address, coin: &Coin) -> Result<(), TxError>;

    /// Whether `sender` is the participant or its registered agent.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    fn may_act_for(&self, ctx: &Ctx, sender: &Address, participant: &[u8; 20]) -> Result<bool, StateError>;
}
