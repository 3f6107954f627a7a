//! A snapshot of another node becomes our first state.

use std::sync::Arc;

use geodesic_store::sync::{FORMAT, Meta, Restore};
use geodesic_store::{Committed, Error, Store};
use tendermint_proto::v0_38::abci as pb;
use tendermint_proto::v0_38::abci::response_apply_snapshot_chunk::Result as Applied;
use tendermint_proto::v0_38::abci::response_offer_snapshot::Result as Offered;

use super::{StateSync, derive};

/// A restore that CometBFT gives chunks for.
pub(super) struct Session {
    meta: Meta,
    /// The chunk that comes next.
    next: u32,
    restore: Restore,
}

/// Chain id and initial height.
type Genesis = (String, u64);

fn response(result: Applied) -> pb::ResponseApplySnapshotChunk {
    pb::ResponseApplySnapshotChunk {
        result: result.into(),
        refetch_chunks: Vec::new(),
        reject_senders: Vec::new(),
    }
}

/// The same chunk again, from somebody else than `reject` if that is named.
fn again(index: u32, reject: &str) -> pb::ResponseApplySnapshotChunk {
    pb::ResponseApplySnapshotChunk {
        refetch_chunks: vec![index],
        reject_senders: Some(reject.to_owned()).filter(|s| !s.is_empty()).into_iter().collect(),
        ..response(Applied::Retry)
    }
}

impl StateSync {
    /// Gives up a restore that has begun; the database is empty again.
    pub(crate) fn give_up(&self) {
        *self.session() = None;
    }

    /// Begins to restore the snapshot that CometBFT offers, if it can be one of this chain.
    ///
    /// # Errors
    /// This node's disk.
    pub(crate) fn offer(
        &self,
        store: &Arc<Store>,
        request: &pb::RequestOfferSnapshot,
    ) -> Result<Offered, Error> {
        let mut session = self.session();
        *session = None;
        let Some(offered) = &request.snapshot else { return Ok(Offered::Reject) };
        let (height, format) = (offered.height, offered.format);
        if format != FORMAT {
            tracing::info!(height, format, "snapshot of an unknown format refused, {FORMAT} is known");
            return Ok(Offered::RejectFormat);
        }
        let refused = |error: &Error| tracing::warn!(height, format, %error, "snapshot refused");
        let (chunks, hash, metadata) = (offered.chunks, &offered.hash, &offered.metadata);
        let meta = match Meta::from_parts(height, format, chunks, hash, metadata) {
            Ok(meta) => meta,
            Err(error) => {
                refused(&error);
                return Ok(Offered::Reject);
            }
        };
        let Ok(app_hash) = <[u8; 32]>::try_from(request.app_hash.as_ref()) else {
            tracing::warn!(height, "snapshot refused: CometBFT names no app hash of 32 bytes for it");
            return Ok(Offered::Reject);
        };
        match Restore::begin(store, height, Some(app_hash)) {
            Ok(restore) => {
                tracing::info!(height, format, chunks, "a snapshot is being restored");
                *session = Some(Session { meta, next: 0, restore });
                Ok(Offered::Accept)
            }
            Err(Error::NotEmpty { height }) => {
                tracing::error!(
                    height,
                    "state sync begins with an empty database, and this one has blocks: \
                     geod comet unsafe-reset-all removes them, [statesync] enable = false goes on from them"
                );
                Ok(Offered::Abort)
            }
            Err(error @ Error::Snapshot(_)) => {
                refused(&error);
                Ok(Offered::Reject)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a chunk. With the last one comes what was committed.
    ///
    /// # Errors
    /// This node's disk.
    pub(crate) fn apply(
        &self,
        request: &pb::RequestApplySnapshotChunk,
        genesis: Option<&Genesis>,
    ) -> Result<(pb::ResponseApplySnapshotChunk, Option<Committed>), Error> {
        let mut slot = self.session();
        let Some(session) = slot.as_mut() else {
            tracing::error!(index = request.index, "a chunk of a snapshot that was not accepted");
            return Ok((response(Applied::Abort), None));
        };
        let (index, sender) = (request.index, request.sender.as_str());
        let height = session.meta.height;
        if index < session.next {
            return Ok((response(Applied::Accept), None));
        }
        if index > session.next {
            return Ok((again(session.next, ""), None));
        }
        if !session.meta.is_chunk(index, &request.chunk) {
            tracing::warn!(
                height,
                index,
                sender,
                "a chunk has another hash than the snapshot says, its sender is dropped"
            );
            return Ok((again(index, sender), None));
        }
        if let Err(error) = session.restore.feed(&request.chunk) {
            *slot = None;
            return rejected(height, error);
        }
        session.next = session.next.saturating_add(1);
        if session.next < session.meta.chunks() {
            return Ok((response(Applied::Accept), None));
        }
        let Some(Session { restore, .. }) = slot.take() else { return Ok((response(Applied::Abort), None)) };
        match finish(restore, genesis) {
            Ok(committed) => {
                tracing::info!(height, "snapshot restored");
                Ok((response(Applied::Accept), Some(committed)))
            }
            Err(Failure::Store(error)) => rejected(height, error),
            Err(Failure::State(reason)) => {
                tracing::error!(height, reason, "a state with the right app hash is none for this program");
                Ok((response(Applied::Abort), None))
            }
        }
    }

    /// Restores a snapshot of the folder.
    ///
    /// # Errors
    /// A text: the database has a state, or the snapshot is bad or of another chain.
    pub(crate) fn restore(
        &self,
        store: &Arc<Store>,
        meta: &Meta,
        genesis: Option<&Genesis>,
        progress: &mut dyn FnMut(),
    ) -> Result<Committed, String> {
        if meta.format != FORMAT {
            return Err(format!("format {} is not known, {FORMAT} is", meta.format));
        }
        let text = |e: Error| e.to_string();
        let mut restore = Restore::begin(store, meta.height, None).map_err(text)?;
        for index in 0..meta.chunks() {
            let chunk = self.folder.chunk(meta, index).map_err(text)?;
            let chunk = chunk.ok_or_else(|| format!("chunk {index} of {} is missing", meta.chunks()))?;
            restore.feed(&chunk).map_err(text)?;
            progress();
        }
        finish(restore, genesis).map_err(|failure| match failure {
            Failure::Store(error) => text(error),
            Failure::State(reason) => reason,
        })
    }
}

/// What peers have made up is the snapshot's fault, all else this node's.
fn rejected(height: u64, error: Error) -> Result<(pb::ResponseApplySnapshotChunk, Option<Committed>), Error> {
    match error {
        Error::Snapshot(_) => {
            tracing::warn!(height, %error, "snapshot rejected, what was restored of it is removed");
            Ok((response(Applied::RejectSnapshot), None))
        }
        error => Err(error),
    }
}

/// Why a state that is complete was not committed.
enum Failure {
    Store(Error),
    /// The state has the right hash, and is none for this program.
    State(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

fn finish(restore: Restore, genesis: Option<&Genesis>) -> Result<Committed, Failure> {
    restore.finish(|snapshot, index| {
        let mut put = |store, (key, value): &geodesic_core::store::Entry| Ok(index(store, key, value)?);
        derive::all(snapshot, genesis, &mut put).map_err(Failure::State)
    })
}
