//! Errors, with the SDK's codes (`x/staking/types/errors.go`).

use geodesic_core::{AbciError, Overflow, StateError, TxError};

/// Why a message of staking fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum Error {
    #[error(transparent)]
    State(#[from] StateError),
    /// Another module's error, or one of codespace `sdk`.
    #[error(transparent)]
    Other(TxError),
    #[error("validator does not exist")]
    NoValidator,
    #[error("validator already exist for this operator address; must use new validator operator address")]
    OwnerExists,
    #[error("validator already exist for this pubkey; must use new validator pubkey")]
    PubKeyExists,
    #[error("got: {got}, expected: [{expected}]: validator pubkey type is not supported")]
    PubKeyType { got: String, expected: String },
    #[error("validator for this address is currently jailed")]
    ValidatorJailed,
    #[error("{0}: failed to remove validator")]
    BadRemoveValidator(&'static str),
    #[error("commission must be positive")]
    CommissionNegative,
    #[error("commission cannot be more than 100%")]
    CommissionHuge,
    #[error("commission cannot be more than the max rate")]
    CommissionAboveMaxRate,
    #[error("commission cannot be changed more than once in 24h")]
    CommissionUpdateTime,
    #[error("commission change rate must be positive")]
    CommissionChangeRateNegative,
    #[error("commission change rate cannot be more than the max rate")]
    CommissionChangeRateAboveMaxRate,
    #[error("commission cannot be changed more than max change rate")]
    CommissionAboveMaxChangeRate,
    #[error("validator's self delegation must be greater than their minimum self delegation")]
    SelfDelegationBelowMinimum,
    #[error("minimum self delegation cannot be decrease")]
    MinSelfDelegationDecreased,
    #[error("no delegation for (address, validator) tuple")]
    NoDelegation,
    #[error("delegator does not contain delegation")]
    NoDelegatorForAddress,
    #[error("insufficient delegation shares")]
    InsufficientShares,
    #[error("{0}: not enough delegation shares")]
    NotEnoughDelegationShares(String),
    #[error("no unbonding delegation found")]
    NoUnbondingDelegation,
    #[error("too many unbonding delegation entries for (delegator, validator) tuple")]
    MaxUnbondingDelegationEntries,
    #[error("no redelegation found")]
    NoRedelegation,
    #[error("cannot redelegate to the same validator")]
    SelfRedelegation,
    #[error("too few tokens to redelegate (truncates to zero tokens)")]
    TinyRedelegation,
    #[error("redelegation destination validator not found")]
    BadRedelegationDst,
    #[error(
        "redelegation to this validator already in progress; first redelegation to this validator must complete before next redelegation"
    )]
    TransitiveRedelegation,
    #[error("too many redelegation entries for (delegator, src-validator, dst-validator) tuple")]
    MaxRedelegationEntries,
    #[error("cannot delegate to validators with invalid (zero) ex-rate")]
    InvalidExchangeRate,
    #[error("empty validator public key")]
    EmptyPubKey,
    #[error(
        "cannot set validator commission to less than minimum rate of {0}: commission cannot be less than min rate"
    )]
    CommissionBelowMinRate(String),
    #[error("redelegation source validator not found")]
    BadRedelegationSrc,
}

impl AbciError for Error {
    const CODESPACE: &'static str = "staking";

    fn code(&self) -> u32 {
        match self {
            Self::State(_) | Self::Other(_) => 1,
            Self::NoValidator => 3,
            Self::OwnerExists => 4,
            Self::PubKeyExists => 5,
            Self::PubKeyType { .. } => 6,
            Self::ValidatorJailed => 7,
            Self::BadRemoveValidator(_) => 8,
            Self::CommissionNegative => 9,
            Self::CommissionHuge => 10,
            Self::CommissionAboveMaxRate => 11,
            Self::CommissionUpdateTime => 12,
            Self::CommissionChangeRateNegative => 13,
            Self::CommissionChangeRateAboveMaxRate => 14,
            Self::CommissionAboveMaxChangeRate => 15,
            Self::SelfDelegationBelowMinimum => 16,
            Self::MinSelfDelegationDecreased => 17,
            Self::NoDelegation => 19,
            Self::NoDelegatorForAddress => 21,
            Self::InsufficientShares => 22,
            Self::NotEnoughDelegationShares(_) => 24,
            Self::NoUnbondingDelegation => 26,
            Self::MaxUnbondingDelegationEntries => 27,
            Self::NoRedelegation => 28,
            Self::SelfRedelegation => 29,
            Self::TinyRedelegation => 30,
            Self::BadRedelegationDst => 31,
            Self::TransitiveRedelegation => 32,
            Self::MaxRedelegationEntries => 33,
            Self::InvalidExchangeRate => 34,
            Self::EmptyPubKey => 39,
            Self::CommissionBelowMinRate(_) => 40,
            Self::BadRedelegationSrc => 44,
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

impl From<TxError> for Error {
    fn from(e: TxError) -> Self {
        Self::Other(e)
    }
}

impl From<Overflow> for Error {
    fn from(e: Overflow) -> Self {
        Self::Other(e.into())
    }
}

impl Error {
    /// An error that the SDK never registered: code 1 of codespace `undefined`.
    pub(crate) fn unregistered(text: impl std::fmt::Display) -> Self {
        Self::Other(TxError::new("undefined", 1, text.to_string()))
    }

    /// Whether the process must end.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::State(e) => e.is_fatal(),
            Self::Other(e) => e.fatal,
            _ => false,
        }
    }

    /// What it is in block work, where no user is at fault.
    pub(crate) fn into_state(self, what: &str) -> StateError {
        match self {
            Self::State(e) => e,
            e => StateError::Invariant(format!("{what}: {e}")),
        }
    }
}

/// A reference that the state itself keeps is broken.
pub(crate) fn broken(what: impl Into<String>) -> Error {
    Error::State(StateError::Invariant(what.into()))
}
