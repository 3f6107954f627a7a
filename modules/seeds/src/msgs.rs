//! Messages, and who holds which key.

use geodesic_core::module::check_authority;
use geodesic_core::{Ctx, Event, StateError, TxError};
use geodesic_proto::geodesic::seeds::v1 as pb;

use crate::errors::Error;
use crate::events::EventVrfKeyRegistered;
use crate::keys::{KEY_OWNER, PARAMS, VRF_KEY};
use crate::params::Params;
use crate::ports::Ports;
use crate::vrf::{PROOF_LEN, possession_input, verify};

/// The key that an operator has now; `None` if it has none.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn key_of(ctx: &Ctx, operator: &[u8; 20]) -> Result<Option<Vec<u8>>, StateError> {
    Ok(VRF_KEY.get(ctx, operator)?.map(|k| k.public_key))
}

/// The key that an operator's proofs of `height` are made with. `height` may be the last one or the one being voted
/// on: of older changes only the last is known.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn key_in_force(ctx: &Ctx, operator: &[u8; 20], height: u64) -> Result<Option<Vec<u8>>, StateError> {
    Ok(VRF_KEY.get(ctx, operator)?.and_then(|k| {
        let key = if height >= k.since { k.public_key } else { k.previous };
        (!key.is_empty()).then_some(key)
    }))
}

/// Replaces the parameters.
pub(crate) fn update_params(
    ctx: &mut Ctx,
    msg: &pb::MsgUpdateParams,
) -> Result<pb::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let params = msg.params.ok_or_else(|| Error::InvalidParams("params are missing".to_owned()))?;
    PARAMS.set(ctx, &Params::try_from(params)?.into())?;
    Ok(pb::MsgUpdateParamsResponse {})
}

/// Stateless checks of a registration.
pub(crate) fn check_sizes(msg: &pb::MsgRegisterVrfKey) -> Result<(), Error> {
    if msg.public_key.len() != 32 {
        return Err(Error::InvalidKey(format!("{} bytes instead of 32", msg.public_key.len())));
    }
    if msg.proof.len() != PROOF_LEN {
        return Err(Error::InvalidProof);
    }
    Ok(())
}

/// Sets the signer's key. The key before stays good for proofs of this height.
pub(crate) fn register_vrf_key(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgRegisterVrfKey,
) -> Result<pb::MsgRegisterVrfKeyResponse, Error> {
    let address = ctx.account(&msg.operator).map_err(TxError::from)?;
    let operator = address.as_20().ok_or_else(|| Error::NotValidator(msg.operator.clone()))?;
    if !ports.is_validator(ctx, &operator)? {
        return Err(Error::NotValidator(msg.operator.clone()));
    }
    let height = ctx.block.height;
    let before = VRF_KEY.get(ctx, &operator)?;
    if before.as_ref().is_some_and(|k| k.since > height) {
        return Err(Error::ChangedAlready(height));
    }
    let key = check_possession(ctx, &operator, msg)?;
    if KEY_OWNER.get(ctx, &key)?.is_some_and(|owner| owner != operator) {
        return Err(Error::KeyTaken);
    }
    // A key that was given up stays taken: its owner may still have to show proofs made with it.
    let entry = pb::VrfKey {
        public_key: key.to_vec(),
        since: height.saturating_add(1),
        previous: before.map(|k| k.public_key).unwrap_or_default(),
    };
    VRF_KEY.set(ctx, &operator, &entry)?;
    KEY_OWNER.set(ctx, &key, &operator)?;
    ctx.emit(Event::typed(&EventVrfKeyRegistered {
        operator: msg.operator.clone(),
        public_key: key.to_vec(),
    }));
    Ok(pb::MsgRegisterVrfKeyResponse {})
}

/// VRF verification costs 2.7 times a secp256k1 signature's (108 against 40 us), which the SDK prices at 1000.
const VERIFY_GAS: u64 = 2_700;

fn check_possession(ctx: &Ctx, operator: &[u8; 20], msg: &pb::MsgRegisterVrfKey) -> Result<[u8; 32], Error> {
    check_sizes(msg)?;
    ctx.gas.charge(VERIFY_GAS, "VRF verification")?;
    let key =
        msg.public_key.as_slice().try_into().map_err(|_| Error::InvalidKey("not 32 bytes".to_owned()))?;
    let input = possession_input(&ctx.block.chain_id, operator);
    verify(&msg.public_key, &input, &msg.proof).ok_or(Error::InvalidProof)?;
    Ok(key)
}
