//! Names, units and help texts of all metrics.
use std::net::SocketAddr;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

/// Nonces computed, by kind of job (`generate`, `recompute`).
pub const NONCES: &str = "geodesic_mlnode_nonces_total";
/// Seconds that one batch took on the device.
pub const BATCH_SECONDS: &str = "geodesic_mlnode_batch_seconds";
/// Seconds from the arrival of a Recompute to its answer.
pub const RECOMPUTE_SECONDS: &str = "geodesic_mlnode_recompute_seconds";
/// Seconds that generating the weights of a challenge took.
pub const WEIGHTS_SECONDS: &str = "geodesic_mlnode_weights_seconds";
/// Jobs waiting or running.
pub const QUEUE_DEPTH: &str = "geodesic_mlnode_queue_depth";
/// Requests refused, by reason.
pub const REFUSED: &str = "geodesic_mlnode_refused_total";
/// Devices in service.
pub const DEVICES: &str = "geodesic_mlnode_devices";
/// Devices that failed and were taken out of service, by number.
pub const DEVICE_FAILURES: &str = "geodesic_mlnode_device_failures_total";

/// Installs the recorder and serves it at `http://address/metrics`. Must run inside a tokio runtime.
///
/// # Errors
/// When the address cannot be bound, or a recorder is installed already.
pub fn install(address: SocketAddr) -> Result<(), BuildError> {
    PrometheusBuilder::new().with_http_listener(address).install()?;
    describe_counter!(NONCES, "nonces computed, by kind of job");
    describe_histogram!(BATCH_SECONDS, "seconds that one batch took on the device");
    describe_histogram!(RECOMPUTE_SECONDS, "seconds from the arrival of a Recompute to its answer");
    describe_histogram!(WEIGHTS_SECONDS, "seconds that generating the weights of a challenge took");
    describe_gauge!(QUEUE_DEPTH, "jobs waiting or running");
    describe_counter!(REFUSED, "requests refused, by reason");
    describe_gauge!(DEVICES, "devices in service");
    describe_counter!(DEVICE_FAILURES, "devices that failed and were taken out of service, by number");
    ::metrics::gauge!(QUEUE_DEPTH).set(0.0);
    Ok(())
}
