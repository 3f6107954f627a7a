use std::path::Path;

use clap::Parser;
use geodesic_client::address::Kind;
use geodesic_client::key::SecretKey;
use geodesic_client::signing;
use geodesic_proto::any::unpack;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::staking::v1beta1::{MsgCreateValidator, MsgEditValidator};
use geodesic_proto::cosmos::tx::v1beta1::Tx;
use geodesic_proto::geodesic::pow::v1::{MsgRegisterParticipant, Settings};
use geodesic_proto::geodesic::seeds::v1::MsgRegisterVrfKey;
use geodesic_proto::json;
use serde_json::{Value, json as object};

use super::*;
use crate::context::Args;

#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    global: Args,
    #[command(subcommand)]
    command: Command,
}

const KEY: [u8; 32] = [1; 32];
const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// A home with the key `alice`.
fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("config")).unwrap();
    context(dir.path()).keyring().unwrap().add("alice", &SecretKey::from_bytes(&KEY).unwrap()).unwrap();
    dir
}

fn context(home: &Path) -> Context {
    let args = Args {
        home: Some(home.into()),
        keyring_backend: Some("test".into()),
        chain_id: Some("geodesic-local-1".into()),
        ..Args::default()
    };
    Context::resolve_with(&args, |_| None).unwrap()
}

fn address(kind: Kind) -> String {
    kind.encode("geo", &SecretKey::from_bytes(&KEY).unwrap().public().address()).unwrap()
}

/// Runs `geod tx ...`, which writes a transaction to a file, and reads that.
async fn run(home: &Path, line: &[&str]) -> anyhow::Result<Value> {
    let file = home.join("out.json");
    let mut words = vec!["geod"];
    words.extend(line);
    let shown = file.display().to_string();
    words.extend(["--output-document", &shown]);
    Cli::try_parse_from(words)?.command.run(&context(home)).await?;
    Ok(serde_json::from_slice(&std::fs::read(&file)?)?)
}

async fn generate(home: &Path, line: &[&str]) -> anyhow::Result<Tx> {
    let mut line = line.to_vec();
    line.extend(["--generate-only", "--offline"]);
    Ok(json::from_value(&run(home, &line).await?)?)
}

#[test]
fn the_commands_do_not_contradict_each_other() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}

#[tokio::test]
async fn a_transfer_is_generated_then_signed_offline() {
    let home = home();
    let to = Kind::Account.encode("geo", &[9; 20]).unwrap();
    let line = [
        "bank",
        "send",
        "alice",
        &to,
        "5ugeo",
        "--note",
        "hi",
        "--gas",
        "100000",
        "--gas-prices",
        "0.025ugeo",
    ];
    let tx = generate(home.path(), &line).await.unwrap();
    let send: MsgSend = unpack(&tx.body.as_ref().unwrap().messages[0]).unwrap();
    assert_eq!((send.from_address, send.to_address), (address(Kind::Account), to));
    let fee = tx.auth_info.as_ref().unwrap().fee.clone().unwrap();
    assert_eq!(
        (fee.gas_limit, fee.amount[0].amount.as_str(), fee.amount[0].denom.as_str()),
        (100_000, "2500", "ugeo")
    );
    assert!(tx.signatures.is_empty());

    let unsigned = home.path().join("tx.json");
    std::fs::write(&unsigned, json::to_json(&tx).unwrap()).unwrap();
    let unsigned = unsigned.display().to_string();
    let sign =
        ["sign", &unsigned, "--from", "alice", "--offline", "--account-number", "7", "--sequence", "3"];
    let signed: Tx = json::from_value(&run(home.path(), &sign).await.unwrap()).unwrap();
    let key = SecretKey::from_bytes(&KEY).unwrap();
    let place = geodesic_client::tx::Place { chain_id: "geodesic-local-1", account_number: 7, sequence: 3 };
    let signature = signing::signatures(&signed).unwrap().remove(0);
    signing::verify(&key.public().into(), &signature.data.unwrap(), &signed, place).unwrap();

    let error = run(home.path(), &["sign", &unsigned, "--from", "alice", "--offline"]).await.unwrap_err();
    assert!(error.to_string().contains("--account-number"), "{error}");
}

#[tokio::test]
async fn anyone_can_generate_only_key_holders_can_send() {
    let home = home();
    let other = Kind::Account.encode("geo", &[8; 20]).unwrap();
    let line = ["bank", "send", &other, &other, "5ugeo"];
    assert!(generate(home.path(), &line).await.is_ok());
    let error = run(home.path(), &line).await.unwrap_err();
    assert!(error.to_string().contains("no key"), "{error}");
    for (name, line, want) in [
        ("nobody signs", vec!["rewards", "claim", "5"], "nobody signs"),
        ("nothing to send", vec!["bank", "send", "alice", "alice", "0ugeo"], "is nothing"),
        ("offline is not online", vec!["rewards", "claim", "5", "--from", "alice", "--offline"], "--offline"),
        (
            "fees and prices",
            vec!["rewards", "claim", "5", "--fees", "1ugeo", "--gas-prices", "1ugeo"],
            "cannot be used",
        ),
        (
            "another sign mode",
            vec!["rewards", "claim", "5", "--from", "alice", "--sign-mode", "textual"],
            "use direct",
        ),
        ("gas of letters", vec!["rewards", "claim", "5", "--gas", "lots"], "either a number or auto"),
        ("words as a note", vec!["rewards", "claim", "5", "--from", "alice", "--note", WORDS], "mnemonic"),
        (
            "a wild adjustment",
            vec!["rewards", "claim", "5", "--from", "alice", "--gas-adjustment", "0"],
            "between 1 and",
        ),
    ] {
        let error = run(home.path(), &line).await.unwrap_err();
        assert!(error.to_string().contains(want), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_validator_is_made_of_its_file_its_flags_and_its_home() {
    let home = home();
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let of_node = object!({"pub_key": {"type": "tendermint/PubKeyEd25519", "value": key}});
    std::fs::write(home.path().join("config/priv_validator_key.json"), of_node.to_string()).unwrap();
    let file = home.path().join("validator.json");
    let values = object!({"amount": "1000stake", "moniker": "of the file", "commission-rate": "0.05", "security": "s@x"});
    std::fs::write(&file, values.to_string()).unwrap();
    let file = file.display().to_string();
    let line = ["staking", "create-validator", &file, "--moniker", "of the flag", "--from", "alice"];
    let tx = generate(home.path(), &line).await.unwrap();
    let message: MsgCreateValidator = unpack(&tx.body.unwrap().messages[0]).unwrap();
    let (description, commission) = (message.description.unwrap(), message.commission.unwrap());
    assert_eq!((description.moniker.as_str(), description.security_contact.as_str()), ("of the flag", "s@x"));
    assert_eq!(
        (commission.rate.as_str(), commission.max_rate.as_str()),
        ("50000000000000000", "200000000000000000")
    );
    assert_eq!(message.validator_address, address(Kind::Validator));
    assert_eq!(message.value.unwrap().amount, "1000");
    let pubkey = message.pubkey.unwrap();
    assert_eq!((pubkey.type_url.as_str(), pubkey.value.len()), ("/cosmos.crypto.ed25519.PubKey", 34));

    let line = ["staking", "create-validator", "--moniker", "x", "--from", "alice"];
    assert!(generate(home.path(), &line).await.unwrap_err().to_string().contains("--amount"));
    let line = ["staking", "edit-validator", "--website", "https://x", "--from", "alice"];
    let tx = generate(home.path(), &line).await.unwrap();
    let edit: MsgEditValidator = unpack(&tx.body.unwrap().messages[0]).unwrap();
    let description = edit.description.unwrap();
    assert_eq!(
        (description.moniker.as_str(), description.website.as_str()),
        ("[do-not-modify]", "https://x")
    );
    assert_eq!((edit.commission_rate.as_str(), edit.min_self_delegation.as_str()), ("", ""));
}

#[tokio::test]
async fn registering_brings_the_vrf_key_of_the_home() {
    let home = home();
    let hash = "ab".repeat(32);
    let agent = Kind::Account.encode("geo", &[4; 20]).unwrap();
    let line = [
        "pow",
        "register",
        "--agent",
        &agent,
        "--agent-url",
        "https://node1:9443",
        "--certificate-hash",
        &hash,
        "--nodes",
        "2,0,2",
        "--from",
        "alice",
    ];
    assert_eq!(
        generate(home.path(), &line).await.unwrap().body.unwrap().messages.len(),
        1,
        "no key, no message"
    );

    let key = geodesic_client::vrf::VrfKey::generate();
    key.save(&home.path().join("config/vrf_key.json")).unwrap();
    let messages = generate(home.path(), &line).await.unwrap().body.unwrap().messages;
    let vrf: MsgRegisterVrfKey = unpack(&messages[0]).unwrap();
    let input = geodesic_client::vrf::possession_input(
        "geodesic-local-1",
        &SecretKey::from_bytes(&KEY).unwrap().public().address(),
    );
    assert!(geodesic_client::vrf::verify(&vrf.public_key, &input, &vrf.proof).is_some());
    let register: MsgRegisterParticipant = unpack(&messages[1]).unwrap();
    let want = Settings {
        agent: agent.clone(),
        agent_url: "https://node1:9443".into(),
        certificate_hash: vec![0xab; 32],
        node_ids: vec![0, 2],
    };
    assert_eq!(register.settings.unwrap(), want);

    let mut without = line.to_vec();
    without.push("--without-vrf-key");
    assert_eq!(generate(home.path(), &without).await.unwrap().body.unwrap().messages.len(), 1);
    let error = generate(home.path(), &["pow", "register", "--from", "alice"]).await.unwrap_err();
    assert!(error.to_string().contains("--agent is needed"), "{error}");
}

#[tokio::test]
async fn raw_takes_one_message_or_many_and_names_the_wrong_one() {
    let home = home();
    let send = object!({"@type": "/cosmos.bank.v1beta1.MsgSend", "from_address": "geo1x", "amount": []});
    let file = home.path().join("messages.json");
    let path = file.display().to_string();
    for (name, value, want) in [
        ("one", send.clone(), Ok(1)),
        ("many", object!([send, send]), Ok(2)),
        ("no type", object!([send, {"a": 1}]), Err("message 1 has no @type")),
        (
            "an unknown field",
            object!({"@type": "/cosmos.bank.v1beta1.MsgSend", "to": "x"}),
            Err("unknown field"),
        ),
        ("an unknown type", object!({"@type": "/cosmos.bank.v1beta1.MsgSand"}), Err("no message named")),
    ] {
        std::fs::write(&file, value.to_string()).unwrap();
        let got = generate(home.path(), &["raw", &path, "--from", "alice"]).await;
        let got = got.map(|tx| tx.body.unwrap().messages.len()).map_err(|error| format!("{error:#}"));
        match want {
            Ok(count) => assert_eq!(got, Ok(count), "{name}"),
            Err(text) => assert!(got.clone().unwrap_err().contains(text), "{name}: {got:?}"),
        }
    }
}

#[test]
fn a_multi_send_adds_up() {
    let coins = |text: &str| geodesic_client::coins::parse_coins(text).unwrap();
    let to = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let sum = |split| {
        let message = bank::multi_send("from", to(), &coins("10ugeo"), split).unwrap();
        (
            geodesic_client::coins::show(&message.inputs[0].coins),
            geodesic_client::coins::show(&message.outputs[2].coins),
        )
    };
    assert_eq!(sum(false), ("30ugeo".to_owned(), "10ugeo".to_owned()));
    assert_eq!(sum(true), ("9ugeo".to_owned(), "3ugeo".to_owned()));
    assert!(bank::multi_send("from", to(), &coins("2ugeo"), true).is_err());
}
