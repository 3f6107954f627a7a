//! What a person sees of a network: a live view, and the table at the end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use geodesic_proto::geodesic::epochs::v1::Phase;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use super::Localnet;
use super::chain::{Chain, Now, Work, operator_hex};
use super::setup::{program, send};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(700);

/// A network whose height stands still for so long is broken.
const STANDSTILL: Duration = Duration::from_secs(90);

/// A bar over the blocks of an epoch, with lines below it.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len}\n{msg}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// One line a node: what it computed, said and gained.
fn lines(
    network: &Localnet,
    work: &BTreeMap<String, Work>,
    powers: &BTreeMap<String, u64>,
    stage: f64,
) -> String {
    let mut text = format!(
        "{:8} {:>9} {:>8} {:>7} {:>8} {:>9} {:>8}",
        "node", "leaves", "per s", "hits", "verdict", "weight", "power"
    );
    for node in &network.nodes {
        let w = work.get(&node.operator).cloned().unwrap_or_default();
        let power = operator_hex(&node.operator).ok().and_then(|o| powers.get(&o).copied()).unwrap_or(0);
        let weight = w.weight.map_or_else(|| "-".to_owned(), |w| w.to_string());
        let verdict = if w.verdict { "sent" } else { "-" };
        let speed = if stage > 0.0 { w.leaves as f64 / stage } else { 0.0 };
        text.push_str(&format!(
            "\n{:8} {:>9} {:>8.0} {:>7} {:>8} {:>9} {:>8}",
            node.name(),
            w.leaves,
            speed,
            w.hits,
            verdict,
            weight,
            power
        ));
    }
    text
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
                let work = chain.work(now.epoch.index).await.unwrap_or_default();
                let powers = chain.powers().await.unwrap_or_default();
                let length = now.epoch.end.saturating_sub(now.epoch.start);
                bar.set_length(length);
                bar.set_position(now.height.saturating_sub(now.epoch.start).min(length));
                let phase = now.phase.as_str_name().trim_start_matches("PHASE_").to_lowercase();
                bar.set_prefix(format!("epoch {} {phase} height {}", now.epoch.index, now.height));
                let stage = now.height.min(now.epoch.draw).saturating_sub(now.epoch.start) as f64;
                let text = lines(network, &work, &powers, stage);
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
    let (work, powers) = (chain.work(now.epoch.index).await?, chain.powers().await?);
    text.push_str(&format!("epoch {} {} height {}\n", now.epoch.index, now.phase.as_str_name(), now.height));
    Ok(text + &lines(network, &work, &powers, 0.0))
}

/// Checks what a network must have reached after an epoch, and spends a reward of each validator.
///
/// Of every node: weight above zero from audited nonces, the power that CometBFT has is the one that the chain computed, a reward was claimed, and coins of
/// it are sent on.
///
/// # Errors
/// The first of these that is not so.
pub async fn summary(network: &Localnet, epoch: u64) -> anyhow::Result<String> {
    let Some(first) = network.nodes.first() else { bail!("the network has no nodes") };
    let chain = Chain::new(first)?;
    program("geod")?;
    let (work, powers) = (chain.work(epoch).await?, chain.powers().await?);
    let mut ours: Vec<u64> = powers.values().copied().filter(|p| *p > 0).collect();
    ours.sort_unstable();
    let comet = chain.comet_powers().await?;
    if ours != comet {
        bail!("the chain computed the powers {ours:?}, CometBFT has {comet:?}");
    }
    let mut text = format!(
        "{:8} {:>9} {:>7} {:>9} {:>8} {:>14} {:>16}  {}\n",
        "node", "leaves", "hits", "weight", "power", "claimed ugeo", "spent ugeo", "in transaction"
    );
    for node in &network.nodes {
        let w = work.get(&node.operator).cloned().unwrap_or_default();
        let weight = w.weight.filter(|w| *w > 0);
        let Some(weight) = weight else { bail!("{} has no weight in epoch {epoch}", node.name()) };
        let power = operator_hex(&node.operator).ok().and_then(|o| powers.get(&o).copied()).unwrap_or(0);
        let claimed: u128 = chain
            .rewards(&node.operator)
            .await?
            .iter()
            .filter(|s| s.claimed_at > 0)
            .filter_map(|s| s.amount.parse::<u128>().ok())
            .sum();
        if claimed == 0 {
            bail!("{} has claimed nothing", node.name());
        }
        // The operator's genesis coins are delegated, deposited or given away in part: what it holds beyond half is its reward.
        let target = network.nodes.iter().find(|n| n.index != node.index).unwrap_or(node);
        let before = chain.balance(&target.operator).await?;
        let hash = send(node, "operator", &target.operator, &format!("{claimed}ugeo"))?;
        let received = chain.balance(&target.operator).await?.saturating_sub(before);
        if received < claimed {
            bail!("{} sent {claimed} ugeo, {received} arrived", node.name());
        }
        text.push_str(&format!(
            "{:8} {:>9} {:>7} {weight:>9} {power:>8} {claimed:>14} {claimed:>16}  {hash}\n",
            node.name(),
            w.leaves,
            w.hits
        ));
    }
    text.push_str("CometBFT's validator set has the powers that the chain computed.\n");
    Ok(text)
}
