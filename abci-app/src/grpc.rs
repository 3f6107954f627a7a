//! gRPC: every query service by one handler, which passes bytes to the same code that answers ABCI; reflection and health.

mod incoming;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use geodesic_core::QueryError;
use geodesic_proto::FILE_DESCRIPTOR_SET;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::server::{Grpc, UnaryService};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

use crate::app::App;
use crate::{router, services};
use incoming::Incoming;

/// Metadata with the height of a query, both ways.
pub(crate) const HEIGHT_HEADER: &str = "x-cosmos-block-height";

/// Largest request: a transaction to be simulated or broadcast, and room.
const REQUEST_MAX: usize = 4 << 20;

/// Connections at a time, as many as REST takes by default.
const CONNECTIONS: usize = 1000;

/// Largest headers of a call, as hyper counts them.
const HEADERS_MAX: u32 = 64 << 10;

/// Calls of one connection at a time.
const CALLS_PER_CONNECTION: usize = 64;

/// A call takes no longer, nor does a client that takes nothing keep its connection.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Serves the queries of `app` on `address` until `shutdown` resolves; `bound` is told the address in use.
///
/// # Errors
/// The address cannot be bound, or the server fails.
pub async fn serve(
    app: App,
    address: SocketAddr,
    bound: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    bound(listener.local_addr()?);
    let routes = routes(app).await?;
    let incoming = Incoming::new(TcpIncoming::from(listener).with_nodelay(Some(true)), CONNECTIONS, TIMEOUT);
    Server::builder()
        .timeout(TIMEOUT)
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_max_header_list_size(HEADERS_MAX)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await?;
    Ok(())
}

/// The services of `app`, with health and reflection.
///
/// # Errors
/// The descriptors are none.
pub(crate) async fn routes(app: App) -> Result<Routes, tonic_reflection::server::Error> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = || {
        let all = router::services().into_iter().chain(services::SERVICES.iter().copied());
        all.fold(tonic_reflection::server::Builder::configure(), |b, name| b.with_service_name(name))
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
    };
    let routes =
        Routes::new(health).add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    Ok(Routes::from(routes.into_axum_router().fallback_service(Gateway(app))))
}

/// Answers any unary call by its path.
#[derive(Clone)]
struct Gateway(App);

impl tower::Service<http::Request<axum::body::Body>> for Gateway {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<axum::body::Body>) -> Self::Future {
        let call = Call { app: self.0.clone(), path: request.uri().path().to_owned() };
        Box::pin(async move {
            let mut grpc = Grpc::new(RawCodec).apply_max_message_size_config(Some(REQUEST_MAX), None);
            Ok(grpc.unary(call, request).await)
        })
    }
}

struct Call {
    app: App,
    path: String,
}

impl UnaryService<Bytes> for Call {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (app, path) = (self.app.clone(), std::mem::take(&mut self.path));
        Box::pin(async move {
            let height = height_of(&request)?;
            let data = request.into_inner();
            // The store and CometBFT are asked in turn, without waiting for others: off the runtime's threads.
            let work = tokio::task::spawn_blocking(move || app.query_env().grpc(&path, &data, height));
            let answer = work.await.map_err(|_| Status::internal("the query did not end"))?;
            let (value, at) = answer.map_err(status)?;
            let mut response = Response::new(value);
            if let Ok(at) = MetadataValue::try_from(at.to_string()) {
                response.metadata_mut().insert(HEIGHT_HEADER, at);
            }
            Ok(response)
        })
    }
}

#[allow(clippy::result_large_err)] // tonic's own type
fn height_of<T>(request: &Request<T>) -> Result<u64, Status> {
    let Some(value) = request.metadata().get(HEIGHT_HEADER) else { return Ok(0) };
    parse_height(value.as_bytes()).map_err(Status::invalid_argument)
}

/// The height in a header.
///
/// # Errors
/// A text that shows the value.
pub(crate) fn parse_height(value: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(value);
    text.parse().map_err(|_| format!("{HEIGHT_HEADER} is {text:?}, must be a height"))
}

/// gRPC's code of an error.
pub(crate) fn code(e: &QueryError) -> Code {
    match e {
        QueryError::InvalidArgument(_) => Code::InvalidArgument,
        QueryError::NotFound(_) => Code::NotFound,
        QueryError::Unimplemented(_) => Code::Unimplemented,
        QueryError::Unknown(_) => Code::Unknown,
        QueryError::Unavailable(_) => Code::Unavailable,
        QueryError::Internal(_) => Code::Internal,
    }
}

fn status(e: QueryError) -> Status {
    Status::new(code(&e), e.to_string())
}

/// Bytes in, bytes out: the handler decodes.
#[derive(Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put_slice(&item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
