//! What the module needs of the others.

use geodesic_core::{Ctx, StateError};

/// Supplied by the application's wiring.
pub trait Ports: Sync {
    /// Outputs V of the network that is computed: the sphere's dimension.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    fn vocab(&self, ctx: &Ctx) -> Result<u32, StateError>;
}
