//! `geod tx bank`.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use geodesic_client::address::Kind;
use geodesic_client::coins::parse_coins;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::{Input, MsgMultiSend, MsgSend, Output};
use geodesic_proto::cosmos::base::v1beta1::Coin;

use super::flags::TxFlags;
use super::flow::{From, send};
use crate::context::Context;
use crate::net;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send coins
    #[command(after_help = "Example:\n  geod tx bank send alice geo1... 1000000ugeo --fees 5000ugeo")]
    Send {
        /// Who sends: name or address of a key
        #[arg(value_name = "FROM")]
        sender: String,
        /// Who receives
        to: String,
        /// What is sent, such as 1000000ugeo
        amount: String,
        #[command(flatten)]
        flags: TxFlags,
    },
    /// Send the same coins to several
    #[command(after_help = "Example:\n  geod tx bank multi-send alice geo1a... geo1b... 1000ugeo --split")]
    MultiSend {
        /// Who sends: name or address of a key
        #[arg(value_name = "FROM")]
        sender: String,
        /// Who receives, then what
        #[arg(required = true, num_args = 2.., value_name = "TO... AMOUNT")]
        rest: Vec<String>,
        /// Divide the amount among the receivers instead of sending it to each
        #[arg(long)]
        split: bool,
        #[command(flatten)]
        flags: TxFlags,
    },
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        match self {
            Self::Send { sender, to, amount, flags } => {
                let from = From::resolve(ctx, flags, Some(sender))?;
                let message = MsgSend {
                    from_address: from.address.clone(),
                    to_address: net::resolve(ctx, Kind::Account, to)?,
                    amount: coins(amount)?,
                };
                send(ctx, flags, &from, vec![any::pack(&message)]).await
            }
            Self::MultiSend { sender, rest, split, flags } => {
                let from = From::resolve(ctx, flags, Some(sender))?;
                let (amount, receivers) = rest.split_last().context("nobody receives")?;
                let to = receivers
                    .iter()
                    .map(|to| net::resolve(ctx, Kind::Account, to))
                    .collect::<Result<_, _>>()?;
                let message = multi_send(&from.address, to, &coins(amount)?, *split)?;
                send(ctx, flags, &from, vec![any::pack(&message)]).await
            }
        }
    }
}

fn coins(text: &str) -> anyhow::Result<Vec<Coin>> {
    let coins = parse_coins(text)?;
    if coins.is_empty() { bail!("amount {text:?} is nothing") } else { Ok(coins) }
}

/// The amount, or its part rounded down, to each; the sender pays the sum.
pub(super) fn multi_send(
    from: &str,
    to: Vec<String>,
    amount: &[Coin],
    split: bool,
) -> anyhow::Result<MsgMultiSend> {
    let receivers = to.len() as u128;
    let (mut each, mut sum) = (Vec::new(), Vec::new());
    for Coin { denom, amount } in amount {
        let amount: u128 =
            amount.parse().with_context(|| format!("{amount}{denom} is more than 128 bits hold"))?;
        let part = if split { amount / receivers.max(1) } else { amount };
        let total =
            part.checked_mul(receivers).with_context(|| format!("{amount}{denom} each is too much"))?;
        if part == 0 {
            bail!("{amount}{denom} cannot be divided among {receivers}");
        }
        each.push(Coin { denom: denom.clone(), amount: part.to_string() });
        sum.push(Coin { denom: denom.clone(), amount: total.to_string() });
    }
    Ok(MsgMultiSend {
        inputs: vec![Input { address: from.to_owned(), coins: sum }],
        outputs: to.into_iter().map(|address| Output { address, coins: each.clone() }).collect(),
    })
}
