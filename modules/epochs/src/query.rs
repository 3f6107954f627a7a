//! Queries.

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::{Ctx, QueryError};
use geodesic_proto::geodesic::epochs::v1 as pb;

use crate::blocks::{by_index, current};
use crate::keys::PARAMS;

/// Answers `/geodesic.epochs.v1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next() {
        Some("Params") => answer(request, |_: pb::QueryParamsRequest| {
            Ok(pb::QueryParamsResponse { params: Some(PARAMS.load(ctx)?) })
        }),
        Some("Current") => answer(request, |_: pb::QueryCurrentRequest| {
            let height = ctx.block.height;
            let epoch = current(ctx)?.ok_or_else(|| QueryError::NotFound("no epoch has begun".to_owned()))?;
            let phase = i32::from(epoch.phase(height));
            Ok(pb::QueryCurrentResponse { epoch: Some(epoch.into()), phase, height })
        }),
        Some("ByIndex") => answer(request, |r: pb::QueryByIndexRequest| {
            let epoch = by_index(ctx, r.index)?
                .ok_or_else(|| QueryError::NotFound(format!("epoch {} has not begun", r.index)))?;
            Ok(pb::QueryByIndexResponse { epoch: Some(epoch.into()) })
        }),
        _ => Err(unknown_method(path)),
    }
}
