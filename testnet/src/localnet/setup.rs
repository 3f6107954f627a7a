//! Homes, genesis and processes, by the commands of `geod`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{CHAIN_ID, Localnet, Node, Process};

/// What an operator has: its stake, its agent's coins, the registration deposit, and less than one reward beside them,
/// so that who spends a reward shows that it was paid.
const OPERATOR_COINS: &str = "522000000000ugeo";
/// What the faucet has.
const FAUCET_COINS: &str = "100000000000000ugeo";
/// What a validator delegates to itself.
pub const STAKE: &str = "500000000000ugeo";
/// What an operator gives its agent.
const AGENT_COINS: &str = "20000000000ugeo";
/// Blocks are short here and processes come and go: who is away for some minutes is not to be jailed for it, and who is jailed
/// is out for a minute.
const PARAMS: [&str; 6] = [
    "slashing.params.signed_blocks_window",
    "1000",
    "slashing.params.min_signed_per_window",
    "0.050000000000000000",
    "slashing.params.downtime_jail_duration",
    "60s",
];
/// The faucet's key, in the home of the first node.
const FAUCET: &str = "faucet";

/// The program beside this one.
///
/// # Errors
/// It was not built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // Tests lie one folder below the programs.
    let path = own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|p| p.is_file());
    path.with_context(|| format!("{name} is not beside {}: run `cargo build --bins`", own.display()))
}

/// Runs `geod` on a home; returns what it prints.
///
/// # Errors
/// What it says if it fails.
pub fn geod(home: &Path, args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(program("geod")?);
    command.arg("--home").arg(home).args(args);
    let output = command.output().context("cannot run geod")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        bail!("geod {} failed: {}{}", args.join(" "), text(&output.stderr), text(&output.stdout));
    }
    Ok(text(&output.stdout))
}

/// Makes the homes and the genesis of a network whose power comes from compute.
///
/// # Errors
/// A port that is taken, a folder that is used, or what `geod` says.
pub fn create(dir: &Path, base_port: u16, validators: u16, set: &[String]) -> anyhow::Result<Localnet> {
    create_with(dir, base_port, validators, "compute", &[], set)
}

/// Makes the homes and the genesis of a network, with its source of power and more accounts that have the faucet's coins.
///
/// # Errors
/// A port that is taken, a folder that is used, or what `geod` says.
pub fn create_with(
    dir: &Path,
    base_port: u16,
    validators: u16,
    power_source: &str,
    accounts: &[String],
    set: &[String],
) -> anyhow::Result<Localnet> {
    if dir.join("localnet.json").exists() {
        bail!("{} holds a network: `cargo xtask localnet reset` removes it", dir.display());
    }
    std::fs::create_dir_all(dir)?;
    let mut nodes: Vec<Node> = (0..validators).map(|i| Node::new(dir, base_port, i)).collect();
    nodes.iter().try_for_each(check_ports)?;
    for node in &mut nodes {
        geod(&node.home, &["init", &node.name(), "--chain-id", CHAIN_ID])?;
        node.operator = add_key(&node.home, "operator")?;
    }
    let first = nodes.first().context("a network needs a validator")?.home.clone();
    let faucet = add_key(&first, FAUCET)?;
    geod(&first, &["genesis", "add-genesis-account", &faucet, FAUCET_COINS])?;
    for account in accounts {
        geod(&first, &["genesis", "add-genesis-account", account, FAUCET_COINS])?;
    }
    for node in &nodes {
        geod(&first, &["genesis", "add-genesis-account", &node.operator, OPERATOR_COINS])?;
    }
    let pairs: Vec<&str> = set.iter().map(String::as_str).collect();
    geod(&first, &[&["genesis", "set", "--power-source", power_source][..], &PARAMS, &pairs].concat())?;
    let genesis = first.join("config/genesis.json");
    for node in &nodes {
        copy(&genesis, &node.home.join("config/genesis.json"))?;
        let port = node.p2p().to_string();
        let backend = ["--keyring-backend", "test", "--ip", "127.0.0.1", "--p2p-port", &port];
        geod(&node.home, &[&["genesis", "gentx", "operator", STAKE], backend.as_slice()].concat())?;
        if node.home != first {
            for entry in std::fs::read_dir(node.home.join("config/gentx"))? {
                let entry = entry?;
                copy(&entry.path(), &first.join("config/gentx").join(entry.file_name()))?;
            }
        }
    }
    geod(&first, &["genesis", "collect-gentxs"])?;
    let network = Localnet { dir: dir.to_path_buf(), base_port, nodes, processes: Vec::new() };
    for node in &network.nodes {
        copy(&genesis, &node.home.join("config/genesis.json"))?;
        configure(node)?;
        let peers = peers_of(&network, node)?;
        geod(&node.home, &["config", "set", "config", "p2p.persistent_peers", &peers])?;
    }
    super::folder::write(&network)?;
    network.save()?;
    Ok(network)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from != to {
        std::fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Makes a key in the test keyring; returns its address.
///
/// # Errors
/// What `geod` says.
pub fn add_key(home: &Path, name: &str) -> anyhow::Result<String> {
    geod(home, &["keys", "add", name, "--keyring-backend", "test"])?;
    key_address(home, name)
}

fn key_address(home: &Path, name: &str) -> anyhow::Result<String> {
    geod(home, &["keys", "show", name, "--address", "--keyring-backend", "test"])
}

/// Address of the faucet.
///
/// # Errors
/// What `geod` says.
pub fn faucet_address(network: &Localnet) -> anyhow::Result<String> {
    key_address(&network.nodes.first().context("the network has no nodes")?.home, FAUCET)
}

/// Refuses a node one of whose ports is taken.
///
/// # Errors
/// Names the port, what it is for, and the remedy.
pub fn check_ports(node: &Node) -> anyhow::Result<()> {
    for (port, what) in node.ports() {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            bail!(
                "port {port} ({what} of {}) is taken: free it, or choose others with --base-port",
                node.name()
            );
        }
    }
    Ok(())
}

/// All nodes of a network but one, as CometBFT's configuration names them.
fn peers_of(network: &Localnet, node: &Node) -> anyhow::Result<String> {
    let others = network.nodes.iter().filter(|n| n.index != node.index);
    let peer = |other: &Node| {
        geod(&other.home, &["comet", "show-node-id"]).map(|id| format!("{id}@127.0.0.1:{}", other.p2p()))
    };
    Ok(others.map(peer).collect::<anyhow::Result<Vec<_>>>()?.join(","))
}

/// Writes what is special about nodes that share a machine into a node's configuration: ports, peers on loopback, short
/// blocks.
///
/// # Errors
/// What `geod` says.
pub fn configure(node: &Node) -> anyhow::Result<()> {
    let address = |port: u16| format!("tcp://127.0.0.1:{port}");
    for (file, key, value) in [
        ("config", "rpc.laddr", address(node.rpc())),
        ("config", "p2p.laddr", address(node.p2p())),
        ("config", "p2p.addr_book_strict", "false".to_owned()),
        ("config", "p2p.allow_duplicate_ip", "true".to_owned()),
        ("config", "consensus.timeout_commit", "700ms".to_owned()),
        ("app", "grpc.address", format!("127.0.0.1:{}", node.grpc())),
        ("client", "node", node.url()),
    ] {
        geod(&node.home, &["config", "set", file, key, &value])?;
    }
    Ok(())
}

/// The program to start: with flags that make it misbehave, the one that was built for tests of that.
fn to_start(name: &str, faults: &[&str]) -> anyhow::Result<PathBuf> {
    match faults {
        [] => program(name),
        _ => program(&format!("{name}-faults")),
    }
}

/// Starts a process of a node and writes it down.
fn start(network: &mut Localnet, what: &str, node: &Node, command: &mut Command) -> anyhow::Result<()> {
    let name = format!("{what}-{}", node.name());
    let log = network.dir.join(format!("{name}.log"));
    network.processes.push(Process::start(&name, &log, command)?);
    network.save()
}

/// Starts `geod` of a node, which runs CometBFT.
///
/// # Errors
/// The program cannot be started.
pub fn start_geod(network: &mut Localnet, node: &Node, faults: &[&str]) -> anyhow::Result<()> {
    let mut geod = Command::new(to_start("geod", faults)?);
    geod.arg("--home").arg(&node.home).arg("start").args(faults);
    start(network, "geod", node, &mut geod)
}

/// Starts `mlnode` of a node, at low priority, so that blocks keep their pace.
///
/// # Errors
/// The program cannot be started.
pub fn start_mlnode(network: &mut Localnet, node: &Node, faults: &[&str]) -> anyhow::Result<()> {
    let mut mlnode = Command::new("nice");
    mlnode.args(["-n", "15"]).arg(to_start("mlnode", faults)?).args(["serve", "--threads", "1", "--listen"]);
    mlnode.arg(format!("127.0.0.1:{}", node.mlnode())).args(faults);
    start(network, "mlnode", node, &mut mlnode)
}

/// Sets up, funds and registers the agent of a node, through the RPC of one whose chain makes blocks.
///
/// # Errors
/// What `geod` says.
pub fn init_agent(node: &Node, through: &Node) -> anyhow::Result<()> {
    let (mlnode, listen) =
        (format!("http://127.0.0.1:{}", node.mlnode()), format!("127.0.0.1:{}", node.agent()));
    let (url, rpc) = (format!("https://{listen}"), through.url());
    let home = node.home.display().to_string();
    let who = ["--home", &home, "--keyring-backend", "test", "--participant", "operator"];
    let places = ["--mlnode", &mlnode, "--listen", &listen, "--url", &url, "--node", &rpc];
    let coins = ["--gas-price", "0ugeo", "--fund-from", "operator", "--fund", AGENT_COINS, "--register"];
    geod(&node.home, &[&["agent", "init"][..], &who, &places, &coins].concat()).map(drop)
}

/// Starts the agent of a node.
///
/// # Errors
/// The program cannot be started.
pub fn start_agent(network: &mut Localnet, node: &Node, faults: &[&str]) -> anyhow::Result<()> {
    let mut agent = Command::new(to_start("geod", faults)?);
    agent.args(["agent", "start", "--home"]).arg(&node.home).args(faults);
    start(network, "agent", node, &mut agent)
}

/// Sends coins of the faucet.
///
/// # Errors
/// What `geod` says.
pub fn faucet(network: &Localnet, address: &str, coins: &str) -> anyhow::Result<String> {
    let first = network.nodes.first().context("the network has no nodes")?;
    send(first, FAUCET, address, coins)
}

/// Sends coins and waits until they are in a block; returns the hash.
///
/// # Errors
/// What `geod` says.
pub fn send(node: &Node, from: &str, to: &str, coins: &str) -> anyhow::Result<String> {
    let rpc = node.url();
    let common = ["--node", &rpc, "--keyring-backend", "test", "-y", "--gas", "200000", "-o", "json"];
    let printed = geod(&node.home, &[&["tx", "bank", "send", from, to, coins], common.as_slice()].concat())?;
    included(node, &printed)
}

/// Waits until a transaction that `geod tx` printed is in a block; returns its hash.
///
/// # Errors
/// It was refused, or is in no block in time.
pub fn included(node: &Node, printed: &str) -> anyhow::Result<String> {
    let answer: serde_json::Value =
        serde_json::from_str(printed).with_context(|| format!("geod printed {printed:?}"))?;
    let of = |v: &serde_json::Value, name: &str| {
        v.get(name).and_then(|n| n.as_str()).unwrap_or_default().to_owned()
    };
    let code = |v: &serde_json::Value| v.get("code").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let hash = of(&answer, "txhash");
    if code(&answer) != 0 {
        bail!("transaction {hash} was refused: {}", of(&answer, "raw_log"));
    }
    let rpc = node.url();
    let result =
        geod(&node.home, &["query", "wait-tx", &hash, "--timeout", "120s", "--node", &rpc, "-o", "json"])?;
    let result: serde_json::Value = serde_json::from_str(&result)?;
    if code(&result) != 0 {
        bail!("transaction {hash} failed: {}", of(&result, "raw_log"));
    }
    Ok(hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let node = Node { port, ..Node::new(Path::new("x"), 1, 0) };
        assert!(check_ports(&node).unwrap_err().to_string().contains(&format!("port {port}")));
    }
}
