//! `geod query pow verify`: recomputes a committed nonce on this machine.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use geodesic_challenge::Scored;
use geodesic_client::address::Kind;
use geodesic_client::rpc::Client;
use geodesic_client::verify::{Committed, Finding};
use geodesic_proto::geodesic::pow::v1::Opening;
use geodesic_proto::json::from_json;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::context::Context;
use crate::{net, output};

/// Where the command stands.
pub(super) const GROUP: &str = "pow";
pub(super) const NAME: &str = "verify";

/// Multiplications that are spent unasked on recomputing a whole commitment: a minute or two of the reference network.
const UNASKED_MAX: u128 = 200_000_000_000;
/// Longest file of a leaf.
const LEAF_FILE_MAX: u64 = 1 << 20;

/// Recompute a committed nonce on this machine: match or mismatch
#[derive(clap::Args, Debug)]
#[command(
    about = "Recompute a committed nonce on this machine: match or mismatch",
    long_about = "Recomputes a committed nonce with the reference network and compares it with what is known of it: \
        leaves opened on chain, leaves and tags under accusation, tags in verdicts, and a leaf given by --leaf. The \
        chain itself keeps only the root over all nonces of a node; when nothing is known of this one, or with --all, \
        every nonce of the node is recomputed and the root compared. A wrong tag is the auditor's fault and is shown, but does \
        not count against the leaf. The exit status is 0 for a match alone.",
    after_help = "\
Examples:
  geod query pow verify --epoch 5 --participant geo1... --node 0 --nonce 17
  geod query pow verify --epoch 5 --participant alice --node 0 --nonce 17 --leaf leaf.json
  geod query pow verify --epoch 5 --participant geo1... --node 0 --nonce 17 --all --rpc tcp://node:26657"
)]
pub struct VerifyArgs {
    /// Epoch of the commitment
    #[arg(long, value_name = "E")]
    epoch: u64,
    /// Who committed: address or name of a key
    #[arg(long, value_name = "P")]
    participant: String,
    // Shares its name, and so its type, with the global flag for the node's URL.
    /// Number of the participant's compute node (the chain's RPC is --rpc here)
    #[arg(id = "node", long = "node", value_name = "K", value_parser = node_number)]
    compute_node: String,
    /// The nonce
    #[arg(long, value_name = "N")]
    nonce: u64,
    /// CometBFT RPC of a node, which --node names elsewhere
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
    /// A leaf with its path, as JSON: {"position":0,"leaf":{...},"path":[...]}
    #[arg(long, value_name = "FILE")]
    leaf: Option<PathBuf>,
    /// Recompute every nonce of the node and compare the root, however long it takes
    #[arg(long)]
    all: bool,
}

fn node_number(text: &str) -> Result<String, String> {
    match text.parse::<u32>() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => {
            Err("the number of a compute node is needed; the URL of the chain's node is --rpc here"
                .to_owned())
        }
    }
}

impl VerifyArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let client = match &self.rpc {
            Some(url) => Client::new(url)?,
            None => ctx.rpc()?,
        };
        let chain_id = match &ctx.chain_id {
            Some(chain_id) => chain_id.clone(),
            None => client.status().await?.node_info.network,
        };
        let participant = net::resolve(ctx, Kind::Account, &self.participant)?;
        let node_id = self.compute_node.parse()?;
        let committed =
            Committed::load(&client, &chain_id, &ctx.prefix, &participant, self.epoch, node_id).await?;
        let scored = committed.recompute(self.nonce)?;
        let mut findings = committed.findings(&client, &ctx.prefix, &scored).await?;
        if let Some(file) = &self.leaf {
            let opening = read_opening(file)?;
            findings.push(
                committed.check_leaf(&opening, &scored).context("the leaf is not the one committed to")?,
            );
        }
        let whole = u128::from(committed.commitment.count) * u128::from(committed.shape.products());
        if self.all || (verdict(&findings) == "unknown" && whole <= UNASKED_MAX) {
            findings.push(recompute_all(&committed)?);
        }
        let verdict = verdict(&findings);
        output::print(ctx.output, &report(&committed, &scored, &findings, verdict))?;
        match verdict {
            "match" => Ok(()),
            "mismatch" => bail!("mismatch: this machine computes something else"),
            _ => bail!(
                "nothing to compare with: nobody speaks of nonce {} on chain; give its leaf by --leaf, or --all to \
                 recompute all {} nonces of the node",
                self.nonce,
                committed.commitment.count
            ),
        }
    }
}

/// What all that is known of the nonce comes to. An auditor that invents its tags does not make an honest leaf a false one.
fn verdict(findings: &[Finding]) -> &'static str {
    let mut decisive = findings.iter().filter(|f| !f.is_tag || f.matches()).peekable();
    match (decisive.peek().is_none(), decisive.all(Finding::matches)) {
        (true, _) => "unknown",
        (false, true) => "match",
        (false, false) => "mismatch",
    }
}

fn recompute_all(committed: &Committed) -> anyhow::Result<Finding> {
    let bar = ProgressBar::new(committed.commitment.count);
    bar.set_style(ProgressStyle::with_template("recomputing nonces [{bar:40}] {pos}/{len}, {eta} left")?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let ours = committed.recompute_all(threads, &|done| bar.set_position(done))?;
    bar.finish_and_clear();
    let shown = |c: &geodesic_challenge::Commitment| format!("{} ({} hits)", hex::encode(c.root), c.hits);
    Ok(Finding {
        is_tag: false,
        source: format!("root over nonces 0 to {}", committed.commitment.count.saturating_sub(1)),
        said: shown(&committed.commitment),
        computed: shown(&ours),
    })
}

fn read_opening(file: &PathBuf) -> anyhow::Result<Opening> {
    let shown = file.display();
    let length = std::fs::metadata(file).with_context(|| format!("cannot read {shown}"))?.len();
    if length > LEAF_FILE_MAX {
        bail!("{shown} has {length} bytes, a leaf has at most {LEAF_FILE_MAX}");
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    from_json(&text).with_context(|| format!("{shown} is no leaf with its path"))
}

fn report(committed: &Committed, scored: &Scored, findings: &[Finding], verdict: &str) -> Value {
    let list = findings.iter().map(|finding| {
        json!({
            "source": finding.source,
            "said": finding.said,
            "computed": finding.computed,
            "match": finding.matches(),
        })
    });
    json!({
        "result": verdict,
        "epoch": committed.epoch.to_string(),
        "participant": committed.address,
        "node": committed.node_id,
        "nonce": scored.leaf.nonce.to_string(),
        "shape": committed.shape.name().unwrap_or("custom"),
        "distance": scored.leaf.distance.0.to_string(),
        "r_target": committed.r_target.0.to_string(),
        "hit": scored.leaf.distance.is_hit(committed.r_target),
        "logits_hash": hex::encode(scored.leaf.logits_hash),
        "leaf_hash": hex::encode(scored.leaf.hash()),
        "committed": {
            "count": committed.commitment.count.to_string(),
            "hits": committed.commitment.hits.to_string(),
            "root": hex::encode(committed.commitment.root),
        },
        "compared": list.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong() {
        let finding = |is_tag, right: bool| Finding {
            source: String::new(),
            is_tag,
            said: "1".to_owned(),
            computed: if right { "1" } else { "2" }.to_owned(),
        };
        let (leaf, wrong_leaf) = (finding(false, true), finding(false, false));
        let (seen, wrong_tag) = (finding(true, true), finding(true, false));
        for (name, findings, want) in [
            ("nothing", vec![], "unknown"),
            ("a leaf", vec![leaf.clone()], "match"),
            ("a false leaf", vec![leaf.clone(), wrong_leaf.clone()], "mismatch"),
            ("a tag alone", vec![seen.clone()], "match"),
            ("a lazy auditor alone", vec![wrong_tag.clone()], "unknown"),
            ("a lazy auditor beside another", vec![wrong_tag.clone(), seen.clone()], "match"),
            ("a lazy auditor of an honest leaf", vec![leaf, wrong_tag], "match"),
            ("a false leaf that an honest auditor saw", vec![wrong_leaf, seen], "mismatch"),
        ] {
            assert_eq!(verdict(&findings), want, "{name}");
        }
    }
}
