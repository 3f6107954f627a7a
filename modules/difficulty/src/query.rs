//! Queries.

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::page::paginate;
use geodesic_core::{Ctx, QueryError};
use geodesic_proto::geodesic::difficulty::v1 as pb;

use crate::keys::{NEWEST, PARAMS, TARGET};

/// Answers `/geodesic.difficulty.v1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next() {
        Some("Params") => answer(request, |_: pb::QueryParamsRequest| {
            Ok(pb::QueryParamsResponse { params: Some(PARAMS.load(ctx)?) })
        }),
        Some("Current") => answer(request, |_: pb::QueryCurrentRequest| {
            Ok(pb::QueryCurrentResponse { target: TARGET.get(ctx, &NEWEST.load(ctx)?)? })
        }),
        Some("History") => answer(request, |r: pb::QueryHistoryRequest| {
            let (targets, page) = paginate(ctx, &TARGET, &(), r.pagination.as_ref(), |_, t| Ok(Some(t)))?;
            Ok(pb::QueryHistoryResponse { targets, pagination: Some(page) })
        }),
        _ => Err(unknown_method(path)),
    }
}
