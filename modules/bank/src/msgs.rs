//! Messages.

use std::collections::BTreeSet;

use geodesic_core::coin::{self, validate_denom};
use geodesic_core::module::check_authority;
use geodesic_core::{Address, Coins, Ctx, Sdk, TxError};
use geodesic_proto::cosmos::bank::v1beta1 as pb;
use geodesic_proto::cosmos::base::v1beta1::Coin as PbCoin;

use crate::errors::Error;
use crate::events;
use crate::keeper::{add, check_send_enabled, not_allowed, send as send_coins, sub_unlocked};
use crate::keys::{PARAMS, SEND_ENABLED};
use crate::ports::Ports;

/// Coins that are sorted, distinct and positive, and at least one.
fn positive(amount: &[PbCoin]) -> Result<Coins, Error> {
    let coins = Coins::try_from(amount).ok().filter(|coins| !coins.is_empty());
    coins.ok_or_else(|| Sdk::InvalidCoins.with(coin::show(amount)).into())
}

fn account(ctx: &Ctx, text: &str, what: &str) -> Result<Address, Error> {
    ctx.account(text).map_err(|e| TxError::from(e).context(what).into())
}

pub(crate) fn send(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgSend,
) -> Result<pb::MsgSendResponse, Error> {
    let from = account(ctx, &msg.from_address, "invalid from address")?;
    let to = account(ctx, &msg.to_address, "invalid to address")?;
    let amount = positive(&msg.amount)?;
    check_send_enabled(ctx, &amount)?;
    if ports.is_blocked(&to) {
        return Err(not_allowed(&msg.to_address));
    }
    send_coins(ctx, ports, &from, &to, &amount)?;
    Ok(pb::MsgSendResponse {})
}

/// One side of a transfer to several.
struct Side {
    address: Address,
    coins: Coins,
}

impl Side {
    fn try_new(ctx: &Ctx, address: &str, coins: &[PbCoin], what: &str) -> Result<Self, Error> {
        Ok(Self { address: account(ctx, address, what)?, coins: positive(coins)? })
    }
}

pub(crate) fn multi_send(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    msg: &pb::MsgMultiSend,
) -> Result<pb::MsgMultiSendResponse, Error> {
    let [input] = msg.inputs.as_slice() else {
        return Err(if msg.inputs.is_empty() { Error::NoInputs } else { Error::MultipleSenders });
    };
    if msg.outputs.is_empty() {
        return Err(Error::NoOutputs);
    }
    let from = Side::try_new(ctx, &input.address, &input.coins, "invalid input address")?;
    let mut total = Coins::default();
    let mut outputs = Vec::new();
    for output in &msg.outputs {
        let to = Side::try_new(ctx, &output.address, &output.coins, "invalid output address")?;
        total = total.checked_add(&to.coins)?;
        outputs.push(to);
    }
    if total != from.coins {
        return Err(Error::InputOutputMismatch);
    }
    check_send_enabled(ctx, &from.coins)?;
    for (to, output) in outputs.iter().zip(&msg.outputs) {
        if ports.is_blocked(&to.address) {
            return Err(not_allowed(&output.address));
        }
    }
    sub_unlocked(ctx, ports, &from.address, &from.coins)?;
    ctx.emit(events::message_sender(&input.address));
    for to in &outputs {
        add(ctx, &to.address, &to.coins)?;
        let recipient = ctx.account_text(&to.address);
        ctx.emit(events::transfer(&recipient, &input.address, &to.coins));
        ports.ensure_account(ctx, &to.address)?;
    }
    Ok(pb::MsgMultiSendResponse {})
}

pub(crate) fn update_params(
    ctx: &mut Ctx,
    msg: &pb::MsgUpdateParams,
) -> Result<pb::MsgUpdateParamsResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let params = msg.params.clone().unwrap_or_default();
    #[allow(deprecated)] // the SDK refuses the old list here, and so do we
    if !params.send_enabled.is_empty() {
        return Err(Sdk::InvalidRequest.with("use of send_enabled in params is no longer supported").into());
    }
    PARAMS.set(ctx, &params)?;
    Ok(pb::MsgUpdateParamsResponse {})
}

pub(crate) fn set_send_enabled(
    ctx: &mut Ctx,
    msg: &pb::MsgSetSendEnabled,
) -> Result<pb::MsgSetSendEnabledResponse, Error> {
    check_authority(ctx, &msg.authority)?;
    let invalid = |what: String| Error::Other(Sdk::InvalidRequest.with(what));
    let mut seen = BTreeSet::new();
    for entry in &msg.send_enabled {
        let denom = &entry.denom;
        if !seen.insert(denom) {
            return Err(invalid(format!("duplicate denom entries found for {denom:?}")));
        }
        validate_denom(denom).map_err(|e| invalid(format!("invalid SendEnabled denom {denom:?}: {e}")))?;
    }
    for denom in &msg.use_default_for {
        validate_denom(denom).map_err(|e| invalid(format!("invalid UseDefaultFor denom {denom:?}: {e}")))?;
    }
    for entry in &msg.send_enabled {
        SEND_ENABLED.set(ctx, &entry.denom, &entry.enabled)?;
    }
    for denom in &msg.use_default_for {
        SEND_ENABLED.delete(ctx, denom)?;
    }
    Ok(pb::MsgSetSendEnabledResponse {})
}
