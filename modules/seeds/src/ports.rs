//! What the module needs of the others.

use geodesic_core::{Ctx, StateError};

/// Supplied by the application's wiring.
pub trait Ports: Sync {
    /// Whether this account operates a validator, in or out of the active set.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    fn is_validator(&self, ctx: &Ctx, operator: &[u8; 20]) -> Result<bool, StateError>;
}
