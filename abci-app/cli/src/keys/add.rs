//! `geod keys add`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_client::account_key::{AccountKey, Group};
use geodesic_client::address::Kind;
use geodesic_client::key::{COIN_TYPE, PublicKey, SecretKey, hd_path, new_mnemonic};
use geodesic_client::keyring::{Backend, Error, Keyring, Record};
use geodesic_client::prompt::{Prompt as _, Terminal};
use serde_json::Value;
use zeroize::Zeroizing;

use super::show::{check_type, shown};
use crate::context::{Context, Output};
use crate::{home, output};

/// Longest file of words.
const SOURCE_MAX: u64 = 4096;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod keys add alice                                       new words; they are shown once
  geod keys add alice --recover                             words typed in
  geod keys add alice --recover --source words.txt          words of a file
  geod keys add cold --pubkey '{\"@type\":\"/cosmos.crypto.secp256k1.PubKey\",\"key\":\"A...\"}'
  geod keys add group --multisig k1,k2,k3 --multisig-threshold 2")]
pub struct AddArgs {
    /// Name of the key
    name: String,
    /// Take the words from standard input instead of making new ones
    #[arg(long)]
    recover: bool,
    /// Ask for words and for a BIP-39 passphrase
    #[arg(long, short = 'i')]
    interactive: bool,
    /// Take the words from a file
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Add only a public key, given as the JSON that `keys show` prints
    #[arg(long, value_name = "JSON", conflicts_with_all = ["recover", "interactive", "source", "multisig"])]
    pubkey: Option<String>,
    /// Add only a public key, given as its 33 bytes in base64
    #[arg(long, value_name = "BASE64", conflicts_with_all = ["recover", "interactive", "source", "multisig", "pubkey"])]
    pubkey_base64: Option<String>,
    /// Make a group of the keys of these names
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', conflicts_with_all = ["recover", "interactive", "source"])]
    multisig: Vec<String>,
    /// How many of the group must sign
    #[arg(long, value_name = "K", default_value_t = 1)]
    multisig_threshold: u32,
    /// Keep the order of the group's keys instead of sorting them by address
    #[arg(long)]
    nosort: bool,
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
        check_type(&self.key_type)?;
        let mut keyring = match self.dry_run {
            true => Keyring::open(Backend::Memory, Path::new(""), Box::new(Terminal))?,
            false => ctx.keyring()?,
        };
        let old = self.old(&keyring)?;
        if let Some(key) = self.public(ctx)? {
            make_place(&mut keyring, old)?;
            return self.print(ctx, &keyring.add_public(&self.name, &key)?, None);
        }
        let (words, fresh) = self.words()?;
        let passphrase = if self.interactive { bip39_passphrase()? } else { Zeroizing::default() };
        let path = self.hd_path.clone().unwrap_or_else(|| hd_path(self.coin_type, self.account, self.index));
        let secret = SecretKey::from_mnemonic_and(&words, &passphrase, &path)?;
        make_place(&mut keyring, old)?;
        let record = keyring.add(&self.name, &secret)?;
        self.print(ctx, &record, Some(&words).filter(|_| fresh && !self.no_backup))
    }

    /// The key that has the name already, if it may be overwritten.
    fn old(&self, keyring: &Keyring) -> anyhow::Result<Option<Record>> {
        let record = match keyring.get(&self.name) {
            Err(Error::NotFound { .. }) => return Ok(None),
            record => record?,
        };
        match output::confirm(&format!("override the existing name {}", self.name))? {
            true => Ok(Some(record)),
            false => bail!("aborted"),
        }
    }

    /// The public key or the group, if the private half is elsewhere.
    fn public(&self, ctx: &Context) -> anyhow::Result<Option<AccountKey>> {
        if let Some(json) = &self.pubkey {
            return Ok(Some(AccountKey::from_json(json)?));
        }
        if let Some(text) = &self.pubkey_base64 {
            let bytes = STANDARD.decode(text).context("public key is not base64")?;
            return Ok(Some(PublicKey::from_bytes(&bytes)?.into()));
        }
        if self.multisig.is_empty() {
            return Ok(None);
        }
        let keyring = ctx.keyring()?;
        let key = |name: &String| Ok(keyring.get(name)?.key);
        let mut keys = self.multisig.iter().map(key).collect::<Result<Vec<_>, Error>>()?;
        if !self.nosort {
            keys.sort_by_key(AccountKey::address);
        }
        Ok(Some(AccountKey::Group(Group::new(self.multisig_threshold, keys)?)))
    }

    /// The words, and whether they are new.
    fn words(&self) -> anyhow::Result<(Zeroizing<String>, bool)> {
        if let Some(file) = &self.source {
            return Ok((Zeroizing::new(home::read_bounded(file, SOURCE_MAX)?), false));
        }
        if self.recover {
            return Ok((Terminal.passphrase("Enter your bip39 mnemonic: ")?, false));
        }
        if self.interactive {
            let question = "Enter your bip39 mnemonic, or hit enter to generate one: ";
            let words = Terminal.passphrase(question)?;
            if !words.trim().is_empty() {
                return Ok((words, false));
            }
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
                    eprintln!("\n**Important** write this mnemonic phrase in a safe place.");
                    eprintln!(
                        "It is the only way to recover your account if you ever forget your password.\n\n{}",
                        words.as_str()
                    );
                }
            }
        }
        Ok(())
    }
}

/// Deletes the key that has the name, once the new one is known to be good.
fn make_place(keyring: &mut Keyring, old: Option<Record>) -> anyhow::Result<()> {
    let Some(record) = old else { return Ok(()) };
    if record.local {
        // Nobody deletes a key without the passphrase that the new one needs.
        keyring.secret(&record.name)?;
    }
    Ok(keyring.delete(&record.name)?)
}

/// The BIP-39 passphrase, typed twice if there is one.
fn bip39_passphrase() -> anyhow::Result<Zeroizing<String>> {
    let passphrase = Terminal.passphrase("Enter your bip39 passphrase, or hit enter for none: ")?;
    if !passphrase.is_empty() && *Terminal.passphrase("Repeat the passphrase: ")? != *passphrase {
        bail!("passphrases don't match");
    }
    Ok(passphrase)
}
