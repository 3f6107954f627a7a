//! `geod config`: the configuration files, value by value.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use crate::context::Context;
use crate::home::Home;
use crate::{home, toml_file};

/// A configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum File {
    /// `config/client.toml`: defaults of geod's commands.
    Client,
    /// `config/app.toml`: the application.
    App,
    /// `config/config.toml`: CometBFT.
    #[value(alias = "cometbft")]
    Config,
}

/// Reads and changes the configuration files.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  geod config get client chain-id
  geod config set app grpc.address 0.0.0.0:9090
  geod config set config p2p.laddr tcp://0.0.0.0:26656
  geod config view app")]
pub enum Command {
    /// Print a value
    Get {
        /// Which file
        file: File,
        /// Key, such as grpc.address
        key: String,
    },
    /// Change a value; comments stay
    Set {
        /// Which file
        file: File,
        /// Key, such as grpc.address
        key: String,
        /// New value, of the same kind as the old one
        value: String,
    },
    /// Print a file
    View {
        /// Which file
        file: File,
    },
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// No such file or key, or a value of another kind.
    pub fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let home = Home::new(&ctx.home)?;
        match self {
            Self::Get { file, key } => {
                let doc = toml_file::load(&path(&home, *file))?;
                let item = toml_file::get(&doc, key).with_context(|| format!("no key {key:?}"))?;
                match item.as_str() {
                    Some(text) => println!("{text}"),
                    None => println!("{}", item.to_string().trim()),
                }
            }
            Self::Set { file, key, value } => toml_file::edit(&path(&home, *file), &[(key, value)])?,
            Self::View { file } => print!("{}", home::read_bounded(&path(&home, *file), 1 << 20)?),
        }
        Ok(())
    }
}

fn path(home: &Home, file: File) -> PathBuf {
    home.config(match file {
        File::Client => "client.toml",
        File::App => "app.toml",
        File::Config => "config.toml",
    })
}
