//! Genesis and export (`x/bank/keeper/genesis.go`).

use std::collections::BTreeMap;

use geodesic_core::coin::validate_denom;
use geodesic_core::module::{genesis_json, parse_genesis};
use geodesic_core::{Address, Coin, Coins, Ctx, GenesisError, Module as _, StateError};
use geodesic_proto::cosmos::bank::v1beta1 as pb;
use serde_json::value::RawValue;

use crate::Bank;
use crate::keeper::{set_balance, set_supply};
use crate::keys::{BALANCE, METADATA, PARAMS, SEND_ENABLED, SUPPLY};
use crate::metadata;

fn refuse(reason: impl ToString) -> GenesisError {
    GenesisError { module: Bank::NAME, reason: reason.to_string() }
}

pub(crate) fn init(ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError> {
    let state: pb::GenesisState = match state {
        Some(_) => parse_genesis(Bank::NAME, state)?,
        None => default_state(),
    };
    let mut params = state.params.unwrap_or_default();
    // The list stood in the parameters before it had a place of its own, whose entries come first.
    #[allow(deprecated)]
    for list in [std::mem::take(&mut params.send_enabled), state.send_enabled] {
        init_send_enabled(ctx, &list)?;
    }
    PARAMS.set(ctx, &params).map_err(refuse)?;
    let total = init_balances(ctx, &state.balances)?;
    let stated = Coins::try_from(state.supply.as_slice()).map_err(|e| refuse(format!("supply: {e}")))?;
    if !stated.is_empty() && stated != total {
        return Err(refuse(format!("supply is {stated}, but the balances sum to {total}")));
    }
    for coin in &total {
        set_supply(ctx, &coin.denom, coin.amount).map_err(refuse)?;
    }
    for m in &state.denom_metadata {
        metadata::validate(m).map_err(|e| refuse(format!("denom_metadata of {:?}: {e}", m.base)))?;
        if METADATA.get(ctx, &m.base).map_err(refuse)?.is_some() {
            return Err(refuse(format!("denom_metadata: {} stands twice", m.base)));
        }
        METADATA.set(ctx, &m.base, m).map_err(refuse)?;
    }
    Ok(())
}

fn init_send_enabled(ctx: &mut Ctx, list: &[pb::SendEnabled]) -> Result<(), GenesisError> {
    let mut seen = std::collections::BTreeSet::new();
    for entry in list {
        let denom = &entry.denom;
        validate_denom(denom).map_err(|e| refuse(format!("send_enabled: {e}")))?;
        if !seen.insert(denom) {
            return Err(refuse(format!("send_enabled: {denom} stands twice")));
        }
        SEND_ENABLED.set(ctx, denom, &entry.enabled).map_err(refuse)?;
    }
    Ok(())
}

fn init_balances(ctx: &mut Ctx, balances: &[pb::Balance]) -> Result<Coins, GenesisError> {
    let mut sum: BTreeMap<String, geodesic_core::Int> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for entry in balances {
        let at = |e: &dyn std::fmt::Display| refuse(format!("balance of {}: {e}", entry.address));
        let address = ctx.account(&entry.address).map_err(|e| at(&e))?;
        if !seen.insert(address.clone()) {
            return Err(at(&"stands twice"));
        }
        for coin in &Coins::try_from(entry.coins.as_slice()).map_err(|e| at(&e))? {
            set_balance(ctx, &address, &coin.denom, coin.amount).map_err(|e| at(&e))?;
            let total = sum.entry(coin.denom.clone()).or_default();
            *total = total.checked_add(coin.amount).map_err(|e| at(&e))?;
        }
    }
    Coins::try_new(sum.into_iter().map(|(denom, amount)| Coin { denom, amount })).map_err(refuse)
}

pub(crate) fn export(ctx: &Ctx) -> Result<Box<RawValue>, StateError> {
    let mut balances: Vec<pb::Balance> = Vec::new();
    let mut last: Option<Address> = None;
    for entry in BALANCE.prefix(ctx, &())? {
        let ((owner, denom), amount) = entry?;
        if last.as_ref() != Some(&owner.0) {
            balances.push(pb::Balance { address: ctx.account_text(&owner.0), coins: Vec::new() });
            last = Some(owner.0);
        }
        if let Some(balance) = balances.last_mut() {
            balance.coins.push(Coin { denom, amount }.into());
        }
    }
    let mut supply = Vec::new();
    for entry in SUPPLY.prefix(ctx, &())? {
        let (denom, amount) = entry?;
        supply.push(Coin { denom, amount }.into());
    }
    let denom_metadata = METADATA.prefix(ctx, &())?.map(|e| e.map(|(_, m)| m)).collect::<Result<_, _>>()?;
    let mut send_enabled = Vec::new();
    for entry in SEND_ENABLED.prefix(ctx, &())? {
        let (denom, enabled) = entry?;
        send_enabled.push(pb::SendEnabled { denom, enabled });
    }
    let params = Some(PARAMS.get(ctx)?.unwrap_or_default());
    genesis_json(&pb::GenesisState { params, balances, supply, denom_metadata, send_enabled })
}

fn default_state() -> pb::GenesisState {
    let params = pb::Params { default_send_enabled: true, ..Default::default() };
    pb::GenesisState { params: Some(params), ..Default::default() }
}

pub(crate) fn default() -> Box<RawValue> {
    genesis_json(&default_state()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
