//! Queries, as the SDK's (`x/slashing/keeper/grpc_query.go`).

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::page::paginate;
use geodesic_core::{Address, Ctx, QueryError};
use geodesic_proto::cosmos::slashing::v1beta1 as pb;

use crate::keys::{PARAMS, SIGNING_INFO, len};

/// Answers `/cosmos.slashing.v1beta1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next() {
        Some("Params") => answer(request, |_: pb::QueryParamsRequest| {
            Ok(pb::QueryParamsResponse { params: Some(PARAMS.load(ctx)?) })
        }),
        Some("SigningInfo") => answer(request, |r| signing_info(ctx, &r)),
        Some("SigningInfos") => answer(request, |r: pb::QuerySigningInfosRequest| {
            let page = r.pagination.as_ref();
            let (info, page) = paginate(ctx, &SIGNING_INFO, &(), page, |_, info| Ok(Some(info)))?;
            Ok(pb::QuerySigningInfosResponse { info, pagination: Some(page) })
        }),
        _ => Err(unknown_method(path)),
    }
}

fn signing_info(
    ctx: &Ctx,
    r: &pb::QuerySigningInfoRequest,
) -> Result<pb::QuerySigningInfoResponse, QueryError> {
    let text = &r.cons_address;
    if text.is_empty() {
        return Err(QueryError::InvalidArgument("invalid request".to_owned()));
    }
    let consensus = Address::from_bech32(&ctx.block.valcons_prefix(), text)
        .map_err(|e| QueryError::InvalidArgument(e.to_string()))?;
    let info = SIGNING_INFO.get(ctx, &len(&consensus))?;
    let missing = || QueryError::NotFound(format!("SigningInfo not found for validator {text}"));
    Ok(pb::QuerySigningInfoResponse { val_signing_info: Some(info.ok_or_else(missing)?) })
}
