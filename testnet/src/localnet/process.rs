//! Processes that outlive the command that started them, and are ended only if they are still the same.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process that was started here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// What it is, such as `geod-node0`.
    pub name: String,
    /// Its id.
    pub pid: u32,
    /// When it began, in the kernel's ticks: an id can be given again, both together cannot.
    pub started: u64,
    /// Its log.
    pub log: PathBuf,
}

/// The tick at which a process began; `None` if there is none.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks; the 22nd field is the 20th behind it.
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if state == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

impl Process {
    /// Starts a command in a process group of its own, its output in a log file.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(name: &str, log: &Path, command: &mut Command) -> anyhow::Result<Self> {
        Self::spawn(name, log, command).map(|(process, _)| process)
    }

    /// Like [`Process::start`], with the handle by which the exit status is learned.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(name: &str, log: &Path, command: &mut Command) -> anyhow::Result<(Self, Child)> {
        let file =
            File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = child.id();
        let started = started(pid).with_context(|| format!("{name} ended at once, see {}", log.display()))?;
        Ok((Self { name: name.to_owned(), pid, started, log: log.to_path_buf() }, child))
    }

    /// The children of its main thread that run.
    pub fn children(&self) -> Vec<Self> {
        let list = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.pid));
        let pids = list.unwrap_or_default();
        let pids = pids.split_whitespace().filter_map(|pid| pid.parse().ok());
        let child = |pid| {
            let name = format!("child of {}", self.name);
            Some(Self { name, pid, started: started(pid)?, log: self.log.clone() })
        };
        // An id that was read before this process ended may be another's by now.
        pids.filter_map(child).filter(|_| self.is_alive()).collect()
    }

    /// Whether it runs, and is still the one that was started.
    pub fn is_alive(&self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// Sends a signal such as `-KILL`, `-STOP` or `-CONT`.
    pub fn signal(&self, signal: &str) {
        if self.is_alive() {
            // The process may have ended in between; then there is nothing to do.
            let _ = Command::new("kill").args([signal, &self.pid.to_string()]).stderr(Stdio::null()).status();
        }
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Waits for its end, and ends it the hard way if it takes too long.
    pub fn wait_or_kill(&self) {
        let begin = Instant::now();
        while self.is_alive() {
            if begin.elapsed() > PATIENCE {
                self.signal("-KILL");
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last lines of its log.
    pub fn tail(&self, lines: usize) -> String {
        let text =
            std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all.iter().skip(all.len().saturating_sub(lines)).copied().collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_was_started_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let process =
            Process::start("sleep", &dir.path().join("log"), Command::new("sleep").arg("60")).unwrap();
        assert!(process.is_alive());
        let other = Process { started: process.started + 1, ..process.clone() };
        assert!(!other.is_alive(), "another process with the same id");
        other.terminate();
        assert!(process.is_alive(), "and it is left alone");
        process.terminate();
        process.wait_or_kill();
        assert!(!process.is_alive());
    }
}
