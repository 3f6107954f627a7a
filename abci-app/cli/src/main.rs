//! `geod`: the node, its tools and its agent.

use std::process::ExitCode;

/// Blocks make and drop millions of small values; with this allocator they took about a sixth less time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) fn main() -> ExitCode {
    match geodesic_cli::run(geodesic_cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
