//! What every transaction passes before its messages run.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use geodesic_auth::{Account, PubKey, keeper};
use geodesic_core::gas::GasMeter;
use geodesic_core::{Address, Coins, Ctx, DecCoins, Event, ExecMode, Sdk, StateError, TxError};
use geodesic_proto::cosmos::auth::v1beta1::Params;
use geodesic_proto::prost::encoding::encoded_len_varint;

use super::decode::{Tx, is_blank};
use super::fee::{check_amounts, deduct_fee};
use super::sign::{SignerData, sign_bytes};
use super::signature::{Bits, Signature, SignatureData};
use super::timeout;
use super::verify::Verifier;

/// Most gas that a transaction may ask for.
pub const MAX_GAS: u64 = i64::MAX.unsigned_abs();

/// Most gas that a simulation may use if blocks have no limit: it is work that nobody pays for.
pub const SIMULATION_MAX_GAS: u64 = 1_000_000_000;

/// Whose size and cost stand in for a key that is not known yet, in a simulation.
const SIMULATED_KEY: [u8; 33] = [
    0x03, 0x5a, 0xd6, 0x81, 0x0a, 0x47, 0xf0, 0x73, 0x55, 0x3f, 0xf3, 0x0d, 0x2f, 0xcc, 0x7e, 0x0d, 0x3b,
    0x1c, 0x0b, 0x74, 0xb6, 0x1a, 0x1a, 0xaa, 0x25, 0x82, 0x34, 0x40, 0x37, 0x15, 0x1e, 0x14, 0x3a,
];

/// What the steps need of the rest of the chain.
pub trait AntePorts {
    /// Moves `fee` from the account `payer` to the fee collector, as the bank's `SendCoinsFromAccountToModule` does.
    ///
    /// # Errors
    /// The bank's own.
    fn pay_fee(&self, ctx: &mut Ctx, payer: &Address, fee: &Coins) -> Result<(), TxError>;
}

/// What the steps are run with.
#[derive(Clone, Copy)]
pub struct Ante<'a> {
    /// The bank.
    pub ports: &'a dyn AntePorts,
    /// Verifies signatures; shared by mempool and blocks.
    pub verifier: &'a Verifier,
    /// The node's own prices; only the mempool asks for them.
    pub min_gas_prices: &'a DecCoins,
    /// Consensus parameter `block.max_gas`; -1 is no limit.
    pub block_max_gas: i64,
    /// Whether transactions may be unordered; a rule of the chain, never of a node.
    pub unordered: bool,
}

type Step = fn(&mut Ctx, &Tx, &Ante<'_>) -> Result<(), TxError>;

/// Every step with its name, in the SDK's order.
pub const STEPS: [(&str, Step); 13] = [
    ("context", set_up_context),
    ("extension options", reject_extension_options),
    ("basic validation", validate_basic),
    ("timeout height", timeout::check_height),
    ("timeout timestamp", timeout::check_timestamp),
    ("memo", validate_memo),
    ("size", consume_size_gas),
    ("fee", deduct_fee),
    ("public keys", set_pub_keys),
    ("signature count", validate_signature_count),
    ("signature gas", consume_signature_gas),
    ("signatures", verify_signatures),
    ("sequences", increment_sequences),
];

/// Runs every step. Sets the gas meter of `ctx` to that of the transaction; it stays there, also after an error. If a
/// step fails, the writes and events of all are dropped.
///
/// # Errors
/// That of the first step that fails.
pub fn run(ctx: &mut Ctx, tx: &Tx, ante: &Ante<'_>) -> Result<(), TxError> {
    ctx.atomic(|ctx| STEPS.iter().try_for_each(|(_, step)| step(ctx, tx, ante)))
}

fn is_simulation(ctx: &Ctx) -> bool {
    ctx.mode == ExecMode::Simulate
}

fn set_up_context(ctx: &mut Ctx, tx: &Tx, ante: &Ante<'_>) -> Result<(), TxError> {
    let limit = tx.gas_limit();
    let block_max = u64::try_from(ante.block_max_gas).ok().filter(|max| *max > 0);
    ctx.gas = match ctx.mode {
        ExecMode::Simulate => GasMeter::limited(block_max.unwrap_or(SIMULATION_MAX_GAS)),
        _ if ctx.block.height == 0 => GasMeter::unlimited(),
        _ => GasMeter::limited(limit),
    };
    tx.fee()?;
    match block_max {
        Some(max) if limit > max => {
            Err(Sdk::InvalidGasLimit.with(format_args!("tx gas limit {limit} exceeds block max gas {max}")))
        }
        _ => Ok(()),
    }
}

fn reject_extension_options(_: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    match tx.body.extension_options.first() {
        Some(option) => Err(Sdk::UnknownExtensionOptions.with(&option.type_url)),
        None => Ok(()),
    }
}

fn validate_basic(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    if ctx.mode == ExecMode::Recheck {
        return Ok(());
    }
    let fee = tx.fee()?;
    if fee.gas_limit > MAX_GAS {
        let text = format!("invalid gas supplied; {} > {MAX_GAS}", fee.gas_limit);
        return Err(Sdk::InvalidRequest.with(text));
    }
    check_amounts(&fee.amount)?;
    if !fee.payer.is_empty() {
        ctx.account(&fee.payer)
            .map_err(|e| Sdk::InvalidAddress.with(format_args!("Invalid fee payer address ({e})")))?;
    }
    let got = tx.raw_signatures.len();
    if got == 0 {
        return Err(TxError::new("sdk", 15, Sdk::NoSignatures.text()));
    }
    let expected = tx.signers()?.len();
    if got != expected {
        let text = format!("wrong number of signers; expected {expected}, got {got}");
        return Err(Sdk::Unauthorized.with(text));
    }
    Ok(())
}

fn validate_memo(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    let length = len_u64(tx.body.memo.len());
    if length == 0 {
        return Ok(());
    }
    let max = keeper::params(ctx)?.max_memo_characters;
    if length > max {
        let text = format!("maximum number of characters is {max} but received {length} characters");
        return Err(Sdk::MemoTooLarge.with(text));
    }
    Ok(())
}

fn consume_size_gas(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    let params = keeper::params(ctx)?;
    let per_byte = params.tx_size_cost_per_byte;
    ctx.gas.charge(per_byte.saturating_mul(len_u64(tx.size)), "txSize")?;
    if !is_simulation(ctx) {
        return Ok(());
    }
    let signatures = tx.signatures()?;
    for (i, signer) in tx.signers()?.iter().enumerate() {
        let data = signatures.get(i).and_then(|s| s.data.as_ref());
        if data.is_some_and(|d| !d.is_incomplete()) {
            continue;
        }
        let account = keeper::get_account(ctx, signer)?;
        let key = account.and_then(|a| a.pub_key).unwrap_or(PubKey::Secp256k1(SIMULATED_KEY));
        ctx.gas.charge(per_byte.saturating_mul(simulated_size(&key, &params)), "txSize")?;
    }
    Ok(())
}

/// Bytes that a missing signature will take: the amino encoding of key and 64 bytes, and 6 more.
fn simulated_size(key: &PubKey, params: &Params) -> u64 {
    let amino = len_u64(key.amino().len());
    let size = amino.saturating_add(len_u64(encoded_len_varint(amino))).saturating_add(1 + 2 + 64 + 6);
    let times = if matches!(key, PubKey::Multisig { .. }) { params.tx_sig_limit } else { 1 };
    size.saturating_mul(times)
}

/// The signer that signer info `i` belongs to.
fn signer(signers: &[Address], i: usize, infos: usize) -> Result<&Address, TxError> {
    signers.get(i).ok_or_else(|| wrong_count(signers.len(), infos))
}

fn wrong_count(expected: usize, got: usize) -> TxError {
    Sdk::Unauthorized.with(format_args!("invalid number of signer;  expected: {expected}, got {got}"))
}

fn has_blank_key(tx: &Tx, i: usize) -> bool {
    tx.auth_info.signer_infos.get(i).and_then(|info| info.public_key.as_ref()).is_some_and(is_blank)
}

fn set_pub_keys(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    let (signers, simulate) = (tx.signers()?, is_simulation(ctx));
    for (i, key) in tx.pub_keys.iter().enumerate() {
        let address = signer(signers, i, tx.pub_keys.len())?;
        let key = match key {
            Some(key) => key.clone(),
            None if simulate => PubKey::Secp256k1(SIMULATED_KEY),
            None if has_blank_key(tx, i) => {
                return Err(Sdk::InvalidPubKey.with("the public key has no bytes, expected 33"));
            }
            None => continue,
        };
        if !simulate && key.address() != *address {
            let text = ctx.account_text(address);
            return Err(Sdk::InvalidPubKey
                .with(format_args!("pubKey does not match signer address {text} with signer index: {i}")));
        }
        let mut account = keeper::require_account(ctx, address)?;
        if account.pub_key.is_some() {
            continue;
        }
        if account.module.is_some() {
            return Err(Sdk::InvalidPubKey.with("not supported for module accounts"));
        }
        account.pub_key = Some(key);
        keeper::set_account(ctx, &account)?;
    }
    for (i, signature) in tx.signatures()?.iter().enumerate() {
        let text = ctx.account_text(signer(signers, i, tx.pub_keys.len())?);
        ctx.emit(Event::new("tx").attr("acc_seq", format_args!("{text}/{}", signature.sequence)));
        let data = signature.data.as_ref();
        let data = data.ok_or_else(|| TxError::new("undefined", 1, "got empty SignatureData"))?;
        for bytes in data.event_bytes() {
            ctx.emit(Event::new("tx").attr("signature", BASE64_STANDARD.encode(bytes)));
        }
    }
    Ok(())
}

fn validate_signature_count(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    let limit = keeper::params(ctx)?.tx_sig_limit;
    let mut count = 0_u64;
    for key in tx.pub_keys.iter().flatten() {
        count = count.saturating_add(len_u64(key.count()));
        if count > limit {
            return Err(Sdk::TooManySignatures.with(format_args!("signatures: {count}, limit: {limit}")));
        }
    }
    Ok(())
}

fn consume_signature_gas(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    let params = keeper::params(ctx)?;
    let (signatures, signers) = (tx.signatures()?, tx.signers()?);
    for (i, signature) in signatures.iter().enumerate() {
        let account = keeper::require_account(ctx, signer(signers, i, signatures.len())?)?;
        let key = match account.pub_key {
            Some(key) => key,
            None if is_simulation(ctx) => PubKey::Secp256k1(SIMULATED_KEY),
            None => return Err(Sdk::InvalidPubKey.with("unrecognized public key type: <nil>")),
        };
        charge_verification(ctx, &key, signature.data.as_ref(), &params)?;
    }
    Ok(())
}

fn charge_verification(
    ctx: &Ctx,
    key: &PubKey,
    data: Option<&SignatureData>,
    params: &Params,
) -> Result<(), TxError> {
    match key {
        PubKey::Secp256k1(_) => {
            Ok(ctx.gas.charge(params.sig_verify_cost_secp256k1, "ante verify: secp256k1")?)
        }
        PubKey::Secp256r1(_) => {
            Ok(ctx.gas.charge(params.sig_verify_cost_secp256k1 / 2, "ante verify: secp256r1")?)
        }
        PubKey::Ed25519(_) => {
            ctx.gas.charge(params.sig_verify_cost_ed25519, "ante verify: ed25519")?;
            Err(Sdk::InvalidPubKey.with("ED25519 public keys are unsupported"))
        }
        PubKey::Multisig { keys, .. } => {
            let Some(SignatureData::Multi { bits, signatures }) = data else {
                return Err(TxError::new(
                    "undefined",
                    1,
                    "expected MultiSignatureData for a multisignature key",
                ));
            };
            members(keys, bits, signatures)
                .try_for_each(|(key, data)| charge_verification(ctx, key, Some(data), params))
        }
    }
}

/// Keys and signatures of the members that signed.
fn members<'a>(
    keys: &'a [PubKey],
    bits: &'a Bits,
    signatures: &'a [SignatureData],
) -> impl Iterator<Item = (&'a PubKey, &'a SignatureData)> {
    keys.iter().enumerate().filter(|(i, _)| bits.get(*i)).map(|(_, key)| key).zip(signatures)
}

fn verify_signatures(ctx: &mut Ctx, tx: &Tx, ante: &Ante<'_>) -> Result<(), TxError> {
    let unordered = tx.body.unordered;
    if unordered && !ante.unordered {
        return Err(Sdk::NotSupported.with("unordered transactions are not enabled"));
    }
    let (signatures, signers) = (tx.signatures()?, tx.signers()?);
    if signatures.len() != signers.len() {
        return Err(wrong_count(signers.len(), signatures.len()));
    }
    if unordered {
        timeout::spend(ctx, tx)?;
    }
    for (signature, address) in signatures.iter().zip(signers) {
        if unordered && signature.sequence > 0 {
            return Err(Sdk::InvalidRequest.with("sequence is not allowed for unordered transactions"));
        }
        let account = keeper::require_account(ctx, address)?;
        if account.pub_key.is_none() && !is_simulation(ctx) {
            return Err(Sdk::InvalidPubKey.with("pubkey on account is not set"));
        }
        let (expected, got) = (account.sequence, signature.sequence);
        if !unordered && got != expected {
            let text = format!("account sequence mismatch, expected {expected}, got {got}");
            return Err(Sdk::WrongSequence.with(text));
        }
        if matches!(ctx.mode, ExecMode::Check | ExecMode::Finalize) {
            verify_signature(ctx, tx, ante, &account, signature)?;
        }
    }
    Ok(())
}

fn verify_signature(
    ctx: &Ctx,
    tx: &Tx,
    ante: &Ante<'_>,
    account: &Account,
    signature: &Signature,
) -> Result<(), TxError> {
    let number = if ctx.block.height == 0 { 0 } else { account.number };
    let chain_id = ctx.block.chain_id.as_str();
    let data = signature.data.as_ref();
    let result = match (&account.pub_key, data) {
        (Some(pub_key), Some(data)) => {
            let (address, sequence) = (account.address(), signature.sequence);
            let signer = SignerData { address, pub_key, chain_id, account_number: number, sequence };
            ante.verifier.check(pub_key, data, &|mode| sign_bytes(mode, signer, tx))
        }
        _ => Err("there is no key or no signature".to_owned()),
    };
    let Err(reason) = result else { return Ok(()) };
    let text = if data.is_some_and(SignatureData::is_amino_only) {
        let sequence = account.sequence;
        format!("account number ({number}), sequence ({sequence}) and chain-id ({chain_id})")
    } else {
        format!("account number ({number}) and chain-id ({chain_id}): ({reason})")
    };
    Err(Sdk::Unauthorized.with(format_args!("signature verification failed; please verify {text}")))
}

fn increment_sequences(ctx: &mut Ctx, tx: &Tx, _: &Ante<'_>) -> Result<(), TxError> {
    if tx.body.unordered {
        return Ok(());
    }
    for address in tx.signers()? {
        let mut account = keeper::require_account(ctx, address)?;
        account.sequence = account.sequence.checked_add(1).ok_or_else(|| {
            StateError::Invariant(format!("sequence of {} used up", account.address_text()))
        })?;
        keeper::set_account(ctx, &account)?;
    }
    Ok(())
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX) // a usize has at most 64 bits
}
