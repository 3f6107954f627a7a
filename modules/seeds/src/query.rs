//! Queries.

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::{Ctx, QueryError};
use geodesic_proto::geodesic::seeds::v1 as pb;

use crate::keys::{BEACON, LAST, PARAMS, VRF_KEY};

/// Answers `/geodesic.seeds.v1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next() {
        Some("Params") => answer(request, |_: pb::QueryParamsRequest| {
            Ok(pb::QueryParamsResponse { params: Some(PARAMS.load(ctx)?) })
        }),
        Some("Beacon") => answer(request, |r: pb::QueryBeaconRequest| {
            let height = if r.height == 0 { LAST.get(ctx)?.unwrap_or(0) } else { r.height };
            let beacon = BEACON.get(ctx, &height)?.ok_or_else(|| {
                QueryError::NotFound(format!("beacon of height {height} is not kept, or not yet there"))
            })?;
            Ok(pb::QueryBeaconResponse { beacon: Some(beacon) })
        }),
        Some("VrfKey") => answer(request, |r: pb::QueryVrfKeyRequest| {
            let operator =
                ctx.account(&r.operator).map_err(|e| QueryError::InvalidArgument(e.to_string()))?;
            let key = match operator.as_20() {
                Some(operator) => VRF_KEY.get(ctx, &operator)?,
                None => None,
            };
            let key = key.ok_or_else(|| QueryError::NotFound(format!("{} has no VRF key", r.operator)))?;
            Ok(pb::QueryVrfKeyResponse { key: Some(key) })
        }),
        _ => Err(unknown_method(path)),
    }
}
