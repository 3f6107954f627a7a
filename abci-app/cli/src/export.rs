//! `geod export`: the state of a height as a genesis.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use geodesic_app::abci::Fatal;
use geodesic_app::export::{ExportOptions, export};
use geodesic_app::{App, AppConfig};

use crate::context::Context;
use crate::genesis::doc::GenesisDoc;
use crate::home::Home;

/// Arguments of `geod export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod export --output-document genesis.json
  geod export --height 1000 > genesis.json
  geod export --for-zero-height --jail-allowed-addrs geovaloper1...,geovaloper1...

The node must not run. The new chain begins at the height after the state's, at the state's time; its genesis is
CometBFT's form: copy it to config/genesis.json of a new home. Heights that are pruned cannot be exported.")]
pub struct ExportArgs {
    /// Height of the state; -1 is the last
    #[arg(long, default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    height: i64,
    /// Let the new chain begin at its first height; only if stake gives power
    #[arg(long)]
    for_zero_height: bool,
    /// Operators that stay as they are while all others are jailed
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    jail_allowed_addrs: Vec<String>,
    /// Modules to export; all if none is named
    #[arg(long, value_name = "MODULES", value_delimiter = ',')]
    modules_to_export: Vec<String>,
    /// Where it is written, if not to standard output
    #[arg(long, value_name = "FILE")]
    output_document: Option<PathBuf>,
}

/// Writes the genesis; the home stays as it is.
///
/// # Errors
/// A running node, a home without state, a height that is not kept, or an unknown module or operator.
pub fn run(args: &ExportArgs, ctx: &Context) -> anyhow::Result<()> {
    let database = Home::new(&ctx.home)?.idle_database()?;
    let app = App::open(AppConfig::new(database), Fatal::default(), None).map_err(anyhow::Error::msg)?;
    let options = ExportOptions {
        height: u64::try_from(args.height).unwrap_or(0),
        for_zero_height: args.for_zero_height,
        jail_allowed: args.jail_allowed_addrs.clone(),
        modules: args.modules_to_export.clone(),
    };
    let exported = export(&app.query_env(), &options).map_err(anyhow::Error::msg)?;
    let doc = GenesisDoc::exported(&exported)?;
    match &args.output_document {
        Some(path) => doc.save(path),
        None => writeln!(std::io::stdout(), "{}", doc.to_line()?).context("cannot write the genesis"),
    }
}
