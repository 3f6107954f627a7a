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
    #[command(after_help = "\
Examples:
  geod query tx 9A2B...
  geod query tx --type acc_seq geo1.../7
  geod query tx --type signature BASE64,BASE64")]
    Tx {
        /// The hash, ADDRESS/SEQUENCE, or all signatures in base64
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
    Txs(Search),
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
    #[command(
        after_help = "Examples:\n  geod query block\n  geod query block 1000\n  geod query block --type hash 9A2B..."
    )]
    Block {
        /// Height or hash
        value: Option<String>,
        /// What the value is [default: hash if it is one, else height]
        #[arg(long, value_enum)]
        r#type: Option<BlockBy>,
    },
    /// Blocks by their events
    #[command(after_help = "\
Example:
  geod query blocks --query \"block.height > 100\" --limit 10 --order_by desc")]
    Blocks(Search),
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

/// What is looked for by events, and which page of it.
#[derive(clap::Args, Debug)]
pub struct Search {
    /// Conditions on events
    #[arg(long)]
    query: String,
    /// Page, from 1
    #[arg(long, default_value_t = 1)]
    page: u32,
    /// Most of a page, up to 100
    #[arg(long, default_value_t = PAGE_MAX)]
    limit: u32,
    /// asc or desc, by height
    #[arg(long = "order_by", alias = "order-by", value_enum, default_value_t = Order::Asc)]
    order: Order,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TxBy {
    /// SHA-256 of the transaction
    Hash,
    /// ADDRESS/SEQUENCE
    #[value(name = "acc_seq", alias = "acc-seq")]
    AccSeq,
    /// Signatures in base64, separated by commas
    Signature,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum BlockBy {
    /// Its height
    Height,
    /// Its hash
    Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Oldest first
    Asc,
    /// Newest first
    #[value(alias = "dsc")]
    Desc,
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let client = ctx.rpc()?;
        let answer = match self {
            Self::Tx { value, r#type } => response(&client, &find_tx(&client, value, *r#type).await?).await?,
            Self::Txs(Search { query, page, limit, order }) => {
                search(&client, query, *page, *limit, *order == Order::Desc).await?
            }
            Self::WaitTx { hash, timeout } => {
                let hash_bytes = parse_hash(hash)?;
                if wait(&client, &hash_bytes, Duration::from_secs(*timeout)).await?.is_none() {
                    bail!("transaction {hash} is in no block after {timeout} s; --timeout waits longer");
                }
                response(&client, &client.tx(&hash_bytes).await?).await?
            }
            Self::Block { value, r#type } => block(ctx, &client, value.as_deref(), *r#type).await?,
            Self::Blocks(Search { query, page, limit, order }) => {
                search_blocks(ctx, &client, query, *page, *limit, *order).await?
            }
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
            found
                .txs
                .into_iter()
                .next()
                .context("found no txs matching given address and sequence combination")
        }
        TxBy::Signature => {
            let condition = |signature: &str| match STANDARD.decode(signature) {
                Ok(bytes) if !bytes.is_empty() => Ok(format!("tx.signature='{signature}'")),
                _ => bail!("signature {signature:?} is not base64"),
            };
            let query = value.split(',').map(condition).collect::<Result<Vec<_>, _>>()?.join(" AND ");
            let found = client.tx_search(&query, 1, 1, false).await?;
            found.txs.into_iter().next().context("found no txs matching given signatures")
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
    check_page(page, limit)?;
    let found = client.tx_search(query, page, limit, descending).await?;
    let (mut times, mut txs) = (BTreeMap::new(), Vec::new());
    for tx in &found.txs {
        let time = match times.entry(tx.height) {
            Entry::Occupied(time) => time.into_mut(),
            Entry::Vacant(place) => place.insert(client.block(Some(tx.height)).await?.header.time),
        };
        txs.push(json::to_value(&tx.to_response(time))?);
    }
    Ok(page_of("txs", txs, found.total_count, page, limit))
}

fn check_page(page: u32, limit: u32) -> anyhow::Result<()> {
    if page == 0 || limit == 0 || limit > PAGE_MAX {
        bail!("page is {page} and limit {limit}: pages count from 1, a page has 1 to {PAGE_MAX} entries");
    }
    Ok(())
}

/// A page as the SDK shows it.
fn page_of(name: &str, entries: Vec<Value>, total: u64, page: u32, limit: u32) -> Value {
    object!({
        "total_count": total.to_string(),
        "count": entries.len().to_string(),
        "page_number": page.to_string(),
        "page_total": total.div_ceil(u64::from(limit)).to_string(),
        "limit": limit.to_string(),
        name: entries,
    })
}

/// A page of blocks as the SDK shows it.
async fn search_blocks(
    ctx: &Context,
    client: &Client,
    query: &str,
    page: u32,
    limit: u32,
    order: Order,
) -> anyhow::Result<Value> {
    check_page(page, limit)?;
    let order = if order == Order::Desc { "desc" } else { "asc" };
    let params = object!({
        "query": query, "page": page.to_string(), "per_page": limit.to_string(), "order_by": order,
    });
    let found = client.call("block_search", params).await?;
    let total = found.get("total_count").and_then(Value::as_str).and_then(|count| count.parse().ok());
    let list = found.get("blocks").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut blocks = Vec::new();
    for block in &list {
        blocks.push(of_application(ctx, Some(height_of(block)?)).await?);
    }
    Ok(page_of("blocks", blocks, total.unwrap_or_default(), page, limit))
}

async fn block(
    ctx: &Context,
    client: &Client,
    value: Option<&str>,
    by: Option<BlockBy>,
) -> anyhow::Result<Value> {
    let by = by.unwrap_or(match value {
        Some(value) if parse_hash(value).is_ok() => BlockBy::Hash,
        _ => BlockBy::Height,
    });
    match (value, by) {
        (None, _) => of_application(ctx, None).await,
        (Some(hash), BlockBy::Hash) => {
            let params = object!({"hash": STANDARD.encode(parse_hash(hash)?)});
            let reply = client.call("block_by_hash", params).await?;
            let height = height_of(&reply).with_context(|| format!("block not found with hash: {hash}"))?;
            of_application(ctx, Some(height)).await
        }
        (Some(height), BlockBy::Height) => {
            let parsed = height.parse();
            let height =
                parsed.with_context(|| format!("{height:?} is no height; for a hash give --type hash"))?;
            of_application(ctx, Some(height)).await
        }
    }
}

/// Height of a block as CometBFT shows it.
fn height_of(reply: &Value) -> anyhow::Result<u64> {
    let height = reply.pointer("/block/header/height").and_then(Value::as_str);
    height.and_then(|height| height.parse().ok()).context("no block")
}

/// A block as the SDK shows it: through the application, whose answer is the block's protobuf.
async fn of_application(ctx: &Context, height: Option<u64>) -> anyhow::Result<Value> {
    let service = "/cosmos.base.tendermint.v1beta1.Service";
    let mut reply = match height {
        None => net::query(ctx, &format!("{service}/GetLatestBlock"), &object!({}), None).await?,
        Some(height) => {
            let request = object!({"height": height.to_string()});
            net::query(ctx, &format!("{service}/GetBlockByHeight"), &request, None).await?
        }
    };
    match reply.get_mut("block") {
        Some(block) if !block.is_null() => Ok(block.take()),
        _ => bail!("no block found"),
    }
}
