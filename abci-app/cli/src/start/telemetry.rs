//! Logs and metrics of a node.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use super::LogFormat;
use super::settings::Settings;

/// Logs to standard output, where CometBFT's log goes too.
///
/// # Errors
/// A malformed level, or a log that is set up already.
pub fn init_log(level: Option<&str>, format: LogFormat) -> anyhow::Result<()> {
    let level = level.map(str::to_owned).or_else(|| std::env::var("GEOD_LOG_LEVEL").ok());
    let level = level.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(level).with_context(|| format!("log_level {level:?}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stdout().is_terminal());
    let started = match format {
        LogFormat::Plain => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot set up the log: {error}"))
}

/// Serves metrics if `app.toml` asks for it.
///
/// # Errors
/// The address cannot be bound.
pub(super) fn serve_metrics(settings: &Settings, runtime: &Runtime) -> anyhow::Result<()> {
    let Some(address) = settings.metrics else { return Ok(()) };
    let _inside = runtime.enter();
    let install = PrometheusBuilder::new().with_http_listener(address).install();
    install.with_context(|| {
        format!("metrics cannot be served on {address}; see metrics-address in config/app.toml")
    })?;
    geodesic_app::metrics::describe();
    tracing::info!(%address, "metrics are served");
    Ok(())
}
