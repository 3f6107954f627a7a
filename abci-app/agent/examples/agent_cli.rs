//! temp
use clap::Parser;
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: geodesic_agent::cli::Command,
}
#[tokio::main]
async fn main() -> Result<(), geodesic_agent::Error> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let r = geodesic_agent::cli::run(Cli::parse().command).await;
    if let Err(e) = &r { eprintln!("{e}"); }
    r
}
