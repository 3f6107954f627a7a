//! Errors, with the SDK's codes (`x/evidence/types/errors.go`).

use geodesic_core::{AbciError, StateError, TxError};

/// Why a message of evidence fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// An error with a codespace of its own.
    #[error(transparent)]
    Other(#[from] TxError),
    /// Evidence of this kind is not taken from users.
    #[error("{0}: unregistered handler for evidence type")]
    NoHandler(&'static str),
    /// Evidence that says nothing.
    #[error("{0}: invalid evidence")]
    Invalid(String),
    /// Evidence with this hash was acted upon.
    #[error("{0}: evidence already exists")]
    Exists(String),
}

impl AbciError for Error {
    const CODESPACE: &'static str = "evidence";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::NoHandler(_) => 2,
            Self::Invalid(_) => 3,
            Self::Exists(_) => 5,
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
