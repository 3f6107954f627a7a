//! Errors of the codespace `epochs`.

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
}

impl AbciError for Error {
    const CODESPACE: &'static str = "epochs";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::InvalidParams(_) => 2,
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
