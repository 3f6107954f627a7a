//! Errors of the codespace `pow`.

use geodesic_core::{AbciError, StateError, TxError};

/// Why the module refuses. Addresses are shown as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the text says it
pub enum Error {
    #[error(transparent)]
    State(#[from] StateError),
    /// An error with a codespace of its own.
    #[error(transparent)]
    Other(#[from] TxError),
    #[error("invalid params: {0}")]
    InvalidParams(String),
    /// A message breaks a rule that no state is needed for.
    #[error("invalid message: {0}")]
    InvalidMessage(String),
    #[error("{0} is not registered")]
    NotRegistered(String),
    #[error("{0} is registered already")]
    AlreadyRegistered(String),
    #[error("{0} operates no validator")]
    NotOperator(String),
    #[error("{0} has no VRF key")]
    NoVrfKey(String),
    #[error("{sender} may not send this for {participant}")]
    Unauthorized { sender: String, participant: String },
    #[error("no epoch has begun")]
    NoEpoch,
    #[error("message is for epoch {got}, the running epoch is {running}")]
    WrongEpoch { got: u64, running: u64 },
    #[error("{what} is possible from height {from} to below {until}, this is {height}")]
    WrongHeight { what: &'static str, from: u64, until: u64, height: u64 },
    #[error("{participant} does not take part: {reason}")]
    NotActive { participant: String, reason: String },
    #[error("node {0} is not registered for this epoch")]
    UnknownNode(u32),
    #[error("node {node_id} committed {old_count} leaves and {old_hits} hits before, now {count} and {hits}")]
    NotMore { node_id: u32, old_count: u64, old_hits: u64, count: u64, hits: u64 },
    #[error(
        "node {node_id} has {count} leaves, a commitment needs {need}: compute more, or leave the node out"
    )]
    FewLeaves { node_id: u32, count: u64, need: u64 },
    #[error("already sent: {0}")]
    Duplicate(&'static str),
    #[error("{0} had no power at the draw")]
    NoPower(String),
    #[error("VRF output or proof is not that of {0} for this epoch")]
    Vrf(String),
    #[error("{auditor} does not audit {prover}")]
    NotMember { auditor: String, prover: String },
    #[error("no sample {0} of this auditor and prover")]
    NoSample(u32),
    #[error("{auditor} demanded nothing more of {prover} at position {position}")]
    NoDemand { auditor: String, prover: String, position: u32 },
    #[error("leaf does not fit the commitment: {0}")]
    Path(String),
    #[error("duties: {0}")]
    WrongDuties(String),
    #[error("{0} accuses itself")]
    SelfAccusation(String),
    #[error("the index that the verdict gives is right")]
    IndexIsRight,
    #[error("epoch has {0} cases, no more are taken")]
    TooManyCases(u32),
    #[error("no case {0}")]
    UnknownCase(u32),
    #[error("values and salt do not hash to what was committed")]
    WrongReveal,
    #[error("the deposit is in place")]
    DepositInPlace,
    #[error("no commitment of {0} in this epoch")]
    NoCommitment(String),
    #[error("profile pow2-f16 has no accusations: honest devices differ, so no value of one nonce is fraud")]
    NoAccusations,
}

impl AbciError for Error {
    const CODESPACE: &'static str = "pow";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::InvalidParams(_) => 2,
            Self::InvalidMessage(_) => 3,
            Self::NotRegistered(_) => 4,
            Self::AlreadyRegistered(_) => 5,
            Self::NotOperator(_) => 6,
            Self::NoVrfKey(_) => 7,
            Self::Unauthorized { .. } => 8,
            Self::NoEpoch => 9,
            Self::WrongEpoch { .. } => 10,
            Self::WrongHeight { .. } => 11,
            Self::NotActive { .. } => 12,
            Self::UnknownNode(_) => 13,
            Self::NotMore { .. } => 14,
            Self::Duplicate(_) => 15,
            Self::NoPower(_) => 16,
            Self::Vrf(_) => 17,
            Self::NotMember { .. } => 18,
            Self::NoSample(_) => 19,
            Self::NoDemand { .. } => 20,
            Self::Path(_) => 21,
            Self::WrongDuties(_) => 22,
            Self::SelfAccusation(_) => 23,
            Self::IndexIsRight => 24,
            Self::TooManyCases(_) => 25,
            Self::UnknownCase(_) => 26,
            Self::WrongReveal => 27,
            Self::DepositInPlace => 28,
            Self::NoCommitment(_) => 29,
            Self::NoAccusations => 30,
            Self::FewLeaves { .. } => 31,
        }
    }

    fn state(&self) -> Option<&StateError> {
        match self {
            Self::State(e) => Some(e),
            _ => None,
        }
    }

    fn inner(&self) -> Option<&TxError> {
        match self {
            Self::Other(e) => Some(e),
            _ => None,
        }
    }
}

impl From<geodesic_core::address::AddressError> for Error {
    fn from(e: geodesic_core::address::AddressError) -> Self {
        Self::Other(e.into())
    }
}
