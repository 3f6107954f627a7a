//! What the module needs of the others.

use geodesic_core::{Address, Coins, Ctx, StateError};

/// Supplied by the application's wiring.
pub trait Ports: Sync {
    /// Whether nobody may send coins to this account: those of modules.
    fn is_blocked(&self, address: &Address) -> bool;

    /// Creates the account if it is not there; looks with `Has`.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    fn ensure_account(&self, ctx: &mut Ctx, address: &Address) -> Result<(), StateError>;

    /// Coins that the account cannot spend yet; reads the account.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    fn locked_coins(&self, ctx: &Ctx, address: &Address) -> Result<Coins, StateError>;

    /// Whether the account is there; reads it.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    fn account_is_there(&self, ctx: &Ctx, address: &Address) -> Result<bool, StateError>;

    /// Address of a module's account, which is created if it is not there.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    fn module_account(&self, ctx: &mut Ctx, name: &str) -> Result<Address, StateError>;
}
