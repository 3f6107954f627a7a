//! `geod tx staking`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use geodesic_client::address::{self, Kind};
use geodesic_client::coins::parse_coin;
use geodesic_proto::prost_types::Any;
use serde_json::{Map, Value, json};

use super::flags::TxFlags;
use super::flow::{From, message, send};
use crate::context::Context;
use crate::net;

/// What `edit-validator` sends for a text that stays as it is.
const UNCHANGED: &str = "[do-not-modify]";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make the signer the operator of a validator
    #[command(after_help = "\
Examples:
  geod tx staking create-validator validator.json --from alice
  geod tx staking create-validator --amount 1000000ugeo --moniker node1 --from alice

validator.json: {\"pubkey\": JSON of geod comet show-validator, \"amount\": \"1000000ugeo\", \"moniker\": \"node1\",
  \"identity\": \"\", \"website\": \"\", \"security\": \"\", \"details\": \"\", \"commission-rate\": \"0.1\",
  \"commission-max-rate\": \"0.2\", \"commission-max-change-rate\": \"0.01\", \"min-self-delegation\": \"1\"}
Flags stand over the file. Where power comes from compute, the amount is the validator's collateral.")]
    CreateValidator(Box<CreateArgs>),
    /// Change what a validator says of itself
    #[command(
        after_help = "Example:\n  geod tx staking edit-validator --new-moniker node2 --commission-rate 0.12 --from alice"
    )]
    EditValidator(Box<EditArgs>),
    /// Delegate coins to a validator; where power comes from compute they are collateral and earn nothing yet
    #[command(after_help = "Example:\n  geod tx staking delegate geovaloper1... 1000000ugeo --from alice")]
    Delegate {
        /// The validator's operator
        validator: String,
        /// Such as 1000000ugeo
        amount: String,
        #[command(flatten)]
        flags: TxFlags,
    },
    /// Take delegated coins back
    #[command(after_help = "Example:\n  geod tx staking unbond geovaloper1... 1000000ugeo --from alice")]
    Unbond {
        /// The validator's operator
        validator: String,
        /// Such as 1000000ugeo
        amount: String,
        #[command(flatten)]
        flags: TxFlags,
    },
    /// Move delegated coins to another validator
    #[command(
        after_help = "Example:\n  geod tx staking redelegate geovaloper1a... geovaloper1b... 1000000ugeo --from alice"
    )]
    Redelegate {
        /// The validator's operator
        from_validator: String,
        /// The other validator's operator
        to_validator: String,
        /// Such as 1000000ugeo
        amount: String,
        #[command(flatten)]
        flags: TxFlags,
    },
    /// Delegate coins again that are being taken back
    #[command(
        after_help = "Example:\n  geod tx staking cancel-unbond geovaloper1... 1000000ugeo 1234 --from alice"
    )]
    CancelUnbond {
        /// The validator's operator
        validator: String,
        /// Such as 1000000ugeo
        amount: String,
        /// Height at which the taking back began
        creation_height: u64,
        #[command(flatten)]
        flags: TxFlags,
    },
}

/// As in validator.json.
#[derive(clap::Args, Debug)]
pub struct CreateArgs {
    /// JSON file of the values below
    file: Option<PathBuf>,
    /// Consensus key as JSON [default: config/priv_validator_key.json of the home]
    #[arg(long, value_name = "JSON")]
    pubkey: Option<String>,
    /// Coins that the operator delegates
    #[arg(long, value_name = "COIN")]
    amount: Option<String>,
    /// Name
    #[arg(long)]
    moniker: Option<String>,
    /// Identity, such as a Keybase id
    #[arg(long)]
    identity: Option<String>,
    /// Website
    #[arg(long, value_name = "URL")]
    website: Option<String>,
    /// How to reach whoever cares for security
    #[arg(long = "security-contact", alias = "security", value_name = "CONTACT")]
    security: Option<String>,
    /// More
    #[arg(long)]
    details: Option<String>,
    /// Part of the rewards kept [default: 0.1]
    #[arg(long, value_name = "RATE")]
    commission_rate: Option<String>,
    /// Most that it can ever be [default: 0.2]
    #[arg(long, value_name = "RATE")]
    commission_max_rate: Option<String>,
    /// Most that it changes in a day [default: 0.01]
    #[arg(long, value_name = "RATE")]
    commission_max_change_rate: Option<String>,
    /// Least that the operator delegates itself [default: 1]
    #[arg(long, value_name = "N")]
    min_self_delegation: Option<String>,
    #[command(flatten)]
    flags: TxFlags,
}

#[derive(clap::Args, Debug)]
pub struct EditArgs {
    /// New name
    #[arg(long, alias = "moniker")]
    new_moniker: Option<String>,
    /// New identity
    #[arg(long)]
    identity: Option<String>,
    /// New website
    #[arg(long, value_name = "URL")]
    website: Option<String>,
    /// New security contact
    #[arg(long, value_name = "CONTACT")]
    security_contact: Option<String>,
    /// New details
    #[arg(long)]
    details: Option<String>,
    /// New part of the rewards kept
    #[arg(long, value_name = "RATE")]
    commission_rate: Option<String>,
    /// New least that the operator delegates itself
    #[arg(long, value_name = "N")]
    min_self_delegation: Option<String>,
    #[command(flatten)]
    flags: TxFlags,
}

impl Command {
    pub(super) async fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let (flags, type_url, fields) = match self {
            Self::CreateValidator(args) => {
                let from = From::resolve(ctx, &args.flags, None)?;
                return send(ctx, &args.flags, &from, vec![args.message(ctx, &from.address)?]).await;
            }
            Self::EditValidator(args) => {
                let from = From::resolve(ctx, &args.flags, None)?;
                return send(ctx, &args.flags, &from, vec![args.message(ctx, &from.address)?]).await;
            }
            Self::Delegate { validator, amount, flags } => (
                flags,
                "/cosmos.staking.v1beta1.MsgDelegate",
                json!({"validator_address": operator(ctx, validator)?, "amount": coin(amount)?}),
            ),
            Self::Unbond { validator, amount, flags } => (
                flags,
                "/cosmos.staking.v1beta1.MsgUndelegate",
                json!({"validator_address": operator(ctx, validator)?, "amount": coin(amount)?}),
            ),
            Self::Redelegate { from_validator, to_validator, amount, flags } => (
                flags,
                "/cosmos.staking.v1beta1.MsgBeginRedelegate",
                json!({
                    "validator_src_address": operator(ctx, from_validator)?,
                    "validator_dst_address": operator(ctx, to_validator)?,
                    "amount": coin(amount)?,
                }),
            ),
            Self::CancelUnbond { validator, amount, creation_height, flags } => (
                flags,
                "/cosmos.staking.v1beta1.MsgCancelUnbondingDelegation",
                json!({
                    "validator_address": operator(ctx, validator)?,
                    "amount": coin(amount)?,
                    "creation_height": creation_height,
                }),
            ),
        };
        let from = From::resolve(ctx, flags, None)?;
        let mut fields = fields;
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("delegator_address".to_owned(), from.address.clone().into());
        }
        send(ctx, flags, &from, vec![message(type_url, &fields)?]).await
    }
}

fn operator(ctx: &Context, text: &str) -> anyhow::Result<String> {
    net::resolve(ctx, Kind::Validator, text)
}

fn coin(text: &str) -> anyhow::Result<Value> {
    let coin = parse_coin(text)?;
    if coin.amount == "0" {
        bail!("amount {text:?} is nothing");
    }
    Ok(json!({"denom": coin.denom, "amount": coin.amount}))
}

/// The operator's address of an account.
fn own_operator(ctx: &Context, account: &str) -> anyhow::Result<String> {
    Ok(Kind::Validator.encode(&ctx.prefix, &address::decode(account)?.1)?)
}

impl CreateArgs {
    /// `MsgCreateValidator` of file and flags.
    pub(super) fn message(&self, ctx: &Context, account: &str) -> anyhow::Result<Any> {
        let file = match &self.file {
            Some(path) => read_object(path)?,
            None => Map::new(),
        };
        let value = |flag: &Option<String>, key: &str, default: Option<&str>| -> anyhow::Result<String> {
            let of_file =
                file.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            flag.clone()
                .or(of_file)
                .or_else(|| default.map(str::to_owned))
                .with_context(|| format!("--{key} is needed, as a flag or in validator.json"))
        };
        let pubkey = match (&self.pubkey, file.get("pubkey")) {
            (Some(text), _) => serde_json::from_str(text).with_context(|| format!("{text:?} is not JSON"))?,
            (None, Some(value)) => value.clone(),
            (None, None) => consensus_key(&ctx.config_dir().join("priv_validator_key.json"))?,
        };
        let fields = json!({
            "description": {
                "moniker": value(&self.moniker, "moniker", None)?,
                "identity": value(&self.identity, "identity", Some(""))?,
                "website": value(&self.website, "website", Some(""))?,
                "security_contact": value(&self.security, "security", Some(""))?,
                "details": value(&self.details, "details", Some(""))?,
            },
            "commission": {
                "rate": value(&self.commission_rate, "commission-rate", Some("0.1"))?,
                "max_rate": value(&self.commission_max_rate, "commission-max-rate", Some("0.2"))?,
                "max_change_rate":
                    value(&self.commission_max_change_rate, "commission-max-change-rate", Some("0.01"))?,
            },
            "min_self_delegation": value(&self.min_self_delegation, "min-self-delegation", Some("1"))?,
            "validator_address": own_operator(ctx, account)?,
            "pubkey": pubkey,
            "value": coin(&value(&self.amount, "amount", None)?)?,
        });
        message("/cosmos.staking.v1beta1.MsgCreateValidator", &fields)
    }
}

impl EditArgs {
    /// `MsgEditValidator`: what is not given stays as it is.
    pub(super) fn message(&self, ctx: &Context, account: &str) -> anyhow::Result<Any> {
        let text = |flag: &Option<String>| flag.clone().unwrap_or_else(|| UNCHANGED.to_owned());
        let fields = json!({
            "description": {
                "moniker": text(&self.new_moniker),
                "identity": text(&self.identity),
                "website": text(&self.website),
                "security_contact": text(&self.security_contact),
                "details": text(&self.details),
            },
            "validator_address": own_operator(ctx, account)?,
            "commission_rate": self.commission_rate,
            "min_self_delegation": self.min_self_delegation,
        });
        message("/cosmos.staking.v1beta1.MsgEditValidator", &fields)
    }
}

fn read_object(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} is no JSON object"))
}

/// The public key of CometBFT's key file, as the SDK writes it.
fn consensus_key(path: &Path) -> anyhow::Result<Value> {
    let file = read_object(path).context("--pubkey is needed where there is no home of a node")?;
    let key = file.get("pub_key").and_then(|key| key.get("value")).and_then(Value::as_str);
    let key = key.with_context(|| format!("{} has no pub_key", path.display()))?;
    Ok(json!({"@type": "/cosmos.crypto.ed25519.PubKey", "key": key}))
}
