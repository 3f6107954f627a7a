//! `geod keys add`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_client::address::Kind;
use geodesic_client::key::{COIN_TYPE, PublicKey, SecretKey, hd_path, new_mnemonic};
use geodesic_client::keyring::Record;
use geodesic_client::prompt::{Prompt as _, Terminal};
use serde_json::Value;
use zeroize::Zeroizing;

use super::show::shown;
use crate::context::{Context, Output};
use crate::output;

#[derive(clap::Args, Debug)]
pub struct AddArgs {
    /// Name of the key
    name: String,
    /// Take the words from standard input instead of making new ones
    #[arg(long)]
    recover: bool,
    /// Take the words from a file
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Add only a public key, given as the JSON that `keys show` prints
    #[arg(long, value_name = "JSON", conflicts_with_all = ["recover", "source"])]
    pubkey: Option<String>,
    /// Account number in the derivation path
    #[arg(long, default_value_t = 0)]
    account: u32,
    /// Index in the derivation path
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Coin type in the derivation path
    #[arg(long, default_value_t = COIN_TYPE)]
    coin_type: u32,
    /// Whole derivation path, such as m/44'/118'/0'/0/0
    #[arg(long, value_name = "PATH", conflicts_with_all = ["account", "index", "coin_type"])]
    hd_path: Option<String>,
    /// Kind of key: only secp256k1 signs transactions here
    #[arg(long, alias = "algo", default_value = "secp256k1")]
    key_type: String,
    /// Do not show the words
    #[arg(long)]
    no_backup: bool,
    /// Show the key without keeping it
    #[arg(long)]
    dry_run: bool,
}

impl AddArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        if self.key_type != "secp256k1" {
            bail!("key type {:?} is not available; use secp256k1", self.key_type);
        }
        if let Some(json) = &self.pubkey {
            let public = parse_public(json)?;
            let record = match self.dry_run {
                true => Record { name: self.name.clone(), public, local: false },
                false => ctx.keyring()?.add_public(&self.name, &public)?,
            };
            return self.print(ctx, &record, None);
        }
        let (words, fresh) = self.words()?;
        let path = self.hd_path.clone().unwrap_or_else(|| hd_path(self.coin_type, self.account, self.index));
        let secret = SecretKey::from_mnemonic(&words, &path)?;
        let record = match self.dry_run {
            true => Record { name: self.name.clone(), public: secret.public(), local: true },
            false => ctx.keyring()?.add(&self.name, &secret)?,
        };
        self.print(ctx, &record, Some(&words).filter(|_| fresh && !self.no_backup))
    }

    /// The words, and whether they are new.
    fn words(&self) -> anyhow::Result<(Zeroizing<String>, bool)> {
        if let Some(file) = &self.source {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            return Ok((Zeroizing::new(text), false));
        }
        if self.recover {
            return Ok((Terminal.passphrase("Enter your BIP-39 mnemonic: ")?, false));
        }
        Ok((new_mnemonic()?, true))
    }

    fn print(&self, ctx: &Context, record: &Record, words: Option<&Zeroizing<String>>) -> anyhow::Result<()> {
        let mut value = shown(ctx, record, Kind::Account)?;
        match (ctx.output, words) {
            (Output::Json, Some(words)) => {
                if let Value::Object(map) = &mut value {
                    map.insert("mnemonic".to_owned(), words.as_str().into());
                }
                output::print(ctx.output, &value)?;
            }
            (Output::Json, None) => output::print(ctx.output, &value)?,
            (Output::Text, words) => {
                output::print(ctx.output, &Value::Array(vec![value]))?;
                if let Some(words) = words {
                    eprintln!("\n**Important** write these words down and keep them in a safe place.");
                    eprintln!("They are the only way to recover the key.\n\n{}", words.as_str());
                }
            }
        }
        Ok(())
    }
}

/// The key of `{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"..."}`.
fn parse_public(json: &str) -> anyhow::Result<PublicKey> {
    let value: Value =
        serde_json::from_str(json).with_context(|| format!("public key {json:?} is not JSON"))?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("@type") != "/cosmos.crypto.secp256k1.PubKey" {
        bail!("public key is of type {:?}, expected /cosmos.crypto.secp256k1.PubKey", text("@type"));
    }
    Ok(PublicKey::from_bytes(&STANDARD.decode(text("key")).context("public key is not base64")?)?)
}
