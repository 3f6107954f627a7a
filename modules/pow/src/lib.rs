#![doc = include_str!("../README.md")]

mod audit;
mod blocks;
mod cases;
mod commit;
mod draw;
mod errors;
mod events;
mod genesis;
mod judge;
pub mod keys;
pub mod math;
mod network;
mod params;
mod participants;
mod ports;
mod prune;
mod query;
mod samples;
mod settle;
mod statistics;
pub mod types;
pub mod vrf;

use geodesic_core::address::AddressError;
use geodesic_core::module::{check_authority, decode_msg};
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, Sdk, StateError, TxError};
use geodesic_proto::any;
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

pub use errors::Error;
pub use network::{Network, network};
pub use params::{CASES_MAX, EPS_MAX, HIT_SAMPLES_PER_PROVER_MAX, Params, SAMPLES_MAX, Tolerance};
pub use participants::in_force;
pub use ports::{Operator, Ports, Settled, Target, Window};
pub use prune::{DETAIL_EPOCHS, WEIGHT_EPOCHS};
pub use settle::weights;

use types::Origin;

pub(crate) const NAME: &str = "pow";

/// The module, with what it needs of the others.
#[derive(Clone, Copy)]
pub struct Pow<'a> {
    /// The other modules.
    pub ports: &'a dyn Ports,
}

/// The messages, checked as far as no state is needed.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // see the types
pub enum Msg {
    RegisterParticipant(types::Register),
    UpdateParticipant(types::Update),
    CommitPoc(types::CommitPoc),
    Demand(types::Demand),
    OpenPoc(types::OpenPoc),
    SubmitVerdict(types::SubmitVerdict),
    Accuse(types::Accuse),
    CommitJudgment(types::CommitJudgment),
    RevealJudgment(types::RevealJudgment),
    UpdateParams(pb::MsgUpdateParams),
}

impl Msg {
    /// Who sends it for whom; `None` for `MsgUpdateParams`.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::RegisterParticipant(m) => Some(&m.origin),
            Self::UpdateParticipant(m) => Some(&m.origin),
            Self::CommitPoc(m) => Some(&m.origin),
            Self::Demand(m) => Some(&m.origin),
            Self::OpenPoc(m) => Some(&m.origin),
            Self::SubmitVerdict(m) => Some(&m.origin),
            Self::Accuse(m) => Some(&m.origin),
            Self::CommitJudgment(m) => Some(&m.origin),
            Self::RevealJudgment(m) => Some(&m.origin),
            Self::UpdateParams(_) => None,
        }
    }
}

/// Longest encoding in bytes of a message of this module, by its name; longer ones are refused before they are decoded.
/// `None` for other names.
pub fn max_bytes(name: &str) -> Option<usize> {
    Some(match name.strip_prefix("geodesic.pow.v1.")? {
        "MsgRegisterParticipant" | "MsgUpdateParticipant" => 2 << 10,
        "MsgCommitPoc" | "MsgAccuse" => 8 << 10,
        "MsgDemand" | "MsgUpdateParams" => 4 << 10,
        "MsgOpenPoc" | "MsgRevealJudgment" => 256 << 10,
        "MsgSubmitVerdict" => 1 << 20,
        "MsgCommitJudgment" => 1 << 10,
        _ => return None,
    })
}

fn checked<P: Message + Default, D: TryFrom<P, Error = Error>>(any: &Any) -> Result<D, TxError> {
    Ok(D::try_from(decode_msg::<P>(any)?)?)
}

impl Pow<'_> {
    /// Whether a message goes into a block before others: it comes from a registered participant or its agent and succeeds
    /// on the current state. Leaves state, gas and events as they are.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails or the state is damaged.
    pub fn is_priority(&self, ctx: &mut Ctx, msg: &Msg) -> Result<bool, StateError> {
        let Some(origin) = msg.origin() else { return Ok(false) };
        let Ok(operator) = participants::operator(ctx, &origin.participant) else { return Ok(false) };
        let mut passed = false;
        let result: Result<(), TxError> = ctx.without_gas(|ctx| {
            if !keys::PARTICIPANT.has(ctx, &operator)? {
                return Ok(());
            }
            ctx.atomic(|ctx| {
                self.handle(ctx, msg)?;
                passed = true;
                Err(Sdk::Logic.with("dry run")) // drops the writes
            })
        });
        match result {
            Err(e) if e.fatal => Err(StateError::Invariant(e.log)),
            _ => Ok(passed),
        }
    }
}

fn update_params(ctx: &mut Ctx, m: &pb::MsgUpdateParams) -> Result<pb::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &m.authority)?;
    let params = m.params.as_ref().ok_or_else(|| Error::InvalidParams("params are missing".to_owned()))?;
    let params = Params::try_from(params)?;
    // A look at the profile, which never changes, is not charged.
    genesis::check_profile(&ctx.without_gas(|ctx| network::network(ctx))?, &params)?;
    keys::PARAMS.set(ctx, &params.into())?;
    Ok(pb::MsgUpdateParamsResponse {})
}

impl Module for Pow<'_> {
    type Msg = Msg;
    const NAME: &'static str = NAME;
    const MESSAGES: &'static [&'static str] = &[
        "geodesic.pow.v1.MsgRegisterParticipant",
        "geodesic.pow.v1.MsgUpdateParticipant",
        "geodesic.pow.v1.MsgCommitPoc",
        "geodesic.pow.v1.MsgDemand",
        "geodesic.pow.v1.MsgOpenPoc",
        "geodesic.pow.v1.MsgSubmitVerdict",
        "geodesic.pow.v1.MsgAccuse",
        "geodesic.pow.v1.MsgCommitJudgment",
        "geodesic.pow.v1.MsgRevealJudgment",
        "geodesic.pow.v1.MsgUpdateParams",
    ];
    const SERVICES: &'static [&'static str] = &["geodesic.pow.v1.Query"];

    fn decode(&self, any: &Any) -> Result<Msg, TxError> {
        let name = any.type_url.trim_start_matches('/');
        let max = max_bytes(name).ok_or_else(|| Sdk::UnknownRequest.with(&any.type_url))?;
        if any.value.len() > max {
            let text = format!("{name} has {} bytes, allowed are {max}", any.value.len());
            return Err(Error::InvalidMessage(text).into());
        }
        Ok(match name.rsplit('.').next().unwrap_or_default() {
            "MsgRegisterParticipant" => {
                Msg::RegisterParticipant(checked::<pb::MsgRegisterParticipant, _>(any)?)
            }
            "MsgUpdateParticipant" => Msg::UpdateParticipant(checked::<pb::MsgUpdateParticipant, _>(any)?),
            "MsgCommitPoc" => Msg::CommitPoc(checked::<pb::MsgCommitPoc, _>(any)?),
            "MsgDemand" => Msg::Demand(checked::<pb::MsgDemand, _>(any)?),
            "MsgOpenPoc" => Msg::OpenPoc(checked::<pb::MsgOpenPoc, _>(any)?),
            "MsgSubmitVerdict" => Msg::SubmitVerdict(checked::<pb::MsgSubmitVerdict, _>(any)?),
            "MsgAccuse" => Msg::Accuse(checked::<pb::MsgAccuse, _>(any)?),
            "MsgCommitJudgment" => Msg::CommitJudgment(checked::<pb::MsgCommitJudgment, _>(any)?),
            "MsgRevealJudgment" => Msg::RevealJudgment(checked::<pb::MsgRevealJudgment, _>(any)?),
            _ => Msg::UpdateParams(decode_msg(any)?),
        })
    }

    fn validate_basic(&self, _: &Msg) -> Result<(), TxError> {
        Ok(()) // done in decoding
    }

    fn signers(&self, msg: &Msg, prefix: &str) -> Result<Vec<Address>, AddressError> {
        let signer = match msg {
            Msg::UpdateParams(m) => &m.authority,
            _ => msg.origin().map(|o| &o.sender).ok_or(AddressError::Empty)?,
        };
        Ok(vec![Address::from_bech32(prefix, signer)?])
    }

    fn handle(&self, ctx: &mut Ctx, msg: &Msg) -> Result<Any, TxError> {
        Ok(match msg {
            Msg::RegisterParticipant(m) => any::pack(&participants::register(ctx, self.ports, m)?),
            Msg::UpdateParticipant(m) => any::pack(&participants::update(ctx, self.ports, m)?),
            Msg::CommitPoc(m) => any::pack(&commit::commit_poc(ctx, self.ports, m)?),
            Msg::Demand(m) => any::pack(&audit::demand(ctx, self.ports, m)?),
            Msg::OpenPoc(m) => any::pack(&audit::open_poc(ctx, self.ports, m)?),
            Msg::SubmitVerdict(m) => any::pack(&audit::submit_verdict(ctx, self.ports, m)?),
            Msg::Accuse(m) => any::pack(&judge::accuse(ctx, self.ports, m)?),
            Msg::CommitJudgment(m) => any::pack(&judge::commit_judgment(ctx, self.ports, m)?),
            Msg::RevealJudgment(m) => any::pack(&judge::reveal_judgment(ctx, self.ports, m)?),
            Msg::UpdateParams(m) => any::pack(&update_params(ctx, m)?),
        })
    }

    fn begin_block(&self, _: &mut Ctx) -> Result<(), StateError> {
        Ok(())
    }

    fn end_block(&self, ctx: &mut Ctx) -> Result<(), StateError> {
        blocks::end_block(ctx, self.ports)
    }

    fn query(&self, ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
        query::route(ctx, path, request)
    }

    fn init_genesis(&self, ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
        genesis::init(ctx, self.ports, state)
    }

    fn export_genesis(&self, ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
        genesis::export(ctx)
    }

    fn default_genesis(&self) -> Box<RawValue> {
        genesis::default()
    }
}
