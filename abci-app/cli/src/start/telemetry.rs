//! Logs and metrics of a node.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use super::settings::Settings;

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
}

impl std::fmt::Display for LogFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Json => "json",
        })
    }
}

/// What is logged, and how.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// trace, debug, info, warn or error; or by module, such as info,geodesic_app=debug [default: info]
    #[arg(long = "log_level", visible_alias = "log-level", value_name = "LEVEL", global = true)]
    pub(super) log_level: Option<String>,
    /// Form of the log
    #[arg(
        long = "log_format",
        visible_alias = "log-format",
        value_enum,
        default_value = "plain",
        global = true
    )]
    pub(super) log_format: LogFormat,
}

impl LogArgs {
    /// Logs to standard output, where CometBFT's log goes too.
    ///
    /// # Errors
    /// A malformed level, or a log that is set up already.
    pub fn init(&self) -> anyhow::Result<()> {
        let level = self.log_level.clone().or_else(|| std::env::var("GEOD_LOG_LEVEL").ok());
        let level = level.as_deref().unwrap_or("info");
        let filter = EnvFilter::try_new(level).with_context(|| format!("log_level {level:?}"))?;
        let log =
            tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stdout().is_terminal());
        let started = match self.log_format {
            LogFormat::Plain => log.try_init(),
            LogFormat::Json => log.json().try_init(),
        };
        started.map_err(|error| anyhow::anyhow!("cannot set up the log: {error}"))
    }
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
    metrics::gauge!(geodesic_app::metrics::SDK_SERVER_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    tracing::info!(%address, "metrics are served");
    Ok(())
}
