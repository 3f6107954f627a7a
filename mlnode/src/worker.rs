//! A device's thread: takes a piece of work, computes it, answers. A generation is one range at a time; what a device
//! that fails has taken goes back to the queue.
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use geodesic_challenge::{Hash, Scored, logits_bytes, seen_tag};
use geodesic_proto::geodesic::mlnode::v1::{
    GenerateResponse, InitResponse, Leaf, RecomputeResponse, Recomputed,
};
use tonic::Status;

use crate::engine::{EngineError, NonceId};
use crate::faults::Faults;
use crate::generation::Claim;
use crate::metrics;
use crate::profile::{Challenge, Device};
use crate::queue::{Init, Queue, Recompute, Urgent, Work, late};

/// Why a piece of work has no result.
enum Trouble {
    /// It is the work's fault: its caller gets this.
    Job(Status),
    /// It is the device's fault: another one does the work.
    Device(String),
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Device(reason) => Self::Device(reason),
            error => Self::Job(Status::failed_precondition(error.to_string())),
        }
    }
}

/// Runs device `index` until the queue drains or the device fails.
pub(crate) fn run(index: usize, device: &mut Device, queue: &Queue, faults: &Faults) {
    // Also on a panic: callers must not wait for a device that is gone.
    struct Ended<'a>(&'a Queue);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.device_ended();
        }
    }
    let _ended = Ended(queue);
    loop {
        let batch = |challenge: &Challenge| device.batch(challenge).clamp(1, BATCH_MAX) as u64;
        let Some(work) = queue.next(&batch) else { return };
        let failed = match work {
            Work::Urgent(Urgent::Init(job)) => {
                init(device, queue, job).map_err(|(job, reason)| (Work::Urgent(Urgent::Init(job)), reason))
            }
            Work::Urgent(Urgent::Recompute(job)) => recompute(device, queue, job)
                .map_err(|(job, reason)| (Work::Urgent(Urgent::Recompute(job)), reason)),
            Work::Generate(claim) => generate(index, device, queue, faults, &claim)
                .map_err(|reason| (Work::Generate(claim), reason)),
        };
        if let Err((work, reason)) = failed {
            return queue.out_of_service(index, reason, work);
        }
    }
}

fn expired(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// What `compute` gives. A panic in an engine is the device's failure: its work must not be lost.
fn guarded<T>(compute: impl FnOnce() -> Result<T, EngineError>) -> Result<T, Trouble> {
    let result = std::panic::catch_unwind(AssertUnwindSafe(compute));
    Ok(result.map_err(|_| Trouble::Device("the engine panicked".into()))??)
}

fn load(device: &mut Device, challenge: &Challenge) -> Result<bool, Trouble> {
    let start = Instant::now();
    let already = guarded(|| device.load(challenge))?;
    if !already {
        let seconds = start.elapsed().as_secs_f64();
        ::metrics::histogram!(metrics::WEIGHTS_SECONDS).record(seconds);
        let (profile, shape) = challenge.names();
        let epoch_key = hex::encode(challenge.epoch_key());
        tracing::info!(epoch_key, profile, shape, seconds, "weights generated");
    }
    Ok(already)
}

fn key(device: &Device) -> Option<Hash> {
    device.loaded().map(Challenge::epoch_key)
}

/// Answers an Init, or hands it back with what is wrong with the device.
fn init(device: &mut Device, queue: &Queue, job: Init) -> Result<(), (Init, String)> {
    let result = if expired(job.deadline) { Err(Trouble::Job(late())) } else { load(device, &job.challenge) };
    let answer = match result {
        Ok(already_loaded) => Ok(InitResponse { weights: job.challenge.weights(), already_loaded }),
        Err(Trouble::Job(status)) => Err(status),
        Err(Trouble::Device(reason)) => return Err((job, reason)),
    };
    let _ = job.reply.send(answer);
    queue.answered(key(device), 0);
    Ok(())
}

fn score(
    device: &mut Device,
    challenge: &Challenge,
    ids: &[NonceId],
    keep_logits: bool,
    kind: &'static str,
) -> Result<Vec<Scored>, Trouble> {
    let start = Instant::now();
    let scored = guarded(|| device.score(challenge, ids, keep_logits))?;
    ::metrics::histogram!(metrics::BATCH_SECONDS, "kind" => kind).record(start.elapsed().as_secs_f64());
    ::metrics::counter!(metrics::NONCES, "kind" => kind).increment(ids.len() as u64);
    Ok(scored)
}

/// Answers a Recompute, or hands it back with what is wrong with the device.
fn recompute(device: &mut Device, queue: &Queue, job: Recompute) -> Result<(), (Recompute, String)> {
    let answer = match results(device, &job) {
        Ok(results) => Ok(RecomputeResponse { results }),
        Err(Trouble::Job(status)) => Err(status),
        Err(Trouble::Device(reason)) => return Err((job, reason)),
    };
    ::metrics::histogram!(metrics::RECOMPUTE_SECONDS).record(job.arrived.elapsed().as_secs_f64());
    let count = answer.as_ref().map_or(0, |answer| answer.results.len() as u64);
    let _ = job.reply.send(answer);
    queue.answered(key(device), count);
    Ok(())
}

/// The results of a Recompute, fewer if its caller is gone.
fn results(device: &mut Device, job: &Recompute) -> Result<Vec<Recomputed>, Trouble> {
    let mut results = Vec::with_capacity(job.ids.len());
    load(device, &job.challenge)?;
    let keep = job.include_logits || job.auditor.is_some();
    for ids in job.ids.chunks(device.batch(&job.challenge).max(1)) {
        if job.reply.is_closed() {
            break;
        }
        if expired(job.deadline) {
            return Err(Trouble::Job(late()));
        }
        let scored = score(device, &job.challenge, ids, keep, "recompute")?;
        results.extend(scored.into_iter().map(|scored| recomputed(job, &scored)));
    }
    Ok(results)
}

fn recomputed(job: &Recompute, scored: &Scored) -> Recomputed {
    Recomputed {
        distance: scored.leaf.distance.0,
        logits_hash: scored.leaf.logits_hash.to_vec(),
        seen_tag: job.auditor.map(|a| seen_tag(&a, &scored.logits).to_vec()).unwrap_or_default(),
        logits: if job.include_logits { logits_bytes(&scored.logits) } else { Vec::new() },
    }
}

/// Computes a range of a generation, or says what is wrong with the device.
fn generate(
    index: usize,
    device: &mut Device,
    queue: &Queue,
    faults: &Faults,
    claim: &Claim,
) -> Result<(), String> {
    let start = Instant::now();
    match leaves(device, faults, claim) {
        Ok(leaves) => {
            let seconds = start.elapsed().as_secs_f64();
            queue.computed(index, claim, GenerateResponse { leaves }, seconds);
        }
        Err(Trouble::Job(status)) => queue.refused(claim, status),
        Err(Trouble::Device(reason)) => return Err(reason),
    }
    Ok(())
}

fn leaves(device: &mut Device, faults: &Faults, claim: &Claim) -> Result<Vec<Leaf>, Trouble> {
    load(device, &claim.challenge)?;
    let Claim { participant, node_id, .. } = *claim;
    let ids: Vec<NonceId> =
        claim.nonces.clone().map(|nonce| NonceId { participant, node_id, nonce }).collect();
    let mut scored = score(device, &claim.challenge, &ids, false, "generate")?;
    faults.apply(&claim.challenge, &ids, &mut scored);
    let leaf = |s: Scored| Leaf {
        nonce: s.leaf.nonce,
        distance: s.leaf.distance.0,
        logits_hash: s.leaf.logits_hash.to_vec(),
    };
    Ok(scored.into_iter().map(leaf).collect())
}

/// Most leaves of one message: 16384 of at most 60 bytes stay below 1 MiB.
pub(crate) const BATCH_MAX: usize = 16_384;
