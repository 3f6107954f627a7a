//! A node joins a running network by the steps of docs/join.md, with the network's folder and nothing else of it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::sleep;

use super::chain::Chain;
use super::folder::{self, folder};
use super::setup::{self, STAKE, add_key, check_ports, configure, faucet, geod, included};
use super::{Localnet, Node};

/// What the faucet gives a new operator: its collateral, its agent, its deposit and some more.
const COINS: &str = "900000000000ugeo";

/// Adds a node and waits until CometBFT's validator set has it with the power of its compute; returns what happened.
///
/// # Errors
/// The step that failed.
pub async fn add_node(network: &mut Localnet) -> anyhow::Result<String> {
    let mut node = next_node(network);
    check_ports(&node)?;
    // 1., 2. A home with the network's genesis and seeds. The ports are those of this machine.
    let (chain_id, seeds) = folder::read(&folder(network))?;
    geod(&node.home, &["init", &node.name(), "--chain-id", &chain_id])?;
    std::fs::copy(folder(network).join("genesis.json"), node.home.join("config/genesis.json"))?;
    geod(&node.home, &["genesis", "validate"])?;
    geod(&node.home, &["config", "set", "config", "p2p.seeds", &seeds])?;
    configure(&node)?;
    // 3. The node runs and catches up.
    setup::start_geod(network, &node, &[])?;
    let chain = Chain::new(&node)?;
    caught_up(network, &chain).await?;
    // 4. An operator with coins.
    node.operator = add_key(&node.home, "operator")?;
    faucet(network, &node.operator, COINS)?;
    has_coins(&chain, &node).await?;
    // 5. A validator.
    create_validator(&node, &node)?;
    // 6. Compute: an mlnode, and an agent that registers itself with the VRF key in the same transaction.
    setup::start_mlnode(network, &node, &[])?;
    setup::init_agent(&node, &node)?;
    setup::start_agent(network, &node, &[])?;
    network.nodes.push(node.clone());
    network.save()?;
    // 7. An epoch later the validator set has it.
    let address = chain.consensus_address().await?;
    let epoch = chain.now().await.context("the chain does not answer")?.epoch.index;
    loop {
        if let Some(power) = chain.comet_set().await?.get(&address) {
            return Ok(format!("{} is in CometBFT's validator set with power {power}", node.name()));
        }
        let now = chain.now().await.context("the chain does not answer")?;
        if now.epoch.index > epoch.saturating_add(3) {
            bail!(
                "{} has no power after three epochs, see the logs in {}",
                node.name(),
                network.dir.display()
            );
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// An operator without a node of its own, whose compute takes part through the RPC of another: its home, coins and validator.
/// Without power it has no block to sign.
///
/// # Errors
/// The step that failed.
pub async fn add_operator(network: &Localnet, through: &Node) -> anyhow::Result<Node> {
    let mut node = next_node(network);
    check_ports(&node)?;
    let (chain_id, _) = folder::read(&folder(network))?;
    geod(&node.home, &["init", &node.name(), "--chain-id", &chain_id])?;
    node.operator = add_key(&node.home, "operator")?;
    faucet(network, &node.operator, COINS)?;
    has_coins(&Chain::new(through)?, &node).await?;
    create_validator(&node, through)?;
    Ok(node)
}

/// The node after the last one that has a home.
fn next_node(network: &Localnet) -> Node {
    let mut node = Node::new(&network.dir, network.base_port, 0);
    while node.home.exists() {
        node = Node::new(&network.dir, network.base_port, node.index.saturating_add(1));
    }
    node
}

/// Makes a node's operator a validator, by a transaction through the RPC of a node.
fn create_validator(node: &Node, through: &Node) -> anyhow::Result<()> {
    let (rpc, name) = (through.url(), node.name());
    let what = ["tx", "staking", "create-validator", "--amount", STAKE, "--moniker", &name];
    let by = ["--from", "operator", "--keyring-backend", "test", "--node", &rpc];
    let printed = geod(&node.home, &[&what[..], &by, &["-y", "--gas", "400000", "-o", "json"]].concat())?;
    included(through, &printed).map(drop)
}

/// Waits until a node has the block in which an operator got coins.
async fn has_coins(chain: &Chain, node: &Node) -> anyhow::Result<()> {
    for _ in 0..240 {
        if chain.balance(&node.operator).await.is_ok_and(|coins| coins > 0) {
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
    bail!("{} has not seen the faucet's coins in two minutes", node.name())
}

/// Waits until a node has all blocks.
async fn caught_up(network: &Localnet, chain: &Chain) -> anyhow::Result<()> {
    for _ in 0..480 {
        if let Some((height, false)) = chain.height().await
            && height > 0
        {
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
    bail!("the node has not caught up in four minutes, see the logs in {}", network.dir.display())
}
