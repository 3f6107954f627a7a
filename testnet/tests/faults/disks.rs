//! Disks that are full or fail under the application: rows 14 and 15.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use geodesic_app::abci::EXIT_CODE;

use crate::{Net, create, dir, is_root};

/// A small file system, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, size: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).status().unwrap();
        assert!(status.success(), "mount {}", at.display());
        Self(at.to_path_buf())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// RocksDB reserves room behind the end of its log, enough for a thousand blocks; all but a few blocks' worth goes back.
fn give_back_reserve(db: &Path) {
    for entry in fs::read_dir(db).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "log") {
            let from = (path.metadata().unwrap().len() / 4096 * 4096 + (256 << 10)).to_string();
            let hole = ["--punch-hole", "--offset", &from, "--length", "64MiB"];
            assert!(Command::new("fallocate").args(hole).arg(&path).status().unwrap().success());
        }
    }
}

/// The node halts itself with what the disk said; once it can write again it starts, and nothing is lost.
async fn halts_and_comes_back(net: &mut Net, said: &str, mend: impl FnOnce()) {
    let status = net.cluster.ended(3).unwrap();
    // RocksDB as Debian builds it may abort in a thread of its own, on the same error, before the process has ended itself.
    assert!(status.code() == Some(EXIT_CODE) || status.signal() == Some(6), "{status}");
    let log = net.cluster.log(3);
    let halted = log.lines().any(|line| line.contains("halting") && line.contains(said));
    assert!(halted, "{}", net.cluster.network.dir.display());
    net.grow(&[0, 1, 2], 2).await;
    mend();
    net.cluster.start(3).unwrap();
    net.check().await;
}

/// Row 14.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn a_full_disk_halts_the_node() {
    if !is_root() {
        eprintln!("left out: only root can mount a small disk");
        return;
    }
    let mut cluster = create("full");
    let db = cluster.data(3).unwrap().join("application.db");
    let _mount = Mount::tmpfs(&db, "64m");
    cluster.start_all().unwrap();
    let mut net = Net::of(cluster).await;
    net.grow(&[3], 2).await;
    give_back_reserve(&db);
    let ballast = db.join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file); // else its room stays taken when it is removed
    halts_and_comes_back(&mut net, "No space left on device", || fs::remove_file(&ballast).unwrap()).await;
    net.cluster.kill(3).unwrap();
}

/// Row 15.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn a_failing_disk_halts_the_node() {
    let mut cluster = create("eio");
    let (shim, trigger) = (dir("eio").join("failing_disk.so"), dir("eio").join("fail"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/failing_disk.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&shim)
        .arg(&source)
        .arg("-ldl")
        .status();
    assert!(built.unwrap().success(), "cc {}", source.display());
    for node in 0..3 {
        cluster.start(node).unwrap();
    }
    let environment = [("LD_PRELOAD", shim.as_os_str()), ("FAULT_DISK", trigger.as_os_str())];
    cluster.start_with(3, "geod", &[], &environment).unwrap();
    let mut net = Net::of(cluster).await;
    fs::write(&trigger, "").unwrap();
    halts_and_comes_back(&mut net, "Input/output error", || fs::remove_file(&trigger).unwrap()).await;
}
