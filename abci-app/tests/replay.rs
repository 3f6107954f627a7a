//! Plays recorded lives of a Go SDK chain to the application and compares every answer.
//!
//! The recordings were written by the Cosmos SDK 0.50.15: random blocks of good and bad transactions, then queries. Compared are codes, texts, data,
//! events, gas, validator updates and replies; app hashes differ, because indexes stand outside our trees and the Go chain mounts more stores. Where
//! the Go chain has modules that are not here, `docs/deviations.md` says what follows from it, and so does the code here.
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
use geodesic_core::Address;
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, TxRaw};
use prost::Message;
use serde_json::Value;
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{
    Event, RequestCheckTx, RequestFinalizeBlock, RequestInitChain, RequestQuery, ResponseInitChain,
    ValidatorUpdate,
};

/// Code of `sdk`: bytes that are no transaction. Its reason in CheckTx is the decoder's own.
const PARSE_ERROR: u32 = 2;

/// What is compared of a block's answer. Logs are bytes here: Go's may be no text.
#[derive(Clone, PartialEq, prost::Message)]
struct Want {
    #[prost(message, repeated, tag = "1")]
    events: Vec<Event>,
    #[prost(message, repeated, tag = "2")]
    tx_results: Vec<Answer>,
    #[prost(message, repeated, tag = "3")]
    validator_updates: Vec<ValidatorUpdate>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
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

/// Events of a block that no module makes but those that are here: at its end all of them, at its beginning, where the Go chain also pays rewards, the
/// penalties alone.
fn shared(list: &[Event]) -> String {
    let at_end = |e: &&Event| e.attributes.iter().any(|a| a.key == "mode" && a.value == "EndBlock");
    let penalty = |e: &&Event| ["slash", "liveness"].contains(&e.r#type.as_str());
    events(&list.iter().filter(|e| at_end(e) || penalty(e)).cloned().collect::<Vec<_>>())
}

/// Where a transaction runs.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Finalize,
    Check,
}

/// A failure's text where the balances of the chains differ.
fn without_numbers(text: &str) -> String {
    let is_unit = text.ends_with("insufficient funds") || text.ends_with("out of gas");
    if is_unit { text.replace(|c: char| c.is_ascii_digit(), "") } else { text.to_owned() }
}

impl Answer {
    fn of(response: &impl Message) -> Self {
        Self::decode(response.encode_to_vec().as_slice()).unwrap()
    }

    /// The text of a failure, with `more` gas. The SDK prints the bytes of the address of a fee payer that has no account; here it is text.
    fn text(&self, more: i64) -> String {
        let text = String::from_utf8_lossy(&self.log).into_owned();
        let payer = self.log.strip_prefix(b"fee payer address: ");
        let payer = payer.and_then(|l| l.strip_suffix(b" does not exist: unknown address"));
        match payer.and_then(|bytes| Address::try_new(bytes).ok()) {
            Some(address) if !payer.unwrap().starts_with(b"cosmos1") => {
                format!("fee payer address: {} does not exist: unknown address", address.to_bech32("cosmos"))
            }
            _ => text.replace(
                &format!("gasUsed: {}", self.gas_used),
                &format!("gasUsed: {}", self.gas_used + more),
            ),
        }
    }
}

/// What the fee collector has on both chains. The distribution module of the Go chain empties it at the beginning of each block; here fees rest in it.
/// Gas depends on the length of the balance as text, in the SDK's prices: 3 a byte read, 30 a byte written.
#[derive(Clone, Default)]
struct Collector {
    ours: BTreeMap<String, u128>,
    theirs: BTreeMap<String, u128>,
}

impl Collector {
    /// Adds a fee; returns by how much gas is higher on the Go chain: before that, and after each read and write of it.
    fn pay(&mut self, fee: &BTreeMap<String, u128>) -> Vec<i64> {
        let length =
            |amount: u128| if amount == 0 { 0 } else { i64::try_from(amount.to_string().len()).unwrap() };
        let mut more = vec![0];
        for (denom, amount) in fee {
            let step = |balance: &mut BTreeMap<String, u128>| {
                let held = balance.entry(denom.clone()).or_default();
                let read = 3 * length(*held);
                *held += amount;
                (read, 30 * length(*held))
            };
            let (theirs, ours) = (step(&mut self.theirs), step(&mut self.ours));
            let read = more.last().unwrap() + theirs.0 - ours.0;
            more.extend([read, read + theirs.1 - ours.1]);
        }
        more
    }

    /// By how much the gas of a transaction is higher on the Go chain. A fee is kept unless a later step of the ante handler fails; its gas stays used.
    fn follow(&mut self, tx: &[u8], mode: Mode, ours: &Answer, theirs: &Answer) -> i64 {
        let Some(fee) = fee(tx) else { return 0 };
        let passed = if mode == Mode::Check { theirs.code == 0 } else { !theirs.events.is_empty() };
        if passed {
            return *self.pay(&fee).last().unwrap();
        }
        let more = self.clone().pay(&fee);
        let all = *more.last().unwrap();
        match (theirs.codespace.as_str(), theirs.code) {
            ("sdk", 8 | 32) => all, // key, sequence
            ("sdk", 4) if theirs.log.starts_with(b"signature verification failed") => all,
            // Gas ran out somewhere between the first step and the last.
            ("sdk", 11) => *more.iter().find(|m| ours.gas_used + *m == theirs.gas_used).unwrap_or(&all),
            _ => 0,
        }
    }
}

/// The fee that a transaction offers; zero amounts are not moved.
fn fee(tx: &[u8]) -> Option<BTreeMap<String, u128>> {
    let raw = TxRaw::decode(tx).ok()?;
    let fee = AuthInfo::decode(raw.auth_info_bytes.as_slice()).ok()?.fee?;
    let coins = fee.amount.into_iter().map(|c| Some((c.denom, c.amount.parse::<u128>().ok()?)));
    coins.filter(|c| !matches!(c, Some((_, 0)))).collect()
}

/// What a recording lets one compare.
#[derive(Clone, Copy)]
struct Rules {
    /// The Go chain pays rewards as it goes: other events and gas, and other balances.
    rewards: bool,
    /// Its fee collector is emptied in each block.
    drained: bool,
    /// Validator updates: a recording of transfers has some that stem from rewards.
    updates: bool,
}

/// One recording and the application that answers it.
struct Replay {
    app: App,
    recording: Value,
    rules: Rules,
    tally: Tally,
    /// By [`Mode`].
    collectors: [Collector; 2],
    _dir: tempfile::TempDir,
}

impl Replay {
    fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let bare = recording["bare"].as_bool().unwrap_or_default();
        let only = recording["only"].as_str().unwrap_or_default();
        let rules =
            Rules { rewards: only == "staking" && !bare, drained: !bare, updates: only != "transfers" };
        let dir = tempfile::tempdir().unwrap();
        let fatal = Fatal::with_action(|reason| println!("halted: {reason}"));
        let app = App::open(AppConfig::new(dir.path().join("db")), fatal, None).unwrap();
        Self { app, recording, rules, tally: Tally::default(), collectors: Default::default(), _dir: dir }
    }

    fn play(mut self) {
        let init = RequestInitChain::decode(bytes(&self.recording["init_chain"]).as_slice()).unwrap();
        let want = ResponseInitChain::decode(bytes(&self.recording["init_chain_reply"]).as_slice()).unwrap();
        let got = self.app.init_chain(init);
        self.tally.compare(
            "genesis validators",
            "InitChain",
            &updates(&got.validators),
            &updates(&want.validators),
        );
        for block in list(&self.recording["blocks"]) {
            self.block(&block);
        }
        for query in list(&self.recording["queries"]) {
            self.query(&query);
        }
        self.tally.finish();
    }

    fn block(&mut self, block: &Value) {
        let request = RequestFinalizeBlock::decode(bytes(&block["request"]).as_slice()).unwrap();
        let want = Want::decode(bytes(&block["response"]).as_slice()).unwrap();
        let (checks, what) = (list(&block["check_tx"]), list(&block["what"]));
        let height = format!("height {}", request.height);
        let at = |i: usize| format!("{height} tx {i} ({})", what[i].as_str().unwrap_or_default());
        for (i, tx) in request.txs.iter().enumerate() {
            let want = Answer::decode(bytes(&checks[i]).as_slice()).unwrap();
            let got = self.app.check_tx(RequestCheckTx { tx: tx.clone(), r#type: 0 });
            self.transaction(Mode::Check, &at(i), tx, &Answer::of(&got), &want);
        }
        let got = self.app.finalize_block(request.clone());
        self.collectors[0].theirs.clear();
        for (i, (got, want)) in got.tx_results.iter().zip(&want.tx_results).enumerate() {
            self.transaction(Mode::Finalize, &at(i), &request.txs[i], &Answer::of(got), want);
        }
        self.collectors[1] = self.collectors[0].clone();
        self.tally.compare("results", &height, &got.tx_results.len(), &want.tx_results.len());
        let show = if self.rules.drained { shared } else { events };
        self.tally.compare("block events", &height, &show(&got.events), &show(&want.events));
        if self.rules.updates {
            let (ours, theirs) = (updates(&got.validator_updates), updates(&want.validator_updates));
            self.tally.compare("validator updates", &height, &ours, &theirs);
        }
        self.app.commit();
    }

    fn transaction(&mut self, mode: Mode, at: &str, tx: &[u8], ours: &Answer, theirs: &Answer) {
        let kind = |check, finalize| if mode == Mode::Check { check } else { finalize };
        let more = if self.rules.drained {
            self.collectors[usize::from(mode == Mode::Check)].follow(tx, mode, ours, theirs)
        } else {
            0
        };
        let codes = [ours, theirs].map(|a| (a.codespace.clone(), a.code));
        self.tally.compare(kind("CheckTx code", "tx code"), at, &codes[0], &codes[1]);
        if mode == Mode::Finalize || theirs.code != PARSE_ERROR {
            let texts = [ours.text(more), theirs.text(0)];
            let texts = if self.rules.rewards { texts.map(|t| without_numbers(&t)) } else { texts };
            self.tally.compare(kind("CheckTx log", "tx log"), at, &texts[0], &texts[1]);
        }
        if mode == Mode::Finalize {
            self.tally.compare("tx data", at, &ours.data, &theirs.data);
        }
        if mode == Mode::Finalize && !self.rules.rewards {
            self.tally.compare("tx events", at, &events(&ours.events), &events(&theirs.events));
        }
        if !self.rules.rewards {
            let gas = [(ours.gas_used + more, ours.gas_wanted), (theirs.gas_used, theirs.gas_wanted)];
            self.tally.compare(kind("CheckTx gas", "gas"), at, &gas[0], &gas[1]);
        }
    }

    fn query(&mut self, query: &Value) {
        let path = query["path"].as_str().unwrap_or_default().to_owned();
        let request =
            RequestQuery { path: path.clone(), data: bytes(&query["data"]).into(), height: 0, prove: false };
        let got = self.app.query(request);
        let want = (query["code"].as_u64().unwrap_or(0) == 0, bytes(&query["value"]));
        self.tally.compare(
            "queries",
            &format!("{path}: {}", got.log),
            &(got.code == 0, got.value.to_vec()),
            &want,
        );
    }
}

/// Recordings that are not kept here, such as those of other seeds.
#[test]
#[ignore = "plays fixtures/more/*.json, which no checkout has"]
fn more() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/more")).unwrap() {
        let name = format!("more/{}", entry.unwrap().file_name().display());
        println!("{name}");
        Replay::open(&name).play();
    }
}

#[test]
fn transfers() {
    Replay::open("transfers.json").play();
}

#[test]
fn staking() {
    Replay::open("staking.json").play();
}

/// Staking without the Go chain's mint and distribution modules: everything is equal, events of blocks and gas to the last unit.
#[test]
fn bare() {
    Replay::open("bare.json").play();
}
