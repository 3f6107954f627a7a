//! `geod init`: a home with its keys, configuration and the default genesis.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use geodesic_client::vrf::VrfKey;
use geodesic_client::{coins, key, prompt};
use serde_json::{Value, json};
use toml_edit::DocumentMut;

use crate::context::Context;
use crate::genesis::doc::GenesisDoc;
use crate::home::{self, Home};
use crate::{comet_keys, toml_file};

/// Base denomination of our own networks.
pub const DENOM: &str = "ugeo";
/// Chain id of a network on one machine.
pub const LOCAL_CHAIN_ID: &str = "geodesic-local-1";

/// `app.toml` as it is written.
pub const APP_TOML: &str = include_str!("templates/app.toml");
pub(crate) const CONFIG_TOML: &str = include_str!("templates/config.toml");
pub(crate) const CLIENT_TOML: &str = include_str!("templates/client.toml");

/// What gives a validator its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PowerSource {
    /// The delegated coins, as in the Cosmos SDK.
    Stake,
    /// Proven compute, limited by the delegated coins.
    Compute,
}

/// Creates keys, configuration and a default genesis in the home folder.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod init mynode --chain-id geodesic-local-1
  geod init mynode --home /var/lib/geod --overwrite

Keys that are there already are kept. Nothing is overwritten without --overwrite, and then only the configuration
and the genesis.")]
pub struct InitArgs {
    /// Name of the node, for people
    moniker: String,
    /// Write configuration and genesis anew; keys stay
    #[arg(long)]
    overwrite: bool,
    /// Denomination of the genesis
    #[arg(long, default_value = DENOM)]
    default_denom: String,
    /// Derive the validator's key from a mnemonic, which is read from the terminal or standard input
    #[arg(long)]
    recover: bool,
    /// Height of the first block
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    initial_height: u64,
    /// What gives validators their power
    #[arg(long, value_enum, default_value = "compute")]
    power_source: PowerSource,
}

/// Runs `geod init`; prints a summary in JSON to standard error, as the SDK does.
///
/// # Errors
/// A genesis that is there already, a malformed value, or the system's.
pub fn run(args: &InitArgs, ctx: &Context) -> anyhow::Result<()> {
    let home = Home::new(&ctx.home)?;
    let genesis = home.genesis();
    if genesis.exists() && !args.overwrite {
        bail!("{} exists already; --overwrite writes it anew, keys stay", genesis.display());
    }
    coins::parse_coin(&format!("1{}", args.default_denom))
        .with_context(|| format!("--default-denom {:?}", args.default_denom))?;
    let chain_id = ctx.chain_id.clone().unwrap_or_else(|| LOCAL_CHAIN_ID.to_owned());
    let doc = GenesisDoc::new(&chain_id, args.initial_height, &args.default_denom, args.power_source)?;
    let seed = if args.recover { Some(recovered_seed()?) } else { None };

    home.create()?;
    let node = comet_keys::ensure_node_key(&home)?;
    comet_keys::ensure_validator_key(&home, seed.as_deref())?;
    let vrf_path = home.config("vrf_key.json");
    if vrf_path.exists() {
        VrfKey::load(&vrf_path)?;
    } else {
        VrfKey::generate().save(&vrf_path)?;
    }
    write_config(&home, args, &chain_id)?;
    doc.save(&genesis)?;

    let summary = json!({
        "moniker": args.moniker,
        "chain_id": chain_id,
        "node_id": comet_keys::node_id(&node),
        "gentxs_dir": "",
        "app_message": doc.app_state()?,
    });
    eprintln!("{}", serde_json::to_string_pretty(&summary)?);
    Ok(())
}

/// Writes `config.toml`, `app.toml` and `client.toml` where they are missing, or all with `--overwrite`.
fn write_config(home: &Home, args: &InitArgs, chain_id: &str) -> anyhow::Result<()> {
    let fees = format!("0{}", args.default_denom);
    let socket = home.socket();
    for (name, template, values) in [
        ("config.toml", CONFIG_TOML, &[("moniker", args.moniker.as_str()), ("proxy_app", &socket)][..]),
        ("app.toml", APP_TOML, &[("minimum-gas-prices", &fees)]),
        ("client.toml", CLIENT_TOML, &[("chain-id", chain_id)]),
    ] {
        let path = home.config(name);
        if path.exists() && !args.overwrite {
            continue;
        }
        let mut doc: DocumentMut = template.parse().context(name)?;
        for (key, value) in values {
            toml_file::set(&mut doc, key, value)?;
        }
        home::write_public(&path, doc.to_string().as_bytes())?;
    }
    Ok(())
}

/// Seed of the validator's key: the private key at `m/44'/118'/0'/0/0` of a mnemonic, hashed once more so that it is no
/// account's key.
fn recovered_seed() -> anyhow::Result<zeroize::Zeroizing<[u8; 32]>> {
    use sha2::Digest as _;
    eprintln!("Enter your bip39 mnemonic");
    let words = prompt::read_line()?;
    let secret = key::SecretKey::from_mnemonic(words.trim(), &key::hd_path(118, 0, 0))?;
    let mut hash = sha2::Sha256::new_with_prefix(b"geodesic/validator-key/");
    hash.update(secret.to_bytes().as_slice());
    Ok(zeroize::Zeroizing::new(hash.finalize().into()))
}

/// Puts the denomination of a network in the place of the modules' defaults.
pub(crate) fn rename_denom(state: &mut Value, denom: &str) {
    match state {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_denom = matches!(name.as_str(), "denom" | "bond_denom" | "mint_denom");
                if is_denom && matches!(value.as_str(), Some("stake" | "ugeo")) {
                    *value = denom.into();
                } else {
                    rename_denom(value, denom);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_denom(item, denom)),
        _ => {}
    }
}
