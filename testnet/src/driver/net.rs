//! Blocks, made as CometBFT makes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use geodesic_app::App;
use prost::bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tendermint_abci::Application as _;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::abci::response_process_proposal::ProposalStatus;
use tendermint_proto::v0_38::abci::response_verify_vote_extension::VerifyStatus;
use tendermint_proto::v0_38::abci::{
    CommitInfo, Event, ExtendedCommitInfo, ExtendedVoteInfo, Misbehavior, RequestExtendVote,
    RequestFinalizeBlock, RequestInitChain, RequestPrepareProposal, RequestProcessProposal,
    RequestVerifyVoteExtension, ResponseFinalizeBlock, ResponseInitChain, Validator, VoteInfo,
};
use tendermint_proto::v0_38::types::{BlockIdFlag, ConsensusParams};

use super::genesis::{self, GENESIS_TIME, Spec};
use super::keys::{Operator, Wallet};
use super::mempool::Pending;
use super::node::Node;
use super::sets::{self, Set};

/// The one denomination.
pub const DENOM: &str = "ugeo";

/// Bytes of a block that its transactions cannot have: header, last commit, protobuf.
const OVERHEAD: i64 = 16_384;

/// Where an application is dropped and opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// After PrepareProposal of the proposer.
    Prepare,
    /// After ProcessProposal.
    Process,
    /// After FinalizeBlock, before Commit.
    Finalize,
    /// After Commit.
    Commit,
}

/// How a validator votes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Vote {
    /// With what its application extends the vote by.
    #[default]
    Honest,
    /// Not at all, and it does not propose.
    Silent,
    /// With other bytes, in time: who finds them invalid does not count the vote.
    Bytes(Vec<u8>),
    /// With other bytes in a precommit that comes late, about which no application is asked.
    Late(Vec<u8>),
}

/// A committed block.
#[derive(Debug, Clone)]
pub struct Block {
    /// What was executed.
    pub request: RequestFinalizeBlock,
    /// What all answered.
    pub response: ResponseFinalizeBlock,
}

/// A network in one process.
pub struct Net {
    /// Its beginning.
    pub spec: Spec,
    /// Keys of the validators; application `i` is that of validator `i`.
    pub operators: Vec<Arc<Operator>>,
    /// Other accounts.
    pub users: Vec<Arc<Wallet>>,
    /// How each validator votes.
    pub votes: Vec<Vote>,
    /// Validators that propose the beacon and nothing else, whatever waits.
    pub censors: Vec<usize>,
    /// What CometBFT tells of in the next block.
    pub misbehavior: Vec<Misbehavior>,
    /// Application and point of restarts in the next block.
    pub restarts: Vec<(usize, Point)>,
    /// All blocks, from height 1.
    pub blocks: Vec<Block>,
    /// Amount of each denomination that must exist: genesis, plus what was minted, less what was burned.
    pub supply: BTreeMap<String, i128>,
    nodes: Vec<Node>,
    pub(super) init: RequestInitChain,
    pub(super) genesis: ResponseInitChain,
    pub(super) params: ConsensusParams,
    sets: BTreeMap<i64, Set>,
    last_commit: ExtendedCommitInfo,
    pub(crate) mempool: Vec<Pending>,
}

pub(super) fn time(height: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: GENESIS_TIME + height, nanos: 0 })
}

pub(super) fn hash(parts: &[&[u8]]) -> Bytes {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|p| hasher.update(p));
    hasher.finalize().to_vec().into()
}

fn set_hash(set: &Set) -> Bytes {
    let parts: Vec<_> = set.iter().map(|m| [&m.pub_key[..], &m.power.to_be_bytes()].concat()).collect();
    hash(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Commits without what only the proposer sees.
fn commit_info(commit: &ExtendedCommitInfo) -> CommitInfo {
    let vote =
        |v: &ExtendedVoteInfo| VoteInfo { validator: v.validator.clone(), block_id_flag: v.block_id_flag };
    CommitInfo { round: commit.round, votes: commit.votes.iter().map(vote).collect() }
}

impl Net {
    /// A network before its first block.
    ///
    /// # Errors
    /// What is wrong with the genesis, or that two applications disagree on it.
    pub fn new(spec: Spec) -> Result<Self> {
        let operators =
            (0..spec.stakes.len()).map(|i| Operator::new(i).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        let users =
            (0..spec.users).map(|i| Wallet::new("user", i).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        let init = genesis::init_chain(&spec, &operators, &users)?;
        let nodes =
            operators.iter().map(|o| Node::new(spec.compute.then_some(o.vrf_secret), spec.snapshot_interval));
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        let genesis = nodes.first().context("no validators")?.init(&init, None)?;
        for node in nodes.iter().skip(1) {
            node.init(&init, Some(&genesis))?;
        }
        let first = sets::apply(&Set::new(), &genesis.validators)?;
        let params = init.consensus_params.clone().context("consensus parameters")?;
        let votes = vec![Vote::Honest; nodes.len()];
        let supply = genesis_supply(&init)?;
        Ok(Self {
            operators,
            users,
            votes,
            censors: Vec::new(),
            misbehavior: Vec::new(),
            restarts: Vec::new(),
            blocks: Vec::new(),
            supply,
            nodes,
            init,
            genesis,
            params,
            sets: BTreeMap::from([(1, first.clone()), (2, first)]),
            last_commit: ExtendedCommitInfo::default(),
            mempool: Vec::new(),
            spec,
        })
    }

    /// What the chain began with.
    pub fn init(&self) -> &RequestInitChain {
        &self.init
    }

    /// Height of the last block; 0 before the first.
    pub fn height(&self) -> i64 {
        i64::try_from(self.blocks.len()).unwrap_or(i64::MAX)
    }

    /// The application of a validator.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn app(&self, index: usize) -> Result<&App> {
        self.nodes.get(index).with_context(|| format!("no node {index}"))?.app()
    }

    /// The set that signs at a height: from the last block's to the one after the next.
    ///
    /// # Errors
    /// It is not kept.
    pub fn set(&self, height: i64) -> Result<&Set> {
        self.sets.get(&height).with_context(|| format!("no validator set of height {height}"))
    }

    fn node_of(&self, address: &[u8; 20]) -> Option<usize> {
        self.operators.iter().position(|o| o.consensus_address == *address).filter(|i| *i < self.nodes.len())
    }

    fn vote_of(&self, address: &[u8; 20]) -> Option<(usize, &Vote)> {
        let index = self.node_of(address)?;
        self.votes.get(index).map(|v| (index, v)).filter(|(_, v)| **v != Vote::Silent)
    }

    /// Whether the votes of a height carry extensions.
    fn extends(&self, height: i64) -> bool {
        let from = self.params.abci.as_ref().map_or(0, |a| a.vote_extensions_enable_height);
        from != 0 && height >= from
    }

    /// Makes a block of what is in the mempool.
    ///
    /// # Errors
    /// Anything on which CometBFT or another node would stop: see the module.
    pub fn step(&mut self) -> Result<&Block> {
        let height = self.height() + 1;
        let (round, proposer, txs) = self.decide(height)?;
        self.commit_block(height, round, &proposer, txs)
    }

    /// Blocks until `height` is the last.
    ///
    /// # Errors
    /// See [`Net::step`].
    pub fn run_to(&mut self, height: i64) -> Result<()> {
        while self.height() < height {
            self.step()?;
        }
        Ok(())
    }

    /// A proposal of the mempool by the first proposer in turn that is not silent; all others must accept it.
    fn decide(&mut self, height: i64) -> Result<(i32, [u8; 20], Vec<Bytes>)> {
        let set = self.set(height)?.clone();
        for round in 0..set.len() {
            let turn =
                usize::try_from(height)?.wrapping_add(round).checked_rem(set.len()).unwrap_or_default();
            let Some(member) = set.get(turn) else { continue };
            let Some((node, _)) = self.vote_of(&member.address) else { continue };
            let mut txs = self.prepare(node, height)?;
            if self.censors.contains(&node) {
                txs.truncate(usize::from(self.spec.compute && height > 1));
            }
            self.restart_at(node, Point::Prepare)?;
            for (index, accepted) in self.process(&txs, height, &member.address)?.into_iter().enumerate() {
                ensure!(
                    accepted,
                    "height {height}: node {index} rejects the proposal of node {node}; set {set:?}"
                );
            }
            for index in 0..self.nodes.len() {
                self.restart_at(index, Point::Process)?;
            }
            return Ok((i32::try_from(round)?, member.address, txs));
        }
        bail!("height {height}: everyone is silent")
    }

    /// What a node proposes for the next height, of what is in the mempool.
    ///
    /// # Errors
    /// The proposal is larger than it was allowed.
    pub fn prepare(&self, node: usize, height: i64) -> Result<Vec<Bytes>> {
        let max_bytes = self.params.block.as_ref().map_or(0, |b| b.max_bytes);
        let waiting = self.mempool.iter().map(|p| p.tx.clone()).collect();
        self.prepare_of(node, height, waiting, max_bytes.saturating_sub(OVERHEAD))
    }

    /// What a node proposes for the next height, of these transactions and within these bytes.
    ///
    /// # Errors
    /// The proposal is larger than it was allowed.
    pub fn prepare_of(
        &self,
        node: usize,
        height: i64,
        txs: Vec<Bytes>,
        max_tx_bytes: i64,
    ) -> Result<Vec<Bytes>> {
        let address = self.operators.get(node).context("a proposer")?.consensus_address;
        let request = RequestPrepareProposal {
            max_tx_bytes,
            txs,
            local_last_commit: Some(self.last_commit.clone()),
            misbehavior: self.misbehavior.clone(),
            height,
            time: time(height),
            next_validators_hash: set_hash(self.set(height + 1)?),
            proposer_address: address.to_vec().into(),
        };
        let txs = self.app(node)?.prepare_proposal(request).txs;
        let size: usize = txs.iter().map(|t| t.len() + 1 + prost::length_delimiter_len(t.len())).sum();
        ensure!(
            i64::try_from(size)? <= max_tx_bytes,
            "a proposal of {size} bytes, allowed are {max_tx_bytes}"
        );
        Ok(txs)
    }

    /// Which nodes accept a proposal for the next height.
    ///
    /// # Errors
    /// An application is closed.
    pub fn process(&self, txs: &[Bytes], height: i64, proposer: &[u8; 20]) -> Result<Vec<bool>> {
        let finalize = self.request(height, proposer, txs.to_vec())?;
        let request = RequestProcessProposal {
            txs: finalize.txs,
            proposed_last_commit: finalize.decided_last_commit,
            misbehavior: finalize.misbehavior,
            hash: finalize.hash,
            height,
            time: finalize.time,
            next_validators_hash: finalize.next_validators_hash,
            proposer_address: finalize.proposer_address,
        };
        let accepts = |node: &Node| {
            let status = node.app()?.process_proposal(request.clone()).status;
            Ok(status == i32::from(ProposalStatus::Accept))
        };
        self.nodes.iter().map(accepts).collect()
    }

    fn request(&self, height: i64, proposer: &[u8; 20], txs: Vec<Bytes>) -> Result<RequestFinalizeBlock> {
        let at = height.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&at, proposer];
        parts.extend(txs.iter().map(|t| t.as_ref()));
        let hash = hash(&parts);
        Ok(RequestFinalizeBlock {
            txs,
            decided_last_commit: Some(commit_info(&self.last_commit)),
            misbehavior: self.misbehavior.clone(),
            hash,
            height,
            time: time(height),
            next_validators_hash: set_hash(self.set(height + 1)?),
            proposer_address: proposer.to_vec().into(),
        })
    }

    /// Commits a block with these transactions that more than two thirds accept without being asked, as nodes that catch
    /// up see it.
    ///
    /// # Errors
    /// See [`Net::step`].
    pub fn force(&mut self, txs: Vec<Bytes>) -> Result<&Block> {
        let height = self.height() + 1;
        let proposer = self.set(height)?.first().context("a validator")?.address;
        self.commit_block(height, 0, &proposer, txs)
    }

    fn commit_block(
        &mut self,
        height: i64,
        round: i32,
        proposer: &[u8; 20],
        txs: Vec<Bytes>,
    ) -> Result<&Block> {
        let request = self.request(height, proposer, txs)?;
        let commit = self.extend(height, round, &request)?;
        let response = self.execute(&request)?;
        let next = sets::apply(self.set(height + 1)?, &response.validator_updates);
        let next = next.with_context(|| format!("validator updates of height {height}"))?;
        self.sets.insert(height + 2, next);
        self.sets.remove(&(height - 1));
        if let Some(updates) = &response.consensus_param_updates {
            self.params = updates.clone();
        }
        self.last_commit = commit;
        let results = response.tx_results.iter().flat_map(|r| &r.events);
        for event in response.events.iter().chain(results) {
            count_coins(&mut self.supply, event)?;
        }
        self.blocks.push(Block { request, response });
        for index in 0..self.nodes.len() {
            self.restart_at(index, Point::Commit)?;
        }
        self.restarts.clear();
        self.misbehavior.clear();
        self.recheck()?;
        self.blocks.last().context("a block")
    }

    /// Everyone's precommit for a block.
    fn extend(&self, height: i64, round: i32, block: &RequestFinalizeBlock) -> Result<ExtendedCommitInfo> {
        let (mut votes, mut voted, mut total) = (Vec::new(), 0_i64, 0_i64);
        for member in self.set(height)? {
            total += member.power;
            let extension = self.extension(height, &member.address, block)?;
            voted += if extension.is_some() { member.power } else { 0 };
            let flag = if extension.is_some() { BlockIdFlag::Commit } else { BlockIdFlag::Absent };
            let extends = extension.is_some() && self.extends(height);
            votes.push(ExtendedVoteInfo {
                validator: Some(Validator { address: member.address.to_vec().into(), power: member.power }),
                vote_extension: extension.unwrap_or_default().into(),
                // Nobody looks at it: CometBFT has checked it.
                extension_signature: if extends { vec![1; 64] } else { Vec::new() }.into(),
                block_id_flag: flag.into(),
            });
        }
        ensure!(3 * voted > 2 * total, "height {height}: {voted} of {total} voted, the chain stands still");
        Ok(ExtendedCommitInfo { round, votes })
    }

    /// The extension of a validator's vote; `None` if it does not vote or others do not count its vote.
    fn extension(
        &self,
        height: i64,
        address: &[u8; 20],
        b: &RequestFinalizeBlock,
    ) -> Result<Option<Vec<u8>>> {
        let Some((index, vote)) = self.vote_of(address) else { return Ok(None) };
        if !self.extends(height) {
            return Ok(Some(Vec::new()));
        }
        let bytes = match vote {
            Vote::Late(bytes) => return Ok(Some(bytes.clone())),
            Vote::Bytes(bytes) => bytes.clone(),
            Vote::Honest | Vote::Silent => {
                let request = RequestExtendVote {
                    hash: b.hash.clone(),
                    height,
                    time: b.time,
                    txs: b.txs.clone(),
                    proposed_last_commit: b.decided_last_commit.clone(),
                    misbehavior: b.misbehavior.clone(),
                    next_validators_hash: b.next_validators_hash.clone(),
                    proposer_address: b.proposer_address.clone(),
                };
                self.app(index)?.extend_vote(request).vote_extension.to_vec()
            }
        };
        let request = RequestVerifyVoteExtension {
            hash: b.hash.clone(),
            validator_address: address.to_vec().into(),
            height,
            vote_extension: bytes.clone().into(),
        };
        for (_, node) in self.nodes.iter().enumerate().filter(|(i, _)| *i != index) {
            let status = node.app()?.verify_vote_extension(request.clone()).status;
            if status != i32::from(VerifyStatus::Accept) {
                ensure!(*vote != Vote::Honest, "an honest vote extension is refused");
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }

    /// FinalizeBlock and Commit on all.
    fn execute(&mut self, request: &RequestFinalizeBlock) -> Result<ResponseFinalizeBlock> {
        let first = self.nodes.first().context("no nodes")?.finalize(request, None)?;
        for node in self.nodes.iter().skip(1) {
            node.finalize(request, Some(&first))?;
        }
        for index in 0..self.nodes.len() {
            if self.restart_at(index, Point::Finalize)? {
                // The handshake brought it to the height before; now it is played this block.
                self.nodes.get(index).context("a node")?.finalize(request, Some(&first))?;
            }
            self.app(index)?.commit();
        }
        Ok(first)
    }

    /// Restarts a node if that is due at this point.
    fn restart_at(&mut self, index: usize, point: Point) -> Result<bool> {
        if !self.restarts.contains(&(index, point)) {
            return Ok(false);
        }
        let node = self.nodes.get_mut(index).context("a node")?;
        node.restart()?;
        node.handshake(&self.init, &self.genesis, &self.blocks)?;
        Ok(true)
    }
}

/// What the accounts of the genesis hold.
fn genesis_supply(init: &RequestInitChain) -> Result<BTreeMap<String, i128>> {
    let state: Value = serde_json::from_slice(&init.app_state_bytes)?;
    let mut supply = BTreeMap::new();
    for balance in state.pointer("/bank/balances").and_then(|b| b.as_array()).into_iter().flatten() {
        for coin in balance.get("coins").and_then(|c| c.as_array()).into_iter().flatten() {
            let text = |name| coin.get(name).and_then(|v| v.as_str()).context("a coin of the genesis");
            *supply.entry(text("denom")?.to_owned()).or_default() += text("amount")?.parse::<i128>()?;
        }
    }
    Ok(supply)
}

/// Adds what an event says was minted, and takes what it says was burned.
fn count_coins(supply: &mut BTreeMap<String, i128>, event: &Event) -> Result<()> {
    let sign = match event.r#type.as_str() {
        "coinbase" => 1,
        "burn" => -1,
        _ => return Ok(()),
    };
    let amount = event.attributes.iter().find(|a| a.key == "amount").map(|a| a.value.as_str());
    for coin in amount.context("an event without amount")?.split(',').filter(|c| !c.is_empty()) {
        let end = coin.find(|c: char| !c.is_ascii_digit()).context("a coin without denomination")?;
        let (number, denom) = coin.split_at(end);
        *supply.entry(denom.to_owned()).or_default() += sign * number.parse::<i128>()?;
    }
    Ok(())
}
