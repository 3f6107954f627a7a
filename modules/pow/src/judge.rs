//! `MsgAccuse`, `MsgCommitJudgment`, `MsgRevealJudgment`.

use geodesic_challenge::{RTarget, judgment_hash, verify};
use geodesic_core::{Ctx, Event};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::events::{EventAccused, EventJudgmentCommitted, EventJudgmentRevealed};
use crate::keys::{ACCUSATION, ACCUSED, CASE, CASES, DUTY, JUDGMENT, POWER, PROVER, SUBJECT, VERDICT};
use crate::participants::{at_height, caller, epoch_params, operator, running, text};
use crate::ports::{Operator, Ports, Window};
use crate::samples::{Committed, GAS_HASH, charge_path, sample, samples};
use crate::types::{Accuse, CommitJudgment, Proof, RevealJudgment, Target};
use crate::vrf;

/// An accusation that has been checked: the case it belongs to, and the key by which cases of it are one.
struct Charge {
    case: pb::Case,
    accused: Operator,
    subject: Vec<u8>,
}

/// Opens a case, or joins one of the same leaf or tag.
pub(crate) fn accuse(ctx: &mut Ctx, ports: &dyn Ports, m: &Accuse) -> Result<pb::MsgAccuseResponse, Error> {
    let (window, epoch) = running(ctx, ports, m.epoch)?;
    let params = epoch_params(&epoch)?;
    if params.tolerance.is_some() {
        return Err(Error::NoAccusations);
    }
    let first = match m.target {
        Target::Leaf { .. } => window.draw.saturating_add(1),
        Target::Tag { .. } => window.verdict,
    };
    at_height(ctx, "this accusation", first, window.judge_commit)?;
    let caller = caller(ctx, &m.origin, m.epoch)?;
    caller.registered()?;
    let charge = match &m.target {
        Target::Leaf { prover, node_id, proof } => leaf_charge(ctx, &epoch, prover, *node_id, proof)?,
        Target::Tag { auditor, prover, position, proof } => {
            tag_charge(ctx, &epoch, auditor, prover, *position, proof.as_ref())?
        }
    };
    if charge.accused == caller.operator {
        return Err(Error::SelfAccusation(caller.text));
    }
    let kind = u8::try_from(charge.case.kind).unwrap_or_default();
    let once = (m.epoch, caller.operator, kind, charge.accused);
    if ACCUSED.has(ctx, &once)? {
        return Err(Error::Duplicate("an accusation of this kind against this operator"));
    }
    let (accused, proven) = (charge.case.accused.clone(), charge.case.proven);
    let case_id = file(ctx, charge, &caller.text, params.max_cases)?;
    let deposit = params.accusation_deposit;
    ports.escrow(ctx, &caller.sender, &deposit)?;
    let accusation = pb::Accusation {
        epoch: m.epoch,
        case_id,
        accuser: caller.text.clone(),
        sender: ctx.account_text(&caller.sender),
        deposit: Some(deposit.into()),
    };
    ACCUSATION.set(ctx, &(m.epoch, case_id, caller.operator), &accusation)?;
    ACCUSED.set(ctx, &once, &case_id)?;
    let kind = i32::from(kind);
    ctx.emit(Event::typed(&EventAccused {
        epoch: m.epoch,
        case_id,
        kind,
        accused,
        accuser: caller.text,
        proven,
    }));
    Ok(pb::MsgAccuseResponse { case_id })
}

/// Finds the case of a charge or opens it; a proof is noted in either.
fn file(ctx: &mut Ctx, charge: Charge, accuser: &str, max: u32) -> Result<u32, Error> {
    let epoch = charge.case.epoch;
    let subject = (epoch, charge.subject);
    if let Some(id) = SUBJECT.get(ctx, &subject)? {
        if charge.case.proven {
            let mut case = CASE.get(ctx, &(epoch, id))?.ok_or(Error::UnknownCase(id))?;
            case.proven = true;
            CASE.set(ctx, &(epoch, id), &case)?;
        }
        return Ok(id);
    }
    let id = CASES.get(ctx, &epoch)?.unwrap_or_default();
    if id >= max {
        return Err(Error::TooManyCases(max));
    }
    let case = pb::Case { case_id: id, first_accuser: accuser.to_owned(), ..charge.case };
    CASE.set(ctx, &(epoch, id), &case)?;
    CASES.set(ctx, &epoch, &id.saturating_add(1))?;
    SUBJECT.set(ctx, &subject, &id)?;
    Ok(id)
}

/// Key of the case of a leaf or tag; see [`SUBJECT`].
pub(crate) fn subject(case: &pb::Case, accused: &Operator, prover: &Operator) -> Vec<u8> {
    let (kind, node, position) = (case.kind, case.node_id.to_be_bytes(), case.position.to_be_bytes());
    let kind = [u8::try_from(kind).unwrap_or_default()];
    let nonce = case.nonce.to_be_bytes();
    match case.kind() {
        pb::CaseKind::Tag => [&kind[..], accused, prover, &position].concat(),
        pb::CaseKind::Leaf | pb::CaseKind::Unspecified => [&kind[..], prover, &node, &nonce].concat(),
    }
}

/// A leaf, shown to be the prover's, whose content is said to be wrong.
fn leaf_charge(
    ctx: &Ctx,
    epoch: &pb::Epoch,
    prover: &str,
    node_id: u32,
    proof: &Proof,
) -> Result<Charge, Error> {
    let accused = operator(ctx, prover)?;
    let committed = Committed::load(ctx, epoch.epoch, &accused)?;
    charge_path(ctx, proof)?;
    verify(committed.node(node_id)?, RTarget(epoch.r_target), &proof.leaf, &proof.path)
        .map_err(|e| Error::Path(e.to_string()))?;
    let prover = text(ctx, &accused);
    let case = pb::Case {
        epoch: epoch.epoch,
        kind: pb::CaseKind::Leaf.into(),
        accused: prover.clone(),
        prover,
        node_id,
        nonce: proof.leaf.nonce,
        value: proof.leaf.hash().to_vec(),
        ..pb::Case::default()
    };
    let subject = subject(&case, &accused, &accused);
    Ok(Charge { case, accused, subject })
}

/// A tag of a verdict that is said to be wrong; or, with a proof, an index that is shown to be.
fn tag_charge(
    ctx: &Ctx,
    epoch: &pb::Epoch,
    auditor: &str,
    prover: &str,
    position: u32,
    proof: Option<&Proof>,
) -> Result<Charge, Error> {
    let (accused, prover) = (operator(ctx, auditor)?, operator(ctx, prover)?);
    let duty = DUTY.get(ctx, &(epoch.epoch, accused, prover))?.unwrap_or_default();
    let seen = duty.samples.iter().find(|s| s.position == position).ok_or(Error::NoSample(position))?;
    if let Some(proof) = proof {
        check_false_index(ctx, epoch, &accused, &prover, seen, proof)?;
    }
    let case = pb::Case {
        epoch: epoch.epoch,
        kind: pb::CaseKind::Tag.into(),
        accused: text(ctx, &accused),
        prover: text(ctx, &prover),
        node_id: seen.node_id,
        nonce: seen.nonce,
        position,
        value: seen.tag.clone(),
        proven: proof.is_some(),
        ..pb::Case::default()
    };
    let subject = subject(&case, &accused, &prover);
    Ok(Charge { case, accused, subject })
}

/// Checks that the sample is the leaf shown, and that the auditor named another.
fn check_false_index(
    ctx: &Ctx,
    epoch: &pb::Epoch,
    auditor: &Operator,
    prover: &Operator,
    seen: &pb::Seen,
    proof: &Proof,
) -> Result<(), Error> {
    let verdict = VERDICT.get(ctx, &(epoch.epoch, *auditor))?.ok_or(Error::NoSample(seen.position))?;
    let totals = PROVER.get(ctx, &(epoch.epoch, *prover))?.unwrap_or_default();
    let samples = samples(ctx, &vrf::stored_seed(&verdict.vrf_output)?, prover, epoch, totals)?;
    let committed = Committed::load(ctx, epoch.epoch, prover)?;
    committed.check(ctx, epoch.r_target, sample(&samples, seen.position)?, proof)?;
    if proof.leaf.nonce == seen.nonce { Err(Error::IndexIsRight) } else { Ok(()) }
}

/// Checks that the operator judges in this epoch.
fn judge(ctx: &Ctx, epoch: u64, operator: &Operator) -> Result<(), Error> {
    match POWER.has(ctx, &(epoch, *operator))? {
        true => Ok(()),
        false => Err(Error::NoPower(text(ctx, operator))),
    }
}

/// Takes the hash of a validator's judgments.
pub(crate) fn commit_judgment(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    m: &CommitJudgment,
) -> Result<pb::MsgCommitJudgmentResponse, Error> {
    let (Window { judge_commit, judge_reveal, .. }, _) = running(ctx, ports, m.epoch)?;
    at_height(ctx, "a judgment's hash", judge_commit, judge_reveal)?;
    let caller = caller(ctx, &m.origin, m.epoch)?;
    judge(ctx, m.epoch, &caller.operator)?;
    let key = (m.epoch, caller.operator);
    if JUDGMENT.has(ctx, &key)? {
        return Err(Error::Duplicate("a judgment's hash for this epoch"));
    }
    let judgment = pb::Judgment {
        epoch: m.epoch,
        judge: caller.text.clone(),
        hash: m.hash.to_vec(),
        revealed: false,
        values: Vec::new(),
    };
    JUDGMENT.set(ctx, &key, &judgment)?;
    ctx.emit(Event::typed(&EventJudgmentCommitted { epoch: m.epoch, judge: caller.text }));
    Ok(pb::MsgCommitJudgmentResponse {})
}

/// Takes the judgments behind a hash.
pub(crate) fn reveal_judgment(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    m: &RevealJudgment,
) -> Result<pb::MsgRevealJudgmentResponse, Error> {
    let (window, _) = running(ctx, ports, m.epoch)?;
    at_height(ctx, "revealing a judgment", window.judge_reveal, window.settle)?;
    let caller = caller(ctx, &m.origin, m.epoch)?;
    let key = (m.epoch, caller.operator);
    let mut judgment = JUDGMENT.get(ctx, &key)?.ok_or(Error::WrongReveal)?;
    if judgment.revealed {
        return Err(Error::Duplicate("a judgment for this epoch"));
    }
    let cases = CASES.get(ctx, &m.epoch)?.unwrap_or_default();
    if let Some(v) = m.values.iter().find(|v| v.case_id >= cases) {
        return Err(Error::UnknownCase(v.case_id));
    }
    let count = u64::try_from(m.values.len()).unwrap_or(u64::MAX);
    ctx.gas.charge(count.saturating_add(2).saturating_mul(GAS_HASH), "HashJudgment")?;
    if judgment_of(ctx, m.epoch, &caller.operator, &m.values, &m.salt).as_slice() != judgment.hash {
        return Err(Error::WrongReveal);
    }
    judgment.revealed = true;
    judgment.values = m.values.clone();
    JUDGMENT.set(ctx, &key, &judgment)?;
    let cases = u32::try_from(m.values.len()).unwrap_or(u32::MAX);
    ctx.emit(Event::typed(&EventJudgmentRevealed { epoch: m.epoch, judge: caller.text, cases }));
    Ok(pb::MsgRevealJudgmentResponse {})
}

/// The hash that a judge commits to; an accusation is named by its case number, big-endian in 4 bytes.
fn judgment_of(
    ctx: &Ctx,
    epoch: u64,
    judge: &Operator,
    values: &[pb::CaseValue],
    salt: &[u8; 32],
) -> [u8; 32] {
    let ids: Vec<[u8; 4]> = values.iter().map(|v| v.case_id.to_be_bytes()).collect();
    let entries: Vec<(&[u8], &[u8])> =
        ids.iter().zip(values).map(|(id, v)| (id.as_slice(), v.value.as_slice())).collect();
    judgment_hash(&ctx.block.chain_id, epoch, judge, &entries, salt)
}
