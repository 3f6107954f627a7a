//! Transactions of the agent's account: one message each, sent in order, waited for until they are in a block or cannot be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use geodesic_client::address::Kind;
use geodesic_client::coins::{self, GasPrice};
use geodesic_client::key::SecretKey;
use geodesic_client::rpc::{self, Client};
use geodesic_client::sender::{self, Config, Gas, Sender};
use geodesic_proto::any;
use prost::{Message, Name};
use tokio::sync::{Mutex, watch};

use crate::error::{Error, Result};

/// Gas of any transaction: signature, account, fee.
const GAS_BASE: u64 = 250_000;
/// Gas of a byte of a message: in the transaction (10) and, at most once, in the state (30).
const GAS_BYTE: u64 = 45;
/// Most that gas limits are multiplied with after transactions ran out of gas.
const FACTOR_MAX: u64 = 16;
/// Blocks after which a transaction that is in none counts as lost.
const PATIENCE: u64 = 4;
/// Code of `out of gas` in codespace `sdk`.
const OUT_OF_GAS: u32 = 11;

/// Sends the transactions of one account.
pub(crate) struct Outbox {
    client: Client,
    key: SecretKey,
    address: String,
    chain_id: String,
    prefix: String,
    prices: Vec<GasPrice>,
    heights: watch::Receiver<u64>,
    /// Held while a transaction is handed in, so that sequences ascend.
    order: Mutex<()>,
    factor: AtomicU64,
    pause: Duration,
}

impl Outbox {
    /// An outbox; `heights` tells the newest height.
    pub(crate) fn new(
        client: Client,
        key: SecretKey,
        (chain_id, prefix): (String, String),
        gas_price: &str,
        heights: watch::Receiver<u64>,
        pause: Duration,
    ) -> Result<Self> {
        let address = Kind::Account.encode(&prefix, &key.public().address())?;
        let (prices, factor, order) = (coins::parse_prices(gas_price)?, AtomicU64::new(1), Mutex::default());
        Ok(Self { client, key, address, chain_id, prefix, prices, heights, order, factor, pause })
    }

    /// The account.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn height(&self) -> u64 {
        *self.heights.borrow()
    }

    /// Sends a message and waits until it is in a block. It counts up to the height `last`; `extra` is gas that does not follow
    /// from its size.
    ///
    /// # Errors
    /// [`Error::Tx`]: refused, failed, or in no block after some. A failed one that ran out of gas has more the next time.
    pub(crate) async fn deliver<M: Message + Name>(&self, message: &M, extra: u64, last: u64) -> Result<()> {
        let size = u64::try_from(message.encoded_len()).unwrap_or(u64::MAX);
        let gas = GAS_BASE.saturating_add(size.saturating_mul(GAS_BYTE)).saturating_add(extra);
        let gas = gas.saturating_mul(self.factor.load(Ordering::Relaxed));
        let from = self.height();
        let hash = self.hand_in(any::pack(message), gas, last).await?;
        tracing::debug!(message = M::NAME, hash = hex::encode_upper(hash), gas, "sent");
        let outcome = self.included(&hash, last.min(from.saturating_add(PATIENCE))).await;
        let out_of_gas = matches!(&outcome, Err(Error::Tx(sender::Error::Failed(result)))
            if result.codespace == "sdk" && result.code == OUT_OF_GAS);
        if out_of_gas {
            let more = |factor: u64| Some(factor.saturating_mul(2).min(FACTOR_MAX));
            let _ = self.factor.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
        outcome
    }

    /// A sender is made for each transaction, so that no sequence is remembered: the chain names it, and where others of this
    /// account wait in the mempool, CheckTx names the one behind them.
    async fn hand_in(&self, message: prost_types::Any, gas: u64, last: u64) -> Result<[u8; 32]> {
        let config = Config {
            chain_id: self.chain_id.clone(),
            prefix: self.prefix.clone(),
            gas: Gas::Limit(gas),
            prices: self.prices.clone(),
        };
        let sender = Sender::new(self.client.clone(), self.key.clone(), config)?;
        let _order = self.order.lock().await;
        Ok(sender.send(vec![message], "", last).await?)
    }

    async fn included(&self, hash: &[u8; 32], last: u64) -> Result<()> {
        loop {
            // Looked at before the transaction, so that the last block's is not missed.
            let height = self.height();
            match self.client.tx(hash).await {
                Ok(tx) if tx.tx_result.code == 0 => return Ok(()),
                Ok(tx) => return Err(sender::Error::Failed(Box::new(tx.into())).into()),
                Err(e) if e.is_not_found() || e.is_unreachable() => {}
                // A node without an index of transactions: the chain's state will tell.
                Err(rpc::Error::Rpc { ref data, .. }) if data.contains("indexing is disabled") => {}
                Err(e) => return Err(e.into()),
            }
            if height > last {
                let hash = hex::encode_upper(hash);
                return Err(Error::Chain(format!("transaction {hash} is in no block up to height {last}")));
            }
            tokio::time::sleep(self.pause).await;
        }
    }
}
