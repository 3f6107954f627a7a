//! The `geod` command line: commands, configuration files and the supervisor of CometBFT.

pub mod app_toml;
pub mod comet;
pub mod comet_keys;
pub mod config;
pub mod context;
pub mod environment;
pub mod export;
pub mod genesis;
pub mod home;
pub mod init;
pub mod keys;
pub mod net;
pub mod output;
pub mod query;
pub mod rollback;
pub mod snapshots;
pub mod start;
pub mod status;
pub mod toml_file;
pub mod tx;
pub mod version;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use context::Context;

/// The node of Geodesic, its tools and its agent.
#[derive(Parser, Debug)]
#[command(
    name = "geod",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "\
Every flag can be given as a variable of the environment: --gas-prices as GEOD_GAS_PRICES, --yes as GEOD_YES=true. A flag
comes before its variable, and the variable before config/client.toml and config/app.toml."
)]
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
    Agent(AgentArgs),
    /// Show what a node says of itself
    #[command(after_help = "Example:\n  geod status --node tcp://localhost:26657")]
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
    /// Manage snapshots for state sync
    #[command(subcommand)]
    Snapshots(snapshots::Command),
    /// Print the version
    #[command(after_help = "Example:\n  geod version --long --output json")]
    Version(version::VersionArgs),
    /// Print a script that completes commands in a shell
    #[command(after_help = "\
Examples:
  source <(geod completion bash)
  geod completion zsh > \"${fpath[1]}/_geod\"
  geod completion fish > ~/.config/fish/completions/geod.fish
  geod completion powershell >> $PROFILE")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Arguments of `geod agent`.
#[derive(clap::Args, Debug)]
struct AgentArgs {
    #[command(flatten)]
    log: start::LogArgs,
    #[command(subcommand)]
    command: geodesic_agent::cli::Command,
}

/// The command line and the environment as a command; prints help or an error and ends the process if they are none.
#[must_use]
pub fn parse() -> Cli {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let matches = environment::with_variables(Cli::command(), &is_set).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Runs one command.
///
/// # Errors
/// What the command says; to be printed with all its causes.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Command::Completion { shell } = &cli.command {
        // A pipe that is closed early, as by `head`, is no failure.
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "geod", &mut script);
        return Ok(output::line(String::from_utf8_lossy(&script).trim_end())?);
    }
    if let Command::Agent(AgentArgs { log, command }) = cli.command {
        log.init()?;
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
        Command::Snapshots(command) => command.run(&ctx),
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
    fn every_command_or_its_group_has_an_example() {
        fn check(command: &clap::Command, path: &str, group: bool) {
            let path = format!("{path} {}", command.get_name());
            let own = command.get_after_help().is_some_and(|help| help.to_string().contains("Example"));
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "agent") {
                check(sub, &path, own && path != " geod");
            }
            assert!(own || group || command.has_subcommands(), "{path} has no example");
        }
        check(&Cli::command(), "", false);
    }

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
