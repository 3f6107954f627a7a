//! Read-only handlers of `cosmos.auth.v1beta1.Query`.

use geodesic_core::{Address, Ctx, QueryError, page};
use geodesic_proto::cosmos::auth::v1beta1::{
    AddressBytesToStringRequest, AddressBytesToStringResponse, AddressStringToBytesRequest,
    AddressStringToBytesResponse, BaseAccount, Bech32PrefixResponse, Params, QueryAccountAddressByIdRequest,
    QueryAccountAddressByIdResponse, QueryAccountInfoRequest, QueryAccountInfoResponse, QueryAccountRequest,
    QueryAccountResponse, QueryAccountsRequest, QueryAccountsResponse, QueryModuleAccountByNameRequest,
    QueryModuleAccountByNameResponse, QueryModuleAccountsResponse, QueryParamsResponse,
};
use geodesic_proto::prost::Message;

use crate::account::Account;
use crate::keeper::{self, module_role};
use crate::keys::{ACCOUNTS, BY_NUMBER, NEXT_NUMBER};
use crate::modules::{MODULE_ACCOUNTS, module_address};

/// Answers `/cosmos.auth.v1beta1.Query/<method>`.
///
/// # Errors
/// [`QueryError::Unimplemented`] for a method that is not there; those of the handlers.
pub fn query(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    let method = path.rsplit('/').next().unwrap_or_default();
    Ok(match method {
        "Accounts" => accounts(ctx, &decode(request)?)?.encode_to_vec(),
        "Account" => account(ctx, &decode(request)?)?.encode_to_vec(),
        "AccountAddressByID" => account_address_by_id(ctx, decode(request)?)?.encode_to_vec(),
        "AccountInfo" => account_info(ctx, decode(request)?)?.encode_to_vec(),
        "Params" => QueryParamsResponse { params: Some(params(ctx)?) }.encode_to_vec(),
        "ModuleAccounts" => module_accounts(ctx)?.encode_to_vec(),
        "ModuleAccountByName" => module_account_by_name(ctx, &decode(request)?)?.encode_to_vec(),
        "Bech32Prefix" => Bech32PrefixResponse { bech32_prefix: ctx.block.prefix.clone() }.encode_to_vec(),
        "AddressBytesToString" => address_bytes_to_string(ctx, decode(request)?)?.encode_to_vec(),
        "AddressStringToBytes" => address_string_to_bytes(ctx, &decode(request)?)?.encode_to_vec(),
        _ => return Err(QueryError::Unimplemented(format!("unknown query path {path}"))),
    })
}

fn decode<T: Message + Default>(request: &[u8]) -> Result<T, QueryError> {
    T::decode(request).map_err(|e| QueryError::InvalidArgument(e.to_string()))
}

fn address(ctx: &Ctx, text: &str) -> Result<Address, QueryError> {
    ctx.account(text).map_err(|e| QueryError::InvalidArgument(e.to_string()))
}

fn existing(ctx: &Ctx, text: &str) -> Result<Account, QueryError> {
    if text.is_empty() {
        return Err(QueryError::InvalidArgument("address cannot be empty".into()));
    }
    keeper::get_account(ctx, &address(ctx, text)?)?
        .ok_or_else(|| QueryError::NotFound(format!("account {text} not found")))
}

fn accounts(ctx: &Ctx, request: &QueryAccountsRequest) -> Result<QueryAccountsResponse, QueryError> {
    let (accounts, pagination) =
        page::paginate(ctx, &ACCOUNTS, &(), request.pagination.as_ref(), |_, account: Account| {
            Ok(Some(account.to_any()))
        })?;
    Ok(QueryAccountsResponse { accounts, pagination: Some(pagination) })
}

fn account(ctx: &Ctx, request: &QueryAccountRequest) -> Result<QueryAccountResponse, QueryError> {
    Ok(QueryAccountResponse { account: Some(existing(ctx, &request.address)?.to_any()) })
}

fn account_info(ctx: &Ctx, request: QueryAccountInfoRequest) -> Result<QueryAccountInfoResponse, QueryError> {
    let base = existing(ctx, &request.address)?.to_base();
    Ok(QueryAccountInfoResponse { info: Some(BaseAccount { address: request.address, ..base }) })
}

fn account_address_by_id(
    ctx: &Ctx,
    request: QueryAccountAddressByIdRequest,
) -> Result<QueryAccountAddressByIdResponse, QueryError> {
    #[allow(deprecated)] // the SDK refuses it with this hint
    if request.id != 0 {
        let text = "requesting with id isn't supported, try to request using account-id";
        return Err(QueryError::InvalidArgument(text.into()));
    }
    let number = request.account_id;
    let address = BY_NUMBER.get(ctx, &number)?.ok_or_else(|| {
        QueryError::NotFound(format!("account address not found with account number {number}"))
    })?;
    Ok(QueryAccountAddressByIdResponse { account_address: ctx.account_text(&address) })
}

fn params(ctx: &Ctx) -> Result<Params, QueryError> {
    Ok(keeper::params(ctx)?)
}

/// All module accounts by name; one that was not used yet is shown as it would be created now.
fn module_accounts(ctx: &Ctx) -> Result<QueryModuleAccountsResponse, QueryError> {
    let mut next = NEXT_NUMBER.get(ctx)?.unwrap_or(0);
    let mut accounts = Vec::with_capacity(MODULE_ACCOUNTS.len());
    for (name, _) in MODULE_ACCOUNTS {
        accounts.push(module_account(ctx, name, &mut next)?.to_any());
    }
    Ok(QueryModuleAccountsResponse { accounts })
}

fn module_account_by_name(
    ctx: &Ctx,
    request: &QueryModuleAccountByNameRequest,
) -> Result<QueryModuleAccountByNameResponse, QueryError> {
    let name = request.name.as_str();
    if name.is_empty() {
        return Err(QueryError::InvalidArgument("module name is empty".into()));
    }
    if !MODULE_ACCOUNTS.iter().any(|(n, _)| *n == name) {
        return Err(QueryError::NotFound(format!("account {name} not found")));
    }
    let mut next = NEXT_NUMBER.get(ctx)?.unwrap_or(0);
    Ok(QueryModuleAccountByNameResponse { account: Some(module_account(ctx, name, &mut next)?.to_any()) })
}

fn module_account(ctx: &Ctx, name: &str, next: &mut u64) -> Result<Account, QueryError> {
    let address = module_address(name);
    let mut account = match keeper::get_account(ctx, &address)? {
        Some(account) if account.module.is_some() => return Ok(account),
        Some(account) => account,
        None => {
            let account = Account::new(&address, &ctx.block.prefix, *next);
            *next = next.saturating_add(1);
            account
        }
    };
    account.module = Some(module_role(name)?);
    Ok(account)
}

fn address_bytes_to_string(
    ctx: &Ctx,
    request: AddressBytesToStringRequest,
) -> Result<AddressBytesToStringResponse, QueryError> {
    let address =
        Address::try_new(request.address_bytes).map_err(|e| QueryError::InvalidArgument(e.to_string()))?;
    Ok(AddressBytesToStringResponse { address_string: ctx.account_text(&address) })
}

fn address_string_to_bytes(
    ctx: &Ctx,
    request: &AddressStringToBytesRequest,
) -> Result<AddressStringToBytesResponse, QueryError> {
    let address = address(ctx, &request.address_string)?;
    Ok(AddressStringToBytesResponse { address_bytes: address.as_bytes().to_vec() })
}
