//! `geod agent ...`

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use geodesic_client::prompt::{Fixed, Prompt, Terminal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::agent::Agent;
use crate::config::{Config, DIR};
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::status::Status;
use crate::{init, metrics};

/// Passphrase of the agent's keyring, for services.
const PASSPHRASE: &str = "GEOD_AGENT_PASSPHRASE";

/// What an operator does with its agent.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an agent's key, certificate and settings; fund and register it if asked to.
    Init(Box<Init>),
    /// Register the agent for its operator, or change what is registered.
    Register(Register),
    /// Run the agent until SIGTERM or SIGINT.
    Start(Start),
    /// Show what the running agent does.
    Status(StatusArgs),
}

/// Where things are.
#[derive(Debug, Clone, Default, Args)]
pub struct Home {
    /// Home of geod; the agent's folder is agent/ in it [env: GEOD_HOME] [default: ~/.geod].
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
}

/// The operator's keyring.
#[derive(Debug, Clone, Default, Args)]
pub struct Keys {
    /// Keyring of the operator's keys [env: GEOD_KEYRING_BACKEND] [default: file].
    #[arg(long, value_name = "file|test")]
    pub keyring_backend: Option<String>,
    /// Folder of that keyring, if not the home [env: GEOD_KEYRING_DIR].
    #[arg(long, value_name = "DIR")]
    pub keyring_dir: Option<PathBuf>,
}

/// `geod agent init`
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    pub(crate) home: Home,
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// The operator: its account address, or the name of its key.
    #[arg(long, value_name = "ADDRESS|KEY")]
    pub participant: String,
    /// A compute node; its number on chain stands before it, else they are numbered from 0. May be repeated.
    #[arg(long = "mlnode", value_name = "[ID=]URL", required = true)]
    pub mlnodes: Vec<String>,
    /// Where to listen for other agents.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:7070")]
    pub listen: SocketAddr,
    /// Where other agents reach this one, as registered on chain.
    #[arg(long, value_name = "https://HOST:PORT")]
    pub url: String,
    /// CometBFT RPC of a node [env: GEOD_NODE].
    #[arg(long, value_name = "URL")]
    pub node: Option<String>,
    /// The operator's VRF key [default: config/vrf_key.json in the home].
    #[arg(long, value_name = "FILE")]
    pub vrf_key: Option<PathBuf>,
    /// Keyring of the agent's own key: encrypted, or plain for local networks.
    #[arg(long, value_name = "file|test", default_value = "test")]
    pub agent_keyring: String,
    /// Bech32 prefix of accounts.
    #[arg(long, default_value = "geo", hide_short_help = true)]
    pub prefix: String,
    /// What a unit of gas costs.
    #[arg(long, value_name = "PRICE", default_value = "0.025ugeo")]
    pub gas_price: String,
    /// Where to serve Prometheus metrics.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Key that funds the agent's account.
    #[arg(long, value_name = "KEY", requires = "fund")]
    pub fund_from: Option<String>,
    /// What it is funded with.
    #[arg(long, value_name = "COINS", requires = "fund_from")]
    pub fund: Option<String>,
    /// Register it too, signed by the operator's key.
    #[arg(long)]
    pub register: bool,
}

/// `geod agent register`
#[derive(Debug, Args)]
pub struct Register {
    #[command(flatten)]
    pub(crate) home: Home,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

/// `geod agent start`
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    pub(crate) home: Home,
    #[command(flatten)]
    pub(crate) faults: Faults,
}

/// `geod agent status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(crate) home: Home,
    /// Output format.
    #[arg(long, value_name = "text|json")]
    pub output: Option<String>,
}

pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Home {
    /// The home of geod.
    ///
    /// # Errors
    /// [`Error::Config`] if there is none.
    pub fn dir(&self) -> Result<PathBuf> {
        let given = self.home.clone().or_else(|| env("GEOD_HOME").map(PathBuf::from));
        let default = || env("HOME").map(|home| Path::new(&home).join(".geod"));
        given
            .or_else(default)
            .ok_or_else(|| Error::Config("no home folder: give --home or set GEOD_HOME".to_owned()))
    }

    /// The agent's folder.
    ///
    /// # Errors
    /// As [`Home::dir`].
    pub fn agent(&self) -> Result<PathBuf> {
        Ok(self.dir()?.join(DIR))
    }
}

/// Prints a line; whoever reads it may have gone.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The passphrase from the environment, else from the terminal.
pub(crate) fn prompt() -> Box<dyn Prompt> {
    match env(PASSPHRASE) {
        Some(passphrase) => Box::new(Fixed(Zeroizing::new(passphrase))),
        None => Box::new(Terminal),
    }
}

/// Runs a command. Must run inside a tokio runtime of several threads.
///
/// # Errors
/// [`Error`] says what to do about it where something can be done.
pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Init(args) => init::init(&args).await,
        Command::Register(args) => init::register(&args.home, &args.keys).await,
        Command::Start(args) => start(&args).await,
        Command::Status(args) => status(&args),
    }
}

async fn start(args: &Start) -> Result<()> {
    let dir = args.home.agent()?;
    let config = Config::load(&dir)?;
    if let Some(address) = config.metrics {
        metrics::install(address)?;
    }
    let (stop, stopped) = watch::channel(false);
    let handler = |kind| signal(kind).map_err(|e| Error::Config(format!("cannot wait for signals: {e}")));
    let (mut terminate, mut interrupt) =
        (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    let signalled = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        std::future::pending::<()>().await
    };
    let work = async {
        // A signal also ends the wait for a node.
        let mut early = stopped.clone();
        tokio::select! {
            agent = Agent::open(&dir, config, prompt(), args.faults) => Arc::new(agent?).run(stopped).await,
            _ = early.wait_for(|stop| *stop) => Ok(()),
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = signalled => Ok(()),
    }
}

fn status(args: &StatusArgs) -> Result<()> {
    let dir = args.home.agent()?;
    let status = Status::read(&dir)?;
    let none =
        || Error::Config(format!("no agent has run in {} while an epoch could be worked in", dir.display()));
    let status = status.ok_or_else(none)?;
    match args.output.as_deref() {
        None | Some("text") => say(status.to_string().trim_end()),
        Some("json") => say(&serde_json::to_string(&status).map_err(|e| Error::Config(e.to_string()))?),
        Some(other) => return Err(Error::Config(format!("output {other:?} is neither text nor json"))),
    }
    Ok(())
}
