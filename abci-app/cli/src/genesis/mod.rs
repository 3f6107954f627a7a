//! `geod genesis`: accounts, validators and parameters of a chain that has not begun.

mod account;
mod check;
mod collect;
pub mod doc;
mod gentx;
mod params;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::context::Context;
use crate::home::Home;
use crate::init::PowerSource;
use doc::GenesisDoc;

/// Commands on `config/genesis.json`.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  geod genesis add-genesis-account alice 1000000000ugeo
  geod genesis gentx alice 500000000ugeo
  geod genesis collect-gentxs
  geod genesis validate")]
pub enum Command {
    /// Give an account coins
    AddGenesisAccount(account::AddArgs),
    /// Sign the transaction that makes this node a validator
    Gentx(Box<gentx::GentxArgs>),
    /// Put the signed transactions of all validators into the genesis
    CollectGentxs(collect::CollectArgs),
    /// Execute the genesis as a chain would, and say what is wrong with it
    #[command(visible_alias = "validate-genesis")]
    Validate(ValidateArgs),
    /// Set parameters
    Set(SetArgs),
    /// Turn a genesis that the Cosmos SDK wrote into the form that CometBFT reads
    Convert,
}

/// Arguments of `genesis validate`.
#[derive(Args, Debug)]
pub struct ValidateArgs {
    /// The file, if not the home's
    file: Option<PathBuf>,
}

/// Arguments of `genesis set`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod genesis set epochs.params.epoch_length 36
  geod genesis set staking.params.unbonding_time 600s
  geod genesis set --power-source compute
  geod genesis set pow.shape '{\"name\": \"local\", \"judge_blocks\": \"1\"}'
  geod genesis set consensus_params.block.max_gas 50000000")]
pub struct SetArgs {
    /// Pairs of a path in app_state and its value: JSON, else text
    #[arg(value_name = "PATH VALUE")]
    pairs: Vec<String>,
    /// What gives validators their power; sets the height of vote extensions too
    #[arg(long, value_enum)]
    power_source: Option<PowerSource>,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// No genesis, or what the command says.
    pub fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let home = Home::new(&ctx.home)?;
        match self {
            Self::AddGenesisAccount(args) => edit(&home, |doc| account::add(args, ctx, doc)),
            Self::Gentx(args) => gentx::run(args, ctx, &home),
            Self::CollectGentxs(args) => edit(&home, |doc| collect::run(args, &home, doc)),
            Self::Validate(args) => validate(args.file.as_deref().unwrap_or(&home.genesis())),
            Self::Set(args) => edit(&home, |doc| set(args, doc)),
            Self::Convert => edit(&home, |doc| {
                let done = if doc.convert() { "converted" } else { "is CometBFT's form already" };
                println!("{} {done}", home.genesis().display());
                Ok(())
            }),
        }
    }
}

fn edit(home: &Home, change: impl FnOnce(&mut GenesisDoc) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let path = home.genesis();
    let mut doc = GenesisDoc::load(&path)?;
    change(&mut doc)?;
    doc.save(&path)
}

fn validate(path: &Path) -> anyhow::Result<()> {
    let validators = check::execute(&GenesisDoc::load(path)?).with_context(|| path.display().to_string())?;
    println!("File at {} is a valid genesis file, with {validators} validators", path.display());
    Ok(())
}

fn set(args: &SetArgs, doc: &mut GenesisDoc) -> anyhow::Result<()> {
    if args.pairs.is_empty() && args.power_source.is_none() {
        bail!("nothing to set: give PATH VALUE, or --power-source");
    }
    if let Some(source) = args.power_source {
        doc.set_power_source(source)?;
    }
    let (pairs, rest) = args.pairs.as_chunks::<2>();
    if let Some(path) = rest.first() {
        bail!("no value for {path:?}");
    }
    for [path, text] in pairs {
        let value = match doc.get(path) {
            // 64-bit numbers are text in this JSON; so is every parameter that already is.
            Some(Value::String(_)) => Value::String(text.clone()),
            _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        };
        doc.set(path, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc() -> GenesisDoc {
        GenesisDoc::new("test-1", 1, "ugeo", PowerSource::Compute).unwrap()
    }

    fn set_args(pairs: &[&str]) -> SetArgs {
        SetArgs { pairs: pairs.iter().map(|&s| s.to_owned()).collect(), power_source: None }
    }

    #[test]
    fn parameters_are_set_in_their_own_kind() {
        let mut doc = doc();
        let pairs = ["epochs.params.epoch_length", "42", "pow.params.committee_size", "4"];
        set(&set_args(&pairs), &mut doc).unwrap();
        assert_eq!(doc.get("epochs.params.epoch_length"), Some(&Value::from("42")));
        assert_eq!(doc.get("pow.params.committee_size"), Some(&Value::from(4)));
        set(&set_args(&["consensus_params.block.max_gas", "1000"]), &mut doc).unwrap();
        assert_eq!(doc.field("consensus_params").unwrap()["block"]["max_gas"], Value::from("1000"));
        for bad in [&["epochs.x.y", "1"][..], &["nothing.params", "1"], &["epochs.params.epoch_length"], &[]]
        {
            assert!(set(&set_args(bad), &mut doc).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn vote_extensions_follow_the_power_source() {
        let mut doc = doc();
        let height = |doc: &GenesisDoc| {
            doc.field("consensus_params").unwrap()["abci"]["vote_extensions_enable_height"].clone()
        };
        assert_eq!((height(&doc), doc.get("staking.power_source")), ("1".into(), Some(&"compute".into())));
        doc.set_power_source(PowerSource::Stake).unwrap();
        assert_eq!((height(&doc), doc.get("staking.power_source")), ("0".into(), Some(&"stake".into())));
        let late = GenesisDoc::new("test-1", 50, "ugeo", PowerSource::Compute).unwrap();
        assert_eq!(height(&late), Value::from("50"));
    }

    #[test]
    fn the_denomination_reaches_every_module() {
        let doc = GenesisDoc::new("test-1", 1, "ufoo", PowerSource::Compute).unwrap();
        assert_eq!(doc.get("staking.params.bond_denom"), Some(&"ufoo".into()));
        assert_eq!(doc.get("rewards.params.denom"), Some(&"ufoo".into()));
        let text = serde_json::to_string(doc.app_state().unwrap()).unwrap();
        assert!(!text.contains("ugeo") && !text.contains("\"stake\","), "{text}");
    }

    #[test]
    fn the_sdks_form_is_converted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("genesis.json");
        let text = r#"{"app_name": "simd", "genesis_time": "2024-01-01T00:00:00Z", "chain_id": "c-1", "initial_height": 1,
            "app_hash": null, "app_state": {"bank": {}},
            "consensus": {"validators": null, "params": {"block": {"max_bytes": "1", "max_gas": "-1"}}}}"#;
        std::fs::write(&path, text).unwrap();
        let mut doc = GenesisDoc::load(&path).unwrap();
        assert!(doc.convert());
        assert!(!doc.convert(), "once is enough");
        assert_eq!(doc.field("initial_height"), Some(&"1".into()));
        assert_eq!(doc.field("app_hash"), Some(&"".into()));
        assert_eq!(doc.field("consensus_params").unwrap()["block"]["max_bytes"], Value::from("1"));
        assert!(doc.field("consensus").is_none() && doc.field("validators").is_none());
    }
}
