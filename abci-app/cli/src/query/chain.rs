//! Queries of blocks and transactions through CometBFT, and of anything by its path.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Subcommand, ValueEnum};
use geodesic_client::rpc::{Client, Tx};
use geodesic_client::tx::wait;
use geodesic_proto::json;
use serde_json::{Value, json as object};

use crate::context::Context;
use crate::{net, output};

/// Most transactions or validators of a page, as CometBFT allows.
const PAGE_MAX: u32 = 100;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// A transaction by its hash, or by its signer and sequence
    #[command(after_help = "Examples:\n  geod query tx 9A2B...\n  geod query tx --type acc_seq geo1.../7")]
    Tx {
        /// The hash, or ADDRESS/SEQUENCE
        value: String,
        /// What the value is
        #[arg(long, value_enum, default_value_t = TxBy::Hash)]
        r#type: TxBy,
    },
    /// Transactions by their events
    #[command(after_help = "\
Examples:
  geod query txs --query \"message.sender='geo1...'\"
  geod query txs --query \"message.action='/cosmos.bank.v1beta1.MsgSend' AND tx.height>100\" --limit 10 --order_by desc")]
    Txs {
        /// Conditions on events
        #[arg(long)]
        query: String,
        /// Page, from 1
        #[arg(long, default_value_t = 1)]
        page: u32,
        /// Most transactions, up to 100
        #[arg(long, default_value_t = PAGE_MAX)]
        limit: u32,
        /// asc or desc, by height
        #[arg(long = "order_by", alias = "order-by", value_enum, default_value_t = Order::Asc)]
        order: Order,
    },
    /// Wait for a transaction to be in a block
    #[command(alias = "event-query-tx-for")]
    WaitTx {
        /// Its hash
        hash: String,
        /// Longest wait, in seconds
        #[arg(long, default_value = "15s", value_parser = seconds)]
        timeout: u64,
    },
    /// A block, the newest without a height
    Block {
        /// Height, or hash with --type hash
        value: Option<String>,
        /// What the value is
        #[arg(long, value_enum, default_value_t = BlockBy::Height)]
        r#type: BlockBy,
    },
    /// What a block did, the newest without a height
    BlockResults {
        /// Height
        height: Option<u64>,
    },
    /// The validators that sign a height, the newest without one
    #[command(alias = "tendermint-validator-set")]
    CometValidatorSet {
        /// Height
        height: Option<u64>,
        /// Page, from 1
        #[arg(long, default_value_t = 1)]
        page: u32,
        /// Most validators, up to 100
        #[arg(long, default_value_t = PAGE_MAX)]
        limit: u32,
    },
    /// Any query by its gRPC method
    #[command(after_help = "\
Examples:
  geod query raw /cosmos.bank.v1beta1.Query/Params
  geod query raw /cosmos.bank.v1beta1.Query/Balance '{\"address\":\"geo1...\",\"denom\":\"ugeo\"}'")]
    Raw {
        /// Such as /cosmos.bank.v1beta1.Query/Params
        path: String,
        /// The request as JSON
        #[arg(default_value = "{}")]
        request: String,
        /// Height to answer for [default: the newest]
        #[arg(long, value_name = "H")]
        height: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TxBy {
    /// SHA-256 of the transaction
    Hash,
    /// ADDRESS/SEQUENCE
    #[value(name = "acc_seq", alias = "acc-seq")]
    AccSeq,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum BlockBy {
    /// Its height
    Height,
    /// Its hash
    Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Oldest first
    Asc,
    /// Newest first
    Desc,
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let client = ctx.rpc()?;
        let answer = match self {
            Self::Tx { value, r#type } => response(&client, &find_tx(&client, value, *r#type).await?).await?,
            Self::Txs { query, page, limit, order } => {
                search(&client, query, *page, *limit, *order == Order::Desc).await?
            }
            Self::WaitTx { hash, timeout } => {
                let hash_bytes = parse_hash(hash)?;
                if wait(&client, &hash_bytes, Duration::from_secs(*timeout)).await?.is_none() {
                    bail!("transaction {hash} is in no block after {timeout} s; --timeout waits longer");
                }
                response(&client, &client.tx(&hash_bytes).await?).await?
            }
            Self::Block { value, r#type } => block(&client, value.as_deref(), *r#type).await?,
            Self::BlockResults { height } => client.call("block_results", at(*height)).await?,
            Self::CometValidatorSet { height, page, limit } => {
                let mut params = at(*height);
                if let Some(params) = params.as_object_mut() {
                    params.insert("page".to_owned(), page.to_string().into());
                    params.insert("per_page".to_owned(), limit.to_string().into());
                }
                client.call("validators", params).await?
            }
            Self::Raw { path, request, height } => {
                let request: Value = serde_json::from_str(request)
                    .with_context(|| format!("request {request:?} is not JSON"))?;
                net::query(ctx, path, &request, *height).await?
            }
        };
        Ok(output::print(ctx.output, &answer)?)
    }
}

fn at(height: Option<u64>) -> Value {
    height.map_or_else(|| object!({}), |height| object!({"height": height.to_string()}))
}

fn seconds(text: &str) -> Result<u64, String> {
    text.strip_suffix('s')
        .unwrap_or(text)
        .parse()
        .map_err(|_| format!("{text:?} is no number of seconds such as 15s"))
}

fn parse_hash(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes =
        hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.with_context(|| format!("{text:?} is no hash of 64 hexadecimal digits"))
}

async fn find_tx(client: &Client, value: &str, by: TxBy) -> anyhow::Result<Tx> {
    match by {
        TxBy::Hash => Ok(client.tx(&parse_hash(value)?).await?),
        TxBy::AccSeq => {
            if !value.contains('/') || value.contains('\'') {
                bail!("{value:?} is no ADDRESS/SEQUENCE such as geo1.../7");
            }
            let found = client.tx_search(&format!("tx.acc_seq='{value}'"), 1, 1, false).await?;
            found.txs.into_iter().next().with_context(|| format!("no transaction {value}"))
        }
    }
}

/// A transaction as the SDK shows it.
async fn response(client: &Client, tx: &Tx) -> anyhow::Result<Value> {
    let time = client.block(Some(tx.height)).await?.header.time;
    Ok(json::to_value(&tx.to_response(&time))?)
}

/// A page of transactions as the SDK shows it.
async fn search(
    client: &Client,
    query: &str,
    page: u32,
    limit: u32,
    descending: bool,
) -> anyhow::Result<Value> {
    if page == 0 || limit == 0 || limit > PAGE_MAX {
        bail!(
            "page is {page} and limit {limit}: pages count from 1, a page has 1 to {PAGE_MAX} transactions"
        );
    }
    let found = client.tx_search(query, page, limit, descending).await?;
    let (mut times, mut txs) = (BTreeMap::new(), Vec::new());
    for tx in &found.txs {
        let time = match times.entry(tx.height) {
            Entry::Occupied(time) => time.into_mut(),
            Entry::Vacant(place) => place.insert(client.block(Some(tx.height)).await?.header.time),
        };
        txs.push(json::to_value(&tx.to_response(time))?);
    }
    Ok(object!({
        "total_count": found.total_count.to_string(),
        "count": txs.len().to_string(),
        "page_number": page.to_string(),
        "page_total": found.total_count.div_ceil(u64::from(limit)).to_string(),
        "limit": limit.to_string(),
        "txs": txs,
    }))
}

async fn block(client: &Client, value: Option<&str>, by: BlockBy) -> anyhow::Result<Value> {
    let mut reply = match (value, by) {
        (None, _) => client.call("block", object!({})).await?,
        (Some(hash), BlockBy::Hash) => {
            client.call("block_by_hash", object!({"hash": STANDARD.encode(parse_hash(hash)?)})).await?
        }
        (Some(height), BlockBy::Height) => {
            let height: u64 = height
                .parse()
                .with_context(|| format!("{height:?} is no height; for a hash give --type hash"))?;
            client.call("block", at(Some(height))).await?
        }
    };
    match reply.get_mut("block") {
        Some(block) if !block.is_null() => Ok(block.take()),
        _ => bail!("no block {}", value.unwrap_or("yet")),
    }
}
