//! Signatures of transactions: making one, joining those of a group, reading and verifying them.

use geodesic_proto::cosmos::crypto::multisig::v1beta1::{CompactBitArray, MultiSignature};
use geodesic_proto::cosmos::tx::signing::v1beta1::SignatureDescriptor;
use geodesic_proto::cosmos::tx::signing::v1beta1::signature_descriptor::Data;
use geodesic_proto::cosmos::tx::signing::v1beta1::signature_descriptor::data::{Multi, Single, Sum};
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, ModeInfo, SignerInfo, Tx, TxRaw, mode_info};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::account_key::{self, AccountKey, Group};
use crate::key::SecretKey;
use crate::sign_doc::{self, Mode};
use crate::tx::{Place, Signed};

/// Deepest nesting of signatures of groups.
const DEPTH_MAX: u32 = 4;

/// Why a transaction is not signed, or a signature not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No bytes to sign.
    #[error(transparent)]
    SignDoc(#[from] sign_doc::Error),
    /// No key.
    #[error(transparent)]
    Key(#[from] account_key::Error),
    /// A second direct signature would make the first one wrong.
    #[error(
        "a transaction has at most one direct signature, as it covers all signers; use --sign-mode amino-json, or --overwrite"
    )]
    SecondDirect,
    /// A signature without what belongs to it.
    #[error("signature {index} is malformed: {reason}")]
    Malformed {
        /// Which one.
        index: usize,
        /// What is missing.
        reason: &'static str,
    },
    /// Somebody who is not of the group.
    #[error("key {0} is not one of the group's")]
    NotOfGroup(String),
    /// Not signed by this key, or something else was signed.
    #[error("signature does not fit: {0}")]
    Wrong(String),
}

/// Adds a signature, or puts it in place of all that are there.
///
/// # Errors
/// [`Error::SecondDirect`], [`Error::SignDoc`], [`Error::Malformed`] for those that are there already.
pub fn sign(
    tx: &mut Tx,
    key: &SecretKey,
    mode: Mode,
    place: Place<'_>,
    overwrite: bool,
) -> Result<(), Error> {
    let mut signatures = if overwrite { Vec::new() } else { signatures(tx)? };
    let of = |signature| single(key.public().into(), mode, place.sequence, signature);
    // A direct signature covers the list of signers, this one included.
    signatures.push(of(Vec::new()));
    set_signatures(tx, &signatures);
    if signatures.iter().map(|signature| count_direct(signature.data.as_ref())).sum::<usize>() > 1 {
        return Err(Error::SecondDirect);
    }
    let bytes = mode.sign_bytes(tx, place)?;
    signatures.pop();
    signatures.push(of(key.sign(&bytes).to_vec()));
    set_signatures(tx, &signatures);
    Ok(())
}

/// The transaction as nodes take it, and its hash.
#[must_use]
pub fn encode(tx: &Tx) -> Signed {
    let raw = TxRaw {
        body_bytes: tx.body.as_ref().map(|body| body.encode_to_vec()).unwrap_or_default(),
        auth_info_bytes: tx.auth_info.as_ref().map(AuthInfo::encode_to_vec).unwrap_or_default(),
        signatures: tx.signatures.clone(),
    };
    let bytes = raw.encode_to_vec();
    let hash = Sha256::digest(&bytes).into();
    Signed { bytes, hash }
}

/// The signatures of a transaction, each with its key.
///
/// # Errors
/// [`Error::Malformed`].
pub fn signatures(tx: &Tx) -> Result<Vec<SignatureDescriptor>, Error> {
    let infos = tx.auth_info.as_ref().map(|info| info.signer_infos.as_slice()).unwrap_or_default();
    if infos.len() != tx.signatures.len() {
        return Err(Error::Malformed {
            index: infos.len().min(tx.signatures.len()),
            reason: "signers and signatures differ in number",
        });
    }
    let one = |(index, (info, bytes)): (usize, (&SignerInfo, &Vec<u8>))| {
        let malformed = |reason| Error::Malformed { index, reason };
        let mode = info.mode_info.as_ref().ok_or_else(|| malformed("no sign mode"))?;
        let data = to_data(mode, bytes, DEPTH_MAX).map_err(malformed)?;
        Ok(SignatureDescriptor {
            public_key: info.public_key.clone(),
            data: Some(data),
            sequence: info.sequence,
        })
    };
    infos.iter().zip(&tx.signatures).enumerate().map(one).collect()
}

/// Puts signatures in place of those that are there.
pub fn set_signatures(tx: &mut Tx, signatures: &[SignatureDescriptor]) {
    let parts: Vec<(SignerInfo, Vec<u8>)> = signatures
        .iter()
        .map(|signature| {
            let (mode_info, bytes) = from_data(signature.data.as_ref());
            let public_key = signature.public_key.clone();
            (SignerInfo { public_key, mode_info: Some(mode_info), sequence: signature.sequence }, bytes)
        })
        .collect();
    let (infos, bytes) = parts.into_iter().unzip();
    tx.auth_info.get_or_insert_default().signer_infos = infos;
    tx.signatures = bytes;
}

/// The signature of a group from those of its members: what is not needed is kept, as in the SDK.
///
/// # Errors
/// [`Error::NotOfGroup`], [`Error::Malformed`].
pub fn join(
    group: &Group,
    sequence: u64,
    parts: &[SignatureDescriptor],
) -> Result<SignatureDescriptor, Error> {
    let mut slots: Vec<Option<Data>> = vec![None; group.keys().len()];
    for (index, part) in parts.iter().enumerate() {
        let malformed = |reason| Error::Malformed { index, reason };
        let any = part.public_key.as_ref().ok_or_else(|| malformed("no public key"))?;
        let key = AccountKey::from_any(any)?;
        let place = group.keys().iter().position(|own| *own == key);
        let slot = place.and_then(|place| slots.get_mut(place));
        let slot = slot.ok_or_else(|| Error::NotOfGroup(hex::encode(key.address())))?;
        *slot = Some(part.data.clone().ok_or_else(|| malformed("no signature"))?);
    }
    let mut bits = vec![0_u8; slots.len().div_ceil(8)];
    for (i, _) in slots.iter().enumerate().filter(|(_, slot)| slot.is_some()) {
        if let Some(byte) = bits.get_mut(i / 8) {
            *byte |= 0x80 >> (i % 8);
        }
    }
    // At most 100 keys.
    let bitarray = Some(CompactBitArray { extra_bits_stored: (slots.len() % 8) as u32, elems: bits });
    let sum = Sum::Multi(Multi { bitarray, signatures: slots.into_iter().flatten().collect() });
    let public_key = Some(AccountKey::Group(group.clone()).to_any());
    Ok(SignatureDescriptor { public_key, data: Some(Data { sum: Some(sum) }), sequence })
}

/// Checks a signature of a key.
///
/// # Errors
/// [`Error::Wrong`] says what does not fit; [`Error::SignDoc`].
pub fn verify(key: &AccountKey, data: &Data, tx: &Tx, place: Place<'_>) -> Result<(), Error> {
    match (key, &data.sum) {
        (AccountKey::Secp256k1(key), Some(Sum::Single(single))) => {
            let bytes = Mode::from_number(single.mode)?.sign_bytes(tx, place)?;
            let signature = single.signature.as_slice().try_into();
            let signature = signature.map_err(|_| Error::Wrong("it is not 64 bytes long".to_owned()))?;
            key.verify(&bytes, signature)
                .then_some(())
                .ok_or_else(|| Error::Wrong("please verify account number, sequence and chain-id".to_owned()))
        }
        (AccountKey::Group(group), Some(Sum::Multi(multi))) => verify_group(group, multi, tx, place),
        (AccountKey::Ed25519(_), _) => Err(Error::Wrong("ed25519 keys sign no transactions".to_owned())),
        _ => Err(Error::Wrong("it is not of the key's kind".to_owned())),
    }
}

fn verify_group(group: &Group, multi: &Multi, tx: &Tx, place: Place<'_>) -> Result<(), Error> {
    let (count, wrong) = (group.keys().len(), |reason: String| Err(Error::Wrong(reason)));
    let bits = multi.bitarray.clone().unwrap_or_default();
    if bits.elems.len() != count.div_ceil(8) || bits.extra_bits_stored as usize != count % 8 {
        return wrong(format!("its bit array is not of {count} keys"));
    }
    let is_set = |i: &usize| bits.elems.get(i / 8).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0);
    let signed: Vec<usize> = (0..count).filter(is_set).collect();
    if signed.len() != multi.signatures.len() {
        return wrong(format!("{} signatures for {} set bits", multi.signatures.len(), signed.len()));
    }
    if signed.len() < group.threshold() as usize {
        return wrong(format!("{} of the group have signed, {} are needed", signed.len(), group.threshold()));
    }
    let keys = signed.iter().filter_map(|i| group.keys().get(*i));
    keys.zip(&multi.signatures).try_for_each(|(key, data)| verify(key, data, tx, place))
}

/// A signature of one key.
#[must_use]
pub fn single(key: AccountKey, mode: Mode, sequence: u64, signature: Vec<u8>) -> SignatureDescriptor {
    let sum = Some(Sum::Single(Single { mode: mode.number(), signature }));
    SignatureDescriptor { public_key: Some(key.to_any()), data: Some(Data { sum }), sequence }
}

/// What stands for the signature of an account whose key the chain knows.
#[must_use]
pub fn nameless(mode: Mode, sequence: u64) -> SignatureDescriptor {
    let sum = Some(Sum::Single(Single { mode: mode.number(), signature: Vec::new() }));
    SignatureDescriptor { public_key: None, data: Some(Data { sum }), sequence }
}

/// What stands for a signature in a trial run: none of a single key, as many empty ones as a group needs.
///
/// # Errors
/// As [`join`].
pub fn empty(key: &AccountKey, mode: Mode, sequence: u64) -> Result<SignatureDescriptor, Error> {
    let AccountKey::Group(group) = key else {
        return Ok(single(key.clone(), mode, sequence, Vec::new()));
    };
    let members = group.keys().iter().take(group.threshold() as usize);
    let parts = members.map(|key| empty(key, Mode::AminoJson, sequence)).collect::<Result<Vec<_>, _>>()?;
    join(group, sequence, &parts)
}

fn count_direct(data: Option<&Data>) -> usize {
    match data.and_then(|data| data.sum.as_ref()) {
        Some(Sum::Single(single)) => usize::from(single.mode == Mode::Direct.number()),
        Some(Sum::Multi(multi)) => multi.signatures.iter().map(|data| count_direct(Some(data))).sum(),
        None => 0,
    }
}

fn to_data(mode: &ModeInfo, bytes: &[u8], depth: u32) -> Result<Data, &'static str> {
    let depth = depth.checked_sub(1).ok_or("groups are nested too deeply")?;
    let sum = match mode.sum.as_ref().ok_or("no sign mode")? {
        mode_info::Sum::Single(single) => {
            Sum::Single(Single { mode: single.mode, signature: bytes.to_vec() })
        }
        mode_info::Sum::Multi(multi) => {
            let parts = MultiSignature::decode(bytes).map_err(|_| "it is not of a group")?.signatures;
            if parts.len() != multi.mode_infos.len() {
                return Err("sign modes and signatures of the group differ in number");
            }
            let parts = multi.mode_infos.iter().zip(&parts).map(|(mode, bytes)| to_data(mode, bytes, depth));
            Sum::Multi(Multi {
                bitarray: multi.bitarray.clone(),
                signatures: parts.collect::<Result<_, _>>()?,
            })
        }
    };
    Ok(Data { sum: Some(sum) })
}

fn from_data(data: Option<&Data>) -> (ModeInfo, Vec<u8>) {
    match data.and_then(|data| data.sum.as_ref()) {
        None => (ModeInfo::default(), Vec::new()),
        Some(Sum::Single(single)) => {
            let sum = mode_info::Sum::Single(mode_info::Single { mode: single.mode });
            (ModeInfo { sum: Some(sum) }, single.signature.clone())
        }
        Some(Sum::Multi(multi)) => {
            let (mode_infos, signatures) = multi.signatures.iter().map(|data| from_data(Some(data))).unzip();
            let sum =
                mode_info::Sum::Multi(mode_info::Multi { bitarray: multi.bitarray.clone(), mode_infos });
            (ModeInfo { sum: Some(sum) }, MultiSignature { signatures }.encode_to_vec())
        }
    }
}
