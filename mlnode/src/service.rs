//! The gRPC service: checks requests, queues jobs, and hands back what the device's thread answers.
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use geodesic_proto::geodesic::mlnode::v1 as pb;
use pb::ml_node_server::MlNode;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::checks;
use crate::generation::Generate;
use crate::queue::{Init, Queue, Recompute, Urgent};

/// Batches a device that wait for a slow reader before the device turns to other work.
const BATCHES_AHEAD: usize = 4;

/// The service of the devices.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) queue: Arc<Queue>,
    /// Number of devices.
    pub(crate) devices: usize,
    pub(crate) started: Instant,
}

/// Batches of a generation. Dropping it cancels the generation.
pub(crate) struct Batches {
    received: mpsc::Receiver<pb::GenerateResponse>,
    outcome: Arc<OnceLock<Status>>,
    ended: bool,
    queue: Arc<Queue>,
}

impl Stream for Batches {
    type Item = Result<pb::GenerateResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(batch) = self.received.poll_recv(context) else { return Poll::Pending };
        if let Some(batch) = batch {
            self.queue.poke();
            return Poll::Ready(Some(Ok(batch)));
        }
        self.ended = true;
        Poll::Ready(self.outcome.get().cloned().map(Err))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.received.close();
        self.queue.poke();
    }
}

fn gone<T>(_: T) -> Status {
    Status::unavailable("device has stopped")
}

#[tonic::async_trait]
impl MlNode for Service {
    type GenerateStream = Batches;

    #[tracing::instrument(name = "mlnode.init", level = "debug", skip_all, err(level = "debug"))]
    async fn init(&self, request: Request<pb::InitRequest>) -> Result<Response<pb::InitResponse>, Status> {
        let deadline = checks::deadline(request.metadata(), Instant::now())?;
        let challenge = checks::challenge(request.into_inner().challenge)?;
        let (reply, answer) = oneshot::channel();
        self.queue.push_urgent(Urgent::Init(Init { challenge, reply, deadline }))?;
        answer.await.map_err(gone)?.map(Response::new)
    }

    #[tracing::instrument(
        name = "mlnode.generate",
        level = "debug",
        skip_all,
        fields(start = request.get_ref().start_nonce, node = request.get_ref().node_id),
        err(level = "debug")
    )]
    async fn generate(&self, request: Request<pb::GenerateRequest>) -> Result<Response<Batches>, Status> {
        let deadline = checks::deadline(request.metadata(), Instant::now())?;
        let request = request.into_inner();
        let challenge = checks::challenge(request.challenge)?;
        let participant = checks::address("participant", &request.participant)?;
        let (next, end) = checks::range(request.start_nonce, request.end_nonce)?;
        let (batches, received) = mpsc::channel(BATCHES_AHEAD * self.devices);
        let outcome = Arc::new(OnceLock::new());
        let stream = Batches { received, outcome: outcome.clone(), ended: false, queue: self.queue.clone() };
        let node_id = request.node_id;
        self.queue.push_generate(Generate {
            challenge,
            participant,
            node_id,
            next,
            end,
            batches,
            outcome,
            deadline,
        })?;
        Ok(Response::new(stream))
    }

    #[tracing::instrument(
        name = "mlnode.recompute",
        level = "debug",
        skip_all,
        fields(nonces = request.get_ref().nonces.len()),
        err(level = "debug")
    )]
    async fn recompute(
        &self,
        request: Request<pb::RecomputeRequest>,
    ) -> Result<Response<pb::RecomputeResponse>, Status> {
        let arrived = Instant::now();
        let deadline = checks::deadline(request.metadata(), arrived)?;
        let mut request = request.into_inner();
        let challenge = checks::challenge(request.challenge.take())?;
        let ids = checks::nonces(challenge.vocab(), &request)?;
        let auditor = checks::auditor(&challenge, &request.auditor)?;
        let include_logits = request.include_logits;
        let (reply, answer) = oneshot::channel();
        self.queue.push_urgent(Urgent::Recompute(Recompute {
            challenge,
            ids,
            auditor,
            include_logits,
            reply,
            arrived,
            deadline,
        }))?;
        answer.await.map_err(gone)?.map(Response::new)
    }

    async fn status(&self, _: Request<pb::StatusRequest>) -> Result<Response<pb::StatusResponse>, Status> {
        let snapshot = self.queue.snapshot();
        let state = match snapshot {
            _ if snapshot.draining => pb::State::Draining,
            _ if snapshot.depth > 0 => pb::State::Busy,
            _ => pb::State::Idle,
        };
        let progress = snapshot.progress;
        let (participant, node_id) = progress.node.map(|(p, n)| (p.to_vec(), n)).unwrap_or_default();
        Ok(Response::new(pb::StatusResponse {
            version: env!("CARGO_PKG_VERSION").into(),
            device: snapshot.devices,
            profiles: vec![pb::Profile::Exact.into(), pb::Profile::Pow2F16.into()],
            state: state.into(),
            queue_depth: u32::try_from(snapshot.depth).unwrap_or(u32::MAX),
            queue_limit: u32::try_from(self.queue.limit()).unwrap_or(u32::MAX),
            epoch_key: progress.epoch_key.map(|key| key.to_vec()).unwrap_or_default(),
            next_nonce: progress.next_nonce,
            nonces: progress.nonces,
            nonces_per_1000s: (progress.nonces_per_s * 1000.0) as u64,
            participant,
            node_id,
            uptime_s: self.started.elapsed().as_secs(),
        }))
    }

    async fn stop(&self, request: Request<pb::StopRequest>) -> Result<Response<pb::StopResponse>, Status> {
        let drain = request.into_inner().drain;
        let cancelled = self.queue.stop(drain);
        tracing::info!(drain, cancelled, "stop");
        Ok(Response::new(pb::StopResponse { cancelled: u32::try_from(cancelled).unwrap_or(u32::MAX) }))
    }
}
