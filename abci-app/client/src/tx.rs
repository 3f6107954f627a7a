//! Transactions: building, signing (`SIGN_MODE_DIRECT`), simulation, broadcast, inclusion.

use std::time::Duration;

use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::{
    AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, SimulateRequest, SimulateResponse, Tx, TxBody, TxRaw,
    mode_info,
};
use prost::Message as _;
use prost_types::Any;
use sha2::{Digest as _, Sha256};

use crate::key::{PublicKey, SecretKey};
use crate::query::TxResult;
use crate::rpc::{Client, Error};

/// Pause between two looks for a transaction.
const POLL: Duration = Duration::from_millis(500);

/// What a transaction does, before it is signed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// Its messages, in order.
    pub messages: Vec<Any>,
    /// A note that everyone can read.
    pub memo: String,
    /// Last height at which it counts; 0 for no bound.
    pub timeout_height: u64,
    /// What is paid.
    pub fee: Vec<Coin>,
    /// Most gas it may use.
    pub gas: u64,
    /// Who pays the fee instead of the signer; empty for the signer.
    pub fee_granter: String,
    /// Another signer who pays the fee; empty for the first.
    pub fee_payer: String,
}

/// On which chain and as which transaction of its account a draft is signed.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Chain id.
    pub chain_id: &'a str,
    /// Number of the account.
    pub account_number: u64,
    /// Its sequence.
    pub sequence: u64,
}

/// An encoded transaction and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Encoded `TxRaw`.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes.
    pub hash: [u8; 32],
}

impl Draft {
    /// The body's encoding.
    #[must_use]
    pub fn body(&self) -> TxBody {
        TxBody {
            messages: self.messages.clone(),
            memo: self.memo.clone(),
            timeout_height: self.timeout_height,
            ..TxBody::default()
        }
    }

    /// Fee and signer; without a key no signer, as `--generate-only` wants it.
    #[must_use]
    pub fn auth_info(&self, signer: Option<(&PublicKey, u64)>) -> AuthInfo {
        let info = |(key, sequence): (&PublicKey, u64)| SignerInfo {
            public_key: Some(key.to_any()),
            mode_info: Some(ModeInfo {
                sum: Some(mode_info::Sum::Single(mode_info::Single { mode: SignMode::Direct.into() })),
            }),
            sequence,
        };
        AuthInfo {
            signer_infos: signer.into_iter().map(info).collect(),
            fee: Some(Fee {
                amount: self.fee.clone(),
                gas_limit: self.gas,
                payer: self.fee_payer.clone(),
                granter: self.fee_granter.clone(),
            }),
            ..AuthInfo::default()
        }
    }

    /// The transaction without signers, as `--generate-only` prints it.
    #[must_use]
    pub fn unsigned(&self) -> Tx {
        Tx { body: Some(self.body()), auth_info: Some(self.auth_info(None)), signatures: Vec::new() }
    }

    /// What is signed: an encoded `SignDoc`.
    #[must_use]
    pub fn sign_bytes(&self, key: &PublicKey, place: Place<'_>) -> Vec<u8> {
        let doc = SignDoc {
            body_bytes: self.body().encode_to_vec(),
            auth_info_bytes: self.auth_info(Some((key, place.sequence))).encode_to_vec(),
            chain_id: place.chain_id.to_owned(),
            account_number: place.account_number,
        };
        doc.encode_to_vec()
    }

    /// The signed transaction.
    #[must_use]
    pub fn sign(&self, key: &SecretKey, place: Place<'_>) -> Signed {
        let public = key.public();
        let signature = key.sign(&self.sign_bytes(&public, place)).to_vec();
        let bytes = self.raw(&public, place.sequence, signature).encode_to_vec();
        let hash = Sha256::digest(&bytes).into();
        Signed { bytes, hash }
    }

    /// Gas that the transaction uses in a trial run on the node.
    ///
    /// # Errors
    /// [`Error`]; what the transaction would fail with comes as [`Error::Abci`].
    pub async fn simulate(&self, client: &Client, key: &PublicKey, sequence: u64) -> Result<u64, Error> {
        let reply = simulate(client, self.raw(key, sequence, Vec::new()).encode_to_vec()).await?;
        Ok(reply.gas_info.map(|gas| gas.gas_used).unwrap_or_default())
    }

    fn raw(&self, key: &PublicKey, sequence: u64, signature: Vec<u8>) -> TxRaw {
        TxRaw {
            body_bytes: self.body().encode_to_vec(),
            auth_info_bytes: self.auth_info(Some((key, sequence))).encode_to_vec(),
            signatures: vec![signature],
        }
    }
}

/// What a trial run of an encoded `TxRaw` on the node gives; its signatures are not looked at. There is always a
/// `gas_info`.
///
/// # Errors
/// [`Error`]; what the transaction would fail with comes as [`Error::Abci`].
pub async fn simulate(client: &Client, tx_bytes: Vec<u8>) -> Result<SimulateResponse, Error> {
    let path = "/cosmos.tx.v1beta1.Service/Simulate";
    let request = SimulateRequest { tx_bytes, ..SimulateRequest::default() };
    let reply: SimulateResponse = client.query(path, &request).await?;
    match reply.gas_info {
        Some(_) => Ok(reply),
        None => Err(Error::Malformed { method: path.to_owned(), reason: "no gas".to_owned() }),
    }
}

/// A gas limit with reserve: `used * adjustment`, rounded up.
#[must_use]
pub fn adjusted(used: u64, adjustment: f64) -> u64 {
    // Gas is far below 2^53, and `as` saturates.
    (used as f64 * adjustment).ceil() as u64
}

/// What became of a transaction, once it is in a block; `None` if it is in none after `timeout`.
///
/// # Errors
/// [`Error`] other than that it is not found; a node that cannot be reached is asked again until `timeout`.
pub async fn wait(client: &Client, hash: &[u8; 32], timeout: Duration) -> Result<Option<TxResult>, Error> {
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        let error = match client.tx(hash).await {
            Ok(tx) => return Ok(Some(tx.into())),
            Err(error) => error,
        };
        if !error.is_not_found() && !error.is_unreachable() {
            return Err(error);
        }
        if tokio::time::Instant::now() + POLL > deadline {
            return if error.is_not_found() { Ok(None) } else { Err(error) };
        }
        tokio::time::sleep(POLL).await;
    }
}
