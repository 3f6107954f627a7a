//! Splits an epoch's emission.

use geodesic_core::fixed::{decay_floor, split};
use geodesic_core::{Address, Coin, Ctx, Dec, Event, Int, StateError, TxError};
use geodesic_proto::geodesic::rewards::v1 as pb;

use crate::events::EventEpochSettled;
use crate::keys::{BY_EPOCH, EPOCH, PARAMS, SHARE};
use crate::params::Params;
use crate::ports::Ports;

/// A participant at the settlement of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Operator.
    pub participant: [u8; 20],
    /// What it counts for in the split.
    pub weight: u128,
    /// Part of its share that is not minted: 0, a penalty, or 1 if what it claimed did not stand.
    pub penalty: Dec,
}

/// Mints `floor(initial * e^(-decay * epoch))`, split in proportion to the weights by largest remainder, less voided
/// shares and penalties; nothing if no weight stands. A later call for the same epoch does nothing.
///
/// # Errors
/// [`StateError`] if the disk fails or the bank cannot mint.
pub fn settle(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    epoch: u64,
    claim_height: u64,
    settled: &[Settled],
) -> Result<(), StateError> {
    if EPOCH.has(ctx, &epoch)? {
        return Ok(());
    }
    let params = load_params(ctx)?;
    let emission = decay_floor(params.initial(), params.decay(), epoch)
        .map_err(|_| StateError::Invariant("emission overflows".to_owned()))?;
    let weights: Vec<u128> = settled.iter().map(|s| s.weight).collect();
    let mut minted = 0_u128;
    for (who, share) in settled.iter().zip(split(emission, &weights)) {
        let amount = less(share, who.penalty);
        if amount == 0 {
            continue;
        }
        minted = minted.saturating_add(amount); // at most the emission
        let participant = ctx.account_text(&Address::from(who.participant));
        let entry = pb::Share { epoch, participant, amount: amount.to_string(), claimed_at: 0 };
        SHARE.set(ctx, &(who.participant, epoch), &entry)?;
        BY_EPOCH.set(ctx, &(epoch, who.participant), &())?;
    }
    if minted > 0 {
        let coin = Coin { denom: params.denom().to_owned(), amount: Int::from(minted) };
        ports
            .mint(ctx, &coin)
            .map_err(|e: TxError| StateError::Invariant(format!("mint of rewards: {e}")))?;
    }
    let (emission, minted) = (emission.to_string(), minted.to_string());
    let entry = pb::EpochReward { epoch, emission: emission.clone(), minted: minted.clone(), claim_height };
    EPOCH.set(ctx, &epoch, &entry)?;
    ctx.emit(Event::typed(&EventEpochSettled { epoch, emission, minted }));
    Ok(())
}

/// `share - ceil(share * penalty)`.
fn less(share: u128, penalty: Dec) -> u128 {
    let kept = Dec::ONE.checked_sub(penalty).ok().filter(|k| !k.is_negative());
    let kept = kept.and_then(|k| k.mul_int(Int::from(share)).ok());
    kept.and_then(|k| k.truncate_int().to_u128()).unwrap_or(0)
}

/// The parameters in force.
pub(crate) fn load_params(ctx: &Ctx) -> Result<Params, StateError> {
    Params::try_from(PARAMS.load(ctx)?).map_err(|e| StateError::Invariant(e.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn penalties_round_against_the_participant() {
        for (name, share, penalty, want) in [
            ("none", 1000, "0", 1000),
            ("one per cent", 1000, "0.01", 990),
            ("of a small share", 1, "0.01", 0),
            ("all", 1000, "1", 0),
            ("more than all", 1000, "1.5", 0),
        ] {
            assert_eq!(less(share, penalty.parse().unwrap()), want, "{name}");
        }
    }
}
