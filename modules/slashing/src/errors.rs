//! Errors, with the SDK's codes (`x/slashing/types/errors.go`).

use geodesic_core::{AbciError, Int, StateError, TxError};

/// Why a message of slashing fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// Another module's error, or one of codespace `sdk`.
    #[error(transparent)]
    Other(#[from] TxError),
    /// Its time in jail is not over, or never will be.
    #[error("validator still jailed; cannot be unjailed")]
    ValidatorJailed,
    /// It is not in jail.
    #[error("validator not jailed; cannot be unjailed")]
    ValidatorNotJailed,
    /// Its operator's own coins are fewer than it promised.
    #[error("{tokens} less than {min}: validator's self delegation less than minimum; cannot be unjailed")]
    SelfDelegationTooLow {
        /// What the operator's delegation is worth.
        tokens: Int,
        /// The validator's `min_self_delegation`.
        min: Int,
    },
}

impl AbciError for Error {
    const CODESPACE: &'static str = "slashing";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::ValidatorJailed => 4,
            Self::ValidatorNotJailed => 5,
            Self::SelfDelegationTooLow { .. } => 7,
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
