//! Plays recorded lives of a Go SDK chain to the application and compares every answer.
//!
//! The recordings were written by the Cosmos SDK 0.50.15: random blocks of good and bad transactions, then queries. Compared are codes, data, events, gas
//! and replies; app hashes differ, because indexes stand outside our trees and the Go chain mounts more stores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use geodesic_app::abci::Fatal;
use geodesic_app::{App, AppConfig};
use prost::Message;
use serde_json::Value;
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{
    Event, RequestCheckTx, RequestFinalizeBlock, RequestInitChain, RequestQuery, ResponseInitChain,
    ValidatorUpdate,
};

/// What is compared of a block's answer. The logs are left out: Go's may hold bytes that are no text.
#[derive(Clone, PartialEq, prost::Message)]
struct Want {
    #[prost(message, repeated, tag = "1")]
    events: Vec<Event>,
    #[prost(message, repeated, tag = "2")]
    tx_results: Vec<WantTx>,
    #[prost(message, repeated, tag = "3")]
    validator_updates: Vec<ValidatorUpdate>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WantTx {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(bytes = "bytes", tag = "2")]
    data: bytes::Bytes,
    #[prost(bytes = "vec", tag = "3")]
    log: Vec<u8>,
    #[prost(int64, tag = "5")]
    gas_wanted: i64,
    #[prost(int64, tag = "6")]
    gas_used: i64,
    #[prost(message, repeated, tag = "7")]
    events: Vec<Event>,
    #[prost(string, tag = "8")]
    codespace: String,
}

/// Agreements and disagreements of each kind.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Tally {
    fn compare<T: PartialEq + Debug>(&mut self, kind: &'static str, at: &str, ours: &T, theirs: &T) {
        let (same, misses) = self.0.entry(kind).or_default();
        if ours == theirs {
            *same += 1;
        } else {
            let mut text = format!("{kind} at {at}\n    go:   {theirs:?}\n    ours: {ours:?}");
            if text.len() > 3000 {
                text = text.chars().take(3000).collect();
            }
            misses.push(text);
        }
    }

    fn finish(self) {
        let mut failed = 0;
        for (kind, (same, misses)) in &self.0 {
            println!("{kind:20} {same} of {} equal", same + misses.len());
            misses.iter().take(5).for_each(|m| println!("{m}"));
            failed += misses.len();
        }
        assert_eq!(failed, 0, "answers differ from the Go SDK's");
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap_or_default()).unwrap()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn events(events: &[Event]) -> String {
    let attributes =
        |e: &Event| e.attributes.iter().map(|a| format!(" {}={}", a.key, a.value)).collect::<String>();
    events.iter().map(|e| format!("{}{}; ", e.r#type, attributes(e))).collect()
}

fn updates(updates: &[ValidatorUpdate]) -> Vec<(Vec<u8>, i64)> {
    let mut list: Vec<_> =
        updates.iter().map(|u| (u.pub_key.clone().unwrap().encode_to_vec(), u.power)).collect();
    list.sort();
    list
}

/// What happened to those who missed too many blocks or signed twice.
fn penalties(list: &[Event]) -> String {
    let kinds = ["slash", "liveness"];
    events(&list.iter().filter(|e| kinds.contains(&e.r#type.as_str())).cloned().collect::<Vec<_>>())
}

fn play(name: &str, gas: bool) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let only = recording["only"].as_str().unwrap_or_default().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let fatal = Fatal::with_action(|reason| println!("halted: {reason}"));
    let app = App::open(AppConfig::new(dir.path().join("db")), fatal, None).unwrap();
    let mut tally = Tally::default();

    let init = RequestInitChain::decode(bytes(&recording["init_chain"]).as_slice()).unwrap();
    let want = ResponseInitChain::decode(bytes(&recording["init_chain_reply"]).as_slice()).unwrap();
    let got = app.init_chain(init);
    tally.compare("genesis validators", "InitChain", &updates(&got.validators), &updates(&want.validators));

    for block in list(&recording["blocks"]) {
        let request = RequestFinalizeBlock::decode(bytes(&block["request"]).as_slice()).unwrap();
        let want = Want::decode(bytes(&block["response"]).as_slice()).unwrap();
        let (checks, what) = (list(&block["check_tx"]), list(&block["what"]));
        let height = request.height;
        let at = |i: usize| format!("height {height} tx {i} ({})", what[i].as_str().unwrap_or_default());
        for (i, tx) in request.txs.iter().enumerate() {
            let want = WantTx::decode(bytes(&checks[i]).as_slice()).unwrap();
            let got = app.check_tx(RequestCheckTx { tx: tx.clone(), r#type: 0 });
            let at = format!("{}: {} / {}", at(i), got.log, String::from_utf8_lossy(&want.log));
            tally.compare("CheckTx code", &at, &(got.codespace, got.code), &(want.codespace, want.code));
        }
        let got = app.finalize_block(request);
        for (i, (g, w)) in got.tx_results.iter().zip(&want.tx_results).enumerate() {
            let logs = format!("{}: {} / {}", at(i), g.log, String::from_utf8_lossy(&w.log));
            tally.compare("tx code", &logs, &(&g.codespace, g.code), &(&w.codespace, w.code));
            tally.compare("tx data", &at(i), &g.data, &w.data);
            if only != "staking" {
                // There the Go chain pays rewards as it goes.
                tally.compare("tx events", &at(i), &events(&g.events), &events(&w.events));
            }
            if gas {
                tally.compare("gas", &at(i), &(g.gas_used, g.gas_wanted), &(w.gas_used, w.gas_wanted));
            }
        }
        tally.compare("results", &format!("height {height}"), &got.tx_results.len(), &want.tx_results.len());
        if only != "transfers" {
            let at = format!("height {height}");
            tally.compare(
                "validator updates",
                &at,
                &updates(&got.validator_updates),
                &updates(&want.validator_updates),
            );
        }
        let (ours, theirs) = (penalties(&got.events), penalties(&want.events));
        tally.compare("penalties", &format!("height {height}"), &ours, &theirs);
        app.commit();
    }
    for query in list(&recording["queries"]) {
        let path = query["path"].as_str().unwrap_or_default().to_owned();
        let request =
            RequestQuery { path: path.clone(), data: bytes(&query["data"]).into(), height: 0, prove: false };
        let got = app.query(request);
        let want = (query["code"].as_u64().unwrap_or(0) == 0, bytes(&query["value"]));
        tally.compare(
            "queries",
            &format!("{path}: {}", got.log),
            &(got.code == 0, got.value.to_vec()),
            &want,
        );
    }
    tally.finish();
}

/// Gas is left out: the Go chain's distribution empties the fee collector in each block, and the length of its balance counts.
#[test]
fn transfers() {
    play("transfers.json", false);
}

#[test]
fn staking() {
    play("staking.json", false);
}
