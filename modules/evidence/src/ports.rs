//! What evidence needs of others.

use geodesic_core::{Address, Ctx, StateError};

/// How old evidence may be; it is too old if both are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge {
    /// Blocks.
    pub blocks: i64,
    /// Nanoseconds.
    pub ns: i64,
}

/// What evidence needs of others.
pub trait Ports {
    /// `evidence` of the consensus parameters; `None` if they have none, and evidence never gets too old.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn max_age(&self, ctx: &Ctx) -> Result<Option<MaxAge>, StateError>;

    /// Slashes, jails and tombstones a validator that signed two blocks of `height` with `power`. Returns whether it did:
    /// not if the validator does not exist, is unbonded, or is tombstoned already.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails or the books are wrong.
    fn punish_double_sign(
        &self,
        ctx: &mut Ctx,
        consensus: &Address,
        height: u64,
        power: u64,
    ) -> Result<bool, StateError>;
}
