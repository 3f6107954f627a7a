//! `geod tx rewards`.

use anyhow::bail;
use clap::Subcommand;
use geodesic_client::address::Kind;
use geodesic_proto::any;
use geodesic_proto::cosmos::base::query::v1beta1::PageRequest;
use geodesic_proto::geodesic::rewards::v1::{MsgClaim, QueryClaimableRequest, QueryClaimableResponse};

use super::flags::TxFlags;
use super::flow::{From, send};
use crate::context::Context;
use crate::net;

/// Most epochs of one message.
const EPOCHS_MAX: usize = 100;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Claim the rewards of epochs, or of all that can be claimed (at most 100); they always go to the participant
    #[command(after_help = "\
Examples:
  geod tx rewards claim --from alice
  geod tx rewards claim 5 6 7 --participant geo1... --from agent")]
    Claim {
        /// Epochs [default: all that can be claimed]
        epochs: Vec<u64>,
        /// Whose rewards, if not the signer's
        #[arg(long, value_name = "ADDRESS")]
        participant: Option<String>,
        #[command(flatten)]
        flags: TxFlags,
    },
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let Self::Claim { epochs, participant, flags } = self;
        let from = From::resolve(ctx, flags, None)?;
        let participant = match participant {
            Some(text) => net::resolve(ctx, Kind::Account, text)?,
            None => from.address.clone(),
        };
        let mut epochs = epochs.clone();
        if epochs.is_empty() {
            if flags.offline {
                bail!("name the epochs: with --offline nobody can be asked");
            }
            epochs = claimable(ctx, &participant).await?;
        }
        epochs.sort_unstable();
        epochs.dedup();
        match epochs.len() {
            0 => bail!("{participant} has nothing to claim; see: geod query rewards history {participant}"),
            1..=EPOCHS_MAX => {}
            many => bail!("{many} epochs, one transaction claims at most {EPOCHS_MAX}"),
        }
        let message = MsgClaim { sender: from.address.clone(), participant, epochs };
        send(ctx, flags, &from, vec![any::pack(&message)]).await
    }
}

async fn claimable(ctx: &Context, participant: &str) -> anyhow::Result<Vec<u64>> {
    let pagination = Some(PageRequest { limit: EPOCHS_MAX as u64, ..PageRequest::default() });
    let request = QueryClaimableRequest { participant: participant.to_owned(), pagination };
    let path = "/geodesic.rewards.v1.Query/Claimable";
    let reply: QueryClaimableResponse = ctx.rpc()?.query(path, &request).await?;
    Ok(reply.shares.into_iter().map(|share| share.epoch).collect())
}
