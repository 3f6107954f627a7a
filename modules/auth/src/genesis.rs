//! Genesis: read, checked, written, and read back.

use std::collections::BTreeSet;

use geodesic_core::{Ctx, GenesisError, Module, StateError};
use geodesic_proto::cosmos::auth::v1beta1::GenesisState;
use geodesic_proto::json;
use serde_json::value::RawValue;

use crate::account::Account;
use crate::keeper;
use crate::keys::{ACCOUNTS, NEXT_NUMBER, PARAMS};
use crate::modules::AT_GENESIS;
use crate::{Auth, params, unordered};

fn fail(reason: impl std::fmt::Display) -> GenesisError {
    GenesisError { module: Auth::NAME, reason: reason.to_string() }
}

/// The genesis state without accounts.
pub fn default() -> GenesisState {
    GenesisState { params: Some(params::DEFAULT), accounts: Vec::new() }
}

/// Checks parameters and accounts; returns the accounts. `prefix` is the chain's bech32 prefix.
///
/// # Errors
/// [`GenesisError`] names the entry: a parameter that is zero, an account of another type or prefix, one that is there
/// twice, a key or module name that does not fit the address.
pub fn validate(state: &GenesisState, prefix: &str) -> Result<Vec<Account>, GenesisError> {
    params::validate(&state.params.unwrap_or_default()).map_err(|e| fail(format_args!("params: {e}")))?;
    let mut accounts = Vec::with_capacity(state.accounts.len());
    let mut seen = BTreeSet::new();
    for (i, value) in state.accounts.iter().enumerate() {
        let bad = |e| fail(format_args!("accounts[{i}]: {e}"));
        let account = Account::from_any(value).map_err(bad)?;
        account.validate(prefix).map_err(bad)?;
        if !seen.insert(account.address().clone()) {
            return Err(fail(format_args!(
                "accounts[{i}]: duplicate account found in genesis state; address: {}",
                account.address_text()
            )));
        }
        accounts.push(account);
    }
    Ok(accounts)
}

/// Gives every account a number of its own and sorts by it: of accounts with the same number the first keeps it, the
/// others get the lowest unused ones, in ascending order of the number they had (`SanitizeGenesisAccounts`).
pub fn sanitize(accounts: &mut [Account]) {
    let mut used = BTreeSet::new();
    let mut duplicates: Vec<&mut Account> = accounts.iter_mut().filter(|a| !used.insert(a.number)).collect();
    duplicates.sort_by_key(|a| a.number);
    let mut free = 0_u64;
    for account in duplicates {
        while !used.insert(free) {
            free = free.saturating_add(1);
        }
        account.number = free;
    }
    accounts.sort_by_key(|a| a.number);
}

/// Writes parameters, accounts and the account of the fee collector.
///
/// # Errors
/// [`GenesisError`] as [`validate`], or if the JSON is no such state.
pub fn init(ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let state = state.map_or_else(|| Ok(default()), |raw| json::from_long_json(raw.get())).map_err(fail)?;
    let mut accounts = validate(&state, &ctx.block.prefix)?;
    sanitize(&mut accounts);
    PARAMS.set(ctx, &state.params.unwrap_or_default()).map_err(fail)?;
    if let Some(last) = accounts.last() {
        let next = last.number.checked_add(1).ok_or_else(|| fail("account number 18446744073709551615"))?;
        NEXT_NUMBER.set(ctx, &next).map_err(fail)?;
    }
    for account in &accounts {
        keeper::set_account(ctx, account).map_err(fail)?;
    }
    unordered::init(ctx, &accounts).map_err(fail)?;
    for name in AT_GENESIS {
        keeper::get_module_account(ctx, name).map_err(fail)?;
    }
    Ok(())
}

/// Parameters and all accounts, by address.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let mut accounts = Vec::new();
    for entry in ACCOUNTS.prefix(ctx, &())? {
        accounts.push(entry?.1.to_any());
    }
    raw(&GenesisState { params: Some(keeper::params(ctx)?), accounts })
}

/// A genesis state as JSON.
///
/// # Errors
/// [`StateError::Invariant`] if it has no JSON form.
pub fn raw(state: &GenesisState) -> Result<Box<RawValue>, StateError> {
    let text = json::to_long_json(state).map_err(|e| StateError::Invariant(e.to_string()))?;
    RawValue::from_string(text).map_err(|e| StateError::Invariant(e.to_string()))
}
