//! Errors of the codespace `rewards`.

use geodesic_core::{AbciError, StateError, TxError};

/// Why the module refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// An error with a codespace of its own.
    #[error(transparent)]
    Other(#[from] TxError),
    /// A parameter is out of its bounds.
    #[error("invalid params: {0}")]
    InvalidParams(String),
    /// Malformed list of epochs.
    #[error("invalid epochs: {0}")]
    InvalidEpochs(String),
    /// Only the participant and its agent may claim.
    #[error("{0} is neither the participant nor its agent")]
    NotAllowed(String),
    /// The participant earned nothing in the epoch.
    #[error("no reward of epoch {0}")]
    NoReward(u64),
    /// The epoch's claim height has not come.
    #[error("epoch {0} may be claimed from height {1} on")]
    EpochOpen(u64, u64),
    /// It was paid before.
    #[error("epoch {0} was claimed at height {1}")]
    AlreadyClaimed(u64, u64),
}

impl AbciError for Error {
    const CODESPACE: &'static str = "rewards";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::InvalidParams(_) => 2,
            Self::InvalidEpochs(_) => 3,
            Self::NotAllowed(_) => 4,
            Self::NoReward(_) => 5,
            Self::EpochOpen(..) => 6,
            Self::AlreadyClaimed(..) => 7,
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
