//! Errors of the codespace `bank` (`x/bank/types/errors.go`).

use geodesic_core::coin::CoinError;
use geodesic_core::int::Overflow;
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
    /// A transfer of several has no sender.
    #[error("no inputs to send transaction")]
    NoInputs,
    /// A transfer to several has no receiver.
    #[error("no outputs to send transaction")]
    NoOutputs,
    /// What is sent is not what is received.
    #[error("sum inputs != sum outputs")]
    InputOutputMismatch,
    /// The denomination may not be sent.
    #[error("{0} transfers are currently disabled: send transactions are disabled")]
    SendDisabled(String),
    /// A transfer to several has more than one sender.
    #[error("multiple senders not allowed")]
    MultipleSenders,
}

impl From<CoinError> for Error {
    fn from(e: CoinError) -> Self {
        Self::Other(e.into())
    }
}

impl From<Overflow> for Error {
    fn from(e: Overflow) -> Self {
        Self::Other(e.into())
    }
}

impl AbciError for Error {
    const CODESPACE: &'static str = "bank";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::NoInputs => 2,
            Self::NoOutputs => 3,
            Self::InputOutputMismatch => 4,
            Self::SendDisabled(_) => 5,
            Self::MultipleSenders => 9,
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
