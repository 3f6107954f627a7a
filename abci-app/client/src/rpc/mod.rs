//! CometBFT's JSON-RPC over HTTP.

mod types;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use types::{
    AbciQuery, Attribute, Block, BlockResults, Broadcast, Event, ExecResult, Header, NodeInfo, Status,
    SyncInfo, Tx, TxSearch, Validator, ValidatorInfo, Validators,
};

/// Longest reply that is read, in bytes.
pub const REPLY_MAX: usize = 64 << 20;
/// Longest wait for a reply.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of a stranger's text that an error repeats.
const EXCERPT: usize = 512;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none.
    #[error("node {url:?} is no URL, expected one such as tcp://localhost:26657: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers there.
    #[error(
        "cannot reach node at {url}: {reason}; is it running? (--node, GEOD_NODE or node in config/client.toml)"
    )]
    Unreachable {
        /// The node.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// Something that is no CometBFT answers there.
    #[error("{url} did not answer {method} as CometBFT does (HTTP {status}): {body}")]
    Http {
        /// The node.
        url: String,
        /// The method called.
        method: String,
        /// HTTP status.
        status: u16,
        /// Beginning of the answer.
        body: String,
    },
    /// The answer is longer than [`REPLY_MAX`].
    #[error("answer of {url} to {method} is longer than {REPLY_MAX} bytes")]
    TooLarge {
        /// The node.
        url: String,
        /// The method called.
        method: String,
    },
    /// The answer lacks what it should have.
    #[error("answer to {method} is malformed: {reason}")]
    Malformed {
        /// The method called.
        method: String,
        /// What is wrong.
        reason: String,
    },
    /// CometBFT refuses.
    #[error("{method}: {message}: {data}")]
    Rpc {
        /// The method called.
        method: String,
        /// JSON-RPC code.
        code: i64,
        /// Its message.
        message: String,
        /// Its details.
        data: String,
    },
    /// The application refuses a query.
    #[error("query {path}: {log} (codespace {codespace}, code {code})")]
    Abci {
        /// Path of the query.
        path: String,
        /// Code.
        code: u32,
        /// Whose code it is.
        codespace: String,
        /// Its text.
        log: String,
    },
}

impl Error {
    /// Whether nobody answered, so that trying later may help.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the application says that what was asked for is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Abci { code, codespace, log, .. } => {
                (codespace == "sdk" && *code == 22) || log.contains("code = NotFound")
            }
            Self::Rpc { data, message, .. } => data.contains("not found") || message.contains("not found"),
            _ => false,
        }
    }
}

/// A client of one node; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Reply {
    result: Option<Value>,
    error: Option<ReplyError>,
}

#[derive(Deserialize)]
struct ReplyError {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

impl Client {
    /// A client of `tcp://HOST:PORT`, `http://...`, `https://...` or `HOST:PORT`; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn new(url: &str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Url { url: excerpt(url), reason };
        let full = match url.split_once("://") {
            Some(("tcp", rest)) => format!("http://{rest}"),
            Some(("http" | "https", _)) => url.to_owned(),
            Some((scheme, _)) => return Err(invalid(format!("scheme {scheme} is not tcp, http or https"))),
            None => format!("http://{url}"),
        };
        let parsed = reqwest::Url::parse(&full).map_err(|error| invalid(error.to_string()))?;
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(invalid("it names no host".to_owned()));
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build();
        Ok(Self { url: full, http: http.map_err(|error| invalid(reason(&error)))? })
    }

    /// Where the node is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The answer to any method; parameters as CometBFT's documentation names them.
    ///
    /// # Errors
    /// [`Error`], but for [`Error::Abci`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let unreachable =
            |error: reqwest::Error| Error::Unreachable { url: self.url.clone(), reason: reason(&error) };
        let mut response = self.http.post(&self.url).json(&body).send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > REPLY_MAX {
                return Err(Error::TooLarge { url: self.url.clone(), method: method.to_owned() });
            }
            bytes.extend_from_slice(&chunk);
        }
        // CometBFT reports its own errors with HTTP 500 and a JSON body.
        let reply: Reply = serde_json::from_slice(&bytes).map_err(|_| Error::Http {
            url: self.url.clone(),
            method: method.to_owned(),
            status,
            body: excerpt(&String::from_utf8_lossy(
                bytes.get(..EXCERPT.min(bytes.len())).unwrap_or_default(),
            )),
        })?;
        match (reply.error, reply.result) {
            (Some(error), _) => Err(Error::Rpc {
                method: method.to_owned(),
                code: error.code,
                message: excerpt(&error.message),
                data: excerpt(error.data.as_str().unwrap_or(&error.data.to_string())),
            }),
            (None, Some(result)) => Ok(result),
            (None, None) => {
                Err(Error::Malformed { method: method.to_owned(), reason: "no result, no error".to_owned() })
            }
        }
    }

    async fn typed<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, Error> {
        serde_json::from_value(self.call(method, params).await?)
            .map_err(|error| Error::Malformed { method: method.to_owned(), reason: error.to_string() })
    }

    /// Returns if the node answers.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn health(&self) -> Result<(), Error> {
        self.call("health", json!({})).await.map(drop)
    }

    /// The node, its newest block and its validator key.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.typed("status", json!({})).await
    }

    /// Its peers, as CometBFT writes them.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn net_info(&self) -> Result<Value, Error> {
        self.call("net_info", json!({})).await
    }

    /// The chain's genesis file.
    ///
    /// # Errors
    /// [`Error`]; CometBFT refuses large files, which [`Client::call`] of `genesis_chunked` gets.
    pub async fn genesis(&self) -> Result<Value, Error> {
        let mut reply = self.call("genesis", json!({})).await?;
        match reply.get_mut("genesis") {
            Some(genesis) => Ok(genesis.take()),
            None => Err(Error::Malformed { method: "genesis".to_owned(), reason: "no genesis".to_owned() }),
        }
    }

    /// The block at a height, or the newest.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn block(&self, height: Option<u64>) -> Result<Block, Error> {
        self.typed("block", at(height)).await
    }

    /// What the transactions of a block did, and its events.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn block_results(&self, height: Option<u64>) -> Result<BlockResults, Error> {
        self.typed("block_results", at(height)).await
    }

    /// The commit of a block, as CometBFT writes it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn commit(&self, height: Option<u64>) -> Result<Value, Error> {
        self.call("commit", at(height)).await
    }

    /// A page (from 1) of the validators that sign a height.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn validators(
        &self,
        height: Option<u64>,
        page: u32,
        per_page: u32,
    ) -> Result<Validators, Error> {
        let mut params = at(height);
        if let Value::Object(map) = &mut params {
            map.insert("page".to_owned(), page.to_string().into());
            map.insert("per_page".to_owned(), per_page.to_string().into());
        }
        self.typed("validators", params).await
    }

    /// A transaction by its hash.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_not_found`] if it is in no block (yet).
    pub async fn tx(&self, hash: &[u8; 32]) -> Result<Tx, Error> {
        self.typed("tx", json!({"hash": STANDARD.encode(hash), "prove": false})).await
    }

    /// A page (from 1) of the transactions that have the events asked for, such as `message.sender='geo1...'`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn tx_search(
        &self,
        query: &str,
        page: u32,
        per_page: u32,
        descending: bool,
    ) -> Result<TxSearch, Error> {
        let order = if descending { "desc" } else { "asc" };
        let params = json!({
            "query": query, "prove": false, "page": page.to_string(), "per_page": per_page.to_string(),
            "order_by": order,
        });
        self.typed("tx_search", params).await
    }

    /// Hands a transaction in and returns what CheckTx says.
    ///
    /// # Errors
    /// [`Error`]; a refusal by CheckTx is no error but a code.
    pub async fn broadcast_tx_sync(&self, tx: &[u8]) -> Result<Broadcast, Error> {
        self.typed("broadcast_tx_sync", json!({"tx": STANDARD.encode(tx)})).await
    }

    /// Hands a transaction in without waiting for CheckTx.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn broadcast_tx_async(&self, tx: &[u8]) -> Result<Broadcast, Error> {
        self.typed("broadcast_tx_async", json!({"tx": STANDARD.encode(tx)})).await
    }

    /// The application's answer to a query at a height, or at its newest.
    ///
    /// # Errors
    /// [`Error::Abci`] if the application refuses, or any other [`Error`].
    pub async fn abci_query(
        &self,
        path: &str,
        data: &[u8],
        height: Option<u64>,
        prove: bool,
    ) -> Result<AbciQuery, Error> {
        let params = json!({
            "path": path, "data": hex::encode(data), "height": height.unwrap_or(0).to_string(), "prove": prove,
        });
        let reply: types::AbciReply = self.typed("abci_query", params).await?;
        let response = reply.response;
        if response.code != 0 {
            return Err(Error::Abci {
                path: path.to_owned(),
                code: response.code,
                codespace: response.codespace,
                log: excerpt(&response.log),
            });
        }
        Ok(response)
    }
}

fn at(height: Option<u64>) -> Value {
    height.map_or_else(|| json!({}), |height| json!({"height": height.to_string()}))
}

/// The innermost reason: reqwest's own texts only repeat the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (name, url, want) in [
            ("tcp", "tcp://localhost:26657", Some("http://localhost:26657")),
            ("bare", "localhost:26657", Some("http://localhost:26657")),
            ("https", "https://rpc.example.org/x", Some("https://rpc.example.org/x")),
            ("another scheme", "unix:///tmp/x", None),
            ("no host", "tcp://", None),
        ] {
            assert_eq!(Client::new(url).ok().map(|c| c.url).as_deref(), want, "{name}");
        }
    }
}
