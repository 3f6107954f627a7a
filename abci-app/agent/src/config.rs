//! `agent.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Folder of the agent below the home of `geod`.
pub const DIR: &str = "agent";
/// Its settings.
pub const FILE: &str = "agent.toml";
/// Name of its key in its keyring.
pub const KEY: &str = "agent";

/// Settings of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the operator whose agent this is.
    pub participant: String,
    /// Bech32 prefix of accounts.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// CometBFT RPC of a node.
    pub node: String,
    /// `test` or `file`: keyring of the agent's key, in the agent's folder.
    #[serde(default = "keyring_backend")]
    pub keyring_backend: String,
    /// The operator's VRF key.
    pub vrf_key: PathBuf,
    /// Where other agents connect to.
    pub listen: SocketAddr,
    /// What they are told on chain, `https://HOST:PORT`.
    pub url: String,
    /// What a unit of gas costs.
    pub gas_price: String,
    /// Blocks before X at which computing ends and all is committed to.
    #[serde(default = "commit_margin")]
    pub commit_margin: u64,
    /// Blocks before the end of fetching at which samples that are not there are demanded on chain.
    #[serde(default = "demand_margin")]
    pub demand_margin: u64,
    /// Milliseconds between two looks at the chain.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// Epochs whose leaves and audits are kept on disk.
    #[serde(default = "keep_epochs")]
    pub keep_epochs: u64,
    /// Seconds after which a compute node that sends nothing is given up and asked anew; must cover generating the weights.
    #[serde(default = "mlnode_timeout_s")]
    pub mlnode_timeout_s: u64,
    /// Nonces in one request to re-compute.
    #[serde(default = "recompute_batch")]
    pub recompute_batch: usize,
    /// Seconds for one request to another agent.
    #[serde(default = "peer_timeout_s")]
    pub peer_timeout_s: u64,
    /// Where Prometheus metrics are served; nowhere if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// Compute nodes.
    #[serde(rename = "mlnode")]
    pub mlnodes: Vec<Mlnode>,
}

/// A compute node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlnode {
    /// Its number on chain. A node that is not registered only re-computes.
    pub node_id: u32,
    /// `http://127.0.0.1:PORT`, or `https://HOST:PORT` with `tls`.
    pub url: String,
    /// Certificates for a node on another machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MlnodeTls>,
}

/// PEM files of mutual TLS with a compute node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlnodeTls {
    /// Certificate that the node's descends from, or is.
    pub ca: PathBuf,
    /// Certificate that is shown to the node.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Name in the node's certificate, if it is not the host of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

fn prefix() -> String {
    "geo".to_owned()
}

fn keyring_backend() -> String {
    "test".to_owned()
}

const fn commit_margin() -> u64 {
    4
}

const fn demand_margin() -> u64 {
    2
}

const fn poll_ms() -> u64 {
    250
}

const fn keep_epochs() -> u64 {
    3
}

const fn mlnode_timeout_s() -> u64 {
    120
}

const fn recompute_batch() -> usize {
    64
}

const fn peer_timeout_s() -> u64 {
    5
}

impl Config {
    /// A configuration with the defaults of all that may be left out.
    pub fn new(participant: String, node: String, vrf_key: PathBuf, listen: SocketAddr, url: String) -> Self {
        Self {
            participant,
            prefix: prefix(),
            node,
            keyring_backend: keyring_backend(),
            vrf_key,
            listen,
            url,
            gas_price: "0.025ugeo".to_owned(),
            commit_margin: commit_margin(),
            demand_margin: demand_margin(),
            poll_ms: poll_ms(),
            keep_epochs: keep_epochs(),
            mlnode_timeout_s: mlnode_timeout_s(),
            recompute_batch: recompute_batch(),
            peer_timeout_s: peer_timeout_s(),
            metrics: None,
            mlnodes: Vec::new(),
        }
    }

    /// The settings in an agent's folder.
    ///
    /// # Errors
    /// [`Error::Config`] names what is wrong with them, [`Error::Io`].
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let malformed = |e: toml::de::Error| Error::Config(format!("{} is malformed: {e}", path.display()));
        let config: Self = toml::from_str(&text).map_err(malformed)?;
        config.check()?;
        Ok(config)
    }

    /// As text for the file.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|e| Error::Config(e.to_string()))
    }

    /// Checks bounds and what depends on each other.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting, its value and its bound.
    pub fn check(&self) -> Result<()> {
        let bad = |text: String| Err(Error::Config(text));
        for (name, value, least, most) in [
            ("commit_margin", self.commit_margin, 1, 1000),
            ("demand_margin", self.demand_margin, 1, 1000),
            ("poll_ms", self.poll_ms, 10, 60_000),
            ("keep_epochs", self.keep_epochs, 1, 1_000_000),
            ("mlnode_timeout_s", self.mlnode_timeout_s, 1, 3600),
            ("recompute_batch", self.recompute_batch as u64, 1, 1024),
            ("peer_timeout_s", self.peer_timeout_s, 1, 60),
        ] {
            if value < least || value > most {
                return bad(format!("{name} is {value}, allowed are {least} to {most}"));
            }
        }
        let uri = self.url.parse::<tonic::transport::Uri>().ok();
        if !uri.is_some_and(|uri| {
            uri.scheme_str() == Some("https") && uri.port_u16().is_some_and(|port| port > 0)
        }) {
            return bad(format!("url is {:?}, must be https://HOST:PORT", self.url));
        }
        for (i, node) in self.mlnodes.iter().enumerate() {
            if self.mlnodes.iter().skip(i + 1).any(|other| other.node_id == node.node_id) {
                return bad(format!("node_id {} stands twice", node.node_id));
            }
            node.check()?;
        }
        Ok(())
    }
}

impl Mlnode {
    fn check(&self) -> Result<()> {
        let bad = |text: &str| Err(Error::Config(format!("mlnode {}: {text}", self.url)));
        let uri = self.url.parse::<tonic::transport::Uri>();
        let host = uri.as_ref().ok().and_then(|uri| Some((uri.scheme_str()?, uri.host()?)));
        match (host, &self.tls) {
            (Some(("https", _)), Some(_)) => Ok(()),
            (Some(("https", _)), None) => bad("https needs the certificates of [mlnode.tls]"),
            (Some(("http", _)), Some(_)) => bad("with [mlnode.tls] the URL must be https"),
            (Some(("http", host)), None) if is_loopback(host) => Ok(()),
            (Some(("http", _)), None) => bad("another machine needs https and [mlnode.tls]"),
            _ => bad("must be http://127.0.0.1:PORT or https://HOST:PORT"),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let listen = SocketAddr::from(([0, 0, 0, 0], 7070));
        let url = "https://a.example:7070".to_owned();
        Config::new("geo1x".to_owned(), "tcp://localhost:26657".to_owned(), "vrf.json".into(), listen, url)
    }

    #[test]
    fn settings_come_back_and_unknown_ones_are_named() {
        let mut config = config();
        config.mlnodes = vec![Mlnode { node_id: 0, url: "http://127.0.0.1:1".to_owned(), tls: None }];
        let text = config.to_toml().unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
        let error = toml::from_str::<Config>(&format!("comit_margin = 3\n{text}")).unwrap_err().to_string();
        assert!(error.contains("comit_margin"), "{error}");
    }

    #[test]
    fn compute_nodes_elsewhere_need_tls() {
        let tls = || Some(MlnodeTls { ca: "a".into(), cert: "b".into(), key: "c".into(), domain: None });
        for (url, tls, good) in [
            ("http://127.0.0.1:9091", None, true),
            ("http://[::1]:9091", None, true),
            ("http://localhost:9091", None, true),
            ("http://10.0.0.7:9091", None, false),
            ("http://127.0.0.1.example.org:9091", None, false),
            ("https://10.0.0.7:9091", None, false),
            ("https://10.0.0.7:9091", tls(), true),
            ("http://127.0.0.1:9091", tls(), false),
            ("nonsense", None, false),
        ] {
            let node = Mlnode { node_id: 0, url: url.to_owned(), tls };
            assert_eq!(Config { mlnodes: vec![node], ..config() }.check().is_ok(), good, "{url}");
        }
    }

    #[test]
    fn bounds() {
        let node = |node_id| Mlnode { node_id, url: "http://127.0.0.1:1".to_owned(), tls: None };
        for (name, config, good) in [
            ("the defaults", config(), true),
            ("no margin", Config { commit_margin: 0, ..config() }, false),
            ("no port", Config { url: "https://a".to_owned(), ..config() }, false),
            ("plain http", Config { url: "http://a:1".to_owned(), ..config() }, false),
            ("batches too large", Config { recompute_batch: 1025, ..config() }, false),
            ("two of a number", Config { mlnodes: vec![node(1), node(1)], ..config() }, false),
        ] {
            assert_eq!(config.check().is_ok(), good, "{name}");
        }
    }
}
