//! Services that are no module's: transactions, the node and CometBFT's view of the chain.

mod comet;
mod found;
mod node;
mod tendermint;
mod tx;

use geodesic_core::{Ctx, QueryError};

use crate::query::QueryEnv;
use crate::router;

/// The path by which `/app/simulate` reaches the simulation: its request is the bare transaction.
pub(crate) const SIMULATE_BYTES: &str = "/app.Simulate/Bytes";

/// Services answered here.
pub(crate) const SERVICES: &[&str] = &[
    "cosmos.base.node.v1beta1.Service",
    "cosmos.base.tendermint.v1beta1.Service",
    "cosmos.tx.v1beta1.Service",
];

/// Answers a call of a service of this folder, else of a module.
///
/// # Errors
/// [`QueryError`]; [`QueryError::Unimplemented`] if nobody has the service.
pub(crate) fn call(env: &QueryEnv<'_>, ctx: Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.trim_start_matches('/').rsplit_once('/') {
        Some(("app.Simulate", "Bytes")) => tx::simulate_bytes(env, ctx, request),
        Some(("cosmos.tx.v1beta1.Service", method)) => tx::call(env, ctx, method, request),
        Some(("cosmos.base.tendermint.v1beta1.Service", method)) => {
            tendermint::call(env, &ctx, method, request)
        }
        Some(("cosmos.base.node.v1beta1.Service", method)) => node::call(env, &ctx, method, request),
        _ => router::query(&ctx, path, request),
    }
}
