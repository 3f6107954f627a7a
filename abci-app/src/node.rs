//! What the application asks of the CometBFT that it runs under.

use serde_json::Value;

/// CometBFT's JSON-RPC, supplied by the daemon; without it the queries that need it are unavailable.
pub trait NodeRpc: Send + Sync {
    /// The result of a method.
    ///
    /// # Errors
    /// A text: that CometBFT does not answer, or what it says.
    fn call(&self, method: &str, params: Value) -> Result<Value, String>;
}
