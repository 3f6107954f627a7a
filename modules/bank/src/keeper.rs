//! Moving, minting and burning coins: for the module's messages and, through the wiring, for other modules. Reads and
//! writes come in the SDK's order, because gas counts them.

use geodesic_core::item::LenAddress;
use geodesic_core::store::PutEntry;
use geodesic_core::{Address, Coin, Coins, Ctx, Int, Sdk, StateError};

use crate::errors::Error;
use crate::events;
use crate::keys::{BALANCE, Denom, OWNER, PARAMS, SEND_ENABLED, SUPPLY};
use crate::ports::Ports;

/// What an account has of a denomination.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn balance(ctx: &Ctx, address: &Address, denom: &str) -> Result<Int, StateError> {
    Ok(BALANCE.get(ctx, &(LenAddress(address.clone()), denom.to_owned()))?.unwrap_or(Int::ZERO))
}

/// All that an account has.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn balances(ctx: &Ctx, address: &Address) -> Result<Coins, StateError> {
    let mut coins = Vec::new();
    for entry in BALANCE.prefix(ctx, &LenAddress(address.clone()))? {
        let ((_, denom), amount) = entry?;
        coins.push(Coin { denom, amount });
    }
    Coins::try_new(coins).map_err(|e| StateError::Invariant(e.to_string()))
}

/// All that an account has and may spend.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn spendable(ctx: &Ctx, ports: &dyn Ports, address: &Address) -> Result<Coins, StateError> {
    let total = balances(ctx, address)?;
    let locked = ports.locked_coins(ctx, address)?;
    Ok(total.checked_sub(&locked).unwrap_or_default())
}

/// The supply of a denomination.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn supply(ctx: &Ctx, denom: &str) -> Result<Int, StateError> {
    Ok(SUPPLY.get(ctx, &denom.to_owned())?.unwrap_or(Int::ZERO))
}

/// Moves coins between any two accounts; creates the receiver's. Blocked receivers are the caller's matter.
///
/// # Errors
/// `sdk` 5 if the sender has too little, and those of the state.
pub fn send(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    from: &Address,
    to: &Address,
    amount: &Coins,
) -> Result<(), Error> {
    sub_unlocked(ctx, ports, from, amount)?;
    add(ctx, to, amount)?;
    ports.ensure_account(ctx, to)?;
    let sender = ctx.account_text(from);
    let recipient = ctx.account_text(to);
    ctx.emit(events::transfer(&recipient, &sender, amount));
    ctx.emit(events::message_sender(&sender));
    Ok(())
}

/// Moves coins from an account to a module's.
///
/// # Errors
/// As [`send`].
pub fn send_to_module(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    from: &Address,
    module: &str,
    amount: &Coins,
) -> Result<(), Error> {
    let to = ports.module_account(ctx, module)?;
    send(ctx, ports, from, &to, amount)
}

/// Moves coins from a module's account to another's.
///
/// # Errors
/// `sdk` 4 if the receiver is blocked, else as [`send`].
pub fn send_from_module(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    module: &Address,
    to: &Address,
    amount: &Coins,
) -> Result<(), Error> {
    if ports.is_blocked(to) {
        return Err(not_allowed(&ctx.account_text(to)));
    }
    send(ctx, ports, module, to, amount)
}

/// Moves coins that are delegated, locked ones included, to a module's account.
///
/// # Errors
/// `sdk` 5 if the delegator has too little, 9 if it has no account, and those of the state.
pub fn delegate(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    delegator: &Address,
    module: &str,
    amount: &Coins,
) -> Result<(), Error> {
    let pool = ports.module_account(ctx, module)?;
    require(ctx, ports, &pool, "module account")?;
    for coin in amount {
        let has = balance(ctx, delegator, &coin.denom)?;
        if has < coin.amount {
            let what = format!("failed to delegate; {has}{} is smaller than {amount}", coin.denom);
            return Err(Sdk::InsufficientFunds.with(what).into());
        }
        set_balance(ctx, delegator, &coin.denom, has.checked_sub(coin.amount)?)?;
    }
    require(ctx, ports, delegator, "account")?;
    let spender = ctx.account_text(delegator);
    ctx.emit(events::coin_spent(&spender, amount));
    add(ctx, &pool, amount)
}

/// Moves coins back from a module's account to the delegator.
///
/// # Errors
/// `sdk` 5 if the module has too little, 9 if the delegator has no account, and those of the state.
pub fn undelegate(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    module: &str,
    delegator: &Address,
    amount: &Coins,
) -> Result<(), Error> {
    let pool = ports.module_account(ctx, module)?;
    require(ctx, ports, &pool, "module account")?;
    sub_unlocked(ctx, ports, &pool, amount)?;
    require(ctx, ports, delegator, "account")?;
    add(ctx, delegator, amount)
}

/// Creates coins in a module's account.
///
/// # Errors
/// [`Error::Other`] if the supply passes 256 bits, and those of the state.
pub fn mint(ctx: &mut Ctx, ports: &dyn Ports, module: &str, amount: &Coins) -> Result<(), Error> {
    let account = ports.module_account(ctx, module)?;
    add(ctx, &account, amount)?;
    for coin in amount {
        let supply = supply(ctx, &coin.denom)?.checked_add(coin.amount)?;
        set_supply(ctx, &coin.denom, supply)?;
    }
    let minter = ctx.account_text(&account);
    ctx.emit(events::minted(&minter, amount));
    Ok(())
}

/// Destroys coins of a module's account.
///
/// # Errors
/// `sdk` 5 if the module has too little, and those of the state.
pub fn burn(ctx: &mut Ctx, ports: &dyn Ports, module: &str, amount: &Coins) -> Result<(), Error> {
    let account = ports.module_account(ctx, module)?;
    sub_unlocked(ctx, ports, &account, amount)?;
    for coin in amount {
        let supply = supply(ctx, &coin.denom)?.checked_sub(coin.amount)?;
        set_supply(ctx, &coin.denom, supply)?;
    }
    let burner = ctx.account_text(&account);
    ctx.emit(events::burned(&burner, amount));
    Ok(())
}

pub(crate) fn sub_unlocked(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    address: &Address,
    amount: &Coins,
) -> Result<(), Error> {
    let locked = ports.locked_coins(ctx, address)?;
    for coin in amount {
        let has = balance(ctx, address, &coin.denom)?;
        let free = has.checked_sub(locked.amount_of(&coin.denom))?;
        if free.is_negative() || free < coin.amount {
            let what = format!("spendable balance {free}{} is smaller than {coin}", coin.denom);
            return Err(Sdk::InsufficientFunds.with(what).into());
        }
        set_balance(ctx, address, &coin.denom, has.checked_sub(coin.amount)?)?;
    }
    let spender = ctx.account_text(address);
    ctx.emit(events::coin_spent(&spender, amount));
    Ok(())
}

pub(crate) fn add(ctx: &mut Ctx, address: &Address, amount: &Coins) -> Result<(), Error> {
    for coin in amount {
        let has = balance(ctx, address, &coin.denom)?;
        set_balance(ctx, address, &coin.denom, has.checked_add(coin.amount)?)?;
    }
    let receiver = ctx.account_text(address);
    ctx.emit(events::coin_received(&receiver, amount));
    Ok(())
}

/// Writes a balance and its index entry; a zero balance is deleted.
pub(crate) fn set_balance(
    ctx: &mut Ctx,
    address: &Address,
    denom: &str,
    amount: Int,
) -> Result<(), StateError> {
    let address = LenAddress(address.clone());
    let owner = (Denom(denom.to_owned()), address.clone());
    let key = (address, denom.to_owned());
    if amount.is_zero() {
        OWNER.delete(ctx, &owner)?;
        BALANCE.delete(ctx, &key)
    } else {
        OWNER.set(ctx, &owner, &())?;
        BALANCE.set(ctx, &key, &amount)
    }
}

/// Gives the whole index by denomination to `put`, as it follows from the balances.
///
/// # Errors
/// [`StateError`] if the disk fails or a balance does not decode.
pub fn index(ctx: &Ctx, put: &mut PutEntry<'_>) -> Result<(), StateError> {
    for balance in BALANCE.prefix(ctx, &())? {
        let ((address, denom), _) = balance?;
        put(OWNER.store(), &OWNER.entry(&(Denom(denom), address), &()))?;
    }
    Ok(())
}

pub(crate) fn set_supply(ctx: &mut Ctx, denom: &str, amount: Int) -> Result<(), StateError> {
    if amount.is_zero() {
        SUPPLY.delete(ctx, &denom.to_owned())
    } else {
        SUPPLY.set(ctx, &denom.to_owned(), &amount)
    }
}

/// Refuses if a coin's denomination may not be sent.
pub(crate) fn check_send_enabled(ctx: &Ctx, amount: &Coins) -> Result<(), Error> {
    if amount.is_empty() {
        return Ok(());
    }
    let default = PARAMS.get(ctx)?.unwrap_or_default().default_send_enabled;
    for coin in amount {
        // The SDK asks whether there is an entry before it reads it, and pays for both.
        let entry = SEND_ENABLED.has(ctx, &coin.denom)?;
        let own = if entry { SEND_ENABLED.get(ctx, &coin.denom)? } else { None };
        if !own.unwrap_or(default) {
            return Err(Error::SendDisabled(coin.denom.clone()));
        }
    }
    Ok(())
}

pub(crate) fn not_allowed(text: &str) -> Error {
    Sdk::Unauthorized.with(format_args!("{text} is not allowed to receive funds")).into()
}

fn require(ctx: &Ctx, ports: &dyn Ports, address: &Address, what: &str) -> Result<(), Error> {
    if ports.account_is_there(ctx, address)? {
        return Ok(());
    }
    let text = ctx.account_text(address);
    Err(Sdk::UnknownAddress.with(format_args!("{what} {text} does not exist")).into())
}
