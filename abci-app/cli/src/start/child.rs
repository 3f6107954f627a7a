//! A child process that does not outlive this one, and is ended by its own id only.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How long a child may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);

/// A running child.
pub(super) struct Child {
    inner: std::process::Child,
    name: String,
}

impl Child {
    /// Starts a program in a process group of its own, so that a terminal's Ctrl-C reaches only its parent. The kernel
    /// kills it when the thread that calls this ends: call it from the main thread.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.process_group(0);
        die_with_parent(&mut command);
        let inner = command.spawn().with_context(|| format!("cannot start {name}"))?;
        tracing::info!(pid = inner.id(), program = name, "started");
        Ok(Self { inner, name })
    }

    /// Its status, once it has ended.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.inner.try_wait()
    }

    /// Ends it: SIGTERM, time to finish, SIGKILL.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn stop(mut self) -> io::Result<()> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        // Not waited for yet, so the id is still this child's.
        terminate(self.inner.id())?;
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if self.exited()?.is_some() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        tracing::warn!(program = self.name, "does not end, killed");
        self.inner.kill()?;
        self.inner.wait().map(drop)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Only on an early return: after `stop` it has ended, and these fail.
        let _ = self.inner.kill();
        let _ = self.inner.wait();
    }
}

#[allow(unsafe_code)]
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: between fork and exec only the system calls prctl and getppid are made, both async-signal-safe; nothing is
    // allocated.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have ended before the call.
            if libc::getppid() as u32 == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}

#[allow(unsafe_code)]
fn terminate(pid: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: kill touches no memory of this process; a pid above 0 is one process.
    match unsafe { libc::kill(pid, libc::SIGTERM) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::spawn(command).unwrap()
    }

    #[test]
    fn a_child_is_asked_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let (ready, done) = (dir.path().join("ready"), dir.path().join("done"));
        let script = format!(
            "trap 'touch {}; exit 3' TERM; touch {}; while :; do sleep 0.05; done",
            done.display(),
            ready.display()
        );
        let child = shell(&script);
        while !ready.exists() {
            thread::sleep(PAUSE);
        }
        child.stop().unwrap();
        assert!(done.exists(), "it had time to finish");
    }

    #[test]
    fn a_childs_end_is_seen() {
        let mut child = shell("exit 7");
        let status = loop {
            if let Some(status) = child.exited().unwrap() {
                break status;
            }
            thread::sleep(PAUSE);
        };
        assert_eq!(status.code(), Some(7));
        child.stop().unwrap();
    }

    #[test]
    fn a_dropped_child_is_killed() {
        let child = shell("trap '' TERM; sleep 1000");
        let proc = format!("/proc/{}", child.inner.id());
        drop(child);
        assert!(!std::path::Path::new(&proc).exists());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Child::spawn(Command::new("/nonexistent/cometbft")).err().unwrap();
        assert!(format!("{error:#}").contains("/nonexistent/cometbft"));
    }
}
