//! Clients as people have them, from the registries, against one real network; testnet/clients/README.md lists them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cosmrs_client;
mod network;
mod programs;

use network::Network;
use programs::{CLIENTS, install, run};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn clients_from_the_registries_work_unchanged() {
    let clients = || CLIENTS.iter().filter(|c| !c.is_skipped());
    let mut accounts: Vec<&'static str> = clients().map(|c| c.name).collect();
    accounts.push(cosmrs_client::NAME);
    let network = Network::start(&accounts).await;

    let mut runs = JoinSet::new();
    for client in clients() {
        let environment = network.environment(client.name);
        runs.spawn(async move {
            let outcome = match install(client).await {
                Ok(dir) => run(client, &dir, &environment).await,
                Err(e) => Err(e),
            };
            outcome.map_err(|e| format!("=== {} ===\n{e:#}", client.name))
        });
    }
    let (rpc, account) = (network.rpc_url(), network.account(cosmrs_client::NAME));
    runs.spawn(async move {
        let outcome = cosmrs_client::scenario(&rpc, &account).await;
        outcome.map_err(|e| format!("=== {} ===\n{e:#}", cosmrs_client::NAME))
    });
    let outcomes = runs.join_all().await;
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}\n\nthe node's log: {}", failures.join("\n\n"), network.log().display());
}
