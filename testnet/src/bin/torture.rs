//! Random faults on a network of four validators; started by `cargo xtask torture`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use geodesic_testnet::faults::torture::Torture;

/// Random kills and pauses of four validators under load, with a check of all nodes after each.
#[derive(Parser, Debug)]
#[command(
    name = "cargo xtask torture",
    max_term_width = 110,
    after_help = "\
Examples:
  cargo xtask torture --minutes 10
  cargo xtask torture --minutes 1440 --seed 7

Goes on where the last run in the folder ended; another --seed begins anew. Exit code 1 if nodes differ, a transaction that
was reported is missing, coins do not add up, or a node does not come back."
)]
struct Cli {
    /// How long.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Where the choices come from [default: the last run's, else the clock].
    #[arg(long)]
    seed: Option<u64>,
    /// Folder of the network and of the run's state.
    #[arg(long, default_value = "target/torture")]
    dir: PathBuf,
}

/// Prints a line; whoever reads it may have gone.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|r| r.block_on(run(&cli)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let dir = std::path::absolute(&cli.dir)?;
    let mut torture = Torture::open(&dir, cli.seed, clock)?;
    say(&format!(
        "seed {}, from fault {} on, logs in {}",
        torture.state.seed,
        torture.state.round,
        dir.display()
    ));
    let ended = tokio::select! {
        ended = torture.run(Duration::from_secs(cli.minutes.saturating_mul(60)), say) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    say(&torture.table());
    ended
}
