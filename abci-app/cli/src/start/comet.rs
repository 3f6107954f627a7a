//! The `cometbft` program: found, checked, started, restarted.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use geodesic_app::abci::Address;
use tokio::runtime::Runtime;

use super::{Signals, StartArgs};
use crate::home::Home;

/// Oldest patch of 0.38 that is started.
const PATCH_MIN: u64 = 25;
/// Restarts in a row, each after a run shorter than [`STEADY`].
const RESTARTS_MAX: u64 = 5;
/// A run of this length counts as good.
const STEADY: Duration = Duration::from_secs(60);
/// `COUNT:BEGAN` of the process before a restart.
const RESTARTS_VAR: &str = "GEOD_RESTARTS";

/// A `cometbft` that may be started.
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// The program that was set, else `$COMETBFT`, else the first acceptable one of `PATH` and `~/.cache/geodesic/bin`.
    ///
    /// # Errors
    /// None is there, or none is recent enough; the message lists those that were looked at.
    pub fn find(set: &Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(path) = set.clone().or_else(|| std::env::var_os("COMETBFT").map(PathBuf::from)) {
            check(&path)?;
            return Ok(Self { path });
        }
        let mut refused = String::new();
        for dir in search_path(std::env::var_os("PATH"), std::env::var_os("HOME")) {
            let path = dir.join("cometbft");
            if !path.is_file() {
                continue;
            }
            match check(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) => refused.push_str(&format!("\n  {error:#}")),
            }
        }
        bail!(
            "no usable cometbft in PATH or ~/.cache/geodesic/bin; cargo xtask setup installs v0.38.{PATCH_MIN}, \
             $COMETBFT or cometbft in config/app.toml names one, --with-comet=false does without{refused}"
        )
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The command that runs a node for the application at `address`. Its log goes where this process's goes.
    #[must_use]
    pub(super) fn command(&self, home: &Home, address: &Address, args: &StartArgs) -> Command {
        let mut command = Command::new(&self.path);
        command.arg("start").arg("--home").arg(home.path());
        command.args(["--abci", "socket", "--proxy_app", &address.to_string()]);
        command.env("CMT_LOG_FORMAT", args.log.log_format.to_string());
        if let Some(level) = args.log.log_level.as_deref().map(log_level) {
            command.args(["--log_level", level]);
        }
        command
    }
}

/// CometBFT's level for the first one of ours.
fn log_level(level: &str) -> &'static str {
    match level.split(',').next().unwrap_or_default() {
        "trace" | "debug" => "debug",
        "warn" | "error" => "error",
        "off" => "none",
        _ => "info",
    }
}

fn search_path(path: Option<OsString>, home: Option<OsString>) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = path.iter().flat_map(std::env::split_paths).collect();
    dirs.extend(home.map(|home| PathBuf::from(home).join(".cache/geodesic/bin")));
    dirs
}

/// What the program says about its version.
///
/// # Errors
/// It cannot be started.
pub fn version(path: &Path) -> anyhow::Result<String> {
    let output = Command::new(path).arg("version").output();
    let output = output.with_context(|| format!("cannot run {} version", path.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn check(path: &Path) -> anyhow::Result<()> {
    let version = version(path)?;
    if acceptable(&version) {
        return Ok(());
    }
    bail!(
        "{} is version {version:?}; wanted is 0.38.{PATCH_MIN} or a later 0.38: older ones have known faults that stop \
         or split a chain, other lines speak another protocol",
        path.display()
    )
}

/// Whether this is 0.38 with a late enough patch; what follows a `+` or `-` does not count, but a pre-release is none.
fn acceptable(version: &str) -> bool {
    let version = version.trim_start_matches('v').split('+').next().unwrap_or_default();
    let mut parts = version.split('.').map(str::parse::<u64>);
    matches!(
        (parts.next(), parts.next(), parts.next(), parts.next()),
        (Some(Ok(0)), Some(Ok(38)), Some(Ok(patch)), None) if patch >= PATCH_MIN
    )
}

/// Seconds to wait before the restart that follows `count` others.
fn pause(count: u64) -> Duration {
    Duration::from_secs(1 << count.min(6))
}

/// Replaces this process by a fresh one with the same arguments after a pause: the application begins anew too, as
/// CometBFT's handshake wants it. Comes back only if it must not or cannot.
pub(super) fn restart(status: ExitStatus, runtime: &Runtime, signals: &mut Signals) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = std::env::var(RESTARTS_VAR).unwrap_or_default();
    let count = next_count(&before, now);
    if count >= RESTARTS_MAX {
        bail!(
            "CometBFT ended by itself ({status}), {count} times in a row after less than {STEADY:?}; see its log above"
        );
    }
    let pause = pause(count);
    tracing::error!(%status, ?pause, "CometBFT ended by itself; both are started anew");
    let asked = runtime.block_on(async { tokio::time::timeout(pause, signals.next()).await });
    if asked.is_ok() {
        return Ok(());
    }
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let program = std::env::current_exe().context("cannot find this program again")?;
    let error = Command::new(&program)
        .args(std::env::args_os().skip(1))
        .env(RESTARTS_VAR, format!("{}:{}", count + 1, began.as_secs()))
        .exec();
    Err(error).with_context(|| format!("cannot start {} anew", program.display()))
}

/// Restarts in a row so far, from what the process before left and the time that has passed since.
fn next_count(before: &str, now: Duration) -> u64 {
    let (count, began) = before.split_once(':').unwrap_or_default();
    match (count.parse::<u64>(), began.parse::<u64>()) {
        (Ok(count), Ok(began)) if now < Duration::from_secs(began) + STEADY => count,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn versions() {
        for (text, good) in [
            ("0.38.25", true),
            ("v0.38.25", true),
            ("0.38.26+abc123", true),
            ("0.38.100", true),
            ("0.38.24", false),
            ("0.38.9", false),
            ("0.38.25-rc1", false),
            ("0.39.0", false),
            ("1.0.1", false),
            ("0.38", false),
            ("", false),
        ] {
            assert_eq!(acceptable(text), good, "{text:?}");
        }
    }

    #[test]
    fn an_old_program_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cometbft");
        std::fs::write(&path, "#!/bin/sh\necho 0.38.17\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = format!("{:#}", Program::find(&Some(path.clone())).err().unwrap());
        assert!(error.contains("0.38.17") && error.contains("0.38.25"), "{error}");
        std::fs::write(&path, "#!/bin/sh\necho 0.38.25\n").unwrap();
        assert_eq!(Program::find(&Some(path.clone())).unwrap().path(), path);
        assert!(Program::find(&Some(dir.path().join("none"))).is_err());
    }

    #[test]
    fn the_cache_is_looked_at_last() {
        let dirs = search_path(Some("/a:/b".into()), Some("/home/u".into()));
        assert_eq!(dirs, ["/a", "/b", "/home/u/.cache/geodesic/bin"].map(PathBuf::from));
    }

    #[test]
    fn restarts_are_counted_until_a_run_is_long_enough() {
        let at = Duration::from_secs;
        assert_eq!(next_count("", at(1000)), 0);
        assert_eq!(next_count("3:1000", at(1010)), 3);
        assert_eq!(next_count("3:1000", at(1060)), 0);
        assert_eq!(next_count("x:y", at(1000)), 0);
        assert_eq!([0, 1, 4].map(pause), [1, 2, 16].map(at));
    }
}
