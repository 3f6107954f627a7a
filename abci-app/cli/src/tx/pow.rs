//! `geod tx pow`: what an operator sends by hand; the agent sends the rest, and `geod tx raw` can.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use geodesic_client::address::Kind;
use geodesic_proto::any;
use geodesic_proto::geodesic::pow::v1::{
    MsgAccuse, MsgRegisterParticipant, MsgUpdateParticipant, QueryParticipantRequest,
    QueryParticipantResponse, Settings, msg_accuse,
};
use geodesic_proto::json::from_json;

use super::flags::TxFlags;
use super::flow::{From, send};
use super::seeds::registration;
use crate::context::Context;
use crate::net;

/// Longest file of an accusation.
const FILE_MAX: u64 = 1 << 20;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Register the operator of a validator as a participant, from the next epoch on
    #[command(after_help = "\
Examples:
  geod tx pow register --agent geo1... --agent-url https://node1:9443 --certificate-hash HEX --nodes 0,1 --from alice

The registration deposit (geod query pow params) is taken from the operator's account. With config/vrf_key.json in the
home, or --with-vrf-key, the same transaction registers the VRF key.")]
    Register {
        #[command(flatten)]
        settings: SettingsFlags,
        /// Register the VRF key of this file too [default: config/vrf_key.json of the home, if it is there]
        #[arg(long, value_name = "FILE")]
        with_vrf_key: Option<PathBuf>,
        /// Register no VRF key
        #[arg(long, conflicts_with = "with_vrf_key")]
        without_vrf_key: bool,
        #[command(flatten)]
        flags: TxFlags,
    },
    /// Change a participant's settings from the next epoch on, refill its deposit, or leave
    #[command(after_help = "\
Examples:
  geod tx pow update --nodes 0,1,2,3 --from alice
  geod tx pow update --refill --from alice
  geod tx pow update --leave --from alice")]
    Update {
        #[command(flatten)]
        settings: SettingsFlags,
        /// Whose settings, if not the signer's
        #[arg(long, value_name = "ADDRESS")]
        participant: Option<String>,
        /// Pay a forfeited deposit again
        #[arg(long)]
        refill: bool,
        /// Leave; the deposit comes back at the next settlement
        #[arg(long)]
        leave: bool,
        #[command(flatten)]
        flags: TxFlags,
    },
    /// Say that a leaf or a tag is wrong
    #[command(after_help = "\
Examples:
  geod tx pow accuse --epoch 5 --leaf leaf.json --from alice
  geod tx pow accuse --epoch 5 --tag tag.json --from alice

leaf.json: {\"prover\":\"geo1...\",\"node_id\":0,\"leaf\":{\"nonce\":\"17\",\"distance\":\"...\",\"logits_hash\":\"BASE64\"},
            \"path\":[{\"hash\":\"BASE64\",\"hits\":\"3\"}]}
tag.json:  {\"auditor\":\"geo1...\",\"prover\":\"geo1...\",\"position\":2}, with leaf and path if its index is false")]
    Accuse {
        /// Epoch of the leaf or the tag
        #[arg(long)]
        epoch: u64,
        /// JSON of a leaf with its path
        #[arg(long, value_name = "FILE", required_unless_present = "tag", conflicts_with = "tag")]
        leaf: Option<PathBuf>,
        /// JSON of a tag
        #[arg(long, value_name = "FILE")]
        tag: Option<PathBuf>,
        /// Who accuses, if not the signer
        #[arg(long, value_name = "ADDRESS")]
        participant: Option<String>,
        #[command(flatten)]
        flags: TxFlags,
    },
}

#[derive(clap::Args, Debug)]
pub struct SettingsFlags {
    /// Account that may send the participant's pow messages and claims
    #[arg(long, value_name = "ADDRESS")]
    agent: Option<String>,
    /// Where other agents reach the participant's agent
    #[arg(long, value_name = "URL")]
    agent_url: Option<String>,
    /// SHA-256 of the public key of the agent's certificate, hexadecimal
    #[arg(long, value_name = "HEX")]
    certificate_hash: Option<String>,
    /// Numbers of the compute nodes, such as 0,1,2
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    nodes: Option<Vec<u32>>,
}

impl SettingsFlags {
    fn is_empty(&self) -> bool {
        self.agent.is_none()
            && self.agent_url.is_none()
            && self.certificate_hash.is_none()
            && self.nodes.is_none()
    }

    /// These settings over others.
    pub(super) fn over(&self, ctx: &Context, mut settings: Settings) -> anyhow::Result<Settings> {
        if let Some(agent) = &self.agent {
            settings.agent = net::resolve(ctx, Kind::Account, agent)?;
        }
        if let Some(url) = &self.agent_url {
            settings.agent_url = url.clone();
        }
        if let Some(text) = &self.certificate_hash {
            let hash = hex::decode(text).ok().filter(|hash| hash.len() == 32);
            settings.certificate_hash =
                hash.with_context(|| format!("certificate hash {text:?} is not 64 hexadecimal digits"))?;
        }
        if let Some(nodes) = &self.nodes {
            settings.node_ids = nodes.clone();
            settings.node_ids.sort_unstable();
            settings.node_ids.dedup();
        }
        Ok(settings)
    }
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        match self {
            Self::Register { settings, with_vrf_key, without_vrf_key, flags } => {
                register(ctx, settings, with_vrf_key.as_ref(), *without_vrf_key, flags).await
            }
            Self::Update { settings, participant, refill, leave, flags } => {
                let from = From::resolve(ctx, flags, None)?;
                if settings.is_empty() && !refill && !leave {
                    bail!("nothing to change: give a setting, --refill or --leave");
                }
                let participant = participant_of(ctx, participant.as_deref(), &from)?;
                let settings = match settings.is_empty() {
                    true => None,
                    false => Some(settings.over(ctx, current(ctx, &participant).await?)?),
                };
                let sender = from.address.clone();
                let message =
                    MsgUpdateParticipant { sender, participant, settings, refill: *refill, leave: *leave };
                send(ctx, flags, &from, vec![any::pack(&message)]).await
            }
            Self::Accuse { epoch, leaf, tag, participant, flags } => {
                let from = From::resolve(ctx, flags, None)?;
                let accusation = match (leaf, tag) {
                    (Some(file), _) => msg_accuse::Accusation::Leaf(from_json(&read(file)?)?),
                    (None, Some(file)) => msg_accuse::Accusation::Tag(from_json(&read(file)?)?),
                    (None, None) => bail!("give --leaf or --tag"),
                };
                let message = MsgAccuse {
                    sender: from.address.clone(),
                    participant: participant_of(ctx, participant.as_deref(), &from)?,
                    epoch: *epoch,
                    accusation: Some(accusation),
                };
                send(ctx, flags, &from, vec![any::pack(&message)]).await
            }
        }
    }
}

async fn register(
    ctx: &Context,
    settings: &SettingsFlags,
    vrf_key: Option<&PathBuf>,
    without_vrf_key: bool,
    flags: &TxFlags,
) -> anyhow::Result<()> {
    let from = From::resolve(ctx, flags, None)?;
    for (missing, flag) in [
        (settings.agent.is_none(), "--agent"),
        (settings.agent_url.is_none(), "--agent-url"),
        (settings.certificate_hash.is_none(), "--certificate-hash"),
        (settings.nodes.is_none(), "--nodes"),
    ] {
        if missing {
            bail!("{flag} is needed to register");
        }
    }
    let message = MsgRegisterParticipant {
        sender: from.address.clone(),
        participant: from.address.clone(),
        settings: Some(settings.over(ctx, Settings::default())?),
    };
    let of_home = Some(ctx.vrf_key_file()).filter(|file| !without_vrf_key && file.exists());
    let mut messages = Vec::new();
    if let Some(file) = vrf_key.cloned().or(of_home) {
        messages.push(registration(ctx, &file, &from.address).await?);
    }
    messages.push(any::pack(&message));
    send(ctx, flags, &from, messages).await
}

fn participant_of(ctx: &Context, given: Option<&str>, from: &From) -> anyhow::Result<String> {
    given.map_or_else(|| Ok(from.address.clone()), |text| net::resolve(ctx, Kind::Account, text))
}

/// The settings that hold, or will hold, so that one of them can be changed.
async fn current(ctx: &Context, participant: &str) -> anyhow::Result<Settings> {
    let request = QueryParticipantRequest { participant: participant.to_owned() };
    let reply: QueryParticipantResponse =
        ctx.rpc()?.query("/geodesic.pow.v1.Query/Participant", &request).await?;
    let found = reply.participant.with_context(|| format!("{participant} is no participant"))?;
    found.next.or(found.settings).with_context(|| format!("{participant} has no settings"))
}

fn read(file: &PathBuf) -> anyhow::Result<String> {
    let length = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    if length > FILE_MAX {
        bail!("{} has {length} bytes, at most {FILE_MAX} are read", file.display());
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
