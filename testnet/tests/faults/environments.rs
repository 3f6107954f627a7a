//! Nodes whose machines differ: rows 16 and 17.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use geodesic_testnet::localnet::setup;

use crate::{Net, create, dir};

/// The source of the released program.
const COMETBFT: &str = "github.com/cometbft/cometbft@v0.38.25";

/// The library of `faketime`, if it is installed.
fn faketime() -> Option<PathBuf> {
    let dirs = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
    dirs.iter().map(|dir| Path::new(dir).join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// Stock CometBFT but for its clock, which `FAULT_SKEW` moves: a static program, which no library reaches, so it is built from
/// the same source with one line of `types/time` replaced. `None` without Go.
fn comet_with_another_clock() -> Option<PathBuf> {
    let module =
        Command::new("go").args(["mod", "download", "-json", COMETBFT]).current_dir("/").output().ok()?;
    let module: serde_json::Value = serde_json::from_slice(&module.stdout).ok()?;
    let (source, program) = (dir("skew").join("source"), dir("skew").join("cometbft"));
    let _ = std::fs::remove_dir_all(dir("skew"));
    std::fs::create_dir_all(dir("skew")).unwrap();
    let copied =
        Command::new("cp").args(["-r", "--no-preserve=mode", module["Dir"].as_str()?]).arg(&source).status();
    assert!(copied.unwrap().success());
    let clock = source.join("types/time/time.go");
    let text = std::fs::read_to_string(&clock).unwrap();
    assert!(text.contains("Canonical(time.Now())"), "{}", clock.display());
    let text = text.replacen("import (", "import (\n\t\"os\"", 1);
    let text = text.replacen("Canonical(time.Now())", "Canonical(time.Now().Add(skew))", 1);
    let skew = "\nvar skew, _ = time.ParseDuration(os.Getenv(\"FAULT_SKEW\"))\n";
    std::fs::write(&clock, text + skew).unwrap();
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-o"]).arg(&program).arg("./cmd/cometbft").current_dir(&source);
    assert!(build.status().unwrap().success(), "go build in {}", source.display());
    std::fs::remove_dir_all(&source).unwrap();
    Some(program)
}

/// Row 16. Application and CometBFT of a node have the same wrong clock; what of the two cannot be moved here keeps the right one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn nodes_with_wrong_clocks_agree() {
    let (library, comet) = (faketime(), comet_with_another_clock());
    if library.is_none() {
        eprintln!(
            "left out: applications with a wrong clock, libfaketime is not installed (apt-get install faketime)"
        );
    }
    if comet.is_none() {
        eprintln!("left out: CometBFT with a wrong clock, there is no Go to build it with");
    }
    let mut cluster = create("clock");
    for (node, offset) in [(0, None), (1, None), (2, Some("-30s")), (3, Some("+30s"))] {
        let mut environment: Vec<(&str, &OsStr)> = Vec::new();
        if let (Some(offset), Some(library)) = (offset, &library) {
            environment.push(("LD_PRELOAD", library.as_os_str()));
            environment.push(("FAKETIME", OsStr::new(offset)));
            environment.push(("FAKETIME_DONT_FAKE_MONOTONIC", OsStr::new("1")));
        }
        if let (Some(offset), Some(comet)) = (offset, &comet) {
            environment.push(("COMETBFT", comet.as_os_str()));
            environment.push(("FAULT_SKEW", OsStr::new(offset)));
        }
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
    let memory = set(&[("MALLOC_ARENA_MAX", "1"), ("MALLOC_PERTURB_", "165"), ("MIMALLOC_PURGE_DELAY", "0")]);
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
