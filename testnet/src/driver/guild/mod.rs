//! Operators that compute, audit, accuse and judge: the agent's work, block by block and without a network.

mod audit;
mod engine;
mod judge;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use geodesic_challenge::{
    Distance, Leaf, MerkleSum, Path, Position, RTarget, Sample, Scored, leaf_hash, node_leaves, sample_hits,
    sample_positions,
};
use geodesic_client::address::Kind;
use geodesic_proto::any;
use geodesic_proto::geodesic::epochs::v1::{
    Epoch as Heights, QueryCurrentRequest, QueryCurrentResponse, QueryParamsRequest, QueryParamsResponse,
};
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::geodesic::rewards::v1::{MsgClaim, QueryClaimableRequest, QueryClaimableResponse};
use geodesic_proto::prost_types::Any;
use prost::Name;
use sha2::{Digest as _, Sha256};

use super::keys::{Operator, PREFIX};
use super::net::{Block, Net};
use engine::Engine;

/// Number of everyone's one node.
const NODE: u32 = 1;

/// How an operator answers auditors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serves {
    /// At once.
    #[default]
    All,
    /// Nothing at once, everything on chain when it is demanded.
    OnChain,
    /// Everything but its fakes, neither at once nor on chain.
    HidesFakes,
}

/// What an operator does in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// Nonces that it commits to; 0 for no commitment.
    pub leaves: u64,
    /// Of a hundred leaves (profile `pow2-f16`: of a hundred hits), so many are hits out of thin air.
    pub fakes: u64,
    /// Its distances are off by so much, up and down in turn, in units of 2^-32.
    pub noise: u64,
    /// How it answers auditors.
    pub serves: Serves,
    /// Its tags are made of the leaves it was served, without computing anything.
    pub lazy: bool,
    /// It sends no verdict.
    pub no_verdict: bool,
    /// It sends no judgments.
    pub no_judgments: bool,
    /// It claims its rewards.
    pub claims: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            leaves: 160,
            fakes: 0,
            noise: 0,
            serves: Serves::All,
            lazy: false,
            no_verdict: false,
            no_judgments: false,
            claims: true,
        }
    }
}

/// A message that was sent, and what became of it.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Height of its block.
    pub height: i64,
    /// Number of the operator.
    pub operator: usize,
    /// Name of the message.
    pub name: String,
    /// Code of the result, 0 for success.
    pub code: u32,
    /// Text of the result.
    pub log: String,
}

/// What an operator has computed in the running epoch.
struct Work {
    epoch: u64,
    tree: MerkleSum,
    leaves: Vec<Leaf>,
    fakes: BTreeSet<u64>,
}

/// A leaf with its path.
#[derive(Clone)]
pub(super) struct Served {
    leaf: Leaf,
    path: Option<Path>,
}

/// What an auditor has of one prover: each sample with the leaf it was served.
pub(super) struct Duty {
    prover: [u8; 20],
    samples: Vec<(Sample, Option<Served>)>,
}

/// The running epoch.
#[derive(Clone)]
pub(super) struct Now {
    heights: Heights,
    record: pb::Epoch,
}

pub(super) struct Worker {
    keys: Arc<Operator>,
    habits: Habits,
    work: Option<Work>,
    duties: Vec<Duty>,
    judgment: Option<(Vec<pb::CaseValue>, [u8; 32])>,
}

/// The operators of a network.
pub struct Guild {
    workers: Vec<Worker>,
    engine: Option<Engine>,
    waiting: Vec<(usize, String, Vec<u8>)>,
    /// Everything that was sent and came into a block.
    pub sent: Vec<Sent>,
}

pub(super) fn decode(text: &str) -> Result<[u8; 20]> {
    let bytes = Kind::Account.decode(PREFIX, text)?;
    bytes.try_into().ok().with_context(|| format!("{text} has not 20 bytes"))
}

pub(super) fn text_of(address: &[u8; 20]) -> Result<String> {
    Ok(Kind::Account.encode(PREFIX, address)?)
}

pub(super) fn pb_leaf(leaf: &Leaf) -> pb::Leaf {
    pb::Leaf { nonce: leaf.nonce, distance: leaf.distance.0, logits_hash: leaf.logits_hash.to_vec() }
}

pub(super) fn pb_path(path: &Path) -> Vec<pb::Sibling> {
    path.siblings.iter().map(|s| pb::Sibling { hash: s.hash.to_vec(), hits: s.hits }).collect()
}

impl Guild {
    /// An operator for each validator of the network, with these habits; the rest is honest.
    pub fn new(net: &Net, habits: &[Habits]) -> Self {
        let worker = |(i, keys): (usize, &Arc<Operator>)| Worker {
            keys: Arc::clone(keys),
            habits: habits.get(i).copied().unwrap_or_default(),
            work: None,
            duties: Vec::new(),
            judgment: None,
        };
        Self {
            workers: net.operators.iter().enumerate().map(worker).collect(),
            engine: None,
            waiting: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Changes what an operator does from now on.
    pub fn set_habits(&mut self, operator: usize, habits: Habits) {
        if let Some(worker) = self.workers.get_mut(operator) {
            worker.habits = habits;
        }
    }

    /// Messages that failed.
    pub fn failed(&self) -> Vec<&Sent> {
        self.sent.iter().filter(|s| s.code != 0).collect()
    }

    /// Everyone does what is due for the next block, and the block is made.
    ///
    /// # Errors
    /// See [`Net::step`]; or the mempool refuses a message.
    pub fn step<'a>(&mut self, net: &'a mut Net) -> Result<&'a Block> {
        self.act(net)?;
        net.step()?;
        self.collect(net);
        net.blocks.last().context("a block")
    }

    /// Notes what became of the messages that are in the last block.
    pub fn collect(&mut self, net: &Net) {
        for (operator, name, tx) in std::mem::take(&mut self.waiting) {
            let Some(result) = net.result(&tx) else {
                self.waiting.push((operator, name, tx));
                continue;
            };
            let (height, code, log) = (net.height(), result.code, result.log);
            self.sent.push(Sent { height, operator, name, code, log });
        }
    }

    /// [`Guild::step`] until `height` is the last.
    ///
    /// # Errors
    /// See there.
    pub fn run_to(&mut self, net: &mut Net, height: i64) -> Result<()> {
        while net.height() < height {
            self.step(net)?;
        }
        Ok(())
    }

    /// First height of the epoch after the one of the last block.
    ///
    /// # Errors
    /// The query fails.
    pub fn next_epoch(net: &Net) -> Result<i64> {
        let current: QueryCurrentResponse =
            net.query("/geodesic.epochs.v1.Query/Current", &QueryCurrentRequest {})?;
        Ok(i64::try_from(current.epoch.context("an epoch")?.end)?)
    }

    /// Everyone sends what is due for the next block.
    ///
    /// # Errors
    /// The mempool refuses a message.
    pub fn act(&mut self, net: &mut Net) -> Result<()> {
        if net.height() == 0 {
            return Ok(());
        }
        let current: QueryCurrentResponse =
            net.query("/geodesic.epochs.v1.Query/Current", &QueryCurrentRequest {})?;
        let heights = current.epoch.context("an epoch")?;
        let next = net.height().unsigned_abs() + 1;
        if next <= heights.start || next >= heights.end {
            return Ok(());
        }
        let request = pb::QueryEpochRequest { epoch: heights.index };
        let reply: pb::QueryEpochResponse = net.query("/geodesic.pow.v1.Query/Epoch", &request)?;
        let now = Now { record: reply.epoch.context("an epoch's record")?, heights };
        for i in 0..self.workers.len() {
            self.act_of(net, &now, i, next)?;
        }
        Ok(())
    }

    /// What operator `i` does for the block of height `next`.
    fn act_of(&mut self, net: &mut Net, now: &Now, i: usize, next: u64) -> Result<()> {
        let h = &now.heights;
        if next == h.start + 1 {
            self.compute(net, now, i)?;
            self.commit(net, now, i, 2)?;
        } else if next == h.start + 2 {
            self.commit(net, now, i, 1)?;
        } else if next == h.draw + 1 {
            self.fetch(net, now, i)?;
        } else if next == h.open {
            self.open(net, now, i)?;
        } else if next == h.verdict {
            self.verdict(net, now, i)?;
        } else if next == h.verdict + 1 {
            self.check_tags(net, now, i)?;
        } else if next == h.judge_commit {
            self.commit_judgment(net, now, i)?;
        } else if next == h.judge_reveal {
            self.reveal_judgment(net, now, i)?;
        } else if next == h.claim + 1 {
            self.claim(net, i)?;
        }
        Ok(())
    }

    pub(super) fn worker(&mut self, i: usize) -> Result<&mut Worker> {
        self.workers.get_mut(i).with_context(|| format!("no operator {i}"))
    }

    /// Sends a message of an operator, signed by its agent.
    pub(super) fn send<T: prost::Message + Name>(
        &mut self,
        net: &mut Net,
        i: usize,
        message: &T,
    ) -> Result<()> {
        let keys = Arc::clone(&self.worker(i)?.keys);
        self.queue(net, i, T::NAME, any::pack(message), &keys)
    }

    fn queue(&mut self, net: &mut Net, i: usize, name: &str, message: Any, keys: &Operator) -> Result<()> {
        let tx = net.send(&keys.agent, vec![message])?;
        self.waiting.push((i, name.to_owned(), tx));
        Ok(())
    }

    /// Sender and participant of an operator's messages.
    pub(super) fn origin(&mut self, i: usize) -> Result<(String, String)> {
        let keys = &self.worker(i)?.keys;
        Ok((keys.agent.text.clone(), keys.wallet.text.clone()))
    }

    /// What the network gives for a nonce of a prover, in the running epoch.
    pub(super) fn score(&mut self, prover: &[u8; 20], nonce: u64) -> Result<Scored> {
        self.engine.as_mut().context("no epoch has begun")?.score(prover, nonce)
    }

    /// Computes the leaves, or makes some up.
    fn compute(&mut self, net: &Net, now: &Now, i: usize) -> Result<()> {
        let key = now.record.epoch_key.as_slice().try_into().context("an epoch key")?;
        if !self.engine.as_ref().is_some_and(|e| e.is_of(&key)) {
            self.engine = Some(Engine::new(net, key)?);
        }
        let (me, habits) = (self.worker(i)?.keys.wallet.address, self.worker(i)?.habits);
        self.engine.as_mut().context("an engine")?.compute_ahead(&me, 0..habits.leaves)?;
        let target = RTarget(now.record.r_target);
        let mut work = Work {
            epoch: now.record.epoch,
            tree: MerkleSum::new(target),
            leaves: Vec::new(),
            fakes: BTreeSet::new(),
        };
        let mut hits = 0;
        for nonce in 0..habits.leaves {
            let made = work.fakes.len() as u64;
            let is_fake = match now.tolerance() {
                None => nonce % 100 < habits.fakes,
                Some(_) => {
                    !self.score(&me, nonce)?.leaf.distance.is_hit(target)
                        && (made + 1) * 100 <= habits.fakes * (hits + 1)
                }
            };
            let leaf = if is_fake {
                work.fakes.insert(nonce);
                let logits_hash = Sha256::digest(nonce.to_be_bytes()).into();
                Leaf { nonce, distance: Distance(nonce + 1), logits_hash }
            } else {
                let true_leaf = self.score(&me, nonce)?.leaf;
                let d = true_leaf.distance.0;
                let off = if nonce % 2 == 0 { d.saturating_add(habits.noise) } else { d - habits.noise };
                Leaf { distance: Distance(off).min(Distance::MAX), ..true_leaf }
            };
            hits += u64::from(leaf.distance.is_hit(target));
            work.tree.push(&leaf)?;
            work.leaves.push(leaf);
        }
        let worker = self.worker(i)?;
        worker.work = Some(work);
        worker.duties.clear();
        worker.judgment = None;
        Ok(())
    }

    /// Commits to the first part of the leaves: all divided by `part`, but no fewer than the chain takes, if there are so many.
    fn commit(&mut self, net: &mut Net, now: &Now, i: usize, part: u64) -> Result<()> {
        let (sender, participant) = self.origin(i)?;
        let Some(work) = &self.worker(i)?.work else { return Ok(()) };
        let all = work.tree.len();
        let need = node_leaves(now.record.params.as_ref().context("parameters")?.min_leaves);
        let count = (all / part).max(need.min(all));
        if count == 0 {
            return Ok(());
        }
        let c = work.tree.commitment(count)?;
        let node = pb::NodeCommitment { node_id: NODE, count: c.count, hits: c.hits, root: c.root.to_vec() };
        let epoch = now.record.epoch;
        self.send(net, i, &pb::MsgCommitPoc { sender, participant, epoch, nodes: vec![node] })
    }

    /// The leaf of a sample, as its prover has it; `on_chain` if it answers a demand.
    pub(super) fn serve(
        &self,
        prover: &[u8; 20],
        position: Position,
        on_chain: bool,
    ) -> Result<Option<Served>> {
        let worker = self.workers.iter().find(|w| w.keys.wallet.address == *prover);
        let Some((worker, work)) = worker.and_then(|w| Some((w, w.work.as_ref()?))) else { return Ok(None) };
        let count = work.tree.len();
        let nonce = match position {
            Position::Leaf(index) => index,
            Position::Hit(rank) => work.tree.kth_hit(count, rank).context("a hit")?,
        };
        let refuses = match worker.habits.serves {
            Serves::All => false,
            Serves::OnChain => !on_chain,
            Serves::HidesFakes => work.fakes.contains(&nonce),
        };
        if refuses {
            return Ok(None);
        }
        let leaf = *work.leaves.get(usize::try_from(nonce)?).context("a leaf")?;
        Ok(Some(Served { leaf, path: Some(work.tree.path(count, nonce)?) }))
    }

    fn claim(&mut self, net: &mut Net, i: usize) -> Result<()> {
        let (sender, participant) = self.origin(i)?;
        if !self.worker(i)?.habits.claims {
            return Ok(());
        }
        let request = QueryClaimableRequest { participant: participant.clone(), pagination: None };
        let found: QueryClaimableResponse = net.query("/geodesic.rewards.v1.Query/Claimable", &request)?;
        let epochs: Vec<u64> = found.shares.iter().map(|s| s.epoch).collect();
        if epochs.is_empty() {
            return Ok(());
        }
        self.send(net, i, &MsgClaim { sender, participant, epochs })
    }

    /// Lengths of an epoch's parts.
    ///
    /// # Errors
    /// The query fails.
    pub fn epoch_length(net: &Net) -> Result<i64> {
        let reply: QueryParamsResponse =
            net.query("/geodesic.epochs.v1.Query/Params", &QueryParamsRequest {})?;
        Ok(i64::try_from(reply.params.context("parameters")?.epoch_length)?)
    }
}

impl Now {
    /// What honest devices may differ by, under profile `pow2-f16`.
    fn tolerance(&self) -> Option<&pb::Tolerance> {
        match self.record.params.as_ref()?.profile.as_ref()? {
            pb::params::Profile::Pow2F16(tolerance) => Some(tolerance),
        }
    }

    /// The samples that an auditor takes of a prover.
    fn samples(&self, a_i: &[u8; 32], prover: &[u8; 20], hits: u64, leaves: u64) -> Result<Vec<Sample>> {
        let n = self.record.draw.as_ref().context("a draw")?.samples;
        Ok(match self.tolerance() {
            None => sample_positions(a_i, prover, n, hits, leaves),
            Some(_) => sample_hits(a_i, prover, n, hits),
        })
    }
}

impl Work {
    /// Whether it is of this epoch.
    fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }
}

/// Hash of a leaf as judges compare it.
pub(super) fn value_of(leaf: &Leaf) -> Vec<u8> {
    leaf_hash(leaf.nonce, leaf.distance, &leaf.logits_hash).to_vec()
}
