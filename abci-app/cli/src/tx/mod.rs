//! `geod tx`: transactions of every module.

mod aux_signer;
mod bank;
mod files;
mod flags;
mod flow;
mod multisign;
mod pow;
mod rewards;
mod seeds;
mod sign;
mod slashing;
mod staking;

use clap::Subcommand;

use crate::context::Context;

/// Send transactions
#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  geod tx bank send alice geo1... 1000000ugeo --fees 5000ugeo
  geod tx staking delegate geovaloper1... 5000000ugeo --from alice --gas auto --gas-prices 0.025ugeo -y
  geod tx pow register --agent geo1... --agent-url https://node1:9443 --certificate-hash HEX --nodes 0,1 --from alice
  geod tx rewards claim --from alice
  geod tx raw messages.json --from alice
  geod tx bank send alice geo1... 1ugeo --generate-only > tx.json; geod tx sign tx.json --from alice > signed.json
  geod tx broadcast signed.json")]
pub enum Command {
    /// Coins
    #[command(subcommand)]
    Bank(bank::Command),
    /// Validators and delegations
    #[command(subcommand)]
    Staking(Box<staking::Command>),
    /// Jailed validators
    #[command(subcommand)]
    Slashing(slashing::Command),
    /// VRF keys
    #[command(subcommand)]
    Seeds(seeds::Command),
    /// Participants of proof of compute
    #[command(subcommand)]
    Pow(Box<pow::Command>),
    /// Rewards
    #[command(subcommand)]
    Rewards(rewards::Command),
    /// Any messages, from a JSON file: one, or a list, each with its @type
    Raw(Box<files::RawArgs>),
    /// Sign a transaction that --generate-only wrote
    Sign(Box<sign::SignArgs>),
    /// Sign files of transactions, one a line
    SignBatch(Box<sign::SignBatchArgs>),
    /// Join the signatures of a group's members
    #[command(visible_alias = "multi-sign")]
    Multisign(Box<multisign::MultisignArgs>),
    /// Join the signatures of a group's members for many transactions
    #[command(visible_alias = "multi-sign-batch")]
    MultisignBatch(Box<multisign::MultisignBatchArgs>),
    /// Show who must sign and who has signed, and verify
    ValidateSignatures(Box<sign::ValidateArgs>),
    /// Send a signed transaction
    Broadcast(Box<files::BroadcastArgs>),
    /// Turn a transaction's JSON into base64
    Encode(files::EncodeArgs),
    /// Turn a transaction's base64 or hexadecimal into JSON
    Decode(files::DecodeArgs),
    /// Run a transaction on the node without sending it
    Simulate(Box<files::SimulateArgs>),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// Arguments that do not fit, a node that cannot be reached, a refusal before the transaction is handed in; what
    /// CheckTx says is printed and no error, as with the SDK.
    pub async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        match self {
            Self::Bank(command) => command.run(ctx).await,
            Self::Staking(command) => command.run(ctx).await,
            Self::Seeds(command) => command.run(ctx).await,
            Self::Pow(command) => command.run(ctx).await,
            Self::Rewards(command) => command.run(ctx).await,
            Self::Raw(args) => args.run(ctx).await,
            Self::Slashing(command) => command.run(ctx).await,
            Self::Sign(args) => args.run(ctx).await,
            Self::SignBatch(args) => args.run(ctx).await,
            Self::Multisign(args) => args.run(ctx).await,
            Self::MultisignBatch(args) => args.run(ctx).await,
            Self::ValidateSignatures(args) => args.run(ctx).await,
            Self::Simulate(args) => args.run(ctx).await,
            Self::Broadcast(args) => args.run(ctx).await,
            Self::Encode(args) => args.run(),
            Self::Decode(args) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests;
