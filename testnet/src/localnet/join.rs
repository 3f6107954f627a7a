//! A node joins a running network, by the steps of docs/join.md.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::sleep;

use super::chain::Chain;
use super::setup::{STAKE, add_key, check_ports, configure, faucet, geod, included, start_agent, start_node};
use super::{CHAIN_ID, Localnet, Node};

/// What the faucet gives a new operator: its collateral, its agent, its deposit and some more.
const COINS: &str = "900000000000ugeo";

/// Adds a node and waits until CometBFT's validator set has it with the power of its compute; returns what happened.
///
/// # Errors
/// The step that failed.
pub async fn add_node(network: &mut Localnet) -> anyhow::Result<String> {
    let index = network.nodes.iter().map(|n| n.index).max().map_or(0, |i| i.saturating_add(1));
    let mut node = Node::new(&network.dir, network.base_port, index);
    check_ports(&node)?;
    let first = network.nodes.first().context("the network has no nodes")?.clone();

    // 1. A home with the network's genesis and peers.
    geod(&node.home, &["init", &node.name(), "--chain-id", CHAIN_ID])?;
    std::fs::copy(first.home.join("config/genesis.json"), node.home.join("config/genesis.json"))?;
    configure(network, &node)?;
    // 2. The node runs and catches up.
    start_node(network, &node)?;
    let chain = Chain::new(&node)?;
    caught_up(network, &chain).await?;
    // 3. An operator with coins.
    node.operator = add_key(&node.home, "operator")?;
    faucet(network, &node.operator, COINS)?;
    has_coins(&chain, &node).await?;
    // 4. A validator.
    let rpc = node.url();
    let name = node.name();
    let args = [
        "tx",
        "staking",
        "create-validator",
        "--amount",
        STAKE,
        "--moniker",
        &name,
        "--from",
        "operator",
        "--node",
        &rpc,
        "--keyring-backend",
        "test",
        "-y",
        "--gas",
        "400000",
        "-o",
        "json",
    ];
    let printed = geod(&node.home, &args)?;
    included(&node, &printed)?;
    // 5. Compute: an mlnode runs already; the agent is registered, with the VRF key in the same transaction.
    start_agent(network, &node)?;
    network.nodes.push(node.clone());
    network.save()?;
    // 6. An epoch later the validator set has it.
    let address = chain.consensus_address().await?;
    let epoch = chain.now().await.context("the chain does not answer")?.epoch.index;
    loop {
        if let Some(power) = chain.comet_set().await?.get(&address) {
            return Ok(format!("{name} is in CometBFT's validator set with power {power}"));
        }
        let now = chain.now().await.context("the chain does not answer")?;
        if now.epoch.index > epoch.saturating_add(3) {
            bail!("{name} has no power after three epochs, see the logs in {}", network.dir.display());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until the node itself has the block in which its operator got coins.
async fn has_coins(chain: &Chain, node: &Node) -> anyhow::Result<()> {
    for _ in 0..120 {
        if chain.balance(&node.operator).await.is_ok_and(|coins| coins > 0) {
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
    bail!("{} has not seen the faucet's coins in a minute", node.name())
}

/// Waits until a node has all blocks.
async fn caught_up(network: &Localnet, chain: &Chain) -> anyhow::Result<()> {
    for _ in 0..240 {
        if let Some((height, false)) = chain.height().await
            && height > 0
        {
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
    bail!("the node has not caught up in two minutes, see the logs in {}", network.dir.display())
}
