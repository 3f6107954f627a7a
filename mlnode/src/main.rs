//! `mlnode`: serves challenge compute over gRPC.
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use bench::Bench;
use clap::{Args, Parser, Subcommand, ValueEnum};
use geodesic_mlnode::devices::{self, Choice, Limits};
use geodesic_mlnode::engine::Engine;
use geodesic_mlnode::{Config, CpuEngine, Kernel, Tls, serve};
use tools::{Output, SelfTest, VECTORS_EXAMPLES, Vectors, self_test};
use tracing_subscriber::EnvFilter;

mod bench;
mod plot;
mod tools;

/// Compute node of Geodesic: generates and re-computes challenge nonces. It holds no key that can spend.
#[derive(Parser)]
#[command(name = "mlnode", version)]
struct Cli {
    /// Format of logs, which go to standard error; RUST_LOG filters them
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
    /// Format of results on standard output
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Pretty,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Serve gRPC until SIGINT or SIGTERM, which drain first
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Check that every engine computes as the reference does on this machine
    #[command(
        after_help = "Examples:\n  mlnode selftest\n  mlnode --output json selftest --threads 1 --kernel f32"
    )]
    Selftest(SelfTest),
    /// Write golden vectors of a profile and shape, or check a file of them
    #[command(after_help = VECTORS_EXAMPLES)]
    Vectors(Vectors),
    /// Measure every kernel of this machine: nonces per second, what part of the processor's peak they use
    #[command(after_help = bench::EXAMPLES)]
    Bench(Bench),
    /// Print the version
    Version,
}

const SERVE_EXAMPLES: &str = "Examples:
  On the machine of the agent:
    mlnode serve --listen 127.0.0.1:9400 --metrics 127.0.0.1:9401
  On another machine, for one agent with a certificate of its own:
    mlnode serve --listen 0.0.0.0:9400 --tls-cert node.pem --tls-key node.key --client-ca agent.pem";

/// `None` is auto.
#[derive(Clone, Copy)]
struct Batch(Option<u16>);

fn batch(text: &str) -> Result<Batch, String> {
    match text.parse() {
        _ if text == "auto" => Ok(Batch(None)),
        Ok(0) | Err(_) => Err(format!("must be auto or between 1 and {}", u16::MAX)),
        Ok(count) => Ok(Batch(Some(count))),
    }
}

/// A kernel of this processor, or the fastest.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum KernelChoice {
    Auto,
    F32,
    Avx2,
    Vnni,
}

impl KernelChoice {
    /// `None` is auto.
    fn kernel(self) -> Option<Kernel> {
        match self {
            Self::Auto => None,
            Self::F32 => Some(Kernel::F32),
            Self::Avx2 => Some(Kernel::Avx2),
            Self::Vnni => Some(Kernel::Vnni),
        }
    }
}

#[derive(Args)]
struct Compute {
    /// Devices that compute: auto (all GPUs, or the processor where there is none), cpu, cuda:0 or cuda:0,1
    #[arg(long, default_value = "auto")]
    device: Choice,
    /// Threads that compute on the processor [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Nonces a batch: auto (what suits the shape and the memory), or a number
    #[arg(long, value_parser = batch, default_value = "auto")]
    batch: Batch,
    /// Memory for weights and activations on each device, MiB [default: 4096 on the processor, what is free on a GPU]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    max_memory_mib: Option<u32>,
}

#[derive(Args)]
struct Serve {
    /// Address to listen on; port 0 takes a free one. Anything but loopback needs mutual TLS
    #[arg(long, default_value = "127.0.0.1:9400")]
    listen: SocketAddr,
    #[command(flatten)]
    compute: Compute,
    /// Jobs of each kind (generation; everything else) above which requests are refused
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), default_value_t = 64)]
    queue: u16,
    /// Address to serve Prometheus metrics on
    #[arg(long)]
    metrics: Option<SocketAddr>,
    /// Certificate chain of this node, PEM
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of this node, PEM
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Certificate that clients' certificates must descend from, or be, PEM
    #[arg(long, requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Share of generated leaves to fake, for tests of audits
    #[cfg(feature = "faults")]
    #[arg(long, default_value_t = 0.0)]
    fault_fake_leaves: f64,
}

impl Compute {
    fn threads(&self) -> usize {
        self.threads.map_or_else(|| Config::default().threads, usize::from)
    }

    fn limits(&self) -> Limits {
        let max_memory = self.max_memory_mib.map(|mib| u64::from(mib) << 20);
        Limits { threads: self.threads(), batch: self.batch.0.map(usize::from), max_memory }
    }

    fn engines(&self) -> anyhow::Result<Vec<Box<dyn Engine>>> {
        Ok(devices::open(&self.device, &self.limits())?)
    }

    /// The processor's engine with this kernel and these threads.
    fn cpu(&self, kernel: Kernel, threads: usize) -> anyhow::Result<CpuEngine> {
        Ok(Limits { threads, ..self.limits() }.cpu().with_kernel(kernel)?)
    }
}

impl Serve {
    fn config(self) -> Config {
        let tls = self.tls_cert.zip(self.tls_key);
        Config {
            listen: self.listen,
            tls: tls.map(|(cert, key)| Tls { cert, key, client_ca: self.client_ca }),
            threads: self.compute.threads(),
            batch: self.compute.batch.0.map(usize::from),
            queue_limit: usize::from(self.queue),
            max_memory: self.compute.limits().max_memory,
            device: self.compute.device,
            metrics: self.metrics,
            #[cfg(feature = "faults")]
            fake_leaves: self.fault_fake_leaves,
        }
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn init_logs(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

async fn run_server(config: Config) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let handle = serve(config).await?;
    say(&format!("listening on {}", handle.addr()))?;
    let drain = handle.drainer();
    let mut ended = tokio::spawn(handle.wait());
    let name = tokio::select! {
        result = &mut ended => return Ok(result??),
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "draining; a second signal ends at once");
    drain();
    tokio::select! {
        result = &mut ended => Ok(result??),
        _ = terminate.recv() => anyhow::bail!("ended by a second signal before work was done"),
        _ = interrupt.recv() => anyhow::bail!("ended by a second signal before work was done"),
    }
}

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logs(cli.log_format);
    match run(cli.command, cli.output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(std::io::stderr(), "mlnode: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, output: Output) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => {
            #[cfg(feature = "faults")]
            ensure!(
                (0.0..=1.0).contains(&args.fault_fake_leaves),
                "--fault-fake-leaves must be between 0 and 1"
            );
            ensure!(
                args.client_ca.is_some() || args.tls_cert.is_none(),
                "--tls-cert without --client-ca would let any client in: give --client-ca"
            );
            tokio::runtime::Runtime::new()?.block_on(run_server(args.config()))
        }
        Command::Selftest(args) => self_test(&args, output),
        Command::Vectors(args) => args.run(output),
        Command::Bench(args) => args.run(output),
        Command::Version => say(concat!("mlnode ", env!("CARGO_PKG_VERSION"))),
    }
}
