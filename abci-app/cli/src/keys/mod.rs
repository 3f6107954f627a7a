//! `geod keys`: the keyring.

mod add;
mod crypt;
mod show;

use clap::Subcommand;

use crate::context::Context;

/// Manage keys
#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  geod keys add alice                                  a new key; its 24 words are shown once
  geod keys add alice --recover                        the key of words typed in
  geod keys add alice --keyring-backend test           unencrypted, for local networks
  geod keys show alice -a                              the address alone
  geod keys show alice --bech val                      the address as an operator
  geod keys list --output json")]
pub enum Command {
    /// Add a key: a new one, one from words, or a public key
    Add(add::AddArgs),
    /// List all keys
    List(show::ListArgs),
    /// Show a key
    Show(show::ShowArgs),
    /// Delete keys
    Delete(show::DeleteArgs),
    /// Give a key another name
    Rename(show::RenameArgs),
    /// Print new words without keeping them
    Mnemonic(crypt::MnemonicArgs),
    /// Show an address in every prefix, or the bytes of one
    Parse(crypt::ParseArgs),
    /// Print a private key
    Export(crypt::ExportArgs),
    /// Add a private key from hexadecimal
    #[command(alias = "import")]
    ImportHex(crypt::ImportArgs),
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
            Self::ImportHex(args) => args.run(ctx),
        }
    }
}
