//! Messages.

use geodesic_core::Ctx;
use geodesic_core::module::check_authority;
use geodesic_proto::geodesic::difficulty::v1 as pb;

use crate::errors::Error;
use crate::keys::PARAMS;
use crate::params::Params;

/// Replaces the parameters; they count when the next target is set.
pub(crate) fn update_params(
    ctx: &mut Ctx,
    msg: &pb::MsgUpdateParams,
) -> Result<pb::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let params = msg.params.clone().ok_or_else(|| Error::InvalidParams("params are missing".to_owned()))?;
    PARAMS.set(ctx, &Params::try_from(params)?.into())?;
    Ok(pb::MsgUpdateParamsResponse {})
}
