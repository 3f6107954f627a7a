//! `geod genesis gentx`: a validator's first transaction, signed before there is a chain.

use std::net::UdpSocket;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use geodesic_client::address::Kind;
use geodesic_client::coins;
use geodesic_client::files;
use geodesic_client::key::SecretKey;
use geodesic_client::vrf::VrfKey;
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, SignDoc, Tx, TxBody};
use geodesic_proto::json;
use prost::Message as _;
use serde_json::{Value, json};

use super::account::balance;
use super::doc::GenesisDoc;
use crate::context::Context;
use crate::home::Home;
use crate::{comet_keys, home, toml_file};

/// Arguments of `genesis gentx`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod genesis gentx validator 100000000ugeo
  geod genesis gentx validator 100000000ugeo --ip 203.0.113.7 --commission-rate 0.05

The transaction delegates the amount to a new validator and, where power comes from compute, registers the VRF key in
config/vrf_key.json. It is written to config/gentx/; send it to whoever collects the genesis.")]
pub struct GentxArgs {
    /// Key of the operator in the keyring
    key: String,
    /// Coins to delegate
    amount: String,
    /// Name of the validator [default: moniker in config.toml]
    #[arg(long)]
    moniker: Option<String>,
    /// Identity, such as a Keybase id
    #[arg(long, default_value = "")]
    identity: String,
    /// Website
    #[arg(long, default_value = "")]
    website: String,
    /// Email for security reports
    #[arg(long, default_value = "")]
    security_contact: String,
    /// Anything else
    #[arg(long, default_value = "")]
    details: String,
    /// Commission on delegators' rewards
    #[arg(long, default_value = "0.1")]
    commission_rate: String,
    /// Highest commission ever
    #[arg(long, default_value = "0.2")]
    commission_max_rate: String,
    /// Largest rise of the commission in a day
    #[arg(long, default_value = "0.01")]
    commission_max_change_rate: String,
    /// Coins that the operator itself keeps delegated at least
    #[arg(long, default_value = "1")]
    min_self_delegation: String,
    /// Address at which other nodes reach this one [default: this machine's]
    #[arg(long)]
    ip: Option<String>,
    /// Port at that address [default: of p2p.laddr in config.toml]
    #[arg(long)]
    p2p_port: Option<u16>,
    /// Id of the node [default: of config/node_key.json]
    #[arg(long)]
    node_id: Option<String>,
    /// Consensus key in JSON [default: of config/priv_validator_key.json]
    #[arg(long)]
    pubkey: Option<String>,
    /// File to write [default: config/gentx/gentx-NODE_ID.json]
    #[arg(long)]
    output_document: Option<PathBuf>,
}

/// Gas of the transaction. Nobody pays for it, but a transaction without gas is none.
const GAS: u64 = 500_000;

pub(super) fn run(args: &GentxArgs, ctx: &Context, home: &Home) -> anyhow::Result<()> {
    let doc = GenesisDoc::load(&home.genesis())?;
    let keyring = ctx.keyring()?;
    let operator = Kind::Account.encode(&ctx.prefix, &keyring.get(&args.key)?.address())?;
    let amount = coins::parse_coin(&args.amount)?;
    let has = balance(&doc, &operator, &amount.denom).with_context(|| {
        format!("account {operator} is not in the genesis; add it with add-genesis-account")
    })?;
    if amount.amount.parse::<u128>().is_ok_and(|wanted| wanted > has) {
        bail!("account {operator} has {has}{} in the genesis, cannot delegate {}", amount.denom, args.amount);
    }
    let node_id = match &args.node_id {
        Some(node_id) => node_id.clone(),
        None => comet_keys::node_id(&comet_keys::load_node_key(home)?),
    };
    let mut messages = vec![create_validator(args, ctx, home, &operator, &amount)?];
    if doc.get("staking.power_source").and_then(Value::as_str) == Some("compute") {
        messages.push(register_vrf_key(ctx, home, doc.chain_id()?, &operator)?);
    }
    let memo = format!("{node_id}@{}", reached_at(args, home)?);
    let tx = sign(&keyring.secret(&args.key)?, doc.chain_id()?, &messages, &memo)?;

    let path = match &args.output_document {
        Some(path) => path.clone(),
        None => {
            files::create_private_dir(&home.config("gentx"))?;
            home.config("gentx").join(format!("gentx-{node_id}.json"))
        }
    };
    if path.exists() {
        bail!("{} exists already; remove it to sign anew", path.display());
    }
    home::write_public(&path, json::to_json(&tx)?.as_bytes())?;
    eprintln!("Genesis transaction written to {:?}", path.display().to_string());
    Ok(())
}

fn create_validator(
    args: &GentxArgs,
    ctx: &Context,
    home: &Home,
    operator: &str,
    amount: &geodesic_proto::cosmos::base::v1beta1::Coin,
) -> anyhow::Result<Value> {
    let config = toml_file::load(&home.config("config.toml"))?;
    let pubkey = match &args.pubkey {
        Some(text) => serde_json::from_str(text).context("--pubkey is no JSON")?,
        None => comet_keys::public_json(&comet_keys::load_validator_key(home)?),
    };
    let account = Kind::Account.decode(&ctx.prefix, operator)?;
    Ok(json!({
        "@type": "/cosmos.staking.v1beta1.MsgCreateValidator",
        "description": {
            "moniker": args.moniker.as_deref().unwrap_or_else(|| toml_file::text(&config, "moniker")),
            "identity": args.identity,
            "website": args.website,
            "security_contact": args.security_contact,
            "details": args.details,
        },
        "commission": {
            "rate": args.commission_rate,
            "max_rate": args.commission_max_rate,
            "max_change_rate": args.commission_max_change_rate,
        },
        "min_self_delegation": args.min_self_delegation,
        "delegator_address": "",
        "validator_address": Kind::Validator.encode(&ctx.prefix, &account)?,
        "pubkey": pubkey,
        "value": { "denom": amount.denom, "amount": amount.amount },
    }))
}

fn register_vrf_key(ctx: &Context, home: &Home, chain_id: &str, operator: &str) -> anyhow::Result<Value> {
    let key = VrfKey::load(&home.config("vrf_key.json"))?;
    let message = key.register(chain_id, &ctx.prefix, operator)?;
    Ok(json!({
        "@type": "/geodesic.seeds.v1.MsgRegisterVrfKey",
        "operator": message.operator,
        "public_key": STANDARD.encode(message.public_key),
        "proof": STANDARD.encode(message.proof),
    }))
}

/// `HOST:PORT` for other nodes.
fn reached_at(args: &GentxArgs, home: &Home) -> anyhow::Result<String> {
    let host = match &args.ip {
        Some(host) => host.clone(),
        None => own_address(),
    };
    let port = match args.p2p_port {
        Some(port) => port,
        None => {
            let config = toml_file::load(&home.config("config.toml"))?;
            let laddr = toml_file::text(&config, "p2p.laddr").to_owned();
            let port = laddr.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            port.with_context(|| format!("p2p.laddr {laddr:?} in config.toml has no port; give --p2p-port"))?
        }
    };
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    Ok(format!("{host}:{port}"))
}

/// The address that this machine would send from; loopback if it has no network.
fn own_address() -> String {
    // Connecting a UDP socket asks the routing table and sends nothing.
    let asked = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    asked.map_or_else(|_| "127.0.0.1".to_owned(), |address| address.ip().to_string())
}

/// The signed transaction; before the first block account number and sequence are 0.
fn sign(key: &SecretKey, chain_id: &str, messages: &[Value], memo: &str) -> anyhow::Result<Tx> {
    let body: TxBody = json::from_value(&json!({ "messages": messages, "memo": memo }))?;
    let auth_info: AuthInfo = json::from_value(&json!({
        "signer_infos": [{
            "public_key": {
                "@type": "/cosmos.crypto.secp256k1.PubKey",
                "key": STANDARD.encode(key.public().as_bytes()),
            },
            "mode_info": { "single": { "mode": "SIGN_MODE_DIRECT" } },
            "sequence": "0",
        }],
        "fee": { "amount": [], "gas_limit": GAS.to_string(), "payer": "", "granter": "" },
    }))?;
    let doc = SignDoc {
        body_bytes: body.encode_to_vec(),
        auth_info_bytes: auth_info.encode_to_vec(),
        chain_id: chain_id.to_owned(),
        account_number: 0,
    };
    let signature = key.sign(&doc.encode_to_vec()).to_vec();
    Ok(Tx { body: Some(body), auth_info: Some(auth_info), signatures: vec![signature] })
}
