//! `geod status`.

use serde_json::json;

use crate::context::Context;

/// Prints what a node says of itself, in the SDK's JSON: `node_info`, `sync_info`, `validator_info`.
///
/// # Errors
/// The node cannot be reached.
pub async fn run(ctx: &Context) -> anyhow::Result<()> {
    println!("{}", ctx.rpc()?.call("status", json!({})).await?);
    Ok(())
}
