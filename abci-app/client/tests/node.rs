//! The RPC client and the sender against an HTTP server that answers as CometBFT does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_client::coins::parse_prices;
use geodesic_client::key::SecretKey;
use geodesic_client::rpc::{Client, Error};
use geodesic_client::sender::{self, Config, Gas, Sender};
use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1::{BaseAccount, QueryAccountResponse};
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::abci::v1beta1::GasInfo;
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, SimulateResponse, TxRaw};
use prost::Message as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use support::{result, serve};

/// A node with one account whose CheckTx knows the next sequence.
#[derive(Default)]
struct Node {
    /// What CheckTx expects.
    expected: u64,
    /// What the committed state says.
    committed: u64,
    /// Sequences accepted.
    accepted: Vec<u64>,
}

fn answer(node: &Mutex<Node>, method: &str, params: &Value) -> Vec<u8> {
    let mut node = node.lock().unwrap();
    let abci = |value: Vec<u8>| {
        result(json!({"response": {"code": 0, "value": STANDARD.encode(value), "height": "5"}}))
    };
    match (method, params["path"].as_str()) {
        ("abci_query", Some("/cosmos.auth.v1beta1.Query/Account")) => {
            let account =
                BaseAccount { sequence: node.committed, account_number: 9, ..BaseAccount::default() };
            abci(QueryAccountResponse { account: Some(any::pack(&account)) }.encode_to_vec())
        }
        ("abci_query", Some("/cosmos.tx.v1beta1.Service/Simulate")) => {
            let gas_info = Some(GasInfo { gas_wanted: 0, gas_used: 1000 });
            abci(SimulateResponse { gas_info, result: None }.encode_to_vec())
        }
        ("broadcast_tx_sync", _) => {
            let bytes = STANDARD.decode(params["tx"].as_str().unwrap()).unwrap();
            let raw = TxRaw::decode(bytes.as_slice()).unwrap();
            let auth = AuthInfo::decode(raw.auth_info_bytes.as_slice()).unwrap();
            let (got, fee) = (auth.signer_infos[0].sequence, auth.fee.unwrap());
            assert_eq!((fee.gas_limit, fee.amount[0].amount.as_str()), (1500, "38"));
            let hash = hex::encode_upper(sha2::Sha256::digest(&bytes));
            if got != node.expected {
                let log = format!("account sequence mismatch, expected {}, got {got}: bad", node.expected);
                return result(json!({"code": 32, "codespace": "sdk", "log": log, "hash": hash, "data": ""}));
            }
            node.expected += 1;
            node.accepted.push(got);
            result(json!({"code": 0, "codespace": "", "log": "", "hash": hash, "data": ""}))
        }
        _ => result(json!({})),
    }
}

async fn sender(node: &Arc<Mutex<Node>>) -> Sender {
    let node = node.clone();
    let url = serve(Arc::new(move |method, params| answer(&node, method, params))).await;
    let config = Config {
        chain_id: "geodesic-local-1".to_owned(),
        prefix: "geo".to_owned(),
        gas: Gas::Auto(1.5),
        prices: parse_prices("0.025ugeo").unwrap(),
    };
    Sender::new(Client::new(&url).unwrap(), SecretKey::from_bytes(&[1; 32]).unwrap(), config).unwrap()
}

#[tokio::test]
async fn several_transactions_in_flight_have_ascending_sequences() {
    let node = Arc::new(Mutex::new(Node { expected: 4, committed: 4, ..Node::default() }));
    let sender = sender(&node).await;
    let message = || vec![any::pack(&MsgSend::default())];
    // The committed state stays at 4 all the time.
    let (a, b, c) = tokio::join!(
        sender.send(message(), "a", 0),
        sender.send(message(), "b", 0),
        sender.send(message(), "c", 0)
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(node.lock().unwrap().accepted, [4, 5, 6]);
}

#[tokio::test]
async fn a_wrong_sequence_is_mended_by_what_the_node_expects() {
    // Another program has two transactions of this account in the mempool.
    let node = Arc::new(Mutex::new(Node { expected: 6, committed: 4, ..Node::default() }));
    let sender = sender(&node).await;
    sender.send(vec![any::pack(&MsgSend::default())], "", 0).await.unwrap();
    // The mempool lost everything.
    node.lock().unwrap().expected = 4;
    sender.send(vec![any::pack(&MsgSend::default())], "", 0).await.unwrap();
    assert_eq!(node.lock().unwrap().accepted, [6, 4]);
}

#[tokio::test]
async fn a_refusal_says_code_and_log_and_uses_no_sequence() {
    let url = serve(Arc::new(|method, params| match method {
        "broadcast_tx_sync" => result(
            json!({"code": 13, "codespace": "sdk", "log": "insufficient fee", "hash": "AB", "data": ""}),
        ),
        _ => answer(&Mutex::new(Node::default()), method, params),
    }))
    .await;
    let config = Config {
        chain_id: "c-1".to_owned(),
        prefix: "geo".to_owned(),
        gas: Gas::Limit(1),
        prices: Vec::new(),
    };
    let key = SecretKey::from_bytes(&[1; 32]).unwrap();
    let sender = Sender::new(Client::new(&url).unwrap(), key, config).unwrap();
    let error = sender.send(vec![any::pack(&MsgSend::default())], "", 0).await.unwrap_err();
    assert!(matches!(error, sender::Error::Refused { code: 13, .. }), "{error}");
    assert!(error.to_string().contains("insufficient fee"), "{error}");
}

#[tokio::test]
async fn waiting_ends_with_the_block_or_the_time() {
    let calls = Arc::new(Mutex::new(0));
    let counter = calls.clone();
    let url = serve(Arc::new(move |method, _| {
        let mut calls = counter.lock().unwrap();
        *calls += 1;
        match (method, *calls) {
            ("tx", 3) => result(json!({
                "hash": "AB", "height": "7", "index": 0, "tx": "",
                "tx_result": {"code": 5, "codespace": "bank", "log": "poor", "gas_used": "9", "data": null},
            })),
            _ => json!({"error": {"code": -32603, "message": "Internal error", "data": "tx (AB) not found"}})
                .to_string()
                .into_bytes(),
        }
    }))
    .await;
    let client = Client::new(&url).unwrap();
    let found = geodesic_client::tx::wait(&client, &[1; 32], Duration::from_secs(20)).await.unwrap().unwrap();
    assert_eq!((found.height, found.code, found.log.as_str()), (7, 5, "poor"));
    assert_eq!(geodesic_client::tx::wait(&client, &[1; 32], Duration::from_millis(1)).await.unwrap(), None);
}

#[tokio::test]
async fn errors_name_what_went_wrong() {
    let nobody = Client::new("tcp://127.0.0.1:9").unwrap();
    let error = nobody.status().await.unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("is it running?"), "{error}");

    for (name, reply, want) in [
        (
            "a web page",
            b"<html>hello".to_vec(),
            "did not answer status as CometBFT does (HTTP 200): <html>hello",
        ),
        ("an error", br#"{"error":{"code":1,"message":"m","data":"d"}}"#.to_vec(), "status: m: d"),
        ("half an answer", result(json!({"node_info": {}})), "answer to status is malformed: missing field"),
        ("neither", b"{}".to_vec(), "no result, no error"),
    ] {
        let url = serve(Arc::new(move |_, _| reply.clone())).await;
        let error = Client::new(&url).unwrap().status().await.unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }

    let refusal =
        json!({"response": {"code": 22, "codespace": "sdk", "log": "key not found", "value": null}});
    let url = serve(Arc::new(move |_, _| result(refusal.clone()))).await;
    let client = Client::new(&url).unwrap();
    let error = client.abci_query("/x", b"", None, false).await.unwrap_err();
    assert!(error.is_not_found() && matches!(error, Error::Abci { code: 22, .. }), "{error}");
    assert_eq!(client.account("geo1x").await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let url = serve(Arc::new(|_, _| vec![b' '; geodesic_client::rpc::REPLY_MAX + 1])).await;
    let error = Client::new(&url).unwrap().status().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}
