//! The `geod` command line: commands, configuration files and the supervisor of CometBFT.

pub mod app_toml;
pub mod comet;
pub mod comet_keys;
pub mod config;
pub mod context;
pub mod export;
pub mod genesis;
pub mod home;
pub mod init;
pub mod keys;
pub mod net;
pub mod output;
pub mod query;
pub mod rollback;
pub mod start;
pub mod status;
pub mod toml_file;
pub mod tx;
pub mod version;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use context::Context;

/// The node of Geodesic, its tools and its agent.
#[derive(Parser, Debug)]
#[command(name = "geod", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: context::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create keys, configuration and a default genesis
    Init(init::InitArgs),
    /// Run the node
    Start(Box<start::StartArgs>),
    /// Prepare a chain that has not begun
    #[command(subcommand)]
    Genesis(Box<genesis::Command>),
    /// Manage keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Send transactions
    #[command(subcommand)]
    Tx(tx::Command),
    /// Ask the chain
    #[command(subcommand, visible_alias = "q")]
    Query(query::Command),
    /// The operator's agent: drives compute nodes, commits, audits, claims
    #[command(subcommand)]
    Agent(geodesic_agent::cli::Command),
    /// Show what a node says of itself
    Status,
    /// CometBFT's side of the home: ids, keys, reset
    #[command(subcommand, visible_alias = "tendermint")]
    Comet(comet::Command),
    /// Read and change configuration files
    #[command(subcommand)]
    Config(config::Command),
    /// Print the state as a genesis
    Export(export::ExportArgs),
    /// Take the application and CometBFT back by one height
    Rollback(rollback::RollbackArgs),
    /// Print the version
    Version(version::VersionArgs),
    /// Print a script that completes commands in a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Runs one command.
///
/// # Errors
/// What the command says; to be printed with all its causes.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Command::Completion { shell } = &cli.command {
        clap_complete::generate(*shell, &mut Cli::command(), "geod", &mut std::io::stdout());
        return Ok(());
    }
    if let Command::Agent(command) = cli.command {
        start::init_log(None, start::LogFormat::Plain)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return Ok(runtime.block_on(geodesic_agent::cli::run(command))?);
    }
    let ctx = Context::resolve(&cli.global)?;
    match &cli.command {
        Command::Init(args) => init::run(args, &ctx),
        Command::Start(args) => start::run(args, &ctx),
        Command::Genesis(command) => command.run(&ctx),
        Command::Keys(command) => command.run(&ctx),
        Command::Tx(command) => wait(command.run(&ctx)),
        Command::Query(command) => wait(command.run(&ctx)),
        Command::Status => wait(status::run(&ctx)),
        Command::Comet(command) => command.run(&ctx),
        Command::Config(command) => command.run(&ctx),
        Command::Export(args) => export::run(args, &ctx),
        Command::Rollback(args) => rollback::run(args, &ctx),
        Command::Version(args) => version::run(args, &ctx),
        Command::Agent(_) | Command::Completion { .. } => Ok(()),
    }
}

/// Runs a command that talks to a node.
fn wait(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
