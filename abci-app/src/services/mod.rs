//! Services that are no module's: transactions, the node and CometBFT's view of the chain.

mod comet;
mod found;
mod node;
mod tendermint;
mod tx;

use geodesic_core::{Ctx, QueryError};

use crate::query::QueryEnv;

/// The path by which `/app/simulate` reaches the simulation: its request is the bare transaction.
pub(crate) const SIMULATE_BYTES: &str = "/app.Simulate/Bytes";

/// Services answered here.
pub(crate) const SERVICES: &[&str] = &[
    "cosmos.base.node.v1beta1.Service",
    "cosmos.base.tendermint.v1beta1.Service",
    "cosmos.tx.v1beta1.Service",
];

/// Answers a call of a service of this folder; gives the context back if the path belongs to none.
pub(crate) fn call(
    env: &QueryEnv<'_>,
    ctx: Ctx,
    path: &str,
    request: &[u8],
) -> Result<Result<Vec<u8>, QueryError>, Ctx> {
    match path.trim_start_matches('/').rsplit_once('/') {
        Some(("app.Simulate", "Bytes")) => Ok(tx::simulate_bytes(env, ctx, request)),
        Some(("cosmos.tx.v1beta1.Service", method)) => Ok(tx::call(env, ctx, method, request)),
        Some(("cosmos.base.tendermint.v1beta1.Service", method)) => Ok(tendermint::call(env, &ctx, method, request)),
        Some(("cosmos.base.node.v1beta1.Service", method)) => Ok(node::call(env, &ctx, method, request)),
        _ => Err(ctx),
    }
}
