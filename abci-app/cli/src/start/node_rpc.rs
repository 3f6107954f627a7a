//! CometBFT's RPC as the application asks it.

use std::time::Duration;

use geodesic_app::node::NodeRpc;
use geodesic_client::rpc::Client;
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};

/// A query does not wait longer.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Rpc {
    client: Client,
    runtime: Handle,
}

/// A client of the RPC at `url`; `None` without one. Nothing is sent yet.
///
/// # Errors
/// The URL is none.
pub(super) fn connect(url: Option<&str>, runtime: &Runtime) -> anyhow::Result<Option<Rpc>> {
    let Some(url) = url else { return Ok(None) };
    // What listens everywhere is reached on loopback.
    let url = url.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:");
    Ok(Some(Rpc { client: Client::new(&url)?, runtime: runtime.handle().clone() }))
}

impl NodeRpc for Rpc {
    /// Called on threads of ABCI connections and of blocking work, where waiting is allowed.
    fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        let call = async { tokio::time::timeout(TIMEOUT, self.client.call(method, params)).await };
        match self.runtime.block_on(call) {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{method}: no answer within {TIMEOUT:?}")),
        }
    }
}
