//! Node.js and Python, which the test `clients` of testnet needs.

use anyhow::bail;

use crate::exec;

/// Names of tools whose clients the test leaves out.
const SKIP: &str = "GEODESIC_SKIP_CLIENTS";

/// Name in [`SKIP`], program, first version that does, where it comes from.
const TOOLS: [(&str, &str, [u64; 2], &str); 2] = [
    ("node", "node", [20, 19], "Node.js from https://nodejs.org"),
    ("python", "python3", [3, 10], "Python with venv (Debian: python3-venv)"),
];

/// Refuses before the long build what the test would refuse after it.
///
/// # Errors
/// A tool is missing or too old, and its clients are not left out; the message is the remedy.
pub(crate) fn check() -> anyhow::Result<()> {
    let skipped = std::env::var(SKIP).unwrap_or_default();
    for (name, program, min, source) in TOOLS {
        if skipped.split(',').any(|entry| entry.trim() == name) {
            continue;
        }
        let version = exec::output(program, &["--version"]).unwrap_or_default();
        if exec::numbers(&version).as_slice() < min.as_slice() {
            let [major, minor] = min;
            bail!(
                "a test needs {program} {major}.{minor} or later, found {version:?}: install {source}, or leave its \
                 clients out with {SKIP}={name}"
            );
        }
    }
    Ok(())
}
