//! Databases that are old, ahead, gone or damaged: rows 10 to 13.

use std::fs;
use std::path::{Path, PathBuf};

use geodesic_testnet::localnet::setup;

use crate::{Net, copy, dir};

/// CometBFT's own databases in a data folder; what the validator signed last is not among them and never goes back.
const COMET: [&str; 5] = ["blockstore.db", "state.db", "evidence.db", "tx_index.db", "cs.wal"];

fn application(net: &Net, node: u16) -> PathBuf {
    net.cluster.data(node).unwrap().join("application.db")
}

/// Replaces a folder.
fn restore(from: &Path, to: &Path) {
    fs::remove_dir_all(to).unwrap();
    copy(from, to);
}

/// Row 10.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn an_old_copy_of_the_database_replays() {
    let mut net = Net::start("old").await;
    net.grow(&[3], 2).await;
    net.cluster.stop(3).unwrap();
    let (own, old) = (application(&net, 3), dir("old").join("backup"));
    copy(&own, &old);
    net.cluster.start(3).unwrap();
    net.grow(&[3], 6).await;
    net.cluster.stop(3).unwrap();
    restore(&old, &own);
    net.cluster.start(3).unwrap();
    net.check().await;
    let opened = net.opened(3);
    assert_eq!(opened[1], opened[2], "the copy's height: {opened:?}");
    let log = net.cluster.log(3);
    let (_, last) = log.rsplit_once("application opened").unwrap();
    let replayed = last
        .lines()
        .take_while(|l| !l.contains("Completed ABCI Handshake"))
        .filter(|l| l.contains(" committed height="));
    assert!(replayed.count() >= 5, "blocks replayed in the handshake");
}

/// Row 11.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn a_database_ahead_is_refused_and_goes_back_by_rollback() {
    let mut net = Net::start("ahead").await;
    net.grow(&[3], 3).await;
    net.cluster.stop(3).unwrap();
    let data = net.cluster.data(3).unwrap();
    let old = dir("ahead").join("backup");
    fs::create_dir_all(&old).unwrap();
    COMET.iter().for_each(|name| copy(&data.join(name), &old.join(name)));
    net.cluster.start(3).unwrap();
    net.grow(&[3], 4).await;
    net.cluster.stop(3).unwrap();
    COMET.iter().for_each(|name| restore(&old.join(name), &data.join(name)));

    net.cluster.start(3).unwrap();
    while !net.cluster.log(3).contains("CometBFT ended by itself") {
        assert!(net.cluster.runs(3));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    net.cluster.kill(3).unwrap();
    assert!(
        net.cluster.log(3).contains("is higher than core"),
        "CometBFT says that the application is ahead"
    );
    let home = net.cluster.node(3).unwrap().home.clone();
    let said = setup::geod(&home, &["rollback"]).unwrap();
    assert!(said.contains("Rolled back"), "{said}");
    net.cluster.start(3).unwrap();
    net.check().await;
}

/// Row 12.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn a_deleted_database_is_replayed_from_genesis() {
    let mut net = Net::start("deleted").await;
    net.grow(&[3], 5).await;
    net.cluster.kill(3).unwrap();
    fs::remove_dir_all(application(&net, 3)).unwrap();
    net.cluster.start(3).unwrap();
    net.check().await;
    assert_eq!(net.opened(3).last(), Some(&0));
}

/// Files of a database whose names have an ending or a beginning, the largest first.
fn files(db: &Path, part: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(db).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        all.filter(|p| p.file_name().unwrap().to_string_lossy().contains(part)).collect();
    all.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().len()));
    all
}

fn flip(path: &Path, per_mille: u64) {
    let mut bytes = fs::read(path).unwrap();
    let at = u64::try_from(bytes.len()).unwrap() * per_mille / 1000;
    bytes[usize::try_from(at).unwrap()] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

/// Starts a damaged node. It says what is wrong and ends, or it goes on and has what the others have; nothing in between.
async fn refused(net: &mut Net, what: &str) -> bool {
    let before = net.cluster.log(3).len();
    net.cluster.start(3).unwrap();
    let height = net.cluster.top().await.unwrap() + 3;
    match net.cluster.reach(&[3], height).await {
        Ok(()) => {
            net.check().await;
            net.cluster.stop(3).unwrap();
            eprintln!("{what}: harmless");
            false
        }
        Err(error) => {
            let status = net.cluster.ended(3).unwrap_or_else(|_| panic!("{what}: {error}"));
            let log = net.cluster.log(3);
            let said = log[before..]
                .lines()
                .rfind(|l| l.contains("Error: database ") || l.contains("halting reason"));
            let said = said.filter(|line| line.contains("application.db")).map(str::to_owned);
            let said = said.unwrap_or_else(|| panic!("{what}: {}", &log[before..]));
            assert!(!status.success(), "{what}: {status}");
            eprintln!("{what}: {status}, {said}");
            true
        }
    }
}

/// Row 13.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a network of real processes: cargo xtask test --all"]
async fn a_damaged_database_is_refused_or_right() {
    let mut net = Net::start("damaged").await;
    net.grow(&[3], 3).await;
    // Opening a database writes what was in the log into a table.
    net.cluster.stop(3).unwrap();
    net.cluster.start(3).unwrap();
    net.grow(&[3], 3).await;
    net.cluster.stop(3).unwrap();
    let (own, good) = (application(&net, 3), dir("damaged").join("good"));
    copy(&own, &good);

    let table = files(&own, ".sst")[0].clone();
    let mut found = false;
    for per_mille in [50, 500] {
        flip(&table, per_mille);
        found |= refused(&mut net, &format!("table at {per_mille}/1000")).await;
        restore(&good, &own);
    }
    assert!(found, "no flipped byte of a table was seen");
    flip(&files(&own, "MANIFEST")[0], 500);
    assert!(refused(&mut net, "manifest").await);
    restore(&good, &own);

    let log = files(&own, ".log").into_iter().find(|path| path.metadata().unwrap().len() > 0).unwrap();
    let length = log.metadata().unwrap().len();
    fs::File::options().write(true).open(&log).unwrap().set_len(length - 10).unwrap();
    if refused(&mut net, "cut log").await {
        restore(&good, &own);
    }
    net.cluster.start(3).unwrap();
    net.check().await;
}
