//! Names of the application's metrics, with unit and help text.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use crate::deliver::Outcome;

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

/// The Cosmos SDK's counters of transactions in blocks, for dashboards made for it.
pub const SDK_TX_COUNT: &str = "tx_count";
/// Those of them that succeeded.
pub const SDK_TX_SUCCESSFUL: &str = "tx_successful";
/// Those of them that failed.
pub const SDK_TX_FAILED: &str = "tx_failed";
/// Gas that the last transaction in a block used.
pub const SDK_TX_GAS_USED: &str = "tx_gas_used";
/// Gas that it asked for.
pub const SDK_TX_GAS_WANTED: &str = "tx_gas_wanted";
/// Queries by ABCI.
pub const SDK_QUERY_COUNT: &str = "query_count";
/// 1, with the `version` of the program.
pub const SDK_SERVER_INFO: &str = "server_info";

/// Counts a transaction in a block.
pub(crate) fn count_tx(outcome: &Outcome) {
    let (result, sdk) = if outcome.is_ok() { ("ok", SDK_TX_SUCCESSFUL) } else { ("failed", SDK_TX_FAILED) };
    counter!(TXS, "result" => result).increment(1);
    counter!(SDK_TX_COUNT).increment(1);
    counter!(sdk).increment(1);
    // Gas far below 2^53 reads exactly.
    #[allow(clippy::as_conversions)]
    let (used, wanted) = (outcome.gas_used as f64, outcome.gas_wanted as f64);
    gauge!(SDK_TX_GAS_USED).set(used);
    gauge!(SDK_TX_GAS_WANTED).set(wanted);
}

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
    describe_counter!(SDK_TX_COUNT, "transactions in blocks");
    describe_counter!(SDK_TX_SUCCESSFUL, "transactions in blocks that succeeded");
    describe_counter!(SDK_TX_FAILED, "transactions in blocks that failed");
    describe_gauge!(SDK_TX_GAS_USED, "gas that the last transaction in a block used");
    describe_gauge!(SDK_TX_GAS_WANTED, "gas that the last transaction in a block asked for");
    describe_counter!(SDK_QUERY_COUNT, "queries by ABCI");
    describe_gauge!(SDK_SERVER_INFO, "1, with the version of the program");
}
