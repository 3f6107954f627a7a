//! What a network publishes for those who join it: `genesis.json`, `seeds.txt` and `chain.json`, as in `testnet/NETWORK/`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::setup::geod;
use super::{CHAIN_ID, Localnet};

/// Where a local network has its folder.
pub fn folder(network: &Localnet) -> PathBuf {
    network.dir.join("network")
}

/// Writes the folder of a network whose homes are there.
///
/// # Errors
/// What `geod` or the system says.
pub(crate) fn write(network: &Localnet) -> anyhow::Result<()> {
    let (first, dir) = (network.nodes.first().context("a network needs a validator")?, folder(network));
    std::fs::create_dir_all(&dir)?;
    std::fs::copy(first.home.join("config/genesis.json"), dir.join("genesis.json"))?;
    let mut seeds = Vec::new();
    for node in &network.nodes {
        let id = geod(&node.home, &["comet", "show-node-id"])?;
        seeds.push((id, format!("127.0.0.1:{}", node.p2p()), node.name()));
    }
    let lines: String = seeds.iter().map(|(id, address, _)| format!("{id}@{address}\n")).collect();
    std::fs::write(dir.join("seeds.txt"), lines)?;
    let peer = |(id, address, name): &(String, String, String)| json!({ "id": id, "address": address, "provider": name });
    let rpc: Vec<Value> =
        network.nodes.iter().map(|n| json!({ "address": n.url(), "provider": n.name() })).collect();
    let chain = json!({
        "$schema": "https://raw.githubusercontent.com/cosmos/chain-registry/master/chain.schema.json",
        "chain_name": "geodesiclocal",
        "chain_id": CHAIN_ID,
        "pretty_name": "Geodesic on one machine",
        "chain_type": "cosmos",
        "status": "live",
        "network_type": "devnet",
        "bech32_prefix": "geo",
        "daemon_name": "geod",
        "node_home": "$HOME/.geod",
        "key_algos": ["secp256k1"],
        "slip44": 118,
        "fees": { "fee_tokens": [{ "denom": "ugeo", "fixed_min_gas_price": 0 }] },
        "staking": { "staking_tokens": [{ "denom": "ugeo" }] },
        "peers": { "seeds": seeds.iter().map(peer).collect::<Vec<_>>() },
        "apis": { "rpc": rpc },
    });
    std::fs::write(dir.join("chain.json"), serde_json::to_string_pretty(&chain)? + "\n")?;
    Ok(())
}

/// Chain id and seeds, as a newcomer reads them in a network's folder.
///
/// # Errors
/// A file that is missing or empty, named.
pub fn read(dir: &Path) -> anyhow::Result<(String, String)> {
    let text = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let chain: Value = serde_json::from_str(&text("chain.json")?).context("chain.json")?;
    let chain_id = chain.get("chain_id").and_then(Value::as_str).context("chain.json has no chain_id")?;
    let seeds: Vec<String> = text("seeds.txt")?
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    if seeds.is_empty() {
        bail!("{} names no node to join by", dir.join("seeds.txt").display());
    }
    Ok((chain_id.to_owned(), seeds.join(",")))
}
