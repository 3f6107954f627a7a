//! Misbehaviour that CometBFT found (`x/evidence/keeper/abci.go`, `infraction.go`).

use geodesic_core::{Address, Ctx, StateError};
use geodesic_proto::any;
use geodesic_proto::cosmos::evidence::v1beta1::Equivocation;
use geodesic_proto::prost_types::Timestamp;

use crate::equivocation::hash;
use crate::keys::EVIDENCE;
use crate::ports::{MaxAge, Ports};

/// Two votes for one height, or an attack on a light client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misbehavior {
    /// Consensus address of the validator.
    pub consensus: Address,
    /// Height of the infraction.
    pub height: u64,
    /// Time of the infraction, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Power of the validator at that height.
    pub power: u64,
}

/// Has each validator punished that misbehaved, and keeps the proof. Once a block, with the block's misbehaviour.
///
/// # Errors
/// [`StateError`] if the disk fails or the books are wrong.
pub fn handle_misbehavior(ctx: &mut Ctx, ports: &dyn Ports, list: &[Misbehavior]) -> Result<(), StateError> {
    for m in list {
        let max_age = ports.max_age(ctx)?;
        if max_age.is_some_and(|max| is_too_old(ctx, m, max)) {
            tracing::info!(consensus = ?m.consensus, m.height, "ignored an equivocation: too old");
        } else if ports.punish_double_sign(ctx, &m.consensus, m.height, m.power)? {
            let e = equivocation(ctx, m)?;
            EVIDENCE.set(ctx, &hash(&e), &any::pack(&e))?;
        } else {
            tracing::info!(consensus = ?m.consensus, m.height, "ignored an equivocation: nobody to punish");
        }
    }
    Ok(())
}

fn is_too_old(ctx: &Ctx, m: &Misbehavior, max: MaxAge) -> bool {
    let ns = i128::from(ctx.block.time_ns).saturating_sub(m.time_ns.into());
    let blocks = i128::from(ctx.block.height).saturating_sub(m.height.into());
    ns > max.ns.into() && blocks > max.blocks.into()
}

fn equivocation(ctx: &Ctx, m: &Misbehavior) -> Result<Equivocation, StateError> {
    const SECOND: i64 = 1_000_000_000;
    let fits = |what: &str, n: u64| {
        i64::try_from(n).map_err(|_| StateError::Invariant(format!("{what} of misbehaviour: {n}")))
    };
    let nanos = i32::try_from(m.time_ns.rem_euclid(SECOND)).unwrap_or_default(); // below 10^9
    Ok(Equivocation {
        height: fits("height", m.height)?,
        time: Some(Timestamp { seconds: m.time_ns.div_euclid(SECOND), nanos }),
        power: fits("power", m.power)?,
        consensus_address: m.consensus.to_bech32(&ctx.block.valcons_prefix()),
    })
}
