//! What is forgotten: details after 8 epochs, weights after 128.

use geodesic_core::item::{Codec, Key};
use geodesic_core::{Ctx, Map, StateError};

use crate::keys::{
    ACCUSATION, ACCUSED, CASE, CASES, COMMITMENT, DEMAND, DUTY, EPOCH, JUDGMENT, POWER, PROVER, SUBJECT,
    VERDICT, WEIGHT,
};

/// Epochs whose details can be queried, the settled one included.
pub const DETAIL_EPOCHS: u64 = 8;

/// Epochs whose weights can be queried, the settled one included.
pub const WEIGHT_EPOCHS: u64 = 128;

/// Deletes what is too old when `settled` is the epoch just settled.
pub(crate) fn prune(ctx: &mut Ctx, settled: u64) -> Result<(), StateError> {
    if let Some(old) = settled.checked_sub(DETAIL_EPOCHS) {
        EPOCH.delete(ctx, &old)?;
        CASES.delete(ctx, &old)?;
        clear(ctx, &COMMITMENT, old)?;
        clear(ctx, &PROVER, old)?;
        clear(ctx, &POWER, old)?;
        clear(ctx, &DEMAND, old)?;
        clear(ctx, &VERDICT, old)?;
        clear(ctx, &DUTY, old)?;
        clear(ctx, &CASE, old)?;
        clear(ctx, &SUBJECT, old)?;
        clear(ctx, &ACCUSATION, old)?;
        clear(ctx, &ACCUSED, old)?;
        clear(ctx, &JUDGMENT, old)?;
    }
    match settled.checked_sub(WEIGHT_EPOCHS) {
        Some(old) => clear(ctx, &WEIGHT, old),
        None => Ok(()),
    }
}

fn clear<K: Key, V, C: Codec<V>>(ctx: &mut Ctx, map: &Map<K, V, C>, epoch: u64) -> Result<(), StateError> {
    let keys = map.prefix(ctx, &epoch)?.map(|e| e.map(|(key, _)| key)).collect::<Result<Vec<_>, _>>()?;
    keys.iter().try_for_each(|key| map.delete(ctx, key))
}
