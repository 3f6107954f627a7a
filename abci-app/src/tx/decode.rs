//! Bytes to a transaction. Every bound is checked before memory is taken for what it bounds.

use std::collections::BTreeSet;

use geodesic_auth::PubKey;
use geodesic_core::address::AddressError;
use geodesic_core::{Address, Int, Sdk, TxError};
use geodesic_proto::amino_json::rfc3339_nano;
use geodesic_proto::any;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::crypto::secp256k1;
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, Fee, SignerInfo, TxBody, TxRaw};
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::{Any, Timestamp};
use geodesic_proto::strict::{self, Policy};
use sha2::{Digest, Sha256};

use super::signature::{Signature, SignatureData};

/// Most bytes of a transaction: the default of CometBFT's mempool.
pub const MAX_TX_BYTES: usize = 1 << 20;

/// A message of any module; the application's router has one.
pub trait TxMsg: Sized {
    /// The message in an `Any`.
    ///
    /// # Errors
    /// `sdk` 2 if no module knows its type, or the bytes are no such message.
    fn decode(any: &Any) -> Result<Self, TxError>;

    /// The module's stateless checks.
    ///
    /// # Errors
    /// The module's own.
    fn validate_basic(&self) -> Result<(), TxError>;

    /// Who must sign it, in order.
    ///
    /// # Errors
    /// [`AddressError`] if a signer's field holds no address with this prefix.
    fn signers(&self, prefix: &str) -> Result<Vec<Address>, AddressError>;
}

/// A decoded transaction, with the bytes that its signatures cover.
#[derive(Debug, Clone)]
pub struct Tx {
    /// SHA-256 of its bytes: its name in blocks and queries.
    pub hash: [u8; 32],
    /// Length of its bytes, which gas is paid for.
    pub size: usize,
    /// Encoded body, as it came.
    pub body_bytes: Vec<u8>,
    /// Encoded auth info, as it came.
    pub auth_info_bytes: Vec<u8>,
    /// The body.
    pub body: TxBody,
    /// Signer infos and fee.
    pub auth_info: AuthInfo,
    /// Signatures, as they came.
    pub raw_signatures: Vec<Vec<u8>>,
    /// Keys given along with the signatures, one entry a signer info.
    pub pub_keys: Vec<Option<PubKey>>,
    /// The body holds unknown fields that may be ignored; only direct signatures cover them.
    pub has_non_critical: bool,
    signers: Result<Vec<Address>, TxError>,
    fee_payer: Result<Address, TxError>,
    signatures: Result<Vec<Signature>, TxError>,
}

impl Tx {
    /// The fee. Without one there is no gas limit, and the first ante step fails.
    ///
    /// # Errors
    /// `sdk` 2 if it is missing.
    pub fn fee(&self) -> Result<&Fee, TxError> {
        self.auth_info.fee.as_ref().ok_or_else(missing_fee)
    }

    /// Gas that it may use.
    pub fn gas_limit(&self) -> u64 {
        self.auth_info.fee.as_ref().map_or(0, |f| f.gas_limit)
    }

    /// Who must sign: the signers of each message, in order, each once; at last the fee payer if it is named.
    ///
    /// # Errors
    /// `undefined` 1, as in the SDK, if a field that names a signer holds no address of this chain.
    pub fn signers(&self) -> Result<&[Address], TxError> {
        self.signers.as_deref().map_err(Clone::clone)
    }

    /// The signatures, one for each signer info.
    ///
    /// # Errors
    /// `sdk` 4 if signer infos and signatures do not belong together.
    pub fn signatures(&self) -> Result<&[Signature], TxError> {
        self.signatures.as_deref().map_err(Clone::clone)
    }

    /// Who pays the fee: who is named, or the first signer.
    ///
    /// # Errors
    /// As [`Tx::fee`] and [`Tx::signers`]; `sdk` 7 if it is no address; `sdk` 4 if nobody signs.
    pub fn fee_payer(&self) -> Result<&Address, TxError> {
        self.fee_payer.as_ref().map_err(Clone::clone)
    }
}

/// The transaction and its messages in these bytes; `prefix` is the chain's bech32 prefix.
///
/// # Errors
/// `sdk` 21 above [`MAX_TX_BYTES`]; `sdk` 2 if the bytes are not the one encoding of a `TxRaw` (ADR-027), hold an unknown
/// field, an unknown message or key type, are nested too deeply, or do not decode.
pub fn decode<M: TxMsg>(bytes: &[u8], prefix: &str) -> Result<(Tx, Vec<M>), TxError> {
    if bytes.len() > MAX_TX_BYTES {
        let text = format!("{} bytes, allowed are {MAX_TX_BYTES}", bytes.len());
        return Err(Sdk::TxTooLarge.with(text));
    }
    let parts = strict::check_adr027(bytes).map_err(parse)?;
    let body_fields = reject_unknown(parts.body_bytes, "TxBody", Policy::AllowNonCritical)?;
    reject_unknown(parts.auth_info_bytes, "AuthInfo", Policy::Strict)?;
    let raw = TxRaw::decode(bytes).map_err(parse)?;
    let body = TxBody::decode(raw.body_bytes.as_slice()).map_err(parse)?;
    let auth_info = AuthInfo::decode(raw.auth_info_bytes.as_slice()).map_err(parse)?;
    auth_info.fee.iter().flat_map(|f| &f.amount).try_for_each(check_amount)?;
    body.timeout_timestamp.iter().try_for_each(check_time)?;

    let key = |any: &Any| PubKey::from_any(any).map_err(parse);
    let given =
        |info: &SignerInfo| info.public_key.as_ref().filter(|any| !is_blank(any)).map(key).transpose();
    let pub_keys = auth_info.signer_infos.iter().map(given).collect::<Result<Vec<_>, _>>()?;
    let messages = body.messages.iter().map(M::decode).collect::<Result<Vec<_>, _>>()?;

    let signers = signers(&messages, &auth_info, prefix);
    let tx = Tx {
        hash: Sha256::digest(bytes).into(),
        size: bytes.len(),
        fee_payer: fee_payer(&auth_info, &signers, prefix),
        signers,
        signatures: signatures(&auth_info, &raw.signatures),
        body_bytes: raw.body_bytes,
        auth_info_bytes: raw.auth_info_bytes,
        body,
        auth_info,
        raw_signatures: raw.signatures,
        pub_keys,
        has_non_critical: body_fields.0,
    };
    Ok((tx, messages))
}

/// Checks that there are messages and that each passes its module's stateless checks. The application asks this before
/// the ante steps, outside the gas of the transaction.
///
/// # Errors
/// `sdk` 18 if there is none; the module's own.
pub fn validate_messages<M: TxMsg>(messages: &[M]) -> Result<(), TxError> {
    if messages.is_empty() {
        return Err(Sdk::InvalidRequest.with("must contain at least one message"));
    }
    messages.iter().try_for_each(TxMsg::validate_basic)
}

fn parse(e: impl std::fmt::Display) -> TxError {
    Sdk::TxDecode.with(e)
}

/// The key without bytes by which the SDK's tools ask for a simulation when they have none (`--dry-run` with an address).
pub(super) fn is_blank(key: &Any) -> bool {
    key.value.is_empty() && key.type_url == any::type_url::<secp256k1::PubKey>()
}

fn reject_unknown(bytes: &[u8], name: &str, policy: Policy) -> Result<strict::HasNonCritical, TxError> {
    let name = format!("cosmos.tx.v1beta1.{name}");
    strict::reject_unknown_fields(bytes, &name, policy).map_err(parse)
}

/// The SDK reads amounts while it decodes: what is no number is no transaction. An empty one passes until it is used.
fn check_amount(coin: &Coin) -> Result<(), TxError> {
    match coin.amount.as_str() {
        "" => Ok(()),
        text => text.parse::<Int>().map(drop).map_err(parse),
    }
}

/// The SDK reads times while it decodes, too: the years 1 to 9999.
fn check_time(time: &Timestamp) -> Result<(), TxError> {
    let bad = || parse(format_args!("timestamp: seconds {}, nanos {} is no time", time.seconds, time.nanos));
    rfc3339_nano(time).map(drop).ok_or_else(bad)
}

fn signers<M: TxMsg>(messages: &[M], auth_info: &AuthInfo, prefix: &str) -> Result<Vec<Address>, TxError> {
    let plain = |e: AddressError| TxError::new("undefined", 1, e.to_string());
    let (mut signers, mut seen) = (Vec::new(), BTreeSet::new());
    let mut add = |address: Address| {
        if seen.insert(address.clone()) {
            signers.push(address);
        }
    };
    for message in messages {
        message.signers(prefix).map_err(plain)?.into_iter().for_each(&mut add);
    }
    if let Some(payer) = auth_info.fee.as_ref().map(|f| f.payer.as_str()).filter(|p| !p.is_empty()) {
        add(Address::from_bech32(prefix, payer).map_err(plain)?);
    }
    Ok(signers)
}

fn fee_payer(
    auth_info: &AuthInfo,
    signers: &Result<Vec<Address>, TxError>,
    prefix: &str,
) -> Result<Address, TxError> {
    let fee = auth_info.fee.as_ref().ok_or_else(missing_fee)?;
    match fee.payer.as_str() {
        "" => {
            let signers = signers.as_ref().map_err(Clone::clone)?;
            signers.first().cloned().ok_or_else(|| Sdk::Unauthorized.with("no signer"))
        }
        payer => Ok(Address::from_bech32(prefix, payer)?),
    }
}

fn missing_fee() -> TxError {
    Sdk::TxDecode.with("missing fee")
}

fn signatures(auth_info: &AuthInfo, raw: &[Vec<u8>]) -> Result<Vec<Signature>, TxError> {
    let infos = &auth_info.signer_infos;
    let one = |(i, info): (usize, &geodesic_proto::cosmos::tx::v1beta1::SignerInfo)| {
        let Some(mode) = &info.mode_info else { return Ok(Signature { data: None, sequence: 0 }) };
        let bytes = raw.get(i).ok_or_else(|| {
            Sdk::Unauthorized.with(format_args!("{} signatures for {} signer infos", raw.len(), infos.len()))
        })?;
        Ok(Signature { data: Some(SignatureData::try_new(mode, bytes)?), sequence: info.sequence })
    };
    infos.iter().enumerate().map(one).collect()
}
