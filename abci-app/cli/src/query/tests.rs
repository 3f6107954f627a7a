use std::collections::BTreeSet;

use clap::Parser;

use super::*;
use crate::context::{Args, Context};

#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    global: Args,
    #[command(subcommand)]
    top: Top,
}

#[derive(clap::Subcommand, Debug)]
enum Top {
    #[command(subcommand, alias = "q")]
    Query(Command),
}

fn parse(line: &str) -> Result<(Args, Command), clap::Error> {
    let cli = Cli::try_parse_from(line.split(' '))?;
    let Top::Query(command) = cli.top;
    Ok((cli.global, command))
}

fn request(line: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    let args = Args { home: Some(home.path().into()), ..Args::default() };
    let ctx = Context::resolve_with(&args, |_| None).unwrap();
    match parse(line).unwrap().1 {
        Command::Table(call) => call.request(&ctx).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_row_names_a_method_and_its_fields() {
    let mut paths = BTreeSet::new();
    for row in GROUPS.iter().flat_map(Group::rows) {
        let method = net::method(row.path).unwrap();
        for field in row.fields {
            let found = method.input().get_field_by_name(field.name);
            assert!(found.is_some(), "{} has no field {}", row.path, field.name);
        }
        assert!(paths.insert(row.path), "{} stands twice", row.path);
    }
    // Every query of our own modules has its row.
    let own = geodesic_proto::pool()
        .services()
        .filter(|s| s.full_name().starts_with("geodesic.") && s.name() == "Query");
    for method in own.flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        assert!(paths.contains(path.as_str()), "{path} has no row");
    }
}

#[test]
fn the_commands_do_not_contradict_each_other() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn arguments_become_requests() {
    let page = json!({"key": null, "offset": 0, "limit": 100, "count_total": false, "reverse": false});
    for (name, line, want) in [
        ("none", "geod query epochs current", json!({})),
        ("a number", "geod q epochs epoch 5 --height 9", json!({"index": "5"})),
        ("an optional one left out", "geod q seeds beacon", json!({})),
        ("an alias", "geod q pow cases 3", json!({"epoch": "3", "pagination": page})),
        (
            "a flag",
            "geod q staking validators --status BOND_STATUS_BONDED",
            json!({"status": "BOND_STATUS_BONDED", "pagination": page}),
        ),
        (
            "many",
            "geod q bank send-enabled ugeo uatom",
            json!({"denoms": ["ugeo", "uatom"], "pagination": page}),
        ),
        (
            "a page",
            "geod q bank total --page 3 --limit 10 --reverse --count-total",
            json!({"pagination": {"key": null, "offset": 20, "limit": 10, "count_total": true, "reverse": true}}),
        ),
        (
            "a page's key",
            "geod q bank total --page-key AAEC --page-limit 5",
            json!({"pagination": {"key": "AAEC", "offset": 0, "limit": 5, "count_total": false, "reverse": false}}),
        ),
    ] {
        let got = request(line);
        assert_eq!(got, want, "{name}");
    }
    let validator = geodesic_client::address::Kind::Validator.encode("geo", &[3; 20]).unwrap();
    let account = geodesic_client::address::Kind::Account.encode("geo", &[3; 20]).unwrap();
    let got = request(&format!("geod q rewards claimable {validator}"));
    assert_eq!(got["participant"], json!(account), "an operator's account");
}

#[test]
fn wrong_arguments_are_named() {
    for (line, want) in [
        ("geod q epochs epoch five", "index \"five\" is no whole number"),
        ("geod q epochs epoch", "required"),
        ("geod q nothing", "unrecognized subcommand"),
        ("geod q bank total --page 2 --offset 3", "cannot be used with"),
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(want), "{line}: {error}");
    }
}

#[test]
fn a_node_is_a_number_for_verify_and_a_url_elsewhere() {
    let verify = "geod --home /x q pow verify --epoch 1 --participant geo1x --node 3 --nonce 4";
    let (args, command) = parse(verify).unwrap();
    assert!(matches!(command, Command::Verify(_)));
    let ctx =
        Context::resolve_with(&args, |name| (name == "GEOD_NODE").then(|| "tcp://env:1".to_owned())).unwrap();
    assert_eq!(ctx.node, "tcp://env:1");
    let (args, _) = parse("geod q epochs current --node tcp://flag:2 --output json").unwrap();
    assert_eq!((args.node.as_deref(), args.output.as_deref()), (Some("tcp://flag:2"), Some("json")));
    assert!(parse("geod q pow verify --epoch 1 --participant geo1x --node tcp://x:1 --nonce 4").is_err());
}
