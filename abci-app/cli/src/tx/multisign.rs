//! `geod tx multisign`, `multisign-batch`: the signature of a group from those of its members.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use geodesic_client::account_key::{AccountKey, Group};
use geodesic_client::address::Kind;
use geodesic_client::signing;
use geodesic_client::tx::Place;
use geodesic_proto::cosmos::tx::signing::v1beta1::{SignatureDescriptor, SignatureDescriptors};
use geodesic_proto::cosmos::tx::v1beta1::Tx;

use super::files::{read, read_message, read_tx, write, write_text};
use super::flags::TxFlags;
use super::sign::{at, find_group, place, shown};
use crate::context::Context;
use crate::output;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  geod keys add group --multisig k1,k2,k3 --multisig-threshold 2
  geod tx bank send GROUP geo1... 5ugeo --generate-only > tx.json
  geod tx sign tx.json --from k1 --multisig group > k1sig.json
  geod tx sign tx.json --from k2 --multisig group > k2sig.json
  geod tx multisign tx.json group k1sig.json k2sig.json > signed.json")]
pub struct MultisignArgs {
    /// JSON of the transaction; - is standard input
    file: PathBuf,
    /// The group: name or address
    group: String,
    /// Files that sign --multisig wrote
    #[arg(required = true)]
    signatures: Vec<PathBuf>,
    /// Do not verify the signatures, as is needed for a group in a group
    #[arg(long)]
    skip_signature_verification: bool,
    /// Print the signature alone
    #[arg(long)]
    signature_only: bool,
    #[command(flatten)]
    flags: TxFlags,
}

impl MultisignArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let mut tx = read_tx(&self.file)?;
        let group = find_group(&ctx.keyring()?, &self.group)?;
        let (account, chain_id) = place(ctx, &self.flags, &address(ctx, &group)?).await?;
        let mut parts = Vec::new();
        for file in &self.signatures {
            parts.extend(signatures(file)?);
        }
        if !self.skip_signature_verification {
            verify(ctx, &tx, at(&chain_id, account), &parts)?;
        }
        join(&mut tx, &group, account.sequence, &parts)?;
        write(&self.flags, &shown(&tx, self.signature_only)?)
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  geod tx multisign-batch txs.json group k1sigs.json k2sigs.json > signed.json

Each file of signatures has a line for each transaction, as sign-batch --multisig writes them.")]
pub struct MultisignBatchArgs {
    /// File of transactions, one a line; - is standard input
    file: PathBuf,
    /// The group: name or address
    group: String,
    /// Files that sign-batch --multisig wrote
    #[arg(required = true)]
    signatures: Vec<PathBuf>,
    /// All transactions have the same sequence
    #[arg(long)]
    no_auto_increment: bool,
    #[command(flatten)]
    flags: TxFlags,
}

impl MultisignBatchArgs {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let group = find_group(&ctx.keyring()?, &self.group)?;
        let (mut account, chain_id) = place(ctx, &self.flags, &address(ctx, &group)?).await?;
        let columns = self.signatures.iter().map(|file| signatures(file)).collect::<Result<Vec<_>, _>>()?;
        let (text, mut lines) = (read(&self.file)?, Vec::new());
        for (i, line) in text.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            let mut tx: Tx = read_message(&self.file, line).with_context(|| format!("transaction {i}"))?;
            let of_file = |(column, file): (&Vec<SignatureDescriptor>, &PathBuf)| {
                column.get(i).cloned().with_context(|| format!("{} has no signature {i}", file.display()))
            };
            let parts = columns.iter().zip(&self.signatures).map(of_file).collect::<Result<Vec<_>, _>>()?;
            verify(ctx, &tx, at(&chain_id, account), &parts).with_context(|| format!("transaction {i}"))?;
            join(&mut tx, &group, account.sequence, &parts)?;
            lines.push(output::json_text(&shown(&tx, false)?));
            account.sequence += u64::from(!self.no_auto_increment);
        }
        write_text(&self.flags, &lines.join("\n"))
    }
}

fn address(ctx: &Context, group: &Group) -> anyhow::Result<String> {
    Ok(Kind::Account.encode(&ctx.prefix, &AccountKey::Group(group.clone()).address())?)
}

/// The signatures in a file, one JSON a line or one JSON over several.
fn signatures(file: &Path) -> anyhow::Result<Vec<SignatureDescriptor>> {
    let text = read(file)?;
    let not = || format!("{} holds no signatures as sign --multisig writes them", file.display());
    let whole = serde_json::from_str::<serde_json::Value>(&text).is_ok();
    let parts = if whole { vec![text.as_str()] } else { text.lines().collect() };
    let mut all = Vec::new();
    for part in parts.into_iter().filter(|part| !part.trim().is_empty()) {
        all.extend(read_message::<SignatureDescriptors>(file, part).with_context(not)?.signatures);
    }
    if all.is_empty() { bail!(not()) } else { Ok(all) }
}

fn verify(ctx: &Context, tx: &Tx, place: Place<'_>, parts: &[SignatureDescriptor]) -> anyhow::Result<()> {
    for part in parts {
        let key = AccountKey::from_any(part.public_key.as_ref().context("a signature has no key")?)?;
        let signer = Kind::Account.encode(&ctx.prefix, &key.address())?;
        signing::verify(&key, &part.data.clone().unwrap_or_default(), tx, place)
            .with_context(|| format!("couldn't verify signature for address {signer}"))?;
    }
    Ok(())
}

fn join(tx: &mut Tx, group: &Group, sequence: u64, parts: &[SignatureDescriptor]) -> anyhow::Result<()> {
    let joined = signing::join(group, sequence, parts)?;
    signing::set_signatures(tx, &[joined]);
    if parts.len() < group.threshold() as usize {
        eprintln!("{} of the group have signed, {} are needed", parts.len(), group.threshold());
    }
    Ok(())
}
