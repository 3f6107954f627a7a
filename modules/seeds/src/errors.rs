//! Errors of the codespace `seeds`.

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
    /// The key is no point of the suite, or not 32 bytes.
    #[error("invalid VRF key: {0}")]
    InvalidKey(String),
    /// The proof does not show that the sender holds the key.
    #[error("proof of possession does not verify")]
    InvalidProof,
    /// Somebody else has the key.
    #[error("VRF key belongs to another operator")]
    KeyTaken,
    /// Only an operator of a validator has a VRF key.
    #[error("{0} operates no validator")]
    NotValidator(String),
    /// A proposal's beacon breaks a rule.
    #[error("invalid beacon: {0}")]
    InvalidBeacon(String),
    /// One change a height.
    #[error("VRF key was already changed at height {0}")]
    ChangedAlready(u64),
}

impl AbciError for Error {
    const CODESPACE: &'static str = "seeds";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::InvalidParams(_) => 2,
            Self::InvalidKey(_) => 3,
            Self::InvalidProof => 4,
            Self::KeyTaken => 5,
            Self::NotValidator(_) => 6,
            Self::InvalidBeacon(_) => 7,
            Self::ChangedAlready(_) => 8,
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
