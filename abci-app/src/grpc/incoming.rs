//! Connections of clients, as many as allowed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::server::TcpIncoming;

use crate::connection::Connection;

/// Accepted connections; those beyond the bound are closed at once.
pub(super) struct Incoming {
    tcp: TcpIncoming,
    slots: Arc<Semaphore>,
    write_timeout: Duration,
}

impl Incoming {
    pub(super) fn new(tcp: TcpIncoming, max: usize, write_timeout: Duration) -> Self {
        Self { tcp, slots: Arc::new(Semaphore::new(max)), write_timeout }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let accepted = match Pin::new(&mut self.tcp).poll_next(cx) {
                Poll::Ready(Some(Ok(stream))) => stream,
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Some(Err(e))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return Poll::Ready(Some(Ok(Connection::new(accepted, self.write_timeout, slot))));
            }
            tracing::debug!("a connection to gRPC is closed: there are as many as allowed");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tonic::codegen::tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_bound_are_closed_and_places_become_free() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = Incoming::new(TcpIncoming::from(listener), 1, Duration::from_secs(30));
        let _first = TcpStream::connect(address).await.unwrap();
        let held = incoming.next().await.unwrap().unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        let refused = async {
            assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0, "the second is closed");
            drop(held);
            TcpStream::connect(address).await.unwrap()
        };
        let (_third, accepted) = tokio::join!(refused, incoming.next());
        assert!(accepted.unwrap().is_ok(), "the third has the first one's place");
    }
}
