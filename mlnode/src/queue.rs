//! Jobs between the service and the device: two bounded queues, of which generation waits for everything else.
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use geodesic_challenge::{Address, Hash};
use geodesic_proto::geodesic::mlnode::v1::{GenerateResponse, InitResponse, RecomputeResponse};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;

use crate::engine::{Challenge, NonceId};
use crate::metrics;

/// Work that does not wait for generation.
pub(crate) enum Urgent {
    /// Prepare weights.
    Init {
        challenge: Challenge,
        reply: oneshot::Sender<Result<InitResponse, Status>>,
        deadline: Option<Instant>,
    },
    /// Score chosen nonces.
    Recompute(Recompute),
}

/// Chosen nonces to score.
pub(crate) struct Recompute {
    pub(crate) challenge: Challenge,
    pub(crate) ids: Vec<NonceId>,
    pub(crate) auditor: Option<Address>,
    pub(crate) include_logits: bool,
    pub(crate) reply: oneshot::Sender<Result<RecomputeResponse, Status>>,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Option<Instant>,
}

/// Consecutive nonces to score, batch by batch.
pub(crate) struct Generate {
    pub(crate) challenge: Challenge,
    pub(crate) participant: Address,
    pub(crate) node_id: u32,
    pub(crate) next: u64,
    /// First nonce not to compute.
    pub(crate) end: u64,
    pub(crate) batches: mpsc::Sender<GenerateResponse>,
    /// How the stream ends when it does not end well.
    pub(crate) outcome: Arc<OnceLock<Status>>,
    pub(crate) deadline: Option<Instant>,
}

impl Generate {
    /// Ends the stream with `status`.
    pub(crate) fn fail(self, status: Status) {
        let _ = self.outcome.set(status);
    }

    /// Whether the device should take it up: to compute a batch there is room for, or to end it.
    fn is_ready(&self, now: Instant) -> bool {
        self.batches.capacity() > 0 || self.batches.is_closed() || self.deadline.is_some_and(|d| d <= now)
    }
}

/// What the device does next.
pub(crate) enum Work {
    Urgent(Urgent),
    Generate(Generate),
}

/// Numbers for Status.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    pub(crate) epoch_key: Option<Hash>,
    pub(crate) node: Option<(Address, u32)>,
    pub(crate) next_nonce: u64,
    pub(crate) nonces: u64,
    pub(crate) nonces_per_s: f64,
}

#[derive(Default)]
struct State {
    urgent: VecDeque<Urgent>,
    generate: VecDeque<Generate>,
    /// The device works on one of these now.
    urgent_runs: bool,
    generate_runs: bool,
    /// The generation that runs must not be taken up again.
    stop_running: bool,
    draining: bool,
    progress: Progress,
}

impl State {
    fn depth(&self) -> usize {
        self.urgent.len()
            + self.generate.len()
            + usize::from(self.urgent_runs)
            + usize::from(self.generate_runs)
    }
}

/// The queues, shared by the service and the device's thread.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    limit: usize,
    done: watch::Sender<bool>,
}

/// What Status says of the queue.
pub(crate) struct Snapshot {
    pub(crate) depth: usize,
    pub(crate) draining: bool,
    pub(crate) progress: Progress,
}

fn stopped(draining: bool) -> Status {
    if draining { Status::unavailable("node is draining") } else { Status::aborted("generation was stopped") }
}

impl Queue {
    /// Takes at most `limit` jobs of each kind.
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), limit, done: watch::channel(false).0 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, state: &State) {
        ::metrics::gauge!(metrics::QUEUE_DEPTH).set(state.depth() as f64);
        self.wake.notify_all();
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    fn admit(&self, draining: bool, depth: usize, kind: &str) -> Result<(), Status> {
        if draining {
            ::metrics::counter!(metrics::REFUSED, "reason" => "draining").increment(1);
            return Err(Status::unavailable("node is draining"));
        }
        if depth >= self.limit {
            ::metrics::counter!(metrics::REFUSED, "reason" => "queue_full").increment(1);
            let limit = self.limit;
            return Err(Status::resource_exhausted(format!(
                "queue holds {depth} jobs of kind {kind}, the limit is {limit}"
            )));
        }
        Ok(())
    }

    /// Queues urgent work.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when full, UNAVAILABLE when draining.
    pub(crate) fn push_urgent(&self, work: Urgent) -> Result<(), Status> {
        let mut state = self.lock();
        self.admit(state.draining, state.urgent.len() + usize::from(state.urgent_runs), "recompute")?;
        state.urgent.push_back(work);
        self.changed(&state);
        Ok(())
    }

    /// Queues a generation.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when full, UNAVAILABLE when draining.
    pub(crate) fn push_generate(&self, job: Generate) -> Result<(), Status> {
        let mut state = self.lock();
        self.admit(state.draining, state.generate.len() + usize::from(state.generate_runs), "generate")?;
        state.generate.push_back(job);
        self.changed(&state);
        Ok(())
    }

    /// Called by a stream that has taken a batch or was dropped: a generation may go on.
    pub(crate) fn poke(&self) {
        drop(self.lock()); // so that the device is either before its look at the channels or asleep
        self.wake.notify_all();
    }

    /// Waits for work; `None` when the node drains and nothing is left.
    pub(crate) fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.urgent.pop_front() {
                state.urgent_runs = true;
                return Some(Work::Urgent(work));
            }
            let now = Instant::now();
            let ready = state.generate.iter().position(|job| job.is_ready(now));
            if let Some(job) = ready.and_then(|at| state.generate.remove(at)) {
                state.generate_runs = true;
                state.stop_running = false;
                return Some(Work::Generate(job));
            }
            if state.draining && state.generate.is_empty() {
                return None;
            }
            // Deadlines of generations whose reader is slow are looked at once a second.
            let waited = self.wake.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reports that the device has done its piece of work; `again` puts an unfinished generation at the end.
    pub(crate) fn finished(&self, again: Option<Generate>, update: impl FnOnce(&mut Progress)) {
        let mut state = self.lock();
        let stop = std::mem::take(&mut state.stop_running);
        state.urgent_runs = false;
        state.generate_runs = false;
        update(&mut state.progress);
        match again {
            Some(job) if stop => job.fail(stopped(state.draining)),
            Some(job) => state.generate.push_back(job),
            None => {}
        }
        self.changed(&state);
    }

    /// Stops all generation; with `drain` also refuses new work. Returns the number of generations stopped.
    pub(crate) fn stop(&self, drain: bool) -> usize {
        let mut state = self.lock();
        state.draining |= drain;
        let jobs = std::mem::take(&mut state.generate);
        let running = usize::from(state.generate_runs && !state.stop_running);
        state.stop_running = state.generate_runs;
        let count = jobs.len() + running;
        let status = stopped(state.draining);
        jobs.into_iter().for_each(|job| job.fail(status.clone()));
        self.changed(&state);
        count
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot { depth: state.depth(), draining: state.draining, progress: state.progress.clone() }
    }

    /// Reports that the device's thread has ended; what is queued is refused.
    pub(crate) fn device_ended(&self) {
        self.stop(true);
        self.lock().urgent.clear(); // their senders drop, so their callers are answered
        self.done.send_replace(true);
    }

    /// Becomes true when the device's thread has ended.
    pub(crate) fn done(&self) -> watch::Receiver<bool> {
        self.done.subscribe()
    }
}
