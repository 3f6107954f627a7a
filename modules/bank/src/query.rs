//! Queries, as the SDK's (`x/bank/keeper/grpc_query.go`).

use geodesic_core::coin::validate_denom;
use geodesic_core::item::LenAddress;
use geodesic_core::module::{answer, unknown_method};
use geodesic_core::page::paginate;
use geodesic_core::{Address, Coin, Ctx, Int, QueryError};
use geodesic_proto::cosmos::bank::v1beta1 as pb;
use geodesic_proto::cosmos::base::v1beta1::Coin as PbCoin;

use crate::keeper::{balance, spendable, supply};
use crate::keys::{BALANCE, Denom, METADATA, OWNER, PARAMS, SEND_ENABLED, SUPPLY};
use crate::ports::Ports;

/// Answers `/cosmos.bank.v1beta1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, ports: &dyn Ports, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next() {
        Some("Balance") => answer(request, |r: pb::QueryBalanceRequest| {
            denom(&r.denom)?;
            let amount = balance(ctx, &address(ctx, &r.address)?, &r.denom)?;
            Ok(pb::QueryBalanceResponse { balance: Some(coin(r.denom, amount)) })
        }),
        Some("AllBalances") => answer(request, |r| all_balances(ctx, &r)),
        Some("SpendableBalances") => answer(request, |r| spendable_balances(ctx, ports, &r)),
        Some("SpendableBalanceByDenom") => answer(request, |r: pb::QuerySpendableBalanceByDenomRequest| {
            let owner = address(ctx, &r.address)?;
            denom(&r.denom)?;
            let locked = ports.locked_coins(ctx, &owner)?.amount_of(&r.denom);
            let amount = balance(ctx, &owner, &r.denom)?.checked_sub(locked)?.max(Int::ZERO);
            Ok(pb::QuerySpendableBalanceByDenomResponse { balance: Some(coin(r.denom, amount)) })
        }),
        Some("TotalSupply") => answer(request, |r: pb::QueryTotalSupplyRequest| {
            let (supply, page) =
                paginate(ctx, &SUPPLY, &(), r.pagination.as_ref(), |d, a| Ok(Some(coin(d, a))))?;
            Ok(pb::QueryTotalSupplyResponse { supply, pagination: Some(page) })
        }),
        Some("SupplyOf") => answer(request, |r: pb::QuerySupplyOfRequest| {
            denom(&r.denom)?;
            let amount = supply(ctx, &r.denom)?;
            Ok(pb::QuerySupplyOfResponse { amount: Some(coin(r.denom, amount)) })
        }),
        Some("Params") => answer(request, |_: pb::QueryParamsRequest| {
            Ok(pb::QueryParamsResponse { params: Some(PARAMS.get(ctx)?.unwrap_or_default()) })
        }),
        Some("DenomsMetadata") => answer(request, |r: pb::QueryDenomsMetadataRequest| {
            let (metadatas, page) = paginate(ctx, &METADATA, &(), r.pagination.as_ref(), |_, m| Ok(Some(m)))?;
            Ok(pb::QueryDenomsMetadataResponse { metadatas, pagination: Some(page) })
        }),
        Some("DenomMetadata") => answer(request, |r: pb::QueryDenomMetadataRequest| {
            Ok(pb::QueryDenomMetadataResponse { metadata: Some(metadata(ctx, &r.denom)?) })
        }),
        Some("DenomMetadataByQueryString") => {
            answer(request, |r: pb::QueryDenomMetadataByQueryStringRequest| {
                Ok(pb::QueryDenomMetadataByQueryStringResponse { metadata: Some(metadata(ctx, &r.denom)?) })
            })
        }
        Some("DenomOwners") => answer(request, |r| denom_owners(ctx, &r)),
        Some("SendEnabled") => answer(request, |r| send_enabled(ctx, r)),
        _ => Err(unknown_method(path)),
    }
}

fn coin(denom: String, amount: Int) -> PbCoin {
    Coin { denom, amount }.into()
}

fn address(ctx: &Ctx, text: &str) -> Result<Address, QueryError> {
    ctx.account(text).map_err(|e| QueryError::InvalidArgument(format!("invalid address {text:?}: {e}")))
}

fn denom(text: &str) -> Result<(), QueryError> {
    validate_denom(text).map_err(|e| QueryError::InvalidArgument(e.to_string()))
}

fn metadata(ctx: &Ctx, name: &str) -> Result<pb::Metadata, QueryError> {
    denom(name)?;
    let found = METADATA.get(ctx, &name.to_owned())?;
    found.ok_or_else(|| QueryError::NotFound(format!("client metadata for denom {name}")))
}

fn all_balances(
    ctx: &Ctx,
    r: &pb::QueryAllBalancesRequest,
) -> Result<pb::QueryAllBalancesResponse, QueryError> {
    let owner = LenAddress(address(ctx, &r.address)?);
    let (balances, page) = paginate(ctx, &BALANCE, &owner, r.pagination.as_ref(), |(_, denom), amount| {
        let shown = match r.resolve_denom {
            true => METADATA.get(ctx, &denom)?.map_or(denom, |m| m.display),
            false => denom,
        };
        Ok(Some(coin(shown, amount)))
    })?;
    Ok(pb::QueryAllBalancesResponse { balances, pagination: Some(page) })
}

fn spendable_balances(
    ctx: &Ctx,
    ports: &dyn Ports,
    r: &pb::QuerySpendableBalancesRequest,
) -> Result<pb::QuerySpendableBalancesResponse, QueryError> {
    let owner = address(ctx, &r.address)?;
    let free = spendable(ctx, ports, &owner)?;
    let (balances, page) =
        paginate(ctx, &BALANCE, &LenAddress(owner), r.pagination.as_ref(), |(_, denom), _| {
            let amount = free.amount_of(&denom);
            Ok(Some(coin(denom, amount)))
        })?;
    Ok(pb::QuerySpendableBalancesResponse { balances, pagination: Some(page) })
}

fn denom_owners(
    ctx: &Ctx,
    r: &pb::QueryDenomOwnersRequest,
) -> Result<pb::QueryDenomOwnersResponse, QueryError> {
    denom(&r.denom)?;
    let part = Denom(r.denom.clone());
    let (denom_owners, page) = paginate(ctx, &OWNER, &part, r.pagination.as_ref(), |(_, owner), ()| {
        let amount = balance(ctx, &owner.0, &r.denom)?;
        let address = ctx.account_text(&owner.0);
        Ok(Some(pb::DenomOwner { address, balance: Some(coin(r.denom.clone(), amount)) }))
    })?;
    Ok(pb::QueryDenomOwnersResponse { denom_owners, pagination: Some(page) })
}

fn send_enabled(
    ctx: &Ctx,
    r: pb::QuerySendEnabledRequest,
) -> Result<pb::QuerySendEnabledResponse, QueryError> {
    if r.denoms.is_empty() {
        let (send_enabled, page) =
            paginate(ctx, &SEND_ENABLED, &(), r.pagination.as_ref(), |denom, enabled| {
                Ok(Some(pb::SendEnabled { denom, enabled }))
            })?;
        return Ok(pb::QuerySendEnabledResponse { send_enabled, pagination: Some(page) });
    }
    let mut send_enabled = Vec::new();
    for denom in r.denoms {
        if let Some(enabled) = SEND_ENABLED.get(ctx, &denom)? {
            send_enabled.push(pb::SendEnabled { denom, enabled });
        }
    }
    Ok(pb::QuerySendEnabledResponse { send_enabled, pagination: None })
}
