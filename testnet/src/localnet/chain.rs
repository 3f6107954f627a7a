//! What a network's chain and CometBFT say.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use geodesic_client::rpc::Client;
use geodesic_proto::geodesic::epochs::v1::{Epoch, Phase};
use geodesic_proto::geodesic::pow::v1 as pow;
use geodesic_proto::geodesic::rewards::v1 as rewards;
use geodesic_proto::geodesic::staking::v1 as staking;

use super::Node;

/// A node's chain.
pub struct Chain(Client);

/// Where the chain is.
#[derive(Debug, Clone)]
pub struct Now {
    /// Last committed height.
    pub height: u64,
    /// Heights of the running epoch.
    pub epoch: Epoch,
    /// Part of it.
    pub phase: Phase,
}

/// What an operator's work of an epoch counts.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Leaves it committed to.
    pub leaves: u64,
    /// Hits among them.
    pub hits: u64,
    /// Its weight; `None` before the epoch is settled.
    pub weight: Option<u64>,
    /// Its verdict is on chain.
    pub verdict: bool,
}

impl Chain {
    /// The chain behind a node's RPC.
    ///
    /// # Errors
    /// The URL is none.
    pub fn new(node: &Node) -> anyhow::Result<Self> {
        Ok(Self(Client::new(&node.url())?))
    }

    /// The running epoch; `None` before the first block.
    pub async fn now(&self) -> Option<Now> {
        let reply = self.0.current_epoch().await.ok()?;
        Some(Now { height: reply.height, phase: reply.phase(), epoch: reply.epoch? })
    }

    /// Last height that CometBFT has; `None` while it does not answer. The second says whether it is catching up.
    pub async fn height(&self) -> Option<(u64, bool)> {
        let status = self.0.status().await.ok()?;
        Some((status.sync_info.latest_block_height, status.sync_info.catching_up))
    }

    /// Work of every operator in an epoch, by account address.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn work(&self, epoch: u64) -> anyhow::Result<BTreeMap<String, Work>> {
        let mut all: BTreeMap<String, Work> = BTreeMap::new();
        let request = pow::QueryCommitmentsRequest { epoch, pagination: None };
        let commitments: pow::QueryCommitmentsResponse =
            self.0.query("/geodesic.pow.v1.Query/Commitments", &request).await?;
        for c in commitments.commitments {
            let work = all.entry(c.participant).or_default();
            work.leaves = c.nodes.iter().map(|n| n.count).sum();
            work.hits = c.nodes.iter().map(|n| n.hits).sum();
        }
        let request = pow::QueryVerdictsRequest { epoch, pagination: None };
        let verdicts: pow::QueryVerdictsResponse =
            self.0.query("/geodesic.pow.v1.Query/Verdicts", &request).await?;
        for v in verdicts.verdicts {
            all.entry(v.auditor).or_default().verdict = true;
        }
        let request = pow::QueryWeightsRequest { epoch, pagination: None };
        let weights: pow::QueryWeightsResponse =
            self.0.query("/geodesic.pow.v1.Query/Weights", &request).await?;
        for w in weights.weights {
            all.entry(w.participant).or_default().weight = Some(w.weight);
        }
        Ok(all)
    }

    /// Power that the chain computed, by the 20 bytes of the operator in hex.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn powers(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let request = staking::QueryComputePowersRequest::default();
        let reply: staking::QueryComputePowersResponse =
            self.0.query("/geodesic.staking.v1.Query/ComputePowers", &request).await?;
        reply.powers.iter().map(|p| Ok((operator_hex(&p.operator)?, p.power))).collect()
    }

    /// That CometBFT's validator set is the one that the chain computed for the same height, each validator with its power.
    /// Returns the powers by the 20 bytes of the operator in hex.
    ///
    /// # Errors
    /// The sets differ, or the node does not answer.
    pub async fn same_sets(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let comet = self.0.validators(None, 1, 100).await?;
        let request = staking::QueryValidatorSetRequest { height: comet.block_height };
        let ours: staking::QueryValidatorSetResponse =
            self.0.query("/geodesic.staking.v1.Query/ValidatorSet", &request).await?;
        let mut left: BTreeMap<String, u64> =
            comet.validators.into_iter().map(|v| (v.address.to_lowercase(), v.voting_power)).collect();
        let mut powers = BTreeMap::new();
        for member in ours.members {
            let theirs = left.remove(&operator_hex(&member.consensus_address)?);
            if theirs != Some(member.power) {
                bail!(
                    "at height {} the chain computed power {} for {}, CometBFT has {theirs:?}",
                    comet.block_height,
                    member.power,
                    member.operator
                );
            }
            powers.insert(operator_hex(&member.operator)?, member.power);
        }
        if !left.is_empty() {
            bail!(
                "at height {} CometBFT has validators that the chain does not: {left:?}",
                comet.block_height
            );
        }
        Ok(powers)
    }

    /// Consensus addresses of CometBFT's validator set, hex, with their powers.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn comet_set(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let set = self.0.validators(None, 1, 100).await?;
        Ok(set.validators.into_iter().map(|v| (v.address, v.voting_power)).collect())
    }

    /// Consensus address of the node itself, hex.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn consensus_address(&self) -> anyhow::Result<String> {
        Ok(self.0.status().await?.validator_info.address)
    }

    /// Rewards of an operator: epoch, amount, height of the claim or 0.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn rewards(&self, operator: &str) -> anyhow::Result<Vec<rewards::Share>> {
        let request = rewards::QueryHistoryRequest { participant: operator.to_owned(), pagination: None };
        let reply: rewards::QueryHistoryResponse =
            self.0.query("/geodesic.rewards.v1.Query/History", &request).await?;
        Ok(reply.shares)
    }

    /// Coins that an operator has claimed.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn claimed(&self, operator: &str) -> anyhow::Result<u128> {
        let shares = self.rewards(operator).await?;
        Ok(shares.iter().filter(|s| s.claimed_at > 0).filter_map(|s| s.amount.parse::<u128>().ok()).sum())
    }

    /// What an account has of the chain's coin.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn balance(&self, account: &str) -> anyhow::Result<u128> {
        let coin = self.0.balance(account, "ugeo").await?;
        coin.amount.parse().with_context(|| format!("balance {:?}", coin.amount))
    }
}

/// Bytes of any bech32 address in hex, so that an operator's two forms are one.
///
/// # Errors
/// It is no address.
pub fn operator_hex(address: &str) -> anyhow::Result<String> {
    Ok(hex::encode(geodesic_client::address::decode(address)?.1))
}
