//! Names of the application's metrics, with unit and help text.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Panics in messages, which fail one transaction each; there should be none.
pub const MESSAGE_PANICS: &str = "geodesic_app_message_panics_total";
/// Height of the last committed block.
pub const HEIGHT: &str = "geodesic_app_height";
/// Seconds that a call of ABCI took, by `method`.
pub const ABCI_SECONDS: &str = "geodesic_app_abci_seconds";
/// Transactions in blocks, by `result`.
pub const TXS: &str = "geodesic_app_txs_total";
/// Transactions that the mempool holds, as far as the application knows.
pub const PENDING: &str = "geodesic_app_pending_txs";

/// Tells the recorder what the metrics mean.
pub fn describe() {
    describe_counter!(MESSAGE_PANICS, "panics in messages; each failed one transaction");
    describe_gauge!(HEIGHT, "height of the last committed block");
    describe_histogram!(ABCI_SECONDS, Unit::Seconds, "time of an ABCI call, by method");
    describe_counter!(TXS, "transactions in blocks, by result");
    describe_gauge!(
        PENDING,
        "transactions accepted into the mempool since the last block, rechecked ones included"
    );
}
