//! A chain with something to ask about, its REST server, and a client that sends exactly what it is told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use geodesic_app::rest::{self, Settings};
use geodesic_client::address::Kind;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::staking::v1beta1::{MsgBeginRedelegate, MsgDelegate, MsgUndelegate};
use geodesic_testnet::driver::{DENOM, Net, PREFIX, Spec};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A server on an application that runs without CometBFT.
pub(crate) struct Rest {
    pub(crate) net: Net,
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn code(&self) -> i64 {
        self.json()["code"].as_i64().unwrap()
    }
}

fn coin(amount: u64) -> Option<Coin> {
    Some(Coin { denom: DENOM.to_owned(), amount: amount.to_string() })
}

/// Two validators, and a user who has delegated, undelegated, redelegated and sent.
fn chain() -> Net {
    let metadata = json!([{ "base": DENOM, "display": "geo", "name": "Geo", "symbol": "GEO", "denom_units": [
        { "denom": DENOM, "exponent": 0 }, { "denom": "geo", "exponent": 6 },
    ] }]);
    let mut spec = Spec { compute: false, stakes: vec![250_000_000_000; 2], ..Spec::default() };
    spec.patches.push(("/bank/denom_metadata".to_owned(), metadata));
    let mut net = Net::new(spec).unwrap();
    net.step().unwrap();
    let user = Arc::clone(&net.users[0]);
    let [first, second] = [0, 1].map(|i| net.operators[i].wallet.valoper().unwrap());
    let delegator_address = user.text.clone();
    let messages = vec![
        any::pack(&MsgDelegate {
            delegator_address: delegator_address.clone(),
            validator_address: first.clone(),
            amount: coin(9_000_000),
        }),
        any::pack(&MsgUndelegate {
            delegator_address: delegator_address.clone(),
            validator_address: first.clone(),
            amount: coin(1_000_000),
        }),
        any::pack(&MsgBeginRedelegate {
            delegator_address: delegator_address.clone(),
            validator_src_address: first,
            validator_dst_address: second,
            amount: coin(1_000_000),
        }),
        any::pack(&MsgSend {
            from_address: delegator_address,
            to_address: net.users[1].text.clone(),
            amount: coin(7).into_iter().collect(),
        }),
    ];
    let result = net.run(&user, messages).unwrap();
    assert_eq!(result.code, 0, "{}", result.log);
    net.step().unwrap();
    net
}

impl Rest {
    pub(crate) fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let net = chain();
        let runtime = Runtime::new().unwrap();
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        change(&mut settings);
        let app = net.app(0).unwrap().clone();
        let (bound, is_bound) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            let report = |address| bound.send(address).unwrap();
            rest::serve(app, settings, report, std::future::pending()).await.unwrap();
        });
        let address = runtime.block_on(is_bound).unwrap();
        Self { net, address, _runtime: runtime }
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(request).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let text = String::from_utf8_lossy(&reply).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn send(&self, verb: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let text = format!(
            "{verb} {path} HTTP/1.1\r\nHost: geod\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.raw(text.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    /// A value that a variable of a path can have here.
    pub(crate) fn sensible(&self, field: &str) -> String {
        let validator = || self.net.operators[0].wallet.valoper().unwrap();
        match field {
            "address" | "delegator_addr" | "address_string" => self.net.users[0].text.clone(),
            "validator_addr" => validator(),
            "cons_address" => {
                Kind::Consensus.encode(PREFIX, &self.net.operators[0].consensus_address).unwrap()
            }
            "address_bytes" => "AAECAwQFBgcICQoLDA0ODxAREhM=".to_owned(),
            "denom" => DENOM.to_owned(),
            "height" => "2".to_owned(),
            "id" => "0".to_owned(),
            "name" => "bonded_tokens_pool".to_owned(),
            "hash" => "AB".repeat(32),
            "interface_name" => "cosmos.auth.v1beta1.AccountI".to_owned(),
            other => panic!("no value for {other}"),
        }
    }

    /// A template with values, those of `other` instead of sensible ones.
    pub(crate) fn filled(&self, template: &str, other: Option<(&str, &str)>) -> String {
        let mut out = String::new();
        for part in template.split_inclusive('}') {
            let (before, field) = part.split_once('{').unwrap_or((part, ""));
            out.push_str(before);
            if let Some(field) = field.strip_suffix('}') {
                match other.filter(|(name, _)| *name == field) {
                    Some((_, value)) => out.push_str(value),
                    None => out.push_str(&self.sensible(field)),
                }
            }
        }
        out
    }
}

/// Names of the variables of a template.
pub(crate) fn variables(template: &str) -> Vec<&str> {
    template.split('{').skip(1).filter_map(|part| part.split('}').next()).collect()
}
