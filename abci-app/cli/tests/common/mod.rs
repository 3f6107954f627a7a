//! Homes and running nodes for the tests.
#![allow(dead_code)] // each test program uses a part of it

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use geodesic_client::address::Kind;
use geodesic_client::key::SecretKey;
use geodesic_client::keyring::{Backend, Keyring};
use geodesic_client::prompt::Terminal;
use serde_json::Value;

pub(crate) const GEOD: &str = env!("CARGO_BIN_EXE_geod");

pub(crate) struct Home {
    pub(crate) dir: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(GEOD);
        command.args(args).arg("--home").arg(self.path()).args(["--keyring-backend", "test"]);
        command.stdin(Stdio::null()).env_remove("GEOD_RESTARTS");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?} was not refused");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A key in the keyring, and its address.
    pub(crate) fn key(&self, name: &str) -> String {
        let mut keyring = Keyring::open(Backend::Test, &self.path(), Box::new(Terminal)).unwrap();
        let record = keyring.add(name, &SecretKey::random()).unwrap();
        Kind::Account.encode("geo", &record.address()).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.file(name)).unwrap()).unwrap()
    }

    /// A network of one validator on ports of its own.
    pub(crate) fn network(&self) {
        self.ok(&["init", "one", "--chain-id", "test-1"]);
        self.key("validator");
        self.ok(&["genesis", "add-genesis-account", "validator", "1000000000ugeo"]);
        self.ok(&["genesis", "gentx", "validator", "500000000ugeo", "--ip", "127.0.0.1"]);
        self.ok(&["genesis", "collect-gentxs"]);
        self.ports();
    }

    /// Ports that are free now, and quick blocks.
    pub(crate) fn ports(&self) {
        for (file, key, value) in [
            ("config", "rpc.laddr", format!("tcp://127.0.0.1:{}", free_port())),
            ("config", "p2p.laddr", format!("tcp://127.0.0.1:{}", free_port())),
            ("config", "consensus.timeout_commit", "100ms".to_owned()),
            ("app", "grpc.address", format!("127.0.0.1:{}", free_port())),
        ] {
            self.ok(&["config", "set", file, key, &value]);
        }
    }

    pub(crate) fn start(&self, args: &[&str]) -> Node {
        let mut command = self.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The test may have seen enough.
                let _ = send.send(line);
            }
        });
        Node { child, lines, seen: Vec::new() }
    }

    pub(crate) fn height(&self) -> Option<u64> {
        let url = self.ok(&["config", "get", "config", "rpc.laddr"]);
        let status = self.run(&["status", "--node", url.trim()]);
        let status: Value = serde_json::from_slice(&status.stdout).ok()?;
        status["sync_info"]["latest_block_height"].as_str()?.parse().ok()
    }

    pub(crate) fn wait_for_height(&self, height: u64) -> u64 {
        wait("a height", || self.height().filter(|now| *now >= height))
    }
}

/// A running `geod start`, ended when dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
    pub(crate) seen: Vec<String>,
}

impl Node {
    /// The first line of its output with this text.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
        panic!("no {text:?} in {:#?}", self.seen);
    }

    pub(crate) fn signal(&self, signal: &str) {
        signal_process(self.child.id(), signal);
    }

    pub(crate) fn comet_pid(&mut self) -> u32 {
        let line = self.line("started pid=");
        line.split("pid=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn end(&mut self) -> Option<i32> {
        wait("the end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal_process(pid: u32, signal: &str) {
    assert!(Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap().success());
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) fn wait<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(90) {
        if let Some(value) = ready() {
            return value;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} did not come");
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
