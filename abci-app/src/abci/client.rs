//! A small blocking ABCI client: what CometBFT does, for tests, benchmarks and drills.

use std::io;
use std::time::Duration;

use prost::Message as _;
use tendermint_proto::v0_38::abci::{
    Request, RequestApplySnapshotChunk, RequestCheckTx, RequestCommit, RequestEcho, RequestExtendVote,
    RequestFinalizeBlock, RequestFlush, RequestInfo, RequestInitChain, RequestListSnapshots,
    RequestLoadSnapshotChunk, RequestOfferSnapshot, RequestPrepareProposal, RequestProcessProposal,
    RequestQuery, RequestVerifyVoteExtension, Response, ResponseApplySnapshotChunk, ResponseCheckTx,
    ResponseCommit, ResponseEcho, ResponseExtendVote, ResponseFinalizeBlock, ResponseInfo, ResponseInitChain,
    ResponseListSnapshots, ResponseLoadSnapshotChunk, ResponseOfferSnapshot, ResponsePrepareProposal,
    ResponseProcessProposal, ResponseQuery, ResponseVerifyVoteExtension, request, response,
};

use super::frame::{FrameError, Framed};
use super::net::{Address, Stream};

/// Longest reply taken, in bytes.
const MAX_REPLY_BYTES: usize = 256 << 20;

/// Requests on their way at once, in bytes: they fit the socket's own buffer, so that writing them never waits for a
/// server that itself waits for its replies to be read.
const WINDOW_BYTES: usize = 64 << 10;

/// Why a call failed; the connection is then of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or a write failed.
    #[error("abci client: {0}")]
    Io(#[from] io::Error),
    /// A reply could not be read.
    #[error("abci client: {0}")]
    Frame(#[from] FrameError),
    /// A reply is no `Response`.
    #[error("abci reply does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The server refused the connection with this text.
    #[error("abci exception: {0}")]
    Exception(String),
    /// The server closed the connection with a reply due.
    #[error("abci server closed the connection")]
    Closed,
    /// The reply is not the one to the request.
    #[error("abci reply to another request: {0}")]
    Mismatch(String),
}

/// One connection. A typed method is one synchronous call; [`AbciClient::send`] and [`AbciClient::flush`] pipeline.
pub struct AbciClient {
    framed: Framed<Stream>,
    due: usize,
    replies: Vec<response::Value>,
}

impl AbciClient {
    /// A connection to the server at `address`.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub fn connect(address: &Address) -> Result<Self, ClientError> {
        let framed = Framed::new(Stream::connect(address)?, MAX_REPLY_BYTES);
        Ok(Self { framed, due: 0, replies: Vec::new() })
    }

    /// Limits every later wait for the socket to `timeout`.
    ///
    /// # Errors
    /// [`ClientError::Io`] on a timeout of zero.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> Result<(), ClientError> {
        Ok(self.framed.stream().set_timeout(timeout)?)
    }

    /// Queues `request`; its reply comes with the next [`AbciClient::flush`]. Any number may be queued: full windows
    /// are sent, and their replies collected, on the way.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn send(&mut self, request: request::Value) -> Result<(), ClientError> {
        let request = Request { value: Some(request) };
        if self.due > 0 && self.framed.buffered().saturating_add(request.encoded_len()) > WINDOW_BYTES {
            self.round_trip()?;
        }
        self.due = self.due.saturating_add(1);
        Ok(self.framed.push(&request)?)
    }

    /// Sends what is queued and returns all replies since the last flush, in the order of the requests.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn flush(&mut self) -> Result<Vec<response::Value>, ClientError> {
        self.round_trip()?;
        Ok(std::mem::take(&mut self.replies))
    }

    fn round_trip(&mut self) -> Result<(), ClientError> {
        self.framed.push(&Request { value: Some(request::Value::Flush(RequestFlush {})) })?;
        self.framed.flush()?;
        for _ in 0..std::mem::take(&mut self.due) {
            let reply = self.reply()?;
            self.replies.push(reply);
        }
        match self.reply()? {
            response::Value::Flush(_) => Ok(()),
            other => Err(ClientError::Mismatch(format!("{other:?}"))),
        }
    }

    fn reply(&mut self) -> Result<response::Value, ClientError> {
        let frame = self.framed.read()?.ok_or(ClientError::Closed)?;
        match Response::decode(frame)?.value {
            Some(response::Value::Exception(exception)) => Err(ClientError::Exception(exception.error)),
            Some(value) => Ok(value),
            None => Err(ClientError::Mismatch("no value".into())),
        }
    }

    fn call(&mut self, request: request::Value) -> Result<response::Value, ClientError> {
        self.send(request)?;
        self.round_trip()?;
        // Replies to requests queued before stay for the next flush.
        self.replies.pop().ok_or(ClientError::Closed)
    }
}

macro_rules! calls {
    ($($name:ident($request:ident) -> $response:ident is $variant:ident;)*) => {
        impl AbciClient {
            $(
                #[doc = concat!("The reply to one `", stringify!($variant), "`.")]
                ///
                /// # Errors
                /// [`ClientError`].
                pub fn $name(&mut self, request: $request) -> Result<$response, ClientError> {
                    match self.call(request::Value::$variant(request))? {
                        response::Value::$variant(reply) => Ok(reply),
                        other => Err(ClientError::Mismatch(format!("{other:?}"))),
                    }
                }
            )*
        }
    };
}

calls! {
    echo(RequestEcho) -> ResponseEcho is Echo;
    info(RequestInfo) -> ResponseInfo is Info;
    init_chain(RequestInitChain) -> ResponseInitChain is InitChain;
    query(RequestQuery) -> ResponseQuery is Query;
    check_tx(RequestCheckTx) -> ResponseCheckTx is CheckTx;
    prepare_proposal(RequestPrepareProposal) -> ResponsePrepareProposal is PrepareProposal;
    process_proposal(RequestProcessProposal) -> ResponseProcessProposal is ProcessProposal;
    extend_vote(RequestExtendVote) -> ResponseExtendVote is ExtendVote;
    verify_vote_extension(RequestVerifyVoteExtension) -> ResponseVerifyVoteExtension is VerifyVoteExtension;
    finalize_block(RequestFinalizeBlock) -> ResponseFinalizeBlock is FinalizeBlock;
    commit(RequestCommit) -> ResponseCommit is Commit;
    list_snapshots(RequestListSnapshots) -> ResponseListSnapshots is ListSnapshots;
    offer_snapshot(RequestOfferSnapshot) -> ResponseOfferSnapshot is OfferSnapshot;
    load_snapshot_chunk(RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk is LoadSnapshotChunk;
    apply_snapshot_chunk(RequestApplySnapshotChunk) -> ResponseApplySnapshotChunk is ApplySnapshotChunk;
}
