//! `geod tx raw`, `broadcast`, `encode`, `decode`, `simulate`: transactions in files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_client::signing;
use geodesic_proto::cosmos::tx::v1beta1::Tx;
use geodesic_proto::json;
use prost::Message as _;
use serde_json::Value;

use super::flags::TxFlags;
use super::flow::{From, broadcast, check, message, send, trial};
use crate::context::{Context, Output};
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
        let messages = messages(&parse(&self.file, &read(&self.file)?)?)?;
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
  geod tx broadcast signed.json
  geod tx sign tx.json --from alice | geod tx broadcast -")]
pub struct BroadcastArgs {
    /// JSON of a signed transaction; - is standard input
    file: PathBuf,
    #[command(flatten)]
    flags: TxFlags,
}

impl BroadcastArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        check(&self.flags)?;
        if self.flags.offline {
            bail!("cannot broadcast tx during offline mode");
        }
        let tx = signing::encode(&read_tx(&self.file)?);
        broadcast(ctx, &self.flags, &ctx.rpc()?, &tx).await
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  geod tx encode signed.json")]
pub struct EncodeArgs {
    /// JSON of a transaction; - is standard input
    file: PathBuf,
}

impl EncodeArgs {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        Ok(output::line(&STANDARD.encode(signing::encode(&read_tx(&self.file)?).bytes))?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod tx decode CpIBCo8B...
  geod tx decode --hex 0A92010A8F01...")]
pub struct DecodeArgs {
    /// Base64, or hexadecimal with --hex
    tx: String,
    /// The transaction is hexadecimal
    #[arg(long, short = 'x')]
    hex: bool,
}

impl DecodeArgs {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let bytes = match self.hex {
            true => hex::decode(&self.tx).context("the transaction is not hexadecimal")?,
            false => {
                STANDARD.decode(&self.tx).context("the transaction is not base64; hexadecimal needs --hex")?
            }
        };
        let tx = Tx::decode(bytes.as_slice()).context("these bytes are no transaction")?;
        // It goes on into a file: JSON whatever the output format is.
        Ok(output::print(Output::Json, &tx_json(&tx)?)?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  geod tx bank send alice geo1... 1ugeo --generate-only > tx.json; geod tx simulate tx.json --from alice")]
pub struct SimulateArgs {
    /// JSON of a transaction, signed or not; - is standard input
    file: PathBuf,
    #[command(flatten)]
    flags: TxFlags,
}

impl SimulateArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        check(&self.flags)?;
        if self.flags.offline {
            bail!("cannot estimate gas in offline mode");
        }
        let from = From::resolve(ctx, &TxFlags { dry_run: true, ..self.flags.clone() }, None)?;
        let reply = trial(ctx, &self.flags, &from, read_tx(&self.file)?, None).await?;
        Ok(output::print(ctx.output, &json::to_value(&reply)?)?)
    }
}

/// A transaction as `simd` of SDK 0.50 prints it: the two fields that came with 0.53 stand there only if they are set.
pub(super) fn tx_json(tx: &Tx) -> anyhow::Result<Value> {
    let mut value = json::to_value(tx)?;
    if let Some(Value::Object(body)) = value.get_mut("body") {
        for (name, unset) in [("unordered", Value::Bool(false)), ("timeout_timestamp", Value::Null)] {
            if body.get(name) == Some(&unset) {
                body.shift_remove(name);
            }
        }
    }
    Ok(value)
}

/// Writes a transaction or signature as JSON to `--output-document`, or to standard output.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(flags: &TxFlags, value: &Value) -> anyhow::Result<()> {
    write_text(flags, &output::json_text(value))
}

/// [`write`] of one line or several.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_text(flags: &TxFlags, text: &str) -> anyhow::Result<()> {
    match &flags.output_document {
        Some(file) => std::fs::write(file, format!("{text}\n"))
            .with_context(|| format!("cannot write {}", file.display())),
        None => Ok(output::line(text)?),
    }
}

/// The transaction in a file.
///
/// # Errors
/// The file cannot be read or holds none.
pub(super) fn read_tx(file: &Path) -> anyhow::Result<Tx> {
    read_message(file, &read(file)?).with_context(|| format!("{} is no transaction", file.display()))
}

/// A message in the JSON text of a file.
///
/// # Errors
/// It does not fit the type.
pub(super) fn read_message<T: prost::Message + prost::Name + Default>(
    file: &Path,
    text: &str,
) -> anyhow::Result<T> {
    Ok(json::from_value(&parse(file, text)?)?)
}

fn parse(file: &Path, text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).with_context(|| format!("{} is not JSON", file.display()))
}

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// It cannot be read or has more than 16 MiB.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
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
    Ok(text)
}
