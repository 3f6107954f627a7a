//! Messages.

use geodesic_core::{Ctx, TxError};
use geodesic_proto::cosmos::auth::v1beta1::MsgUpdateParams;

use crate::keys::PARAMS;
use crate::params;
use crate::ports::Ports;

/// Replaces all parameters.
///
/// # Errors
/// Codespace `undefined`, 1, as in the SDK, which registers no error of its own here: another sender than the
/// authority, or a parameter that is zero.
pub fn update_params(ctx: &mut Ctx, ports: &dyn Ports, msg: &MsgUpdateParams) -> Result<(), TxError> {
    let authority = ports.authority(ctx)?;
    let expected = ctx.account_text(&authority);
    if msg.authority != expected {
        let got = &msg.authority;
        return Err(plain(format!(
            "expected gov account as only signer for proposal message; invalid authority; expected {expected}, got {got}"
        )));
    }
    let new = msg.params.unwrap_or_default();
    params::validate(&new).map_err(plain)?;
    PARAMS.set(ctx, &new)?;
    Ok(())
}

fn plain(log: String) -> TxError {
    TxError::new("undefined", 1, log)
}
