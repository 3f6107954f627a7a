//! Errors with the codespace and code that clients see.

use crate::store::StorageError;

/// Failure of the state itself, below any module's rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The transaction used more gas than it may.
    #[error("out of gas in location: {what}; gasWanted: {limit}, gasUsed: {used}")]
    OutOfGas {
        /// What was being paid for.
        what: &'static str,
        /// The limit of the transaction.
        limit: u64,
        /// Gas used, this charge included.
        used: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A stored entry does not decode: the state is damaged.
    #[error("entry {key} of store {store} does not decode")]
    Corrupt {
        /// Name of the store.
        store: &'static str,
        /// The key in hex.
        key: String,
    },
    /// A rule that the state itself must keep is broken.
    #[error("broken invariant: {0}")]
    Invariant(String),
}

impl StateError {
    /// Whether the process must end: anything but running out of gas.
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::OutOfGas { .. })
    }
}

/// An error enum whose variants have frozen codes: append, never reuse.
pub trait AbciError: std::error::Error {
    /// Codespace of the module, such as `bank`.
    const CODESPACE: &'static str;

    /// Code within the codespace; 1 is internal and never the sender's fault.
    fn code(&self) -> u32;

    /// The state error inside, if that is what it is.
    fn state(&self) -> Option<&StateError>;

    /// Another module's error inside, if that is what it is; its code and codespace are shown.
    fn inner(&self) -> Option<&TxError> {
        None
    }
}

/// What a client is told of a failed transaction or query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{log}")]
pub struct TxError {
    /// Codespace, `sdk` for the common ones.
    pub codespace: &'static str,
    /// Code within it, never 0.
    pub code: u32,
    /// Text for people; not part of consensus.
    pub log: String,
    /// The state failed: the process must end.
    pub fatal: bool,
}

impl TxError {
    /// An error of a codespace.
    pub fn new(codespace: &'static str, code: u32, log: impl Into<String>) -> Self {
        Self { codespace, code, log: log.into(), fatal: false }
    }

    /// The same error with words in front of its text.
    #[must_use]
    pub fn context(mut self, what: &str) -> Self {
        self.log = format!("{what}: {}", self.log);
        self
    }
}

impl From<StateError> for TxError {
    fn from(e: StateError) -> Self {
        match e {
            StateError::OutOfGas { .. } => Sdk::OutOfGas.with(e),
            _ => Self { fatal: true, ..Self::new("undefined", 1, e.to_string()) },
        }
    }
}

impl<E: AbciError> From<E> for TxError {
    fn from(e: E) -> Self {
        if let Some(state) = e.state() {
            return state.clone().into();
        }
        match e.inner() {
            Some(inner) => inner.clone(),
            None => Self::new(E::CODESPACE, e.code(), e.to_string()),
        }
    }
}

/// Errors of the codespace `sdk` (`types/errors/errors.go` of the Cosmos SDK).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the SDK's
pub enum Sdk {
    TxDecode = 2,
    InvalidSequence = 3,
    Unauthorized = 4,
    InsufficientFunds = 5,
    UnknownRequest = 6,
    InvalidAddress = 7,
    InvalidPubKey = 8,
    UnknownAddress = 9,
    InvalidCoins = 10,
    OutOfGas = 11,
    MemoTooLarge = 12,
    InsufficientFee = 13,
    TooManySignatures = 14,
    NoSignatures = 15,
    JsonMarshal = 16,
    JsonUnmarshal = 17,
    InvalidRequest = 18,
    TxInMempoolCache = 19,
    MempoolIsFull = 20,
    TxTooLarge = 21,
    KeyNotFound = 22,
    WrongPassword = 23,
    InvalidSigner = 24,
    InvalidGasAdjustment = 25,
    InvalidHeight = 26,
    InvalidVersion = 27,
    InvalidChainId = 28,
    InvalidType = 29,
    TxTimeoutHeight = 30,
    UnknownExtensionOptions = 31,
    WrongSequence = 32,
    PackAny = 33,
    UnpackAny = 34,
    Logic = 35,
    Conflict = 36,
    NotSupported = 37,
    NotFound = 38,
    Io = 39,
    AppConfig = 40,
    InvalidGasLimit = 41,
    TxTimeout = 42,
}

impl Sdk {
    /// The error's registered text, as the SDK prints it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TxDecode => "tx parse error",
            Self::InvalidSequence => "invalid sequence",
            Self::Unauthorized => "unauthorized",
            Self::InsufficientFunds => "insufficient funds",
            Self::UnknownRequest => "unknown request",
            Self::InvalidAddress => "invalid address",
            Self::InvalidPubKey => "invalid pubkey",
            Self::UnknownAddress => "unknown address",
            Self::InvalidCoins => "invalid coins",
            Self::OutOfGas => "out of gas",
            Self::MemoTooLarge => "memo too large",
            Self::InsufficientFee => "insufficient fee",
            Self::TooManySignatures => "maximum number of signatures exceeded",
            Self::NoSignatures => "no signatures supplied",
            Self::JsonMarshal => "failed to marshal JSON bytes",
            Self::JsonUnmarshal => "failed to unmarshal JSON bytes",
            Self::InvalidRequest => "invalid request",
            Self::TxInMempoolCache => "tx already in mempool",
            Self::MempoolIsFull => "mempool is full",
            Self::TxTooLarge => "tx too large",
            Self::KeyNotFound => "key not found",
            Self::WrongPassword => "invalid account password",
            Self::InvalidSigner => "tx intended signer does not match the given signer",
            Self::InvalidGasAdjustment => "invalid gas adjustment",
            Self::InvalidHeight => "invalid height",
            Self::InvalidVersion => "invalid version",
            Self::InvalidChainId => "invalid chain-id",
            Self::InvalidType => "invalid type",
            Self::TxTimeoutHeight => "tx timeout height",
            Self::UnknownExtensionOptions => "unknown extension options",
            Self::WrongSequence => "incorrect account sequence",
            Self::PackAny => "failed packing protobuf message to Any",
            Self::UnpackAny => "failed unpacking protobuf message from Any",
            Self::Logic => "internal logic error",
            Self::Conflict => "conflict",
            Self::NotSupported => "feature not supported",
            Self::NotFound => "not found",
            Self::Io => "Internal IO error",
            Self::AppConfig => "error in app.toml",
            Self::InvalidGasLimit => "invalid gas limit",
            Self::TxTimeout => "tx timeout",
        }
    }

    /// This error with `what` in front, as `errorsmod.Wrap` prints it.
    pub fn with(self, what: impl std::fmt::Display) -> TxError {
        #[allow(clippy::as_conversions)] // the discriminant is the code
        TxError::new("sdk", self as u32, format!("{what}: {}", self.text()))
    }
}

/// Why a query has no answer; each transport turns it into its own status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The request is malformed.
    #[error("{0}")]
    InvalidArgument(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// There is such a thing in the interface, but not here.
    #[error("{0}")]
    Unimplemented(String),
    /// What was asked to be tried failed: a simulated transaction.
    #[error("{0}")]
    Unknown(String),
    /// What the answer needs is not there, such as a running CometBFT.
    #[error("{0}")]
    Unavailable(String),
    /// The state failed, or a limit was passed.
    #[error("{0}")]
    Internal(String),
}

impl From<StateError> for QueryError {
    fn from(e: StateError) -> Self {
        Self::Internal(e.to_string())
    }
}
