//! `geod`: the node, its tools and its agent.

use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    match geodesic_cli::run(geodesic_cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
