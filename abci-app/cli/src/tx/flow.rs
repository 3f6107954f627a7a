//! From messages to a transaction on its way: who signs, what it costs, asking, signing, handing in.

use anyhow::{Context as _, bail};
use geodesic_client::address::{self, Kind};
use geodesic_client::coins::{self, fees, parse_coins, parse_prices};
use geodesic_client::key::PublicKey;
use geodesic_client::rpc::Client;
use geodesic_client::sender::Gas;
use geodesic_client::tx::{Draft, Place, Signed, adjusted};
use geodesic_client::{Account, NoAccount};
use geodesic_proto::cosmos::base::abci::v1beta1::TxResponse;
use geodesic_proto::cosmos::tx::v1beta1::Tx;
use geodesic_proto::json::{self, Options, value_to_bytes};
use geodesic_proto::prost_types::Any;
use serde_json::Value;

use super::flags::{GasFlag, TxFlags};
use crate::context::Context;
use crate::output;

/// Who signs.
pub(super) struct From {
    /// Address.
    pub(super) address: String,
    /// The key of that name, unless only an address was given for `--generate-only`.
    key: Option<(String, PublicKey)>,
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
                key: Some((record.name, record.public)),
            }),
            // An unsigned transaction can be made for anybody.
            Err(_) if flags.generate_only && address::decode(name).is_ok() => {
                Kind::Account.decode(&ctx.prefix, name)?;
                Ok(Self { address: name.to_owned(), key: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn key(&self) -> anyhow::Result<&(String, PublicKey)> {
        self.key.as_ref().with_context(|| format!("no key for {}", self.address))
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
    check(flags)?;
    if flags.offline && !flags.generate_only {
        bail!("nothing can be sent with --offline; add --generate-only, then use: geod tx sign --offline");
    }
    let mut draft = Draft {
        messages,
        memo: flags.note.clone(),
        timeout_height: flags.timeout_height,
        fee_granter: flags.fee_granter.clone().unwrap_or_default(),
        ..Draft::default()
    };
    if flags.dry_run {
        let client = ctx.rpc()?;
        let account = account(&client, flags, &from.address).await?;
        let flags = TxFlags { gas: Some(GasFlag::Auto), ..flags.clone() };
        return price(&mut draft, &flags, Some((&client, &from.key()?.1, account.sequence))).await;
    }
    if flags.generate_only {
        if let (Gas::Auto(_), false) = (flags.gas(), flags.offline) {
            let client = ctx.rpc()?;
            let account = account(&client, flags, &from.address).await?;
            price(&mut draft, flags, Some((&client, &from.key()?.1, account.sequence))).await?;
        } else {
            price(&mut draft, flags, None).await?;
        }
        let tx =
            Tx { body: Some(draft.body()), auth_info: Some(draft.auth_info(None)), signatures: Vec::new() };
        return write(ctx, flags, &json::to_value(&tx)?);
    }
    let client = ctx.rpc()?;
    let account = account(&client, flags, &from.address).await?;
    let (name, public) = from.key()?;
    price(&mut draft, flags, Some((&client, public, account.sequence))).await?;
    if !flags.yes {
        ask(&draft, public, account.sequence)?;
    }
    let secret = ctx.keyring()?.secret(name)?;
    let chain_id = ctx.chain_id().await?;
    let place = Place { chain_id: &chain_id, account_number: account.number, sequence: account.sequence };
    broadcast(ctx, flags, &client, &draft.sign(&secret, place)).await
}

/// Checks what the flags say about signing and broadcasting.
///
/// # Errors
/// Values outside their choices.
pub(super) fn check(flags: &TxFlags) -> anyhow::Result<()> {
    if flags.sign_mode != "direct" && !flags.sign_mode.is_empty() {
        bail!("sign mode {:?} is not available; use direct", flags.sign_mode);
    }
    if !(flags.gas_adjustment >= 1.0 && flags.gas_adjustment <= 100.0) {
        bail!("gas adjustment {} is not between 1 and 100", flags.gas_adjustment);
    }
    match flags.broadcast_mode.as_deref() {
        None | Some("sync" | "async") => Ok(()),
        Some(other) => bail!("broadcast mode {other:?} is neither sync nor async"),
    }
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

/// Sets gas and fee; a trial run needs a node, the signer's key and its sequence.
async fn price(
    draft: &mut Draft,
    flags: &TxFlags,
    trial: Option<(&Client, &PublicKey, u64)>,
) -> anyhow::Result<()> {
    let fee = |gas| match (&flags.fees, &flags.gas_prices) {
        (Some(text), _) => parse_coins(text),
        (None, Some(text)) => fees(&parse_prices(text)?, gas),
        (None, None) => Ok(Vec::new()),
    };
    // A trial run that pays nothing would leave out what paying costs.
    draft.fee = fee(1)?;
    draft.gas = match (flags.gas(), trial) {
        (Gas::Limit(gas), _) => gas,
        (Gas::Auto(adjustment), Some((client, key, sequence))) => {
            let gas = adjusted(draft.simulate(client, key, sequence).await?, adjustment);
            eprintln!("gas estimate: {gas}");
            gas
        }
        (Gas::Auto(_), None) => bail!("--gas auto needs a node; give a number with --offline"),
    };
    draft.fee = fee(draft.gas)?;
    Ok(())
}

fn ask(draft: &Draft, public: &PublicKey, sequence: u64) -> anyhow::Result<()> {
    let auth_info = draft.auth_info(Some((public, sequence)));
    let tx = Tx { body: Some(draft.body()), auth_info: Some(auth_info), signatures: Vec::new() };
    eprintln!("{}", output::yaml(&json::to_value(&tx)?));
    let fee = if draft.fee.is_empty() { "none".to_owned() } else { coins::show(&draft.fee) };
    eprintln!("fee: {fee}, gas: {}", draft.gas);
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

/// Writes a transaction as JSON to `--output-document`, or to standard output.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(ctx: &Context, flags: &TxFlags, tx: &Value) -> anyhow::Result<()> {
    match &flags.output_document {
        Some(file) => std::fs::write(file, format!("{tx}\n"))
            .with_context(|| format!("cannot write {}", file.display())),
        // A transaction goes on into a file: JSON whatever the output format is.
        None => Ok(output::print(crate::context::Output::Json, tx).with_context(|| ctx.node.clone())?),
    }
}
