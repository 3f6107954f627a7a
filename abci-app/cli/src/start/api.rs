//! The servers beside CometBFT's: gRPC, and REST with gRPC-web.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use clap::{ArgAction, Args};
use geodesic_app::{App, grpc, rest};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::settings::{Settings, non_empty};
use super::socket_address;
use crate::app_toml::{Api, AppToml};

/// How long open queries may take when the process ends.
const DRAIN: Duration = Duration::from_secs(5);

/// Where REST is served by default.
const ADDRESS: &str = "tcp://localhost:1317";

/// Flags of the API server, with the names of the SDK.
#[derive(Args, Debug)]
pub(super) struct ApiArgs {
    /// Serve REST
    #[arg(long = "api.enable", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, action = ArgAction::Set)]
    enable: Option<bool>,
    /// Serve the OpenAPI document at /swagger/openapi.json
    #[arg(long = "api.swagger", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, action = ArgAction::Set)]
    swagger: Option<bool>,
    /// Where REST listens
    #[arg(id = "api.address", long = "api.address", value_name = "tcp://HOST:PORT")]
    address: Option<String>,
    /// Connections at a time
    #[arg(long = "api.max-open-connections", value_name = "N")]
    max_open_connections: Option<u64>,
    /// Seconds in which a request must arrive
    #[arg(long = "api.rpc-read-timeout", value_name = "SECONDS")]
    rpc_read_timeout: Option<u64>,
    /// Seconds in which a client must take its answer
    #[arg(long = "api.rpc-write-timeout", value_name = "SECONDS")]
    rpc_write_timeout: Option<u64>,
    /// Bytes of a request at most
    #[arg(long = "api.rpc-max-body-bytes", value_name = "BYTES")]
    rpc_max_body_bytes: Option<u64>,
    /// Let web pages from anywhere ask; unsafe
    #[arg(long = "api.enabled-unsafe-cors", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, action = ArgAction::Set)]
    enabled_unsafe_cors: Option<bool>,
    /// Serve gRPC-web on the address of REST
    #[arg(long = "grpc-web.enable", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, action = ArgAction::Set)]
    grpc_web: Option<bool>,
}

impl ApiArgs {
    /// Whether gRPC-web is asked for.
    pub(super) fn grpc_web(&self, file: &AppToml) -> bool {
        self.grpc_web.unwrap_or(file.grpc_web.enable)
    }

    /// How REST is served; `None` if it is not.
    ///
    /// # Errors
    /// An address that is none.
    pub(super) fn resolve(&self, file: &Api, grpc_web: bool) -> anyhow::Result<Option<rest::Settings>> {
        if !self.enable.unwrap_or(file.enable || self.address.is_some()) {
            return Ok(None);
        }
        let address = self.address.as_deref().or(non_empty(&file.address)).unwrap_or(ADDRESS);
        let mut settings = rest::Settings::new(socket_address("api.address", address)?);
        settings.cors = self.enabled_unsafe_cors.unwrap_or(file.enabled_unsafe_cors);
        settings.swagger = self.swagger.unwrap_or(file.swagger);
        settings.grpc_web = grpc_web;
        let size = |flag: Option<u64>, file: u64| {
            Some(flag.unwrap_or(file)).filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok())
        };
        let seconds = |flag: Option<u64>, file: u64| {
            Some(flag.unwrap_or(file)).filter(|n| *n > 0).map(Duration::from_secs)
        };
        let defaults = settings.clone();
        settings.max_open_connections = size(self.max_open_connections, file.max_open_connections)
            .unwrap_or(defaults.max_open_connections);
        settings.max_body_bytes =
            size(self.rpc_max_body_bytes, file.rpc_max_body_bytes).unwrap_or(defaults.max_body_bytes);
        settings.read_timeout =
            seconds(self.rpc_read_timeout, file.rpc_read_timeout).unwrap_or(defaults.read_timeout);
        settings.write_timeout =
            seconds(self.rpc_write_timeout, file.rpc_write_timeout).unwrap_or(defaults.write_timeout);
        Ok(Some(settings))
    }
}

/// A running server.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The servers that `app.toml` and the flags ask for.
pub(super) struct Servers(Vec<Running>);

impl Servers {
    /// # Errors
    /// An address that cannot be bound, and the flag that names another.
    pub(super) fn start(app: &App, settings: &Settings, runtime: &Runtime) -> anyhow::Result<Self> {
        let mut servers = Vec::new();
        if let Some(address) = settings.grpc {
            let app = app.clone();
            let flag = "--grpc.address, or --grpc.enable=false";
            servers.push(spawn("gRPC", address, flag, runtime, move |bound, stopped| {
                grpc::serve(app, address, bound, stopped)
            })?);
        }
        if let Some(api) = settings.api.clone() {
            let (app, address) = (app.clone(), api.address);
            let flag = "--api.address, or --api.enable=false";
            servers.push(spawn("REST", address, flag, runtime, move |bound, stopped| {
                rest::serve(app, api, bound, stopped)
            })?);
        }
        Ok(Self(servers))
    }

    /// Ends them all, with the queries that are under way.
    pub(super) fn stop(self, runtime: &Runtime) {
        let tasks: Vec<_> = self
            .0
            .into_iter()
            .map(|server| {
                // A receiver that is gone has ended already.
                let _ = server.stop.send(());
                server.task
            })
            .collect();
        runtime.block_on(async {
            let all = async {
                for task in tasks {
                    let _ = task.await;
                }
            };
            let _ = tokio::time::timeout(DRAIN, all).await;
        });
    }
}

type Bound = Box<dyn FnOnce(SocketAddr) + Send>;
type Stopped = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs a server, once it listens.
fn spawn<F: Future<Output = Served> + Send + 'static>(
    name: &'static str,
    address: SocketAddr,
    flag: &str,
    runtime: &Runtime,
    serve: impl FnOnce(Bound, Stopped) -> F + Send + 'static,
) -> anyhow::Result<Running> {
    let (bound, is_bound) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = runtime.spawn(async move {
        // A sender that is gone asks for the end too.
        let stopped = Box::pin(async { stopped.await.unwrap_or(()) });
        // The one who waits for the address is gone only if the process is ending.
        let report = Box::new(|address| {
            let _ = bound.send(address);
        });
        if let Err(error) = serve(report, stopped).await {
            tracing::error!(%error, "{name} server failed");
        }
    });
    let Ok(address) = runtime.block_on(is_bound) else {
        bail!("{name} cannot listen on {address}; choose another with {flag}");
    };
    tracing::info!(%address, "{name} server listens");
    Ok(Running { stop, task })
}
