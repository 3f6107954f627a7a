//! `geod` that can be told to misbehave, under a name of its own so that it is never taken for the other.

#[path = "../main.rs"]
mod program;

fn main() -> std::process::ExitCode {
    program::main()
}
