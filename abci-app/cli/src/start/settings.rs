//! What a node runs with: flags, else `app.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_app::abci::Address;
use geodesic_app::{AppConfig, rest};
use geodesic_client::files;
use geodesic_client::vrf::VrfKey;
use geodesic_store::Pruning;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{StartArgs, socket_address};
use crate::app_toml::AppToml;
use crate::genesis;
use crate::home::Home;
use crate::toml_file;

/// Where metrics are served by default.
const METRICS: &str = "127.0.0.1:26661";

/// Settings of a node.
pub(super) struct Settings {
    /// The application's.
    pub(super) app: AppConfig,
    /// Where it listens for CometBFT, if not in the home.
    pub(super) address: Option<Address>,
    /// Where gRPC listens; `None` nowhere.
    pub(super) grpc: Option<SocketAddr>,
    /// How REST is served; `None` not at all.
    pub(super) api: Option<rest::Settings>,
    /// Where metrics are served; `None` nowhere.
    pub(super) metrics: Option<SocketAddr>,
    /// The `cometbft` program, if it is not to be looked for.
    pub(super) cometbft: Option<PathBuf>,
    /// CometBFT's RPC, for queries that need it.
    pub(super) comet_rpc: Option<String>,
}

impl Settings {
    /// # Errors
    /// A value outside its bounds, named; a VRF key file that is open to others or no key.
    pub(super) fn resolve(args: &StartArgs, home: &Home) -> anyhow::Result<Self> {
        let file = AppToml::load(&home.config("app.toml"))?.unwrap_or_default();
        let config = home.config("config.toml");
        let config = if config.exists() { Some(toml_file::load(&config)?) } else { None };
        let from_config = |key: &str| config.as_ref().map(|doc| toml_file::text(doc, key).to_owned());

        let grpc_enable = args.grpc_enable.unwrap_or(file.grpc.enable || args.grpc_address.is_some());
        let grpc = args.grpc_address.as_deref().or(non_empty(&file.grpc.address)).unwrap_or("localhost:9090");
        let api = args.api.resolve(&file.api, args.api.grpc_web(&file) && grpc_enable)?;
        let serves_metrics = file.telemetry.enabled && file.telemetry.prometheus_retention_time > 0;
        let metrics = non_empty(&file.geodesic.metrics_address).unwrap_or(METRICS);
        let comet_rpc = match non_empty(&file.geodesic.comet_rpc) {
            Some(url) => Some(url.to_owned()),
            None if args.with_comet => from_config("rpc.laddr").filter(|url| !url.is_empty()),
            None => None,
        };
        Ok(Self {
            app: app_config(args, &file, home, config.as_ref())?,
            address: args.address.clone(),
            grpc: if grpc_enable { Some(socket_address("grpc.address", grpc)?) } else { None },
            api,
            metrics: if serves_metrics { Some(socket_address("metrics-address", metrics)?) } else { None },
            cometbft: non_empty(&file.geodesic.cometbft).map(PathBuf::from),
            comet_rpc,
        })
    }
}

pub(super) fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn app_config(
    args: &StartArgs,
    file: &AppToml,
    home: &Home,
    config: Option<&toml_edit::DocumentMut>,
) -> anyhow::Result<AppConfig> {
    let mut app = AppConfig::new(home.database());
    let prices = args.minimum_gas_prices.as_ref().unwrap_or(&file.minimum_gas_prices);
    app.min_gas_prices = prices.parse().with_context(|| format!("minimum-gas-prices {prices:?}"))?;
    app.min_gas_prices_text.clone_from(prices);
    let strategy = args.pruning.as_deref().or(non_empty(&file.pruning)).unwrap_or("default");
    let keep_recent = args.pruning_keep_recent.unwrap_or(file.pruning_keep_recent);
    let interval = args.pruning_interval.unwrap_or(file.pruning_interval);
    app.store.pruning = Pruning::parse(strategy, keep_recent, interval)?;
    if let Some(bytes) = usize::try_from(file.geodesic.cache_bytes).ok().filter(|bytes| *bytes > 0) {
        app.store.cache_bytes = bytes;
    }
    app.snapshots.dir = home.snapshots();
    app.snapshots.interval = args.snapshot_interval.unwrap_or(file.state_sync.snapshot_interval);
    let keep = u32::try_from(file.state_sync.snapshot_keep_recent).unwrap_or(u32::MAX);
    app.snapshots.keep_recent = args.snapshot_keep_recent.unwrap_or(keep);
    app.genesis = genesis::doc::identity(&home.genesis())?;
    app.halt_height = args.halt_height.unwrap_or(file.halt_height);
    app.min_retain_blocks = args.min_retain_blocks.unwrap_or(file.min_retain_blocks);
    app.index_events.clone_from(&file.index_events);
    if file.query_gas_limit > 0 {
        app.simulate_gas = file.query_gas_limit;
    }
    let mempool = config.and_then(|doc| toml_file::get(doc, "mempool.size")?.as_integer());
    if let Some(size) = mempool.and_then(|size| u64::try_from(size).ok()) {
        app.mempool_size = size;
    }
    let vrf_key = home.config("vrf_key.json");
    if vrf_key.exists() {
        app.vrf_secret = Some(vrf_secret(&vrf_key)?);
    }
    #[cfg(feature = "faults")]
    {
        app.fault_extensions = args.fault_extensions;
        app.fault_crash = args.fault_crash;
    }
    Ok(app)
}

/// The secret in a VRF key file that [`VrfKey::load`] finds in order.
fn vrf_secret(path: &Path) -> anyhow::Result<[u8; 32]> {
    VrfKey::load(path)?;
    let file: Value = serde_json::from_slice(&files::read_private(path)?)?;
    let secret = file.get("secret_key").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    let secret = secret.map(Zeroizing::new).and_then(|bytes| bytes.as_slice().try_into().ok());
    secret.with_context(|| format!("{} has no secret_key of 32 bytes", path.display()))
}
