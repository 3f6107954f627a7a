//! Names of the agent's metrics, with unit and help text.

use metrics::{describe_counter, describe_gauge};

/// Nonces that the mlnodes computed.
pub const NONCES: &str = "geodesic_agent_nonces_total";
/// Transactions sent, by `action` and `result`.
pub const TXS: &str = "geodesic_agent_txs_total";
/// Samples audited, by `result`.
pub const SAMPLES: &str = "geodesic_agent_samples_total";
/// Last height seen.
pub const HEIGHT: &str = "geodesic_agent_height";
/// Leaves on disk in the running epoch.
pub const LEAVES: &str = "geodesic_agent_leaves";

/// Tells the recorder what the metrics mean.
pub fn describe() {
    describe_counter!(NONCES, "nonces computed by the operator's mlnodes");
    describe_counter!(TXS, "transactions sent, by action and result");
    describe_counter!(SAMPLES, "audited samples, by result");
    describe_gauge!(HEIGHT, "last height that the agent has seen");
    describe_gauge!(LEAVES, "leaves on disk in the running epoch");
}
