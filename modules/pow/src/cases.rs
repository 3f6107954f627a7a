//! Settlement of cases: outcomes, deposits, punishments, and which judges were absent or wrong.

use std::collections::{BTreeMap, BTreeSet};

use geodesic_core::{Coin, Ctx, Event, StateError};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::events::{EventCaseSettled, EventOperatorPunished};
use crate::keys::{ACCUSATION, CASE, JUDGMENT, PARTICIPANT};
use crate::math::{Outcome, outcome};
use crate::params::Params;
use crate::participants::{stored_coin, stored_operator};
use crate::ports::{Operator, Ports};

/// What the cases of an epoch came to.
#[derive(Debug, Default)]
pub(crate) struct Rulings {
    /// Operators with an upheld case, and who opened the first.
    upheld: BTreeMap<(Operator, pb::CaseKind), Operator>,
    /// Judges that were absent in a case or against its outcome.
    pub(crate) penalised: BTreeSet<Operator>,
}

impl Rulings {
    /// Whether a case of this kind was upheld against the operator.
    pub(crate) fn upheld(&self, operator: &Operator, kind: pb::CaseKind) -> bool {
        self.upheld.contains_key(&(*operator, kind))
    }
}

/// Settles all cases of an epoch with these powers at X.
pub(crate) fn settle(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    epoch: u64,
    powers: &BTreeMap<Operator, u64>,
) -> Result<Rulings, StateError> {
    let cases = CASE.prefix(ctx, &epoch)?.map(|e| e.map(|(_, case)| case)).collect::<Result<Vec<_>, _>>()?;
    let mut rulings = Rulings::default();
    if cases.is_empty() {
        return Ok(rulings);
    }
    let judgments = judgments(ctx, epoch, powers)?;
    let total = powers.values().fold(0_u64, |sum, power| sum.saturating_add(*power));
    for mut case in cases {
        let id = case.case_id;
        let ruling = rule(&case, &judgments, powers, total);
        match &ruling {
            _ if case.proven => case.set_outcome(pb::CaseOutcome::Upheld),
            Outcome::Upheld(_) => case.set_outcome(pb::CaseOutcome::Upheld),
            Outcome::Rejected => case.set_outcome(pb::CaseOutcome::Rejected),
            Outcome::Undecided => case.set_outcome(pb::CaseOutcome::Undecided),
        }
        if !case.proven {
            let right: Option<&[u8]> = match ruling {
                Outcome::Upheld(value) => Some(value),
                Outcome::Rejected => Some(&case.value),
                Outcome::Undecided => None,
            };
            rulings.penalised.extend(powers.keys().filter(|judge| {
                let said = judgments.get(*judge).and_then(|values| values.get(&id));
                said.is_none_or(|said| right.is_some_and(|right| right != said.as_slice()))
            }));
        }
        if case.outcome() == pb::CaseOutcome::Upheld {
            let accused = stored_operator(ctx, &case.accused)?;
            let first = stored_operator(ctx, &case.first_accuser)?;
            rulings.upheld.entry((accused, case.kind())).or_insert(first);
        }
        settle_deposits(ctx, ports, &case)?;
        CASE.set(ctx, &(epoch, id), &case)?;
        ctx.emit(Event::typed(&EventCaseSettled {
            epoch,
            case_id: id,
            outcome: case.outcome,
            accused: case.accused,
        }));
    }
    Ok(rulings)
}

type Values = BTreeMap<u32, Vec<u8>>;

/// What each judge revealed.
fn judgments(
    ctx: &Ctx,
    epoch: u64,
    powers: &BTreeMap<Operator, u64>,
) -> Result<BTreeMap<Operator, Values>, StateError> {
    let mut judgments = BTreeMap::new();
    for entry in JUDGMENT.prefix(ctx, &epoch)? {
        let ((_, judge), judgment) = entry?;
        if judgment.revealed && powers.contains_key(&judge) {
            let values = judgment.values.into_iter().map(|v| (v.case_id, v.value)).collect();
            judgments.insert(judge, values);
        }
    }
    Ok(judgments)
}

fn rule<'a>(
    case: &pb::Case,
    judgments: &'a BTreeMap<Operator, Values>,
    powers: &BTreeMap<Operator, u64>,
    total: u64,
) -> Outcome<'a> {
    let mut tally: BTreeMap<&[u8], u64> = BTreeMap::new();
    for (judge, values) in judgments {
        if let Some(value) = values.get(&case.case_id) {
            let power = powers.get(judge).copied().unwrap_or_default();
            let sum = tally.entry(value).or_default();
            *sum = sum.saturating_add(power);
        }
    }
    outcome(&case.value, tally, total)
}

/// Pays the accusers' deposits back, or burns them if the case was rejected.
fn settle_deposits(ctx: &mut Ctx, ports: &dyn Ports, case: &pb::Case) -> Result<(), StateError> {
    let accusations = ACCUSATION.prefix(ctx, &(case.epoch, case.case_id))?.collect::<Result<Vec<_>, _>>()?;
    for (_, accusation) in accusations {
        let deposit = stored_coin(accusation.deposit.as_ref())?;
        if case.outcome() == pb::CaseOutcome::Rejected {
            ports.burn(ctx, &deposit)?;
        } else {
            ports.pay(ctx, &stored_operator_or_agent(ctx, &accusation.sender)?, &deposit)?;
        }
    }
    Ok(())
}

/// The account of a stored address.
pub(crate) fn stored_operator_or_agent(ctx: &Ctx, text: &str) -> Result<geodesic_core::Address, StateError> {
    ctx.account(text).map_err(|e| StateError::Invariant(format!("stored address {text}: {e}")))
}

/// Slashes, jails and takes the deposits of those with an upheld case, once per operator and kind.
pub(crate) fn punish(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    epoch: u64,
    infraction: u64,
    params: &Params,
    rulings: &Rulings,
) -> Result<(), StateError> {
    for ((operator, kind), accuser) in &rulings.upheld {
        let fraction = match kind {
            pb::CaseKind::Leaf => params.slash_fraction_fraud,
            pb::CaseKind::Tag | pb::CaseKind::Unspecified => params.slash_fraction_false_verdict,
        };
        let slashed = ports.slash(ctx, operator, infraction, fraction)?;
        if *kind == pb::CaseKind::Leaf {
            ports.jail(ctx, operator)?;
        }
        let (bounty, burned) = forfeit(ctx, ports, operator, accuser)?;
        let show = |coin: Option<Coin>| coin.map_or_else(String::new, |c| c.to_string());
        let text = |operator: &Operator| crate::participants::text(ctx, operator);
        let event = EventOperatorPunished {
            epoch,
            participant: text(operator),
            kind: (*kind).into(),
            slashed: slashed.to_string(),
            bounty: show(bounty),
            burned: show(burned),
            accuser: text(accuser),
        };
        ctx.emit(Event::typed(&event));
    }
    Ok(())
}

/// Takes an operator's registration deposit, if there is one: half, rounded down, to the accuser, the rest burned.
fn forfeit(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    operator: &Operator,
    accuser: &Operator,
) -> Result<(Option<Coin>, Option<Coin>), StateError> {
    let Some(mut record) = PARTICIPANT.get(ctx, operator)? else { return Ok((None, None)) };
    let Some(deposit) = record.deposit.take() else { return Ok((None, None)) };
    let deposit = stored_coin(Some(&deposit))?;
    let (bounty, burned) = halves(&deposit).map_err(|e| StateError::Invariant(e.to_string()))?;
    if bounty.is_positive() {
        ports.pay(ctx, &(*accuser).into(), &bounty)?;
    }
    ports.burn(ctx, &burned)?;
    PARTICIPANT.set(ctx, operator, &record)?;
    Ok((Some(bounty), Some(burned)))
}

fn halves(coin: &Coin) -> Result<(Coin, Coin), Error> {
    let wrap = |amount| Coin { denom: coin.denom.clone(), amount };
    let half = coin.amount.checked_quo(2_u64.into()).map_err(geodesic_core::TxError::from)?;
    let rest = coin.amount.checked_sub(half).map_err(geodesic_core::TxError::from)?;
    Ok((wrap(half), wrap(rest)))
}
