//! Fees: what a node asks for, who pays, and what order they give.

use geodesic_auth::keeper;
use geodesic_core::coin::{Coin, Coins};
use geodesic_core::{Ctx, DecCoins, Event, ExecMode, Int, Sdk, TxError};
use geodesic_proto::cosmos::base::v1beta1 as pb;

use super::ante::Ante;
use super::decode::Tx;

/// Codespace and code of `Sdk::OutOfGas`.
const OUT_OF_GAS: (&str, u32) = ("sdk", 11);

/// Order of a transaction in the mempool: the smallest amount that it pays for a unit of gas, in any denomination.
///
/// `min over coins of floor(amount / gas)`, at most `i64::MAX`, 0 without fee or gas.
pub fn priority(tx: &Tx) -> i64 {
    let gas = Int::from(tx.gas_limit());
    let coins = tx.auth_info.fee.iter().flat_map(|f| &f.amount);
    let price = |coin: &pb::Coin| match amount(coin).checked_quo(gas) {
        Ok(price) => price.to_i64().unwrap_or(i64::MAX),
        Err(_) => 0,
    };
    coins.map(price).min().unwrap_or(0)
}

/// Checks the fee against the node's prices (for the mempool only) and moves it from the payer to the fee collector.
pub(super) fn deduct_fee(ctx: &mut Ctx, tx: &Tx, ante: &Ante<'_>) -> Result<(), TxError> {
    let fee = tx.fee()?;
    let simulate = ctx.mode == ExecMode::Simulate;
    if !simulate && ctx.block.height > 0 && fee.gas_limit == 0 {
        return Err(Sdk::InvalidGasLimit.with("must provide positive gas"));
    }
    if matches!(ctx.mode, ExecMode::Check | ExecMode::Recheck) {
        check_min_gas_prices(&fee.amount, fee.gas_limit, ante.min_gas_prices)?;
    }
    if !fee.granter.is_empty() {
        return Err(Sdk::InvalidRequest.with("fee grants are not enabled"));
    }
    let payer = tx.fee_payer()?;
    let text = ctx.account_text(payer);
    if keeper::get_account(ctx, payer)?.is_none() {
        return Err(Sdk::UnknownAddress.with(format_args!("fee payer address: {text} does not exist")));
    }
    if !fee.amount.iter().all(|c| amount(c).is_zero()) {
        let coins = Coins::try_from(fee.amount.as_slice()).map_err(|_| {
            Sdk::InsufficientFee.with(format_args!("invalid fee amount: {}", show(&fee.amount)))
        })?;
        ante.ports.pay_fee(ctx, payer, &coins).map_err(wrap)?;
    }
    ctx.emit(Event::new("tx").attr("fee", show(&fee.amount)).attr("fee_payer", text));
    Ok(())
}

/// What the bank refuses is a lack of funds; what stops the transaction or the process stays what it is.
fn wrap(e: TxError) -> TxError {
    if e.fatal || (e.codespace, e.code) == OUT_OF_GAS {
        return e;
    }
    Sdk::InsufficientFunds.with(e.log)
}

/// Checks that the fee reaches `ceil(price * gas)` in one of the denominations that the node takes.
fn check_min_gas_prices(fee: &[pb::Coin], gas: u64, prices: &DecCoins) -> Result<(), TxError> {
    if prices.is_empty() {
        return Ok(());
    }
    let required = prices.iter().map(|price| {
        let amount = price.amount.mul_int(Int::from(gas))?.ceil()?.round_int()?;
        Ok(Coin { denom: price.denom.clone(), amount })
    });
    let required: Vec<Coin> = required.collect::<Result<_, TxError>>()?;
    let reaches = |coin: &pb::Coin| {
        let needed = required.iter().find(|r| r.denom == coin.denom);
        needed.is_some_and(|r| !r.is_zero() && amount(coin) >= r.amount)
    };
    if fee.iter().any(reaches) {
        return Ok(());
    }
    let required: Vec<_> = required.iter().map(ToString::to_string).collect();
    Err(Sdk::InsufficientFee.with(format_args!(
        "insufficient fees; got: {} required: {}",
        show(fee),
        required.join(",")
    )))
}

/// Checks the fee's form: no missing and no negative amounts.
pub(super) fn check_amounts(fee: &[pb::Coin]) -> Result<(), TxError> {
    if fee.iter().any(|c| c.amount.is_empty()) {
        return Err(Sdk::InsufficientFee.with("invalid fee provided: null"));
    }
    if fee.iter().any(|c| amount(c).is_negative()) {
        return Err(Sdk::InsufficientFee.with(format_args!("invalid fee provided: {}", show(fee))));
    }
    Ok(())
}

/// The decoder has made sure that it is a number or empty.
fn amount(coin: &pb::Coin) -> Int {
    coin.amount.parse().unwrap_or(Int::ZERO)
}

/// `10stake,5atoken`, in the order of the transaction.
fn show(coins: &[pb::Coin]) -> String {
    let text: Vec<_> = coins.iter().map(|c| format!("{}{}", amount(c), c.denom)).collect();
    text.join(",")
}
