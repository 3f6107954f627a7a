//! Fetches an auditor's samples from a prover's agent and checks them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use geodesic_challenge::{Hash, Leaf, Path, RTarget, Sample};
use geodesic_proto::geodesic::agent::v1::leaves_client::LeavesClient;
use geodesic_proto::geodesic::agent::v1::{FetchRequest, FetchResponse};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::{HEADERS_MAX, REQUEST_MAX, RESPONSE_MAX};
use crate::duties::{Prover, opening_of};
use crate::tls::Identity;

/// Longest URL of an agent, in bytes.
const URL_MAX: usize = 256;
/// Most characters of a peer's reason that are kept.
const REASON_MAX: usize = 200;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is not `https://HOST:PORT`.
    #[error("agent url {0:?} is not https://HOST:PORT")]
    Url(String),
    /// This agent's own certificate is unusable.
    #[error(transparent)]
    Identity(#[from] crate::Error),
    /// No connection, or not to the agent that registered the key.
    #[error("connection failed: {0}")]
    Connect(String),
    /// The peer refuses, or the connection broke.
    #[error("refused with {code:?}: {reason}")]
    Refused {
        /// Its code.
        code: Code,
        /// Its reason.
        reason: String,
    },
    /// The answer is not one to the request.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// A leaf as it was served: well formed, not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Number of the sample it is served for.
    pub k: u32,
    /// The leaf.
    pub leaf: Leaf,
    /// Its path.
    pub path: Path,
}

/// A leaf that the prover committed to, and that is the sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Number of the sample.
    pub k: u32,
    /// Node of the leaf.
    pub node_id: u32,
    /// The leaf.
    pub leaf: Leaf,
    /// Its path.
    pub path: Path,
}

/// A leaf that is not the sample. It is as if nothing had been served: demand it on chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sample {k}: {reason}")]
pub struct Wrong {
    /// Number of the sample.
    pub k: u32,
    /// What is wrong.
    pub reason: String,
}

/// The leaves of `request.positions`, in that order, from the agent at `url` with the certificate key of `key_hash`.
///
/// Reads at most [`RESPONSE_MAX`] bytes and takes at most `timeout` in all.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch(
    url: &str,
    key_hash: Hash,
    identity: &Identity,
    request: FetchRequest,
    timeout: Duration,
) -> Result<Vec<Served>, FetchError> {
    let authority = authority(url).ok_or_else(|| FetchError::Url(short(url)))?;
    let config = identity.client(key_hash)?;
    let positions = request.positions.clone();
    let answer = async {
        let mut client = connect(&authority, config).await?;
        let answer = client.fetch(request).await;
        answer.map_err(|s: Status| FetchError::Refused { code: s.code(), reason: short(s.message()) })
    };
    let answer = tokio::time::timeout(timeout, answer).await.map_err(|_| FetchError::Timeout(timeout))?;
    served(&positions, &answer?.into_inner())
}

fn short(text: &str) -> String {
    text.chars().take(REASON_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `HOST:PORT` of a URL that is nothing but scheme, host and port.
fn authority(url: &str) -> Option<String> {
    let uri: Uri = (url.len() <= URL_MAX).then(|| url.parse().ok())??;
    let authority = uri.authority()?;
    let port = authority.port_u16().filter(|port| *port > 0)?;
    let plain = uri.scheme_str() == Some("https")
        && uri.path_and_query().is_none_or(|path| path == "/")
        && !authority.as_str().contains('@')
        && !authority.host().is_empty();
    plain.then(|| format!("{}:{port}", authority.host()))
}

/// A connection to the agent, whose key TLS checks.
pub(super) async fn connect(
    authority: &str,
    config: Arc<ClientConfig>,
) -> Result<LeavesClient<Channel>, FetchError> {
    let failed = |e: tonic::transport::Error| FetchError::Connect(short(&reasons(&e)));
    // To tonic the connection is a plain one: TLS, with our own verifier, is the connector's.
    let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(failed)?;
    let endpoint = endpoint.http2_max_header_list_size(HEADERS_MAX);
    let connector = Connector { authority: authority.into(), tls: TlsConnector::from(config) };
    let channel = endpoint.connect_with_connector(connector).await.map_err(failed)?;
    Ok(LeavesClient::new(channel)
        .max_decoding_message_size(RESPONSE_MAX)
        .max_encoding_message_size(REQUEST_MAX))
}

/// An error with what it comes from.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

struct Connector {
    authority: Arc<str>,
    tls: TlsConnector,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (authority, tls) = (self.authority.clone(), self.tls.clone());
        Box::pin(async move {
            let tcp = TcpStream::connect(authority.as_ref()).await?;
            tcp.set_nodelay(true)?;
            // The key is pinned, so the name says nothing; it is not the host, which nobody needs to see.
            let name = ServerName::try_from("geodesic-agent").map_err(io::Error::other)?;
            Ok(TokioIo::new(tls.connect(name, tcp).await?))
        })
    }
}

fn served(positions: &[u32], answer: &FetchResponse) -> Result<Vec<Served>, FetchError> {
    let malformed = |text: String| Err(FetchError::Malformed(text));
    if answer.openings.len() != positions.len() {
        return malformed(format!("{} openings for {} positions", answer.openings.len(), positions.len()));
    }
    let mut all = Vec::with_capacity(positions.len());
    for (k, opening) in positions.iter().zip(&answer.openings) {
        if opening.position != *k {
            return malformed(format!("sample {} in the place of {k}", opening.position));
        }
        let Some((leaf, path)) = opening_of(opening.leaf.as_ref(), &opening.path) else {
            return malformed(format!("lengths in sample {k}"));
        };
        all.push(Served { k: *k, leaf, path });
    }
    Ok(all)
}

/// Checks that each leaf is the one that was drawn: the hit of its rank, or the leaf of its index, of the commitment.
///
/// `samples` are those of the auditor ([`Prover::samples`]). One result for each served leaf, in order.
pub fn check(
    prover: &Prover,
    r_target: RTarget,
    samples: &[Sample],
    served: Vec<Served>,
) -> Vec<Result<Checked, Wrong>> {
    let check = |Served { k, leaf, path }: Served| {
        let wrong = |reason: String| Wrong { k, reason };
        let sample =
            samples.iter().find(|s| s.k == k).ok_or_else(|| wrong("none of the samples".to_owned()))?;
        let node_id = prover.check(r_target, sample, &leaf, &path).map_err(wrong)?;
        Ok(Checked { k, node_id, leaf, path })
    };
    served.into_iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_host_and_port() {
        for (url, want) in [
            ("https://agent.example:7000", Some("agent.example:7000")),
            ("https://agent.example:7000/", Some("agent.example:7000")),
            ("https://[::1]:7000", Some("[::1]:7000")),
            ("http://agent.example:7000", None),
            ("https://agent.example", None),
            ("https://agent.example:0", None),
            ("https://agent.example:70000", None),
            ("https://user@agent.example:7000", None),
            ("https://agent.example:7000/path", None),
            ("https://agent.example:7000/?x", None),
            ("agent.example:7000", None),
            ("", None),
        ] {
            assert_eq!(authority(url).as_deref(), want, "{url}");
        }
        assert_eq!(authority(&format!("https://{}:7000", "a".repeat(300))), None);
    }

    #[test]
    fn a_reason_is_short_and_printable() {
        assert_eq!(short("a\n\u{1b}b"), "a  b");
        assert_eq!(short(&"x".repeat(10_000)).len(), REASON_MAX);
    }
}
