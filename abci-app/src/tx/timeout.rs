//! Until when a transaction may be taken, and the timeouts that stand in for sequences in unordered ones.

use geodesic_auth::unordered;
use geodesic_core::{Ctx, ExecMode, Sdk, TxError};
use geodesic_proto::amino_json::rfc3339_nano;
use geodesic_proto::prost_types::Timestamp;

use super::ante::Ante;
use super::decode::Tx;

const NANOS: i64 = 1_000_000_000;
/// Zero of Go's `time.Time`.
const YEAR_ONE: i64 = -62_135_596_800;

pub(super) fn check_height(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    let (height, timeout) = (ctx.block.height, tx.body.timeout_height);
    if timeout > 0 && height > timeout {
        let text = format!("block height: {height}, timeout height: {timeout}");
        return Err(Sdk::TxTimeoutHeight.with(text));
    }
    Ok(())
}

pub(super) fn check_timestamp(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    let Some(timeout) = timestamp(tx) else { return Ok(()) };
    let now = ctx.block.time_ns;
    if nanos(timeout) < i128::from(now) {
        let rest = i32::try_from(now.rem_euclid(NANOS)).unwrap_or_default();
        let now = Timestamp { seconds: now.div_euclid(NANOS), nanos: rest };
        let text = format!("block time: {}, timeout timestamp: {}", go_text(&now), go_text(timeout));
        return Err(Sdk::TxTimeout.with(text));
    }
    Ok(())
}

/// Checks the timeout of an unordered transaction and records that each signer used it; a simulation records nothing.
pub(super) fn spend(ctx: &mut Ctx, tx: &Tx) -> Result<(), TxError> {
    let timeout = timestamp(tx)
        .ok_or_else(|| Sdk::InvalidRequest.with("unordered transaction must have timeout_timestamp set"))?;
    let timeout = unordered::check_timeout(ctx, nanos(timeout))?;
    if ctx.mode == ExecMode::Simulate {
        return Ok(());
    }
    tx.signers()?.iter().try_for_each(|signer| unordered::record(ctx, signer, timeout))
}

/// The timeout by the clock, if one is set: neither Go's zero time nor the first second of 1970 is one.
fn timestamp(tx: &Tx) -> Option<&Timestamp> {
    let is_set = |t: &&Timestamp| t.seconds != 0 && (t.seconds, t.nanos) != (YEAR_ONE, 0);
    tx.body.timeout_timestamp.as_ref().filter(is_set)
}

fn nanos(time: &Timestamp) -> i128 {
    // 64 + 30 bits
    i128::from(time.seconds).saturating_mul(i128::from(NANOS)).saturating_add(i128::from(time.nanos))
}

/// A time as Go's `time.Time` prints it: `2026-03-04 05:06:07.89 +0000 UTC`.
fn go_text(time: &Timestamp) -> String {
    rfc3339_nano(time).unwrap_or_default().replace('T', " ").replace('Z', " +0000 UTC")
}
