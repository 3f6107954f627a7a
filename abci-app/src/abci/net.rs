//! Addresses, listeners and streams: one shape over unix and TCP sockets.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Longest path of a unix socket in bytes: `sun_path` less its closing zero.
const MAX_SOCKET_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Where an ABCI server listens, written as in CometBFT's `proxy_app`: `unix://PATH` or `tcp://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A unix socket; `unix:///run/app.sock` is absolute, `unix://app.sock` relative.
    Unix(PathBuf),
    /// `HOST:PORT`; port 0 lets the system choose.
    Tcp(String),
}

impl FromStr for Address {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        match text.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("tcp", host)) if host.contains(':') => Ok(Self::Tcp(host.into())),
            _ => Err(BindError::Address(text.into())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Neither of the two forms.
    #[error("abci address {0:?}: want unix://PATH or tcp://HOST:PORT")]
    Address(String),
    /// A path that does not fit the system's socket address.
    #[error("socket path {path:?} has {len} bytes, the system takes at most {MAX_SOCKET_PATH_BYTES}")]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// Another process serves this socket.
    #[error("another process listens on {0:?}")]
    InUse(PathBuf),
    /// A file of another kind stands in the socket's place; it is not touched.
    #[error("{0:?} exists and is no socket")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("{address}: {source}")]
    Io {
        /// The address.
        address: Address,
        /// The system's error.
        source: io::Error,
    },
}

/// A bound socket. A unix socket's file goes away with it.
pub(super) enum Listener {
    Unix(UnixListener, SocketFile),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) fn bind(address: &Address) -> Result<Self, BindError> {
        let io_error = |source| BindError::Io { address: address.clone(), source };
        match address {
            Address::Unix(path) => {
                make_room(path, address)?;
                let listener = UnixListener::bind(path).map_err(io_error)?;
                let file = SocketFile::private(path).map_err(io_error)?;
                listener.set_nonblocking(true).map_err(io_error)?;
                Ok(Self::Unix(listener, file))
            }
            Address::Tcp(host) => {
                let listener = TcpListener::bind(host).map_err(io_error)?;
                listener.set_nonblocking(true).map_err(io_error)?;
                if !listener.local_addr().map_err(io_error)?.ip().is_loopback() {
                    tracing::warn!(%address, "ABCI has no authentication: keep this port from other machines");
                }
                Ok(Self::Tcp(listener))
            }
        }
    }

    pub(super) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
            Self::Tcp(listener) => Ok(Address::Tcp(listener.local_addr()?.to_string())),
        }
    }

    /// A peer that waits, `None` if there is none now.
    pub(super) fn accept(&self) -> io::Result<Option<Stream>> {
        let accepted = match self {
            Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
        };
        match accepted {
            Ok(stream) => stream.ready().map(Some),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Creates the parent and removes a socket that nobody serves.
fn make_room(path: &Path, address: &Address) -> Result<(), BindError> {
    let io_error = |source| BindError::Io { address: address.clone(), source };
    let len = path.as_os_str().len();
    if len > MAX_SOCKET_PATH_BYTES {
        return Err(BindError::PathTooLong { path: path.into(), len });
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(io_error)?;
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(error)),
        Ok(meta) if !meta.file_type().is_socket() => Err(BindError::NotASocket(path.into())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(io_error)
            }
            _ => Err(BindError::InUse(path.into())),
        },
    }
}

/// The file of a unix socket that this process made, known again by its inode.
pub(super) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    fn private(path: &Path) -> io::Result<Self> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { path: path.into(), id: file_id(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another server may have taken the place meanwhile; its file stays.
        if file_id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// A connected socket that blocks; TCP with `TCP_NODELAY`.
#[derive(Debug)]
pub enum Stream {
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl Stream {
    /// A connection to `address`.
    ///
    /// # Errors
    /// Those of the system; a name that stands for no address is `NotFound`.
    pub fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => UnixStream::connect(path).map(Self::Unix)?.ready(),
            Address::Tcp(host) => {
                let addresses: Vec<_> = host.to_socket_addrs()?.collect();
                TcpStream::connect(addresses.as_slice()).map(Self::Tcp)?.ready()
            }
        }
    }

    fn ready(self) -> io::Result<Self> {
        match &self {
            Self::Unix(stream) => stream.set_nonblocking(false)?,
            Self::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                // Without it each synchronous call waits for the peer's delayed ACK, some 40 ms.
                stream.set_nodelay(true)?;
            }
        }
        Ok(self)
    }

    /// Limits every later read and write to `timeout`.
    ///
    /// # Errors
    /// A timeout of zero.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
        }
    }

    /// Ends the connection for all clones; a blocked read or write comes back.
    pub(super) fn close(&self) {
        // An error means that the peer was first.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buf),
            Self::Tcp(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buf),
            Self::Tcp(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_cometbft_writes_them() {
        for (text, want) in [
            ("unix:///run/app.sock", Address::Unix("/run/app.sock".into())),
            ("unix://app.sock", Address::Unix("app.sock".into())),
            ("tcp://127.0.0.1:26658", Address::Tcp("127.0.0.1:26658".into())),
            ("tcp://[::1]:0", Address::Tcp("[::1]:0".into())),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address, want, "{text}");
            assert_eq!(address.to_string(), text);
        }
        for text in
            ["", "unix://", "tcp://localhost", "127.0.0.1:26658", "grpc://127.0.0.1:1", "unix:/app.sock"]
        {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert_eq!(error, format!("abci address {text:?}: want unix://PATH or tcp://HOST:PORT"));
        }
    }

    #[test]
    fn both_ends_of_a_tcp_connection_send_at_once() {
        let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
        let client = Stream::connect(&listener.address().unwrap()).unwrap();
        let server = loop {
            if let Some(stream) = listener.accept().unwrap() {
                break stream;
            }
        };
        for end in [client, server] {
            let Stream::Tcp(stream) = end else { panic!("not tcp") };
            assert!(stream.nodelay().unwrap());
        }
    }

    #[test]
    fn a_path_must_fit_the_socket_address() {
        let dir = tempfile::tempdir().unwrap();
        let fill = MAX_SOCKET_PATH_BYTES - dir.path().as_os_str().len() - 1;
        let fits = dir.path().join("s".repeat(fill));
        Listener::bind(&Address::Unix(fits)).unwrap();
        let long = dir.path().join("s".repeat(fill + 1));
        let error = Listener::bind(&Address::Unix(long)).err().unwrap().to_string();
        let (len, max) = (MAX_SOCKET_PATH_BYTES + 1, MAX_SOCKET_PATH_BYTES);
        assert!(error.ends_with(&format!("has {len} bytes, the system takes at most {max}")), "{error}");
    }

    #[test]
    fn only_a_socket_without_a_server_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/app.sock");
        let address = Address::Unix(path.clone());

        let first = Listener::bind(&address).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(Listener::bind(&address), Err(BindError::InUse(_))));
        drop(first);
        assert!(!path.exists(), "a server takes its file with it");

        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "what a killed process leaves");
        let second = Listener::bind(&address).unwrap();
        fs::remove_file(&path).unwrap();
        let third = Listener::bind(&address).unwrap();
        drop(second);
        assert!(path.exists(), "the file of another server stays");
        drop(third);

        fs::write(&path, "precious").unwrap();
        assert!(matches!(Listener::bind(&address), Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
