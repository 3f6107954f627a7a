//! `geod tx seeds`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use geodesic_client::vrf::VrfKey;
use geodesic_proto::any;
use geodesic_proto::prost_types::Any;

use super::flags::TxFlags;
use super::flow::{From, send};
use crate::context::Context;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Register the VRF key of an operator, with the proof that it is held
    #[command(after_help = "Example:\n  geod tx seeds register-vrf-key --from alice")]
    RegisterVrfKey {
        /// File of the key [default: config/vrf_key.json of the home]
        #[arg(long, value_name = "FILE")]
        vrf_key: Option<PathBuf>,
        #[command(flatten)]
        flags: TxFlags,
    },
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let Self::RegisterVrfKey { vrf_key, flags } = self;
        let from = From::resolve(ctx, flags, None)?;
        let file = vrf_key.clone().unwrap_or_else(|| ctx.vrf_key_file());
        let message = registration(ctx, &file, &from.address).await?;
        send(ctx, flags, &from, vec![message]).await
    }
}

/// The message that registers the key of a file for an operator.
///
/// # Errors
/// A file that is no key or is open to others; a chain id that nobody knows.
pub(super) async fn registration(
    ctx: &Context,
    file: &std::path::Path,
    operator: &str,
) -> anyhow::Result<Any> {
    let key = VrfKey::load(file).context("no VRF key; geod init makes one")?;
    Ok(any::pack(&key.register(&ctx.chain_id().await?, &ctx.prefix, operator)?))
}
