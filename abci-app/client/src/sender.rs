//! One account's transactions, several in flight.
//!
//! The sequence of the next transaction is kept here, because the chain's own lags behind what waits in the mempool.
//! Where the two disagree, the node's answer to CheckTx counts.

use std::time::Duration;

use prost_types::Any;
use tokio::sync::Mutex;

use crate::address::{self, Kind};
use crate::coins::{self, GasPrice};
use crate::key::SecretKey;
use crate::query::{Account, NoAccount, TxResult};
use crate::rpc::{self, Client};
use crate::tx::{Draft, Place, adjusted, wait};

/// How often one transaction is signed anew with another sequence.
const ATTEMPTS: u32 = 4;
/// The code of a wrong sequence in codespace `sdk`.
const WRONG_SEQUENCE: u32 = 32;

/// How much gas a transaction may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gas {
    /// This much.
    Limit(u64),
    /// What a trial run uses, times this.
    Auto(f64),
}

/// What is the same for all transactions of a sender.
#[derive(Debug, Clone)]
pub struct Config {
    /// Chain id.
    pub chain_id: String,
    /// Bech32 prefix of accounts.
    pub prefix: String,
    /// Gas of a transaction.
    pub gas: Gas,
    /// What gas costs.
    pub prices: Vec<GasPrice>,
}

/// Why a transaction was not sent, or not included.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node does not answer, or refuses a query.
    #[error(transparent)]
    Rpc(#[from] rpc::Error),
    /// The chain does not know the sender.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// The fee cannot be computed.
    #[error(transparent)]
    Coins(#[from] coins::Error),
    /// CheckTx refuses.
    #[error("transaction {hash} was refused: {log} (codespace {codespace}, code {code})")]
    Refused {
        /// SHA-256, upper-case hex.
        hash: String,
        /// Code.
        code: u32,
        /// Whose code it is.
        codespace: String,
        /// Its text.
        log: String,
    },
    /// It is in no block in time.
    #[error("transaction {hash} is in no block after {seconds} s; it may still come")]
    Timeout {
        /// SHA-256, upper-case hex.
        hash: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It is in a block, but failed.
    #[error("transaction {} failed at height {}: {} (codespace {}, code {})", .0.hash, .0.height, .0.log, .0.codespace, .0.code)]
    Failed(Box<TxResult>),
}

/// Sends one account's transactions.
pub struct Sender {
    client: Client,
    key: SecretKey,
    address: String,
    config: Config,
    /// Number and next sequence, once known.
    next: Mutex<Option<Account>>,
}

impl Sender {
    /// A sender; nothing is asked yet.
    ///
    /// # Errors
    /// A prefix that bech32 does not allow.
    pub fn new(client: Client, key: SecretKey, config: Config) -> Result<Self, address::Error> {
        let address = Kind::Account.encode(&config.prefix, &key.public().address())?;
        Ok(Self { client, key, address, config, next: Mutex::new(None) })
    }

    /// The account's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The node's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Hands messages in as one transaction and returns its hash once CheckTx has accepted it. Calls are served one
    /// after the other, so that sequences ascend in the mempool too.
    ///
    /// `timeout_height`: last height at which it counts, 0 for no bound.
    ///
    /// # Errors
    /// [`Error::Refused`] by CheckTx (the sequence is not used up), [`Error::NoAccount`], [`Error::Rpc`] (also when
    /// the trial run fails).
    pub async fn send(&self, messages: Vec<Any>, memo: &str, timeout_height: u64) -> Result<[u8; 32], Error> {
        let mut next = self.next.lock().await;
        let draft = Draft { messages, memo: memo.to_owned(), timeout_height, ..Draft::default() };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let account = match *next {
                Some(account) => account,
                None => *next.insert(self.account().await?),
            };
            match self.attempt(&draft, account).await {
                Ok(hash) => {
                    *next = Some(Account { sequence: account.sequence + 1, ..account });
                    return Ok(hash);
                }
                // The node names the sequence that fits behind what waits in its mempool.
                Err(error) if attempt < ATTEMPTS && is_sequence_mismatch(&error) => {
                    *next =
                        expected_sequence(&error.to_string()).map(|sequence| Account { sequence, ..account });
                }
                Err(error) => {
                    if !matches!(error, Error::Refused { .. }) {
                        // Whether it arrived is unknown.
                        *next = None;
                    }
                    return Err(error);
                }
            }
        }
    }

    /// What became of a transaction that [`Sender::send`] handed in.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Failed`], [`Error::Rpc`].
    pub async fn wait(&self, hash: &[u8; 32], timeout: Duration) -> Result<TxResult, Error> {
        match wait(&self.client, hash, timeout).await? {
            None => Err(Error::Timeout { hash: hex::encode_upper(hash), seconds: timeout.as_secs() }),
            Some(result) if result.code != 0 => Err(Error::Failed(Box::new(result))),
            Some(result) => Ok(result),
        }
    }

    /// [`Sender::send`], then [`Sender::wait`].
    ///
    /// # Errors
    /// As both.
    pub async fn send_and_wait(
        &self,
        messages: Vec<Any>,
        memo: &str,
        timeout: Duration,
    ) -> Result<TxResult, Error> {
        let hash = self.send(messages, memo, 0).await?;
        self.wait(&hash, timeout).await
    }

    /// Forgets the sequence, so that the next transaction asks the chain.
    pub async fn reset(&self) {
        *self.next.lock().await = None;
    }

    async fn account(&self) -> Result<Account, Error> {
        let account = self.client.account(&self.address).await?;
        Ok(account.ok_or_else(|| NoAccount(self.address.clone()))?)
    }

    async fn attempt(&self, draft: &Draft, account: Account) -> Result<[u8; 32], Error> {
        let mut draft = draft.clone();
        // A trial run that pays nothing would leave out what paying costs.
        draft.fee = coins::fees(&self.config.prices, 1)?;
        draft.gas = match self.config.gas {
            Gas::Limit(gas) => gas,
            Gas::Auto(adjustment) => adjusted(
                draft.simulate(&self.client, &self.key.public(), account.sequence).await?,
                adjustment,
            ),
        };
        draft.fee = coins::fees(&self.config.prices, draft.gas)?;
        let place = Place {
            chain_id: &self.config.chain_id,
            account_number: account.number,
            sequence: account.sequence,
        };
        let signed = draft.sign(&self.key, place);
        match self.client.broadcast_tx_sync(&signed.bytes).await {
            Ok(reply) if reply.code == 0 => Ok(signed.hash),
            Ok(reply) => Err(Error::Refused {
                hash: reply.hash,
                code: reply.code,
                codespace: reply.codespace,
                log: reply.log,
            }),
            // It waits there already: an answer was lost and the transaction sent again.
            Err(rpc::Error::Rpc { ref data, .. }) if data.contains("already exists in cache") => {
                Ok(signed.hash)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn is_sequence_mismatch(error: &Error) -> bool {
    match error {
        Error::Refused { code, codespace, .. } => *code == WRONG_SEQUENCE && codespace == "sdk",
        Error::Rpc(rpc::Error::Abci { log, .. }) => log.contains("account sequence mismatch"),
        _ => false,
    }
}

/// N of `account sequence mismatch, expected N, got M`.
fn expected_sequence(log: &str) -> Option<u64> {
    let (_, rest) = log.split_once("account sequence mismatch, expected ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_names_the_sequence() {
        for (name, log, want) in [
            (
                "as the SDK says it",
                "account sequence mismatch, expected 17, got 12: incorrect account sequence",
                Some(17),
            ),
            ("inside a query's error", "rpc error: account sequence mismatch, expected 3, got 4", Some(3)),
            ("another error", "insufficient fee", None),
            ("no number", "account sequence mismatch, expected x, got 1", None),
        ] {
            assert_eq!(expected_sequence(log), want, "{name}");
        }
    }
}
