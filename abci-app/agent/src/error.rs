//! What can go wrong.

use std::fs::File;
use std::path::{Path, PathBuf};

use geodesic_client::{address, coins, files, keyring, rpc, sender, verify, vrf};

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
    /// A private file or folder.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// A setting or argument.
    #[error("{0}")]
    Config(String),
    /// The chain says something that makes no sense, or not what is needed.
    #[error("chain: {0}")]
    Chain(String),
    /// The node.
    #[error(transparent)]
    Rpc(#[from] rpc::Error),
    /// A transaction was refused, failed or got lost.
    #[error(transparent)]
    Tx(#[from] sender::Error),
    /// Keys.
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
    /// The VRF key.
    #[error(transparent)]
    Vrf(#[from] vrf::Error),
    /// An address.
    #[error(transparent)]
    Address(#[from] address::Error),
    /// A coin or price.
    #[error(transparent)]
    Coins(#[from] coins::Error),
    /// The chain's shape.
    #[error(transparent)]
    Shape(#[from] verify::Error),
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

/// What a file holds, or `None` if there is none.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(path)(e)),
    }
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(Error::io(path))
}
