//! `geod keys mnemonic`, `parse`, `export`, `import-hex`.

use anyhow::bail;
use geodesic_client::address::{self, Kind};
use geodesic_client::key::{SecretKey, mnemonic_of, new_mnemonic};
use geodesic_client::prompt::{Prompt as _, Terminal};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::show::shown;
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
            let formats = kinds.map(|kind| kind.encode(&ctx.prefix, &bytes)).into_iter();
            json!({"formats": formats.collect::<Result<Vec<_>, _>>()?})
        } else {
            bail!("{:?} is neither bech32 nor hexadecimal", self.text);
        };
        Ok(output::print(ctx.output, &value)?)
    }
}

#[derive(clap::Args, Debug)]
pub struct ExportArgs {
    /// Name or address of the key
    name: String,
    /// As plain hexadecimal: the only form there is
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
        if !self.unarmored_hex || !self.accept {
            bail!(
                "an encrypted export does not exist yet; for plain hexadecimal give --unarmored-hex --unsafe"
            );
        }
        let keyring = ctx.keyring()?;
        let record = keyring.get(&self.name)?;
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
pub struct ImportArgs {
    /// Name of the key
    name: String,
    /// 32 bytes in hexadecimal; asked for if not given, which keeps them out of the shell's history
    hex: Option<String>,
    /// Kind of key: only secp256k1 signs transactions here
    #[arg(long, default_value = "secp256k1")]
    key_type: String,
}

impl ImportArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        if self.key_type != "secp256k1" {
            bail!("key type {:?} is not available; use secp256k1", self.key_type);
        }
        let text = match &self.hex {
            Some(text) => Zeroizing::new(text.clone()),
            None => Terminal.passphrase("Enter the private key in hexadecimal: ")?,
        };
        let Ok(bytes) = hex::decode(text.trim()).map(Zeroizing::new) else {
            bail!("private key is not hexadecimal");
        };
        let record = ctx.keyring()?.add(&self.name, &SecretKey::from_bytes(&bytes)?)?;
        Ok(output::print(ctx.output, &shown(ctx, &record, Kind::Account)?)?)
    }
}
