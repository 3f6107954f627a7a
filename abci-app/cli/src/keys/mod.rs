//! `geod keys`: the keyring.

mod add;
mod crypt;
mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::output;

/// Manage keys
#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  geod keys add alice                                  a new key; its 24 words are shown once
  geod keys add alice --recover                        the key of words typed in
  geod keys add alice --keyring-backend test           unencrypted, for local networks
  geod keys show alice -a                              the address alone
  geod keys show alice --bech val                      the address as an operator
  geod keys add group --multisig k1,k2 --multisig-threshold 2
  geod keys export alice > alice.asc                   encrypted; geod keys import reads it
  geod keys list --output json")]
pub enum Command {
    /// Add a key: a new one, one from words, or a public key
    Add(add::AddArgs),
    /// List all keys
    #[command(after_help = "Example:\n  geod keys list --output json")]
    List(show::ListArgs),
    /// Show a key
    Show(show::ShowArgs),
    /// Delete keys
    #[command(after_help = "Example:\n  geod keys delete alice -y")]
    Delete(show::DeleteArgs),
    /// Give a key another name
    #[command(after_help = "Example:\n  geod keys rename alice alicia -y")]
    Rename(show::RenameArgs),
    /// Print new words without keeping them
    #[command(after_help = "Example:\n  geod keys mnemonic")]
    Mnemonic(crypt::MnemonicArgs),
    /// Show an address in every prefix, or the bytes of one
    #[command(
        after_help = "Examples:\n  geod keys parse geo1...\n  geod keys parse 0101010101010101010101010101010101010101"
    )]
    Parse(crypt::ParseArgs),
    /// Print a private key, encrypted
    Export(crypt::ExportArgs),
    /// Add an encrypted private key from a file
    Import(crypt::ImportArgs),
    /// Add a private key from hexadecimal
    ImportHex(crypt::ImportHexArgs),
    /// Show which kinds of keys there are
    ListKeyTypes,
    /// Check that all keys can be read; there is no older format to migrate from
    Migrate,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// What the keyring says.
    pub fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        match self {
            Self::Add(args) => args.run(ctx),
            Self::List(args) => args.run(ctx),
            Self::Show(args) => args.run(ctx),
            Self::Delete(args) => args.run(ctx),
            Self::Rename(args) => args.run(ctx),
            Self::Mnemonic(args) => args.run(),
            Self::Parse(args) => args.run(ctx),
            Self::Export(args) => args.run(ctx),
            Self::Import(args) => args.run(ctx),
            Self::ImportHex(args) => args.run(ctx),
            Self::ListKeyTypes => Ok(output::line("Supported key types/algos:\n[\"secp256k1\"]")?),
            Self::Migrate => {
                ctx.keyring()?.list()?;
                Ok(output::line("Keys migration has been successfully executed.")?)
            }
        }
    }
}
