//! What transactions cost in the mempool and in blocks.
use std::time::Instant;

use anyhow::{Result, ensure};
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{RequestCheckTx, RequestInfo};

use crate::figure::Measured;
use crate::floor;
use crate::ledger::{Accounts, TRANSFERS, block, genesis, median, memory_mb, open};

/// Blocks before those that count.
const WARM_UP: usize = 20;
/// Blocks that count.
const COUNTED: usize = 20;

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
    // A small chain has fewer accounts than the run has transfers: then fewer are sent.
    let transfers = ((WARM_UP + COUNTED) * TRANSFERS).min(usize::try_from(count / 2)?);
    let accounts = Accounts::new(count, transfers)?;
    let addresses = accounts.addresses()?;
    let txs = accounts.transfers(&addresses)?;
    let request = genesis(&addresses)?;
    drop(addresses);
    let before = memory_mb("VmRSS")?;
    let start = Instant::now();
    let app = open(dir.path())?;
    app.init_chain(request);
    let blocks: Vec<_> = txs.chunks(TRANSFERS).collect();
    let mut rest = blocks.iter();
    if let Some(first) = rest.next() {
        block(&app, first)?;
    }
    measured.put(format!("genesis_{name}_s"), start.elapsed().as_secs_f64());
    measured.put(format!("genesis_{name}_mb"), memory_mb("VmHWM")? - before);
    drop(app);

    let start = Instant::now();
    let app = open(dir.path())?;
    let info = app.info(RequestInfo::default());
    measured.put(format!("start_{name}_s"), start.elapsed().as_secs_f64());
    ensure!(info.last_block_height == 1, "height {} after the start", info.last_block_height);

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
    measured.put(format!("rss_{name}_mb"), memory_mb("VmRSS")?);
    drop(app);
    if name == "1m" {
        let floor = floor::per_transfer()?;
        measured.put("floor_us", floor);
        measured.put("floor_share", floor / per_tx);
    }
    Ok(measured)
}
