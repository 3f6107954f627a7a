//! What can go wrong.

use std::path::PathBuf;

/// Why a command or an action failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A setting or argument.
    #[error("{0}")]
    Config(String),
    /// A node refused, or gave an answer that makes no sense.
    #[error("chain: {0}")]
    Chain(String),
    /// A query for something that the chain does not have.
    #[error("not on chain: {0}")]
    NotFound(String),
    /// A transaction was refused.
    #[error("transaction refused: codespace {codespace} code {code}: {log}")]
    Tx {
        /// Codespace of the error.
        codespace: String,
        /// Code within it.
        code: u32,
        /// The node's words.
        log: String,
    },
    /// A compute node.
    #[error("mlnode {url}: {text}")]
    Mlnode {
        /// Which.
        url: String,
        /// Why.
        text: String,
    },
    /// Another participant's agent.
    #[error("agent of {peer}: {text}")]
    Peer {
        /// Address of the participant.
        peer: String,
        /// Why.
        text: String,
    },
    /// Certificates and keys of TLS.
    #[error("tls: {0}")]
    Tls(String),
    /// Leaves on disk do not fit what is asked of them.
    #[error("leaves: {0}")]
    Leaves(String),
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
