//! T: what an epoch counts; and the activation of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use geodesic_core::{Ctx, Dec, Event, StateError};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::audit::is_answered;
use crate::cases::{self, Rulings, stored_operator_or_agent};
use crate::commit::totals;
use crate::events::{EventEpochSettled, EventParticipantLeft, EventWeightsActivated};
use crate::keys::{COMMITMENT, DEMAND, EPOCH, PARTICIPANT, POWER, PROVER, VERDICT, WEIGHT};
use crate::math::weight;
use crate::participants::{epoch_params, stored_coin};
use crate::ports::{Operator, Ports, Settled, Window};
use crate::prune;
use crate::statistics;

/// Settles the running epoch.
pub(crate) fn settle(ctx: &mut Ctx, ports: &dyn Ports, window: &Window) -> Result<(), StateError> {
    let epoch = window.epoch;
    let record = EPOCH.get(ctx, &epoch)?.filter(|r| !r.settled);
    let Some((mut record, draw)) = record.and_then(|r| r.draw.clone().map(|draw| (r, draw))) else {
        return Ok(());
    };
    let params = epoch_params(&record)?;
    let powers = POWER.prefix(ctx, &epoch)?.map(|e| e.map(|((_, operator), p)| (operator, p.power)));
    let powers = powers.collect::<Result<BTreeMap<_, _>, _>>()?;

    let rulings = cases::settle(ctx, ports, epoch, &powers)?;
    cases::punish(ctx, ports, epoch, draw.height, &params, &rulings)?;
    let faults = Faults {
        silent: silent(ctx, epoch, &powers)?,
        unanswered: settle_demands(ctx, ports, epoch)?,
        invalid: match params.tolerance {
            Some(_) => statistics::invalid_provers(ctx, epoch, &powers)?,
            None => BTreeSet::new(),
        },
        rulings,
        absence_penalty: params.absence_penalty,
    };
    let settled = weigh(ctx, &record, &faults)?;
    let accepted_hits = settled.iter().fold(0_u64, |sum, (_, hits)| sum.saturating_add(*hits));
    let settled: Vec<Settled> = settled.into_iter().map(|(s, _)| s).collect();

    ports.record_hits(ctx, epoch, accepted_hits)?;
    if !settled.is_empty() {
        ports.settle_epoch(ctx, epoch, &settled)?;
    }
    record.settled = true;
    EPOCH.set(ctx, &epoch, &record)?;
    pay_leavers(ctx, ports)?;
    prune::prune(ctx, epoch)?;
    let participants = u32::try_from(settled.len()).unwrap_or(u32::MAX);
    ctx.emit(Event::typed(&EventEpochSettled { epoch, participants, accepted_hits }));
    Ok(())
}

/// Validators that owed a verdict and sent none.
fn silent(ctx: &Ctx, epoch: u64, powers: &BTreeMap<Operator, u64>) -> Result<BTreeSet<Operator>, StateError> {
    let mut silent = BTreeSet::new();
    for operator in powers.keys() {
        if !VERDICT.has(ctx, &(epoch, *operator))? {
            silent.insert(*operator);
        }
    }
    Ok(silent)
}

/// Pays unanswered demands back; returns the provers that left one.
fn settle_demands(ctx: &mut Ctx, ports: &dyn Ports, epoch: u64) -> Result<BTreeSet<Operator>, StateError> {
    let demands = DEMAND.prefix(ctx, &epoch)?.collect::<Result<Vec<_>, _>>()?;
    let mut unanswered = BTreeSet::new();
    for ((_, prover, _), demand) in demands {
        if !is_answered(&demand) {
            let fee = stored_coin(demand.fee.as_ref())?;
            ports.pay(ctx, &stored_operator_or_agent(ctx, &demand.sender)?, &fee)?;
            unanswered.insert(prover);
        }
    }
    Ok(unanswered)
}

/// What took weight or reward from whom.
struct Faults {
    silent: BTreeSet<Operator>,
    unanswered: BTreeSet<Operator>,
    /// Under profile `pow2-f16`.
    invalid: BTreeSet<Operator>,
    rulings: Rulings,
    absence_penalty: Dec,
}

impl Faults {
    /// Why an audited prover's weight is zero, the gravest reason first.
    fn void_reason(&self, prover: &Operator) -> pb::VoidReason {
        if self.rulings.upheld(prover, pb::CaseKind::Leaf) {
            pb::VoidReason::Fraud
        } else if self.rulings.upheld(prover, pb::CaseKind::Tag) {
            pb::VoidReason::FalseVerdict
        } else if self.unanswered.contains(prover) {
            pb::VoidReason::UnansweredDemand
        } else if self.invalid.contains(prover) {
            pb::VoidReason::Invalid
        } else if self.silent.contains(prover) {
            pb::VoidReason::NoVerdict
        } else {
            pb::VoidReason::Unspecified
        }
    }
}

/// Writes the weight of everyone who committed; returns those above zero with their accepted hits.
fn weigh(ctx: &mut Ctx, record: &pb::Epoch, faults: &Faults) -> Result<Vec<(Settled, u64)>, StateError> {
    let epoch = record.epoch;
    let commitments = COMMITMENT.prefix(ctx, &epoch)?.collect::<Result<Vec<_>, _>>()?;
    let mut settled = Vec::new();
    for ((_, operator), commitment) in commitments {
        let (leaves, hits) = totals(&commitment.nodes).map_err(|e| StateError::Invariant(e.to_string()))?;
        let reason = match PROVER.has(ctx, &(epoch, operator))? {
            true => faults.void_reason(&operator),
            false => pb::VoidReason::MinLeaves,
        };
        let weight = match (reason, NonZeroU64::new(record.pass_probability)) {
            (pb::VoidReason::Unspecified, Some(p)) => weight(hits, p),
            _ => 0,
        };
        let absent = faults.rulings.penalised.contains(&operator);
        let penalty = if absent { faults.absence_penalty } else { Dec::ZERO };
        if weight > 0 {
            settled.push((Settled { operator, weight, penalty }, hits));
        }
        let entry = pb::Weight {
            epoch,
            participant: commitment.participant,
            leaves,
            hits,
            weight,
            void_reason: reason.into(),
            penalty: penalty.to_wire(),
        };
        WEIGHT.set(ctx, &(epoch, operator), &entry)?;
    }
    Ok(settled)
}

/// Pays those who leave their deposits back, now that no case against them is open, and forgets them.
fn pay_leavers(ctx: &mut Ctx, ports: &dyn Ports) -> Result<(), StateError> {
    let mut leavers = Vec::new();
    for entry in PARTICIPANT.prefix(ctx, &())? {
        let (operator, record) = entry?;
        if record.leaving {
            leavers.push((operator, record));
        }
    }
    for (operator, record) in leavers {
        let deposit = record.deposit.as_ref().map(|d| stored_coin(Some(d))).transpose()?;
        if let Some(deposit) = &deposit {
            ports.pay(ctx, &operator.into(), deposit)?;
        }
        PARTICIPANT.delete(ctx, &operator)?;
        ctx.emit(Event::typed(&EventParticipantLeft {
            participant: record.participant,
            deposit: deposit.map_or_else(String::new, |d| d.to_string()),
        }));
    }
    Ok(())
}

/// Gives the weights of the running epoch to staking; with none the powers stay.
pub(crate) fn activate(ctx: &mut Ctx, ports: &dyn Ports, window: &Window) -> Result<(), StateError> {
    let weights = weights(ctx, window.epoch)?;
    if weights.is_empty() {
        return Ok(());
    }
    ports.activate(ctx, window.epoch, &weights)?;
    let participants = u32::try_from(weights.len()).unwrap_or(u32::MAX);
    ctx.emit(Event::typed(&EventWeightsActivated { epoch: window.epoch, participants }));
    Ok(())
}

/// The weights above zero of a settled epoch, ascending by operator; for 128 epochs.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn weights(ctx: &Ctx, epoch: u64) -> Result<Vec<(Operator, u64)>, StateError> {
    let mut weights = Vec::new();
    for entry in WEIGHT.prefix(ctx, &epoch)? {
        let ((_, operator), record) = entry?;
        if record.weight > 0 {
            weights.push((operator, record.weight));
        }
    }
    Ok(weights)
}
