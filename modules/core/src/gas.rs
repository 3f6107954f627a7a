//! Gas, with the SDK's prices (`store/types/gas.go`, KV gas config).

use std::cell::Cell;

use crate::error::StateError;

/// Is the key there.
pub const HAS_FLAT: u64 = 1000;
/// Delete a key.
pub const DELETE_FLAT: u64 = 1000;
/// Read a key.
pub const READ_FLAT: u64 = 1000;
/// For each byte of key and value read.
pub const READ_PER_BYTE: u64 = 3;
/// Write a key.
pub const WRITE_FLAT: u64 = 2000;
/// For each byte of key and value written.
pub const WRITE_PER_BYTE: u64 = 30;
/// Step of an iterator.
pub const ITER_NEXT_FLAT: u64 = 30;

/// What a transaction may use and what it used. Without a limit it only counts.
#[derive(Debug, Default)]
pub struct GasMeter {
    limit: Option<u64>,
    used: Cell<u64>,
}

impl GasMeter {
    /// A meter that fails above `limit`.
    pub const fn limited(limit: u64) -> Self {
        Self { limit: Some(limit), used: Cell::new(0) }
    }

    /// A meter for block work and queries.
    pub const fn unlimited() -> Self {
        Self { limit: None, used: Cell::new(0) }
    }

    /// The limit, if there is one.
    pub const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Gas used so far; above the limit when the last charge failed.
    pub const fn used(&self) -> u64 {
        self.used.get()
    }

    /// Gas left below the limit.
    pub fn remaining(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX).saturating_sub(self.used.get())
    }

    /// Uses `amount`; `what` names it in the error.
    ///
    /// # Errors
    /// [`StateError::OutOfGas`] if the limit is passed; the amount is counted all the same.
    pub fn charge(&self, amount: u64, what: &'static str) -> Result<(), StateError> {
        let used = self.used.get().saturating_add(amount);
        self.used.set(used);
        match self.limit {
            Some(limit) if used > limit => Err(StateError::OutOfGas { what, limit, used }),
            _ => Ok(()),
        }
    }

    /// Uses `per_byte` for each byte of the key, then of the value: two charges, as in the SDK, so that a transaction that
    /// runs out of gas between them reports the same gas.
    pub(crate) fn charge_bytes(
        &self,
        per_byte: u64,
        key: usize,
        value: usize,
        what: &'static str,
    ) -> Result<(), StateError> {
        [key, value].into_iter().try_for_each(|len| {
            let bytes = u64::try_from(len).unwrap_or(u64::MAX);
            self.charge(per_byte.saturating_mul(bytes), what)
        })
    }
}
