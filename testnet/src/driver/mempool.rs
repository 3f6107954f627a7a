//! The mempool of a network, and what a client does: sign, send, ask.

use anyhow::{Context as _, Result, ensure};
use geodesic_client::tx::{Draft, Place};
use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse};
use geodesic_proto::prost_types::Any;
use prost::Message;
use prost::bytes::Bytes;
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{ExecTxResult, RequestCheckTx, RequestQuery, ResponseCheckTx};

use super::keys::Wallet;
use super::net::Net;

/// Gas that transactions of the driver ask for.
pub const GAS: u64 = 5_000_000;

/// A transaction that waits.
pub(crate) struct Pending {
    pub(crate) tx: Bytes,
    sender: String,
}

impl Net {
    /// Drops what the block took, and what is no longer good.
    pub(crate) fn recheck(&mut self) -> Result<()> {
        let taken = self.blocks.last().map(|b| b.request.txs.clone()).unwrap_or_default();
        let app = self.app(0)?.clone();
        self.mempool.retain(|p| {
            !taken.contains(&p.tx) && app.check_tx(RequestCheckTx { tx: p.tx.clone(), r#type: 1 }).code == 0
        });
        Ok(())
    }

    /// Offers a transaction to the mempool.
    ///
    /// # Errors
    /// An application is closed.
    pub fn offer(&mut self, tx: Vec<u8>, sender: &str) -> Result<ResponseCheckTx> {
        let tx = Bytes::from(tx);
        let response = self.app(0)?.check_tx(RequestCheckTx { tx: tx.clone(), r#type: 0 });
        if response.code == 0 {
            self.mempool.push(Pending { tx, sender: sender.to_owned() });
        }
        Ok(response)
    }

    /// A transaction, signed behind those of the same account that wait.
    ///
    /// # Errors
    /// The account is not there.
    pub fn sign(&self, wallet: &Wallet, messages: Vec<Any>) -> Result<Vec<u8>> {
        self.sign_draft(wallet, &Draft { messages, gas: GAS, ..Draft::default() })
    }

    /// The same with fee, gas and memo as one likes.
    ///
    /// # Errors
    /// The account is not there.
    pub fn sign_draft(&self, wallet: &Wallet, draft: &Draft) -> Result<Vec<u8>> {
        let request = QueryAccountRequest { address: wallet.text.clone() };
        let found: QueryAccountResponse = self.query("/cosmos.auth.v1beta1.Query/Account", &request)?;
        let account: BaseAccount = any::unpack(&found.account.context("an account")?)?;
        let waiting = self.mempool.iter().filter(|p| p.sender == wallet.text).count();
        let sequence = account.sequence + u64::try_from(waiting)?;
        let place = Place { chain_id: &self.spec.chain_id, account_number: account.account_number, sequence };
        Ok(draft.sign(&wallet.key, place).bytes)
    }

    /// Signs messages and offers them; the mempool must take them. Returns the transaction.
    ///
    /// # Errors
    /// The mempool refuses it.
    pub fn send(&mut self, wallet: &Wallet, messages: Vec<Any>) -> Result<Vec<u8>> {
        let tx = self.sign(wallet, messages)?;
        let check = self.offer(tx.clone(), &wallet.text)?;
        ensure!(check.code == 0, "CheckTx: {} {}: {}", check.codespace, check.code, check.log);
        Ok(tx)
    }

    /// Sends messages and makes the block that has them; returns their result.
    ///
    /// # Errors
    /// The mempool refuses them, or see [`Net::step`].
    pub fn run(&mut self, wallet: &Wallet, messages: Vec<Any>) -> Result<ExecTxResult> {
        let tx = self.send(wallet, messages)?;
        self.step()?;
        self.result(&tx).context("the transaction is not in the block")
    }

    /// The result of a transaction of the last block.
    pub fn result(&self, tx: &[u8]) -> Option<ExecTxResult> {
        let block = self.blocks.last()?;
        let index = block.request.txs.iter().position(|t| t.as_ref() == tx)?;
        block.response.tx_results.get(index).cloned()
    }

    /// Asks the last committed state.
    ///
    /// # Errors
    /// The query fails.
    pub fn query<T: Message + Default>(&self, path: &str, request: &impl Message) -> Result<T> {
        let data = request.encode_to_vec().into();
        let reply = self.app(0)?.query(RequestQuery { data, path: path.to_owned(), height: 0, prove: false });
        ensure!(reply.code == 0, "{path}: {} {}: {}", reply.codespace, reply.code, reply.log);
        Ok(T::decode(reply.value)?)
    }
}
