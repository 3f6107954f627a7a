//! What a person sees of a network: a live view, and the table at the end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use geodesic_proto::geodesic::epochs::v1::Phase;
use geodesic_proto::geodesic::mlnode::v1::StatusRequest;
use geodesic_proto::geodesic::mlnode::v1::ml_node_client::MlNodeClient;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;

use super::chain::{Chain, Now, operator_hex};
use super::setup::{faucet_address, send};
use super::{Localnet, Node};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(700);

/// A network whose height stands still for so long is broken.
const STANDSTILL: Duration = Duration::from_secs(240);

/// A bar over the blocks of an epoch, with lines below it.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len}\n{msg}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Nonces a second that a node's mlnode computed last; `None` while it does not answer.
async fn speed(node: &Node) -> Option<u64> {
    let url = format!("http://127.0.0.1:{}", node.mlnode());
    let channel = Endpoint::from_shared(url).ok()?.connect_timeout(PAUSE).timeout(PAUSE).connect_lazy();
    let status = MlNodeClient::new(channel).status(StatusRequest {}).await.ok()?.into_inner();
    Some(status.nonces_per_1000s / 1000)
}

/// One line a node: what it computed, said and gained.
async fn lines(network: &Localnet, chain: &Chain, epoch: u64) -> String {
    let work = chain.work(epoch).await.unwrap_or_default();
    let powers = chain.powers().await.unwrap_or_default();
    let mut text = format!(
        "{:8} {:>9} {:>9} {:>8} {:>8} {:>9} {:>8} {:>14}",
        "node", "nonces/s", "committed", "hits", "verdict", "weight", "power", "claimed ugeo"
    );
    let or_dash = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    for node in &network.nodes {
        let w = work.get(&node.operator).cloned().unwrap_or_default();
        text.push_str(&format!(
            "\n{:8} {:>9} {:>9} {:>8} {:>8} {:>9} {:>8} {:>14}",
            node.name(),
            or_dash(speed(node).await),
            w.leaves,
            w.hits,
            if w.verdict { "sent" } else { "-" },
            or_dash(w.weight),
            power_of(&powers, node),
            chain.claimed(&node.operator).await.unwrap_or(0),
        ));
    }
    text
}

fn power_of(powers: &BTreeMap<String, u64>, node: &Node) -> u64 {
    operator_hex(&node.operator).ok().and_then(|operator| powers.get(&operator).copied()).unwrap_or(0)
}

/// Waits for a height, as long as the chain moves.
///
/// # Errors
/// A process ended, or the chain stands still; says which and why.
pub async fn wait_height(network: &Localnet, height: u64) -> anyhow::Result<()> {
    watch(network, |now| now.height >= height, false).await
}

/// Shows the network until `done`.
///
/// # Errors
/// A process ended, or the chain stands still; says which and why.
pub async fn watch(network: &Localnet, done: impl Fn(&Now) -> bool, show: bool) -> anyhow::Result<()> {
    let Some(first) = network.nodes.first() else { bail!("the network has no nodes") };
    let chain = Chain::new(first)?;
    let bar = bar();
    let (mut last, mut moved) = (0, Instant::now());
    let mut shown = (u64::MAX, Phase::Unspecified);
    loop {
        if let Some(dead) = network.processes.iter().find(|p| !p.is_alive()) {
            bail!("{} has ended, the last lines of {}:\n{}", dead.name, dead.log.display(), dead.tail(12));
        }
        if let Some(now) = chain.now().await {
            if now.height > last {
                (last, moved) = (now.height, Instant::now());
            }
            if show {
                let length = now.epoch.end.saturating_sub(now.epoch.start);
                bar.set_length(length);
                bar.set_position(now.height.saturating_sub(now.epoch.start).min(length));
                let phase = now.phase.as_str_name().trim_start_matches("PHASE_").to_lowercase();
                bar.set_prefix(format!("epoch {} {phase} height {}", now.epoch.index, now.height));
                let text = lines(network, &chain, now.epoch.index).await;
                if bar.is_hidden() && shown != (now.epoch.index, now.phase) {
                    // No terminal: a picture at each part of the epoch.
                    shown = (now.epoch.index, now.phase);
                    let _ = writeln!(
                        std::io::stdout(),
                        "epoch {} {phase} height {}\n{text}",
                        now.epoch.index,
                        now.height
                    );
                }
                bar.set_message(text);
            }
            if done(&now) {
                bar.finish_and_clear();
                return Ok(());
            }
        }
        if moved.elapsed() > STANDSTILL {
            bail!(
                "no block after height {last} for {} s, see the logs in {}",
                STANDSTILL.as_secs(),
                network.dir.display()
            );
        }
        sleep(PAUSE).await;
    }
}

/// The state of a network, as text.
///
/// # Errors
/// The node does not answer.
pub async fn status(network: &Localnet) -> anyhow::Result<String> {
    let Some(first) = network.nodes.first() else { bail!("the network has no nodes") };
    let chain = Chain::new(first)?;
    let mut text = String::new();
    for p in &network.processes {
        let state = if p.is_alive() { "runs" } else { "ended" };
        text.push_str(&format!("{:14} {state:6} pid {:8} {}\n", p.name, p.pid, p.log.display()));
    }
    let Some(now) = chain.now().await else { return Ok(text + "the chain does not answer") };
    text.push_str(&format!("epoch {} {} height {}\n", now.epoch.index, now.phase.as_str_name(), now.height));
    Ok(text + &lines(network, &chain, now.epoch.index).await)
}

/// Checks what validators must have reached after an epoch, and spends the rewards of each.
///
/// Of each: weight above zero from audited nonces, the same power in CometBFT's set and in the one that the
/// chain computed, rewards claimed, and as much sent on, which it could not have done without them.
///
/// # Errors
/// The first of these that is not so.
pub async fn summary(network: &Localnet, epoch: u64, nodes: &[Node]) -> anyhow::Result<String> {
    let Some(first) = network.nodes.first() else { bail!("the network has no nodes") };
    let chain = Chain::new(first)?;
    let receiver = faucet_address(network)?;
    let (work, powers) = (chain.work(epoch).await?, chain.same_sets().await?);
    let mut text = format!(
        "{:8} {:>9} {:>7} {:>9} {:>8} {:>20}  {}\n",
        "node", "leaves", "hits", "weight", "power", "claimed, spent ugeo", "in transaction"
    );
    for node in nodes {
        let w = work.get(&node.operator).cloned().unwrap_or_default();
        let power = power_of(&powers, node);
        let Some(weight @ 1..) = w.weight else { bail!("{} has no weight in epoch {epoch}", node.name()) };
        if power == 0 {
            bail!("{} has no power", node.name());
        }
        let (claimed, hash) = spend(&chain, node, &receiver).await?;
        text.push_str(&format!(
            "{:8} {:>9} {:>7} {weight:>9} {power:>8} {claimed:>20}  {hash}\n",
            node.name(),
            w.leaves,
            w.hits
        ));
    }
    text.push_str("CometBFT's validator set has the powers that the chain computed.\n");
    Ok(text)
}

/// Sends on what an operator has claimed; returns how much, and the transaction.
async fn spend(chain: &Chain, node: &Node, receiver: &str) -> anyhow::Result<(u128, String)> {
    let claimed = chain.claimed(&node.operator).await?;
    if claimed == 0 {
        bail!("{} has claimed nothing", node.name());
    }
    let held = chain.balance(&node.operator).await?;
    if held < claimed || held - claimed >= claimed {
        bail!(
            "{} claimed {claimed} ugeo and holds {held}: spending that much would show nothing",
            node.name()
        );
    }
    let before = chain.balance(receiver).await?;
    let hash = send(node, "operator", receiver, &format!("{claimed}ugeo"))?;
    let received = chain.balance(receiver).await?.saturating_sub(before);
    if received != claimed {
        bail!("{} sent {claimed} ugeo, {received} arrived", node.name());
    }
    Ok((claimed, hash))
}
