//! The operator's compute nodes: generation into the leaf stores, and re-computing of chosen nonces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use geodesic_challenge::{Leaf, Shape};
use geodesic_proto::geodesic::mlnode::v1 as pb;
use geodesic_proto::geodesic::mlnode::v1::ml_node_client::MlNodeClient;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;

use crate::config::MlNode;
use crate::duties::Operator;
use crate::leaves::LeafStore;

/// Pause after a node failed.
const RETRY: Duration = Duration::from_secs(1);

/// A node that sends nothing for so long is asked anew.
const SILENCE: Duration = Duration::from_secs(60);

/// Longest wait for re-computed nonces.
const RECOMPUTE_TIMEOUT: Duration = Duration::from_secs(30);

/// Nonces of one request.
const RECOMPUTE_MAX: usize = 256;

/// What is computed in an epoch.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The network.
    pub shape: Shape,
    /// Seed of the epoch.
    pub key: [u8; 32],
}

impl Challenge {
    fn message(&self) -> pb::Challenge {
        let s = &self.shape;
        let shape = pb::Shape {
            dim: s.dim,
            layers: s.layers,
            heads: s.heads,
            ffn: s.ffn,
            vocab: s.vocab,
            seq: s.seq,
            amax: s.amax,
            wbits: s.wbits,
            shift_q: s.shift_q,
            shift_o: s.shift_o,
            shift_d: s.shift_d,
            shift_s: s.shift_s,
            shift_m: s.shift_m,
        };
        pb::Challenge { profile: pb::Profile::Exact.into(), shape: Some(shape), epoch_key: self.key.to_vec() }
    }
}

/// Why a node's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node does not answer, or refuses.
    #[error("mlnode {url}: {reason}")]
    Node {
        /// Its address.
        url: String,
        /// What it says.
        reason: String,
    },
    /// No node answered.
    #[error("no mlnode could re-compute: {0}")]
    None(String),
}

/// What a nonce gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    /// Its leaf.
    pub leaf: Leaf,
    /// Tag for the auditor that was named.
    pub tag: Option<[u8; 8]>,
}

/// A nonce of any participant.
pub type NonceId = (Operator, u32, u64);

/// The nodes, and what they generate.
pub struct MlNodes {
    nodes: Vec<MlNode>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for MlNodes {
    fn drop(&mut self) {
        self.rest();
    }
}

async fn connect(url: &str) -> Result<MlNodeClient<Channel>, Error> {
    let node = |reason: String| Error::Node { url: url.to_owned(), reason };
    let endpoint = tonic::transport::Endpoint::from_shared(url.to_owned()).map_err(|e| node(e.to_string()))?;
    let channel = endpoint.connect_timeout(Duration::from_secs(5)).connect().await;
    Ok(MlNodeClient::new(channel.map_err(|e| node(format!("cannot connect: {e}")))?))
}

impl MlNodes {
    /// These nodes, at rest.
    pub fn new(nodes: Vec<MlNode>) -> Self {
        Self { nodes, running: Mutex::new(Vec::new()) }
    }

    /// The nodes.
    pub fn nodes(&self) -> &[MlNode] {
        &self.nodes
    }

    /// Whether any generation is running.
    pub fn is_busy(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().any(|task| !task.is_finished())
    }

    /// Generates on every node, each into its store, from where that ends; goes on until [`MlNodes::rest`].
    pub fn compute(&self, challenge: &Challenge, participant: Operator, stores: &[Arc<Mutex<LeafStore>>]) {
        self.rest();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for (node, store) in self.nodes.iter().zip(stores) {
            let (node, store, challenge) = (node.clone(), Arc::clone(store), challenge.clone());
            running.push(tokio::spawn(async move {
                loop {
                    let end = generate(&node, &challenge, participant, &store).await;
                    if let Err(error) = end {
                        tracing::warn!(node = node.id, %error, "generation was interrupted");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }));
        }
    }

    /// Ends all generation; the nodes notice that nobody listens.
    pub fn rest(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for task in running.drain(..) {
            task.abort();
        }
    }

    /// Re-computes nonces on the first node that answers. `auditor`: whose tag to give.
    ///
    /// # Errors
    /// [`Error::None`] with what each node said.
    pub async fn recompute(
        &self,
        challenge: &Challenge,
        auditor: Option<Operator>,
        ids: &[NonceId],
    ) -> Result<Vec<Computed>, Error> {
        let mut all = Vec::with_capacity(ids.len());
        for part in ids.chunks(RECOMPUTE_MAX) {
            all.append(&mut self.recompute_part(challenge, auditor, part).await?);
        }
        Ok(all)
    }

    async fn recompute_part(
        &self,
        challenge: &Challenge,
        auditor: Option<Operator>,
        ids: &[NonceId],
    ) -> Result<Vec<Computed>, Error> {
        let nonce = |(participant, node_id, nonce): &NonceId| pb::NonceId {
            participant: participant.to_vec(),
            node_id: *node_id,
            nonce: *nonce,
        };
        let request = pb::RecomputeRequest {
            challenge: Some(challenge.message()),
            nonces: ids.iter().map(nonce).collect(),
            auditor: auditor.map(|a| a.to_vec()).unwrap_or_default(),
            include_logits: false,
        };
        let mut said = String::new();
        for node in &self.nodes {
            match ask(&node.url, &request).await.and_then(|r| read(&node.url, ids, auditor.is_some(), &r)) {
                Ok(computed) => return Ok(computed),
                Err(error) => said.push_str(&format!("{error}; ")),
            }
        }
        Err(Error::None(said))
    }
}

async fn ask(url: &str, request: &pb::RecomputeRequest) -> Result<pb::RecomputeResponse, Error> {
    let node = |reason: String| Error::Node { url: url.to_owned(), reason };
    let mut client = connect(url).await?;
    let answer = tokio::time::timeout(RECOMPUTE_TIMEOUT, client.recompute(request.clone())).await;
    let answer = answer.map_err(|_| node(format!("no answer in {} s", RECOMPUTE_TIMEOUT.as_secs())))?;
    Ok(answer.map_err(|s| node(s.message().to_owned()))?.into_inner())
}

fn read(url: &str, ids: &[NonceId], tagged: bool, r: &pb::RecomputeResponse) -> Result<Vec<Computed>, Error> {
    let nonsense = || Error::Node { url: url.to_owned(), reason: "its answer does not fit the question".to_owned() };
    if r.results.len() != ids.len() {
        return Err(nonsense());
    }
    let one = |((_, _, nonce), c): (&NonceId, &pb::Recomputed)| {
        let logits_hash: [u8; 32] = c.logits_hash.as_slice().try_into().map_err(|_| nonsense())?;
        let leaf = Leaf { nonce: *nonce, distance: geodesic_challenge::Distance(c.distance), logits_hash };
        let tag = match tagged {
            true => Some(c.seen_tag.as_slice().try_into().map_err(|_| nonsense())?),
            false => None,
        };
        Ok(Computed { leaf, tag })
    };
    ids.iter().zip(&r.results).map(one).collect()
}

/// Streams nonces of one node into its store until the node ends or fails.
async fn generate(
    node: &MlNode,
    challenge: &Challenge,
    participant: Operator,
    store: &Mutex<LeafStore>,
) -> Result<(), Error> {
    let bad = |reason: String| Error::Node { url: node.url.clone(), reason };
    let start = store.lock().unwrap_or_else(PoisonError::into_inner).len();
    let request = pb::GenerateRequest {
        challenge: Some(challenge.message()),
        participant: participant.to_vec(),
        node_id: node.id,
        start_nonce: start,
        end_nonce: None,
    };
    let mut client = connect(&node.url).await?;
    let stream = client.generate(request).await.map_err(|s| bad(s.message().to_owned()))?.into_inner();
    let mut stream = std::pin::pin!(stream.timeout(SILENCE));
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|_| bad(format!("nothing came for {} s", SILENCE.as_secs())))?;
        let batch = batch.map_err(|s| bad(s.message().to_owned()))?;
        let leaves = batch.leaves.iter().map(leaf).collect::<Option<Vec<_>>>();
        let leaves = leaves.ok_or_else(|| bad("a leaf is malformed".to_owned()))?;
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        store.append(&leaves).map_err(|e| bad(e.to_string()))?;
        metrics::counter!(crate::metrics::NONCES).increment(leaves.len() as u64);
    }
    Ok(())
}

fn leaf(l: &pb::Leaf) -> Option<Leaf> {
    let logits_hash = l.logits_hash.as_slice().try_into().ok()?;
    Some(Leaf { nonce: l.nonce, distance: geodesic_challenge::Distance(l.distance), logits_hash })
}
