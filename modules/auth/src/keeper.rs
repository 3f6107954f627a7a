//! Accounts, for other modules and for the checks of transactions.

use geodesic_core::store::PutEntry;
use geodesic_core::{Address, Ctx, Sdk, StateError, TxError};
use geodesic_proto::cosmos::auth::v1beta1::Params;

use crate::account::{Account, ModuleRole};
use crate::keys::{ACCOUNTS, BY_NUMBER, NEXT_NUMBER, PARAMS};
use crate::modules::{module_address, permissions};
use crate::pubkey::PubKey;

/// The parameters; all zero before genesis wrote them.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn params(ctx: &Ctx) -> Result<Params, StateError> {
    Ok(PARAMS.get(ctx)?.unwrap_or_default())
}

/// The account at an address.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn get_account(ctx: &Ctx, address: &Address) -> Result<Option<Account>, StateError> {
    ACCOUNTS.get(ctx, address)
}

/// Whether there is an account at an address.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn has_account(ctx: &Ctx, address: &Address) -> Result<bool, StateError> {
    ACCOUNTS.has(ctx, address)
}

/// Writes an account and its entry in the index by number. Costs what the SDK's indexed map does: the old account is
/// read, its number deleted, the new one looked up and written.
///
/// # Errors
/// [`StateError::Invariant`] if another account has its number; [`StateError`] if gas runs out or the disk fails.
pub fn set_account(ctx: &mut Ctx, account: &Account) -> Result<(), StateError> {
    let address = account.address();
    if let Some(old) = ACCOUNTS.get(ctx, address)? {
        BY_NUMBER.delete(ctx, &old.number)?;
    }
    if BY_NUMBER.has(ctx, &account.number)? {
        let text = account.address_text();
        return Err(StateError::Invariant(format!("account number {} of {text} is taken", account.number)));
    }
    BY_NUMBER.set(ctx, &account.number, address)?;
    ACCOUNTS.set(ctx, address, account)
}

/// Gives the whole index by number to `put`, as it follows from the accounts.
///
/// # Errors
/// [`StateError`] if the disk fails or an account does not decode.
pub fn index(ctx: &Ctx, put: &mut PutEntry<'_>) -> Result<(), StateError> {
    for account in ACCOUNTS.prefix(ctx, &())? {
        let (address, account) = account?;
        put(BY_NUMBER.store(), &BY_NUMBER.entry(&account.number, &address))?;
    }
    Ok(())
}

/// The chain's bech32 prefix, which every account's address has; `None` if there are no accounts.
///
/// # Errors
/// [`StateError`] if the disk fails or an account does not decode.
pub fn prefix(ctx: &Ctx) -> Result<Option<String>, StateError> {
    let Some((_, account)) = ACCOUNTS.prefix(ctx, &())?.next().transpose()? else { return Ok(None) };
    let decoded = geodesic_core::address::decode(account.address_text());
    decoded.map(|(prefix, _)| Some(prefix)).map_err(|e| StateError::Invariant(e.to_string()))
}

/// The next account number, which is used up by this.
///
/// # Errors
/// [`StateError`] if gas runs out, the disk fails or there are no numbers left.
pub fn next_account_number(ctx: &mut Ctx) -> Result<u64, StateError> {
    let number = NEXT_NUMBER.get(ctx)?.unwrap_or(0);
    let next =
        number.checked_add(1).ok_or_else(|| StateError::Invariant("account numbers used up".into()))?;
    NEXT_NUMBER.set(ctx, &next)?;
    Ok(number)
}

/// A new account with the next number; not yet written.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn new_account_with_address(ctx: &mut Ctx, address: &Address) -> Result<Account, StateError> {
    let number = next_account_number(ctx)?;
    Ok(Account::new(address, &ctx.block.prefix, number))
}

/// Creates the account at an address unless there is one, as receiving coins does.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn ensure_account(ctx: &mut Ctx, address: &Address) -> Result<(), StateError> {
    if has_account(ctx, address)? {
        return Ok(());
    }
    let account = new_account_with_address(ctx, address)?;
    set_account(ctx, &account)
}

/// How many transactions the account at an address signed.
///
/// # Errors
/// `sdk` 9 if there is none.
pub fn sequence(ctx: &Ctx, address: &Address) -> Result<u64, TxError> {
    Ok(require_account(ctx, address)?.sequence)
}

/// The key of the account at an address, if it is known.
///
/// # Errors
/// `sdk` 9 if there is no account.
pub fn pub_key(ctx: &Ctx, address: &Address) -> Result<Option<PubKey>, TxError> {
    Ok(require_account(ctx, address)?.pub_key)
}

/// The account at an address.
///
/// # Errors
/// `sdk` 9 if there is none.
pub fn require_account(ctx: &Ctx, address: &Address) -> Result<Account, TxError> {
    get_account(ctx, address)?.ok_or_else(|| {
        Sdk::UnknownAddress.with(format_args!("account {} does not exist", ctx.account_text(address)))
    })
}

/// The account of a module in [`crate::modules::MODULE_ACCOUNTS`], created on first use. A plain account that someone
/// made at this address by sending coins to it becomes the module's.
///
/// # Errors
/// [`StateError::Invariant`] if the table has no such module; [`StateError`] if gas runs out or the disk fails.
pub fn get_module_account(ctx: &mut Ctx, name: &str) -> Result<Account, StateError> {
    let role = module_role(name)?;
    let address = module_address(name);
    let mut account = match get_account(ctx, &address)? {
        Some(account) if account.module.is_some() => return Ok(account),
        Some(account) => account,
        None => new_account_with_address(ctx, &address)?,
    };
    account.module = Some(role);
    set_account(ctx, &account)?;
    Ok(account)
}

/// Name and permissions of a module in the table.
pub(crate) fn module_role(name: &str) -> Result<ModuleRole, StateError> {
    let permissions = permissions(name)
        .ok_or_else(|| StateError::Invariant(format!("there is no module account {name:?}")))?;
    let permissions = permissions.iter().map(|p| (*p).to_owned()).collect();
    Ok(ModuleRole { name: name.to_owned(), permissions })
}
