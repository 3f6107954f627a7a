//! One ABCI request to one method of the application.

use tendermint_abci::Application;
use tendermint_proto::v0_38::abci::{request::Value as Request, response::Value as Response};

/// What `app` answers to `request`.
pub(super) fn dispatch(app: &impl Application, request: Request) -> Response {
    match request {
        Request::Echo(r) => Response::Echo(app.echo(r)),
        Request::Flush(_) => Response::Flush(app.flush()),
        Request::Info(r) => Response::Info(app.info(r)),
        Request::InitChain(r) => Response::InitChain(app.init_chain(r)),
        Request::Query(r) => Response::Query(app.query(r)),
        Request::CheckTx(r) => Response::CheckTx(app.check_tx(r)),
        Request::Commit(_) => Response::Commit(app.commit()),
        Request::ListSnapshots(_) => Response::ListSnapshots(app.list_snapshots()),
        Request::OfferSnapshot(r) => Response::OfferSnapshot(app.offer_snapshot(r)),
        Request::LoadSnapshotChunk(r) => Response::LoadSnapshotChunk(app.load_snapshot_chunk(r)),
        Request::ApplySnapshotChunk(r) => Response::ApplySnapshotChunk(app.apply_snapshot_chunk(r)),
        Request::PrepareProposal(r) => Response::PrepareProposal(app.prepare_proposal(r)),
        Request::ProcessProposal(r) => Response::ProcessProposal(app.process_proposal(r)),
        Request::ExtendVote(r) => Response::ExtendVote(app.extend_vote(r)),
        Request::VerifyVoteExtension(r) => Response::VerifyVoteExtension(app.verify_vote_extension(r)),
        Request::FinalizeBlock(r) => Response::FinalizeBlock(app.finalize_block(r)),
    }
}

/// The method's name and, where the request has one, its height; for logs.
pub(super) fn describe(request: &Request) -> (&'static str, Option<i64>) {
    match request {
        Request::Echo(_) => ("Echo", None),
        Request::Flush(_) => ("Flush", None),
        Request::Info(_) => ("Info", None),
        Request::InitChain(r) => ("InitChain", Some(r.initial_height)),
        Request::Query(r) => ("Query", Some(r.height)),
        Request::CheckTx(_) => ("CheckTx", None),
        Request::Commit(_) => ("Commit", None),
        Request::ListSnapshots(_) => ("ListSnapshots", None),
        Request::OfferSnapshot(_) => ("OfferSnapshot", None),
        Request::LoadSnapshotChunk(_) => ("LoadSnapshotChunk", None),
        Request::ApplySnapshotChunk(_) => ("ApplySnapshotChunk", None),
        Request::PrepareProposal(r) => ("PrepareProposal", Some(r.height)),
        Request::ProcessProposal(r) => ("ProcessProposal", Some(r.height)),
        Request::ExtendVote(r) => ("ExtendVote", Some(r.height)),
        Request::VerifyVoteExtension(r) => ("VerifyVoteExtension", Some(r.height)),
        Request::FinalizeBlock(r) => ("FinalizeBlock", Some(r.height)),
    }
}
