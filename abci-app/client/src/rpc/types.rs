//! The parts of CometBFT's answers that are used; what is missing or of another type is an error, what is more is not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Answer to `status`.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The node.
    pub node_info: NodeInfo,
    /// Its chain.
    pub sync_info: SyncInfo,
    /// Its key.
    pub validator_info: ValidatorInfo,
}

/// A node.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeInfo {
    /// Node id, hex.
    pub id: String,
    /// Chain id.
    pub network: String,
    /// Version of CometBFT.
    pub version: String,
    /// Its name.
    pub moniker: String,
}

/// How far a node is.
#[derive(Debug, Clone, Deserialize)]
pub struct SyncInfo {
    /// Hash of the newest block, hex.
    pub latest_block_hash: String,
    /// App hash in the newest block, hex.
    pub latest_app_hash: String,
    /// Newest height.
    #[serde(deserialize_with = "number")]
    pub latest_block_height: u64,
    /// Time of the newest block, RFC 3339.
    pub latest_block_time: String,
    /// Oldest height that is kept.
    #[serde(deserialize_with = "number")]
    pub earliest_block_height: u64,
    /// Whether it is behind its peers.
    pub catching_up: bool,
}

/// A node's consensus key.
#[derive(Debug, Clone, Deserialize)]
pub struct ValidatorInfo {
    /// Consensus address, hex.
    pub address: String,
    /// Power; 0 outside the set.
    #[serde(deserialize_with = "number")]
    pub voting_power: u64,
}

/// A block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Its hash, hex.
    pub hash: String,
    /// Its header.
    pub header: Header,
    /// Its transactions.
    pub txs: Vec<Vec<u8>>,
}

/// A block's header.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    /// Chain id.
    pub chain_id: String,
    /// Height.
    #[serde(deserialize_with = "number")]
    pub height: u64,
    /// Time, RFC 3339.
    pub time: String,
    /// App hash of the block before, hex.
    pub app_hash: String,
    /// Consensus address of the proposer, hex.
    pub proposer_address: String,
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Reply {
            block_id: Id,
            block: Body,
        }
        #[derive(Deserialize)]
        struct Id {
            hash: String,
        }
        #[derive(Deserialize)]
        struct Body {
            header: Header,
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(default)]
            txs: Option<Vec<Base64>>,
        }
        let reply = Reply::deserialize(deserializer)?;
        let txs = reply.block.data.txs.unwrap_or_default().into_iter().map(|tx| tx.0).collect();
        Ok(Self { hash: reply.block_id.hash, header: reply.block.header, txs })
    }
}

/// What a block did.
#[derive(Debug, Clone, Deserialize)]
pub struct BlockResults {
    /// Height.
    #[serde(deserialize_with = "number")]
    pub height: u64,
    /// One result a transaction.
    #[serde(default, deserialize_with = "list")]
    pub txs_results: Vec<ExecResult>,
    /// Events of the block itself.
    #[serde(default, deserialize_with = "list")]
    pub finalize_block_events: Vec<Event>,
    /// App hash after it, base64.
    #[serde(default)]
    pub app_hash: Option<String>,
}

/// What a transaction did.
#[derive(Debug, Clone, Deserialize)]
pub struct ExecResult {
    /// 0 if it succeeded.
    #[serde(default)]
    pub code: u32,
    /// Encoded `TxMsgData`.
    #[serde(default, deserialize_with = "bytes")]
    pub data: Vec<u8>,
    /// Why it failed.
    #[serde(default)]
    pub log: String,
    /// More.
    #[serde(default)]
    pub info: String,
    /// Gas asked for.
    #[serde(default, deserialize_with = "signed")]
    pub gas_wanted: i64,
    /// Gas used.
    #[serde(default, deserialize_with = "signed")]
    pub gas_used: i64,
    /// What happened.
    #[serde(default, deserialize_with = "list")]
    pub events: Vec<Event>,
    /// Whose code it is.
    #[serde(default)]
    pub codespace: String,
}

/// Something that happened.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its attributes.
    #[serde(default, deserialize_with = "list")]
    pub attributes: Vec<Attribute>,
}

/// An attribute of an event.
#[derive(Debug, Clone, Deserialize)]
pub struct Attribute {
    /// Name.
    pub key: String,
    /// Value.
    #[serde(default, deserialize_with = "text")]
    pub value: String,
    /// Whether nodes index it.
    #[serde(default)]
    pub index: bool,
}

/// A transaction in a block.
#[derive(Debug, Clone, Deserialize)]
pub struct Tx {
    /// SHA-256, hex.
    pub hash: String,
    /// Its block.
    #[serde(deserialize_with = "number")]
    pub height: u64,
    /// Place in its block.
    #[serde(default)]
    pub index: u32,
    /// What it did.
    pub tx_result: ExecResult,
    /// Encoded `TxRaw`.
    #[serde(deserialize_with = "bytes")]
    pub tx: Vec<u8>,
}

/// A page of transactions.
#[derive(Debug, Clone, Deserialize)]
pub struct TxSearch {
    /// This page.
    #[serde(default, deserialize_with = "list")]
    pub txs: Vec<Tx>,
    /// All there are.
    #[serde(deserialize_with = "number")]
    pub total_count: u64,
}

/// What CheckTx says.
#[derive(Debug, Clone, Deserialize)]
pub struct Broadcast {
    /// 0 if the transaction waits for a block.
    #[serde(default)]
    pub code: u32,
    /// Why it does not.
    #[serde(default)]
    pub log: String,
    /// Whose code it is.
    #[serde(default)]
    pub codespace: String,
    /// SHA-256, hex.
    pub hash: String,
}

/// A page of a validator set.
#[derive(Debug, Clone, Deserialize)]
pub struct Validators {
    /// The height they sign.
    #[serde(deserialize_with = "number")]
    pub block_height: u64,
    /// This page.
    #[serde(default, deserialize_with = "list")]
    pub validators: Vec<Validator>,
    /// All there are.
    #[serde(deserialize_with = "number")]
    pub total: u64,
}

/// A validator of a set.
#[derive(Debug, Clone, Deserialize)]
pub struct Validator {
    /// Consensus address, hex.
    pub address: String,
    /// Its key, as CometBFT writes it.
    pub pub_key: Value,
    /// Power.
    #[serde(deserialize_with = "number")]
    pub voting_power: u64,
    /// Whose turn it is to propose.
    #[serde(default, deserialize_with = "signed")]
    pub proposer_priority: i64,
}

#[derive(Deserialize)]
pub(super) struct AbciReply {
    pub(super) response: AbciQuery,
}

/// Answer to a query.
#[derive(Debug, Clone, Deserialize)]
pub struct AbciQuery {
    #[serde(default)]
    pub(super) code: u32,
    #[serde(default)]
    pub(super) codespace: String,
    #[serde(default)]
    pub(super) log: String,
    /// Encoded response.
    #[serde(default, deserialize_with = "bytes")]
    pub value: Vec<u8>,
    /// Height it is true at.
    #[serde(default, deserialize_with = "number")]
    pub height: u64,
    /// Proof operations, as CometBFT writes them.
    #[serde(default, rename = "proofOps")]
    pub proof_ops: Value,
}

struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes(deserializer).map(Self)
    }
}

/// An integer in quotes, as CometBFT writes 64-bit numbers, or without.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Unsigned(u64),
    Signed(i64),
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = match Number::deserialize(deserializer)? {
        Number::Text(text) => text.parse().ok(),
        Number::Unsigned(number) => Some(number),
        Number::Signed(number) => u64::try_from(number).ok(),
    };
    number.ok_or_else(|| serde::de::Error::custom("not an unsigned 64-bit number"))
}

fn signed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = match Number::deserialize(deserializer)? {
        Number::Text(text) => text.parse().ok(),
        Number::Unsigned(number) => i64::try_from(number).ok(),
        Number::Signed(number) => Some(number),
    };
    number.ok_or_else(|| serde::de::Error::custom("not a signed 64-bit number"))
}

/// Go writes empty bytes as null.
fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// Go writes empty lists as null.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}
