//! The connections between nodes, through relays that can be cut: peers dial each other through them alone.

use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Cluster;
use crate::localnet::setup::geod;

/// State of the link between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Bytes pass.
    Up,
    /// Nothing passes and nobody is told, as when packets are dropped: what was sent arrives once the link is up again.
    Silent,
    /// Connections are closed and none are taken.
    Down,
}

/// All links of a network.
#[derive(Debug)]
pub struct Links {
    links: Vec<((u16, u16), watch::Sender<Link>)>,
    tasks: Vec<JoinHandle<()>>,
}

impl Links {
    /// Puts a relay before every node for every other node, and has the configurations name them. Nodes must not run.
    ///
    /// # Errors
    /// What `geod` or the system says.
    pub async fn put(cluster: &Cluster) -> anyhow::Result<Self> {
        let mut links = Self { links: Vec::new(), tasks: Vec::new() };
        let mut ids = Vec::new();
        for node in &cluster.network.nodes {
            ids.push((node, geod(&node.home, &["comet", "show-node-id"])?));
        }
        for (from, _) in &ids {
            let mut peers = Vec::new();
            for (to, id) in ids.iter().filter(|(to, _)| to.index != from.index) {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                peers.push(format!("{id}@127.0.0.1:{}", listener.local_addr()?.port()));
                let (sender, state) = watch::channel(Link::Up);
                links.links.push(((from.index, to.index), sender));
                links.tasks.push(tokio::spawn(accept(listener, to.p2p(), state)));
            }
            for (key, value) in [("p2p.persistent_peers", peers.join(",").as_str()), ("p2p.pex", "false")] {
                geod(&from.home, &["config", "set", "config", key, value])?;
            }
        }
        Ok(links)
    }

    /// Sets all links between two groups of nodes.
    pub fn between(&self, one: &[u16], other: &[u16], state: Link) {
        for ((from, to), link) in &self.links {
            if (one.contains(from) && other.contains(to)) || (one.contains(to) && other.contains(from)) {
                link.send_replace(state);
            }
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn accept(listener: TcpListener, port: u16, state: watch::Receiver<Link>) {
    while let Ok((inner, _)) = listener.accept().await {
        if *state.borrow() != Link::Down {
            tokio::spawn(relay(inner, port, state.clone()));
        }
    }
}

/// Passes bytes both ways until a side or the link closes.
async fn relay(inner: TcpStream, port: u16, state: watch::Receiver<Link>) -> anyhow::Result<()> {
    let mut up = state.clone();
    up.wait_for(|link| *link != Link::Silent).await.context("the network is gone")?;
    let outer = TcpStream::connect(("127.0.0.1", port)).await?;
    inner.set_nodelay(true)?;
    outer.set_nodelay(true)?;
    let ((in_read, in_write), (out_read, out_write)) = (inner.into_split(), outer.into_split());
    let mut down = state.clone();
    tokio::select! {
        _ = pass(in_read, out_write, state.clone()) => {}
        _ = pass(out_read, in_write, state) => {}
        _ = down.wait_for(|link| *link == Link::Down) => {}
    }
    Ok(())
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Link>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        state.wait_for(|link| *link != Link::Silent).await?;
        to.write_all(buffer.get(..n).context("more than there is room for")?).await?;
    }
}

/// How long a test keeps a partition: longer than a consensus round, shorter than CometBFT's patience with a silent peer.
pub const PARTITION: Duration = Duration::from_secs(30);
