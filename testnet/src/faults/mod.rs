//! Faults done to a network of real processes, and what must hold after each of them.

pub mod ledger;
pub mod links;
pub mod load;
pub mod torture;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::time::sleep;

use crate::localnet::chain::Chain;
use crate::localnet::{Localnet, Node, Process, setup};

/// How long anything may take; what should take seconds takes minutes on a machine with other things to do.
pub const GUARD: Duration = Duration::from_secs(300);

const PAUSE: Duration = Duration::from_millis(200);

/// A network whose nodes are started, stopped, killed and restarted one by one.
#[derive(Debug)]
pub struct Cluster {
    /// Its homes, and the processes to end if this process is gone.
    pub network: Localnet,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    node: u16,
    process: Process,
    child: Child,
}

/// Four nodes, as the first of ten free ports and the folder say.
///
/// # Errors
/// No free ports, or what `geod` says.
pub fn create(dir: &Path, set: &[&str]) -> anyhow::Result<Cluster> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    // Tests of other checkouts on the same machine begin elsewhere.
    let first = 17_000 + u16::try_from(std::process::id() % 100)? * 100;
    let free = |base: &u16| (0..5).all(|i| setup::check_ports(&Node::new(dir, *base, i)).is_ok());
    let base = (first..first + 2_000).step_by(100).find(free).context("no free ports")?;
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let network = setup::create_with(dir, base, 4, "stake", &load::accounts()?, &set)?;
    Ok(Cluster { network, running: Vec::new() })
}

impl Cluster {
    /// The network of a folder, none of whose nodes runs.
    ///
    /// # Errors
    /// There is none.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        let network = Localnet::load(dir)?;
        network.stop();
        Ok(Self { network: Localnet { processes: Vec::new(), ..network }, running: Vec::new() })
    }

    /// A node.
    ///
    /// # Errors
    /// There is none of this index.
    pub fn node(&self, index: u16) -> anyhow::Result<&Node> {
        self.network.nodes.iter().find(|n| n.index == index).with_context(|| format!("no node {index}"))
    }

    /// Indices of all nodes.
    pub fn indices(&self) -> Vec<u16> {
        self.network.nodes.iter().map(|n| n.index).collect()
    }

    /// Starts `geod` of a node, which runs CometBFT.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&mut self, index: u16) -> anyhow::Result<()> {
        self.start_with(index, "geod", &[], &[])
    }

    /// Starts all nodes.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        self.indices().into_iter().try_for_each(|index| self.start(index))
    }

    /// Starts `geod` or `geod-faults` of a node with more flags and environment.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_with(
        &mut self,
        index: u16,
        program: &str,
        flags: &[&str],
        environment: &[(&str, &OsStr)],
    ) -> anyhow::Result<()> {
        let mut command = Command::new(setup::program(program)?);
        command.arg("--home").arg(&self.node(index)?.home).arg("start").args(flags);
        command.envs(environment.iter().copied());
        self.spawn(index, "geod", &mut command)
    }

    /// Starts a program as a process of a node.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(&mut self, index: u16, what: &str, command: &mut Command) -> anyhow::Result<()> {
        let name = format!("{what}-node{index}");
        let log = self.network.dir.join(format!("{name}.log"));
        let (process, child) = Process::spawn(&name, &log, command)?;
        self.network.processes.retain(Process::is_alive);
        self.network.processes.push(process.clone());
        self.running.push(Running { node: index, process, child });
        self.network.save()
    }

    fn at(&self, index: u16) -> anyhow::Result<&Running> {
        self.running.iter().find(|r| r.node == index).with_context(|| format!("node{index} was not started"))
    }

    /// The process of a node that was started first.
    ///
    /// # Errors
    /// It was not started.
    pub fn process(&self, index: u16) -> anyhow::Result<&Process> {
        self.at(index).map(|r| &r.process)
    }

    /// CometBFT under a node's `geod`.
    ///
    /// # Errors
    /// There is none.
    pub fn comet(&self, index: u16) -> anyhow::Result<Process> {
        self.process(index)?
            .children()
            .into_iter()
            .next()
            .with_context(|| format!("node{index} has no CometBFT"))
    }

    /// Kills a node and waits until its CometBFT is gone too.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self, index: u16) -> anyhow::Result<()> {
        let all: Vec<Process> =
            self.running.iter().filter(|r| r.node == index).map(|r| r.process.clone()).collect();
        let children: Vec<Process> = all.iter().flat_map(Process::children).collect();
        all.iter().for_each(|p| p.signal("-KILL"));
        self.reap(index)?;
        gone(&children)
    }

    /// Kills all nodes at the same time.
    ///
    /// # Errors
    /// The system's.
    pub fn kill_all(&mut self) -> anyhow::Result<()> {
        let children: Vec<Process> = self.running.iter().flat_map(|r| r.process.children()).collect();
        self.running.iter().for_each(|r| r.process.signal("-KILL"));
        self.indices().into_iter().try_for_each(|index| self.reap(index))?;
        gone(&children)
    }

    /// Stops a node as an operator does.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn stop(&mut self, index: u16) -> anyhow::Result<()> {
        for running in self.running.iter().filter(|r| r.node == index) {
            running.process.terminate();
        }
        self.reap(index)
    }

    /// Waits for the end of a node's processes.
    fn reap(&mut self, index: u16) -> anyhow::Result<()> {
        while self.running.iter().any(|r| r.node == index) {
            self.ended(index)?;
        }
        Ok(())
    }

    /// Waits for the end of a node's first process; returns how it ended.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn ended(&mut self, index: u16) -> anyhow::Result<ExitStatus> {
        let at = self.running.iter().position(|r| r.node == index);
        let at = at.with_context(|| format!("node{index} was not started"))?;
        let begin = Instant::now();
        loop {
            let running = self.running.get_mut(at).context("a process")?;
            if let Some(status) = running.child.try_wait()? {
                self.running.remove(at);
                return Ok(status);
            }
            ensure!(
                begin.elapsed() < GUARD,
                "{} does not end, see {}",
                running.process.name,
                running.process.log.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Halts a node's processes as a frozen machine would, CometBFT first; returns what [`Cluster::resume`] wakes.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self, index: u16) -> anyhow::Result<Vec<Process>> {
        let all = vec![self.comet(index)?, self.process(index)?.clone()];
        all.iter().for_each(|p| p.signal("-STOP"));
        Ok(all)
    }

    /// Wakes what was paused.
    pub fn resume(paused: &[Process]) {
        paused.iter().rev().for_each(|p| p.signal("-CONT"));
    }

    /// Whether a node's first process runs.
    pub fn runs(&self, index: u16) -> bool {
        self.process(index).is_ok_and(Process::is_alive)
    }

    /// Folder of a node's data.
    ///
    /// # Errors
    /// There is no such node.
    pub fn data(&self, index: u16) -> anyhow::Result<PathBuf> {
        Ok(self.node(index)?.home.join("data"))
    }

    /// The log of a node's `geod` and CometBFT, over all its runs.
    pub fn log(&self, index: u16) -> String {
        let path = self.network.dir.join(format!("geod-node{index}.log"));
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    }

    /// The highest height that any node answers with; 0 if none does.
    ///
    /// # Errors
    /// A URL that is none.
    pub async fn top(&self) -> anyhow::Result<u64> {
        let mut top = 0;
        for node in &self.network.nodes {
            top = top.max(Chain::new(node)?.height().await.map_or(0, |(height, _)| height));
        }
        Ok(top)
    }

    /// Waits until some nodes have a height and are not catching up.
    ///
    /// # Errors
    /// A node's process ended, or the height does not come in time.
    pub async fn reach(&self, nodes: &[u16], height: u64) -> anyhow::Result<()> {
        let begin = Instant::now();
        for &index in nodes {
            let chain = Chain::new(self.node(index)?)?;
            while !matches!(chain.height().await, Some((h, false)) if h >= height) {
                let process = self.process(index)?;
                ensure!(process.is_alive(), "{} ended:\n{}", process.name, process.tail(12));
                if begin.elapsed() > GUARD {
                    bail!("node{index} is not at height {height} after {GUARD:?}:\n{}", process.tail(12));
                }
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}

/// Waits until processes are gone.
fn gone(all: &[Process]) -> anyhow::Result<()> {
    let begin = Instant::now();
    while let Some(left) = all.iter().find(|p| p.is_alive()) {
        ensure!(begin.elapsed() < GUARD, "{} goes on without its parent", left.name);
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for running in &mut self.running {
            // A paused process has to wake to end, and its child ends with it.
            running.process.children().iter().for_each(|p| p.signal("-CONT"));
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}
