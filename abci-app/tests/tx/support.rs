//! A chain of a few accounts, a bank of one number, and transactions signed for it.

use std::sync::Arc;

use geodesic_app::tx::{self, Ante, AntePorts, Tx, TxMsg, Verifier};
use geodesic_auth::keys::{NEXT_NUMBER, PARAMS};
use geodesic_auth::{PubKey, keeper, params};
use geodesic_core::address::AddressError;
use geodesic_core::{
    Address, BlockInfo, Coins, Ctx, DecCoins, ExecMode, MemStore, Sdk, State, StoreId, TxError,
};
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::crypto::secp256k1 as pb;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::mode_info::{Single, Sum};
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw};
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;
use secp256k1::{Secp256k1, SecretKey};
use sha2::{Digest, Sha256};

pub(crate) const CHAIN: &str = "test-1";
/// What every account can pay.
pub(crate) const BALANCE: u64 = 1_000_000;
const FEES: StoreId = StoreId::tree("fees");

/// The one message of these tests.
#[derive(Debug)]
pub(crate) struct Send(pub MsgSend);

impl TxMsg for Send {
    fn decode(any: &Any) -> Result<Self, TxError> {
        any::unpack(any).map(Self).map_err(|e| Sdk::TxDecode.with(e))
    }
    fn validate_basic(&self) -> Result<(), TxError> {
        match self.0.to_address.as_str() {
            "nowhere" => Err(Sdk::InvalidAddress.with("nowhere")),
            _ => Ok(()),
        }
    }
    fn signers(&self, prefix: &str) -> Result<Vec<Address>, AddressError> {
        Ok(vec![Address::from_bech32(prefix, &self.0.from_address)?])
    }
}

pub(crate) struct Bank;

impl AntePorts for Bank {
    fn pay_fee(&self, ctx: &mut Ctx, payer: &Address, fee: &Coins) -> Result<(), TxError> {
        if fee.iter().any(|c| c.amount > BALANCE.into()) {
            return Err(Sdk::InsufficientFunds.with(format_args!("balance {BALANCE} is smaller than {fee}")));
        }
        Ok(ctx.set(FEES, payer.as_bytes(), fee.to_string().into_bytes())?)
    }
}

/// What was paid by an account.
pub(crate) fn fees_of(ctx: &Ctx, address: &Address) -> Option<String> {
    ctx.get(FEES, address.as_bytes()).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

pub(crate) fn secret(byte: u8) -> SecretKey {
    SecretKey::from_byte_array([byte; 32]).unwrap()
}

pub(crate) fn key_any(byte: u8) -> Any {
    any::pack(&pb::PubKey { key: secret(byte).public_key(&Secp256k1::new()).serialize().to_vec() })
}

pub(crate) fn pub_key(byte: u8) -> PubKey {
    PubKey::from_any(&key_any(byte)).unwrap()
}

pub(crate) fn address(byte: u8) -> Address {
    pub_key(byte).address()
}

pub(crate) fn sign(byte: u8, message: &[u8]) -> Vec<u8> {
    let digest = secp256k1::Message::from_digest(Sha256::digest(message).into());
    Secp256k1::new().sign_ecdsa(digest, &secret(byte)).serialize_compact().to_vec()
}

pub(crate) fn coin(denom: &str, amount: &str) -> Coin {
    Coin { denom: denom.into(), amount: amount.into() }
}

pub(crate) fn send(from: u8) -> Any {
    send_text(&address(from).to_bech32("geo"), "")
}

pub(crate) fn send_text(from: &str, to: &str) -> Any {
    let amount = vec![coin("ugeo", "5")];
    any::pack(&MsgSend { from_address: from.into(), to_address: to.into(), amount })
}

pub(crate) fn single(mode: SignMode) -> Option<ModeInfo> {
    Some(ModeInfo { sum: Some(Sum::Single(Single { mode: mode.into() })) })
}

pub(crate) fn info(key: Option<Any>, sequence: u64) -> SignerInfo {
    SignerInfo { public_key: key, mode_info: single(SignMode::Direct), sequence }
}

/// A transaction in the making: one send of account 1, signed by it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub body: TxBody,
    pub auth_info: AuthInfo,
    /// Who signs, and with which account number.
    pub signers: Vec<(u8, u64)>,
    pub chain_id: String,
}

impl Default for Draft {
    fn default() -> Self {
        let fee = Fee { amount: vec![coin("ugeo", "300")], gas_limit: 200_000, ..Fee::default() };
        let signer_infos = vec![info(Some(key_any(1)), 0)];
        Self {
            body: TxBody { messages: vec![send(1)], ..TxBody::default() },
            #[allow(deprecated)]
            auth_info: AuthInfo { signer_infos, fee: Some(fee), tip: None },
            signers: vec![(1, 1)],
            chain_id: CHAIN.into(),
        }
    }
}

impl Draft {
    pub(crate) fn fee(&mut self) -> &mut Fee {
        self.auth_info.fee.as_mut().unwrap()
    }

    pub(crate) fn sign_doc(&self, account_number: u64) -> Vec<u8> {
        SignDoc {
            body_bytes: self.body.encode_to_vec(),
            auth_info_bytes: self.auth_info.encode_to_vec(),
            chain_id: self.chain_id.clone(),
            account_number,
        }
        .encode_to_vec()
    }

    pub(crate) fn raw(&self, signatures: Vec<Vec<u8>>) -> Vec<u8> {
        let (body_bytes, auth_info_bytes) = (self.body.encode_to_vec(), self.auth_info.encode_to_vec());
        TxRaw { body_bytes, auth_info_bytes, signatures }.encode_to_vec()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.raw(self.signers.iter().map(|(key, number)| sign(*key, &self.sign_doc(*number))).collect())
    }

    pub(crate) fn tx(&self) -> Tx {
        decoded(&self.bytes())
    }
}

pub(crate) fn decoded(bytes: &[u8]) -> Tx {
    tx::decode::<Send>(bytes, "geo").unwrap().0
}

/// A chain at height 10 with accounts 1, 2 and 3, whose numbers are the same; their keys are not known yet.
pub(crate) fn chain(mode: ExecMode) -> Ctx {
    let block = BlockInfo {
        chain_id: CHAIN.into(),
        prefix: "geo".into(),
        time_ns: 1_000_000_000_000,
        ..BlockInfo::default()
    };
    let mut ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
    PARAMS.set(&mut ctx, &params::DEFAULT).unwrap();
    NEXT_NUMBER.set(&mut ctx, &1).unwrap();
    (1..=3).for_each(|i| keeper::ensure_account(&mut ctx, &address(i)).unwrap());
    ctx.block.height = 10;
    ctx.mode = mode;
    ctx
}

/// Runs the ante steps with node prices and block gas that do not bother.
pub(crate) fn run(ctx: &mut Ctx, tx: &Tx) -> Result<(), TxError> {
    run_with(ctx, tx, &Verifier::default(), "", -1)
}

pub(crate) fn run_with(
    ctx: &mut Ctx,
    tx: &Tx,
    verifier: &Verifier,
    prices: &str,
    max_gas: i64,
) -> Result<(), TxError> {
    let prices: DecCoins = prices.parse().unwrap();
    let ante =
        Ante { ports: &Bank, verifier, min_gas_prices: &prices, block_max_gas: max_gas, unordered: true };
    tx::run(ctx, tx, &ante)
}
