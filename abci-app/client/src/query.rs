//! Queries of the application through CometBFT's RPC, so that one port is enough.

use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1 as auth;
use geodesic_proto::cosmos::bank::v1beta1 as bank;
use geodesic_proto::cosmos::base::abci::v1beta1::TxResponse;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::vesting::v1beta1 as vesting;
use geodesic_proto::geodesic::{epochs, pow, seeds};
use geodesic_proto::tendermint::abci;
use prost::{Message, Name};
use prost_types::Any;

use crate::rpc::{Client, Error, ExecResult, Tx};

/// What signing needs to know of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub number: u64,
    /// Sequence of its next transaction.
    pub sequence: u64,
}

/// The chain has no such account.
#[derive(Debug, Clone, thiserror::Error)]
#[error("account {0} does not exist on chain; send it some coins first")]
pub struct NoAccount(
    /// The address.
    pub String,
);

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxResult {
    /// SHA-256, upper-case hex.
    pub hash: String,
    /// Its block.
    pub height: u64,
    /// 0 if it succeeded.
    pub code: u32,
    /// Whose code it is.
    pub codespace: String,
    /// Why it failed.
    pub log: String,
    /// Gas used.
    pub gas_used: i64,
    /// Encoded `TxMsgData`.
    pub data: Vec<u8>,
}

impl From<Tx> for TxResult {
    fn from(tx: Tx) -> Self {
        let ExecResult { code, codespace, log, gas_used, data, .. } = tx.tx_result;
        Self { hash: tx.hash, height: tx.height, code, codespace, log, gas_used, data }
    }
}

impl Tx {
    /// The transaction as the SDK shows it; `time` is its block's.
    #[must_use]
    pub fn to_response(&self, time: &str) -> TxResponse {
        let result = &self.tx_result;
        let event = |event: &crate::rpc::Event| abci::Event {
            r#type: event.kind.clone(),
            attributes: event
                .attributes
                .iter()
                .map(|a| abci::EventAttribute { key: a.key.clone(), value: a.value.clone(), index: a.index })
                .collect(),
        };
        TxResponse {
            height: i64::try_from(self.height).unwrap_or(i64::MAX),
            txhash: self.hash.clone(),
            codespace: result.codespace.clone(),
            code: result.code,
            data: hex::encode_upper(&result.data),
            raw_log: result.log.clone(),
            logs: Vec::new(),
            info: result.info.clone(),
            gas_wanted: result.gas_wanted,
            gas_used: result.gas_used,
            // `TxRaw` and `Tx` have the same encoding.
            tx: Some(Any { type_url: "/cosmos.tx.v1beta1.Tx".to_owned(), value: self.tx.clone() }),
            timestamp: whole_seconds(time),
            events: result.events.iter().map(event).collect(),
        }
    }
}

/// RFC 3339 without the fraction, as the SDK shows times of transactions.
fn whole_seconds(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

impl Client {
    /// The answer of the gRPC method `path`, such as `/cosmos.bank.v1beta1.Query/Params`, at the newest height.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn query<Q: Message, R: Message + Default>(&self, path: &str, request: &Q) -> Result<R, Error> {
        Ok(self.query_at(path, request, None).await?.0)
    }

    /// The answer of a gRPC method at a height, and the height it is true at.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn query_at<Q: Message, R: Message + Default>(
        &self,
        path: &str,
        request: &Q,
        height: Option<u64>,
    ) -> Result<(R, u64), Error> {
        let reply = self.abci_query(path, &request.encode_to_vec(), height, false).await?;
        let value = R::decode(reply.value.as_slice())
            .map_err(|error| Error::Malformed { method: path.to_owned(), reason: error.to_string() })?;
        Ok((value, reply.height))
    }

    /// Number and sequence of an account; `None` if the chain has none.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn account(&self, address: &str) -> Result<Option<Account>, Error> {
        let path = "/cosmos.auth.v1beta1.Query/Account";
        let request = auth::QueryAccountRequest { address: address.to_owned() };
        let reply: auth::QueryAccountResponse = match self.query(path, &request).await {
            Err(error) if error.is_not_found() => return Ok(None),
            reply => reply?,
        };
        let malformed = |reason: String| Error::Malformed { method: path.to_owned(), reason };
        let any = reply.account.ok_or_else(|| malformed("no account".to_owned()))?;
        let base = base_account(&any).map_err(|error| malformed(error.to_string()))?;
        Ok(base.map(|base| Account { number: base.account_number, sequence: base.sequence }))
    }

    /// The coins of an account in one denomination.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn balance(&self, address: &str, denom: &str) -> Result<Coin, Error> {
        let request = bank::QueryBalanceRequest { address: address.to_owned(), denom: denom.to_owned() };
        let reply: bank::QueryBalanceResponse =
            self.query("/cosmos.bank.v1beta1.Query/Balance", &request).await?;
        Ok(reply.balance.unwrap_or_else(|| Coin { denom: denom.to_owned(), amount: "0".to_owned() }))
    }

    /// The current epoch and its phase.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn current_epoch(&self) -> Result<epochs::v1::QueryCurrentResponse, Error> {
        self.query("/geodesic.epochs.v1.Query/Current", &epochs::v1::QueryCurrentRequest {}).await
    }

    /// Key, target and draw of an epoch.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pow_epoch(&self, epoch: u64) -> Result<pow::v1::QueryEpochResponse, Error> {
        self.query("/geodesic.pow.v1.Query/Epoch", &pow::v1::QueryEpochRequest { epoch }).await
    }

    /// The network that is computed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pow_shape(&self) -> Result<pow::v1::QueryShapeResponse, Error> {
        self.query("/geodesic.pow.v1.Query/Shape", &pow::v1::QueryShapeRequest {}).await
    }

    /// The VRF key of an operator; `None` if it has none.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn vrf_key(&self, operator: &str) -> Result<Option<seeds::v1::VrfKey>, Error> {
        let request = seeds::v1::QueryVrfKeyRequest { operator: operator.to_owned() };
        let reply = self.query("/geodesic.seeds.v1.Query/VrfKey", &request).await;
        match reply {
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
            Ok(seeds::v1::QueryVrfKeyResponse { key }) => Ok(key),
        }
    }
}

/// The base of any of the SDK's account types; `None` for one that has none.
fn base_account(any: &Any) -> Result<Option<auth::BaseAccount>, any::Error> {
    fn is<T: Name>(any: &Any) -> bool {
        any.type_url == any::type_url::<T>()
    }
    let of_vesting = |base: Option<vesting::BaseVestingAccount>| base.and_then(|base| base.base_account);
    Ok(if is::<auth::BaseAccount>(any) {
        Some(any::unpack(any)?)
    } else if is::<auth::ModuleAccount>(any) {
        any::unpack::<auth::ModuleAccount>(any)?.base_account
    } else if is::<vesting::BaseVestingAccount>(any) {
        any::unpack::<vesting::BaseVestingAccount>(any)?.base_account
    } else if is::<vesting::ContinuousVestingAccount>(any) {
        of_vesting(any::unpack::<vesting::ContinuousVestingAccount>(any)?.base_vesting_account)
    } else if is::<vesting::DelayedVestingAccount>(any) {
        of_vesting(any::unpack::<vesting::DelayedVestingAccount>(any)?.base_vesting_account)
    } else if is::<vesting::PeriodicVestingAccount>(any) {
        of_vesting(any::unpack::<vesting::PeriodicVestingAccount>(any)?.base_vesting_account)
    } else {
        of_vesting(any::unpack::<vesting::PermanentLockedAccount>(any)?.base_vesting_account)
    })
}
