//! What must hold after every block, read from an export of the state.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use geodesic_app::{App, router};
use geodesic_core::address::module_address;
use geodesic_proto::geodesic::staking::v1::{QueryValidatorSetRequest, QueryValidatorSetResponse};
use serde_json::Value;

use super::keys::PREFIX;
use super::net::{DENOM, Net};

/// The whole state as JSON, by module.
///
/// # Errors
/// The application cannot export.
pub fn exported(net: &Net) -> Result<Value> {
    state_of(net.app(0)?)
}

pub(crate) fn state_of(app: &App) -> Result<Value> {
    let env = app.query_env();
    let ctx = env.ctx(0).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    let state = router::export_genesis(&ctx).map_err(|e| anyhow::anyhow!("{e}"))?;
    let modules = state.iter().map(|(name, raw)| Ok((name.clone(), serde_json::from_str(raw.get())?)));
    Ok(Value::Object(modules.collect::<Result<_>>()?))
}

fn list<'a>(state: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    state.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn number(value: &Value, path: &str) -> Result<i128> {
    let text = value.pointer(path).and_then(Value::as_str);
    text.with_context(|| format!("no {path} in {value}"))?
        .parse()
        .with_context(|| format!("{path} in {value}"))
}

/// Coins: balances make up the supply, which is genesis + minted - burned; the pools hold the validators' tokens and what
/// unbonds, the rewards' account what is unclaimed, pow's account at least the deposits. Power: the chain's set of the
/// height after the next is CometBFT's.
///
/// # Errors
/// What does not hold.
pub fn check(net: &Net) -> Result<()> {
    let state = exported(net)?;
    let balances = balances(&state)?;
    let mut sums = BTreeMap::<String, i128>::new();
    for ((_, denom), amount) in &balances {
        *sums.entry(denom.clone()).or_default() += amount;
    }
    let mut supply = BTreeMap::new();
    for coin in list(&state, "/bank/supply") {
        let denom = coin.get("denom").and_then(Value::as_str).unwrap_or_default();
        supply.insert(denom.to_owned(), number(coin, "/amount")?);
    }
    ensure!(sums == supply, "balances sum to {sums:?}, the supply is {supply:?}");
    ensure!(net.supply == supply, "genesis + minted - burned is {:?}, the supply is {supply:?}", net.supply);

    let of = |name: &str| {
        let address = module_address(name).to_bech32(PREFIX);
        balances.get(&(address, DENOM.to_owned())).copied().unwrap_or_default()
    };
    let (mut bonded, mut not_bonded) = (0, 0);
    for v in list(&state, "/staking/validators") {
        let is_bonded = v.get("status").and_then(Value::as_str) == Some("BOND_STATUS_BONDED");
        *if is_bonded { &mut bonded } else { &mut not_bonded } += number(v, "/tokens")?;
    }
    for entry in list(&state, "/staking/unbonding_delegations").flat_map(|u| list(u, "/entries")) {
        not_bonded += number(entry, "/balance")?;
    }
    for (name, want) in [("bonded_tokens_pool", bonded), ("not_bonded_tokens_pool", not_bonded)] {
        ensure!(of(name) == want, "{name} holds {}, staking has {want}", of(name));
    }
    let mut unclaimed = 0;
    for share in list(&state, "/rewards/shares").filter(|s| number(s, "/claimed_at").unwrap_or(0) == 0) {
        unclaimed += number(share, "/amount")?;
    }
    ensure!(of("rewards") == unclaimed, "rewards holds {}, unclaimed are {unclaimed}", of("rewards"));
    let mut deposits = 0;
    for p in list(&state, "/pow/participants").filter(|p| p.get("deposit").is_some_and(|d| !d.is_null())) {
        deposits += number(p, "/deposit/amount")?;
    }
    ensure!(of("pow") >= deposits, "pow holds {}, the deposits are {deposits}", of("pow"));
    check_sets(net)
}

fn balances(state: &Value) -> Result<BTreeMap<(String, String), i128>> {
    let mut all = BTreeMap::new();
    for balance in list(state, "/bank/balances") {
        let address = balance.get("address").and_then(Value::as_str).unwrap_or_default();
        for coin in list(balance, "/coins") {
            let denom = coin.get("denom").and_then(Value::as_str).unwrap_or_default();
            all.insert((address.to_owned(), denom.to_owned()), number(coin, "/amount")?);
        }
    }
    Ok(all)
}

/// The chain knows who signs: at the last height, the next and the one after.
fn check_sets(net: &Net) -> Result<()> {
    for height in net.height()..=net.height() + 2 {
        let request = QueryValidatorSetRequest { height: height.unsigned_abs() };
        let reply: QueryValidatorSetResponse =
            net.query("/geodesic.staking.v1.Query/ValidatorSet", &request)?;
        let ours: BTreeMap<Vec<u8>, i64> = reply
            .members
            .into_iter()
            .map(|m| Ok((m.pub_key, i64::try_from(m.power)?)))
            .collect::<Result<_>>()?;
        let theirs = net.set(height)?.iter().map(|m| (m.pub_key.to_vec(), m.power)).collect();
        ensure!(ours == theirs, "set of height {height}: the chain has {ours:?}, CometBFT {theirs:?}");
    }
    Ok(())
}
