//! A real CometBFT against the server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use geodesic_app::abci::grammar::{Recorder, check};
use geodesic_app::abci::{Address, Fatal, Limits, Server};

use crate::app::App;

/// A `cometbft` child, killed when dropped.
struct Comet(Child);

impl Comet {
    fn command(home: &Path) -> Command {
        let mut command = Command::new(std::env::var("COMETBFT").unwrap_or_else(|_| "cometbft".into()));
        command.arg("--home").arg(home);
        command
    }

    fn start(home: &Path, address: &Address, log: &Path) -> Self {
        let child = Self::command(home)
            .args(["start", "--rpc.laddr", "tcp://127.0.0.1:0", "--p2p.laddr", "tcp://127.0.0.1:0"])
            .args(["--consensus.create_empty_blocks=true", "--proxy_app", &address.to_string()])
            .stdout(std::fs::File::create(log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Comet {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a real node: genesis, five blocks, then a restart of CometBFT alone, three more blocks.
#[test]
#[ignore = "needs cometbft v0.38 in PATH or in COMETBFT"]
fn cometbft_makes_blocks() {
    for tcp in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let home: PathBuf = dir.path().join("home");
        assert!(Comet::command(&home).arg("init").output().unwrap().status.success());
        let inner = App::new(Fatal::default());
        for (run, want) in [(1, 5), (2, 8)] {
            let address = if tcp {
                Address::Tcp("127.0.0.1:0".into())
            } else {
                Address::Unix(dir.path().join("app.sock"))
            };
            let app = Recorder::new(inner.clone());
            let server = Server::bind(&address, Limits::default()).unwrap();
            let server = server.serve(app.clone(), Fatal::default()).unwrap();
            let log = dir.path().join("log");
            let comet = Comet::start(&home, server.local_addr(), &log);
            let start = Instant::now();
            while inner.height() < want {
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "{}",
                    std::fs::read_to_string(&log).unwrap()
                );
                thread::sleep(Duration::from_millis(20));
            }
            drop(comet);
            check(&app.calls()).unwrap();
            println!("{} run {run}, {:?}: {:?}", server.local_addr(), start.elapsed(), app.calls());
        }
        assert_eq!(inner.calls("init_chain"), 1);
    }
}
