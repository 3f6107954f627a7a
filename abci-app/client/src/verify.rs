//! Recomputing a committed nonce on this machine, and comparing it with what the chain and its members say of it.

use std::sync::atomic::{AtomicU64, Ordering};

use geodesic_challenge::{
    ChainIdTooLong, Commitment, Distance, Leaf, MerkleSum, Network, Node, Path, PathError, RTarget, Scored,
    Shape, ShapeError, ShapeParams, TreeError, epoch_key, seen_tag, verify,
};
use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};
use geodesic_proto::geodesic::pow::v1 as pb;
use prost::Message;

use crate::address::{self, Kind};
use crate::rpc::{self, Client};

/// Shapes with more weights (one byte each) than this are computed without keeping the weights.
const HELD_MAX: u64 = 1 << 30;
/// Entries of a page, and most pages that are read of one list.
const PAGE: u64 = 100;
const PAGES_MAX: u32 = 10_000;

/// Why a nonce cannot be recomputed or compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node does not answer, or refuses.
    #[error(transparent)]
    Rpc(#[from] rpc::Error),
    /// Not an account of this chain.
    #[error(transparent)]
    Address(#[from] address::Error),
    /// The chain's network is none that this program knows.
    #[error("the chain's shape is invalid: {0}")]
    Shape(#[from] ShapeError),
    /// Another profile than `exact`.
    #[error(
        "the chain computes profile pow2-f16: devices differ there, so one nonce proves nothing; \
         `geod query pow verdict-duties` shows what auditors computed"
    )]
    Profile,
    /// The chain id is too long for an epoch key.
    #[error(transparent)]
    ChainId(#[from] ChainIdTooLong),
    /// An answer lacks something.
    #[error("answer to {0} is incomplete: {1}")]
    Incomplete(&'static str, &'static str),
    /// The chain's epoch key does not follow from its beacon and shape.
    #[error(
        "epoch key of the node is {got}, computed from beacon and shape: {want}; chain id or node is wrong"
    )]
    EpochKey {
        /// What the node says, hex.
        got: String,
        /// What this program computed, hex.
        want: String,
    },
    /// Nothing was committed.
    #[error("participant {participant} committed nothing for node {node_id} in epoch {epoch}")]
    NoCommitment {
        /// The participant.
        participant: String,
        /// Its node.
        node_id: u32,
        /// The epoch.
        epoch: u64,
    },
    /// The nonce is not among those committed.
    #[error("nonce {nonce} is not committed: the node committed to {count} nonces, 0 to {last}", last = .count.saturating_sub(1))]
    NotCommitted {
        /// The nonce.
        nonce: u64,
        /// Nonces that are.
        count: u64,
    },
    /// The list is longer than is read.
    #[error("answer to {0} has more than {PAGES_MAX} pages")]
    TooMany(&'static str),
    /// The tree of the recomputed leaves cannot be built.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// What a node of a participant committed to in an epoch, and what is needed to compute it.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The epoch.
    pub epoch: u64,
    /// Its key.
    pub epoch_key: [u8; 32],
    /// Its target.
    pub r_target: RTarget,
    /// The network.
    pub shape: Shape,
    /// The participant's bytes.
    pub participant: [u8; 20],
    /// Its address.
    pub address: String,
    /// Its node.
    pub node_id: u32,
    /// Leaves, hits and root.
    pub commitment: Commitment,
}

/// One statement about the nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Who says it, and where.
    pub source: String,
    /// It is an auditor's tag: a wrong one is the auditor's fault, and says nothing of the leaf.
    pub is_tag: bool,
    /// What is said: a leaf hash or a tag, hex.
    pub said: String,
    /// What this machine computed, hex.
    pub computed: String,
}

impl Finding {
    /// Whether both agree.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.said == self.computed
    }
}

/// The shape of profile `exact` that a chain's setting means.
///
/// # Errors
/// [`Error::Profile`] for another profile; [`Error::Shape`]; [`Error::Incomplete`] for a name that is not built in.
pub fn shape(setting: &pb::ShapeSetting) -> Result<Shape, Error> {
    if setting.profile.is_some() {
        return Err(Error::Profile);
    }
    match &setting.shape {
        Some(s) => Ok(Shape::try_new(ShapeParams {
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
        })?),
        None => Shape::by_name(&setting.name).ok_or(Error::Incomplete("pow shape", "no such built-in shape")),
    }
}

/// The network of a shape and epoch key, with its weights in memory if they fit into 1 GiB.
#[must_use]
pub fn network(shape: Shape, epoch_key: [u8; 32]) -> Network {
    if shape.weights() <= HELD_MAX {
        Network::new(shape, epoch_key)
    } else {
        Network::on_the_fly(shape, epoch_key)
    }
}

impl Committed {
    /// Asks the chain; the epoch key it gives is recomputed from beacon and shape.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load(
        client: &Client,
        chain_id: &str,
        prefix: &str,
        participant: &str,
        epoch: u64,
        node_id: u32,
    ) -> Result<Self, Error> {
        let bytes = Kind::Account.decode_20(prefix, participant)?;
        let setting = client.pow_shape().await?.shape.ok_or(Error::Incomplete("pow shape", "no shape"))?;
        let shape = shape(&setting)?;
        let record =
            client.pow_epoch(epoch).await?.epoch.ok_or(Error::Incomplete("pow epoch", "no epoch"))?;
        let beacon = fixed(&record.beacon).ok_or(Error::Incomplete("pow epoch", "no beacon of 32 bytes"))?;
        let key = epoch_key(chain_id, epoch, &beacon, &shape.hash())?;
        if record.epoch_key != key {
            return Err(Error::EpochKey { got: hex::encode(&record.epoch_key), want: hex::encode(key) });
        }
        let missing = || Error::NoCommitment { participant: participant.to_owned(), node_id, epoch };
        let node = find_node(client, epoch, participant, node_id).await?.ok_or_else(missing)?;
        let root = fixed(&node.root).ok_or(Error::Incomplete("pow commitments", "no root of 32 bytes"))?;
        Ok(Self {
            epoch,
            epoch_key: key,
            r_target: RTarget(record.r_target),
            shape,
            participant: bytes,
            address: participant.to_owned(),
            node_id,
            commitment: Commitment { count: node.count, hits: node.hits, root },
        })
    }

    /// Computes a committed nonce with the reference network.
    ///
    /// # Errors
    /// [`Error::NotCommitted`].
    pub fn recompute(&self, nonce: u64) -> Result<Scored, Error> {
        if nonce >= self.commitment.count {
            return Err(Error::NotCommitted { nonce, count: self.commitment.count });
        }
        Ok(network(self.shape, self.epoch_key).score(&self.participant, self.node_id, nonce))
    }

    /// Computes all committed nonces on `threads` threads and returns the commitment they make. `progress` is told the
    /// number of nonces done.
    ///
    /// # Errors
    /// [`Error::Tree`] for an empty commitment.
    pub fn recompute_all(
        &self,
        threads: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Commitment, Error> {
        let network = network(self.shape, self.epoch_key);
        let (count, threads) = (self.commitment.count, threads.max(1) as u64);
        let done = AtomicU64::new(0);
        let share = |thread: u64| -> Vec<Leaf> {
            let (from, to) = (part(count, thread, threads), part(count, thread + 1, threads));
            let score = |nonce| {
                let leaf = network.score(&self.participant, self.node_id, nonce).leaf;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                leaf
            };
            (from..to).map(score).collect()
        };
        let mut tree = MerkleSum::new(self.r_target);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
            for worker in workers {
                // A worker that panicked leaves a gap, which the next leaf's nonce shows.
                for leaf in worker.join().unwrap_or_default() {
                    tree.push(&leaf)?;
                }
            }
            Ok(tree.commitment(count)?)
        })
    }

    /// Compares a leaf and its path, as an agent serves them, with the commitment and with the recomputed nonce.
    ///
    /// # Errors
    /// [`PathError`] if the leaf is not the one committed to.
    pub fn check_leaf(&self, opening: &pb::Opening, scored: &Scored) -> Result<Finding, PathError> {
        let (leaf, path) = leaf_and_path(opening);
        verify(&self.commitment, self.r_target, &leaf, &path)?;
        Ok(finding("committed leaf".to_owned(), &leaf.hash(), &scored.leaf.hash()))
    }

    /// What the chain holds about the nonce: opened demands, cases, and tags of auditors.
    ///
    /// # Errors
    /// [`Error::Rpc`], [`Error::TooMany`].
    pub async fn findings(
        &self,
        client: &Client,
        prefix: &str,
        scored: &Scored,
    ) -> Result<Vec<Finding>, Error> {
        let mut findings = self.openings(client, scored).await?;
        findings.extend(self.cases(client, prefix, scored).await?);
        findings.extend(self.tags(client, prefix, scored).await?);
        Ok(findings)
    }

    async fn openings(&self, client: &Client, scored: &Scored) -> Result<Vec<Finding>, Error> {
        let request = |pagination| pb::QueryDemandsRequest {
            epoch: self.epoch,
            prover: self.address.clone(),
            pagination,
        };
        let demands =
            pages(client, "/geodesic.pow.v1.Query/Demands", request, |r: pb::QueryDemandsResponse| {
                (r.demands, r.pagination)
            });
        let mut findings = Vec::new();
        for demand in demands.await? {
            for opened in demand.opened.iter().filter(|opened| opened.node_id == self.node_id) {
                let Some(leaf) = opened.leaf.as_ref().filter(|leaf| leaf.nonce == scored.leaf.nonce) else {
                    continue;
                };
                let source = format!("leaf that the prover opened on chain for {}", demand.auditor);
                findings.push(finding(source, &domain_leaf(leaf).hash(), &scored.leaf.hash()));
            }
        }
        Ok(findings)
    }

    async fn cases(&self, client: &Client, prefix: &str, scored: &Scored) -> Result<Vec<Finding>, Error> {
        let request = |pagination| pb::QueryAccusationsRequest { epoch: self.epoch, pagination };
        let cases = pages(
            client,
            "/geodesic.pow.v1.Query/Accusations",
            request,
            |r: pb::QueryAccusationsResponse| (r.cases, r.pagination),
        );
        let mut findings = Vec::new();
        for case in cases.await? {
            if (case.prover.as_str(), case.node_id, case.nonce)
                != (&self.address, self.node_id, scored.leaf.nonce)
            {
                continue;
            }
            match case.kind() {
                pb::CaseKind::Leaf => {
                    let source = format!("leaf accused in case {}", case.case_id);
                    findings.push(finding(source, &case.value, &scored.leaf.hash()));
                }
                pb::CaseKind::Tag => {
                    let auditor = Kind::Account.decode_20(prefix, &case.accused)?;
                    let source = format!("tag of {} accused in case {}", case.accused, case.case_id);
                    findings.push(tag(source, &case.value, &auditor, scored));
                }
                pb::CaseKind::Unspecified => {}
            }
        }
        Ok(findings)
    }

    async fn tags(&self, client: &Client, prefix: &str, scored: &Scored) -> Result<Vec<Finding>, Error> {
        let request = |pagination| pb::QueryVerdictDutiesRequest {
            epoch: self.epoch,
            auditor: String::new(),
            pagination,
        };
        let duties = pages(
            client,
            "/geodesic.pow.v1.Query/VerdictDuties",
            request,
            |r: pb::QueryVerdictDutiesResponse| (r.duties, r.pagination),
        );
        let mut findings = Vec::new();
        for duty in duties.await?.iter().filter(|duty| duty.prover == self.address) {
            let auditor = Kind::Account.decode_20(prefix, &duty.auditor)?;
            let here = |seen: &&pb::Seen| (seen.node_id, seen.nonce) == (self.node_id, scored.leaf.nonce);
            for seen in duty.samples.iter().filter(here) {
                let source = format!("tag in the verdict of {}", duty.auditor);
                findings.push(tag(source, &seen.tag, &auditor, scored));
            }
        }
        Ok(findings)
    }
}

/// `floor(count * thread / threads)`.
fn part(count: u64, thread: u64, threads: u64) -> u64 {
    let part = u128::from(count) * u128::from(thread) / u128::from(threads.max(1));
    u64::try_from(part).unwrap_or(count)
}

fn finding(source: String, said: &[u8], computed: &[u8]) -> Finding {
    Finding { source, is_tag: false, said: hex::encode(said), computed: hex::encode(computed) }
}

fn tag(source: String, said: &[u8], auditor: &[u8; 20], scored: &Scored) -> Finding {
    Finding { is_tag: true, ..finding(source, said, &seen_tag(auditor, &scored.logits)) }
}

fn fixed(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}

fn domain_leaf(leaf: &pb::Leaf) -> Leaf {
    // A hash of another length is no leaf's, and zeros match none.
    let logits_hash = fixed(&leaf.logits_hash).unwrap_or_default();
    Leaf { nonce: leaf.nonce, distance: Distance(leaf.distance), logits_hash }
}

fn leaf_and_path(opening: &pb::Opening) -> (Leaf, Path) {
    let leaf = opening.leaf.as_ref().map(domain_leaf).unwrap_or_else(|| domain_leaf(&pb::Leaf::default()));
    let node =
        |sibling: &pb::Sibling| Node { hash: fixed(&sibling.hash).unwrap_or_default(), hits: sibling.hits };
    (leaf, Path { siblings: opening.path.iter().map(node).collect() })
}

async fn find_node(
    client: &Client,
    epoch: u64,
    participant: &str,
    node_id: u32,
) -> Result<Option<pb::NodeCommitment>, Error> {
    let request = |pagination| pb::QueryCommitmentsRequest { epoch, pagination };
    let commitments =
        pages(client, "/geodesic.pow.v1.Query/Commitments", request, |r: pb::QueryCommitmentsResponse| {
            (r.commitments, r.pagination)
        });
    let own = commitments.await?.into_iter().find(|commitment| commitment.participant == participant);
    Ok(own.and_then(|commitment| commitment.nodes.into_iter().find(|node| node.node_id == node_id)))
}

/// All entries of a paginated list.
async fn pages<Q: Message, R: Message + Default, T>(
    client: &Client,
    path: &'static str,
    request: impl Fn(Option<PageRequest>) -> Q,
    split: impl Fn(R) -> (Vec<T>, Option<PageResponse>),
) -> Result<Vec<T>, Error> {
    let (mut all, mut key) = (Vec::new(), Vec::new());
    for _ in 0..PAGES_MAX {
        let page = PageRequest { key, limit: PAGE, ..PageRequest::default() };
        let (entries, pagination) = split(client.query(path, &request(Some(page))).await?);
        all.extend(entries);
        key = pagination.unwrap_or_default().next_key;
        if key.is_empty() {
            return Ok(all);
        }
    }
    Err(Error::TooMany(path))
}
