//! What a call of ABCI costs over the socket.
use std::time::Instant;

use anyhow::{Result, ensure};
use geodesic_app::abci::client::AbciClient;
use geodesic_app::abci::{Address, Fatal, Limits, Server};
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::RequestCheckTx;

use crate::figure::Measured;
use crate::ledger::{Accounts, block, genesis, median, open};

const CALLS: usize = 3000;

/// CheckTx of transfers by a unix socket, one after the other as CometBFT sends what arrives by itself.
pub(crate) fn calls() -> Result<Measured> {
    let dir = tempfile::tempdir()?;
    let accounts = Accounts::new(100_000, CALLS)?;
    let addresses = accounts.addresses()?;
    let app = open(&dir.path().join("db"))?;
    app.init_chain(genesis(&addresses)?);
    block(&app, &[])?;
    let address: Address = format!("unix://{}", dir.path().join("abci.sock").display()).parse()?;
    let server = Server::bind(&address, Limits::default())?.serve(app, Fatal::default())?;
    let mut client = AbciClient::connect(&address)?;
    let mut times = Vec::new();
    for tx in accounts.transfers(&addresses)? {
        let start = Instant::now();
        let response = client.check_tx(RequestCheckTx { tx, r#type: 0 })?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        ensure!(response.code == 0, "CheckTx: {}", response.log);
    }
    drop(client);
    server.shutdown();
    server.join();
    let mut measured = Measured::default();
    measured.put("abci_call_us", median(&mut times));
    Ok(measured)
}
