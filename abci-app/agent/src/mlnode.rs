//! Compute nodes: one task each that keeps its node at the wanted generation, and a pool that re-computes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use geodesic_challenge::{Address, Distance, Hash, Leaf, leaf_hash};
use geodesic_client::files;
use geodesic_proto::geodesic::mlnode::v1 as pb;
use geodesic_proto::geodesic::mlnode::v1::ml_node_client::MlNodeClient;
use geodesic_proto::geodesic::pow::v1::{ShapeSetting, shape_setting};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::config::{Mlnode as Settings, MlnodeTls};
use crate::error::{Error, Result};
use crate::journal::Computed;
use crate::leaves::Leaves;
use crate::metrics;

/// Longest message of a compute node: its replies stay below 4 MiB.
const MESSAGE_MAX: usize = 5 << 20;
/// Pause before a node that failed is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Leaves that several tasks share.
pub(crate) type SharedLeaves = Arc<Mutex<Leaves>>;

/// The leaves behind the lock; a panic elsewhere leaves them whole.
pub(crate) fn lock(leaves: &SharedLeaves) -> std::sync::MutexGuard<'_, Leaves> {
    leaves.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The challenge of an epoch, for compute nodes, which check the numbers of a float shape.
pub(crate) fn challenge(setting: &ShapeSetting, epoch_key: &Hash) -> Result<pb::Challenge> {
    let epoch_key = epoch_key.to_vec();
    if let Some(shape_setting::Profile::Pow2F16(s)) = &setting.profile {
        let shape = pb::FloatShape {
            dim: s.dim,
            layers: s.layers,
            heads: s.heads,
            kv_heads: s.kv_heads,
            hidden: s.hidden,
            vocab: s.vocab,
            seq: s.seq,
            norm_eps: s.norm_eps,
            rope_theta: s.rope_theta,
        };
        let (profile, float_shape) = (pb::Profile::Pow2F16.into(), Some(shape));
        return Ok(pb::Challenge { profile, shape: None, epoch_key, float_shape });
    }
    let shape = geodesic_client::verify::shape(setting)?;
    let shape = pb::Shape {
        dim: shape.dim,
        layers: shape.layers,
        heads: shape.heads,
        ffn: shape.ffn,
        vocab: shape.vocab,
        seq: shape.seq,
        amax: shape.amax,
        wbits: shape.wbits,
        shift_q: shape.shift_q,
        shift_o: shape.shift_o,
        shift_d: shape.shift_d,
        shift_s: shape.shift_s,
        shift_m: shape.shift_m,
    };
    let profile = pb::Profile::Exact.into();
    Ok(pb::Challenge { profile, shape: Some(shape), epoch_key, float_shape: None })
}

/// What a node should compute.
#[derive(Clone)]
pub(crate) struct Job {
    /// The challenge.
    pub(crate) challenge: pb::Challenge,
    /// Where the leaves go; says whose and which they are.
    pub(crate) leaves: SharedLeaves,
    /// Leaves to have, if there is an end.
    pub(crate) until: Option<u64>,
}

impl Job {
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.leaves, &other.leaves) && self.until == other.until
    }
}

/// A compute node.
pub(crate) struct Mlnode {
    pub(crate) node_id: u32,
    url: String,
    client: MlNodeClient<Channel>,
    wait: Duration,
    wanted: watch::Sender<Option<Job>>,
    /// What went wrong last, until something goes right.
    error: Mutex<Option<String>>,
}

impl Mlnode {
    /// A node; connects when it is first used.
    pub(crate) fn new(settings: &Settings, wait: Duration) -> Result<Arc<Self>> {
        let url = settings.url.clone();
        let failed = |text: String| Error::Mlnode { url: url.clone(), text };
        let mut endpoint = Endpoint::from_shared(url.clone()).map_err(|e| failed(e.to_string()))?;
        endpoint = endpoint
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10));
        if let Some(tls) = &settings.tls {
            endpoint = endpoint.tls_config(tls_config(tls)?).map_err(|e| failed(e.to_string()))?;
        }
        let client = MlNodeClient::new(endpoint.connect_lazy()).max_decoding_message_size(MESSAGE_MAX);
        let (wanted, _) = watch::channel(None);
        Ok(Arc::new(Self { node_id: settings.node_id, url, client, wait, wanted, error: Mutex::default() }))
    }

    /// Wants a generation, or none.
    pub(crate) fn want(&self, job: Option<Job>) {
        self.wanted.send_if_modified(|old| {
            let same = match (&*old, &job) {
                (None, None) => true,
                (Some(old), Some(new)) => old.is_same(new),
                _ => false,
            };
            if !same {
                *old = job;
            }
            !same
        });
    }

    /// What went wrong last, if it still does.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, failure: Option<&Error>) {
        let text = failure.map(ToString::to_string);
        ::metrics::gauge!(metrics::MLNODE_UP, "node" => self.node_id.to_string())
            .set(f64::from(u8::from(text.is_none())));
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = text.as_ref().filter(|text| error.as_ref() != Some(text)) {
            tracing::warn!(node = self.node_id, error = text, "compute node");
        }
        *error = text;
    }

    fn failed(&self, text: impl ToString) -> Error {
        Error::Mlnode { url: self.url.clone(), text: text.to_string() }
    }

    /// Starts the task that keeps the node at the wanted generation.
    pub(crate) fn start(self: &Arc<Self>) -> JoinHandle<()> {
        let node = Arc::clone(self);
        tokio::spawn(async move {
            let mut wanted = node.wanted.subscribe();
            loop {
                let job = wanted.borrow_and_update().clone();
                let work = async {
                    match job {
                        Some(job) => node.keep_at(&job).await,
                        None => std::future::pending().await,
                    }
                };
                // Dropping the work drops its stream, which ends the generation.
                tokio::select! {
                    () = work => {}
                    changed = wanted.changed() => if changed.is_err() { return },
                }
            }
        })
    }

    /// Generates until the job is done, and then waits for another.
    async fn keep_at(&self, job: &Job) {
        loop {
            let next = lock(&job.leaves).len();
            if job.until.is_some_and(|until| next >= until) {
                return std::future::pending().await;
            }
            let outcome = self.generate(job, next).await;
            self.note(outcome.as_ref().err());
            if outcome.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// One stream, from its first nonce to its end.
    async fn generate(&self, job: &Job, start: u64) -> Result<()> {
        let request = {
            let leaves = lock(&job.leaves);
            pb::GenerateRequest {
                challenge: Some(job.challenge.clone()),
                participant: leaves.subject().participant.to_vec(),
                node_id: leaves.subject().node_id,
                start_nonce: start,
                end_nonce: job.until,
            }
        };
        let late = |_| self.failed(format!("nothing for {} s", self.wait.as_secs()));
        let mut client = self.client.clone();
        let stream = timeout(self.wait, client.generate(request)).await.map_err(late)?;
        let mut stream = stream.map_err(|e| self.failed(status(&e)))?.into_inner();
        loop {
            let batch = timeout(self.wait, stream.message()).await.map_err(late)?;
            let Some(batch) = batch.map_err(|e| self.failed(status(&e)))? else { return Ok(()) };
            let leaves = batch.leaves.iter().map(leaf).collect::<Option<Vec<Leaf>>>();
            let leaves = leaves.ok_or_else(|| self.failed("a logits_hash has not 32 bytes"))?;
            lock(&job.leaves).append(&leaves)?;
            self.note(None);
        }
    }

    /// Stops generation, when the agent ends.
    pub(crate) async fn stop(&self) {
        self.want(None);
        let mut client = self.client.clone();
        let _ = timeout(Duration::from_secs(1), client.stop(pb::StopRequest { drain: false })).await;
    }

    async fn recompute(&self, request: pb::RecomputeRequest) -> Result<Vec<pb::Recomputed>> {
        let mut client = self.client.clone();
        let asked = request.nonces.len();
        let reply = timeout(self.wait, client.recompute(request)).await;
        let reply = reply.map_err(|_| self.failed(format!("no answer for {} s", self.wait.as_secs())))?;
        let results = reply.map_err(|e| self.failed(status(&e)))?.into_inner().results;
        if results.len() != asked {
            return Err(self.failed(format!("{} results for {asked} nonces", results.len())));
        }
        Ok(results)
    }
}

fn status(e: &Status) -> String {
    format!("{:?}: {}", e.code(), e.message())
}

fn leaf(leaf: &pb::Leaf) -> Option<Leaf> {
    let logits_hash = leaf.logits_hash.as_slice().try_into().ok()?;
    Some(Leaf { nonce: leaf.nonce, distance: Distance(leaf.distance), logits_hash })
}

fn tls_config(tls: &MlnodeTls) -> Result<ClientTlsConfig> {
    let read = |path: &std::path::Path| std::fs::read(path).map_err(Error::io(path));
    let key = files::read_private(&tls.key)?;
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(&tls.ca)?))
        .identity(Identity::from_pem(read(&tls.cert)?, key.as_slice()));
    Ok(match &tls.domain {
        Some(domain) => config.domain_name(domain),
        None => config,
    })
}

/// A nonce to re-compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NonceId {
    pub(crate) participant: Address,
    pub(crate) node_id: u32,
    pub(crate) nonce: u64,
}

/// All compute nodes, as re-computers.
pub(crate) struct Pool {
    nodes: Vec<Arc<Mlnode>>,
    batch: usize,
    turn: AtomicUsize,
}

impl Pool {
    pub(crate) fn new(nodes: Vec<Arc<Mlnode>>, batch: usize) -> Self {
        Self { nodes, batch, turn: AtomicUsize::new(0) }
    }

    /// Leaf hashes of nonces and, under profile `exact`, the tags of an auditor for them, in the order asked. Nodes take turns; a batch that one fails
    /// goes to the next.
    ///
    /// # Errors
    /// The last node's, when none could do a batch.
    pub(crate) async fn recompute(
        &self,
        challenge: &pb::Challenge,
        ids: &[NonceId],
        auditor: &Address,
    ) -> Result<Vec<Computed>> {
        let mut computed = Vec::with_capacity(ids.len());
        for ids in ids.chunks(self.batch.max(1)) {
            computed.extend(self.batch(challenge, ids, auditor).await?);
        }
        ::metrics::counter!(metrics::RECOMPUTED).increment(ids.len() as u64);
        Ok(computed)
    }

    async fn batch(
        &self,
        challenge: &pb::Challenge,
        ids: &[NonceId],
        auditor: &Address,
    ) -> Result<Vec<Computed>> {
        let nonce = |id: &NonceId| pb::NonceId {
            participant: id.participant.to_vec(),
            node_id: id.node_id,
            nonce: id.nonce,
        };
        let has_tags = challenge.profile() == pb::Profile::Exact;
        let request = pb::RecomputeRequest {
            challenge: Some(challenge.clone()),
            nonces: ids.iter().map(nonce).collect(),
            auditor: if has_tags { auditor.to_vec() } else { Vec::new() },
            include_logits: false,
        };
        let mut last = Error::Config("no compute node is configured".to_owned());
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = first.checked_rem(self.nodes.len()).unwrap_or(0);
        for node in self.nodes.iter().cycle().skip(first).take(self.nodes.len()) {
            let outcome = node.recompute(request.clone()).await.and_then(|results| {
                let all = results
                    .iter()
                    .zip(ids)
                    .map(|(r, id)| result(r, id.nonce, has_tags))
                    .collect::<Option<Vec<_>>>();
                all.ok_or_else(|| node.failed("a result has wrong lengths"))
            });
            match outcome {
                Ok(computed) => {
                    node.note(None);
                    return Ok(computed);
                }
                Err(e) => {
                    node.note(Some(&e));
                    last = e;
                }
            }
        }
        Err(last)
    }
}

fn result(r: &pb::Recomputed, nonce: u64, has_tag: bool) -> Option<Computed> {
    let logits_hash: Hash = r.logits_hash.as_slice().try_into().ok()?;
    let tag = if has_tag { r.seen_tag.as_slice().try_into().ok()? } else { [0; 8] };
    Some(Computed {
        leaf_hash: leaf_hash(nonce, Distance(r.distance), &logits_hash),
        tag,
        distance: r.distance,
    })
}
