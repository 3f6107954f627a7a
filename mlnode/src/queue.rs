//! Jobs between the service and the devices: two bounded queues, of which generation waits for everything else.
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use geodesic_challenge::{Address, Hash};
use geodesic_proto::geodesic::mlnode::v1::{GenerateResponse, InitResponse, RecomputeResponse};
use tokio::sync::{oneshot, watch};
use tonic::Status;

use crate::engine::NonceId;
use crate::generation::{Claim, Generate, Generation};
use crate::metrics;
use crate::profile::Challenge;

/// Work that does not wait for generation.
pub(crate) enum Urgent {
    /// Prepare weights, on the device that takes it; others do so with their first range.
    Init(Init),
    /// Score chosen nonces.
    Recompute(Recompute),
}

impl Urgent {
    /// Answers with an error.
    fn fail(self, status: Status) {
        match self {
            Self::Init(job) => drop(job.reply.send(Err(status))),
            Self::Recompute(job) => drop(job.reply.send(Err(status))),
        }
    }
}

/// Weights to prepare.
pub(crate) struct Init {
    pub(crate) challenge: Challenge,
    pub(crate) reply: oneshot::Sender<Result<InitResponse, Status>>,
    pub(crate) deadline: Option<Instant>,
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

/// What a device does next.
pub(crate) enum Work {
    Urgent(Urgent),
    Generate(Claim),
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

/// A device as the queue sees it.
struct Device {
    name: String,
    /// Nonces per second over its last batches.
    speed: f64,
    /// Why it is out of service.
    failed: Option<String>,
}

#[derive(Default)]
struct State {
    urgent: VecDeque<Urgent>,
    urgent_running: usize,
    /// All generations that are not over, also those of which everything is taken. Their turn goes round.
    generate: VecDeque<Generation>,
    /// Number of the next generation.
    next_id: u64,
    devices: Vec<Device>,
    /// Threads of devices that have not ended.
    threads: usize,
    draining: bool,
    /// Why no device is in service.
    stranded: Option<String>,
    progress: Progress,
}

impl State {
    fn depth(&self) -> usize {
        self.urgent.len() + self.urgent_running + self.generate.len()
    }

    /// Ends generations whose reader is gone or whose deadline has passed.
    fn sweep(&mut self) {
        let now = Instant::now();
        for generation in std::mem::take(&mut self.generate) {
            match generation {
                gone if gone.is_dropped() => drop(gone),
                late if late.is_late(now) => late.fail(self::late()),
                going => self.generate.push_back(going),
            }
        }
    }

    /// A range of the first generation that has one to give, which then waits for its next turn.
    fn claim(&mut self, batch: &dyn Fn(&Challenge) -> u64) -> Option<Claim> {
        for at in 0..self.generate.len() {
            let generation = self.generate.get_mut(at)?;
            let count = batch(generation.challenge());
            if let Some(claim) = generation.take(count) {
                self.generate.remove(at).into_iter().for_each(|taken| self.generate.push_back(taken));
                return Some(claim);
            }
        }
        None
    }

    fn position(&self, claim: &Claim) -> Option<usize> {
        self.generate.iter().position(|generation| generation.id == claim.id)
    }

    fn refuse_all(&mut self, status: &Status) {
        std::mem::take(&mut self.generate).into_iter().for_each(|job| job.fail(status.clone()));
        std::mem::take(&mut self.urgent).into_iter().for_each(|job| job.fail(status.clone()));
    }
}

/// The queues, shared by the service and the devices' threads.
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
    /// The devices in words, with what is wrong with them.
    pub(crate) devices: String,
}

fn stopped(draining: bool) -> Status {
    if draining { Status::unavailable("node is draining") } else { Status::aborted("generation was stopped") }
}

/// The caller's deadline passed first.
pub(crate) fn late() -> Status {
    Status::deadline_exceeded("the caller's deadline passed before the work was done")
}

impl Queue {
    /// Takes at most `limit` jobs of each kind, for the devices of these names, each of which has a thread.
    pub(crate) fn new(limit: usize, devices: Vec<String>) -> Self {
        let device = |name| Device { name, speed: 0.0, failed: None };
        let devices: Vec<Device> = devices.into_iter().map(device).collect();
        let state = State { threads: devices.len(), devices, ..State::default() };
        ::metrics::gauge!(metrics::DEVICES).set(state.threads as f64);
        Self { state: Mutex::new(state), wake: Condvar::new(), limit, done: watch::channel(false).0 }
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

    fn admit(&self, state: &State, depth: usize, kind: &str) -> Result<(), Status> {
        if let Some(reason) = &state.stranded {
            ::metrics::counter!(metrics::REFUSED, "reason" => "no_device").increment(1);
            return Err(Status::unavailable(reason));
        }
        if state.draining {
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
    /// RESOURCE_EXHAUSTED when full, UNAVAILABLE when draining or without a device.
    pub(crate) fn push_urgent(&self, work: Urgent) -> Result<(), Status> {
        let mut state = self.lock();
        self.admit(&state, state.urgent.len() + state.urgent_running, "recompute")?;
        state.urgent.push_back(work);
        self.changed(&state);
        Ok(())
    }

    /// Queues a generation.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when full, UNAVAILABLE when draining or without a device.
    pub(crate) fn push_generate(&self, job: Generate) -> Result<(), Status> {
        let mut state = self.lock();
        self.admit(&state, state.generate.len(), "generate")?;
        let id = state.next_id;
        state.next_id += 1;
        state.generate.push_back(Generation::new(id, job));
        self.changed(&state);
        Ok(())
    }

    /// Called by a stream that has taken a batch or was dropped: a generation may go on.
    pub(crate) fn poke(&self) {
        drop(self.lock()); // so that a device is either before its look at the channels or asleep
        self.wake.notify_all();
    }

    /// Waits for work for a device that computes `batch` nonces of a challenge a call; `None` when the node drains and
    /// nothing is left.
    pub(crate) fn next(&self, batch: &dyn Fn(&Challenge) -> u64) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.urgent.pop_front() {
                state.urgent_running += 1;
                return Some(Work::Urgent(work));
            }
            state.sweep();
            if let Some(claim) = state.claim(batch) {
                return Some(Work::Generate(claim));
            }
            // What runs elsewhere may come back, if that device fails.
            if state.draining && state.generate.is_empty() && state.urgent_running == 0 {
                self.changed(&state);
                return None;
            }
            // Deadlines of generations whose reader is slow are looked at once a second.
            let waited = self.wake.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reports that urgent work was answered.
    pub(crate) fn answered(&self, epoch_key: Option<Hash>, nonces: u64) {
        let mut state = self.lock();
        state.urgent_running -= 1;
        state.progress.nonces += nonces;
        state.progress.epoch_key = epoch_key;
        self.changed(&state);
    }

    /// Takes the result of a range that device `index` computed in `seconds`.
    pub(crate) fn computed(&self, index: usize, claim: &Claim, batch: GenerateResponse, seconds: f64) {
        let mut state = self.lock();
        let count = batch.leaves.len() as u64;
        let at = state.position(claim); // it may be over by now
        if let Some(generation) = at.and_then(|at| state.generate.get_mut(at)) {
            generation.put(claim, batch);
            let (sent, is_over) = (generation.sent(), generation.is_complete() || generation.is_dropped());
            state.progress.next_nonce = sent;
            if is_over {
                at.and_then(|at| state.generate.remove(at));
            }
        }
        if let Some(device) = state.devices.get_mut(index) {
            let speed = count as f64 / seconds.max(1e-9);
            device.speed = if device.speed == 0.0 { speed } else { 0.9 * device.speed + 0.1 * speed };
        }
        let progress = &mut state.progress;
        progress.epoch_key = Some(claim.challenge.epoch_key());
        progress.node = Some((claim.participant, claim.node_id));
        progress.nonces += count;
        self.changed(&state);
    }

    /// Ends the generation of `claim` with `status`.
    pub(crate) fn refused(&self, claim: &Claim, status: Status) {
        let mut state = self.lock();
        let at = state.position(claim);
        if let Some(generation) = at.and_then(|at| state.generate.remove(at)) {
            generation.fail(status);
        }
        self.changed(&state);
    }

    /// Takes device `index` out of service for `reason`; another one does what it had taken.
    pub(crate) fn out_of_service(&self, index: usize, reason: String, work: Work) {
        let mut state = self.lock();
        match work {
            Work::Urgent(job) => {
                state.urgent_running -= 1;
                state.urgent.push_front(job);
            }
            Work::Generate(claim) => {
                let at = state.position(&claim);
                if let Some(generation) = at.and_then(|at| state.generate.get_mut(at)) {
                    generation.give_back(claim);
                }
            }
        }
        if let Some(device) = state.devices.get_mut(index) {
            let name = &device.name;
            tracing::error!(device = index, name, reason, "device is taken out of service");
            device.failed = Some(reason);
        }
        let left = state.devices.iter().filter(|device| device.failed.is_none()).count();
        ::metrics::gauge!(metrics::DEVICES).set(left as f64);
        ::metrics::counter!(metrics::DEVICE_FAILURES, "device" => index.to_string()).increment(1);
        if left == 0 {
            let reason = format!("no device is in service, restart the node: {}", describe(&state.devices));
            state.refuse_all(&Status::unavailable(&reason));
            state.stranded = Some(reason);
        }
        self.changed(&state);
    }

    /// Why no device is in service, if none is.
    pub(crate) fn stranded(&self) -> Option<String> {
        self.lock().stranded.clone()
    }

    /// Stops all generation; with `drain` also refuses new work. Returns the number of generations stopped.
    pub(crate) fn stop(&self, drain: bool) -> usize {
        let mut state = self.lock();
        state.draining |= drain;
        let jobs = std::mem::take(&mut state.generate);
        let (count, status) = (jobs.len(), stopped(state.draining));
        jobs.into_iter().for_each(|job| job.fail(status.clone()));
        self.changed(&state);
        count
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let mut progress = state.progress.clone();
        let working = state.devices.iter().filter(|device| device.failed.is_none());
        progress.nonces_per_s = working.map(|device| device.speed).sum();
        let (depth, draining) = (state.depth(), state.draining);
        Snapshot { depth, draining, progress, devices: describe(&state.devices) }
    }

    /// Reports that a device's thread has ended; after the last one, what is queued is refused.
    pub(crate) fn device_ended(&self) {
        let mut state = self.lock();
        state.threads = state.threads.saturating_sub(1);
        if state.threads > 0 {
            return;
        }
        state.draining = true;
        state.refuse_all(&stopped(true));
        self.changed(&state);
        drop(state);
        self.done.send_replace(true);
    }

    /// Becomes true when the devices' threads have ended.
    pub(crate) fn done(&self) -> watch::Receiver<bool> {
        self.done.subscribe()
    }
}

/// The devices in words.
fn describe(devices: &[Device]) -> String {
    let each = devices.iter().map(|device| match &device.failed {
        None => device.name.clone(),
        Some(reason) => format!("{} (out of service: {reason})", device.name),
    });
    each.collect::<Vec<_>>().join("; ")
}
