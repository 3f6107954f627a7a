//! What can go wrong in the store.

use geodesic_core::store::StorageError;

/// Why the store refused, or could not do, what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The disk failed, or what it returned is damaged: fatal.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A height whose state is not kept.
    #[error("height {height} is not available, heights {oldest} to {latest} are")]
    Unavailable {
        /// Asked for.
        height: u64,
        /// First height that can be read.
        oldest: u64,
        /// Last height that can be read.
        latest: u64,
    },
    /// A height whose trees are no longer in memory.
    #[error("no proof at height {height}, proofs are kept for heights {oldest} to {latest}")]
    NoProof {
        /// Asked for.
        height: u64,
        /// First height with proofs.
        oldest: u64,
        /// Last height with proofs.
        latest: u64,
    },
    /// An empty tree proves nothing, neither presence nor absence.
    #[error("store {0} is empty at this height, nothing can be proven")]
    EmptyStore(&'static str),
    /// A store that was not named at open, or has no tree where one is needed.
    #[error("unknown store {0}")]
    UnknownStore(String),
    /// A store of the database that was not named at open.
    #[error("the database has a store {0} that this program does not know")]
    MissingStore(String),
    /// Stores named twice, or with a name that cannot be stored.
    #[error("bad store name {0:?}")]
    StoreName(String),
    /// A key that is empty or too long.
    #[error("key of {len} bytes in store {store}, want 1 to {max}")]
    KeyLength {
        /// Where.
        store: &'static str,
        /// Length found.
        len: usize,
        /// Longest allowed.
        max: usize,
    },
    /// Heights follow each other.
    #[error("height {got} does not follow, want {want}")]
    Height {
        /// Height that comes next.
        want: u64,
        /// Height given.
        got: u64,
    },
    /// `commit` without `stage`.
    #[error("nothing is staged")]
    NothingStaged,
    /// A commit failed before; what is on disk is not known, only opening again shows it.
    #[error("a commit failed, the database must be opened again")]
    Failed,
    /// A database of another program version.
    #[error("store format {found}, this program reads {supported}")]
    Format {
        /// On disk.
        found: u64,
        /// Of this program.
        supported: u64,
    },
    /// A snapshot for state sync that is not what it should be.
    #[error("the snapshot is bad: {0}")]
    Snapshot(String),
    /// A state can be restored where there is none.
    #[error("the store is at height {height}, a snapshot is restored into an empty one")]
    NotEmpty {
        /// Last committed height.
        height: u64,
    },
    /// A snapshot is being restored, until then there is no state.
    #[error("a snapshot is being restored")]
    Restoring,
    /// Options that contradict each other.
    #[error("bad option {0}")]
    Options(String),
    /// The trees rebuilt from disk do not give the app hash that was committed.
    #[error(
        "the state at height {height} hashes to {got}, the committed app hash is {want}: the database is damaged"
    )]
    AppHash {
        /// Height of the trees.
        height: u64,
        /// Hash on record, hex.
        want: String,
        /// Hash computed, hex.
        got: String,
    },
}

impl Error {
    pub(crate) fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Storage(StorageError(format!("damaged: {what}")))
    }
}

impl From<Error> for StorageError {
    fn from(error: Error) -> Self {
        match error {
            Error::Storage(error) => error,
            other => Self(other.to_string()),
        }
    }
}

/// Result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;
