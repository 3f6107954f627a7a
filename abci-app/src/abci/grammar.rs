//! The order in which CometBFT may call an application, and an application that writes its calls down.
//!
//! ```text
//! run       = [InitChain] [StateSync] *Height
//! StateSync = *(OfferSnapshot *ApplySnapshotChunk) OfferSnapshot 1*ApplySnapshotChunk
//! Height    = *(PrepareProposal / ProcessProposal / ExtendVote / VerifyVoteExtension) FinalizeBlock Commit
//! ```
//! A run is the life of one process pair; heights in it go up by one, from `initial_height` if there was an InitChain.
//! Other methods may come at any time. Source: CometBFT `spec/abci/abci++_comet_expected_behavior.md`; what is valid
//! inside one height does not depend on rounds, which the calls do not name.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tendermint_abci::Application;
use tendermint_proto::v0_38::abci::{
    RequestApplySnapshotChunk, RequestCheckTx, RequestEcho, RequestExtendVote, RequestFinalizeBlock,
    RequestInfo, RequestInitChain, RequestLoadSnapshotChunk, RequestOfferSnapshot, RequestPrepareProposal,
    RequestProcessProposal, RequestQuery, RequestVerifyVoteExtension, ResponseApplySnapshotChunk,
    ResponseCheckTx, ResponseCommit, ResponseEcho, ResponseExtendVote, ResponseFinalizeBlock, ResponseFlush,
    ResponseInfo, ResponseInitChain, ResponseListSnapshots, ResponseLoadSnapshotChunk, ResponseOfferSnapshot,
    ResponsePrepareProposal, ResponseProcessProposal, ResponseQuery, ResponseVerifyVoteExtension,
};

/// A call that the grammar orders. Numbers are heights; InitChain's is the initial height.
#[allow(missing_docs)] // The methods of ABCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    InitChain(i64),
    OfferSnapshot,
    ApplySnapshotChunk,
    PrepareProposal(i64),
    ProcessProposal(i64),
    ExtendVote(i64),
    VerifyVoteExtension(i64),
    FinalizeBlock(i64),
    Commit,
}

/// The first call out of order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("call {index} is {call:?}, want {want}")]
pub struct Violation {
    /// Its place in the run, from 0.
    pub index: usize,
    /// The call.
    pub call: Call,
    /// What the grammar allows there.
    pub want: String,
}

#[derive(Clone, Copy)]
enum State {
    Start,
    /// InitChain came; the initial height.
    Initialised(i64),
    Offered,
    Restoring,
    /// In a height, which is unknown after state sync or a restart.
    Height(i64),
    Executed(i64),
}

impl State {
    fn next(self, call: Call) -> Option<Self> {
        use Call::{ApplySnapshotChunk, Commit, ExtendVote, FinalizeBlock, InitChain, OfferSnapshot};
        use Call::{PrepareProposal, ProcessProposal, VerifyVoteExtension};
        match (self, call) {
            (Self::Start, InitChain(initial)) => Some(Self::Initialised(initial)),
            (Self::Start | Self::Initialised(_) | Self::Offered | Self::Restoring, OfferSnapshot) => {
                Some(Self::Offered)
            }
            (Self::Offered | Self::Restoring, ApplySnapshotChunk) => Some(Self::Restoring),
            (Self::Executed(height), Commit) => Some(Self::Height(height.saturating_add(1))),
            (
                _,
                PrepareProposal(height)
                | ProcessProposal(height)
                | ExtendVote(height)
                | VerifyVoteExtension(height),
            ) if self.takes(height) => Some(Self::Height(height)),
            (_, FinalizeBlock(height)) if self.takes(height) => Some(Self::Executed(height)),
            _ => None,
        }
    }

    /// Whether a call of `height` may come.
    fn takes(self, height: i64) -> bool {
        match self {
            Self::Start | Self::Restoring => height > 0,
            Self::Initialised(next) | Self::Height(next) => height == next,
            Self::Offered | Self::Executed(_) => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => write!(f, "InitChain, OfferSnapshot or any height"),
            Self::Initialised(height) => write!(f, "OfferSnapshot or height {height}"),
            Self::Offered => write!(f, "OfferSnapshot or ApplySnapshotChunk"),
            Self::Restoring => write!(f, "OfferSnapshot, ApplySnapshotChunk or any height"),
            Self::Height(height) => write!(f, "a call of height {height} other than Commit"),
            Self::Executed(height) => write!(f, "Commit of height {height}"),
        }
    }
}

/// Checks the calls of one run, which may end anywhere.
///
/// # Errors
/// The first [`Violation`].
pub fn check(calls: &[Call]) -> Result<(), Violation> {
    let mut state = State::Start;
    for (index, &call) in calls.iter().enumerate() {
        state = state.next(call).ok_or_else(|| Violation { index, call, want: state.to_string() })?;
    }
    Ok(())
}

/// An application that passes everything to another and keeps the calls that the grammar orders, in the order in which
/// they came. Clones share the list.
#[derive(Clone)]
pub struct Recorder<A> {
    app: A,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl<A: Application> Recorder<A> {
    /// Records the calls to `app`.
    pub fn new(app: A) -> Self {
        Self { app, calls: Arc::default() }
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, call: Call) -> &A {
        tracing::info!(?call, "ABCI call");
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        &self.app
    }
}

impl<A: Application> Application for Recorder<A> {
    fn echo(&self, request: RequestEcho) -> ResponseEcho {
        self.app.echo(request)
    }
    fn info(&self, request: RequestInfo) -> ResponseInfo {
        self.app.info(request)
    }
    fn init_chain(&self, request: RequestInitChain) -> ResponseInitChain {
        self.record(Call::InitChain(request.initial_height)).init_chain(request)
    }
    fn query(&self, request: RequestQuery) -> ResponseQuery {
        self.app.query(request)
    }
    fn check_tx(&self, request: RequestCheckTx) -> ResponseCheckTx {
        self.app.check_tx(request)
    }
    fn flush(&self) -> ResponseFlush {
        self.app.flush()
    }
    fn commit(&self) -> ResponseCommit {
        self.record(Call::Commit).commit()
    }
    fn list_snapshots(&self) -> ResponseListSnapshots {
        self.app.list_snapshots()
    }
    fn offer_snapshot(&self, request: RequestOfferSnapshot) -> ResponseOfferSnapshot {
        self.record(Call::OfferSnapshot).offer_snapshot(request)
    }
    fn load_snapshot_chunk(&self, request: RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk {
        self.app.load_snapshot_chunk(request)
    }
    fn apply_snapshot_chunk(&self, request: RequestApplySnapshotChunk) -> ResponseApplySnapshotChunk {
        self.record(Call::ApplySnapshotChunk).apply_snapshot_chunk(request)
    }
    fn prepare_proposal(&self, request: RequestPrepareProposal) -> ResponsePrepareProposal {
        self.record(Call::PrepareProposal(request.height)).prepare_proposal(request)
    }
    fn process_proposal(&self, request: RequestProcessProposal) -> ResponseProcessProposal {
        self.record(Call::ProcessProposal(request.height)).process_proposal(request)
    }
    fn extend_vote(&self, request: RequestExtendVote) -> ResponseExtendVote {
        self.record(Call::ExtendVote(request.height)).extend_vote(request)
    }
    fn verify_vote_extension(&self, request: RequestVerifyVoteExtension) -> ResponseVerifyVoteExtension {
        self.record(Call::VerifyVoteExtension(request.height)).verify_vote_extension(request)
    }
    fn finalize_block(&self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock {
        self.record(Call::FinalizeBlock(request.height)).finalize_block(request)
    }
}

#[cfg(test)]
mod tests {
    use super::Call::*;
    use super::*;

    #[test]
    fn runs_of_a_correct_node_pass() {
        for (name, calls) in [
            ("nothing yet", &[][..]),
            (
                "genesis, two rounds, replayed height",
                &[
                    InitChain(1),
                    PrepareProposal(1),
                    ProcessProposal(1),
                    VerifyVoteExtension(1),
                    ProcessProposal(1),
                    ExtendVote(1),
                    VerifyVoteExtension(1),
                    FinalizeBlock(1),
                    Commit,
                    FinalizeBlock(2),
                    Commit,
                ],
            ),
            ("initial height", &[InitChain(100), FinalizeBlock(100), Commit, ProcessProposal(101)]),
            ("restart", &[FinalizeBlock(57), Commit, FinalizeBlock(58)]),
            (
                "state sync at the second try",
                &[
                    OfferSnapshot,
                    ApplySnapshotChunk,
                    OfferSnapshot,
                    OfferSnapshot,
                    ApplySnapshotChunk,
                    ApplySnapshotChunk,
                    FinalizeBlock(9),
                    Commit,
                ],
            ),
        ] {
            assert_eq!(check(calls), Ok(()), "{name}");
        }
    }

    #[test]
    fn the_first_call_out_of_order_is_named() {
        for (calls, want) in [
            (&[Commit][..], "call 0 is Commit, want InitChain, OfferSnapshot or any height"),
            (&[FinalizeBlock(0)], "call 0 is FinalizeBlock(0), want InitChain, OfferSnapshot or any height"),
            (&[InitChain(1), InitChain(1)], "call 1 is InitChain(1), want OfferSnapshot or height 1"),
            (&[InitChain(1), FinalizeBlock(2)], "call 1 is FinalizeBlock(2), want OfferSnapshot or height 1"),
            (
                &[FinalizeBlock(5), ProcessProposal(5)],
                "call 1 is ProcessProposal(5), want Commit of height 5",
            ),
            (&[FinalizeBlock(5), FinalizeBlock(5)], "call 1 is FinalizeBlock(5), want Commit of height 5"),
            (
                &[FinalizeBlock(5), Commit, Commit],
                "call 2 is Commit, want a call of height 6 other than Commit",
            ),
            (
                &[FinalizeBlock(5), Commit, FinalizeBlock(7)],
                "call 2 is FinalizeBlock(7), want a call of height 6 other than Commit",
            ),
            (
                &[ProcessProposal(5), ProcessProposal(6)],
                "call 1 is ProcessProposal(6), want a call of height 5 other than Commit",
            ),
            (
                &[FinalizeBlock(5), Commit, InitChain(1)],
                "call 2 is InitChain(1), want a call of height 6 other than Commit",
            ),
            (
                &[OfferSnapshot, FinalizeBlock(9)],
                "call 1 is FinalizeBlock(9), want OfferSnapshot or ApplySnapshotChunk",
            ),
            (
                &[ApplySnapshotChunk],
                "call 0 is ApplySnapshotChunk, want InitChain, OfferSnapshot or any height",
            ),
            (
                &[ProcessProposal(5), OfferSnapshot],
                "call 1 is OfferSnapshot, want a call of height 5 other than Commit",
            ),
        ] {
            assert_eq!(check(calls).map_err(|violation| violation.to_string()), Err(want.to_owned()));
        }
    }
}
