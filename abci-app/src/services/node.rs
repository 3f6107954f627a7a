//! `cosmos.base.node.v1beta1.Service`: how this node is set up and where it stands.

use geodesic_core::module::{answer, unknown_method};
use geodesic_core::{Ctx, QueryError};
use geodesic_proto::cosmos::base::node::v1beta1 as pb;
use geodesic_proto::prost_types::Timestamp;
use geodesic_store::Pruning;

use crate::query::QueryEnv;

const NANOS: i64 = 1_000_000_000;

pub(super) fn call(
    env: &QueryEnv<'_>,
    ctx: &Ctx,
    method: &str,
    request: &[u8],
) -> Result<Vec<u8>, QueryError> {
    match method {
        "Config" => answer(request, |_: pb::ConfigRequest| {
            let (keep_recent, interval) = match env.config.store.pruning {
                Pruning::Custom { keep_recent, interval } => (keep_recent, interval),
                Pruning::Default => (362_880, 10),
                Pruning::Everything => (2, 10),
                Pruning::Nothing => (0, 0),
            };
            Ok(pb::ConfigResponse {
                minimum_gas_price: env.config.min_gas_prices_text.clone(),
                pruning_keep_recent: keep_recent.to_string(),
                pruning_interval: interval.to_string(),
                halt_height: env.config.halt_height,
            })
        }),
        "Status" => answer(request, |_: pb::StatusRequest| {
            let time = ctx.block.time_ns;
            let nanos = time.checked_rem_euclid(NANOS).and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
            let timestamp = Timestamp { seconds: time.div_euclid(NANOS), nanos };
            Ok(pb::StatusResponse {
                earliest_store_height: env.store.heights().0,
                height: ctx.block.height,
                timestamp: Some(timestamp),
                app_hash: env.store.latest().map(|c| c.app_hash.to_vec()).unwrap_or_default(),
                validator_hash: Vec::new(),
            })
        }),
        other => Err(unknown_method(&format!("/cosmos.base.node.v1beta1.Service/{other}"))),
    }
}
