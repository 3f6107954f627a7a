//! `geod keys list`, `show`, `delete`, `rename`.

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use geodesic_client::account_key::{AccountKey, Group};
use geodesic_client::address::Kind;
use geodesic_client::keyring::Record;
use serde_json::{Value, json as object};

use crate::context::{Context, Output};
use crate::output;

/// What an address stands for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Bech {
    /// An account
    Acc,
    /// The operator of a validator
    Val,
    /// A consensus key
    Cons,
}

impl From<Bech> for Kind {
    fn from(bech: Bech) -> Self {
        match bech {
            Bech::Acc => Self::Account,
            Bech::Val => Self::Validator,
            Bech::Cons => Self::Consensus,
        }
    }
}

#[derive(clap::Args, Debug)]
pub struct ListArgs {
    /// Names only
    #[arg(long, short = 'n')]
    list_names: bool,
}

impl ListArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let records = ctx.keyring()?.list()?;
        if records.is_empty() && ctx.output == Output::Text {
            return Ok(output::line("No records were found in keyring")?);
        }
        if self.list_names {
            let names = records.iter().map(|record| record.name.as_str());
            return Ok(names.into_iter().try_for_each(output::line)?);
        }
        let list =
            records.iter().map(|record| shown(ctx, record, Kind::Account)).collect::<Result<_, _>>()?;
        Ok(output::print(ctx.output, &Value::Array(list))?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod keys show alice -a                               the address alone
  geod keys show alice -p                               the public key alone
  geod keys show alice --bech val                       the address as an operator
  geod keys show k1 k2 k3 --multisig-threshold 2        the group of these keys, without keeping it")]
pub struct ShowArgs {
    /// Name or address; of several the group is shown
    #[arg(required = true, value_name = "NAME_OR_ADDRESS")]
    names: Vec<String>,
    /// The address alone
    #[arg(long, short = 'a')]
    address: bool,
    /// The public key alone
    #[arg(long, short = 'p', conflicts_with = "address")]
    pubkey: bool,
    /// What the address stands for
    #[arg(long, value_enum, default_value_t = Bech::Acc)]
    bech: Bech,
    /// How many of the group must sign
    #[arg(long, value_name = "K", default_value_t = 1)]
    multisig_threshold: u32,
}

impl ShowArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let keyring = ctx.keyring()?;
        let mut records = Vec::new();
        for name in &self.names {
            records
                .push(keyring.get(name).with_context(|| format!("{name} is not a valid name or address"))?);
        }
        let record = match <[Record; 1]>::try_from(records) {
            Ok([record]) => record,
            Err(records) => {
                let keys = records.into_iter().map(|record| record.key).collect();
                let key = AccountKey::Group(Group::new(self.multisig_threshold, keys)?);
                Record { name: "multi".to_owned(), key, local: false }
            }
        };
        let shown = shown(ctx, &record, self.bech.into())?;
        for (wanted, field) in [(self.address, "address"), (self.pubkey, "pubkey")] {
            if let (true, Some(text)) = (wanted, shown.get(field).and_then(Value::as_str)) {
                return Ok(output::line(text)?);
            }
        }
        // One key is an object in JSON and a list of one in YAML, as with the SDK.
        match ctx.output {
            Output::Json => output::print(ctx.output, &shown)?,
            Output::Text => output::print(ctx.output, &Value::Array(vec![shown]))?,
        }
        Ok(())
    }
}

#[derive(clap::Args, Debug)]
pub struct DeleteArgs {
    /// Names or addresses
    #[arg(required = true, value_name = "NAME_OR_ADDRESS")]
    names: Vec<String>,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
    /// Do not ask either
    #[arg(long, short = 'f', hide = true)]
    force: bool,
}

impl DeleteArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let mut keyring = ctx.keyring()?;
        for name in &self.names {
            let record = keyring.get(name)?;
            let question = match record.local {
                true => {
                    format!("Key {} will be deleted; without its words it is lost. Continue?", record.name)
                }
                false => "Key reference will be deleted. Continue?".to_owned(),
            };
            if !self.yes && !self.force && !output::confirm(&question)? {
                bail!("key {} was not deleted", record.name);
            }
            keyring.delete(&record.name)?;
            eprintln!(
                "{}",
                if record.local { "Key deleted forever (uh oh!)" } else { "Public key reference deleted" }
            );
        }
        Ok(())
    }
}

#[derive(clap::Args, Debug)]
pub struct RenameArgs {
    /// Name of the key
    old: String,
    /// Its new name
    new: String,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

impl RenameArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let mut keyring = ctx.keyring()?;
        keyring.get(&self.old)?;
        let question = format!("Key reference will be renamed from {} to {}. Continue?", self.old, self.new);
        if !self.yes && !output::confirm(&question)? {
            bail!("key {} was not renamed", self.old);
        }
        keyring.rename(&self.old, &self.new)?;
        eprintln!("Key was successfully renamed from {} to {}", self.old, self.new);
        Ok(())
    }
}

/// A key as the SDK shows it.
pub(super) fn shown(ctx: &Context, record: &Record, kind: Kind) -> anyhow::Result<Value> {
    Ok(object!({
        "name": record.name,
        "type": record.kind(),
        "address": kind.encode(&ctx.prefix, &record.address())?,
        "pubkey": record.key.to_json()?,
    }))
}

/// Refuses kinds of keys that sign nothing here.
pub(super) fn check_type(kind: &str) -> anyhow::Result<()> {
    if kind == "secp256k1" { Ok(()) } else { bail!("key type {kind:?} is not available; use secp256k1") }
}
