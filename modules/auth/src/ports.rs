//! What auth needs of the rest of the chain.

use geodesic_core::{Address, Ctx, StateError};

/// Supplied by the application.
pub trait Ports {
    /// The account that may change parameters: governance's, as a rule.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn authority(&self, ctx: &Ctx) -> Result<Address, StateError>;
}
