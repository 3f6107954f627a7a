//! `geod config`: the configuration files, value by value.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use crate::context::Context;
use crate::home::Home;
use crate::{home, init, output, toml_file};

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
  geod config view app
  geod config home
  geod config migrate app                 add the keys that a newer geod knows")]
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
        /// Format of the output
        #[arg(long, value_enum, default_value_t = Format::Toml)]
        output_format: Format,
    },
    /// Print the home folder
    Home,
    /// Add the keys that this version knows and the file lacks; what is there stays
    Migrate {
        /// Which file
        file: File,
        /// Print the file instead of changing it
        #[arg(long)]
        stdout: bool,
    },
}

/// How a file is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As it is.
    Toml,
    /// As JSON.
    Json,
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
                    Some(text) => output::line(text)?,
                    None => output::line(item.to_string().trim())?,
                }
            }
            Self::Set { file, key, value } => toml_file::edit(&path(&home, *file), &[(key, value)])?,
            Self::View { file, output_format } => {
                let text = home::read_bounded(&path(&home, *file), 1 << 20)?;
                match output_format {
                    Format::Toml => output::line(text.trim_end())?,
                    Format::Json => {
                        let value: serde_json::Value = toml::from_str(&text)?;
                        output::line(&serde_json::to_string_pretty(&value)?)?;
                    }
                }
            }
            Self::Home => output::line(&home.path().display().to_string())?,
            Self::Migrate { file, stdout } => migrate(&path(&home, *file), template(*file), *stdout)?,
        }
        Ok(())
    }
}

fn migrate(path: &Path, template: &str, stdout: bool) -> anyhow::Result<()> {
    let mut doc = toml_file::load(path)?;
    let added = toml_file::complete(&mut doc, &template.parse()?);
    if stdout {
        return Ok(output::line(doc.to_string().trim_end())?);
    }
    for key in &added {
        eprintln!("added {key}");
    }
    if added.is_empty() { Ok(()) } else { home::write_public(path, doc.to_string().as_bytes()) }
}

fn template(file: File) -> &'static str {
    match file {
        File::Client => init::CLIENT_TOML,
        File::App => init::APP_TOML,
        File::Config => init::CONFIG_TOML,
    }
}

fn path(home: &Home, file: File) -> PathBuf {
    home.config(match file {
        File::Client => "client.toml",
        File::App => "app.toml",
        File::Config => "config.toml",
    })
}
