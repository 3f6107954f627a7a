//! Names and help texts of all metrics.

use std::net::SocketAddr;

use metrics::{describe_counter, describe_gauge};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::error::{Error, Result};

/// Newest height seen.
pub const HEIGHT: &str = "geodesic_agent_height";
/// Epoch of that height.
pub const EPOCH: &str = "geodesic_agent_epoch";
/// Leaves of the epoch, by node.
pub const LEAVES: &str = "geodesic_agent_leaves";
/// Provers that this validator audits in the epoch.
pub const DUTIES: &str = "geodesic_agent_duties";
/// Actions that ended, by kind and outcome (`ok`, `failed`).
pub const ACTIONS: &str = "geodesic_agent_actions_total";
/// Actions that run now.
pub const RUNNING: &str = "geodesic_agent_actions_running";
/// Whether a compute node answers, by node: 1 or 0.
pub const MLNODE_UP: &str = "geodesic_agent_mlnode_up";
/// Nonces re-computed, for audits, cross-checks and judgments.
pub const RECOMPUTED: &str = "geodesic_agent_recomputed_nonces_total";
/// Wrong leaves and tags found, by kind (`leaf`, `tag`).
pub const WRONG: &str = "geodesic_agent_wrong_total";
/// Questions to the node that failed.
pub const CHAIN_ERRORS: &str = "geodesic_agent_chain_errors_total";

/// Serves the metrics at `http://address/metrics`. Must run inside a tokio runtime.
///
/// # Errors
/// [`Error::Config`] when the address cannot be bound, or a recorder is installed already.
pub fn install(address: SocketAddr) -> Result<()> {
    let failed = |e| Error::Config(format!("cannot serve metrics on {address}: {e}"));
    PrometheusBuilder::new().with_http_listener(address).install().map_err(failed)?;
    describe_gauge!(HEIGHT, "newest height seen");
    describe_gauge!(EPOCH, "epoch of that height");
    describe_gauge!(LEAVES, "leaves of the epoch, by node");
    describe_gauge!(DUTIES, "provers that this validator audits in the epoch");
    describe_counter!(ACTIONS, "actions that ended, by kind and outcome");
    describe_gauge!(RUNNING, "actions that run now");
    describe_gauge!(MLNODE_UP, "whether a compute node answers, by node");
    describe_counter!(RECOMPUTED, "nonces re-computed, for audits, cross-checks and judgments");
    describe_counter!(WRONG, "wrong leaves and tags found, by kind");
    describe_counter!(CHAIN_ERRORS, "questions to the node that failed");
    Ok(())
}
