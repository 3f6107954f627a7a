//! `geod genesis collect-gentxs`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;

use super::account::balance;
use super::doc::GenesisDoc;
use crate::home::Home;
use crate::{comet_keys, home, toml_file};

/// Longest genesis transaction, in bytes.
const GENTX_MAX: u64 = 256 << 10;

/// Arguments of `genesis collect-gentxs`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod genesis collect-gentxs
  geod genesis collect-gentxs --gentx-dir ./gentxs

Puts the transactions of the folder into app_state.genutil.gen_txs in the order of their file names, and the other
validators' nodes into persistent_peers of config.toml.")]
pub struct CollectArgs {
    /// Folder of the transactions [default: config/gentx]
    #[arg(long)]
    gentx_dir: Option<PathBuf>,
}

pub(super) fn run(args: &CollectArgs, home: &Home, doc: &mut GenesisDoc) -> anyhow::Result<()> {
    let dir = args.gentx_dir.clone().unwrap_or_else(|| home.config("gentx"));
    let files = json_files(&dir)?;
    if files.is_empty() {
        bail!(
            "no genesis transactions in {}; each validator makes one with: geod genesis gentx",
            dir.display()
        );
    }
    let own = comet_keys::node_id(&comet_keys::load_node_key(home)?);
    let (mut txs, mut peers, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for file in &files {
        let text = home::read_bounded(file, GENTX_MAX)?;
        let tx: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let gentx =
            Gentx::read(&tx).with_context(|| format!("{} is no genesis transaction", file.display()))?;
        gentx.check_funds(doc).with_context(|| file.display().to_string())?;
        for name in [gentx.operator, gentx.consensus_key] {
            if !seen.insert(name.to_owned()) {
                bail!("{}: another transaction has {name} already", file.display());
            }
        }
        if !gentx.memo.is_empty() && !gentx.memo.starts_with(&own) {
            peers.insert(gentx.memo.to_owned());
        }
        txs.push(tx);
    }
    *doc.list_mut("genutil.gen_txs")? = txs;
    let peers: Vec<String> = peers.into_iter().collect();
    toml_file::edit(&home.config("config.toml"), &[("p2p.persistent_peers", &peers.join(","))])?;
    eprintln!("{} genesis transactions, {} persistent peers", files.len(), peers.len());
    Ok(())
}

fn json_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect();
    files.sort();
    Ok(files)
}

/// What matters in a genesis transaction; the rest is checked when the chain executes it.
struct Gentx<'a> {
    operator: &'a str,
    consensus_key: &'a str,
    denom: &'a str,
    amount: u128,
    memo: &'a str,
}

impl<'a> Gentx<'a> {
    fn read(tx: &'a Value) -> anyhow::Result<Self> {
        let text =
            |path: &str| tx.pointer(path).and_then(Value::as_str).with_context(|| format!("no {path}"));
        let kind = text("/body/messages/0/@type")?;
        if kind != "/cosmos.staking.v1beta1.MsgCreateValidator" {
            bail!("first message is {kind}, must be /cosmos.staking.v1beta1.MsgCreateValidator");
        }
        let memo = text("/body/memo").unwrap_or_default();
        let (node_id, address) = memo.split_once('@').unwrap_or_default();
        let hex = node_id.len() == 40 && node_id.bytes().all(|b| b.is_ascii_hexdigit());
        let is_peer = hex && address.contains(':') && !memo.contains(',');
        if !is_peer && !memo.is_empty() {
            bail!("memo {memo:?} is not NODE_ID@HOST:PORT");
        }
        Ok(Self {
            operator: text("/body/messages/0/validator_address")?,
            consensus_key: text("/body/messages/0/pubkey/key")?,
            denom: text("/body/messages/0/value/denom")?,
            amount: text("/body/messages/0/value/amount")?.parse().context("amount")?,
            memo,
        })
    }

    fn check_funds(&self, doc: &GenesisDoc) -> anyhow::Result<()> {
        let (prefix, bytes) = geodesic_client::address::decode(self.operator)?;
        let prefix =
            prefix.strip_suffix("valoper").with_context(|| format!("{} is no operator", self.operator))?;
        let account = geodesic_client::address::encode(prefix, &bytes)?;
        let has = balance(doc, &account, self.denom)
            .with_context(|| format!("account {account} is not in the genesis"))?;
        if has < self.amount {
            bail!("account {account} has {has}{d}, delegates {}{d}", self.amount, d = self.denom);
        }
        Ok(())
    }
}
