//! Local networks; started by `cargo xtask localnet`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use geodesic_testnet::localnet::chain::Now;
use geodesic_testnet::localnet::{Localnet, Profile, join, setup, view};
use tokio::signal::unix::{SignalKind, signal};

/// A network of validators on this machine: geod, CometBFT, mlnode and agent for each.
#[derive(Parser, Debug)]
#[command(
    name = "cargo xtask localnet",
    args_conflicts_with_subcommands = true,
    max_term_width = 110,
    after_help = "\
Examples:
  cargo xtask localnet                          four validators, shown until Ctrl-C
  cargo xtask localnet --epochs 2               ends by itself with a table
  cargo xtask localnet --profile pow2-f16       the published scheme in floats, for comparison
  cargo xtask localnet --detach                 goes on in the background
  cargo xtask localnet add-node                 a fifth validator joins by compute
  cargo xtask localnet faucet geo1... 5000000ugeo
  cargo xtask localnet stop                     ends what it started"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: Start,
}

#[derive(Args, Debug, Clone)]
struct Start {
    /// Validators of the network.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=20))]
    validators: u16,
    /// End after so many epochs of audited compute, with a table; exit code 0 if each validator was paid for its work.
    #[arg(long, conflicts_with = "detach")]
    epochs: Option<u64>,
    /// What is computed.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Leave the network running in the background.
    #[arg(long)]
    detach: bool,
    /// First port; each node takes ten.
    #[arg(long, default_value_t = 26650)]
    base_port: u16,
    /// Folder of the network.
    #[arg(long, default_value = "target/localnet")]
    dir: PathBuf,
    /// Genesis parameters: a path and its value, such as epochs.params.epoch_length 36.
    #[arg(long = "set", num_args = 2, value_names = ["PATH", "VALUE"])]
    set: Vec<String>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start a network (also without this word)
    Start(Start),
    /// Show processes, epoch, work and powers
    Status(Dir),
    /// Show where the logs are, or the end of a node's
    Logs {
        #[command(flatten)]
        dir: Dir,
        /// Part of a process's name, such as node0 or agent-node1
        name: Option<String>,
    },
    /// End what was started
    Stop(Dir),
    /// End what was started, and remove the network
    Reset(Dir),
    /// Bring a node in, by the steps of docs/join.md
    AddNode(Dir),
    /// Send coins to an account
    Faucet {
        #[command(flatten)]
        dir: Dir,
        /// The account
        address: String,
        /// The coins
        #[arg(default_value = "100000000ugeo")]
        coins: String,
    },
}

#[derive(Args, Debug)]
struct Dir {
    /// Folder of the network.
    #[arg(long, default_value = "target/localnet")]
    dir: PathBuf,
}

/// Prints a line; whoever reads it may have gone.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|r| r.block_on(run(cli)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        None => start(cli.start).await,
        Some(Command::Start(args)) => start(args).await,
        Some(Command::Status(at)) => {
            say(&view::status(&Localnet::load(&at.dir)?).await?);
            Ok(())
        }
        Some(Command::Logs { dir, name }) => {
            let network = Localnet::load(&dir.dir)?;
            for p in network.processes.iter().filter(|p| name.as_ref().is_none_or(|n| p.name.contains(n))) {
                say(&format!("{} {}", p.name, p.log.display()));
                if name.is_some() {
                    say(&p.tail(40));
                }
            }
            Ok(())
        }
        Some(Command::Stop(at)) => {
            Localnet::load(&at.dir)?.stop();
            say("stopped");
            Ok(())
        }
        Some(Command::Reset(at)) => {
            if let Ok(network) = Localnet::load(&at.dir) {
                network.stop();
            }
            if at.dir.exists() {
                std::fs::remove_dir_all(&at.dir)?;
            }
            say(&format!("removed {}", at.dir.display()));
            Ok(())
        }
        Some(Command::AddNode(at)) => {
            let mut network = Localnet::load(&at.dir)?;
            say(&join::add_node(&mut network).await?);
            Ok(())
        }
        Some(Command::Faucet { dir, address, coins }) => {
            say(&setup::faucet(&Localnet::load(&dir.dir)?, &address, &coins)?);
            Ok(())
        }
    }
}

async fn start(args: Start) -> anyhow::Result<()> {
    let dir = std::path::absolute(&args.dir)?;
    // A network that was stopped makes way for the next; one that runs does not.
    if let Ok(old) = Localnet::load(&dir) {
        if old.alive().next().is_some() {
            anyhow::bail!("a network runs in {}: `cargo xtask localnet stop` ends it", dir.display());
        }
        std::fs::remove_dir_all(&dir)?;
    }
    let set = [args.profile.settings(), args.set.clone()].concat();
    let mut network = setup::create(&dir, args.base_port, args.validators, &set)?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let outcome = tokio::select! {
        outcome = live(&mut network, &args) => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    if args.detach && outcome.is_ok() {
        say(&format!("the network goes on in {}; `cargo xtask localnet stop` ends it", dir.display()));
        return Ok(());
    }
    // What was started by a step that was cut off stands on disk.
    Localnet::load(&dir).unwrap_or(network).stop();
    outcome
}

async fn live(network: &mut Localnet, args: &Start) -> anyhow::Result<()> {
    for node in network.nodes.clone() {
        setup::start_geod(network, &node, &[])?;
        setup::start_mlnode(network, &node, &[])?;
    }
    view::wait_height(network, 2).await?;
    say(&format!(
        "the chain makes blocks: RPC {}",
        network.nodes.first().map(|n| n.url()).unwrap_or_default()
    ));
    for node in network.nodes.clone() {
        setup::init_agent(&node, &node)?;
        setup::start_agent(network, &node, &[])?;
    }
    if args.detach {
        return Ok(());
    }
    let Some(epochs) = args.epochs else { return view::watch(network, |_| false, true).await };
    // Registrations of the first epoch count from the second.
    view::watch(network, |now| is_claimed(now, epochs), true).await?;
    say(&view::summary(network, epochs, &network.nodes).await?);
    Ok(())
}

/// Whether agents have had the time to claim an epoch's reward.
fn is_claimed(now: &Now, epoch: u64) -> bool {
    const BLOCKS: u64 = 6;
    let since = if now.epoch.index > epoch { now.epoch.start } else { now.epoch.claim };
    now.epoch.index >= epoch && now.height >= since.saturating_add(BLOCKS)
}
