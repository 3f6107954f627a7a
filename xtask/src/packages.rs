//! System packages.

use std::process::Command;

use anyhow::bail;

use crate::exec;
use crate::rocksdb;

/// A compiler and linker, and libclang for the bindings of RocksDB.
const NEEDED: [&str; 4] = ["gcc", "g++", "pkg-config", "libclang-dev"];
/// Only where apt has a version that fits.
const ROCKSDB: &str = "librocksdb-dev";

/// Installs missing packages through apt; elsewhere says what is needed.
///
/// # Errors
/// Packages are missing and cannot be installed without the user; the message is the line to run.
pub(crate) fn install() -> anyhow::Result<()> {
    if exec::output("apt-get", &["--version"]).is_none() {
        return check_without_apt();
    }
    let mut missing: Vec<&str> = NEEDED.into_iter().filter(|package| installed(package).is_none()).collect();
    if installed(ROCKSDB).is_none() && candidate(ROCKSDB).is_some_and(|version| rocksdb::fits(&version)) {
        missing.push(ROCKSDB);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y {}", missing.join(" "));
    let sudo = match exec::output("id", &["-u"]).as_deref() {
        Some("0") => None,
        _ if exec::output("sudo", &["-n", "true"]).is_some() => Some("sudo"),
        _ => bail!("packages are missing, and installing them needs root; run: sudo {line}"),
    };
    let apt = |args: &[&str]| {
        let mut command = match sudo {
            Some(sudo) => {
                let mut command = Command::new(sudo);
                command.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
                command
            }
            None => Command::new("apt-get"),
        };
        exec::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend(&missing);
    // A fresh image has no lists of packages yet.
    apt(&args).or_else(|_| apt(&["update"]).and_then(|()| apt(&args)))
}

fn check_without_apt() -> anyhow::Result<()> {
    for (program, what) in [("cc", "a C compiler"), ("c++", "a C++ compiler")] {
        if exec::output(program, &["--version"]).is_none() {
            bail!("{what} ({program}) is missing, and there is no apt to install it; libclang is needed too");
        }
    }
    Ok(())
}

/// Version of an installed package.
pub(crate) fn installed(package: &str) -> Option<String> {
    let status = exec::output("dpkg-query", &["-W", "-f=${db:Status-Status} ${Version}", package])?;
    status.strip_prefix("installed ").map(str::to_owned)
}

/// Version that apt would install.
fn candidate(package: &str) -> Option<String> {
    let policy = exec::output("apt-cache", &["policy", package])?;
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    Some(line.to_owned()).filter(|version| version != "(none)")
}
