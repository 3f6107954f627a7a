//! `MsgDemand`, `MsgOpenPoc`, `MsgSubmitVerdict`.

use geodesic_challenge::{Hash, Position, Sample, is_member};
use geodesic_core::{Coin, Ctx, Event};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::events::{EventPocOpened, EventSamplesDemanded, EventVerdictSubmitted};
use crate::keys::{DEMAND, DUTY, POWER, PROVER, VERDICT};
use crate::participants::{
    at_height, caller, drawn, epoch_params, operator, running, stored_coin, stored_hash, text,
};
use crate::ports::{Operator, Ports};
use crate::samples::{Committed, GAS_HASH, sample, samples};
use crate::statistics;
use crate::types::{Demand, OpenPoc, SubmitVerdict, Vrf};
use crate::vrf;

/// An auditor whose VRF output has been checked.
struct Auditor<'a> {
    draw: &'a pb::Draw,
    committee_size: u32,
    operator: Operator,
    power: u64,
    a_i: Hash,
}

impl<'a> Auditor<'a> {
    fn new(ctx: &Ctx, epoch: &'a pb::Epoch, operator: Operator, claim: &Vrf) -> Result<Self, Error> {
        let draw = drawn(epoch)?;
        let power = POWER.get(ctx, &(epoch.epoch, operator))?;
        let power = power.ok_or_else(|| Error::NoPower(text(ctx, &operator)))?;
        let a_i = vrf::verify(ctx, &power.vrf_key, &stored_hash(&draw.beacon)?, &operator, claim)?;
        let committee_size = epoch_params(epoch)?.committee_size;
        Ok(Self { draw, committee_size, operator, power: power.power, a_i })
    }

    fn audits(&self, ctx: &Ctx, prover: &Operator) -> Result<bool, Error> {
        ctx.gas.charge(GAS_HASH, "DrawCommittee")?;
        let draw = self.draw;
        Ok(*prover != self.operator
            && is_member(&self.a_i, prover, self.power, draw.total_power, self.committee_size))
    }
}

/// Demands samples on chain that the prover did not serve, and prepays the fee for them.
pub(crate) fn demand(ctx: &mut Ctx, ports: &dyn Ports, m: &Demand) -> Result<pb::MsgDemandResponse, Error> {
    let (window, epoch) = running(ctx, ports, m.epoch)?;
    // The draw is made at the end of the block X.
    at_height(ctx, "a demand", window.draw.saturating_add(1), window.open)?;
    let caller = caller(ctx, &m.origin, m.epoch)?;
    let prover = operator(ctx, &m.prover)?;
    let key = (m.epoch, prover, caller.operator);
    if DEMAND.has(ctx, &key)? {
        return Err(Error::Duplicate("a demand of this prover"));
    }
    let prover_text = text(ctx, &prover);
    let totals = PROVER.get(ctx, &(m.epoch, prover))?;
    let totals = totals.ok_or_else(|| Error::NoCommitment(prover_text.clone()))?;
    let auditor = Auditor::new(ctx, &epoch, caller.operator, &m.vrf)?;
    if !auditor.audits(ctx, &prover)? {
        return Err(Error::NotMember { auditor: caller.text, prover: prover_text });
    }
    let samples = samples(ctx, &auditor.a_i, &prover, &epoch, totals)?;
    m.positions.iter().try_for_each(|k| sample(&samples, *k).map(drop))?;

    let one = epoch_params(&epoch)?.demand_fee;
    let count = u64::try_from(m.positions.len()).unwrap_or(u64::MAX);
    let amount = one.amount.checked_mul(count.into()).map_err(geodesic_core::TxError::from)?;
    let fee = Coin { amount, ..one };
    ports.escrow(ctx, &caller.sender, &fee)?;
    let record = pb::Demand {
        epoch: m.epoch,
        prover: prover_text.clone(),
        auditor: caller.text.clone(),
        sender: ctx.account_text(&caller.sender),
        fee: Some(fee.into()),
        vrf_output: m.vrf.output.to_vec(),
        positions: m.positions.clone(),
        opened: Vec::new(),
    };
    DEMAND.set(ctx, &key, &record)?;
    let positions = u32::try_from(m.positions.len()).unwrap_or(u32::MAX);
    ctx.emit(Event::typed(&EventSamplesDemanded {
        epoch: m.epoch,
        prover: prover_text,
        auditor: caller.text,
        positions,
    }));
    Ok(pb::MsgDemandResponse {})
}

/// Whether every demanded position was answered.
pub(crate) fn is_answered(demand: &pb::Demand) -> bool {
    demand.opened.len() >= demand.positions.len()
}

/// Answers a demand, or a part of it; the fee goes to the sender of the last part.
pub(crate) fn open_poc(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    m: &OpenPoc,
) -> Result<pb::MsgOpenPocResponse, Error> {
    let (window, epoch) = running(ctx, ports, m.epoch)?;
    at_height(ctx, "an answer", window.draw.saturating_add(1), window.verdict)?;
    let caller = caller(ctx, &m.origin, m.epoch)?;
    let auditor = operator(ctx, &m.auditor)?;
    let key = (m.epoch, caller.operator, auditor);
    let auditor_text = text(ctx, &auditor);
    let none = |position: u32| Error::NoDemand {
        auditor: auditor_text.clone(),
        prover: caller.text.clone(),
        position,
    };
    let first = m.openings.first().map_or(0, |(k, _)| *k);
    let mut demand = DEMAND.get(ctx, &key)?.ok_or_else(|| none(first))?;
    let totals = PROVER.get(ctx, &(m.epoch, caller.operator))?.unwrap_or_default();
    let a_i = vrf::stored_seed(&demand.vrf_output)?;
    let samples = samples(ctx, &a_i, &caller.operator, &epoch, totals)?;
    let committed = Committed::load(ctx, m.epoch, &caller.operator)?;
    for (position, proof) in &m.openings {
        let done = demand.opened.iter().any(|o| o.position == *position);
        if done || !demand.positions.contains(position) {
            return Err(none(*position));
        }
        let node_id = committed.check(ctx, epoch.r_target, sample(&samples, *position)?, proof)?;
        let leaf = pb::Leaf {
            nonce: proof.leaf.nonce,
            distance: proof.leaf.distance.0,
            logits_hash: proof.leaf.logits_hash.to_vec(),
        };
        demand.opened.push(pb::Opened { position: *position, node_id, leaf: Some(leaf) });
    }
    demand.opened.sort_by_key(|o| o.position);
    let complete = is_answered(&demand);
    if complete {
        ports.pay(ctx, &caller.sender, &stored_coin(demand.fee.as_ref())?)?;
    }
    DEMAND.set(ctx, &key, &demand)?;
    ctx.emit(Event::typed(&EventPocOpened {
        epoch: m.epoch,
        prover: caller.text,
        auditor: auditor_text,
        complete,
    }));
    Ok(pb::MsgOpenPocResponse { complete })
}

/// Takes a validator's verdict: exactly its duties, for each exactly the samples that it could get.
pub(crate) fn submit_verdict(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    m: &SubmitVerdict,
) -> Result<pb::MsgSubmitVerdictResponse, Error> {
    let (window, epoch) = running(ctx, ports, m.epoch)?;
    at_height(ctx, "a verdict", window.verdict, window.verdict_end)?;
    let caller = caller(ctx, &m.origin, m.epoch)?;
    let key = (m.epoch, caller.operator);
    if VERDICT.has(ctx, &key)? {
        return Err(Error::Duplicate("a verdict for this epoch"));
    }
    let auditor = Auditor::new(ctx, &epoch, caller.operator, &m.vrf)?;
    let duties = duties(ctx, m.epoch, &auditor)?;
    let reports = m.duties.iter().map(|d| Ok((operator(ctx, &d.prover)?, d)));
    let reports = reports.collect::<Result<Vec<_>, Error>>()?;
    if !reports.iter().map(|(prover, _)| prover).eq(duties.iter().map(|(prover, _)| prover)) {
        let wanted: Vec<_> = duties.iter().take(8).map(|(prover, _)| text(ctx, prover)).collect();
        let got = reports.len();
        let text = format!("{got} given, owed are {}: {} ...", duties.len(), wanted.join(" "));
        return Err(Error::WrongDuties(text));
    }
    let tolerance = epoch_params(&epoch)?.tolerance;
    let mut profiles = Vec::with_capacity(reports.len());
    for ((prover, totals), (_, report)) in duties.iter().zip(&reports) {
        check_report(ctx, &epoch, &auditor, prover, *totals, report)?;
        profiles.push(statistics::of_samples(ctx, epoch.r_target, tolerance.as_ref(), &report.samples)?);
    }
    for ((prover, report), profile) in reports.iter().zip(profiles) {
        let duty = pb::Duty {
            epoch: m.epoch,
            auditor: caller.text.clone(),
            prover: text(ctx, prover),
            samples: report.samples.clone(),
            profile,
        };
        DUTY.set(ctx, &(m.epoch, caller.operator, *prover), &duty)?;
    }
    let count = u32::try_from(reports.len()).unwrap_or(u32::MAX);
    let verdict = pb::Verdict {
        epoch: m.epoch,
        auditor: caller.text.clone(),
        vrf_output: m.vrf.output.to_vec(),
        duties: count,
    };
    VERDICT.set(ctx, &key, &verdict)?;
    ctx.emit(Event::typed(&EventVerdictSubmitted { epoch: m.epoch, auditor: caller.text, duties: count }));
    Ok(pb::MsgSubmitVerdictResponse {})
}

type Totals = (u64, u64);

/// The provers that an auditor owes a verdict on, ascending, with their leaves and hits.
fn duties(ctx: &Ctx, epoch: u64, auditor: &Auditor<'_>) -> Result<Vec<(Operator, Totals)>, Error> {
    let mut duties = Vec::new();
    for entry in PROVER.prefix(ctx, &epoch)? {
        let ((_, prover), totals) = entry?;
        if auditor.audits(ctx, &prover)? {
            duties.push((prover, totals));
        }
    }
    Ok(duties)
}

/// Checks the samples of one duty: each that has a leaf and was not left unanswered on chain, once, at its place.
fn check_report(
    ctx: &Ctx,
    epoch: &pb::Epoch,
    auditor: &Auditor<'_>,
    prover: &Operator,
    totals: Totals,
    report: &pb::DutyReport,
) -> Result<(), Error> {
    let wrong = |what: String| Error::WrongDuties(format!("{}: {what}", report.prover));
    let demand = DEMAND.get(ctx, &(epoch.epoch, *prover, auditor.operator))?.unwrap_or_default();
    let opened = |k: u32| demand.opened.iter().find(|o| o.position == k).and_then(|o| o.leaf.as_ref());
    let mut owed = samples(ctx, &auditor.a_i, prover, epoch, totals)?;
    owed.retain(|s| !demand.positions.contains(&s.k) || opened(s.k).is_some());
    if !owed.iter().map(|s| s.k).eq(report.samples.iter().map(|s| s.position)) {
        let got = report.samples.len();
        return Err(wrong(format!("{got} samples given, {} owed", owed.len())));
    }
    let committed = Committed::load(ctx, epoch.epoch, prover)?;
    for (sample, seen) in owed.iter().zip(&report.samples) {
        if !is_possible(&committed, sample, seen)? {
            return Err(wrong(format!("sample {} is not at {} {}", seen.position, seen.node_id, seen.nonce)));
        }
        if opened(seen.position).is_some_and(|leaf| leaf.nonce != seen.nonce) {
            return Err(wrong(format!("sample {} was opened as another leaf", seen.position)));
        }
    }
    Ok(())
}

/// Whether a sample can be where an auditor says it is. The index of a leaf is known; that of a hit only the prover's
/// tree tells, so a false one must be accused.
fn is_possible(committed: &Committed, sample: &Sample, seen: &pb::Seen) -> Result<bool, Error> {
    let (located, commitment) = committed.locate(sample)?;
    let index = match located.position {
        Position::Leaf(index) => seen.nonce == index,
        Position::Hit(_) => seen.nonce < commitment.count,
    };
    Ok(index && seen.node_id == located.node_id)
}
