//! `geod tx slashing`.

use clap::Subcommand;
use geodesic_client::address::{self, Kind};
use serde_json::json;

use super::flags::TxFlags;
use super::flow::{From, message, send};
use crate::context::Context;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Let the signer's validator take part again after it was jailed for downtime
    #[command(after_help = "Example:\n  geod tx slashing unjail --from alice")]
    Unjail {
        #[command(flatten)]
        flags: TxFlags,
    },
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let Self::Unjail { flags } = self;
        let from = From::resolve(ctx, flags, None)?;
        let operator = Kind::Validator.encode(&ctx.prefix, &address::decode(&from.address)?.1)?;
        let unjail = message("/cosmos.slashing.v1beta1.MsgUnjail", &json!({"validator_addr": operator}))?;
        send(ctx, flags, &from, vec![unjail]).await
    }
}
