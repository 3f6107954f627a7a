//! REST against real applications: every path of the Cosmos services with sensible and with nonsense arguments, what wallets
//! rely on, and the bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod docs;
mod support;

use geodesic_app::rest::table;
use support::{Rest, variables};

/// The services of the Cosmos SDK that the table in `docs/rest.md` is about.
const SERVICES: [&str; 9] = [
    "cosmos.auth.v1beta1.Query",
    "cosmos.bank.v1beta1.Query",
    "cosmos.base.node.v1beta1.Service",
    "cosmos.base.tendermint.v1beta1.Service",
    "cosmos.consensus.v1.Query",
    "cosmos.evidence.v1beta1.Query",
    "cosmos.slashing.v1beta1.Query",
    "cosmos.staking.v1beta1.Query",
    "cosmos.tx.v1beta1.Service",
];

/// Methods that ask CometBFT, which is not there.
const OF_COMETBFT: [&str; 9] = [
    "/cosmos.base.tendermint.v1beta1.Service/GetNodeInfo",
    "/cosmos.base.tendermint.v1beta1.Service/GetSyncing",
    "/cosmos.base.tendermint.v1beta1.Service/GetLatestBlock",
    "/cosmos.base.tendermint.v1beta1.Service/GetBlockByHeight",
    "/cosmos.base.tendermint.v1beta1.Service/GetLatestValidatorSet",
    "/cosmos.base.tendermint.v1beta1.Service/GetValidatorSetByHeight",
    "/cosmos.tx.v1beta1.Service/GetTx",
    "/cosmos.tx.v1beta1.Service/GetTxsEvent",
    "/cosmos.tx.v1beta1.Service/GetBlockWithTxs",
];

/// What the query string of a sensible request holds.
fn extra(grpc: &str) -> &'static str {
    match grpc.rsplit('/').next().unwrap() {
        "Balance" | "SpendableBalanceByDenom" | "SupplyOf" | "DenomMetadataByQueryString" => "denom=ugeo",
        "ABCIQuery" => "path=/app/version",
        "GetTxsEvent" => "query=tx.height%3D1",
        "AccountAddressByID" => "account_id=1",
        _ => "",
    }
}

/// What a sensible request is answered.
fn expected(grpc: &str) -> u16 {
    match grpc.rsplit('/').next().unwrap() {
        _ if OF_COMETBFT.contains(&grpc) => 503,
        "Evidence" => 404, // nobody has signed twice
        _ => 200,
    }
}

#[test]
fn every_path_answers() {
    let rest = Rest::new(|_| ());
    let rows: Vec<_> = table(&SERVICES).into_iter().filter(|row| row.verb == "GET" && !row.hidden).collect();
    assert!(rows.len() > 45, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let path = format!("{}?{}", rest.filled(&row.path, None), extra(&row.grpc));
        let answer = rest.get(&path);
        assert_eq!(answer.status, expected(&row.grpc), "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        if answer.status == 200 {
            assert!(answer.json().is_object(), "{path}");
            let height = rest.net.height().to_string();
            assert_eq!(answer.header("grpc-metadata-x-cosmos-block-height"), Some(height.as_str()), "{path}");
        }
        wrong.extend(nonsense(&rest, &row.path, &path, expected(&row.grpc) == 503));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A request that makes no sense is refused or finds nothing; it is never an error of the node. Returns those that are.
fn nonsense(rest: &Rest, template: &str, sensible: &str, without_comet: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |path: &str| {
        let answer = rest.get(path);
        let fine = match answer.status {
            200 => answer.json().is_object(),
            400 => answer.code() == 3,
            404 => answer.code() == 5,
            503 => answer.code() == 14 && without_comet,
            301 => path.contains("//"), // nothing between two slashes
            _ => false,
        };
        if !fine {
            wrong.push(format!("{path}: {} {}", answer.status, answer.body));
        }
    };
    let long = "a".repeat(300);
    let values = [
        "",
        "%20",
        "x",
        "-1",
        "0x",
        "99999999999999999999999",
        "18446744073709551615",
        "%F0%9F%92%A9",
        "%00",
        "null",
        "geo1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
        "AA==",
        "%7B%7D",
        "%3Cb%3E",
        long.as_str(),
    ];
    for field in variables(template) {
        for value in values {
            let query = sensible.split_once('?').map_or("", |(_, query)| query);
            check(&format!("{}?{query}", rest.filled(template, Some((field, value)))));
        }
    }
    for query in [
        "pagination.limit=x",
        "pagination.limit=-1",
        "pagination.limit=18446744073709551615&pagination.count_total=true",
        "pagination.offset=18446744073709551615",
        "pagination.offset=18446744073709551615&pagination.limit=18446744073709551615",
        "pagination.key=%21",
        "pagination.key=AA%3D%3D",
        "pagination.key=//////////8%3D&pagination.reverse=true",
        "pagination.key=AA%3D%3D&pagination.offset=1",
        "pagination=1",
        "pagination%5Blimit%5D=1",
        "pagination.limit.x=1",
        "denom=&address=&height=-1&query=&status=NO",
        "denom=%00&status=%00&query=%27&path=/store/none/key&src_validator_addr=x",
        "nonsense=1",
        "a;b",
        "%zz",
    ] {
        check(&format!("{sensible}&{query}"));
    }
    wrong
}

#[test]
fn unknown_paths_and_verbs() {
    let rest = Rest::new(|_| ());
    for (verb, path) in [
        ("GET", "/"),
        ("GET", "/cosmos"),
        ("GET", "/cosmos/gov/v1/proposals"),
        ("GET", "/cosmos/bank/v1beta1/params/"),
        ("GET", "/swagger/openapi.json"),
        ("POST", "/cosmos/bank/v1beta1/params"),
        ("HEAD", "/cosmos/bank/v1beta1/params"),
        ("OPTIONS", "/cosmos/bank/v1beta1/params"),
        ("DELETE", "/cosmos/tx/v1beta1/txs"),
        ("GET", "/cosmos/tx/v1beta1/simulate"),
    ] {
        let answer = rest.send(verb, path, "", "");
        assert_eq!(answer.status, 501, "{verb} {path}");
        if verb != "HEAD" {
            assert_eq!(
                answer.body, r#"{"code":12,"message":"Not Implemented","details":[]}"#,
                "{verb} {path}"
            );
        }
    }
    let answer = rest.get("//cosmos//bank/v1beta1/params?x=1");
    assert_eq!((answer.status, answer.header("location")), (301, Some("/cosmos/bank/v1beta1/params?x=1")));
    assert_eq!(rest.get("/cosmos/bank/v1beta1/%7").status, 400);
    let path = "/cosmos%2Fbank/v1beta1/%70arams";
    assert_eq!(rest.get(path).status, 200, "escapes are read before the path is split, as in grpc-gateway");
}

#[test]
fn what_wallets_read() {
    let rest = Rest::new(|_| ());
    let user = rest.net.users[0].text.clone();
    let account = rest.get(&format!("/cosmos/auth/v1beta1/accounts/{user}")).json();
    assert_eq!(account["account"]["@type"], "/cosmos.auth.v1beta1.BaseAccount");
    assert_eq!(account["account"]["pub_key"]["@type"], "/cosmos.crypto.secp256k1.PubKey");
    assert_eq!(account["account"]["sequence"], "1");
    let unused = "/cosmos/auth/v1beta1/accounts/geo1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnnkf3ch";
    let missing = rest.get(unused);
    assert!([400, 404].contains(&missing.status), "{missing:?}");

    let balance = rest.get(&format!("/cosmos/bank/v1beta1/balances/{user}/by_denom?denom=ugeo")).json();
    assert_eq!(balance["balance"]["denom"], "ugeo");
    assert!(balance["balance"]["amount"].is_string());
    let validators = rest.get("/cosmos/staking/v1beta1/validators?status=BOND_STATUS_BONDED").json();
    let validator = &validators["validators"][0];
    assert_eq!(validator["status"], "BOND_STATUS_BONDED");
    assert_eq!(
        validator["commission"]["commission_rates"]["rate"].as_str().unwrap().len(),
        "0.100000000000000000".len()
    );
    assert_eq!(validator["consensus_pubkey"]["@type"], "/cosmos.crypto.ed25519.PubKey");
    assert_eq!(validator["unbonding_time"], "1970-01-01T00:00:00Z");
    assert_eq!(validators["pagination"]["total"], "2");
    let params = rest.get("/cosmos/staking/v1beta1/params").json();
    assert_eq!(params["params"]["unbonding_time"], "1814400s");
}

#[test]
fn pages_go_on_where_they_ended() {
    let rest = Rest::new(|_| ());
    let path = "/cosmos/staking/v1beta1/validators?pagination.limit=1";
    let first = rest.get(path).json();
    let key = first["pagination"]["next_key"].as_str().unwrap();
    let std = key.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let url = key.replace('+', "-").replace('/', "_");
    for key in [std, url] {
        let second = rest.get(&format!("{path}&pagination.key={key}")).json();
        assert_eq!(second["validators"].as_array().unwrap().len(), 1);
        assert_ne!(second["validators"], first["validators"]);
        assert_eq!(second["pagination"]["next_key"], serde_json::Value::Null);
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let posted = rest.send("POST", "/cosmos/staking/v1beta1/validators", form, "pagination.limit=1");
    assert_eq!(posted.json(), first, "a form stands for a query string");
}

#[test]
fn heights_in_and_out() {
    let rest = Rest::new(|_| ());
    let user = rest.net.users[0].text.clone();
    let path = format!("/cosmos/bank/v1beta1/balances/{user}/by_denom?denom=ugeo");
    let now = rest.get(&path).json();
    for header in ["x-cosmos-block-height", "Grpc-Metadata-X-Cosmos-Block-Height"] {
        let then = rest.send("GET", &path, &format!("{header}: 1\r\n"), "");
        assert_eq!(then.header("Grpc-Metadata-X-Cosmos-Block-Height"), Some("1"));
        assert_ne!(then.json(), now);
        for bad in ["-1", "x", "99999", "99999999999999999999"] {
            let answer = rest.send("GET", &path, &format!("{header}: {bad}\r\n"), "");
            assert_eq!((answer.status, answer.code()), (400, 3), "{bad}: {answer:?}");
        }
    }
}

#[test]
fn bodies() {
    let rest = Rest::new(|_| ());
    let user = &rest.net.users[0];
    let tx = rest.net.sign(user, vec![geodesic_proto::any::pack(&send(&rest))]).unwrap();
    let bytes = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &tx);
    for body in [format!(r#"{{"tx_bytes":"{bytes}"}}"#), format!(r#"{{"txBytes":"{bytes}","unknown":1}}"#)] {
        let answer = rest.send("POST", "/cosmos/tx/v1beta1/simulate", "", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let gas = answer.json()["gas_info"]["gas_used"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(gas > 30_000, "{gas}");
        let decoded = rest.send("POST", "/cosmos/tx/v1beta1/decode", "", &body);
        let message = &decoded.json()["tx"]["body"]["messages"][0];
        assert_eq!(message["@type"], "/cosmos.bank.v1beta1.MsgSend");
        let encoded = rest.send("POST", "/cosmos/tx/v1beta1/encode", "", &decoded.body);
        assert_eq!(encoded.json()["tx_bytes"], bytes.as_str());
        // As cosmpy does it: the transaction itself, in camel case.
        let camel = decoded.body.replace("from_address", "fromAddress").replace("auth_info", "authInfo");
        let answer = rest.send("POST", "/cosmos/tx/v1beta1/simulate", "", &camel);
        assert_eq!(answer.status, 200, "{answer:?}");
        let sent = body.replace('}', r#","mode":"BROADCAST_MODE_SYNC"}"#);
        let sent = rest.send("POST", "/cosmos/tx/v1beta1/txs", "", &sent);
        assert_eq!((sent.status, sent.code()), (503, 14), "nobody to broadcast by");
    }
    for (path, body) in [
        ("simulate", "{"),
        ("simulate", ""),
        ("simulate", "[]"),
        ("simulate", r#"{"tx_bytes":"*"}"#),
        ("decode", ""),
        ("decode", r#"{"tx_bytes":"AAAA"}"#),
        ("encode", "{}"),
        ("encode/amino", "{}"),
        ("encode/amino", r#"{"amino_json":"{\"type\":\"cosmos-sdk/StdTx\",\"value\":1}"}"#),
        ("decode/amino", "{}"),
        ("decode/amino", r#"{"amino_binary":"AAAAAAAA"}"#),
        ("encode", r#"{"tx":{"body":{"messages":[{"@type":"/no.Such"}]}}}"#),
        ("txs", r#"{"tx_bytes":"AA==","mode":"BROADCAST_MODE_BLOCK"}"#),
        ("txs", r#"{"tx_bytes":"AA==","mode":"NO_MODE"}"#),
    ] {
        let answer = rest.send("POST", &format!("/cosmos/tx/v1beta1/{path}"), "", body);
        assert_eq!((answer.status, answer.code()), (400, 3), "{path} {body}: {answer:?}");
    }
}

/// The bytes are those of the Go SDK (`proto/tests/fixtures/amino.json`); our own messages have a form as well.
#[test]
fn amino_there_and_back() {
    let rest = Rest::new(|_| ());
    let claim =
        r#"{"type":"geodesic/MsgClaim","value":{"sender":"geo1a","participant":"geo1b","epochs":["3"]}}"#;
    let tx = |msg: &str| {
        format!(
            r#"{{"type":"cosmos-sdk/StdTx","value":{{"msg":{msg},"fee":{{"amount":[],"gas":"1"}},"signatures":null,"memo":"","timeout_height":"0"}}}}"#
        )
    };
    for (text, base64) in [(tx("[null]"), Some("KCgWqQoAEgIQAQ==")), (tx(&format!("[{claim}]")), None)] {
        let body = serde_json::json!({ "amino_json": text }).to_string();
        let encoded = rest.send("POST", "/cosmos/tx/v1beta1/encode/amino", "", &body);
        assert_eq!(encoded.status, 200, "{encoded:?}");
        if let Some(base64) = base64 {
            assert_eq!(encoded.json()["amino_binary"], base64);
        }
        let decoded = rest.send("POST", "/cosmos/tx/v1beta1/decode/amino", "", &encoded.body);
        assert_eq!(decoded.json()["amino_json"], text.as_str());
    }
}

fn send(rest: &Rest) -> geodesic_proto::cosmos::bank::v1beta1::MsgSend {
    geodesic_proto::cosmos::bank::v1beta1::MsgSend {
        from_address: rest.net.users[0].text.clone(),
        to_address: rest.net.users[1].text.clone(),
        amount: vec![geodesic_proto::cosmos::base::v1beta1::Coin {
            denom: "ugeo".into(),
            amount: "1".into(),
        }],
    }
}

#[test]
fn bounds() {
    let rest = Rest::new(|s| s.max_body_bytes = 1000);
    let body = format!(r#"{{"tx_bytes":"{}"}}"#, "A".repeat(1000));
    let answer = rest.send("POST", "/cosmos/tx/v1beta1/decode", "", &body);
    assert_eq!((answer.status, answer.code()), (400, 3), "{answer:?}");
    assert!(answer.body.contains("body too large"), "{answer:?}");
    let long = format!("/cosmos/bank/v1beta1/supply?x={}", "a".repeat(40 << 10));
    assert_eq!(rest.get(&long).status, 414);
    let head = format!("X-Long: {}\r\n", "a".repeat(100 << 10));
    assert_eq!(rest.send("GET", "/cosmos/bank/v1beta1/supply", &head, "").status, 431);
    let supply = rest.get("/cosmos/bank/v1beta1/supply?pagination.limit=18446744073709551615");
    assert_eq!(supply.status, 200);
}

#[test]
fn pages_from_elsewhere_only_if_allowed() {
    let path = "/cosmos/bank/v1beta1/params";
    let origin = "Origin: https://wallet.example\r\n";
    let ask = format!(
        "{origin}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"
    );
    let closed = Rest::new(|_| ());
    assert_eq!(closed.send("GET", path, origin, "").header("access-control-allow-origin"), None);
    assert_eq!(closed.send("OPTIONS", path, &ask, "").status, 501);
    let open = Rest::new(|s| (s.cors, s.swagger) = (true, true));
    for path in [path, "/no/such/path"] {
        assert_eq!(
            open.send("GET", path, origin, "").header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
    }
    let preflight = open.send("OPTIONS", path, &ask, "");
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, Some("*")));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("Content-Type"));
    assert_eq!(open.get("/swagger/openapi.json").json()["openapi"], "3.0.3");
}

#[test]
fn grpc_web() {
    let rest = Rest::new(|s| s.grpc_web = true);
    let header = "Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n";
    // An empty message: no compression, length 0.
    let answer = rest.send("POST", "/cosmos.bank.v1beta1.Query/Params", header, "\0\0\0\0\0");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/grpc-web+proto"));
    assert!(answer.body.contains("grpc-status:0"), "{answer:?}");
    let missing = rest.send("POST", "/cosmos.bank.v1beta1.Query/No", header, "\0\0\0\0\0");
    assert!(format!("{missing:?}").contains("grpc-status"), "{missing:?}");
    let without = Rest::new(|_| ());
    assert_eq!(without.send("POST", "/cosmos.bank.v1beta1.Query/Params", header, "\0\0\0\0\0").status, 501);
}
