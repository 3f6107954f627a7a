//! Messages (`x/slashing/keeper/msg_server.go`, `unjail.go`), with the SDK's order of checks and store accesses.

use geodesic_core::module::check_authority;
use geodesic_core::{Ctx, Sdk, TxError};
use geodesic_proto::cosmos::slashing::v1beta1 as pb;

use crate::errors::Error;
use crate::keys::{PARAMS, SIGNING_INFO, len};
use crate::params::Params;
use crate::ports::Ports;
use crate::time;

/// Frees a validator whose time in jail is over.
pub(crate) fn unjail(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgUnjail,
) -> Result<pb::MsgUnjailResponse, Error> {
    let operator = ctx
        .valoper(&msg.validator_addr)
        .map_err(|e| Sdk::InvalidAddress.with(format_args!("validator input address: {e}")))?;
    let (validator, tokens) = ports.validator_with_self_bond(ctx, &operator)?;
    let min = validator.min_self_delegation;
    if tokens < min {
        return Err(Error::SelfDelegationTooLow { tokens, min });
    }
    if !validator.jailed {
        return Err(Error::ValidatorNotJailed);
    }
    let consensus = validator.consensus();
    // One without an info was never in the set: it was jailed because its operator took back too much.
    if let Some(info) = SIGNING_INFO.get(ctx, &len(&consensus))?
        && (info.tombstoned || time::block_is_before(ctx, info.jailed_until.as_ref()))
    {
        return Err(Error::ValidatorJailed);
    }
    ports.unjail(ctx, &consensus)?;
    Ok(pb::MsgUnjailResponse {})
}

/// Replaces the parameters.
pub(crate) fn update_params(
    ctx: &mut Ctx,
    msg: &pb::MsgUpdateParams,
) -> Result<pb::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let given = msg.params.clone().unwrap_or_default();
    let params = Params::try_from(&given).map_err(|e| TxError::new("undefined", 1, e))?;
    PARAMS.set(ctx, &params.into())?;
    Ok(pb::MsgUpdateParamsResponse {})
}
