//! Replay protection of unordered transactions: one record for each signer and timeout, until the timeout has passed.
//!
//! Rules and gas are those of `x/auth` of the Cosmos SDK 0.53, with two differences, both on the side of refusing more.
//! It forgets a record in the block whose time equals the timeout, when the transaction would still be taken; here it goes
//! one block later. And it forgets all records on export; here the timeouts that transactions before the export can have
//! are refused after an import.

use geodesic_core::{Address, Ctx, Sdk, StateError, TxError};

use crate::account::Account;
use crate::keys::{NO_TIMEOUT_UNTIL, Timeout, UNORDERED};

/// How far ahead of the block's time a timeout may be: ten minutes.
pub const AHEAD_MAX_NS: i64 = 600_000_000_000;

/// Gas of the check: twice what reading and deleting a record costs, as the deletion is nobody's.
pub const GAS: u64 = 2240;

/// Most records that one block deletes. A record whose time has passed refuses nothing that its timeout does not, so what is
/// left over may wait for the next block: a crowd of records with one timeout cannot make a block slow.
pub const EXPIRED_PER_BLOCK: usize = 2000;

/// Checks that a timeout is neither past nor too far ahead, and pays for the check.
///
/// # Errors
/// `sdk` 18 with the SDK's texts; `sdk` 11 if gas runs out.
pub fn check_timeout(ctx: &Ctx, timeout_ns: i128) -> Result<i64, TxError> {
    let now = ctx.block.time_ns;
    if timeout_ns < i128::from(now) {
        let text = "unordered transaction has a timeout_timestamp that has already passed";
        return Err(Sdk::InvalidRequest.with(text));
    }
    let timeout = i64::try_from(timeout_ns).ok().filter(|t| t.saturating_sub(now) <= AHEAD_MAX_NS);
    let timeout = timeout.ok_or_else(|| Sdk::InvalidRequest.with("unordered tx ttl exceeds 10m0s"))?;
    ctx.gas.charge(GAS, "unordered tx")?;
    Ok(timeout)
}

/// Records that `sender` used a timeout.
///
/// # Errors
/// `sdk` 18 if it did before, or may have before the state was exported; [`StateError`] if gas runs out or the disk fails.
pub fn record(ctx: &mut Ctx, sender: &Address, timeout_ns: i64) -> Result<(), TxError> {
    let fail = |text: String| Sdk::InvalidRequest.with(format_args!("failed to add unordered nonce: {text}"));
    let until = ctx.without_gas(|ctx| NO_TIMEOUT_UNTIL.get(ctx))?;
    if let Some(Timeout(until)) = until.filter(|until| timeout_ns <= until.0) {
        return Err(fail(format!(
            "timeouts up to {until} may have been used before the export of this state"
        )));
    }
    let key = (Timeout(timeout_ns), sender.clone());
    if UNORDERED.has(ctx, &key)? {
        let sender = ctx.account_text(sender);
        return Err(fail(format!("sender {sender} has already used timeout {timeout_ns}")));
    }
    Ok(UNORDERED.set(ctx, &key, &())?)
}

/// Deletes records whose time has passed, the oldest first, at most [`EXPIRED_PER_BLOCK`].
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn remove_expired(ctx: &mut Ctx) -> Result<(), StateError> {
    let now = Timeout(ctx.block.time_ns);
    if NO_TIMEOUT_UNTIL.get(ctx)?.is_some_and(|until| until.0 < now.0) {
        NO_TIMEOUT_UNTIL.delete(ctx)?;
    }
    let expired = UNORDERED.before(ctx, &now)?.take(EXPIRED_PER_BLOCK);
    let expired = expired.map(|entry| entry.map(|(key, ())| key)).collect::<Result<Vec<_>, _>>()?;
    expired.iter().try_for_each(|key| UNORDERED.delete(ctx, key))
}

/// Refuses, in a state that was exported, every timeout that a transaction before the export can have: its records are gone.
/// A state in which nobody signed yet has no such past. The time of the genesis must not lie before that of the last block.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn init(ctx: &mut Ctx, accounts: &[Account]) -> Result<(), StateError> {
    if accounts.iter().all(|a| a.sequence == 0 && a.pub_key.is_none()) {
        return Ok(());
    }
    NO_TIMEOUT_UNTIL.set(ctx, &Timeout(ctx.block.time_ns.saturating_add(AHEAD_MAX_NS)))
}
