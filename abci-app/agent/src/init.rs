//! Making, funding and registering an agent.

use std::path::Path;
use std::time::Duration;

use geodesic_client::address::Kind;
use geodesic_client::coins;
use geodesic_client::files;
use geodesic_client::key::SecretKey;
use geodesic_client::keyring::{self, Keyring};
use geodesic_client::prompt::Terminal;
use geodesic_client::rpc::Client;
use geodesic_client::sender::{Config as SenderConfig, Gas, Sender};
use geodesic_client::vrf::VrfKey;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::geodesic::pow::v1 as pb;
use prost_types::Any;

use crate::chain::Chain;
use crate::cli::{self, Home, Init, Keys, say};
use crate::config::{Config, FILE, KEY, Mlnode};
use crate::error::{Error, Result};
use crate::tls::Identity;

/// Longest wait for a transaction.
const WAIT: Duration = Duration::from_secs(60);
/// A trial run's gas times this.
const GAS: Gas = Gas::Auto(1.5);

/// `5=http://...` or `http://...`, then numbered by its place.
fn mlnode(place: usize, text: &str) -> Result<Mlnode> {
    let (id, url) = match text.split_once('=') {
        Some((id, url)) if id.bytes().all(|b| b.is_ascii_digit()) => (id.to_owned(), url),
        _ => (place.to_string(), text),
    };
    let node_id =
        id.parse().map_err(|_| Error::Config(format!("mlnode number {id:?} is not 0 to {}", u32::MAX)))?;
    Ok(Mlnode { node_id, url: url.to_owned(), tls: None })
}

/// The operator's keyring.
fn operator_keys(home: &Path, keys: &Keys) -> Result<Keyring> {
    let backend = keys.keyring_backend.clone().or_else(|| cli::env("GEOD_KEYRING_BACKEND"));
    let dir = keys.keyring_dir.clone().or_else(|| cli::env("GEOD_KEYRING_DIR").map(Into::into));
    let dir = dir.unwrap_or_else(|| home.to_owned());
    Ok(Keyring::open(backend.as_deref().unwrap_or("file").parse()?, &dir, Box::new(Terminal))?)
}

/// The operator's address: given, or that of a key.
fn participant(args: &Init, home: &Path) -> Result<String> {
    if Kind::Account.decode_20(&args.prefix, &args.participant).is_ok() {
        return Ok(args.participant.clone());
    }
    let key = operator_keys(home, &args.keys)?.get(&args.participant)?;
    Ok(Kind::Account.encode(&args.prefix, &key.address())?)
}

/// The agent's key: made once.
fn agent_key(config: &Config, dir: &Path) -> Result<SecretKey> {
    let mut keyring = Keyring::open(config.keyring_backend.parse()?, dir, cli::prompt())?;
    match keyring.secret(KEY) {
        Err(keyring::Error::NotFound { .. }) => {
            let key = SecretKey::random();
            keyring.add(KEY, &key)?;
            Ok(key)
        }
        key => Ok(key?),
    }
}

/// `geod agent init`
pub(crate) async fn init(args: &Init) -> Result<()> {
    let home = args.home.dir()?;
    let dir = args.home.agent()?;
    let node = args.node.clone().or_else(|| cli::env("GEOD_NODE"));
    let vrf_key = args.vrf_key.clone().unwrap_or_else(|| home.join("config/vrf_key.json"));
    let vrf_key = std::path::absolute(&vrf_key).map_err(Error::io(&vrf_key))?;
    let node = node.unwrap_or_else(|| "tcp://localhost:26657".to_owned());
    let mut config = Config::new(participant(args, &home)?, node, vrf_key, args.listen, args.url.clone());
    config.prefix.clone_from(&args.prefix);
    config.keyring_backend.clone_from(&args.agent_keyring);
    config.gas_price.clone_from(&args.gas_price);
    config.metrics = args.metrics;
    config.mlnodes =
        args.mlnodes.iter().enumerate().map(|(i, text)| mlnode(i, text)).collect::<Result<_>>()?;
    config.check()?;
    coins::parse_prices(&config.gas_price)?;

    files::create_private_dir(&dir)?;
    if dir.join(FILE).exists() {
        return Err(Error::Config(format!(
            "{} exists already; it is not replaced",
            dir.join(FILE).display()
        )));
    }
    let key = agent_key(&config, &dir)?;
    let identity = match Identity::load(&dir) {
        Ok(identity) => identity, // left over from an attempt that failed later
        Err(_) => Identity::create(&dir)?,
    };
    let agent = Kind::Account.encode(&config.prefix, &key.public().address())?;
    files::write_private_new(&dir.join(FILE), config.to_toml()?.as_bytes())?;
    say(&format!("agent {agent}"));
    say(&format!("settings {}", dir.join(FILE).display()));

    if let (Some(from), Some(amount)) = (&args.fund_from, &args.fund) {
        let from = operator_keys(&home, &args.keys)?.secret(from)?;
        let amount = coins::parse_coins(amount)?;
        let sender = sender(&config, from).await?;
        let message = MsgSend {
            from_address: sender.address().to_owned(),
            to_address: agent.clone(),
            amount: amount.clone(),
        };
        let result = sender.send_and_wait(vec![any::pack(&message)], "", WAIT).await?;
        say(&format!("funded with {} at height {}", coins::show(&amount), result.height));
    }
    if args.register {
        return register(&args.home, &args.keys).await;
    }
    let settings = settings(&config, &agent, &identity);
    say(&format!("certificate_hash {}", hex::encode(&settings.certificate_hash)));
    say(&format!("agent_url {}", settings.agent_url));
    say(&format!("node_ids {:?}", settings.node_ids));
    say(&format!(
        "register it, signed by {}: geod agent register --home {}",
        config.participant,
        home.display()
    ));
    Ok(())
}

fn settings(config: &Config, agent: &str, identity: &Identity) -> pb::Settings {
    let mut node_ids: Vec<u32> = config.mlnodes.iter().map(|node| node.node_id).collect();
    node_ids.sort_unstable();
    pb::Settings {
        agent: agent.to_owned(),
        agent_url: config.url.clone(),
        certificate_hash: identity.hash().to_vec(),
        node_ids,
    }
}

async fn sender(config: &Config, key: SecretKey) -> Result<Sender> {
    let client = Client::new(&config.node)?;
    let sender = SenderConfig {
        chain_id: client.status().await?.node_info.network,
        prefix: config.prefix.clone(),
        gas: GAS,
        prices: coins::parse_prices(&config.gas_price)?,
    };
    Ok(Sender::new(client, key, sender)?)
}

/// `geod agent register`: what the settings say, if the chain does not have it yet.
pub(crate) async fn register(home: &Home, keys: &Keys) -> Result<()> {
    let dir = home.agent()?;
    let config = Config::load(&dir)?;
    let agent = Kind::Account.encode(&config.prefix, &agent_key(&config, &dir)?.public().address())?;
    let settings = settings(&config, &agent, &Identity::load(&dir)?);
    let chain = Chain { client: Client::new(&config.node)?, prefix: config.prefix.clone() };
    let message: Any = match chain.participant(&config.participant).await? {
        Some(p) if p.next.as_ref().or(p.settings.as_ref()) == Some(&settings) => {
            say(&format!("{} has registered this agent already", config.participant));
            return Ok(());
        }
        Some(_) => any::pack(&pb::MsgUpdateParticipant {
            sender: config.participant.clone(),
            participant: config.participant.clone(),
            settings: Some(settings),
            refill: false,
            leave: false,
        }),
        None => any::pack(&pb::MsgRegisterParticipant {
            sender: config.participant.clone(),
            participant: config.participant.clone(),
            settings: Some(settings),
        }),
    };
    let mut messages = vec![message];
    if chain.client.vrf_key(&config.participant).await?.is_none() {
        // A participant without a VRF key is refused: the key goes first, in the same transaction.
        let chain_id = chain.client.status().await?.node_info.network;
        let vrf = VrfKey::load(&config.vrf_key)?;
        messages.insert(0, any::pack(&vrf.register(&chain_id, &config.prefix, &config.participant)?));
    }
    let key = operator_keys(&home.dir()?, keys)?.secret(&config.participant)?;
    let result = sender(&config, key).await?.send_and_wait(messages, "", WAIT).await?;
    say(&format!("registered at height {}; it counts from the next epoch", result.height));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compute_nodes_are_numbered() {
        for (text, want) in [
            ("http://127.0.0.1:1", Some((3, "http://127.0.0.1:1"))),
            ("7=http://127.0.0.1:1", Some((7, "http://127.0.0.1:1"))),
            ("http://127.0.0.1:1/?a=b", Some((3, "http://127.0.0.1:1/?a=b"))),
            ("99999999999=http://127.0.0.1:1", None),
        ] {
            let node = mlnode(3, text).ok();
            assert_eq!(node.as_ref().map(|n| (n.node_id, n.url.as_str())), want, "{text}");
        }
    }

    #[tokio::test]
    async fn init_makes_private_files_once() {
        use clap::Parser;
        use std::os::unix::fs::PermissionsExt;
        #[derive(Parser)]
        struct Cli {
            #[command(subcommand)]
            command: crate::cli::Command,
        }
        let home = tempfile::tempdir().unwrap();
        let operator = Kind::Account.encode("geo", &[7; 20]).unwrap();
        let run = || {
            let home = home.path().to_str().unwrap();
            let url = "https://127.0.0.1:7070";
            let args = ["geod", "init", "--home", home, "--participant", &operator, "--url", url];
            let cli = Cli::parse_from(args.into_iter().chain(["--mlnode", "http://127.0.0.1:9091"]));
            crate::cli::run(cli.command)
        };
        run().await.unwrap();
        let dir = home.path().join("agent");
        let config = Config::load(&dir).unwrap();
        assert_eq!(config.participant, operator);
        let identity = Identity::load(&dir).unwrap();
        assert!(run().await.is_err(), "an agent is not replaced");
        assert_eq!(Identity::load(&dir).unwrap().hash(), identity.hash());
        for file in [FILE, "tls_key.pem", "tls_cert.pem", "keyring-test/agent.key"] {
            let path = dir.join(file);
            if !path.exists() {
                continue; // the keyring names its files
            }
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file}");
        }
        assert!(Keyring::open(keyring::Backend::Test, &dir, Box::new(Terminal)).unwrap().secret(KEY).is_ok());
    }
}
