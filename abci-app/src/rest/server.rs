//! The listener: HTTP/1.1, as many connections as allowed, each within its time.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Settings;
use super::service::Service;
use crate::app::App;
use crate::connection::Connection;
use crate::grpc;

/// Largest request line with its headers.
const HEAD_MAX: usize = 64 << 10;

/// Pause after a connection could not be taken: the process has no file left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves REST for `app` until `shutdown` resolves; `bound` is told the address in use.
///
/// # Errors
/// The address cannot be bound, or the services of gRPC-web cannot be set up.
pub async fn serve(
    app: App,
    settings: Settings,
    bound: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let grpc = if settings.grpc_web { Some(grpc::routes(app.clone()).await?) } else { None };
    let listener = TcpListener::bind(settings.address).await?;
    bound(listener.local_addr()?);
    let slots = Arc::new(Semaphore::new(settings.max_open_connections.min(Semaphore::MAX_PERMITS)));
    let service = Service::new(app, settings, grpc);
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?.0, slot))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, slot)) => {
                let (service, stopped) = (service.clone(), stopped.clone());
                let _ = stream.set_nodelay(true); // slower without, not wrong
                let stream = Connection::new(stream, service.settings().write_timeout, slot);
                connections.spawn(connection(stream, service, stopped));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop((listener, stop));
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Answers the requests of a connection, one after the other; the last of them once the server stops.
async fn connection(stream: Connection, service: Service, mut stopped: watch::Receiver<()>) {
    let settings = service.settings();
    let io = TokioIo::new(stream);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.read_timeout).max_header_size(HEAD_MAX);
    let answer = service_fn(|request: http::Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request.map(Body::new)).await) }
    });
    let connection = http.serve_connection(io, answer);
    tokio::pin!(connection);
    // What goes wrong with a connection concerns its client alone.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
