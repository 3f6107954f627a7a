//! Who takes part: registration, changes, leaving, and for whom a sender may speak.

use geodesic_core::{Address, Coin, Ctx, Event, StateError};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::events::{EventDepositRefilled, EventParticipantRegistered, EventParticipantUpdated};
use crate::keys::{EPOCH, PARAMS, PARTICIPANT};
use crate::params::Params;
use crate::ports::{Operator, Ports, Window};
use crate::types::{Origin, Register, Update};

/// A sender and the operator that it may speak for.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) sender: Address,
    pub(crate) operator: Operator,
    /// Address of the operator as the chain writes it.
    pub(crate) text: String,
    /// Its registration, if there is one.
    pub(crate) record: Option<pb::Participant>,
}

impl Caller {
    /// The registration.
    pub(crate) fn registered(&self) -> Result<&pb::Participant, Error> {
        self.record.as_ref().ok_or_else(|| Error::NotRegistered(self.text.clone()))
    }
}

/// The operator that an account's text means.
pub(crate) fn operator(ctx: &Ctx, text: &str) -> Result<Operator, Error> {
    ctx.account(text)?
        .as_20()
        .ok_or_else(|| Error::InvalidMessage(format!("{text} is no operator: its address has not 20 bytes")))
}

/// The text of an operator's account.
pub(crate) fn text(ctx: &Ctx, operator: &Operator) -> String {
    ctx.account_text(&(*operator).into())
}

/// The operator of a stored record.
pub(crate) fn stored_operator(ctx: &Ctx, text: &str) -> Result<Operator, StateError> {
    operator(ctx, text).map_err(|e| StateError::Invariant(format!("stored address {text}: {e}")))
}

/// A stored coin.
pub(crate) fn stored_coin(
    coin: Option<&geodesic_proto::cosmos::base::v1beta1::Coin>,
) -> Result<Coin, StateError> {
    let coin = coin.ok_or_else(|| StateError::Invariant("a stored deposit is missing".to_owned()))?;
    Coin::try_from(coin).map_err(|e| StateError::Invariant(format!("stored deposit: {e}")))
}

/// The settings of a participant in an epoch.
pub fn in_force(p: &pb::Participant, epoch: u64) -> Option<&pb::Settings> {
    match &p.next {
        Some(next) if p.next_from <= epoch => Some(next),
        _ => p.settings.as_ref(),
    }
}

/// The running epoch and what it began with, for a message that names it.
pub(crate) fn running(ctx: &Ctx, ports: &dyn Ports, epoch: u64) -> Result<(Window, pb::Epoch), Error> {
    let window = ports.window(ctx)?.ok_or(Error::NoEpoch)?;
    if epoch != window.epoch {
        return Err(Error::WrongEpoch { got: epoch, running: window.epoch });
    }
    let record = EPOCH.get(ctx, &epoch)?.ok_or(Error::NoEpoch)?;
    Ok((window, record))
}

/// The draw of an epoch, which a message after X needs.
pub(crate) fn drawn(epoch: &pb::Epoch) -> Result<&pb::Draw, Error> {
    epoch.draw.as_ref().ok_or(Error::NoEpoch)
}

/// A beacon or key of a stored record.
pub(crate) fn stored_hash(bytes: &[u8]) -> Result<[u8; 32], StateError> {
    bytes.try_into().map_err(|_| StateError::Invariant("a stored hash has not 32 bytes".to_owned()))
}

/// Checks `from <= height < until`.
pub(crate) fn at_height(ctx: &Ctx, what: &'static str, from: u64, until: u64) -> Result<(), Error> {
    let height = ctx.block.height;
    if (from..until).contains(&height) {
        return Ok(());
    }
    Err(Error::WrongHeight { what, from, until, height })
}

/// Checks that the sender is the participant itself or its agent in this epoch.
pub(crate) fn caller(ctx: &Ctx, origin: &Origin, epoch: u64) -> Result<Caller, Error> {
    let sender = ctx.account(&origin.sender)?;
    let operator = operator(ctx, &origin.participant)?;
    let caller =
        Caller { sender, operator, text: text(ctx, &operator), record: PARTICIPANT.get(ctx, &operator)? };
    let agent = caller.record.as_ref().and_then(|p| in_force(p, epoch)).map(|s| s.agent.as_str());
    if caller.sender.as_bytes() == operator || agent == Some(ctx.account_text(&caller.sender).as_str()) {
        return Ok(caller);
    }
    Err(Error::Unauthorized { sender: origin.sender.clone(), participant: caller.text })
}

/// The parameters for the next epoch.
pub(crate) fn params(ctx: &Ctx) -> Result<Params, StateError> {
    stored_params(&PARAMS.load(ctx)?)
}

/// Stored parameters.
pub(crate) fn stored_params(p: &pb::Params) -> Result<Params, StateError> {
    Params::try_from(p).map_err(|e| StateError::Invariant(e.to_string()))
}

/// The parameters of an epoch.
pub(crate) fn epoch_params(epoch: &pb::Epoch) -> Result<Params, StateError> {
    stored_params(epoch.params.as_ref().unwrap_or(&pb::Params::default()))
}

/// The running epoch's number, and the one from which changes count: the next, or 0 before the first.
fn epochs(ctx: &Ctx, ports: &dyn Ports) -> Result<(u64, u64), StateError> {
    Ok(match ports.window(ctx)? {
        Some(w) => (w.epoch, w.epoch.saturating_add(1)),
        None => (0, 0),
    })
}

/// Settings with the agent's address as the chain writes it.
fn normal(ctx: &Ctx, settings: &pb::Settings) -> Result<pb::Settings, Error> {
    let agent = ctx.account_text(&ctx.account(&settings.agent)?);
    Ok(pb::Settings { agent, ..settings.clone() })
}

/// Registers an operator; it counts from the next epoch. Signed by itself, because there is no agent yet.
pub(crate) fn register(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    m: &Register,
) -> Result<pb::MsgRegisterParticipantResponse, Error> {
    let (running, active_from) = epochs(ctx, ports)?;
    let caller = caller(ctx, &m.origin, running)?;
    if caller.record.is_some() {
        return Err(Error::AlreadyRegistered(caller.text));
    }
    if !ports.is_validator(ctx, &caller.operator)? {
        return Err(Error::NotOperator(caller.text));
    }
    if !ports.has_vrf_key(ctx, &caller.operator)? {
        return Err(Error::NoVrfKey(caller.text));
    }
    let settings = normal(ctx, &m.settings)?;
    let deposit = params(ctx)?.registration_deposit;
    ports.escrow(ctx, &caller.sender, &deposit)?;
    let agent = settings.agent.clone();
    let record = pb::Participant {
        participant: caller.text.clone(),
        settings: Some(settings),
        next: None,
        next_from: 0,
        active_from,
        deposit: Some(deposit.into()),
        leaving: false,
    };
    PARTICIPANT.set(ctx, &caller.operator, &record)?;
    ctx.emit(Event::typed(&EventParticipantRegistered { participant: caller.text, agent, active_from }));
    Ok(pb::MsgRegisterParticipantResponse { active_from })
}

/// Changes settings from the next epoch, refills the deposit, or leaves.
pub(crate) fn update(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    m: &Update,
) -> Result<pb::MsgUpdateParticipantResponse, Error> {
    let (running, next) = epochs(ctx, ports)?;
    let caller = caller(ctx, &m.origin, running)?;
    let mut record = caller.registered()?.clone();
    if record.leaving {
        return Err(not_active(&caller.text, "it is leaving"));
    }
    let is_owner = caller.sender.as_bytes() == caller.operator;
    let forbidden =
        || Error::Unauthorized { sender: m.origin.sender.clone(), participant: caller.text.clone() };
    if m.leave {
        if !is_owner {
            return Err(forbidden());
        }
        record.leaving = true;
    }
    if let Some(settings) = &m.settings {
        let settings = normal(ctx, settings)?;
        record.settings = in_force(&record, running).cloned();
        if !is_owner && record.settings.as_ref().is_none_or(|s| s.agent != settings.agent) {
            return Err(forbidden());
        }
        record.next = Some(settings);
        record.next_from = next;
    }
    if m.refill {
        if record.deposit.is_some() {
            return Err(Error::DepositInPlace);
        }
        let deposit = params(ctx)?.registration_deposit;
        ports.escrow(ctx, &caller.sender, &deposit)?;
        record.active_from = next;
        ctx.emit(Event::typed(&EventDepositRefilled {
            participant: caller.text.clone(),
            deposit: deposit.to_string(),
            active_from: next,
        }));
        record.deposit = Some(deposit.into());
    }
    PARTICIPANT.set(ctx, &caller.operator, &record)?;
    ctx.emit(Event::typed(&EventParticipantUpdated { participant: caller.text }));
    Ok(pb::MsgUpdateParticipantResponse {})
}

pub(crate) fn not_active(participant: &str, reason: impl Into<String>) -> Error {
    Error::NotActive { participant: participant.to_owned(), reason: reason.into() }
}

/// Checks that a participant counts in an epoch, and returns its nodes.
pub(crate) fn active_nodes(p: &pb::Participant, epoch: u64) -> Result<&[u32], Error> {
    if p.active_from > epoch {
        return Err(not_active(&p.participant, format!("it counts from epoch {}", p.active_from)));
    }
    if p.deposit.is_none() {
        return Err(not_active(&p.participant, "its deposit is forfeited"));
    }
    Ok(in_force(p, epoch).map_or(&[], |s| s.node_ids.as_slice()))
}
