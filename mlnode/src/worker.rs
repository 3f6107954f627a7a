//! The device's thread: takes a piece of work, computes it, answers. A generation is one batch at a time.
use std::sync::Arc;
use std::time::Instant;

use geodesic_challenge::{Scored, logits_bytes, seen_tag};
use geodesic_proto::geodesic::mlnode::v1::{
    GenerateResponse, InitResponse, Leaf, RecomputeResponse, Recomputed,
};
use tonic::Status;

use crate::engine::{Challenge, Engine, EngineError, NonceId};
use crate::faults::Faults;
use crate::metrics;
use crate::queue::{Generate, Progress, Queue, Recompute, Urgent, Work};

/// Runs until the queue drains.
pub(crate) fn run(engine: &mut dyn Engine, queue: &Arc<Queue>, faults: &Faults) {
    // Also on a panic: callers must not wait for a device that is gone.
    struct Ended<'a>(&'a Queue);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.device_ended();
        }
    }
    let _ended = Ended(queue);
    while let Some(work) = queue.next() {
        match work {
            Work::Urgent(Urgent::Init { challenge, reply, deadline }) => {
                let result = if expired(deadline) { Err(late()) } else { init(engine, &challenge) };
                let _ = reply.send(result);
                queue.finished(None, |p| p.epoch_key = engine.loaded().map(|c| c.epoch_key));
            }
            Work::Urgent(Urgent::Recompute(job)) => {
                let count = recompute(engine, job);
                queue.finished(None, |p| {
                    p.nonces += count;
                    p.epoch_key = engine.loaded().map(|c| c.epoch_key);
                });
            }
            Work::Generate(job) => generate(engine, queue, faults, job),
        }
    }
}

fn expired(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

fn late() -> Status {
    Status::deadline_exceeded("the caller's deadline passed before the work was done")
}

pub(crate) fn status(error: EngineError) -> Status {
    match error {
        EngineError::Memory { .. } => Status::failed_precondition(error.to_string()),
        EngineError::Device(_) => {
            tracing::error!(%error, "engine");
            Status::internal(error.to_string())
        }
    }
}

fn load(engine: &mut dyn Engine, challenge: &Challenge) -> Result<bool, Status> {
    let start = Instant::now();
    let already = engine.load(challenge).map_err(status)?;
    if !already {
        let seconds = start.elapsed().as_secs_f64();
        ::metrics::histogram!(metrics::WEIGHTS_SECONDS).record(seconds);
        let shape = challenge.shape.name().unwrap_or("custom");
        tracing::info!(epoch_key = hex::encode(challenge.epoch_key), shape, seconds, "weights generated");
    }
    Ok(already)
}

fn init(engine: &mut dyn Engine, challenge: &Challenge) -> Result<InitResponse, Status> {
    let already_loaded = load(engine, challenge)?;
    Ok(InitResponse { weights: challenge.shape.weights(), already_loaded })
}

fn score(
    engine: &mut dyn Engine,
    challenge: &Challenge,
    ids: &[NonceId],
    keep_logits: bool,
    kind: &'static str,
) -> Result<Vec<Scored>, Status> {
    let start = Instant::now();
    let scored = engine.score(challenge, ids, keep_logits).map_err(status)?;
    ::metrics::histogram!(metrics::BATCH_SECONDS, "kind" => kind).record(start.elapsed().as_secs_f64());
    ::metrics::counter!(metrics::NONCES, "kind" => kind).increment(ids.len() as u64);
    Ok(scored)
}

/// Answers a Recompute and returns the number of nonces computed.
fn recompute(engine: &mut dyn Engine, job: Recompute) -> u64 {
    let mut results = Vec::with_capacity(job.ids.len());
    let mut outcome = load(engine, &job.challenge).map(|_| ());
    let keep = job.include_logits || job.auditor.is_some();
    for ids in job.ids.chunks(engine.batch(&job.challenge.shape).max(1)) {
        if outcome.is_err() || job.reply.is_closed() {
            break;
        }
        if expired(job.deadline) {
            outcome = Err(late());
            break;
        }
        match score(engine, &job.challenge, ids, keep, "recompute") {
            Ok(scored) => results.extend(scored.into_iter().map(|scored| recomputed(&job, &scored))),
            Err(status) => outcome = Err(status),
        }
    }
    let count = results.len() as u64;
    ::metrics::histogram!(metrics::RECOMPUTE_SECONDS).record(job.arrived.elapsed().as_secs_f64());
    let _ = job.reply.send(outcome.map(|()| RecomputeResponse { results }));
    count
}

fn recomputed(job: &Recompute, scored: &Scored) -> Recomputed {
    Recomputed {
        distance: scored.leaf.distance.0,
        logits_hash: scored.leaf.logits_hash.to_vec(),
        seen_tag: job.auditor.map(|a| seen_tag(&a, &scored.logits).to_vec()).unwrap_or_default(),
        logits: if job.include_logits { logits_bytes(&scored.logits) } else { Vec::new() },
    }
}

/// Computes one batch of a generation and puts it back, unless it is done.
fn generate(engine: &mut dyn Engine, queue: &Queue, faults: &Faults, mut job: Generate) {
    if job.batches.is_closed() {
        return queue.finished(None, |_| {});
    }
    if expired(job.deadline) {
        job.fail(late());
        return queue.finished(None, |_| {});
    }
    let start = Instant::now();
    let batch = match batch(engine, faults, &job) {
        Ok(batch) => batch,
        Err(status) => {
            job.fail(status);
            return queue.finished(None, |_| {});
        }
    };
    let count = batch.leaves.len() as u64;
    let seconds = start.elapsed().as_secs_f64();
    job.next += count;
    // There is room: this thread alone fills the channel, and looked before it took the job.
    let is_gone = job.batches.try_send(batch).is_err();
    let (node, next) = ((job.participant, job.node_id), job.next);
    let again = (!is_gone && job.next < job.end).then_some(job);
    queue.finished(again, |p: &mut Progress| {
        p.epoch_key = engine.loaded().map(|c| c.epoch_key);
        p.node = Some(node);
        p.next_nonce = next;
        p.nonces += count;
        let speed = count as f64 / seconds.max(1e-9);
        p.nonces_per_s = if p.nonces_per_s == 0.0 { speed } else { 0.9 * p.nonces_per_s + 0.1 * speed };
    });
}

fn batch(engine: &mut dyn Engine, faults: &Faults, job: &Generate) -> Result<GenerateResponse, Status> {
    load(engine, &job.challenge)?;
    let left = usize::try_from(job.end - job.next).unwrap_or(usize::MAX);
    let count = engine.batch(&job.challenge.shape).clamp(1, BATCH_MAX).min(left) as u64;
    let ids: Vec<NonceId> = (job.next..job.next + count)
        .map(|nonce| NonceId { participant: job.participant, node_id: job.node_id, nonce })
        .collect();
    let mut scored = score(engine, &job.challenge, &ids, false, "generate")?;
    faults.apply(&job.challenge, &ids, &mut scored);
    let leaves = scored
        .into_iter()
        .map(|s| Leaf {
            nonce: s.leaf.nonce,
            distance: s.leaf.distance.0,
            logits_hash: s.leaf.logits_hash.to_vec(),
        })
        .collect();
    Ok(GenerateResponse { leaves })
}

/// Most leaves of one message: 16384 of at most 60 bytes stay below 1 MiB.
pub(crate) const BATCH_MAX: usize = 16_384;
