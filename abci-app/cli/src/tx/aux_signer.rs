//! `--aux`: a signature for a transaction whose fee another pays.

use anyhow::{Context as _, bail};
use geodesic_client::account_key::AccountKey;
use geodesic_client::aux_signer::aux_signer_data;
use geodesic_client::tx::Draft;
use geodesic_proto::json;

use super::files::write;
use super::flags::TxFlags;
use super::flow::From;
use super::sign::{at, place};
use crate::context::Context;

/// Signs the messages, note and timeout, and writes what the payer of the fee needs.
///
/// # Errors
/// No single key, another sign mode, or no number and sequence of the account.
pub(super) async fn aux(ctx: &Context, flags: &TxFlags, from: &From, draft: &Draft) -> anyhow::Result<()> {
    let amino_json = match flags.sign_mode.as_deref() {
        None | Some("" | "direct-aux") => false,
        Some("amino-json") => true,
        Some(other) => bail!("--aux signs with direct-aux or amino-json, not with {other}"),
    };
    let (name, key) = from.key.as_ref().with_context(|| format!("no key for {}", from.address))?;
    if matches!(key, AccountKey::Group(_)) {
        bail!("{name} is a group, and --aux signs with a single key");
    }
    let secret = ctx.keyring()?.secret(name)?;
    let (account, chain_id) = place(ctx, flags, &from.address).await?;
    let body = draft.unsigned().body.unwrap_or_default();
    let data = aux_signer_data(&secret, &from.address, &body, amino_json, at(&chain_id, account))?;
    write(flags, &json::to_value(&data)?)
}
