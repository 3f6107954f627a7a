//! What nodes reported while faults happened, and that all of them have it afterwards: postcondition C0.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use geodesic_client::rpc::{Client, Event};
use geodesic_proto::cosmos::bank::v1beta1::{QuerySupplyOfRequest, QuerySupplyOfResponse};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Cluster, load};
use crate::localnet::Localnet;

const DENOM: &str = "ugeo";
/// Heights that are read anew from every node at each check: more than a fault lasts.
const REREAD: u64 = 60;
/// Heights that the chain must grow by after a fault.
const GROWTH: u64 = 3;

/// A block as a node has it: its hash, its transactions, and the app hash and codes that the node itself computed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    block: String,
    txs: Vec<Vec<u8>>,
    app_hash: String,
    codes: Vec<u32>,
}

/// All that was seen, by height, and its coins.
#[derive(Debug, Default)]
struct Book {
    seen: BTreeMap<u64, Seen>,
    /// Minted less burned, and what the receiver of the load got, by height.
    coins: BTreeMap<u64, (i128, i128)>,
    /// The next height to read of each node.
    next: BTreeMap<u16, u64>,
    /// The first contradiction.
    broken: Option<String>,
}

/// A witness in the background; it ends when dropped.
#[derive(Debug)]
pub struct Ledger {
    book: Arc<Mutex<Book>>,
    clients: Vec<(u16, Client)>,
    genesis_supply: i128,
    task: JoinHandle<()>,
}

/// What a check found.
#[derive(Debug, Clone, Copy)]
pub struct Checked {
    /// All nodes agree up to here.
    pub height: u64,
    /// Transactions up to there.
    pub txs: usize,
    /// How long it took until all nodes had the growth.
    pub recovery: Duration,
}

impl Ledger {
    /// Begins to read what nodes report.
    ///
    /// # Errors
    /// A genesis that does not parse.
    pub fn open(network: &Localnet) -> anyhow::Result<Self> {
        let clients: Vec<(u16, Client)> = network
            .nodes
            .iter()
            .map(|n| Ok((n.index, Client::new(&n.url())?)))
            .collect::<anyhow::Result<_>>()?;
        let book = Arc::new(Mutex::new(Book::default()));
        let task = tokio::spawn(watch(Arc::clone(&book), clients.clone()));
        Ok(Self { book, clients, genesis_supply: genesis_supply(network)?, task })
    }

    /// C0: all nodes grow by some heights, have the same blocks and computed the same results for them, nothing that any
    /// of them ever reported is missing or another, and the coins add up on each of them.
    ///
    /// # Errors
    /// The first of these that is not so.
    pub async fn check(&self, cluster: &Cluster) -> anyhow::Result<Checked> {
        let begin = Instant::now();
        let mut top = 0;
        while top == 0 {
            ensure!(begin.elapsed() < super::GUARD, "no node answers");
            top = cluster.top().await?;
        }
        let nodes = cluster.indices();
        cluster.reach(&nodes, top + GROWTH).await?;
        let recovery = begin.elapsed();
        let common = top + GROWTH - 1; // results of the last height may not be written yet
        let mut book = self.book.lock().await;
        for (index, client) in &self.clients {
            // What was seen before is read again: a fault may have taken it away.
            let from = book.next.get(index).copied().unwrap_or(1).min(common.saturating_sub(REREAD)).max(1);
            for height in from..=common {
                let (seen, coins) =
                    read(client, height).await.with_context(|| format!("node{index}, height {height}"))?;
                book.note(*index, height, seen, coins);
            }
        }
        if let Some(broken) = &book.broken {
            bail!("{broken}");
        }
        let last_seen = book.seen.keys().next_back().copied().unwrap_or(0);
        let heights = u64::try_from(book.seen.len())?;
        ensure!(heights == last_seen, "{heights} heights were read, the last is {last_seen}");
        self.coins(&book, common).await?;
        let txs = book.seen.range(..=common).map(|(_, s)| s.txs.len()).sum();
        Ok(Checked { height: common, txs, recovery })
    }

    /// Supply is genesis + minted - burned, and the receiver has what was sent to it, on every node.
    async fn coins(&self, book: &Book, height: u64) -> anyhow::Result<()> {
        let sum =
            |part: fn(&(i128, i128)) -> i128| book.coins.range(..=height).map(|(_, c)| part(c)).sum::<i128>();
        let (supply, sent) = (self.genesis_supply + sum(|c| c.0), sum(|c| c.1));
        for (index, client) in &self.clients {
            let request = QuerySupplyOfRequest { denom: DENOM.to_owned() };
            let path = "/cosmos.bank.v1beta1.Query/SupplyOf";
            let reply: QuerySupplyOfResponse = client.query_at(path, &request, Some(height)).await?.0;
            let found: i128 = reply.amount.context("no supply")?.amount.parse()?;
            ensure!(
                found == supply,
                "node{index} at {height}: supply {found}, genesis + minted - burned {supply}"
            );
            let request = geodesic_proto::cosmos::bank::v1beta1::QueryBalanceRequest {
                address: load::sink()?,
                denom: DENOM.to_owned(),
            };
            let path = "/cosmos.bank.v1beta1.Query/Balance";
            let reply: geodesic_proto::cosmos::bank::v1beta1::QueryBalanceResponse =
                client.query_at(path, &request, Some(height)).await?.0;
            let found: i128 = reply.balance.context("no balance")?.amount.parse()?;
            ensure!(found == sent, "node{index} at {height}: {found} arrived, {sent} were sent");
        }
        Ok(())
    }
}

impl Book {
    /// Compares what a node has with what was seen before.
    fn note(&mut self, node: u16, height: u64, seen: Seen, coins: (i128, i128)) {
        let next = self.next.entry(node).or_insert(1);
        *next = (*next).max(height.saturating_add(1));
        match self.seen.get(&height) {
            None => {
                self.seen.insert(height, seen);
                self.coins.insert(height, coins);
            }
            Some(before) if *before == seen => {}
            Some(before) => {
                let text = format!("node{node} has at height {height}\n{seen:?}\nbut there was\n{before:?}");
                self.broken.get_or_insert(text);
            }
        }
    }
}

/// Reads what nodes report, for as long as the task lives.
async fn watch(book: Arc<Mutex<Book>>, clients: Vec<(u16, Client)>) {
    loop {
        for (index, client) in &clients {
            let Ok(status) = client.status().await else { continue };
            let mut height = book.lock().await.next.get(index).copied().unwrap_or(1);
            while height < status.sync_info.latest_block_height {
                let Ok((seen, coins)) = read(client, height).await else { break };
                book.lock().await.note(*index, height, seen, coins);
                height += 1;
            }
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// A block and its results as one node has them.
async fn read(client: &Client, height: u64) -> anyhow::Result<(Seen, (i128, i128))> {
    let block = client.block(Some(height)).await?;
    let results = client.block_results(Some(height)).await?;
    let app_hash = results.app_hash.filter(|hash| !hash.is_empty()).context("results without an app hash")?;
    ensure!(
        results.txs_results.len() == block.txs.len(),
        "{} results of {} transactions",
        results.txs_results.len(),
        block.txs.len()
    );
    let mut coins = (0, 0);
    let in_txs = results.txs_results.iter().flat_map(|r| &r.events);
    for event in in_txs.chain(&results.finalize_block_events) {
        tally(event, &mut coins)?;
    }
    let codes = results.txs_results.iter().map(|r| r.code).collect();
    Ok((Seen { block: block.hash, txs: block.txs, app_hash, codes }, coins))
}

/// Adds what an event says of coins.
fn tally(event: &Event, (minted, sent): &mut (i128, i128)) -> anyhow::Result<()> {
    let of = |key: &str| event.attributes.iter().find(|a| a.key == key).map(|a| a.value.as_str());
    let amount = || -> anyhow::Result<i128> {
        let text = of("amount").context("an event of coins without an amount")?;
        let own = text.split(',').find_map(|coin| coin.strip_suffix(DENOM));
        Ok(own.map_or(Ok(0), str::parse)?)
    };
    match event.kind.as_str() {
        "coinbase" => *minted += amount()?,
        "burn" => *minted -= amount()?,
        "coin_received" if of("receiver") == Some(&load::sink()?) => *sent += amount()?,
        _ => {}
    }
    Ok(())
}

/// All coins of the genesis.
fn genesis_supply(network: &Localnet) -> anyhow::Result<i128> {
    let home = &network.nodes.first().context("the network has no nodes")?.home;
    let genesis: Value = serde_json::from_slice(&std::fs::read(home.join("config/genesis.json"))?)?;
    let balances =
        genesis.pointer("/app_state/bank/balances").and_then(Value::as_array).context("no balances")?;
    let coins = balances.iter().filter_map(|b| b.get("coins")?.as_array()).flatten();
    let own = coins.filter(|c| c.get("denom").and_then(Value::as_str) == Some(DENOM));
    own.map(|c| {
        Ok(c.get("amount").and_then(Value::as_str).context("a coin without an amount")?.parse::<i128>()?)
    })
    .sum()
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.task.abort();
    }
}
