//! `geod keys mnemonic`, `parse`, `export`, `import`, `import-hex`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use geodesic_client::address::{self, Kind};
use geodesic_client::armor;
use geodesic_client::key::{SecretKey, mnemonic_of, new_mnemonic};
use geodesic_client::keyring::PASSPHRASE_MIN;
use geodesic_client::prompt::{Prompt as _, Terminal, read_line};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::show::{check_type, shown};
use crate::context::Context;
use crate::output;

/// Fewest characters of entropy that a user types: 256 bits in base64.
const ENTROPY_MIN: usize = 43;

#[derive(clap::Args, Debug)]
pub struct MnemonicArgs {
    /// Make the words of typed entropy instead of the system's randomness
    #[arg(long)]
    unsafe_entropy: bool,
}

impl MnemonicArgs {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let words = if self.unsafe_entropy {
            let entropy = Terminal.passphrase("Type at least 43 random characters: ")?;
            let length = entropy.chars().count();
            if length < ENTROPY_MIN {
                bail!("entropy has {length} characters, at least {ENTROPY_MIN} are needed for 256 bits");
            }
            mnemonic_of(&Sha256::digest(entropy.as_bytes()))?
        } else {
            new_mnemonic()?
        };
        Ok(output::line(&words)?)
    }
}

#[derive(clap::Args, Debug)]
pub struct ParseArgs {
    /// An address in bech32 or hexadecimal
    #[arg(value_name = "ADDRESS_OR_HEX")]
    text: String,
}

impl ParseArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let value = if let Ok((human, bytes)) = address::decode(&self.text) {
            json!({"human": human, "bytes": hex::encode_upper(bytes)})
        } else if let Ok(bytes) = hex::decode(&self.text) {
            let kinds = [Kind::Account, Kind::Validator, Kind::Consensus];
            let prefixes = kinds.map(|kind| kind.prefix(&ctx.prefix));
            let prefixes = prefixes.into_iter().flat_map(|prefix| [prefix.clone(), format!("{prefix}pub")]);
            let formats = prefixes.map(|prefix| address::encode(&prefix, &bytes));
            json!({"formats": formats.collect::<Result<Vec<_>, _>>()?})
        } else {
            bail!("{:?} is neither bech32 nor hexadecimal", self.text);
        };
        Ok(output::print(ctx.output, &value)?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod keys export alice > alice.asc                        encrypted, as the Cosmos SDK's programs read it
  geod keys export alice --unarmored-hex --unsafe           in the clear")]
pub struct ExportArgs {
    /// Name or address of the key
    name: String,
    /// As plain hexadecimal; needs --unsafe
    #[arg(long)]
    unarmored_hex: bool,
    /// Say that you know what a plain private key means
    #[arg(long = "unsafe")]
    accept: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

impl ExportArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        if self.unarmored_hex != self.accept {
            bail!("the flags unsafe and unarmored-hex must be used together");
        }
        let keyring = ctx.keyring()?;
        let record = keyring.get(&self.name)?;
        if !self.unarmored_hex {
            let passphrase = Terminal.passphrase("Enter passphrase to encrypt the exported key: ")?;
            let length = passphrase.chars().count();
            if length < PASSPHRASE_MIN {
                bail!("password must be at least {PASSPHRASE_MIN} characters, it has {length}");
            }
            let secret = keyring.secret(&record.name)?;
            return Ok(output::line(&armor::encrypt(&secret, &passphrase)?)?);
        }
        let question =
            format!("WARNING: the private key of {} will be shown in the clear. Continue?", record.name);
        if !self.yes && !output::confirm(&question)? {
            bail!("key {} was not exported", record.name);
        }
        let bytes = keyring.secret(&record.name)?.to_bytes();
        Ok(output::line(&Zeroizing::new(hex::encode(bytes.as_slice())))?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  geod keys import alice alice.asc")]
pub struct ImportArgs {
    /// Name of the key
    name: String,
    /// Armored private key, as `keys export` and the Cosmos SDK's programs write it; - is standard input
    file: PathBuf,
}

impl ImportArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let mut text = Zeroizing::new(String::new());
        let bound = armor::TEXT_MAX as u64 + 1;
        if self.file.as_os_str() == "-" {
            // The passphrase follows the key.
            while !text.contains("-----END") && text.len() <= armor::TEXT_MAX {
                text.push_str(&read_line()?);
                text.push('\n');
            }
        } else {
            let file = std::fs::File::open(&self.file);
            file.and_then(|file| file.take(bound).read_to_string(&mut text))
                .with_context(|| format!("cannot read {}", self.file.display()))?;
        }
        let passphrase = Terminal.passphrase("Enter passphrase to decrypt your key: ")?;
        let secret = armor::decrypt(&text, &passphrase).context("failed to decrypt private key")?;
        let record = ctx.keyring()?.add(&self.name, &secret)?;
        Ok(output::print(ctx.output, &shown(ctx, &record, Kind::Account)?)?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  geod keys import-hex alice")]
pub struct ImportHexArgs {
    /// Name of the key
    name: String,
    /// 32 bytes in hexadecimal; asked for if not given, which keeps them out of the shell's history
    hex: Option<String>,
    /// Kind of key: only secp256k1 signs transactions here
    #[arg(long, default_value = "secp256k1")]
    key_type: String,
}

impl ImportHexArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        check_type(&self.key_type)?;
        let text = match &self.hex {
            Some(text) => Zeroizing::new(text.clone()),
            None => Terminal.passphrase("Enter the private key in hexadecimal: ")?,
        };
        let digits = text.trim();
        let Ok(bytes) = hex::decode(digits.strip_prefix("0x").unwrap_or(digits)).map(Zeroizing::new) else {
            bail!("private key is not hexadecimal");
        };
        let record = ctx.keyring()?.add(&self.name, &SecretKey::from_bytes(&bytes)?)?;
        Ok(output::print(ctx.output, &shown(ctx, &record, Kind::Account)?)?)
    }
}
