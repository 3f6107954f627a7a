//! What every command that talks to a chain or a keyring needs to know, and where each value comes from:
//! flag, else environment (`GEOD_...`), else `config/client.toml`, else a default.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use geodesic_client::keyring::{Backend, Keyring};
use geodesic_client::prompt::Terminal;
use geodesic_client::rpc;
use serde::Deserialize;

/// Bech32 prefix of our own networks.
pub const DEFAULT_PREFIX: &str = "geo";
/// Where a node's CometBFT answers by default.
pub const DEFAULT_NODE: &str = "tcp://localhost:26657";

/// Flags that every command knows. Flatten into the top command.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(next_help_heading = "Global options")]
pub struct Args {
    /// Folder of configuration, keys and data [env: GEOD_HOME] [default: ~/.geod]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Chain id, such as geodesic-local-1 [env: GEOD_CHAIN_ID] [client.toml: chain-id]
    #[arg(long, global = true, value_name = "ID")]
    pub chain_id: Option<String>,
    /// CometBFT RPC of a node [env: GEOD_NODE] [client.toml: node] [default: tcp://localhost:26657]
    #[arg(long, global = true, value_name = "URL")]
    pub node: Option<String>,
    /// Send queries to this gRPC address instead, such as localhost:9090 [env: GEOD_GRPC_ADDR]
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub grpc_addr: Option<String>,
    /// Output format [env: GEOD_OUTPUT] [client.toml: output] [default: text]
    #[arg(long, short = 'o', global = true, value_name = "text|json")]
    pub output: Option<String>,
    /// Where keys are kept [env: GEOD_KEYRING_BACKEND] [client.toml: keyring-backend] [default: file]
    #[arg(long, global = true, value_name = "file|os|test|memory")]
    pub keyring_backend: Option<String>,
    /// Folder of the keyring, if not the home [env: GEOD_KEYRING_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub keyring_dir: Option<PathBuf>,
    /// Bech32 prefix of addresses [env: GEOD_PREFIX] [client.toml: prefix] [default: geo]
    #[arg(long, global = true, value_name = "PREFIX", hide_short_help = true)]
    pub prefix: Option<String>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// YAML, for people.
    Text,
    /// JSON on one line.
    Json,
}

/// The keys of `config/client.toml` that are read; others are left alone.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct ClientToml {
    chain_id: Option<String>,
    keyring_backend: Option<String>,
    output: Option<String>,
    node: Option<String>,
    grpc_addr: Option<String>,
    prefix: Option<String>,
    broadcast_mode: Option<String>,
}

/// Where a command works.
#[derive(Debug, Clone)]
pub struct Context {
    /// Folder of configuration, keys and data.
    pub home: PathBuf,
    /// Chain id, if it is known without asking a node.
    pub chain_id: Option<String>,
    /// CometBFT RPC URL.
    pub node: String,
    /// gRPC address for queries; without one they go through `node`.
    pub grpc_addr: Option<String>,
    /// Output format.
    pub output: Output,
    /// Where keys are kept.
    pub keyring_backend: Backend,
    /// Folder that holds `keyring-file/`, `keyring-os/` or `keyring-test/`.
    pub keyring_dir: PathBuf,
    /// Bech32 prefix of accounts.
    pub prefix: String,
    /// `sync` or `async`, unless a transaction's flag says otherwise.
    pub broadcast_mode: String,
}

impl Context {
    /// Resolves flags, environment and `client.toml`.
    ///
    /// # Errors
    /// A malformed `client.toml`, or a value outside its choices; each names the value and what is allowed.
    pub fn resolve(args: &Args) -> anyhow::Result<Self> {
        Self::resolve_with(args, |name| std::env::var(name).ok())
    }

    /// [`Context::resolve`] with another environment.
    ///
    /// # Errors
    /// As [`Context::resolve`].
    pub fn resolve_with(args: &Args, env: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let home = match args.home.clone().or_else(|| env("GEOD_HOME").map(PathBuf::from)) {
            Some(home) => home,
            None => default_home(env("HOME"))?,
        };
        let file = read_client_toml(&home.join("config/client.toml"))?;
        let pick = |flag: &Option<String>, name: &str, file: Option<String>| {
            flag.clone().or_else(|| env(name)).or(file).filter(|value| !value.is_empty())
        };
        // `query pow verify --node K` is the number of a compute node: no URL is all digits.
        let node = args.node.clone().filter(|node| node.parse::<u64>().is_err());
        let output = pick(&args.output, "GEOD_OUTPUT", file.output);
        let backend = pick(&args.keyring_backend, "GEOD_KEYRING_BACKEND", file.keyring_backend);
        let keyring_dir = args.keyring_dir.clone().or_else(|| env("GEOD_KEYRING_DIR").map(PathBuf::from));
        Ok(Self {
            chain_id: pick(&args.chain_id, "GEOD_CHAIN_ID", file.chain_id),
            node: pick(&node, "GEOD_NODE", file.node).unwrap_or_else(|| DEFAULT_NODE.to_owned()),
            grpc_addr: pick(&args.grpc_addr, "GEOD_GRPC_ADDR", file.grpc_addr),
            output: match output.as_deref() {
                None | Some("text") => Output::Text,
                Some("json") => Output::Json,
                Some(other) => bail!("output {other:?} is neither text nor json"),
            },
            keyring_backend: backend.as_deref().unwrap_or("file").parse()?,
            keyring_dir: keyring_dir.unwrap_or_else(|| home.clone()),
            prefix: pick(&args.prefix, "GEOD_PREFIX", file.prefix)
                .unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
            broadcast_mode: pick(&None, "GEOD_BROADCAST_MODE", file.broadcast_mode)
                .unwrap_or_else(|| "sync".to_owned()),
            home,
        })
    }

    /// `config/` of the home.
    #[must_use]
    pub fn config_dir(&self) -> PathBuf {
        self.home.join("config")
    }

    /// `data/` of the home.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// `config/vrf_key.json` of the home.
    #[must_use]
    pub fn vrf_key_file(&self) -> PathBuf {
        self.config_dir().join("vrf_key.json")
    }

    /// Client of the node's RPC.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn rpc(&self) -> anyhow::Result<rpc::Client> {
        Ok(rpc::Client::new(&self.node)?)
    }

    /// The keyring; a passphrase is asked for when one is needed.
    ///
    /// # Errors
    /// A keyring folder that cannot be made or that others may read.
    pub fn keyring(&self) -> anyhow::Result<Keyring> {
        Ok(Keyring::open(self.keyring_backend, &self.keyring_dir, Box::new(Terminal))?)
    }

    /// The chain id from flag, environment or `client.toml`, else the node's.
    ///
    /// # Errors
    /// The node cannot be reached.
    pub async fn chain_id(&self) -> anyhow::Result<String> {
        match &self.chain_id {
            Some(chain_id) => Ok(chain_id.clone()),
            None => Ok(self
                .rpc()?
                .status()
                .await
                .context("no chain id given (--chain-id, or chain-id in config/client.toml), so the node was asked")?
                .node_info
                .network),
        }
    }
}

fn default_home(user_home: Option<String>) -> anyhow::Result<PathBuf> {
    match user_home {
        Some(dir) => Ok(Path::new(&dir).join(".geod")),
        None => bail!("no home folder: give --home or set GEOD_HOME"),
    }
}

fn read_client_toml(path: &Path) -> anyhow::Result<ClientToml> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("{} is malformed", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ClientToml::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("config")).unwrap();
        let toml =
            "chain-id = \"file-1\"\nnode = \"tcp://file:1\"\noutput = \"json\"\nkeyring-backend = \"test\"\n";
        std::fs::write(dir.path().join("config/client.toml"), toml).unwrap();
        let mut args = Args { home: Some(dir.path().into()), ..Args::default() };
        let env = |name: &str| (name == "GEOD_NODE").then(|| "tcp://env:2".to_owned());

        let ctx = Context::resolve_with(&args, none).unwrap();
        assert_eq!(
            (ctx.node.as_str(), ctx.output, ctx.prefix.as_str()),
            ("tcp://file:1", Output::Json, "geo")
        );
        assert_eq!((ctx.chain_id.as_deref(), ctx.keyring_backend), (Some("file-1"), Backend::Test));
        assert_eq!(Context::resolve_with(&args, env).unwrap().node, "tcp://env:2");
        args.node = Some("tcp://flag:3".to_owned());
        assert_eq!(Context::resolve_with(&args, env).unwrap().node, "tcp://flag:3");
        args.node = Some("3".to_owned());
        assert_eq!(Context::resolve_with(&args, env).unwrap().node, "tcp://env:2", "a number is no URL");
        args.home = Some(dir.path().join("empty"));
        args.node = None;
        assert_eq!(Context::resolve_with(&args, none).unwrap().node, DEFAULT_NODE);
    }

    #[test]
    fn values_outside_their_choices_are_named() {
        let with = |args: Args| Context::resolve_with(&args, none).unwrap_err().to_string();
        let base = Args { home: Some("/nonexistent".into()), ..Args::default() };
        assert!(with(Args { output: Some("xml".into()), ..base.clone() }).contains("\"xml\""));
        assert!(with(Args { keyring_backend: Some("kwallet".into()), ..base }).contains("file"));
    }
}
