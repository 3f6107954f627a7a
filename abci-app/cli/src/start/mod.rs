//! `geod start`: the application and, unless told otherwise, the CometBFT on the same home.

mod api;
mod child;
pub mod comet;
mod node_rpc;
mod settings;
mod telemetry;

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgAction, Args, ValueEnum};
use geodesic_app::abci::{Address, Fatal, Limits, Server, ServerHandle};
use geodesic_app::node::NodeRpc;
use geodesic_app::{App, AppConfig};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::context::Context;
use crate::genesis::doc::GenesisDoc;
use crate::home::Home;
use api::{ApiArgs, Servers};
use child::Child;
use settings::Settings;

pub use telemetry::LogArgs;

/// How often a child is looked after.
const PAUSE: Duration = Duration::from_millis(100);

/// How CometBFT and the application talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// CometBFT's own protocol over a unix or TCP socket.
    Socket,
}

/// Arguments of `geod start`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod start
  geod start --minimum-gas-prices 0.025ugeo --log_format json
  geod start --with-comet=false --address tcp://127.0.0.1:26658

Flags come before config/app.toml. SIGINT and SIGTERM stop CometBFT first, then the application. If CometBFT ends by
itself, both are started anew, with growing pauses and at most 5 times in a row.")]
pub struct StartArgs {
    /// Start CometBFT too; =false serves an application for a CometBFT that others run
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value_t = true, action = ArgAction::Set)]
    with_comet: bool,
    /// Protocol between CometBFT and the application
    #[arg(long, value_enum, default_value = "socket")]
    transport: Transport,
    /// Where the application listens for CometBFT, unix://PATH or tcp://HOST:PORT [default: unix://HOME/data/abci.sock]
    #[arg(long, value_name = "ADDRESS")]
    address: Option<Address>,
    /// Smallest gas prices that the mempool takes, such as 0.025ugeo
    #[arg(long, value_name = "PRICES")]
    minimum_gas_prices: Option<String>,
    /// Heights kept for queries
    #[arg(long, value_name = "default|nothing|everything|custom")]
    pruning: Option<String>,
    /// Heights kept, for --pruning custom
    #[arg(long, value_name = "N")]
    pruning_keep_recent: Option<u64>,
    /// Heights between two rounds of pruning, for --pruning custom
    #[arg(long, value_name = "N")]
    pruning_interval: Option<u64>,
    /// Stop after this height
    #[arg(long, value_name = "HEIGHT")]
    halt_height: Option<u64>,
    /// Blocks that CometBFT keeps; 0 keeps all
    #[arg(long, value_name = "N")]
    min_retain_blocks: Option<u64>,
    /// Heights between two snapshots for state sync; 0 takes none
    #[arg(long = "state-sync.snapshot-interval", value_name = "N")]
    snapshot_interval: Option<u64>,
    /// Heights whose snapshots are kept; 0 keeps all
    #[arg(long = "state-sync.snapshot-keep-recent", value_name = "N")]
    snapshot_keep_recent: Option<u32>,
    /// Serve gRPC
    #[arg(long = "grpc.enable", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, action = ArgAction::Set)]
    grpc_enable: Option<bool>,
    /// Where gRPC listens
    #[arg(long = "grpc.address", value_name = "HOST:PORT")]
    grpc_address: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Show where a failure came from
    #[arg(long, hide = true)]
    trace: bool,
    /// Send garbage in place of vote extensions, for tests
    #[cfg(feature = "faults")]
    #[arg(long)]
    fault_extensions: bool,
    /// End without a word at finalize, before-write or after-write of a height, as if killed there, for tests
    #[cfg(feature = "faults")]
    #[arg(long, value_name = "POINT:HEIGHT")]
    fault_crash: Option<geodesic_app::faults::Crash>,
}

/// Why the node ended.
enum End {
    /// It was told to.
    Asked(&'static str),
    /// CometBFT is gone.
    Comet(ExitStatus),
}

/// Runs the node until it is told to stop.
///
/// # Errors
/// What keeps it from starting, or CometBFT ending more often than it is restarted. A storage error or a panic ends the
/// process instead, with exit code 70.
pub fn run(args: &StartArgs, ctx: &Context) -> anyhow::Result<()> {
    args.log.init()?;
    let home = Home::new(&ctx.home)?;
    home.create()?;
    let settings = Settings::resolve(args, &home)?;
    // Found, checked and refused before anything is opened.
    let program = if args.with_comet { Some(prepare_comet(&settings, &home)?) } else { None };
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    telemetry::serve_metrics(&settings, &runtime)?;

    let node = Node::open(&settings, &home, &runtime)?;
    let comet = match &program {
        Some(program) => Some(Child::spawn(program.command(&home, node.abci.local_addr(), args))?),
        None => None,
    };
    let end = supervise(&runtime, &mut signals, comet);
    node.close(&runtime);
    match end? {
        End::Asked(signal) => {
            tracing::info!(signal, "stopped");
            Ok(())
        }
        End::Comet(status) => comet::restart(status, &runtime, &mut signals),
    }
}

/// The program, once everything that CometBFT needs is there.
fn prepare_comet(settings: &Settings, home: &Home) -> anyhow::Result<comet::Program> {
    let path = home.genesis();
    if !path.exists() {
        bail!(
            "{} is missing: copy the network's genesis there, or begin a network with geod init and geod genesis; \
             --with-comet=false runs the application alone",
            path.display()
        );
    }
    if GenesisDoc::load(&path)?.field("consensus").is_some() {
        bail!(
            "{} has the Cosmos SDK's form, which CometBFT does not read; run: geod genesis convert",
            path.display()
        );
    }
    for name in ["node_key.json", "priv_validator_key.json"] {
        let path = home.config(name);
        // With a remote signer the validator's key is elsewhere, and CometBFT makes a node key itself.
        if path.exists() {
            geodesic_client::files::read_private(&path)?;
        }
    }
    comet::Program::find(&settings.cometbft)
}

/// The running application.
struct Node {
    app: App,
    abci: ServerHandle,
    servers: Servers,
}

impl Node {
    fn open(settings: &Settings, home: &Home, runtime: &Runtime) -> anyhow::Result<Self> {
        let fatal = Fatal::default();
        let rpc = node_rpc::connect(settings.comet_rpc.as_deref(), runtime)?;
        let rpc = rpc.map(|rpc| Arc::new(rpc) as Arc<dyn NodeRpc>);
        let app = open_app(settings.app.clone(), fatal.clone(), rpc)?;
        let address = match &settings.address {
            Some(address) => address.clone(),
            None => home.socket().parse()?,
        };
        let server = Server::bind(&address, Limits::default()).context(
            "cannot listen for CometBFT; --address unix:///PATH or tcp://HOST:PORT chooses another place",
        )?;
        let servers = Servers::start(&app, settings, runtime)?;
        #[cfg(not(feature = "faults"))]
        let served = app.clone();
        // Tests read in the log which blocks were executed.
        #[cfg(feature = "faults")]
        let served = geodesic_app::abci::grammar::Recorder::new(app.clone());
        Ok(Self { abci: server.serve(served, fatal)?, app, servers })
    }

    /// Ends the servers, then lets go of the database.
    fn close(self, runtime: &Runtime) {
        self.servers.stop(runtime);
        self.abci.shutdown();
        self.abci.join();
        drop(self.app);
    }
}

fn open_app(config: AppConfig, fatal: Fatal, rpc: Option<Arc<dyn NodeRpc>>) -> anyhow::Result<App> {
    let halt = config.halt_height;
    let app = App::open(config, fatal, rpc).map_err(anyhow::Error::msg)?;
    let height = app.committed().map_or(0, |block| block.height);
    if halt != 0 && height >= halt {
        bail!(
            "halt-height is {halt} and the state is at height {height}: raise it, or set it to 0, to go on"
        );
    }
    tracing::info!(height, "application opened");
    Ok(app)
}

/// The signals that end the process.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Waits until the process is told to end or CometBFT ends; in the first case CometBFT is stopped.
fn supervise(runtime: &Runtime, signals: &mut Signals, comet: Option<Child>) -> anyhow::Result<End> {
    let Some(mut comet) = comet else { return Ok(End::Asked(runtime.block_on(signals.next()))) };
    loop {
        let signal = runtime.block_on(async { tokio::time::timeout(PAUSE, signals.next()).await });
        if let Ok(signal) = signal {
            tracing::info!(signal, "stopping CometBFT");
            comet.stop()?;
            return Ok(End::Asked(signal));
        }
        if let Some(status) = comet.exited()? {
            return Ok(End::Comet(status));
        }
    }
}

/// A listening address out of `HOST:PORT`, with or without a scheme.
fn socket_address(what: &str, text: &str) -> anyhow::Result<SocketAddr> {
    use std::net::ToSocketAddrs as _;
    let host = text.split_once("://").map_or(text, |(_, host)| host);
    let mut found = host.to_socket_addrs().with_context(|| format!("{what} {text:?} is not HOST:PORT"))?;
    found.next().ok_or_else(|| anyhow!("{what} {text:?} has no address"))
}
