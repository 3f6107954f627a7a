//! Nodes whose machines differ: rows 16 and 17.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use geodesic_testnet::localnet::setup;

use crate::{Net, create};

/// The library of `faketime`, if it is installed.
fn faketime() -> Option<PathBuf> {
    let dirs = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
    dirs.iter().map(|dir| Path::new(dir).join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// Row 16, the application's clock alone: CometBFT is a static program, which no library reaches.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn an_application_with_a_wrong_clock_agrees() {
    let Some(library) = faketime() else {
        eprintln!("left out: libfaketime is not installed (apt-get install faketime)");
        return;
    };
    let mut cluster = create("clock");
    for (node, offset) in [(0, None), (1, None), (2, Some("-30s")), (3, Some("+30s"))] {
        let environment: Vec<(&str, &OsStr)> = match offset {
            None => Vec::new(),
            Some(offset) => vec![
                ("LD_PRELOAD", library.as_os_str()),
                ("FAKETIME", OsStr::new(offset)),
                ("FAKETIME_DONT_FAKE_MONOTONIC", OsStr::new("1")),
            ],
        };
        cluster.start_with(node, "geod", &[], &environment).unwrap();
    }
    let net = Net::of(cluster).await;
    net.grow(&[0, 1, 2, 3], 20).await;
    net.check().await;
}

/// The release build, if there is one beside the debug build.
fn release() -> Option<PathBuf> {
    let debug = setup::program("geod").unwrap();
    Some(debug.parent()?.parent()?.join("release/geod")).filter(|path| path.is_file())
}

/// Row 17.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn nodes_of_different_machines_agree() {
    let mut cluster = create("machines");
    let set = |pairs: &'static [(&str, &str)]| -> Vec<(&'static str, &'static OsStr)> {
        pairs.iter().map(|(name, value)| (*name, OsStr::new(*value))).collect()
    };
    cluster.start_with(0, "geod", &[], &set(&[("TZ", "Asia/Kathmandu"), ("LC_ALL", "tr_TR.UTF-8")])).unwrap();
    let memory =
        set(&[("MALLOC_ARENA_MAX", "1"), ("MALLOC_PERTURB_", "165"), ("MALLOC_MMAP_THRESHOLD_", "4096")]);
    cluster.start_with(1, "geod", &[], &memory).unwrap();
    // One core, one thread of the runtime, one of Go's.
    let mut single = Command::new("taskset");
    single.args(["--cpu-list", "0"]).arg(setup::program("geod").unwrap());
    single.arg("--home").arg(&cluster.node(2).unwrap().home).arg("start");
    single.envs([("TOKIO_WORKER_THREADS", "1"), ("GOMAXPROCS", "1")]);
    cluster.spawn(2, "geod", &mut single).unwrap();
    match release() {
        None => {
            eprintln!("no release build: all nodes run the debug build");
            cluster.start_with(3, "geod", &[], &set(&[("TZ", "Pacific/Auckland"), ("GOGC", "10")])).unwrap();
        }
        Some(program) => {
            let mut other = Command::new(program);
            other.arg("--home").arg(&cluster.node(3).unwrap().home).arg("start");
            cluster.spawn(3, "geod", &mut other).unwrap();
        }
    }
    let net = Net::of(cluster).await;
    net.grow(&[0, 1, 2, 3], 20).await;
    net.check().await;
}
