//! The figures of docs/performance.md, measured on this machine: `cargo xtask bench`.
mod abci;
mod blocks;
mod figure;
mod floor;
mod ledger;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use figure::{FIGURES, Measured};
use indicatif::{ProgressBar, ProgressStyle};

/// As in `geod`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure the figures of docs/performance.md
#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    max_term_width = 110,
    after_help = "\
Examples:
  cargo xtask bench
  cargo xtask bench check_tx_us block_100k_us
  cargo xtask bench --json figures.json
  cargo xtask bench --list

Figures that need the same chain are measured together, each group in a process of its own. Nothing else should run on the machine."
)]
struct Cli {
    /// Figures to measure [default: all]
    names: Vec<String>,
    /// Write the figures as a list of {name, value, unit, target, better}
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show the figures there are
    #[arg(long)]
    list: bool,
    /// Measure one group and print its figures as lines of JSON
    #[arg(long, hide = true)]
    group: Option<String>,
    /// Folder that another group left
    #[arg(long, hide = true)]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    if let Some(group) = &cli.group {
        return measure(group, cli.dir.as_deref());
    }
    for name in &cli.names {
        ensure!(
            FIGURES.iter().any(|figure| figure.name == name),
            "no figure is called {name}: --list shows them"
        );
    }
    if cli.list {
        return figure::list();
    }
    let wanted = |name: &str| cli.names.is_empty() || cli.names.iter().any(|n| n == name);
    let mut groups: Vec<&str> = Vec::new();
    for figure in FIGURES.iter().filter(|figure| wanted(figure.name)) {
        for group in figure.groups {
            if !groups.contains(group) {
                groups.push(group);
            }
        }
    }
    let mut measured = Measured::default();
    for group in &groups {
        let bar = spinner(group)?;
        measured.extend(child(&["--group", group])?);
        bar.finish_and_clear();
    }
    measured.derive();
    let shown = measured.figures(&wanted);
    figure::table(&shown)?;
    if let Some(path) = &cli.json {
        let list = serde_json::to_string_pretty(&shown)?;
        std::fs::write(path, list + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Shows what is measured, since it takes long.
fn spinner(group: &str) -> Result<ProgressBar> {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}")?);
    bar.set_message(format!("measuring {group}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

/// Measures in a process of its own, so that memory and caches are its own too.
pub(crate) fn child(args: &[&str]) -> Result<Measured> {
    let output = Command::new(std::env::current_exe()?)
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the measurement")?;
    if !output.status.success() {
        bail!("measuring {} failed: {}", args.join(" "), output.status);
    }
    Measured::read(&String::from_utf8(output.stdout)?)
}

fn measure(group: &str, dir: Option<&Path>) -> Result<()> {
    let measured = match group {
        "check" => blocks::check_tx()?,
        "10k" => blocks::blocks("10k", 10_000)?,
        "100k" => blocks::blocks("100k", 100_000)?,
        "1m" => blocks::blocks("1m", 1_000_000)?,
        "abci" => abci::calls()?,
        "later" => blocks::later(dir.context("--dir")?)?,
        other => bail!("no group is called {other}"),
    };
    measured.print()
}
