//! `geod keys list`, `show`, `delete`, `rename`.

use anyhow::bail;
use clap::ValueEnum;
use geodesic_client::address::Kind;
use geodesic_client::keyring::Record;
use geodesic_proto::json;
use serde_json::{Value, json as object};

use crate::context::Context;
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
pub struct ShowArgs {
    /// Names or addresses
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
}

impl ShowArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let keyring = ctx.keyring()?;
        let mut list = Vec::new();
        for name in &self.names {
            list.push(shown(ctx, &keyring.get(name)?, self.bech.into())?);
        }
        for (wanted, field) in [(self.address, "address"), (self.pubkey, "pubkey")] {
            if wanted {
                let fields = list.iter().filter_map(|key| key.get(field)?.as_str());
                return Ok(fields.into_iter().try_for_each(output::line)?);
            }
        }
        // One key is an object in JSON and a list of one in YAML, as with the SDK.
        match (ctx.output, list.len()) {
            (crate::context::Output::Json, 1) => {
                list.iter().try_for_each(|key| output::print(ctx.output, key))?
            }
            _ => output::print(ctx.output, &Value::Array(list))?,
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
            let question =
                format!("Key {} will be deleted; without its words it is lost. Continue?", record.name);
            if !self.yes && !self.force && !output::confirm(&question)? {
                bail!("key {} was not deleted", record.name);
            }
            keyring.delete(&record.name)?;
            eprintln!("Key {} deleted", record.name);
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
    /// Accepted for the sake of scripts: renaming asks nothing
    #[arg(long, short = 'y', hide = true)]
    yes: bool,
}

impl RenameArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        ctx.keyring()?.rename(&self.old, &self.new)?;
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
        "pubkey": json::to_json(&record.public.to_any())?,
    }))
}
