//! What transactions cost in the mempool and in blocks.
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use prost::bytes::Bytes;
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{RequestCheckTx, RequestInfo};

use crate::figure::Measured;
use crate::floor;
use crate::ledger::{Accounts, TRANSFERS, block, genesis, median, memory_mb, open};

/// Blocks before those that count.
const WARM_UP: usize = 20;
/// Blocks that count.
const COUNTED: usize = 20;
/// Blocks after a restart.
const LATER: usize = 10;

/// CheckTx of transfers that the application has not seen.
pub(crate) fn check_tx() -> Result<Measured> {
    let dir = tempfile::tempdir()?;
    let accounts = Accounts::new(100_000, 7 * TRANSFERS)?;
    let addresses = accounts.addresses()?;
    let transfers = accounts.transfers(&addresses)?;
    let app = open(dir.path())?;
    app.init_chain(genesis(&addresses)?);
    let mut times = Vec::new();
    for part in transfers.chunks(TRANSFERS) {
        // A mempool that has room, and a state that has been committed.
        block(&app, &[])?;
        let start = Instant::now();
        for tx in part {
            let response = app.check_tx(RequestCheckTx { tx: tx.clone(), r#type: 0 });
            ensure!(response.code == 0, "CheckTx: {}", response.log);
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / TRANSFERS as f64);
    }
    let mut measured = Measured::default();
    measured.put("check_tx_us", median(&mut times));
    Ok(measured)
}

/// Blocks of transfers at a number of accounts, written to disk; at a million also what else is said of that chain.
pub(crate) fn blocks(name: &str, count: u64) -> Result<Measured> {
    let mut measured = Measured::default();
    let dir = tempfile::tempdir()?;
    let db = dir.path().join("db");
    // A small chain has fewer accounts than the run has transfers: then fewer are sent.
    let transfers = ((WARM_UP + COUNTED + LATER) * TRANSFERS).min(usize::try_from(count / 2)?);
    let accounts = Accounts::new(count, transfers)?;
    let addresses = accounts.addresses()?;
    let mut txs = accounts.transfers(&addresses)?;
    let later = txs.split_off(txs.len() - (LATER * TRANSFERS).min(txs.len() / 2));
    let request = genesis(&addresses)?;
    drop((accounts, addresses));
    let before = memory_mb("VmRSS")?;
    let start = Instant::now();
    let app = open(&db)?;
    app.init_chain(request);
    let blocks: Vec<_> = txs.chunks(TRANSFERS).collect();
    let mut rest = blocks.iter();
    if let Some(first) = rest.next() {
        block(&app, first)?;
    }
    measured.put(format!("genesis_{name}_s"), start.elapsed().as_secs_f64());
    measured.put(format!("genesis_{name}_mb"), memory_mb("VmHWM")?.max(before));

    let warm_up = WARM_UP.min(rest.len() / 2);
    let mut times = Vec::new();
    for (i, txs) in rest.enumerate() {
        let us = block(&app, txs)? / TRANSFERS as f64;
        if i >= warm_up {
            times.push(us);
        }
    }
    let per_tx = median(&mut times);
    measured.put(format!("block_{name}_us"), per_tx);
    drop(app);
    if name == "1m" {
        let floor = floor::per_transfer()?;
        measured.put("floor_us", floor);
        measured.put("floor_share", floor / per_tx);
        // A process of its own: this one has held a genesis.
        let file = dir.path().join("later");
        std::fs::write(&file, serde_json::to_vec(&later)?)?;
        measured.extend(crate::child(&["--group", "later", "--dir", &dir.path().to_string_lossy()])?);
    }
    Ok(measured)
}

/// Start and memory on the disk that [`blocks`] leaves.
pub(crate) fn later(dir: &Path) -> Result<Measured> {
    let mut measured = Measured::default();
    let start = Instant::now();
    let app = open(&dir.join("db"))?;
    let info = app.info(RequestInfo::default());
    measured.put("start_1m_s", start.elapsed().as_secs_f64());
    ensure!(info.last_block_height > 0, "the state is empty");
    let txs: Vec<Bytes> = serde_json::from_slice(&std::fs::read(dir.join("later"))?)?;
    for txs in txs.chunks(TRANSFERS) {
        block(&app, txs)?;
    }
    measured.put("rss_1m_mb", memory_mb("VmRSS")?);
    Ok(measured)
}
