//! The accept loop and the connections: a thread each, requests of one connection in their order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use metrics::histogram;
use prost::Message as _;
use tendermint_abci::Application;
use tendermint_proto::v0_38::abci::{Request, Response, ResponseException, request, response};

use super::dispatch::{describe, dispatch};
use super::fatal::Fatal;
use super::frame::{FrameError, Framed};
use super::net::{Address, BindError, Listener, Stream};
use crate::metrics::ABCI_SECONDS;

/// Pause between two looks for a peer.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(500);

/// Address space of a connection's stack: blocks are executed on it.
const STACK_BYTES: usize = 8 << 20;

/// What one server takes from its peers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request in bytes. CometBFT's blocks end at 100 MiB; the rest is for what travels with them.
    pub max_frame_bytes: usize,
    /// Connections at once; CometBFT opens four. More are closed at once.
    pub max_connections: usize,
    /// Replies wait for `Flush` until they are longer than this, in bytes.
    pub write_through_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_frame_bytes: 128 << 20, max_connections: 16, write_through_bytes: 1 << 20 }
    }
}

/// A bound socket, not served yet: peers may already connect and wait.
pub struct Server {
    listener: Listener,
    address: Address,
    limits: Limits,
}

impl Server {
    /// Binds `address`. A unix socket's parent folder is created (mode 0700), the socket gets mode 0600, and one left
    /// behind by a dead process is replaced.
    ///
    /// # Errors
    /// [`BindError`], which names the address and the reason.
    pub fn bind(address: &Address, limits: Limits) -> Result<Self, BindError> {
        let listener = Listener::bind(address)?;
        let bound =
            listener.address().map_err(|source| BindError::Io { address: address.clone(), source })?;
        Ok(Self { listener, address: bound, limits })
    }

    /// The address in use, with the port that the system chose.
    pub fn local_addr(&self) -> &Address {
        &self.address
    }

    /// Serves `app` on threads of its own, a clone of it for each connection. A panic in it goes to `fatal`, without a
    /// reply to the peer; should `fatal` come back, the server stops.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn serve<A: Application>(self, app: A, fatal: Fatal) -> io::Result<ServerHandle> {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, flag) = (self.address.clone(), Arc::clone(&stop));
        let thread = thread::Builder::new().name("abci-accept".into()).spawn(move || {
            let guard = fatal.clone();
            guard.guard("the ABCI accept loop", || accept(&self, &app, &fatal, &flag));
        })?;
        tracing::info!(%address, "ABCI server listens");
        Ok(ServerHandle { stop, thread: Some(thread), address })
    }
}

/// A running server; dropping it stops the server and waits for that.
pub struct ServerHandle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    address: Address,
}

impl ServerHandle {
    /// The address in use.
    pub fn local_addr(&self) -> &Address {
        &self.address
    }

    /// Asks the server to end: no more peers, connections closed, socket file removed. A request in execution is
    /// finished first, though its reply is lost; [`ServerHandle::join`] waits for that.
    pub fn shutdown(&self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Waits until the server has ended, by [`ServerHandle::shutdown`] or by a failure.
    pub fn join(mut self) {
        self.wait();
    }

    fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic in it went to the fatal handle.
            let _ = thread.join();
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.shutdown();
        self.wait();
    }
}

fn accept<A: Application>(server: &Server, app: &A, fatal: &Fatal, stop: &Arc<AtomicBool>) {
    let mut connections: Vec<(Stream, JoinHandle<()>)> = Vec::new();
    let mut id = 0_u64;
    while !stop.load(Ordering::Acquire) {
        connections.retain(|(_, thread)| !thread.is_finished());
        match server.listener.accept() {
            Ok(None) => thread::park_timeout(ACCEPT_PAUSE),
            Ok(Some(_)) if connections.len() >= server.limits.max_connections => {
                tracing::warn!(
                    max = server.limits.max_connections,
                    "ABCI peer refused: too many connections"
                );
            }
            Ok(Some(stream)) => {
                id = id.saturating_add(1);
                match connection(id, stream, server.limits, app.clone(), fatal.clone(), Arc::clone(stop)) {
                    Ok(started) => connections.push(started),
                    Err(error) => tracing::error!(%error, "ABCI peer refused"),
                }
            }
            Err(error) => {
                tracing::error!(%error, "ABCI accept failed");
                thread::park_timeout(ACCEPT_RETRY);
            }
        }
    }
    for (stream, _) in &connections {
        stream.close();
    }
    for (_, thread) in connections {
        // A panic in it went to the fatal handle.
        let _ = thread.join();
    }
}

/// Starts the thread of one connection; also a second handle to close it with.
fn connection<A: Application>(
    id: u64,
    stream: Stream,
    limits: Limits,
    app: A,
    fatal: Fatal,
    stop: Arc<AtomicBool>,
) -> io::Result<(Stream, JoinHandle<()>)> {
    let closer = stream.try_clone()?;
    let thread =
        thread::Builder::new().name(format!("abci-{id}")).stack_size(STACK_BYTES).spawn(move || {
            let mut framed = Framed::new(stream, limits.max_frame_bytes);
            tracing::debug!(connection = id, "ABCI peer connected");
            match fatal.guard("an ABCI handler", || converse(&mut framed, &app, limits, id)) {
                None => stop.store(true, Ordering::Release),
                Some(Ok(())) => tracing::debug!(connection = id, "ABCI peer left"),
                Some(Err(_)) if stop.load(Ordering::Acquire) => {}
                Some(Err(error)) => {
                    tracing::warn!(connection = id, %error, "ABCI connection closed");
                    refuse(&mut framed, &error);
                }
            }
            framed.stream().close();
        })?;
    Ok((closer, thread))
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("request does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("request names no method of ABCI 2.0")]
    NoMethod,
    #[error("reply not written: {0}")]
    Write(#[from] io::Error),
}

/// Answers requests until the peer leaves. Replies nobody asked for by `Flush` are dropped with the connection.
fn converse(
    framed: &mut Framed<Stream>,
    app: &impl Application,
    limits: Limits,
    id: u64,
) -> Result<(), ConnectionError> {
    while let Some(frame) = framed.read()? {
        let request = Request::decode(frame)?.value.ok_or(ConnectionError::NoMethod)?;
        let flush = matches!(request, request::Value::Flush(_));
        let (method, height) = describe(&request);
        let span = tracing::debug_span!("abci", connection = id, method, height);
        let began = began();
        let reply = span.in_scope(|| dispatch(app, request));
        if !flush {
            histogram!(ABCI_SECONDS, "method" => method).record(began.elapsed());
        }
        framed.push(&Response { value: Some(reply) })?;
        if flush || framed.buffered() > limits.write_through_bytes {
            framed.flush()?;
        }
    }
    Ok(())
}

/// The time, for metrics alone: the application does not see it.
#[allow(clippy::disallowed_methods)]
fn began() -> Instant {
    Instant::now()
}

/// Tells the peer why, so that CometBFT's log has it too. The peer may be gone: then so is the text.
fn refuse(framed: &mut Framed<Stream>, error: &ConnectionError) {
    if matches!(error, ConnectionError::Write(_) | ConnectionError::Frame(FrameError::Io(_))) {
        return;
    }
    let value = response::Value::Exception(ResponseException { error: error.to_string() });
    let _ = framed.push(&Response { value: Some(value) }).and_then(|()| framed.flush());
}
