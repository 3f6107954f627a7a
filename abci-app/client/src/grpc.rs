//! Queries over gRPC, for nodes that show no CometBFT RPC. The generated clients of `geodesic-proto` take
//! [`Client::channel`].

use std::time::Duration;

use prost::Message;
use prost::bytes::{Buf as _, BufMut as _};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Longest answer that is read, in bytes.
const REPLY_MAX: usize = 64 << 20;
/// Header that selects the height of a query and says the height of an answer.
pub const HEIGHT_HEADER: &str = "x-cosmos-block-height";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error("gRPC address {0:?} is invalid, expected one such as localhost:9090")]
    Address(String),
    /// Nobody answers there.
    #[error(
        "cannot reach gRPC server at {address}: {reason}; is it running and is [grpc] enabled in config/app.toml?"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The server refuses.
    #[error("query {path}: {message} (gRPC code {code})")]
    Refused {
        /// The method called.
        path: String,
        /// gRPC code.
        code: i32,
        /// Its text.
        message: String,
    },
    /// The answer is not the message it should be.
    #[error("answer to {path} is malformed: {source}")]
    Malformed {
        /// The method called.
        path: String,
        /// What is wrong.
        source: prost::DecodeError,
    },
}

/// A connection to one server.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    channel: Channel,
}

impl Client {
    /// A client of `HOST:PORT` or `http://HOST:PORT`, plain HTTP/2; it connects at the first query.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn new(address: &str) -> Result<Self, Error> {
        let invalid = || Error::Address(address.chars().take(96).collect());
        let url = match address.split_once("://") {
            Some(("http", _)) => address.to_owned(),
            Some(("tcp", rest)) => format!("http://{rest}"),
            Some(_) => return Err(invalid()),
            None => format!("http://{address}"),
        };
        let endpoint = Endpoint::from_shared(url).map_err(|_| invalid())?;
        let endpoint = endpoint.connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(30));
        Ok(Self { address: address.to_owned(), channel: endpoint.connect_lazy() })
    }

    /// The channel, for generated clients.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The encoded answer of a method at a height, or at the newest.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn query_raw(
        &self,
        path: &str,
        request: Vec<u8>,
        height: Option<u64>,
    ) -> Result<Vec<u8>, Error> {
        let unreachable = |reason: String| Error::Unreachable { address: self.address.clone(), reason };
        let mut grpc = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(REPLY_MAX);
        grpc.ready().await.map_err(|error| unreachable(cause(&error)))?;
        let refused = |status: Status| match status.code() {
            tonic::Code::Unavailable => unreachable(cause(&status)),
            code => Error::Refused {
                path: path.to_owned(),
                code: code as i32,
                message: status.message().to_owned(),
            },
        };
        let target = path.parse().map_err(|_| refused(Status::invalid_argument("not a method's path")))?;
        let mut request = Request::new(request);
        if let Some(height) = height {
            request.metadata_mut().insert(HEIGHT_HEADER, height.into());
        }
        let response: Result<tonic::Response<Vec<u8>>, Status> = grpc.unary(request, target, Bytes).await;
        response.map(tonic::Response::into_inner).map_err(refused)
    }

    /// The answer of a method at a height, or at the newest.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn query<Q: Message, R: Message + Default>(
        &self,
        path: &str,
        request: &Q,
        height: Option<u64>,
    ) -> Result<R, Error> {
        let reply = self.query_raw(path, request.encode_to_vec(), height).await?;
        R::decode(reply.as_slice()).map_err(|source| Error::Malformed { path: path.to_owned(), source })
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Messages as they are, encoded.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
