//! `geod tx raw`, `sign`, `broadcast`, `encode`, `decode`: transactions in files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_client::Account;
use geodesic_client::tx::{Draft, Place, Signed};
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, Tx, TxRaw};
use geodesic_proto::json;
use prost::Message as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::flags::TxFlags;
use super::flow::{From, account, broadcast, check, message, send, write};
use crate::context::Context;
use crate::output;

/// Longest file of a transaction or of messages.
const FILE_MAX: u64 = 16 << 20;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  geod tx raw messages.json --from alice
with messages.json: [{\"@type\":\"/cosmos.bank.v1beta1.MsgSend\",\"from_address\":\"geo1...\",\"to_address\":\"geo1...\",
                     \"amount\":[{\"denom\":\"ugeo\",\"amount\":\"5\"}]}]")]
pub struct RawArgs {
    /// JSON of one message or of a list of messages; - is standard input
    file: PathBuf,
    #[command(flatten)]
    flags: TxFlags,
}

impl RawArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let from = From::resolve(ctx, &self.flags, None)?;
        let messages = messages(&read_json(&self.file)?)?;
        send(ctx, &self.flags, &from, messages).await
    }
}

/// The messages of a JSON object or list.
pub(super) fn messages(value: &Value) -> anyhow::Result<Vec<geodesic_proto::prost_types::Any>> {
    let list = match value {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let parse = |(i, value): (usize, &Value)| {
        let mut fields =
            value.as_object().cloned().with_context(|| format!("message {i} is no JSON object"))?;
        match fields.remove("@type") {
            Some(Value::String(type_url)) => {
                message(&type_url, &fields.into()).with_context(|| format!("message {i}"))
            }
            _ => bail!("message {i} has no @type, such as /cosmos.bank.v1beta1.MsgSend"),
        }
    };
    list.into_iter().enumerate().map(parse).collect()
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod tx sign tx.json --from alice > signed.json
  geod tx sign tx.json --from alice --offline --chain-id geodesic-local-1 --account-number 7 --sequence 0")]
pub struct SignArgs {
    /// JSON of a transaction; - is standard input
    file: PathBuf,
    #[command(flatten)]
    flags: TxFlags,
}

impl SignArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        check(&self.flags)?;
        let from = From::resolve(ctx, &self.flags, None)?;
        let draft = draft(&read_tx(&self.file)?)?;
        let (account, chain_id) = match self.flags.offline {
            false => (account(&ctx.rpc()?, &self.flags, &from.address).await?, ctx.chain_id().await?),
            true => offline(ctx, &self.flags)?,
        };
        let secret = ctx.keyring()?.secret(&from.address)?;
        let place = Place { chain_id: &chain_id, account_number: account.number, sequence: account.sequence };
        let signed = Tx::decode(draft.sign(&secret, place).bytes.as_slice())?;
        write(ctx, &self.flags, &json::to_value(&signed)?)
    }
}

fn offline(ctx: &Context, flags: &TxFlags) -> anyhow::Result<(Account, String)> {
    match (flags.account_number, flags.sequence, &ctx.chain_id) {
        (Some(number), Some(sequence), Some(chain_id)) => {
            Ok((Account { number, sequence }, chain_id.clone()))
        }
        _ => bail!("--offline needs --account-number, --sequence and --chain-id"),
    }
}

/// What an unsigned transaction says; what would be lost by signing it anew is refused.
pub(super) fn draft(tx: &Tx) -> anyhow::Result<Draft> {
    let body = tx.body.clone().context("the transaction has no body")?;
    let fee = tx.auth_info.clone().unwrap_or_default().fee.unwrap_or_default();
    let draft = Draft {
        messages: body.messages.clone(),
        memo: body.memo.clone(),
        timeout_height: body.timeout_height,
        fee: fee.amount.clone(),
        gas: fee.gas_limit,
        fee_granter: fee.granter.clone(),
    };
    if draft.body() != body || draft.auth_info(None).fee != Some(fee) {
        bail!(
            "the transaction has a fee payer, extension options or unordered settings, which this program does not sign"
        );
    }
    Ok(draft)
}

#[derive(clap::Args, Debug)]
pub struct BroadcastArgs {
    /// JSON of a signed transaction; - is standard input
    file: PathBuf,
    #[command(flatten)]
    flags: TxFlags,
}

impl BroadcastArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        check(&self.flags)?;
        let bytes = encode(&read_tx(&self.file)?);
        let hash = Sha256::digest(&bytes).into();
        broadcast(ctx, &self.flags, &ctx.rpc()?, &Signed { bytes, hash }).await
    }
}

#[derive(clap::Args, Debug)]
pub struct EncodeArgs {
    /// JSON of a transaction; - is standard input
    file: PathBuf,
}

impl EncodeArgs {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        Ok(output::line(&STANDARD.encode(encode(&read_tx(&self.file)?)))?)
    }
}

#[derive(clap::Args, Debug)]
pub struct DecodeArgs {
    /// Base64, or hexadecimal with --hex
    tx: String,
    /// The transaction is hexadecimal
    #[arg(long, short = 'x')]
    hex: bool,
}

impl DecodeArgs {
    pub(super) fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let bytes = match self.hex {
            true => hex::decode(&self.tx).context("the transaction is not hexadecimal")?,
            false => {
                STANDARD.decode(&self.tx).context("the transaction is not base64; hexadecimal needs --hex")?
            }
        };
        let tx = Tx::decode(bytes.as_slice()).context("these bytes are no transaction")?;
        Ok(output::print(ctx.output, &json::to_value(&tx)?)?)
    }
}

/// Encoding of a transaction as nodes take it: `TxRaw`.
fn encode(tx: &Tx) -> Vec<u8> {
    let raw = TxRaw {
        body_bytes: tx.body.as_ref().map(|body| body.encode_to_vec()).unwrap_or_default(),
        auth_info_bytes: tx.auth_info.as_ref().map(AuthInfo::encode_to_vec).unwrap_or_default(),
        signatures: tx.signatures.clone(),
    };
    raw.encode_to_vec()
}

fn read_tx(file: &Path) -> anyhow::Result<Tx> {
    json::from_value(&read_json(file)?).with_context(|| format!("{} is no transaction", file.display()))
}

fn read_json(file: &Path) -> anyhow::Result<Value> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().take(FILE_MAX + 1).read_to_string(&mut text),
        _ => std::fs::File::open(file).and_then(|input| input.take(FILE_MAX + 1).read_to_string(&mut text)),
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    if text.len() as u64 > FILE_MAX {
        bail!("{} has more than {FILE_MAX} bytes", file.display());
    }
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}
