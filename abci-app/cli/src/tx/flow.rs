//! From messages to a transaction on its way: who signs, what it costs, asking, signing, handing in.

use anyhow::{Context as _, bail};
use geodesic_client::account_key::AccountKey;
use geodesic_client::address::{self, Kind};
use geodesic_client::coins::{self, fees, parse_coins, parse_prices};
use geodesic_client::key::is_mnemonic;
use geodesic_client::rpc::Client;
use geodesic_client::sender::Gas;
use geodesic_client::sign_doc::Mode;
use geodesic_client::tx::{Draft, Place, Signed, adjusted, simulate};
use geodesic_client::{Account, NoAccount, signing};
use geodesic_proto::cosmos::base::abci::v1beta1::TxResponse;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignatureDescriptor;
use geodesic_proto::cosmos::tx::v1beta1::{SimulateResponse, Tx};
use geodesic_proto::json::{self, Options, value_to_bytes};
use geodesic_proto::prost_types::Any;
use serde_json::Value;

use super::aux_signer::aux;
use super::files::{tx_json, write};
use super::flags::{GasFlag, TxFlags};
use crate::context::Context;
use crate::{net, output};

/// Who signs.
pub(super) struct From {
    /// Address.
    pub(super) address: String,
    /// The key of that name, unless only an address was given where nothing is signed.
    pub(super) key: Option<(String, AccountKey)>,
}

impl From {
    /// The signer that `--from`, or `given`, means.
    ///
    /// # Errors
    /// Nobody was named, or no such key.
    pub(super) fn resolve(ctx: &Context, flags: &TxFlags, given: Option<&str>) -> anyhow::Result<Self> {
        let name =
            given.or(flags.from.as_deref()).context("nobody signs: give --from, a key's name or address")?;
        match ctx.keyring()?.get(name) {
            Ok(record) => Ok(Self {
                address: Kind::Account.encode(&ctx.prefix, &record.address())?,
                key: Some((record.name, record.key)),
            }),
            // What is not signed can be made for anybody.
            Err(_) if (flags.generate_only || flags.dry_run) && address::decode(name).is_ok() => {
                Kind::Account.decode(&ctx.prefix, name)?;
                Ok(Self { address: name.to_owned(), key: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The signer of a trial run at this sequence.
    pub(super) fn trial(&self, flags: &TxFlags, sequence: u64) -> anyhow::Result<SignatureDescriptor> {
        match &self.key {
            Some((_, key)) => {
                let mode = flags.mode(matches!(key, AccountKey::Group(_)))?;
                Ok(signing::empty(key, mode, sequence)?)
            }
            // The node knows the key of an account that has signed before.
            None => Ok(signing::nameless(Mode::Direct, sequence)),
        }
    }
}

/// A message of this type from JSON.
///
/// # Errors
/// A type that this program does not know, or a value that does not fit it.
pub(super) fn message(type_url: &str, value: &Value) -> anyhow::Result<Any> {
    let name = type_url.strip_prefix('/').unwrap_or(type_url);
    let bytes =
        value_to_bytes(name, value, Options::default()).with_context(|| format!("message {type_url}"))?;
    Ok(Any { type_url: format!("/{name}"), value: bytes })
}

/// Makes a transaction of messages and does with it what the flags say.
///
/// # Errors
/// Flags that do not fit each other, a node that cannot be reached, a trial run that fails, a no to the question.
pub(super) async fn send(
    ctx: &Context,
    flags: &TxFlags,
    from: &From,
    messages: Vec<Any>,
) -> anyhow::Result<()> {
    if flags.aux {
        check_note(flags)?;
        return aux(ctx, flags, from, &draft(ctx, flags, messages)?).await;
    }
    check(flags)?;
    if flags.offline && !flags.generate_only {
        bail!("nothing can be sent with --offline; add --generate-only, then use: geod tx sign --offline");
    }
    let mut draft = draft(ctx, flags, messages)?;
    if flags.dry_run {
        let flags = TxFlags { gas: Some(GasFlag::Auto), ..flags.clone() };
        return price(ctx, &mut draft, &flags, from, None).await;
    }
    if flags.generate_only {
        price(ctx, &mut draft, flags, from, None).await?;
        return write(flags, &tx_json(&draft.unsigned())?);
    }
    let client = ctx.rpc()?;
    let account = account(&client, flags, &from.address).await?;
    let (name, key) = from.key.as_ref().with_context(|| format!("no key for {}", from.address))?;
    price(ctx, &mut draft, flags, from, Some(account.sequence)).await?;
    let mut tx = draft.unsigned();
    if !flags.yes {
        ask(&tx)?;
    }
    let secret = ctx.keyring()?.secret(name)?;
    let chain_id = ctx.chain_id().await?;
    let place = Place { chain_id: &chain_id, account_number: account.number, sequence: account.sequence };
    signing::sign(&mut tx, &secret, flags.mode(matches!(key, AccountKey::Group(_)))?, place, true)?;
    broadcast(ctx, flags, &client, &signing::encode(&tx)).await
}

/// Checks what the flags say about signing and broadcasting.
///
/// # Errors
/// Values outside their choices.
pub(super) fn check(flags: &TxFlags) -> anyhow::Result<()> {
    flags.mode(false)?;
    if !(flags.gas_adjustment >= 1.0 && flags.gas_adjustment <= 100.0) {
        bail!("gas adjustment {} is not between 1 and 100", flags.gas_adjustment);
    }
    check_note(flags)?;
    match flags.broadcast_mode.as_deref() {
        None | Some("sync" | "async") => Ok(()),
        Some(other) => bail!("broadcast mode {other:?} is neither sync nor async"),
    }
}

fn check_note(flags: &TxFlags) -> anyhow::Result<()> {
    match is_mnemonic(&flags.note) {
        true => bail!("cannot provide a valid mnemonic seed in the memo field: everyone would read it"),
        false => Ok(()),
    }
}

/// The messages with what the flags say, but for gas and fee.
pub(super) fn draft(ctx: &Context, flags: &TxFlags, messages: Vec<Any>) -> anyhow::Result<Draft> {
    let account = |given: &Option<String>| match given.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => net::resolve(ctx, Kind::Account, text),
        None => Ok(String::new()),
    };
    Ok(Draft {
        messages,
        memo: flags.note.clone(),
        timeout_height: flags.timeout_height,
        fee_granter: account(&flags.fee_granter)?,
        fee_payer: account(&flags.fee_payer)?,
        ..Draft::default()
    })
}

/// Number and sequence of the signer.
///
/// # Errors
/// The node cannot be reached, or does not know the account.
pub(super) async fn account(client: &Client, flags: &TxFlags, address: &str) -> anyhow::Result<Account> {
    if let (Some(number), Some(sequence)) = (flags.account_number, flags.sequence) {
        return Ok(Account { number, sequence });
    }
    let account = client.account(address).await?.ok_or_else(|| NoAccount(address.to_owned()))?;
    Ok(Account { sequence: flags.sequence.unwrap_or(account.sequence), ..account })
}

/// Sets gas and fee; `--gas auto` takes a trial run at the signer's sequence.
async fn price(
    ctx: &Context,
    draft: &mut Draft,
    flags: &TxFlags,
    from: &From,
    sequence: Option<u64>,
) -> anyhow::Result<()> {
    let fee = |gas| match (&flags.fees, &flags.gas_prices) {
        (Some(text), _) => parse_coins(text),
        (None, Some(text)) => fees(&parse_prices(text)?, gas),
        (None, None) => Ok(Vec::new()),
    };
    draft.gas = match flags.gas() {
        Gas::Limit(gas) => gas,
        Gas::Auto(_) if flags.offline => bail!("--gas auto needs a node; give a number with --offline"),
        Gas::Auto(adjustment) => {
            // A trial run that pays nothing would leave out what paying costs.
            draft.fee = fee(1)?;
            let reply = trial(ctx, flags, from, draft.unsigned(), sequence).await?;
            let gas = adjusted(reply.gas_info.map(|gas| gas.gas_used).unwrap_or_default(), adjustment);
            eprintln!("gas estimate: {gas}");
            gas
        }
    };
    draft.fee = fee(draft.gas)?;
    Ok(())
}

/// A trial run of a transaction on the node; what signers it has is of no account.
///
/// # Errors
/// The node cannot be reached, or what the transaction would fail with.
pub(super) async fn trial(
    ctx: &Context,
    flags: &TxFlags,
    from: &From,
    mut tx: Tx,
    sequence: Option<u64>,
) -> anyhow::Result<SimulateResponse> {
    let client = ctx.rpc()?;
    let sequence = match sequence {
        Some(sequence) => sequence,
        None => account(&client, flags, &from.address).await?.sequence,
    };
    signing::set_signatures(&mut tx, &[from.trial(flags, sequence)?]);
    Ok(simulate(&client, signing::encode(&tx).bytes).await?)
}

fn ask(tx: &Tx) -> anyhow::Result<()> {
    eprintln!("{}", output::yaml(&tx_json(tx)?));
    let fee = tx.auth_info.clone().unwrap_or_default().fee.unwrap_or_default();
    let amount = if fee.amount.is_empty() { "none".to_owned() } else { coins::show(&fee.amount) };
    eprintln!("fee: {amount}, gas: {}", fee.gas_limit);
    match output::confirm("confirm transaction before signing and broadcasting")? {
        true => Ok(()),
        false => bail!("canceled transaction"),
    }
}

/// Hands a signed transaction in and prints what the node says.
///
/// # Errors
/// The node cannot be reached; a refusal by CheckTx is printed and no error.
pub(super) async fn broadcast(
    ctx: &Context,
    flags: &TxFlags,
    client: &Client,
    tx: &Signed,
) -> anyhow::Result<()> {
    let reply = match flags.broadcast_mode.as_deref().unwrap_or(&ctx.broadcast_mode) {
        "async" => client.broadcast_tx_async(&tx.bytes).await?,
        _ => client.broadcast_tx_sync(&tx.bytes).await?,
    };
    let response = TxResponse {
        txhash: reply.hash,
        code: reply.code,
        codespace: reply.codespace,
        raw_log: reply.log,
        ..TxResponse::default()
    };
    Ok(output::print(ctx.output, &json::to_value(&response)?)?)
}
