//! The fuzz targets on a stable compiler: each entry over its corpus, and over damaged copies of it that are the same every time.
//!
//! `cargo +nightly fuzz run TARGET` looks further; what it finds becomes a file of the corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../../fuzz/entries.rs"]
mod entries;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use geodesic_app::router;
use geodesic_proto::json::{Options, bytes_to_json};
use geodesic_proto::pool;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use tendermint_proto::v0_38::abci as pb;

/// Damaged copies of each seed.
const COPIES: usize = 300;

fn folder(entry: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(entry)
}

fn corpus(entry: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(folder(entry)).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }
}

/// One to four changes: a byte, a cut, a piece twice, a piece of another seed, a long number.
fn damage(random: &mut Random, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let length = random.below(24).min(bytes.len() - at);
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] = random.next().to_le_bytes()[0],
            1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..at + length)),
            3 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                let from = random.below(other.len());
                let to = (from + random.below(40)).min(other.len());
                bytes.splice(at..at, other[from..to].to_vec());
            }
            _ => {
                drop(bytes.splice(at..at, [0xff; 9].into_iter().chain([random.next().to_le_bytes()[0] & 1])))
            }
        }
    }
    bytes
}

/// Shows the input of the entry that panics.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    #[allow(clippy::print_stderr)] // lands in the output of the failed test
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("entry {}, input as base64: {}", self.0, BASE64_STANDARD.encode(self.1));
        }
    }
}

#[test]
fn every_entry_survives_its_corpus_and_damaged_copies_of_it() {
    for (name, entry) in entries::ALL {
        let seeds = corpus(name);
        assert!(!seeds.is_empty(), "{name} has no corpus");
        let mut random = Random(1);
        entry(&[]);
        for (i, seed) in seeds.iter().enumerate() {
            let run = |bytes: &[u8]| {
                let _shown = Shown(name, bytes);
                entry(bytes);
            };
            run(seed);
            for _ in 0..COPIES {
                let other = &seeds[(i + 1 + random.below(seeds.len())) % seeds.len()];
                run(&damage(&mut random, seed, other));
            }
        }
    }
}

/// Every field of a message set, two elements in every list.
fn filled(descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let Some(value) = value(&field, depth) else { continue };
        let value = if field.is_list() { Value::List(vec![value.clone(), value]) } else { value };
        message.set_field(&field, value);
    }
    message
}

fn value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    Some(match field.kind() {
        Kind::String => Value::String("geo1qyqszqgpqyqszqgpqyqszqgpqyqszqgpjnp7du".into()),
        Kind::Bytes => Value::Bytes(vec![7; 32].into()),
        Kind::Bool => Value::Bool(true),
        Kind::Message(m) if depth > 0 => Value::Message(filled(&m, depth - 1)),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(3),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(3),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(3),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(3),
        Kind::Enum(_) => Value::EnumNumber(1),
        _ => return None,
    })
}

fn write(entry: &str, seed: &str, bytes: &[u8]) {
    fs::create_dir_all(folder(entry)).unwrap();
    fs::write(folder(entry).join(seed), bytes).unwrap();
}

/// Messages of the SDK's vectors and of this chain, by name.
fn messages() -> Vec<(String, Vec<u8>)> {
    let own = pool().all_messages().filter(|m| m.full_name().starts_with("geodesic."));
    let own = own.filter(|m| router::is_known(m.full_name()));
    let own = own.map(|m| (m.full_name().to_owned(), filled(&m, 6).encode_to_vec()));
    let vectors: serde_json::Value = serde_json::from_str(include_str!("tx/fixtures/sign.json")).unwrap();
    let picked = ["bank.v1beta1.MsgMultiSend", "staking.v1beta1.MsgCreateValidator", "authz.v1beta1.MsgExec"];
    let sdk = vectors["messages"].as_array().unwrap().iter().filter_map(|m| {
        let name = m["type_url"].as_str()?.trim_start_matches("/cosmos.");
        picked.contains(&name).then(|| {
            let tx = BASE64_STANDARD.decode(m["tx"].as_str().unwrap()).unwrap();
            let raw = geodesic_proto::cosmos::tx::v1beta1::TxRaw::decode(tx.as_slice()).unwrap();
            let body =
                geodesic_proto::cosmos::tx::v1beta1::TxBody::decode(raw.body_bytes.as_slice()).unwrap();
            (format!("cosmos.{name}"), body.messages[0].value.clone())
        })
    });
    own.chain(sdk.collect::<Vec<_>>()).collect()
}

/// A small snapshot, one with nodes that carry hashes, and a description.
fn snapshots() -> [(&'static str, Vec<u8>); 3] {
    use geodesic_core::store::{ChangeSet, StoreId};
    let dir = tempfile::tempdir().unwrap();
    let (acc, bank) = (StoreId::tree("acc"), StoreId::tree("bank"));
    let store = geodesic_store::Store::open(dir.path(), Default::default(), &[acc, bank]).unwrap();
    let snapshot = |height: u64, entries: u16| {
        let set = |n: u16| (n.to_be_bytes().to_vec(), Some(vec![7; usize::from(n % 5)]));
        store.stage(height, ChangeSet::from([(acc, (0..entries).map(set).collect())])).unwrap();
        store.commit(b"").unwrap();
        let mut bytes = Vec::new();
        let mut take = |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok::<_, geodesic_store::Error>(())
        };
        store.export(height).unwrap().write(&mut take).unwrap();
        bytes
    };
    let meta =
        geodesic_store::sync::Meta { height: 5, format: 1, hash: [1; 32], chunk_hashes: vec![[2; 32]; 3] };
    [("small", snapshot(1, 6)), ("with-hashes", snapshot(2, 300)), ("description", meta.encode())]
}

/// Writes the corpus anew, after a change of the interface: `cargo test -p geodesic-app --test hostile -- --ignored`.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_the_corpus() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("tx/fixtures/sign.json")).unwrap();
    for index in [0, 6, 24, 38] {
        let tx = BASE64_STANDARD.decode(vectors["messages"][index]["tx"].as_str().unwrap()).unwrap();
        write("transaction", &format!("vector-{index}"), &tx);
    }
    let own: Vec<_> = pool().all_messages().filter(|m| router::is_known(m.full_name())).collect();
    let any = |m: &MessageDescriptor| geodesic_proto::prost_types::Any {
        type_url: format!("/{}", m.full_name()),
        value: filled(m, 6).encode_to_vec(),
    };
    let own: Vec<_> = own.iter().filter(|m| m.full_name().starts_with("geodesic.")).map(any).collect();
    let body = geodesic_proto::cosmos::tx::v1beta1::TxBody { messages: own, ..Default::default() };
    let raw =
        geodesic_proto::cosmos::tx::v1beta1::TxRaw { body_bytes: body.encode_to_vec(), ..Default::default() };
    write("transaction", "own-messages", &raw.encode_to_vec());
    for (name, bytes) in messages() {
        let line = |rest: &[u8]| [name.as_bytes(), b"\n", rest].concat();
        write("strict_walker", &name, &line(&bytes));
        write("amino", &name, &line(&bytes));
        let text = bytes_to_json(&name, &bytes, Options::default());
        write("json", &name, &line(text.as_deref().unwrap_or("{}").as_bytes()));
    }
    let amino: serde_json::Value =
        serde_json::from_str(include_str!("../../proto/tests/fixtures/amino.json")).unwrap();
    let of = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or("").to_owned();
    let picked = ["several messages", "nested multisig", "/cosmos.staking.v1beta1.MsgCreateValidator"];
    for row in amino["decode"].as_array().unwrap() {
        if let Some(name) = picked.iter().find(|name| of(row, "name") == **name) {
            let name = name.rsplit('/').next().unwrap().replace(' ', "-");
            write("amino_transaction", &name, &hex::decode(of(row, "hex")).unwrap());
            write("amino_transaction", &format!("{name}-json"), of(row, "json").as_bytes());
        }
    }
    for (name, value) in [
        ("check-tx", pb::request::Value::CheckTx(pb::RequestCheckTx { tx: vec![1; 40].into(), r#type: 1 })),
        (
            "finalize-block",
            pb::request::Value::FinalizeBlock(pb::RequestFinalizeBlock {
                txs: vec![vec![2; 20].into(); 3],
                hash: vec![3; 32].into(),
                height: 7,
                ..Default::default()
            }),
        ),
        ("query", pb::request::Value::Query(pb::RequestQuery { path: "/a/b".into(), ..Default::default() })),
    ] {
        write("abci_request", name, &pb::Request { value: Some(value) }.encode_length_delimited_to_vec());
    }
    for (name, bytes) in snapshots() {
        write("snapshot", name, &bytes);
    }
    let proof = [2_u64, 1, 9, 1, 5, 0].map(u64::to_be_bytes).concat();
    write("commitment_proof", "two-leaves", &[proof, vec![4; 96]].concat());
    write("vote_extension", "key-and-proof", &[vec![1; 32], vec![2; 80]].concat());
    let beacon = pool().get_message_by_name("geodesic.seeds.v1.MsgBeacon").unwrap();
    write("vote_extension", "beacon", &filled(&beacon, 3).encode_to_vec());
}
