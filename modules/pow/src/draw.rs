//! The beginning of an epoch, and the draw at X.

use geodesic_challenge::{HIT_SAMPLES_MAX, epoch_key, samples_per_member};
use geodesic_core::{Ctx, Event, StateError};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::commit::totals;
use crate::events::{EventEpochDrawn, EventEpochOpened};
use crate::keys::{COMMITMENT, EPOCH, PARAMS, POWER, PROVER};
use crate::network::network;
use crate::participants::{epoch_params, text};
use crate::ports::{Ports, Window};

fn broken(e: impl ToString) -> StateError {
    StateError::Invariant(e.to_string())
}

/// S: fixes what the epoch is computed and judged by.
pub(crate) fn begin(ctx: &mut Ctx, ports: &dyn Ports, window: &Window) -> Result<(), StateError> {
    let Some(beacon) = ports.beacon(ctx, window.start)? else { return Ok(()) };
    let target = ports.target(ctx, window.epoch)?;
    let key = epoch_key(&ctx.block.chain_id, window.epoch, &beacon, &network(ctx)?.hash()).map_err(broken)?;
    let record = pb::Epoch {
        epoch: window.epoch,
        params: Some(PARAMS.load(ctx)?),
        beacon: beacon.to_vec(),
        epoch_key: key.to_vec(),
        r_target: target.r_target,
        pass_probability: target.pass_probability,
        draw: None,
        settled: false,
    };
    EPOCH.set(ctx, &window.epoch, &record)?;
    ctx.emit(Event::typed(&EventEpochOpened {
        epoch: window.epoch,
        epoch_key: key.to_vec(),
        r_target: target.r_target,
    }));
    Ok(())
}

/// X: takes the beacon, the powers and the provers.
pub(crate) fn draw(ctx: &mut Ctx, ports: &dyn Ports, window: &Window) -> Result<(), StateError> {
    let (Some(mut record), Some(beacon)) = (EPOCH.get(ctx, &window.epoch)?, ports.beacon(ctx, window.draw)?)
    else {
        return Ok(());
    };
    let params = epoch_params(&record)?;
    let (mut total_power, mut validators) = (0_u64, 0_u32);
    for (operator, power) in ports.powers(ctx)?.into_iter().filter(|(_, power)| *power > 0) {
        total_power = total_power.checked_add(power).ok_or_else(|| broken("sum of powers"))?;
        validators = validators.saturating_add(1);
        let vrf_key = ports.vrf_key(ctx, &operator)?.map(Vec::from).unwrap_or_default();
        let entry = pb::Power { epoch: window.epoch, validator: text(ctx, &operator), power, vrf_key };
        POWER.set(ctx, &(window.epoch, operator), &entry)?;
    }
    let provers = store_provers(ctx, window.epoch, params.min_leaves)?;
    let samples = samples_per_member(params.samples_per_prover, params.committee_size, validators);
    // Only profile `pow2-f16` allows that many samples of a prover.
    let samples = samples.min(HIT_SAMPLES_MAX);
    record.draw =
        Some(pb::Draw { height: window.draw, beacon: beacon.to_vec(), total_power, validators, samples });
    EPOCH.set(ctx, &window.epoch, &record)?;
    ctx.emit(Event::typed(&EventEpochDrawn {
        epoch: window.epoch,
        beacon: beacon.to_vec(),
        total_power,
        provers,
        samples,
    }));
    Ok(())
}

/// Writes down who is audited: those with at least `min_leaves`.
pub(crate) fn store_provers(ctx: &mut Ctx, epoch: u64, min_leaves: u64) -> Result<u32, StateError> {
    let mut provers = Vec::new();
    for entry in COMMITMENT.prefix(ctx, &epoch)? {
        let (key, commitment) = entry?;
        let totals = totals(&commitment.nodes).map_err(broken)?;
        if totals.0 >= min_leaves {
            provers.push((key, totals));
        }
    }
    provers.iter().try_for_each(|(key, totals)| PROVER.set(ctx, key, totals))?;
    Ok(u32::try_from(provers.len()).unwrap_or(u32::MAX))
}
