//! State that comes in and goes out: proofs, old heights, hostile queries, genesis and export, on a recorded life of a chain.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use geodesic_app::abci::Fatal;
use geodesic_app::export::{ExportOptions, Exported, export};
use geodesic_app::{App, AppConfig, router};
use geodesic_core::store::{MemStore, Range, Reader as _};
use geodesic_core::{BlockInfo, Ctx, QueryError, State, StoreId};
use geodesic_proto::cosmos::bank::v1beta1::QueryAllBalancesRequest;
use geodesic_proto::prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value as Field};
use geodesic_store::Pruning;
use ics23::HostFunctionsManager as Host;
use prost::Message;
use serde_json::Value;
use tempfile::TempDir;
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{RequestFinalizeBlock, RequestInitChain, RequestQuery, ResponseQuery};

/// A chain, its blocks' requests still to come, and the app hash after each height.
struct Chain {
    app: App,
    blocks: std::vec::IntoIter<RequestFinalizeBlock>,
    hashes: BTreeMap<u64, Vec<u8>>,
    _dir: TempDir,
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn open() -> (App, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = AppConfig::new(dir.path().join("db"));
    config.store.pruning = Pruning::Custom { keep_recent: 5, interval: 10 };
    let fatal = Fatal::with_action(|reason| panic!("halted: {reason}"));
    (App::open(config, fatal, None).unwrap(), dir)
}

impl Chain {
    /// The chain of a recording of the Go SDK, before its first block.
    fn recorded(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (app, dir) = open();
        app.init_chain(RequestInitChain::decode(bytes(&recording["init_chain"]).as_slice()).unwrap());
        let block = |b: &Value| RequestFinalizeBlock::decode(bytes(&b["request"]).as_slice()).unwrap();
        let blocks: Vec<_> = recording["blocks"].as_array().unwrap().iter().map(block).collect();
        Self { app, blocks: blocks.into_iter(), hashes: BTreeMap::new(), _dir: dir }
    }

    /// Plays so many blocks.
    fn play(&mut self, count: usize) -> u64 {
        for request in self.blocks.by_ref().take(count) {
            let height = u64::try_from(request.height).unwrap();
            self.hashes.insert(height, self.app.finalize_block(request).app_hash.to_vec());
            self.app.commit();
        }
        self.app.committed().unwrap().height
    }

    fn query(&self, path: &str, data: &[u8], height: i64, prove: bool) -> ResponseQuery {
        self.app.query(RequestQuery { path: path.to_owned(), data: data.to_vec().into(), height, prove })
    }

    /// What a light client does: the entry against the store's root, the root against the app hash of the next header.
    fn prove(&self, store: StoreId, key: &[u8], height: u64) -> Option<Vec<u8>> {
        let name = store.name();
        let path = format!("/store/{name}/key");
        let answer = self.query(&path, key, i64::try_from(height).unwrap(), true);
        assert_eq!(
            (answer.code, answer.height),
            (0, i64::try_from(height).unwrap()),
            "{name}: {}",
            answer.log
        );
        let ops = answer.proof_ops.unwrap().ops;
        let kinds: Vec<_> = ops.iter().map(|op| op.r#type.as_str()).collect();
        assert_eq!(kinds, ["ics23:iavl", "ics23:simple"]);
        assert_eq!((ops[0].key.as_slice(), ops[1].key.as_slice()), (key, name.as_bytes()));
        let decode = |data: &[u8]| ics23::CommitmentProof::decode(data).unwrap();
        let (entry, simple) = (decode(&ops[0].data), decode(&ops[1].data));
        let Some(ics23::commitment_proof::Proof::Exist(step)) = &simple.proof else {
            panic!("{name}: no root")
        };
        let root = step.value.clone();
        let tendermint = ics23::tendermint_spec();
        let hash = &self.hashes[&height];
        assert!(
            ics23::verify_membership::<Host>(&simple, &tendermint, hash, name.as_bytes(), &root),
            "{name}"
        );
        let iavl = ics23::iavl_spec();
        let value = answer.value.to_vec();
        if let Some(ics23::commitment_proof::Proof::Exist(_)) = &entry.proof {
            assert!(ics23::verify_membership::<Host>(&entry, &iavl, &root, key, &value), "{name} {height}");
            assert!(!ics23::verify_membership::<Host>(&entry, &iavl, hash, key, &value), "the root matters");
            return Some(value);
        }
        assert!(ics23::verify_non_membership::<Host>(&entry, &iavl, &root, key), "{name} {height}");
        None
    }
}

fn entries(app: &App, store: StoreId, height: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = app.store().snapshot_at(height).unwrap();
    snapshot.range(store, &Range::default()).unwrap().map(|e| e.unwrap()).collect()
}

#[test]
fn proofs_of_every_store_and_height_verify() {
    let mut chain = Chain::recorded("staking.json");
    let latest = chain.play(38);
    let (oldest, last) = chain.app.store().heights();
    assert!(last == latest && oldest > 1 && oldest < latest, "{oldest} to {latest}");
    let mut proven = 0;
    for height in [oldest, latest - 1, latest] {
        for store in router::stores().into_iter().filter(|s| s.is_proven()) {
            let all = entries(&chain.app, store, height);
            let Some((first, _)) = all.first() else { continue };
            // ICS-23 has no proofs of empty values, which indexes of the SDK hold.
            let is_shown = |entry: &&(Vec<u8>, Vec<u8>)| !entry.1.is_empty();
            for (key, value) in
                [all.first(), all.get(all.len() / 2), all.last()].into_iter().flatten().filter(is_shown)
            {
                assert_eq!(
                    chain.prove(store, key, height).as_ref(),
                    Some(value),
                    "{} {height}",
                    store.name()
                );
                proven += 1;
            }
            let between = [first.as_slice(), &[0]].concat();
            for absent in [vec![0_u8], between, vec![0xff; 9]] {
                let at = all.partition_point(|(key, _)| *key < absent);
                let neighbours = [at.checked_sub(1).and_then(|i| all.get(i)), all.get(at)];
                if neighbours.iter().flatten().all(is_shown) {
                    let there = all.iter().any(|(key, _)| *key == absent);
                    assert_eq!(
                        chain.prove(store, &absent, height).is_some(),
                        there,
                        "{} {height}",
                        store.name()
                    );
                    proven += 1;
                }
            }
        }
    }
    assert!(proven > 60, "{proven} proofs");
    for height in [oldest - 1, latest + 1] {
        let answer = chain.query("/store/bank/key", b"k", i64::try_from(height).unwrap(), true);
        let want = format!("height {height} is not available, heights {oldest} to {latest} are");
        assert!(answer.code == 18 && answer.log.contains(&want), "{}", answer.log);
    }
    for (name, path, height) in [("negative", "/store/bank/key", -1), ("first", "/store/bank/key", 1)] {
        let answer = chain.query(path, b"k", height, true);
        assert!(
            answer.code == 18 && answer.log.contains("please provide a valid height"),
            "{name}: {}",
            answer.log
        );
    }
    assert_eq!(chain.query("/store/gold/key", b"k", 0, true).code, 6);
}

#[test]
fn a_query_whose_height_is_pruned_meanwhile_says_so() {
    let mut chain = Chain::recorded("staking.json");
    let height = chain.play(15);
    let (store, name) = (geodesic_bank::keys::STORE, "/cosmos.bank.v1beta1.Query/AllBalances");
    let ctx = chain.app.query_env().ctx(height).unwrap();
    let genesis = export(&chain.app.query_env(), &ExportOptions::default()).unwrap();
    let bank: Value = serde_json::from_str(genesis.app_state["bank"].get()).unwrap();
    let address = bank["balances"][0]["address"].as_str().unwrap().to_owned();
    let request = QueryAllBalancesRequest { address, ..Default::default() }.encode_to_vec();
    let before = router::query(&ctx, name, &request).unwrap();
    let snapshot = chain.app.store().snapshot();
    let old = entries(&chain.app, store, height);
    let mut open = snapshot.range(store, &Range::default()).unwrap();
    assert!(open.next().unwrap().is_ok());

    // Later heights change nothing for it, until its own is pruned.
    chain.play(4);
    assert_eq!(router::query(&ctx, name, &request).unwrap(), before);
    chain.play(20);
    let (oldest, latest) = chain.app.store().heights();
    assert!(oldest > height);
    let want = format!("height {height} is not available, heights {oldest} to {latest} are");
    let error = router::query(&ctx, name, &request).unwrap_err();
    assert!(error.to_string().contains(&want), "{error}");
    let error = snapshot.get(store, b"k").unwrap_err();
    assert!(error.to_string().contains(&want), "{error}");
    // What an open iterator still gives is of its height.
    assert!(open.all(|entry| entry.is_ok_and(|e| old.contains(&e))));
    assert!(chain.app.query_env().grpc(name, &request, height).unwrap_err().to_string().contains(&want));
    assert!(matches!(
        chain.app.query_env().grpc(name, &request, height),
        Err(QueryError::InvalidArgument(_))
    ));
    assert!(matches!(
        chain.app.query_env().grpc(name, &request, latest + 9),
        Err(QueryError::InvalidArgument(_))
    ));
    chain.play(1);
}

fn page(descriptor: &MessageDescriptor, fields: &[(&str, Field)]) -> Field {
    let mut page = DynamicMessage::new(descriptor.clone());
    fields.iter().for_each(|(name, value)| page.set_field_by_name(name, value.clone()));
    Field::Message(page)
}

/// A request all of whose fields, or only the pages, hold what nobody should send.
fn bad_request(descriptor: &MessageDescriptor, text: &str, number: i64, pagination: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields().filter(|f| !f.is_list() && !f.is_map()) {
        let value = match field.kind() {
            Kind::String => Field::String(text.to_owned()),
            Kind::Bytes => Field::Bytes(text.as_bytes().to_vec().into()),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Field::I64(number),
            Kind::Uint64 | Kind::Fixed64 => Field::U64(number.cast_unsigned()),
            Kind::Int32 => Field::I32(i32::MIN),
            Kind::Uint32 => Field::U32(u32::MAX),
            Kind::Bool => Field::Bool(true),
            Kind::Message(m) if m.name() == "PageRequest" => match pagination {
                0 => page(&m, &[("key", Field::Bytes(vec![0xff; 300].into()))]),
                1 => page(&m, &[("key", Field::Bytes(vec![1].into())), ("offset", Field::U64(1))]),
                2 => page(&m, &[("limit", Field::U64(u64::MAX)), ("offset", Field::U64(u64::MAX))]),
                3 => page(&m, &[("limit", Field::U64(u64::MAX)), ("reverse", Field::Bool(true))]),
                _ => continue,
            },
            _ => continue,
        };
        message.set_field(&field, value);
    }
    message
}

#[test]
fn bad_arguments_are_the_senders_fault() {
    let mut chain = Chain::recorded("staking.json");
    chain.play(12);
    let account = chain.app.committed().unwrap().prefix;
    let other = geodesic_core::Address::from([7; 20]);
    let texts = [
        String::new(),
        "not an address".to_owned(),
        "\u{0}\u{7f}".to_owned(),
        "x".repeat(5_000),
        other.to_bech32("other"),
        other.to_bech32(&account),
        other.to_bech32(&format!("{account}valoper")),
        other.to_bech32(&format!("{account}valcons")),
    ];
    let (mut methods, mut wrong) = (0, Vec::new());
    for service in router::services() {
        let service = geodesic_proto::pool().get_service_by_name(service).unwrap();
        for method in service.methods() {
            methods += 1;
            let path = format!("/{}/{}", service.full_name(), method.name());
            let mut ask = |what: &str, request: &[u8]| match chain.app.query_env().grpc(&path, request, 0) {
                Err(QueryError::Internal(e)) => wrong.push(format!("{path} {what}: {e}")),
                Err(e) => assert!(e.to_string().len() < 20_000, "{path} {what}"),
                Ok(_) => {}
            };
            ask("of nothing", &[]);
            for text in &texts {
                for number in [0, 1, -1, i64::MIN, i64::MAX] {
                    for pagination in 0..5 {
                        let request = bad_request(&method.input(), text, number, pagination);
                        let what = format!("{:.20?} {number} {pagination}", text);
                        ask(&what, &request.encode_to_vec());
                    }
                }
            }
            let malformed = chain.app.query_env().grpc(&path, &[0x0a, 0xff, 0xff], 0);
            // What has no fields is not looked at.
            let ignored = method.input().fields().len() == 0 && malformed.is_ok();
            let refused =
                matches!(malformed, Err(QueryError::InvalidArgument(_) | QueryError::Unimplemented(_)));
            assert!(ignored || refused, "{path}: {malformed:?}");
        }
    }
    assert!(methods > 60, "{methods} methods");
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} answers are Internal, such as {:#?}",
        wrong.len(),
        wrong.iter().step_by(wrong.len().div_ceil(30)).collect::<Vec<_>>()
    );
}

fn fresh(block: BlockInfo) -> Ctx {
    Ctx::new(block, State::new(Arc::new(MemStore::default())))
}

fn parsed(state: &router::AppState) -> BTreeMap<String, Value> {
    state.iter().map(|(name, raw)| (name.clone(), serde_json::from_str(raw.get()).unwrap())).collect()
}

/// Imports a state and exports it again.
fn round_trip(state: &router::AppState, block: &BlockInfo, params: &Exported) -> router::AppState {
    let mut ctx = fresh(BlockInfo { height: 0, ..block.clone() });
    let params =
        geodesic_proto::tendermint::types::ConsensusParams::decode(params.params.encode_to_vec().as_slice());
    geodesic_consensus::init(&mut ctx, &params.unwrap()).unwrap();
    router::init_genesis(&mut ctx, state).unwrap_or_else(|e| panic!("{e}"));
    router::export_genesis(&ctx).unwrap()
}

#[test]
fn what_is_exported_is_imported_module_by_module() {
    for name in ["transfers.json", "staking.json"] {
        let mut chain = Chain::recorded(name);
        chain.play(1);
        let block = chain.app.committed().unwrap();
        let early = export(&chain.app.query_env(), &ExportOptions::default()).unwrap();
        // The defaults, and twice, for the first import adds the accounts of modules.
        let once = round_trip(&router::default_genesis(), &block, &early);
        assert_eq!(parsed(&round_trip(&once, &block, &early)), parsed(&once), "{name}: defaults");
        while chain.blocks.len() > 0 {
            chain.play(7);
            let block = chain.app.committed().unwrap();
            let state = export(&chain.app.query_env(), &ExportOptions::default()).unwrap();
            let mut old = parsed(&state.app_state);
            old.remove("genutil");
            let new = parsed(&round_trip(&state.app_state, &block, &state));
            for (module, state) in &old {
                assert_eq!(new.get(module), Some(state), "{name} height {}: {module}", block.height);
            }
        }
    }
}

/// The recorded chain and one on its export go on in the same way.
#[test]
fn an_import_goes_on_like_the_chain_that_was_exported() {
    let mut chain = Chain::recorded("staking.json");
    let height = chain.play(30);
    let state = export(&chain.app.query_env(), &ExportOptions::default()).unwrap();
    assert_eq!(state.initial_height, height + 1);
    let (app, _dir) = open();
    let time = state.time_ns;
    app.init_chain(RequestInitChain {
        time: Some(tendermint_proto::google::protobuf::Timestamp {
            seconds: time.div_euclid(1_000_000_000),
            nanos: i32::try_from(time.rem_euclid(1_000_000_000)).unwrap(),
        }),
        chain_id: state.chain_id.clone(),
        consensus_params: Some(state.params.clone()),
        validators: Vec::new(),
        app_state_bytes: serde_json::to_vec(&state.app_state).unwrap().into(),
        initial_height: i64::try_from(state.initial_height).unwrap(),
    });
    for request in chain.blocks.by_ref() {
        let (a, b) = (chain.app.finalize_block(request.clone()), app.finalize_block(request));
        let codes = |r: &tendermint_proto::v0_38::abci::ResponseFinalizeBlock| {
            r.tx_results.iter().map(|t| (t.code, t.codespace.clone(), t.data.clone())).collect::<Vec<_>>()
        };
        assert_eq!(codes(&a), codes(&b));
        assert_eq!(a.validator_updates, b.validator_updates);
        chain.app.commit();
        app.commit();
    }
    let exported =
        |app: &App| parsed(&export(&app.query_env(), &ExportOptions::default()).unwrap().app_state);
    let (old, new) = (exported(&chain.app), exported(&app));
    for (module, state) in &old {
        assert_eq!(new.get(module), Some(state), "{module}");
    }
}
