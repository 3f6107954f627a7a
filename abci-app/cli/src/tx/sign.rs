//! `geod tx sign`, `sign-batch`, `validate-signatures`: signatures of transactions in files.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use geodesic_client::account_key::{AccountKey, Group};
use geodesic_client::address::Kind;
use geodesic_client::coins::parse_coins;
use geodesic_client::key::SecretKey;
use geodesic_client::keyring::Keyring;
use geodesic_client::sign_doc::Mode;
use geodesic_client::signers::signers;
use geodesic_client::tx::Place;
use geodesic_client::{Account, signing};
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignatureDescriptors;
use geodesic_proto::cosmos::tx::v1beta1::Tx;
use geodesic_proto::json;
use serde_json::Value;

use super::files::{read, read_message, read_tx, tx_json, write, write_text};
use super::flags::TxFlags;
use super::flow::{account, check, draft};
use crate::context::Context;
use crate::output;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod tx sign tx.json --from alice > signed.json
  geod tx sign tx.json --from alice --offline --chain-id geodesic-local-1 --account-number 7 --sequence 0
  geod tx sign tx.json --from k1 --multisig group --output-document k1sig.json

--multisig signs for a group that the key belongs to; it implies --signature-only and amino-json. Join such signatures
with: geod tx multisign")]
pub struct SignArgs {
    /// JSON of a transaction that --generate-only wrote; - is standard input
    file: PathBuf,
    /// Group for which is signed: name or address
    #[arg(long, value_name = "GROUP")]
    multisig: Option<String>,
    /// Print the signatures alone
    #[arg(long)]
    signature_only: bool,
    /// Put the signature in place of those that are there, instead of adding it
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    flags: TxFlags,
}

impl SignArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        check(&self.flags)?;
        let mut tx = read_tx(&self.file)?;
        let signer = Signer::resolve(ctx, &self.flags, self.multisig.as_deref())?;
        let (account, chain_id) = place(ctx, &self.flags, &signer.address).await?;
        signer.sign(&mut tx, at(&chain_id, account), self.overwrite)?;
        write(&self.flags, &shown(&tx, self.signature_only || self.multisig.is_some())?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod tx sign-batch txs.json --from alice --output-document signed.json
  geod tx sign-batch txs.json --from k1 --multisig group > k1sigs.json
  geod tx sign-batch a.json b.json --append --from alice > one.json

The sequence goes up by one with each transaction.")]
pub struct SignBatchArgs {
    /// Files of transactions, one a line; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Group for which is signed: name or address
    #[arg(long, value_name = "GROUP")]
    multisig: Option<String>,
    /// Print the signatures alone
    #[arg(long)]
    signature_only: bool,
    /// Make one transaction of all messages
    #[arg(long)]
    append: bool,
    #[command(flatten)]
    flags: TxFlags,
}

impl SignBatchArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        check(&self.flags)?;
        let mut txs = Vec::new();
        for file in &self.files {
            let text = read(file)?;
            for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let tx = read_message::<Tx>(file, line);
                txs.push(tx.with_context(|| format!("{}, line {}", file.display(), i + 1))?);
            }
        }
        if self.append {
            txs = vec![append(ctx, &self.flags, &txs)?];
        }
        let signer = Signer::resolve(ctx, &self.flags, self.multisig.as_deref())?;
        let (mut account, chain_id) = place(ctx, &self.flags, &signer.address).await?;
        let mut lines = Vec::new();
        for tx in &mut txs {
            signer.sign(tx, at(&chain_id, account), true)?;
            lines.push(output::json_text(&shown(tx, self.signature_only || self.multisig.is_some())?));
            account.sequence += 1;
        }
        write_text(&self.flags, &lines.join("\n"))
    }
}

/// One transaction of the messages of all; gas and fees add up, the rest is what the flags say.
fn append(ctx: &Context, flags: &TxFlags, txs: &[Tx]) -> anyhow::Result<Tx> {
    let (mut messages, mut gas, mut fees) = (Vec::new(), 0_u64, Vec::<Coin>::new());
    for tx in txs {
        messages.extend(tx.body.iter().flat_map(|body| body.messages.clone()));
        let fee = tx.auth_info.clone().unwrap_or_default().fee.unwrap_or_default();
        gas = gas.saturating_add(fee.gas_limit);
        for coin in fee.amount {
            match fees.iter_mut().find(|sum| sum.denom == coin.denom) {
                Some(sum) => {
                    let add = |a: &str, b: &str| {
                        Some(a.parse::<u128>().ok()?.checked_add(b.parse().ok()?)?.to_string())
                    };
                    sum.amount = add(&sum.amount, &coin.amount)
                        .with_context(|| format!("fees of {} do not add up", coin.denom))?;
                }
                None => fees.push(coin),
            }
        }
    }
    let mut draft = draft(ctx, flags, messages)?;
    draft.gas = gas;
    draft.fee = parse_coins(&geodesic_client::coins::show(&fees))?;
    Ok(draft.unsigned())
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  geod tx validate-signatures signed.json
  geod tx validate-signatures signed.json --offline --chain-id geodesic-local-1 --account-number 7 --sequence 0

With --offline the signature of a single signer is verified with the given numbers; where several sign, only who signed
is checked.")]
pub struct ValidateArgs {
    /// JSON of a signed transaction; - is standard input
    file: PathBuf,
    #[command(flatten)]
    flags: TxFlags,
}

impl ValidateArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let tx = read_tx(&self.file)?;
        let wanted = signers(&tx)?;
        let of = |bytes: &[u8]| Kind::Account.encode(&ctx.prefix, bytes);
        output::line("Signers:")?;
        for (i, signer) in wanted.iter().enumerate() {
            output::line(&format!("  {i}: {}", of(signer)?))?;
        }
        output::line("\nSignatures:")?;
        let found = signing::signatures(&tx)?;
        let mut valid = found.len() == wanted.len();
        for (i, signature) in found.iter().enumerate() {
            let key = signature.public_key.as_ref().with_context(|| format!("signature {i} has no key"))?;
            let (key, data) = (AccountKey::from_any(key)?, signature.data.clone().unwrap_or_default());
            let address = of(&key.address())?;
            let mut verdict = "OK".to_owned();
            if wanted.get(i).is_none_or(|wanted| *wanted != key.address()) {
                verdict = "ERROR: signature does not match its respective signer".to_owned();
            } else if !self.flags.offline || wanted.len() == 1 {
                let (account, chain_id) = place(ctx, &self.flags, &address).await?;
                if let Err(error) = signing::verify(&key, &data, &tx, at(&chain_id, account)) {
                    verdict = format!("ERROR: {error}");
                }
            }
            valid &= verdict == "OK";
            output::line(&format!("  {i}: {address}\t\t\t[{verdict}]"))?;
        }
        output::line("")?;
        if valid { Ok(()) } else { bail!("signatures validation failed") }
    }
}

/// Who signs, and for whom.
struct Signer {
    name: String,
    secret: SecretKey,
    /// Address of the account that the signature counts for.
    address: String,
    bytes: [u8; 20],
    mode: Mode,
    for_group: bool,
}

impl Signer {
    fn resolve(ctx: &Context, flags: &TxFlags, multisig: Option<&str>) -> anyhow::Result<Self> {
        let name = flags.from.as_deref().context("nobody signs: give --from, a key's name or address")?;
        let keyring = ctx.keyring()?;
        let record = keyring.get(name)?;
        let bytes = match multisig {
            None => record.address(),
            Some(group) => {
                let group = find_group(&keyring, group)?;
                if !group.contains(&record.key) {
                    bail!("signing key is not a part of multisig key");
                }
                AccountKey::Group(group).address()
            }
        };
        Ok(Self {
            secret: keyring.secret(&record.name)?,
            name: record.name,
            address: Kind::Account.encode(&ctx.prefix, &bytes)?,
            bytes,
            mode: flags.mode(multisig.is_some())?,
            for_group: multisig.is_some(),
        })
    }

    fn sign(&self, tx: &mut Tx, place: Place<'_>, overwrite: bool) -> anyhow::Result<()> {
        // A group may be a member of another one that signs.
        if !self.for_group && !signers(tx)?.contains(&self.bytes.to_vec()) {
            bail!("tx intended signer does not match the given signer: {}", self.name);
        }
        Ok(signing::sign(tx, &self.secret, self.mode, place, overwrite)?)
    }
}

/// The group of a name or address.
///
/// # Errors
/// No such key, or a single one.
pub(super) fn find_group(keyring: &Keyring, name: &str) -> anyhow::Result<Group> {
    match keyring.get(name)?.key {
        AccountKey::Group(group) => Ok(group),
        _ => bail!(
            "key {name:?} is no group; make one with: geod keys add NAME --multisig k1,k2 --multisig-threshold 2"
        ),
    }
}

/// Number and next sequence of an account, and the chain id: the node's, or with `--offline` those of the flags.
///
/// # Errors
/// The node cannot be reached or does not know the account; a flag is missing.
pub(super) async fn place(
    ctx: &Context,
    flags: &TxFlags,
    address: &str,
) -> anyhow::Result<(Account, String)> {
    if !flags.offline {
        return Ok((account(&ctx.rpc()?, flags, address).await?, ctx.chain_id().await?));
    }
    match (flags.account_number, flags.sequence, &ctx.chain_id) {
        (Some(number), Some(sequence), Some(chain_id)) => {
            Ok((Account { number, sequence }, chain_id.clone()))
        }
        _ => bail!("--offline needs --account-number, --sequence and --chain-id"),
    }
}

pub(super) fn at(chain_id: &str, account: Account) -> Place<'_> {
    Place { chain_id, account_number: account.number, sequence: account.sequence }
}

/// The transaction as JSON, or its signatures alone.
pub(super) fn shown(tx: &Tx, signature_only: bool) -> anyhow::Result<Value> {
    match signature_only {
        true => Ok(json::to_value(&SignatureDescriptors { signatures: signing::signatures(tx)? })?),
        false => tx_json(tx),
    }
}
