//! Queries, as the SDK's (`x/evidence/keeper/grpc_query.go`).

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::page::paginate;
use geodesic_core::{Ctx, QueryError};
use geodesic_proto::cosmos::evidence::v1beta1 as pb;

use crate::keys::EVIDENCE;

/// Answers `/cosmos.evidence.v1beta1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next() {
        Some("Evidence") => answer(request, |r| by_hash(ctx, &r)),
        Some("AllEvidence") => answer(request, |r: pb::QueryAllEvidenceRequest| {
            let page = r.pagination.as_ref();
            let (evidence, page) = paginate(ctx, &EVIDENCE, &(), page, |_, any| Ok(Some(any)))?;
            Ok(pb::QueryAllEvidenceResponse { evidence, pagination: Some(page) })
        }),
        _ => Err(unknown_method(path)),
    }
}

fn by_hash(ctx: &Ctx, r: &pb::QueryEvidenceRequest) -> Result<pb::QueryEvidenceResponse, QueryError> {
    let text = &r.hash;
    if text.is_empty() {
        return Err(QueryError::InvalidArgument("invalid request; hash is empty".to_owned()));
    }
    let hash =
        hex::decode(text).map_err(|e| QueryError::InvalidArgument(format!("invalid evidence hash: {e}")))?;
    // No other length is the hash of any.
    let found = match <[u8; 32]>::try_from(hash) {
        Ok(hash) => EVIDENCE.get(ctx, &hash)?,
        Err(_) => None,
    };
    let missing = || QueryError::NotFound(format!("evidence {text} not found"));
    Ok(pb::QueryEvidenceResponse { evidence: Some(found.ok_or_else(missing)?) })
}
