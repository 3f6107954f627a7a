//! `geod genesis add-genesis-account`.

use anyhow::{Context as _, bail};
use clap::Args;
use geodesic_client::address::Kind;
use geodesic_client::coins;
use serde_json::{Map, Value, json};

use super::doc::GenesisDoc;
use crate::context::Context;

/// Arguments of `genesis add-genesis-account`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod genesis add-genesis-account validator 1000000000ugeo
  geod genesis add-genesis-account geo1... 5ugeo,7uother --append")]
pub struct AddArgs {
    /// Address, or name of a key in the keyring
    #[arg(value_name = "ADDRESS|KEY")]
    account: String,
    /// Coins, separated by commas
    coins: String,
    /// Add to what the account has already
    #[arg(long)]
    append: bool,
}

/// The address that a text is, or that a key of that name has.
pub(super) fn resolve(ctx: &Context, account: &str) -> anyhow::Result<String> {
    if Kind::Account.decode(&ctx.prefix, account).is_ok() {
        return Ok(account.to_owned());
    }
    let key = ctx.keyring()?.get(account);
    let key =
        key.with_context(|| format!("{account:?} is neither an address {}1... nor a key", ctx.prefix))?;
    Ok(Kind::Account.encode(&ctx.prefix, &key.address())?)
}

pub(super) fn add(args: &AddArgs, ctx: &Context, doc: &mut GenesisDoc) -> anyhow::Result<()> {
    let address = resolve(ctx, &args.account)?;
    let coins = coins::parse_coins(&args.coins)?;
    if coins.is_empty() {
        bail!("no coins in {:?}", args.coins);
    }
    let is_account = |entry: &Value| {
        let base = entry.get("base_account").unwrap_or(entry);
        base.get("address").and_then(Value::as_str) == Some(address.as_str())
    };
    let known = doc.list_mut("auth.accounts")?.iter().any(is_account);
    if known && !args.append {
        bail!("account {address} is in the genesis already; --append adds to its coins");
    }
    if !known {
        doc.list_mut("auth.accounts")?.push(json!({
            "@type": "/cosmos.auth.v1beta1.BaseAccount",
            "address": address, "pub_key": null, "account_number": "0", "sequence": "0",
        }));
    }
    let balances = doc.list_mut("bank.balances")?;
    if !balances.iter().any(is_account) {
        balances.push(json!({ "address": address, "coins": [] }));
    }
    let balance = balances.iter_mut().find(|entry| is_account(entry)).and_then(|b| b.get_mut("coins"));
    let balance =
        balance.and_then(Value::as_array_mut).context("bank.balances has an entry without coins")?;
    for coin in &coins {
        add_coin(balance, &coin.denom, &coin.amount)?;
    }
    let supply = doc.list_mut("bank.supply")?;
    for coin in &coins {
        add_coin(supply, &coin.denom, &coin.amount)?;
    }
    Ok(())
}

/// Adds an amount to a list of coins, which stays in order of denomination.
fn add_coin(list: &mut Vec<Value>, denom: &str, amount: &str) -> anyhow::Result<()> {
    let number =
        |text: &str| text.parse::<u128>().with_context(|| format!("amount {text:?} is not below 2^128"));
    let of = |coin: &Value| coin.get("denom").and_then(Value::as_str).unwrap_or_default().to_owned();
    match list.iter_mut().find(|coin| of(coin) == denom).and_then(Value::as_object_mut) {
        Some(coin) => {
            let before = number(coin.get("amount").and_then(Value::as_str).unwrap_or_default())?;
            let sum = before.checked_add(number(amount)?).with_context(|| format!("too much {denom}"))?;
            coin.insert("amount".to_owned(), sum.to_string().into());
        }
        None => {
            number(amount)?;
            let coin = [("denom".to_owned(), denom.into()), ("amount".to_owned(), amount.into())];
            list.push(Value::Object(Map::from_iter(coin)));
            list.sort_by_key(of);
        }
    }
    Ok(())
}

/// What an address has of a denomination in a genesis.
pub(super) fn balance(doc: &GenesisDoc, address: &str, denom: &str) -> Option<u128> {
    let balances = doc.get("bank.balances")?.as_array()?;
    let entry = balances.iter().find(|b| b.get("address").and_then(Value::as_str) == Some(address))?;
    let coin = entry
        .get("coins")?
        .as_array()?
        .iter()
        .find(|c| c.get("denom").and_then(Value::as_str) == Some(denom));
    coin.map_or(Some(0), |coin| coin.get("amount")?.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context;
    use crate::init::PowerSource;

    fn add_to(doc: &mut GenesisDoc, account: &str, coins: &str, append: bool) -> anyhow::Result<()> {
        let args = context::Args { home: Some("/nonexistent".into()), ..context::Args::default() };
        let ctx = Context::resolve_with(&args, |_| None).unwrap();
        add(&AddArgs { account: account.to_owned(), coins: coins.to_owned(), append }, &ctx, doc)
    }

    #[test]
    fn accounts_balances_and_supply_stay_together() {
        let mut doc = GenesisDoc::new("test-1", 1, "ugeo", PowerSource::Compute).unwrap();
        let [a, b] = [[1; 20], [2; 20]].map(|bytes: [u8; 20]| Kind::Account.encode("geo", &bytes).unwrap());
        add_to(&mut doc, &a, "7ugeo,5abc", false).unwrap();
        add_to(&mut doc, &b, "1ugeo", false).unwrap();
        assert!(add_to(&mut doc, &a, "1ugeo", false).is_err(), "twice");
        add_to(&mut doc, &a, "3ugeo", true).unwrap();

        assert_eq!(doc.get("auth.accounts").unwrap().as_array().unwrap().len(), 2);
        assert_eq!((balance(&doc, &a, "ugeo"), balance(&doc, &a, "abc")), (Some(10), Some(5)));
        assert_eq!((balance(&doc, &b, "abc"), balance(&doc, "geo1other", "ugeo")), (Some(0), None));
        let supply = doc.get("bank.supply").unwrap().to_string();
        assert_eq!(supply, r#"[{"denom":"abc","amount":"5"},{"denom":"ugeo","amount":"11"}]"#);

        for (account, coins) in
            [("cosmos1qqqq", "1ugeo"), (&a, ""), (&a, "0ugeo"), (&a, "1.5ugeo"), (&a, "-1ugeo")]
        {
            assert!(add_to(&mut doc, account, coins, true).is_err(), "{account} {coins}");
        }
        let most = format!("{}ugeo", u128::MAX);
        assert!(add_to(&mut doc, &b, &most, true).is_err(), "overflow");
    }
}
