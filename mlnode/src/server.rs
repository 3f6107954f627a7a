//! Starting and ending the service: configuration, TLS, the devices' threads, draining.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use geodesic_proto::geodesic::mlnode::v1::ml_node_server::MlNodeServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::checks::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::devices::{self, Choice, DeviceError, Limits};
use crate::engine::Engine;
use crate::faults::Faults;
use crate::limit::TooLargeIsExhausted;
use crate::pow2::FloatEngine;
use crate::profile::Device;
use crate::queue::Queue;
use crate::selftest::{self, SelfTestError};
use crate::service::Service;
use crate::{metrics, worker};

/// Certificates of mutual TLS, PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate chain of this node.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificate that clients' certificates must descend from, or be; without it any client may connect, which is
    /// allowed on loopback only.
    pub client_ca: Option<PathBuf>,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS; an address other than loopback needs it, with `client_ca`.
    pub tls: Option<Tls>,
    /// Devices that compute.
    pub device: Choice,
    /// Threads that compute, on the processor.
    pub threads: usize,
    /// Nonces a batch; `None`: as many as suit the shape.
    pub batch: Option<usize>,
    /// Jobs of each kind (generation; everything else) above which requests are refused.
    pub queue_limit: usize,
    /// Bytes for weights and activations on each device; `None`: 4 GiB on the processor, on others what is free.
    pub max_memory: Option<u64>,
    /// Where to serve Prometheus metrics.
    pub metrics: Option<SocketAddr>,
    /// Share of generated leaves to fake, for tests of audits.
    #[cfg(feature = "faults")]
    pub fake_leaves: f64,
}

impl Default for Config {
    /// Loopback, a free port, all CUDA devices or else all cores, 64 jobs of each kind.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            device: Choice::Auto,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            batch: None,
            queue_limit: 64,
            max_memory: None,
            metrics: None,
            #[cfg(feature = "faults")]
            fake_leaves: 0.0,
        }
    }
}

/// Why the service does not start or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines, and clients would not be checked.
    #[error(
        "refusing to listen on {0}, which other machines can reach, without mutual TLS: \
         give --tls-cert, --tls-key and --client-ca, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// A PEM file cannot be read.
    #[error("cannot read {0}: {1}")]
    Pem(PathBuf, std::io::Error),
    /// TLS or the transport failed.
    #[error("transport: {0}")]
    Transport(String),
    /// Metrics cannot be served.
    #[error("cannot serve metrics on {0}: {1}")]
    Metrics(SocketAddr, String),
    /// A chosen device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A device computes wrong bits: which, and what is wrong.
    #[error("self-test of {0}: {1}")]
    SelfTest(String, SelfTestError),
    /// Every device has failed.
    #[error("{0}")]
    Stranded(String),
    /// A thread could not be started or did not end well.
    #[error("{0}")]
    Thread(String),
}

/// A service that runs. Dropping it leaves the service running; see [`Handle::drain`].
pub struct Handle {
    addr: SocketAddr,
    queue: Arc<Queue>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Handle {
    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops generation, refuses new work, finishes what is queued, and ends the service.
    pub fn drain(&self) {
        self.queue.stop(true);
    }

    /// A function that does what [`Handle::drain`] does, for use while [`Handle::wait`] waits.
    pub fn drainer(&self) -> impl Fn() + Send + Sync + use<> {
        let queue = self.queue.clone();
        move || {
            queue.stop(true);
        }
    }

    /// Waits for the end of the service.
    ///
    /// # Errors
    /// [`ServeError`] when it did not end well.
    pub async fn wait(self) -> Result<(), ServeError> {
        self.task.await.map_err(|error| ServeError::Thread(error.to_string()))?
    }
}

/// Bytes that profile `pow2-f16` may use for each device, unless the operator says otherwise.
const FLOAT_MEMORY: u64 = 4 << 30;
/// Time that open connections get to end after the last job.
const GRACE: Duration = Duration::from_secs(5);

fn tls_config(tls: &Tls) -> Result<ServerTlsConfig, ServeError> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| ServeError::Pem(path.to_path_buf(), error));
    let config = ServerTlsConfig::new().identity(Identity::from_pem(read(&tls.cert)?, read(&tls.key)?));
    Ok(match &tls.client_ca {
        Some(ca) => config.client_ca_root(Certificate::from_pem(read(ca)?)),
        None => config,
    })
}

fn server(config: &Config) -> Result<Server, ServeError> {
    let is_mutual = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    if !config.listen.ip().is_loopback() && !is_mutual {
        return Err(ServeError::Open(config.listen));
    }
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(256)
        .http2_max_header_list_size(16 << 10);
    match &config.tls {
        None => Ok(server),
        Some(tls) => {
            // Another provider may be installed already; then that one serves.
            let _ = rustls::crypto::ring::default_provider().install_default();
            server.tls_config(tls_config(tls)?).map_err(|error| ServeError::Transport(text(&error)))
        }
    }
}

/// The error with its causes.
fn text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Engines of the chosen devices, which have passed their self-test.
///
/// # Errors
/// [`ServeError::Device`]; [`ServeError::SelfTest`]; [`ServeError::Thread`].
async fn engines(config: &Config) -> Result<Vec<Box<dyn Engine>>, ServeError> {
    let limits = Limits { threads: config.threads, batch: config.batch, max_memory: config.max_memory };
    let choice = config.device.clone();
    let test = move || {
        let choice = choice.resolve();
        // The test is not what the operator limits.
        for mut engine in devices::open(&choice, &Limits { max_memory: Some(u64::MAX), ..limits })? {
            selftest::run(engine.as_mut()).map_err(|error| ServeError::SelfTest(engine.device(), error))?;
        }
        Ok(devices::open(&choice, &limits)?)
    };
    tokio::task::spawn_blocking(test).await.map_err(|error| ServeError::Thread(error.to_string()))?
}

/// Starts the service and returns when it accepts connections.
///
/// # Errors
/// [`ServeError`]; nothing is left running then.
pub async fn serve(config: Config) -> Result<Handle, ServeError> {
    server(&config)?; // before the devices take their time
    let engines = engines(&config).await?;
    serve_on(config, engines).await
}

/// As [`serve`], on these engines instead of the configured devices. Whoever made them has tested them.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(config: Config, engines: Vec<Box<dyn Engine>>) -> Result<Handle, ServeError> {
    let mut server = server(&config)?;
    let listen = config.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| ServeError::Listen(listen, error))?;
    let addr = listener.local_addr().map_err(|error| ServeError::Listen(listen, error))?;
    if let Some(at) = config.metrics {
        metrics::install(at).map_err(|error| ServeError::Metrics(at, error.to_string()))?;
    }

    let names: Vec<String> = engines.iter().map(|engine| engine.device()).collect();
    tracing::info!(%addr, devices = names.join("; "), tls = config.tls.is_some(), "serving");
    let queue = Arc::new(Queue::new(config.queue_limit, names));
    let service = Service { queue: queue.clone(), devices: engines.len(), started: Instant::now() };
    // Profile `pow2-f16` is computed on the processor's cores, which the devices share.
    let threads = config.threads.div_ceil(engines.len().max(1));
    let memory = config.max_memory.unwrap_or(FLOAT_MEMORY);
    let device = |exact| Device::new(exact, FloatEngine::new(threads, config.batch, memory));
    start_devices(engines.into_iter().map(device).collect(), &queue, faults(&config))?;

    let mlnode = MlNodeServer::new(service)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(2 * REPLY_BYTES_MAX as usize);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<MlNodeServer<Service>>().await;
    let router = server.add_service(health_service).add_service(TooLargeIsExhausted(mlnode));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let task = tokio::spawn(run(router, incoming, queue.clone()));
    Ok(Handle { addr, queue, task })
}

/// Starts a thread for each device.
///
/// # Errors
/// [`ServeError::Thread`]; threads that were started end.
fn start_devices(devices: Vec<Device>, queue: &Arc<Queue>, faults: Faults) -> Result<(), ServeError> {
    for (index, mut device) in devices.into_iter().enumerate() {
        let of_device = queue.clone();
        let thread = std::thread::Builder::new().name(format!("device {index}"));
        let started = thread.spawn(move || worker::run(index, &mut device, &of_device, &faults));
        if let Err(error) = started {
            queue.stop(true);
            return Err(ServeError::Thread(format!("cannot start the thread of device {index}: {error}")));
        }
    }
    Ok(())
}

/// Serves until the devices' threads have ended and connections had time to take their answers.
async fn run(
    router: tonic::transport::server::Router,
    incoming: TcpIncoming,
    queue: Arc<Queue>,
) -> Result<(), ServeError> {
    let ended = |mut done: tokio::sync::watch::Receiver<bool>| async move {
        let _ = done.wait_for(|done| *done).await;
    };
    let serving = router.serve_with_incoming_shutdown(incoming, ended(queue.done()));
    let given_up = async {
        ended(queue.done()).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = serving => result.map_err(|error| ServeError::Transport(text(&error)))?,
        () = given_up => tracing::warn!("connections were still open after {GRACE:?}, closed"),
    }
    queue.stop(true); // if the transport ended first
    tracing::info!("ended");
    queue.stranded().map_or(Ok(()), |reason| Err(ServeError::Stranded(reason)))
}

#[cfg(feature = "faults")]
fn faults(config: &Config) -> Faults {
    if config.fake_leaves > 0.0 {
        tracing::warn!(share = config.fake_leaves, "faking leaves: this node cheats, for tests only");
    }
    Faults { fake_leaves: config.fake_leaves }
}

#[cfg(not(feature = "faults"))]
fn faults(_: &Config) -> Faults {
    Faults::default()
}
