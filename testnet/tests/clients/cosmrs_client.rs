//! cosmrs: an account read by `abci_query`, a transfer signed, broadcast, and read back.
//!
//! Its own RPC client would bring a second hyper and rustls, so the JSON-RPC is spoken here.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cosmrs::auth::BaseAccount;
use cosmrs::bank::MsgSend;
use cosmrs::crypto::secp256k1::SigningKey;
use cosmrs::proto::cosmos::auth::v1beta1::{QueryAccountRequest, QueryAccountResponse};
use cosmrs::proto::cosmos::bank::v1beta1::{QueryBalanceRequest, QueryBalanceResponse};
use cosmrs::proto::cosmos::base::abci::v1beta1::TxMsgData;
use cosmrs::proto::cosmos::tx::v1beta1::{GetTxRequest, GetTxResponse, SimulateRequest, SimulateResponse};
use cosmrs::proto::traits::Message;
use cosmrs::tx::{Body, Fee, Msg as _, SignDoc, SignerInfo};
use cosmrs::{AccountId, Coin, Tx};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::network::{Account, CHAIN_ID, DENOM};

pub(crate) const NAME: &str = "cosmrs";
const PATH: &str = "m/44'/118'/0'/0/0";
const AMOUNT: u128 = 4321;

/// CometBFT's JSON-RPC.
struct Rpc<'a>(&'a str);

impl Rpc<'_> {
    async fn call(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let reply = reqwest::Client::new().post(self.0).json(&request).send().await?;
        let reply: Value = reply.json().await?;
        ensure!(reply.get("error").is_none(), "{method}: {}", reply["error"]);
        Ok(reply["result"].clone())
    }

    async fn query<R: Message + Default>(&self, path: &str, request: &impl Message) -> anyhow::Result<R> {
        let data = hex::encode(request.encode_to_vec());
        let reply = self.call("abci_query", json!({ "path": path, "data": data })).await?;
        let reply = &reply["response"];
        ensure!(reply["code"] == 0, "{path}: {reply}");
        ensure!(reply["height"] != "0", "{path}: a reply without a height");
        let value = reply["value"].as_str().unwrap_or_default();
        Ok(R::decode(BASE64_STANDARD.decode(value)?.as_slice())?)
    }

    async fn account(&self, address: &AccountId) -> anyhow::Result<BaseAccount> {
        let request = QueryAccountRequest { address: address.to_string() };
        let reply: QueryAccountResponse = self.query("/cosmos.auth.v1beta1.Query/Account", &request).await?;
        account_of(reply)
    }

    async fn balance(&self, address: &AccountId) -> anyhow::Result<u128> {
        let request = QueryBalanceRequest { address: address.to_string(), denom: DENOM.to_owned() };
        let reply: QueryBalanceResponse = self.query("/cosmos.bank.v1beta1.Query/Balance", &request).await?;
        Ok(reply.balance.context("no balance")?.amount.parse()?)
    }
}

fn account_of(reply: QueryAccountResponse) -> anyhow::Result<BaseAccount> {
    let any = reply.account.context("no account")?;
    let account: cosmrs::proto::cosmos::auth::v1beta1::BaseAccount = any.to_msg()?;
    account.try_into().map_err(|e| anyhow::anyhow!("{e}"))
}

/// What cosmrs reports, as this crate's error.
fn said<E: std::fmt::Display>(error: E) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// A transfer, signed.
fn signed(key: &SigningKey, from: &BaseAccount, to: &AccountId) -> anyhow::Result<Vec<u8>> {
    let coin = |amount| anyhow::Ok(Coin { amount, denom: DENOM.parse().map_err(said)? });
    let from_address = from.address.clone();
    let message = MsgSend { from_address, to_address: to.clone(), amount: vec![coin(AMOUNT)?] };
    let body = Body::new(vec![message.to_any().map_err(said)?], "by cosmrs", 0_u16);
    let signer = SignerInfo::single_direct(Some(key.public_key()), from.sequence);
    let auth_info = signer.auth_info(Fee::from_amount_and_gas(coin(1000)?, 200_000_u64));
    let document = SignDoc::new(&body, &auth_info, &CHAIN_ID.parse()?, from.account_number).map_err(said)?;
    document.sign(key).map_err(said)?.to_bytes().map_err(said)
}

/// Waits until a transaction is in a block; returns CometBFT's entry.
async fn included(rpc: &Rpc<'_>, hash: &[u8]) -> anyhow::Result<Value> {
    for _ in 0..600 {
        if let Ok(found) = rpc.call("tx", json!({ "hash": BASE64_STANDARD.encode(hash) })).await {
            return Ok(found);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("the transaction is in no block after a minute")
}

/// Runs it all.
///
/// # Errors
/// The first thing that is not as cosmrs and its users expect.
pub(crate) async fn scenario(rpc: &str, account: &Account) -> anyhow::Result<()> {
    let rpc = Rpc(rpc);
    let seed = bip39::Mnemonic::parse(&account.mnemonic)?.to_seed("");
    let key = SigningKey::derive_from_path(seed, &PATH.parse()?).map_err(said)?;
    let sender = key.public_key().account_id("geo").map_err(said)?;
    ensure!(sender.to_string() == account.address, "cosmrs derives {sender}, geod {}", account.address);
    let receiver = SigningKey::random().public_key().account_id("geo").map_err(said)?;

    let unknown = rpc.account(&receiver).await.err().context("the receiver exists already")?.to_string();
    ensure!(unknown.contains("\"code\":22") && unknown.contains("code = NotFound"), "{unknown}");
    ensure!(unknown.contains("key not found"), "{unknown}");

    let before = rpc.account(&sender).await?;
    let bytes = signed(&key, &before, &receiver)?;
    #[allow(deprecated)] // the field that cosmrs has kept
    let request = SimulateRequest { tx: None, tx_bytes: bytes.clone() };
    let simulated: SimulateResponse = rpc.query("/cosmos.tx.v1beta1.Service/Simulate", &request).await?;
    let estimate = simulated.gas_info.context("no gas")?.gas_used;

    let answer = rpc.call("broadcast_tx_sync", json!({ "tx": BASE64_STANDARD.encode(&bytes) })).await?;
    ensure!(answer["code"] == 0, "{answer}");
    let hash = Sha256::digest(&bytes).to_vec();
    ensure!(answer["hash"] == hex::encode_upper(&hash), "{answer}");
    let found = included(&rpc, &hash).await?;
    let result = &found["tx_result"];
    ensure!(result["code"] == 0 && result["gas_wanted"] == "200000", "{result}");
    let used: u64 = result["gas_used"].as_str().context("no gas")?.parse()?;
    ensure!(used <= estimate + estimate / 10, "simulated {estimate}, used {used}");
    let data = BASE64_STANDARD.decode(result["data"].as_str().context("no data")?)?;
    let responses = TxMsgData::decode(data.as_slice())?.msg_responses;
    ensure!(responses.len() == 1 && responses[0].type_url == "/cosmos.bank.v1beta1.MsgSendResponse");

    let read = BASE64_STANDARD.decode(found["tx"].as_str().context("no transaction")?)?;
    let tx = Tx::from_bytes(&read).map_err(said)?;
    ensure!(tx.body.memo == "by cosmrs" && tx.body.messages.len() == 1);
    let message = MsgSend::from_any(&tx.body.messages[0]).map_err(said)?;
    ensure!(message.to_address == receiver);
    let request = GetTxRequest { hash: hex::encode_upper(&hash) };
    let by_chain: GetTxResponse = rpc.query("/cosmos.tx.v1beta1.Service/GetTx", &request).await?;
    ensure!(by_chain.tx_response.context("no response")?.code == 0);

    let after = rpc.account(&sender).await?;
    ensure!(after.sequence == before.sequence + 1 && after.pubkey == Some(key.public_key()));
    ensure!(rpc.balance(&receiver).await? == AMOUNT);
    again(&rpc, &key, &before, &receiver).await
}

/// The same sequence once more, in another transaction, is refused.
async fn again(rpc: &Rpc<'_>, key: &SigningKey, old: &BaseAccount, to: &AccountId) -> anyhow::Result<()> {
    let mut stale = old.clone();
    let current = rpc.account(&old.address).await?.sequence;
    stale.sequence = current + 2;
    let bytes = signed(key, &stale, to)?;
    let answer = rpc.call("broadcast_tx_sync", json!({ "tx": BASE64_STANDARD.encode(&bytes) })).await?;
    let log = answer["log"].as_str().unwrap_or_default();
    let text = format!("account sequence mismatch, expected {current}, got {}", current + 2);
    ensure!(answer["code"] == 32 && log.contains(&text), "{answer}");
    Ok(())
}
