//! `config/app.toml`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context as _;
use serde::{Deserialize, Deserializer};

use crate::environment::variable;
use crate::toml_file;

/// The keys of `app.toml` that are read; others are left alone. Without a file nothing listens but ABCI.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AppToml {
    /// Smallest gas prices of the mempool.
    pub minimum_gas_prices: String,
    /// Gas of a query or simulation; 0 means the default.
    #[serde(deserialize_with = "number")]
    pub query_gas_limit: u64,
    /// `default`, `nothing`, `everything`, `custom`; empty means `default`.
    pub pruning: String,
    /// For `custom`.
    #[serde(deserialize_with = "number")]
    pub pruning_keep_recent: u64,
    /// For `custom`.
    #[serde(deserialize_with = "number")]
    pub pruning_interval: u64,
    /// Last height; 0 never stops.
    #[serde(deserialize_with = "number")]
    pub halt_height: u64,
    /// Blocks that CometBFT keeps; 0 keeps all.
    #[serde(deserialize_with = "number")]
    pub min_retain_blocks: u64,
    /// Attributes that CometBFT indexes, `TYPE.KEY`; none means all.
    pub index_events: BTreeSet<String>,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// `[api]`
    pub api: Api,
    /// `[grpc]`
    pub grpc: Listener,
    /// `[grpc-web]`, on the address of `[api]`
    pub grpc_web: Switch,
    /// `[state-sync]`
    pub state_sync: StateSync,
    /// `[geodesic]`
    pub geodesic: Own,
}

/// `[state-sync]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct StateSync {
    /// Heights between two snapshots; 0 takes none.
    #[serde(deserialize_with = "number")]
    pub snapshot_interval: u64,
    /// Heights whose snapshots are kept; 0 keeps all.
    #[serde(deserialize_with = "number")]
    pub snapshot_keep_recent: u64,
}

impl Default for StateSync {
    /// The SDK's.
    fn default() -> Self {
        Self { snapshot_interval: 0, snapshot_keep_recent: 2 }
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Telemetry {
    /// Whether metrics are gathered.
    pub enabled: bool,
    /// Whether they are served: 0 means no.
    #[serde(deserialize_with = "number")]
    pub prometheus_retention_time: u64,
}

/// `[api]`: REST.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Api {
    /// Whether it runs.
    pub enable: bool,
    /// Whether the OpenAPI document is served.
    pub swagger: bool,
    /// `tcp://HOST:PORT`.
    pub address: String,
    /// Connections at a time; 0 means the default.
    #[serde(deserialize_with = "number")]
    pub max_open_connections: u64,
    /// Seconds for a request; 0 means the default.
    #[serde(deserialize_with = "number")]
    pub rpc_read_timeout: u64,
    /// Seconds for an answer; 0 means the default.
    #[serde(deserialize_with = "number")]
    pub rpc_write_timeout: u64,
    /// Largest request; 0 means the default.
    #[serde(deserialize_with = "number")]
    pub rpc_max_body_bytes: u64,
    /// Whether web pages from anywhere may ask.
    pub enabled_unsafe_cors: bool,
}

/// What may be switched on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Switch {
    /// Whether it is on.
    pub enable: bool,
}

/// A server that may be switched on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Listener {
    /// Whether it runs.
    pub enable: bool,
    /// `HOST:PORT`.
    pub address: String,
}

/// `[geodesic]`: what the SDK has no name for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Own {
    /// Path of the `cometbft` program; empty: it is looked for.
    pub cometbft: String,
    /// RPC of CometBFT; empty: as in `config.toml` if `geod` starts it.
    pub comet_rpc: String,
    /// Where metrics are served; empty means `127.0.0.1:26661`.
    pub metrics_address: String,
    /// Bytes of state values in memory; 0 means the default.
    #[serde(deserialize_with = "number")]
    pub cache_bytes: u64,
}

/// A number, quoted or not: the SDK's file has both.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        Number(u64),
        Text(String),
    }
    let fail =
        |text: &dyn Display| serde::de::Error::custom(format!("{text} is no number from 0 to 2^64 - 1"));
    match Spelling::deserialize(deserializer) {
        Ok(Spelling::Number(number)) => Ok(number),
        Ok(Spelling::Text(text)) if text.is_empty() => Ok(0),
        Ok(Spelling::Text(text)) => u64::from_str(&text).map_err(|_| fail(&format_args!("{text:?}"))),
        Err(_) => Err(fail(&"the value")),
    }
}

impl AppToml {
    /// The file's settings, those of `GEOD_...` variables before them; `None` if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or a value is not of its kind.
    pub fn load(path: &Path) -> anyhow::Result<Option<Self>> {
        if !path.try_exists().with_context(|| path.display().to_string())? {
            return Ok(None);
        }
        let mut doc = toml_file::load(path)?;
        let variable = |key: &str| std::env::var(variable(key)).ok().filter(|value| !value.is_empty());
        toml_file::overlay(&mut doc, &variable).context("a GEOD_ variable over app.toml")?;
        let parsed = toml::from_str(&doc.to_string());
        parsed.map(Some).with_context(|| format!("{} is malformed", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_init_writes_is_read() {
        let app: AppToml = toml::from_str(crate::init::APP_TOML).unwrap();
        assert_eq!((app.minimum_gas_prices.as_str(), app.pruning.as_str()), ("0ugeo", "default"));
        assert_eq!((app.query_gas_limit, app.pruning_interval, app.halt_height), (50_000_000, 0, 0));
        assert!(app.grpc.enable && !app.telemetry.enabled);
        assert_eq!(app.grpc.address, "localhost:9090");
        assert_eq!(app.geodesic.cache_bytes, 64 << 20);
        assert!(!app.api.enable && !app.api.swagger && !app.api.enabled_unsafe_cors && !app.grpc_web.enable);
        assert_eq!(app.api.address, "tcp://localhost:1317");
        assert_eq!((app.state_sync.snapshot_interval, app.state_sync.snapshot_keep_recent), (0, 2));
        let bounds = (app.api.max_open_connections, app.api.rpc_read_timeout, app.api.rpc_max_body_bytes);
        assert_eq!(bounds, (1000, 10, 1_000_000));
    }

    #[test]
    fn an_operators_sed_keeps_working() {
        let text = crate::init::APP_TOML
            .replace("pruning = \"default\"", "pruning = \"custom\"")
            .replace("pruning-keep-recent = \"0\"", "pruning-keep-recent = \"100\"")
            .replace("pruning-interval = \"0\"", "pruning-interval = 19")
            .replace("snapshot-interval = 0", "snapshot-interval = 1000")
            .replace("snapshot-keep-recent = 2", "snapshot-keep-recent = \"3\"")
            .replace("halt-height = 0", "halt-height = \"7\"");
        let app: AppToml = toml::from_str(&text).unwrap();
        assert_eq!(
            (app.pruning.as_str(), app.pruning_keep_recent, app.pruning_interval),
            ("custom", 100, 19)
        );
        assert_eq!(app.halt_height, 7);
        assert_eq!((app.state_sync.snapshot_interval, app.state_sync.snapshot_keep_recent), (1000, 3));
        for bad in ["-1", "\"x\"", "1.5", "true"] {
            assert!(toml::from_str::<AppToml>(&format!("halt-height = {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_file_nothing_listens() {
        let app = AppToml::default();
        assert!(!app.grpc.enable && !app.api.enable && !app.telemetry.enabled);
    }
}
