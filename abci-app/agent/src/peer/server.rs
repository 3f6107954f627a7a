//! Serves leaves to the auditors that drew them.
#![allow(clippy::result_large_err, reason = "tonic's handlers return `Status`")]

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use geodesic_challenge::{Address, Hash, Sample};
use geodesic_client::vrf;
use geodesic_proto::geodesic::agent::v1::leaves_server::{Leaves, LeavesServer};
use geodesic_proto::geodesic::agent::v1::{FetchRequest, FetchResponse};
use geodesic_proto::geodesic::pow::v1::Opening;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};

use super::limits::{Limits, Rates, Slot, Slots, host};
use super::{Drawn, HEADERS_MAX, POSITIONS_MAX, REQUEST_MAX, RESPONSE_MAX, Source};
use crate::duties::{a_i, audits, leaf_pb, path_pb};
use crate::error::{Error, Result};
use crate::tls::{Identity, Pins, certificate_hash};

/// Finished handshakes that wait to be served.
const BACKLOG: usize = 16;
/// Time for running requests to end after a stop.
const GRACE: Duration = Duration::from_secs(5);
/// Wait after the listener failed: it is out of file descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `source` to peers whose keys are pinned, until `stop` is ready.
///
/// # Errors
/// [`Error::Tls`] if the identity is unusable or the server fails.
pub async fn serve(
    listener: TcpListener,
    identity: &Identity,
    pins: Pins,
    source: Arc<dyn Source>,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) -> Result<()> {
    let service = Service {
        source,
        pins: pins.clone(),
        rates: Rates::new(&limits),
        workers: Arc::new(Semaphore::new(limits.workers)),
    };
    run(listener, identity, pins, service, limits, stop).await
}

/// Serves any implementation of the service.
pub(super) async fn run(
    listener: TcpListener,
    identity: &Identity,
    pins: Pins,
    service: impl Leaves,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) -> Result<()> {
    let acceptor = TlsAcceptor::from(identity.server(pins)?);
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let service = LeavesServer::new(service)
        .max_decoding_message_size(REQUEST_MAX)
        .max_encoding_message_size(RESPONSE_MAX);
    let router = tonic::transport::Server::builder()
        .timeout(limits.request_timeout)
        .max_concurrent_streams(limits.streams)
        .max_connection_age(limits.connection_age)
        .http2_max_header_list_size(HEADERS_MAX)
        .http2_keepalive_interval(Some(limits.request_timeout))
        .http2_keepalive_timeout(Some(limits.request_timeout))
        .add_service(service);
    let (stopping, stopped) = oneshot::channel::<()>();
    let stop = async {
        stop.await;
        drop(stopping);
    };
    let incoming = ReceiverStream::new(receiver).map(Ok::<_, io::Error>);
    let late = async {
        let _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, stop) => {
            served.map_err(|e| Error::Tls(format!("server: {e}")))
        }
        () = accept(listener, acceptor, limits, sender) => Ok(()),
        () = late => Ok(()),
    }
}

/// Accepts connections for ever; handshakes run beside each other, within bounds.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    limits: Limits,
    ready: mpsc::Sender<Connection>,
) {
    let handshakes = Slots::<IpAddr>::new(limits.handshakes_each, limits.handshakes);
    let connections = Arc::new(Slots::<Hash>::new(limits.connections_each, limits.connections));
    let mut tasks = JoinSet::new();
    loop {
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        let Some(slot) = handshakes.take(host(from.ip())) else {
            tracing::debug!(%from, "too many handshakes");
            continue;
        };
        let (acceptor, connections, ready) = (acceptor.clone(), connections.clone(), ready.clone());
        tasks.spawn(async move {
            let handshake = tokio::time::timeout(limits.handshake_timeout, handshake(acceptor, tcp));
            let connected = handshake.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            drop(slot);
            let (stream, peer) = match connected {
                Ok(connected) => connected,
                Err(error) => return tracing::debug!(%from, %error, "handshake failed"),
            };
            match connections.take(peer) {
                Some(slot) => drop(ready.send(Connection { stream, peer, _slot: slot }).await),
                None => tracing::debug!(%from, peer = hex::encode(peer), "too many connections"),
            }
        });
    }
}

async fn handshake(acceptor: TlsAcceptor, tcp: TcpStream) -> io::Result<(TlsStream<TcpStream>, Hash)> {
    tcp.set_nodelay(true)?;
    let stream = acceptor.accept(tcp).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(<[_]>::first).ok_or(io::ErrorKind::PermissionDenied)?;
    let peer = certificate_hash(certificate).map_err(io::Error::other)?;
    Ok((stream, peer))
}

/// A connection of a pinned peer; counts among its connections until it ends.
struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Hash,
    _slot: Slot<Hash>,
}

/// Hash of the caller's certificate key.
#[derive(Clone, Copy)]
struct Peer(Hash);

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer(self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct Service {
    source: Arc<dyn Source>,
    pins: Pins,
    rates: Rates,
    workers: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Leaves for Service {
    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let peer = request.extensions().get::<Peer>().copied();
        let Peer(peer) = peer.ok_or_else(|| Status::unauthenticated("no certificate"))?;
        // A connection may be older than the end of the peer's registration.
        if !self.pins.contains(&peer) {
            return Err(Status::permission_denied("certificate is no longer registered"));
        }
        if !self.rates.allow(&peer, Instant::now()) {
            return Err(Status::resource_exhausted("too many requests: ask again later"));
        }
        let query = Query::try_from(request.into_inner())?;
        let worker = self.workers.clone().acquire_owned().await;
        let worker = worker.map_err(|_| Status::unavailable("the agent stops"))?;
        let source = self.source.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = query.answer(source.as_ref(), &peer);
            drop(worker);
            answer
        });
        let answer = answer.await.map_err(|_| Status::internal("no answer"))?;
        if let Err(status) = &answer {
            tracing::debug!(peer = hex::encode(peer), code = ?status.code(), reason = status.message(), "refused");
        }
        answer.map(Response::new)
    }
}

/// A request whose lengths are right.
struct Query {
    epoch: u64,
    auditor: Address,
    vrf_output: [u8; 64],
    /// `None` if the output stands in a verdict.
    vrf_proof: Option<[u8; 80]>,
    positions: Vec<u32>,
}

fn sized<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], Status> {
    let wrong = |_| Status::invalid_argument(format!("{field} has {} bytes, {N} are needed", bytes.len()));
    bytes.try_into().map_err(wrong)
}

impl TryFrom<FetchRequest> for Query {
    type Error = Status;

    fn try_from(r: FetchRequest) -> Result<Self, Status> {
        let count = r.positions.len();
        if count == 0 || count > POSITIONS_MAX {
            return Err(Status::invalid_argument(format!(
                "{count} positions, 1 to {POSITIONS_MAX} are allowed"
            )));
        }
        if !r.positions.is_sorted_by(|a, b| a < b) {
            return Err(Status::invalid_argument("positions do not ascend"));
        }
        let vrf_proof = match r.vrf_proof.as_slice() {
            [] => None,
            proof => Some(sized("vrf_proof", proof)?),
        };
        let (auditor, vrf_output) = (sized("auditor", &r.auditor)?, sized("vrf_output", &r.vrf_output)?);
        Ok(Self { epoch: r.epoch, auditor, vrf_output, vrf_proof, positions: r.positions })
    }
}

impl Query {
    /// The openings asked for. The cheapest checks come first.
    fn answer(&self, source: &dyn Source, peer: &Hash) -> Result<FetchResponse, Status> {
        let epoch = self.epoch;
        let drawn = source.drawn(epoch);
        let drawn = drawn
            .ok_or_else(|| Status::failed_precondition(format!("no draw of epoch {epoch} is known here")))?;
        if drawn.prover.nodes.is_empty() {
            return Err(Status::not_found(format!("no commitment in epoch {epoch}")));
        }
        let a_i = self.authorise(source, &drawn, peer)?;
        let samples = drawn.prover.samples(&a_i, &drawn.draw);
        let openings = self.positions.iter().map(|k| self.open(source, &drawn, &samples, *k));
        Ok(FetchResponse { openings: openings.collect::<Result<_, _>>()? })
    }

    /// `a_i` of an auditor of this participant, whose output is proven by itself or public.
    fn authorise(&self, source: &dyn Source, drawn: &Drawn, peer: &Hash) -> Result<Hash, Status> {
        let auditor = drawn.auditors.get(&self.auditor);
        let auditor =
            auditor.ok_or_else(|| Status::permission_denied("auditor has no power in this epoch"))?;
        let a_i = a_i(&self.vrf_output);
        if !audits(&self.auditor, &a_i, auditor.power, &drawn.draw, &drawn.prover.address) {
            return Err(Status::permission_denied("auditor does not audit this participant"));
        }
        match &self.vrf_proof {
            None if source.published_output(self.epoch, &self.auditor) != Some(self.vrf_output) => {
                Err(Status::permission_denied("vrf_output stands in no verdict, and there is no vrf_proof"))
            }
            None => Ok(a_i),
            Some(_) if auditor.certificate != Some(*peer) => {
                Err(Status::permission_denied("caller is not the auditor"))
            }
            Some(proof) => {
                let input = vrf::audit_input(&drawn.draw.beacon, &self.auditor);
                let proven = vrf::verify(&auditor.vrf_key, &input, proof) == Some(self.vrf_output);
                if proven { Ok(a_i) } else { Err(Status::permission_denied("vrf_proof is wrong")) }
            }
        }
    }

    fn open(
        &self,
        source: &dyn Source,
        drawn: &Drawn,
        samples: &[Sample],
        k: u32,
    ) -> Result<Opening, Status> {
        let none = || Status::invalid_argument(format!("sample {k} is none of the {} drawn", samples.len()));
        let sample = samples.iter().find(|s| s.k == k).ok_or_else(none)?;
        let located = drawn.prover.locate(sample).ok_or_else(none)?;
        let (_, commitment) = drawn.prover.nodes.get(located.index).ok_or_else(none)?;
        let found = source.leaf(self.epoch, located.node_id, commitment.count, located.position);
        let (leaf, path) = found.map_err(|error| {
            tracing::warn!(epoch = self.epoch, node = located.node_id, k, %error, "a committed leaf cannot be served");
            Status::internal(format!("sample {k} cannot be read"))
        })?;
        Ok(Opening { position: k, leaf: Some(leaf_pb(&leaf)), path: path_pb(&path) })
    }
}
