//! `geod version`.

use clap::Args;
use serde_json::json;

use crate::context::{Context, Output};

/// Prints the version.
#[derive(Args, Debug)]
pub struct VersionArgs {
    /// Name, API level and platform too
    #[arg(long)]
    long: bool,
}

/// Runs `geod version`.
///
/// # Errors
/// None so far.
pub fn run(args: &VersionArgs, ctx: &Context) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    // The SDK's field names: operators' scripts read them.
    let long = json!({
        "name": "geodesic",
        "server_name": "geod",
        "version": version,
        "rust": env!("CARGO_PKG_RUST_VERSION"),
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        "cosmos_sdk_version": "v0.50.15",
        "cometbft_version": "v0.38.25",
    });
    match (args.long || ctx.output == Output::Json, ctx.output) {
        (false, _) => println!("{version}"),
        (true, Output::Json) => println!("{long}"),
        (true, Output::Text) => {
            for (name, value) in long.as_object().into_iter().flatten() {
                println!("{name}: {}", value.as_str().unwrap_or_default());
            }
        }
    }
    Ok(())
}
