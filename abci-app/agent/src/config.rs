//! `agent.toml`: what an operator tells its agent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// File of the settings in the agent's folder.
const FILE: &str = "agent.toml";

/// Settings of an agent. It holds no secret: those stand in files of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Account address of the operator.
    pub participant: String,
    /// Bech32 prefix of accounts.
    pub prefix: String,
    /// Chain id.
    pub chain_id: String,
    /// CometBFT's RPC, such as `http://127.0.0.1:26657`.
    pub node: String,
    /// File of the operator's VRF key.
    pub vrf_key_file: PathBuf,
    /// Address on which leaves are served to other agents.
    pub listen: SocketAddr,
    /// What a unit of gas costs, such as `0.001ugeo`; empty if the node takes transactions without fee.
    #[serde(default)]
    pub gas_prices: String,
    /// Gas of a transaction: what a trial run uses, times this.
    #[serde(default = "gas_adjustment")]
    pub gas_adjustment: f64,
    /// Blocks before the draw at which computing ends and the last commitment is sent.
    #[serde(default = "commit_margin")]
    pub commit_margin: u64,
    /// Epochs whose leaves are kept on disk.
    #[serde(default = "keep_epochs")]
    pub keep_epochs: u64,
    /// Address of the metrics; none are served without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// The operator's compute nodes.
    pub mlnodes: Vec<MlNode>,
}

/// A compute node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlNode {
    /// Its number, as registered on chain.
    pub id: u32,
    /// Its gRPC address on this host.
    pub url: String,
}

fn gas_adjustment() -> f64 {
    1.5
}

fn commit_margin() -> u64 {
    4
}

fn keep_epochs() -> u64 {
    4
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("{0}: {1}; run `geod agent init` first")]
    File(PathBuf, std::io::Error),
    /// It is no TOML of this form.
    #[error("{0}: {1}")]
    Toml(PathBuf, String),
    /// A value is out of its bounds.
    #[error("{0}: {1}")]
    Value(PathBuf, String),
}

impl Config {
    /// The settings in an agent's folder.
    ///
    /// # Errors
    /// [`Error`] names file and value.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::File(path.clone(), e))?;
        let config: Self = toml::from_str(&text).map_err(|e| Error::Toml(path.clone(), e.to_string()))?;
        config.check().map_err(|reason| Error::Value(path, reason))?;
        Ok(config)
    }

    /// Writes the settings into an agent's folder.
    ///
    /// # Errors
    /// [`Error`] names file and value.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE);
        self.check().map_err(|reason| Error::Value(path.clone(), reason))?;
        let text = toml::to_string_pretty(self).map_err(|e| Error::Toml(path.clone(), e.to_string()))?;
        std::fs::write(&path, text).map_err(|e| Error::File(path, e))
    }

    fn check(&self) -> Result<(), String> {
        if self.mlnodes.is_empty() {
            return Err("mlnodes is empty: name at least one compute node".to_owned());
        }
        if !self.mlnodes.is_sorted_by(|a, b| a.id < b.id) {
            return Err("mlnodes must ascend by id, each once".to_owned());
        }
        for node in &self.mlnodes {
            let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
            if !local.iter().any(|l| node.url.starts_with(l)) {
                return Err(format!(
                    "mlnode {} at {}: must be on this host, such as http://127.0.0.1:9400; reach another through a tunnel",
                    node.id, node.url
                ));
            }
        }
        if !(1.0..=10.0).contains(&self.gas_adjustment) {
            return Err(format!("gas_adjustment is {}, allowed are 1 to 10", self.gas_adjustment));
        }
        if self.commit_margin == 0 {
            return Err("commit_margin is 0, must be positive".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            participant: "geo1x".into(),
            prefix: "geo".into(),
            chain_id: "geodesic-local-1".into(),
            node: "http://127.0.0.1:26657".into(),
            vrf_key_file: "config/vrf_key.json".into(),
            listen: "127.0.0.1:9500".parse().unwrap(),
            gas_prices: String::new(),
            gas_adjustment: 1.5,
            commit_margin: 4,
            keep_epochs: 4,
            metrics: None,
            mlnodes: vec![MlNode { id: 0, url: "http://127.0.0.1:9400".into() }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        config().save(dir.path()).unwrap();
        assert_eq!(Config::load(dir.path()).unwrap(), config());
    }

    #[test]
    fn settings_that_are_refused() {
        let node = |id, url: &str| MlNode { id, url: url.into() };
        for (name, mlnodes, good) in [
            ("loopback", vec![node(0, "http://127.0.0.1:9400")], true),
            ("another host over https", vec![node(0, "https://gpu:9400")], false),
            ("another host in clear", vec![node(0, "http://gpu:9400")], false),
            ("a host that begins like loopback", vec![node(0, "http://127.0.0.1.evil:9400")], false),
            ("none", vec![], false),
            ("a number twice", vec![node(1, "http://127.0.0.1:1"), node(1, "http://127.0.0.1:2")], false),
        ] {
            let config = Config { mlnodes, ..config() };
            assert_eq!(config.check().is_ok(), good, "{name}");
        }
    }
}
