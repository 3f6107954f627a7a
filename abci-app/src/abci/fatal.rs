//! The one way in which the chain stops itself: halting beats diverging.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Exit code of a process that halted itself (`EX_SOFTWARE` of sysexits.h).
pub const EXIT_CODE: i32 = 70;

/// How long the exit handlers of linked libraries may run before the process is aborted.
const EXIT_GRACE: Duration = Duration::from_secs(10);

/// What [`Fatal::halt`] unwinds with where the exit action came back (tests only). Code that catches panics inside the
/// application passes it on with [`resume_unwind`].
#[derive(Debug)]
pub struct Halted;

/// Ends the process on an error after which no answer may be given. Cheap to clone; all clones share one action.
#[derive(Clone)]
pub struct Fatal {
    exit: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Fatal {
    /// Ends the process with [`EXIT_CODE`].
    fn default() -> Self {
        Self::with_action(|_| {
            // Exit handlers of C++ libraries join their threads, and a full or failing disk may hold those for ever.
            // Should this thread not start, the exit below still does its work.
            let _ = thread::Builder::new().spawn(|| {
                thread::sleep(EXIT_GRACE);
                std::process::abort();
            });
            std::process::exit(EXIT_CODE);
        })
    }
}

impl Fatal {
    /// A handle with another last action, which gets the reason; for tests.
    pub fn with_action(exit: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { exit: Arc::new(exit) }
    }

    /// Logs `reason` and ends the process: for a storage error or a broken invariant. Never returns: if the action
    /// does, the thread unwinds with [`Halted`].
    pub fn halt(&self, reason: impl Display) -> ! {
        self.report(&reason.to_string());
        resume_unwind(Box::new(Halted))
    }

    /// `Some` of what `work` returns; if it panics, the panic is logged under the name `task` and the process ends
    /// (`None` where the action came back). To be used around the whole of a thread.
    pub fn guard<T>(&self, task: &str, work: impl FnOnce() -> T) -> Option<T> {
        // The process ends, so nobody can see what the panic left half done.
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Some(value),
            Err(payload) => {
                if !payload.is::<Halted>() {
                    self.report(&format!("panic in {task}: {}", message(payload.as_ref())));
                }
                None
            }
        }
    }

    fn report(&self, reason: &str) {
        tracing::error!(reason, "halting");
        (self.exit)(reason);
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn recording() -> (Fatal, Arc<Mutex<Vec<String>>>) {
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&reasons);
        (Fatal::with_action(move |reason| log.lock().unwrap().push(reason.to_owned())), reasons)
    }

    #[test]
    fn a_panic_reaches_the_action_once_with_its_message() {
        let (fatal, reasons) = recording();
        assert_eq!(fatal.guard("sums", || 1 + 1), Some(2));
        assert_eq!(fatal.guard("worker", || panic!("lost {}", 7)), None::<()>);
        assert_eq!(*reasons.lock().unwrap(), ["panic in worker: lost 7"]);
    }

    #[test]
    fn a_halt_is_not_reported_again_as_a_panic() {
        let (fatal, reasons) = recording();
        assert_eq!(fatal.guard("worker", || -> () { fatal.halt("disk full") }), None);
        assert_eq!(*reasons.lock().unwrap(), ["disk full"]);
    }
}
