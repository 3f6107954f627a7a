//! A node joins by a snapshot of others: the handlers of ABCI, called as CometBFT's syncer calls them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::weight;
use geodesic_app::abci::Fatal;
use geodesic_app::{App, AppConfig, router};
use geodesic_core::store::{Range, Reader as _};
use geodesic_testnet::driver::{Guild, Habits, Net, Spec};
use sha2::{Digest as _, Sha256};
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci as pb;
use tendermint_proto::v0_38::abci::response_apply_snapshot_chunk::Result as Applied;
use tendermint_proto::v0_38::abci::response_offer_snapshot::Result as Offered;

/// Heights between snapshots.
const INTERVAL: u64 = 20;

/// A chain of compute with an epoch behind it, a cheat in it, and snapshots.
fn chain(blocks: i64) -> Net {
    let spec = Spec { snapshot_interval: INTERVAL, ..Spec::default() };
    let mut net = Net::new(spec).unwrap();
    let honest = Habits::default();
    let mut guild = Guild::new(&net, &[honest, honest, honest, Habits { fakes: 20, ..honest }]);
    guild.run_to(&mut net, blocks).unwrap();
    net
}

/// The snapshots of a node, once there is one of `height`.
fn snapshots(app: &App, height: u64) -> Vec<pb::Snapshot> {
    let begin = Instant::now();
    loop {
        let listed = app.list_snapshots().snapshots;
        if listed.first().is_some_and(|s| s.height >= height) {
            return listed;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no snapshot of height {height}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The snapshot of a height with its chunks, from a node that serves it.
fn fetched(app: &App, height: u64) -> (pb::Snapshot, Vec<Vec<u8>>) {
    let listed = snapshots(app, height);
    let snapshot = listed.into_iter().find(|s| s.height == height).unwrap();
    let chunk = |chunk| {
        let request = pb::RequestLoadSnapshotChunk { height, format: snapshot.format, chunk };
        app.load_snapshot_chunk(request).chunk.to_vec()
    };
    let chunks = (0..snapshot.chunks).map(chunk).collect();
    (snapshot, chunks)
}

fn config(dir: &Path) -> AppConfig {
    let mut config = AppConfig::new(dir.join("db"));
    config.genesis = Some((Spec::default().chain_id, 1));
    config.snapshots.chunk_bytes = 4_000;
    config
}

fn open(config: &AppConfig) -> App {
    let fatal = Fatal::with_action(|reason| eprintln!("the application halts: {reason}"));
    App::open(config.clone(), fatal, None).unwrap()
}

fn offer(app: &App, snapshot: &pb::Snapshot, app_hash: &[u8]) -> Offered {
    let app_hash = app_hash.to_vec().into();
    let request = pb::RequestOfferSnapshot { snapshot: Some(snapshot.clone()), app_hash };
    Offered::try_from(app.offer_snapshot(request).result).unwrap()
}

fn apply(app: &App, index: usize, chunk: &[u8], sender: &str) -> (Applied, Vec<u32>, Vec<String>) {
    let index = u32::try_from(index).unwrap();
    let request =
        pb::RequestApplySnapshotChunk { index, chunk: chunk.to_vec().into(), sender: sender.to_owned() };
    let response = app.apply_snapshot_chunk(request);
    (Applied::try_from(response.result).unwrap(), response.refetch_chunks, response.reject_senders)
}

fn accepted(app: &App, chunks: &[Vec<u8>]) {
    for (index, chunk) in chunks.iter().enumerate() {
        assert_eq!(apply(app, index, chunk, "peer"), (Applied::Accept, vec![], vec![]), "chunk {index}");
    }
}

/// App hash after a height, as the next header has it.
fn app_hash(net: &Net, height: u64) -> Vec<u8> {
    net.blocks[usize::try_from(height).unwrap() - 1].response.app_hash.to_vec()
}

fn info(app: &App) -> (i64, Vec<u8>) {
    let info = app.info(pb::RequestInfo::default());
    (info.last_block_height, info.last_block_app_hash.to_vec())
}

fn is_empty(app: &App) {
    assert_eq!(info(app), (0, vec![]));
    assert_eq!(app.committed(), None);
    let query = app
        .query(pb::RequestQuery { path: "/cosmos.bank.v1beta1.Query/Params".into(), ..Default::default() });
    assert!(query.log.contains("no block is committed yet"), "{}", query.log);
}

/// Plays the blocks after a height; every answer must be the one that the others gave.
fn follow(net: &Net, app: &App, height: u64) {
    for block in &net.blocks[usize::try_from(height).unwrap()..] {
        let response = app.finalize_block(block.request.clone());
        assert_eq!(response, block.response, "height {}", block.request.height);
        app.commit();
    }
}

/// All of a store, at a height.
fn entries(app: &App, height: u64, name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = router::stores().into_iter().find(|s| s.name() == name).unwrap();
    let snapshot = app.store().snapshot_at(height).unwrap();
    snapshot.range(store, &Range::default()).unwrap().map(|e| e.unwrap()).collect()
}

/// THREATS 1, numbers 19 and 20.
#[test]
fn a_node_joins_by_a_snapshot_and_goes_on_as_the_others() {
    let net = chain(70);
    assert!(weight(&net, 0, 0).unwrap().weight > 0);
    let server = net.app(0).unwrap();
    let listed = snapshots(server, 60);
    assert_eq!(listed.iter().map(|s| s.height).collect::<Vec<_>>(), [60, 40, 20]);
    for other in 1..4 {
        assert_eq!(snapshots(net.app(other).unwrap(), 60), listed, "the same bytes on all");
    }
    let (snapshot, chunks) = fetched(server, 40);
    assert!(chunks.len() > 3 && snapshot.format == 1);
    let hash: [u8; 32] = Sha256::digest(chunks.concat()).into();
    assert_eq!(snapshot.hash[..], hash);

    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let app = open(&config);
    is_empty(&app);
    assert_eq!(offer(&app, &snapshot, &app_hash(&net, 40)), Offered::Accept);
    accepted(&app, &chunks);
    assert_eq!(info(&app), (40, app_hash(&net, 40)));
    app.store().verify().unwrap();
    for store in router::stores().iter().filter(|s| s.name() != "app") {
        let (ours, theirs) = (entries(&app, 40, store.name()), entries(server, 40, store.name()));
        assert!(ours == theirs, "store {} is another", store.name());
    }
    // What the application keeps of the chain, but for the hash of the block, which no state has.
    let block = app.committed().unwrap();
    assert_eq!(
        (block.chain_id.as_str(), block.prefix.as_str(), block.initial_height),
        ("testnet-1", "geo", 1)
    );
    let request = &net.blocks[39].request;
    assert_eq!(block.proposer, request.proposer_address.to_vec());
    assert_eq!(block.time_ns, request.time.unwrap().seconds * 1_000_000_000);
    let made = app.make_snapshot(0).unwrap();
    assert_eq!((made.height, made.hash[..].to_vec()), (40, snapshot.hash.to_vec()), "it serves the same");

    // A restart before the first block and one later; then it is like the others.
    drop(app);
    let app = open(&config);
    assert_eq!(info(&app), (40, app_hash(&net, 40)));
    follow(&net, &app, 40);
    drop(app);
    let app = open(&config);
    assert_eq!(info(&app), (70, app_hash(&net, 70)));
    for store in router::stores() {
        assert!(entries(&app, 70, store.name()) == entries(server, 70, store.name()), "{}", store.name());
    }
    for (height, log) in [(40, ""), (39, "height 39 is not available, heights 40 to 70 are")] {
        let path = "/cosmos.staking.v1beta1.Query/Validators".to_owned();
        let request = pb::RequestQuery { path, height, ..Default::default() };
        let (ours, theirs) = (app.query(request.clone()), server.query(request));
        assert!(ours.log.contains(log), "{}", ours.log);
        assert_eq!(ours.value == theirs.value, log.is_empty());
    }
}

/// THREATS 1, number 19: what peers send that is false, and who is blamed for it.
#[test]
fn what_peers_forge_is_refused_and_the_right_one_is_blamed() {
    let net = chain(45);
    let (good, chunks) = fetched(net.app(0).unwrap(), 40);
    let (earlier, earlier_chunks) = fetched(net.app(1).unwrap(), 20);
    let hash = app_hash(&net, 40);
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let app = open(&config);
    assert_eq!(apply(&app, 0, &chunks[0], "peer").0, Applied::Abort, "nothing was offered");
    let with = |change: &dyn Fn(&mut pb::Snapshot)| {
        let mut snapshot = good.clone();
        change(&mut snapshot);
        snapshot
    };
    for (name, snapshot, want) in [
        ("format", with(&|s| s.format = 2), Offered::RejectFormat),
        ("no format", with(&|s| s.format = 0), Offered::RejectFormat),
        ("height 0", with(&|s| s.height = 0), Offered::Reject),
        ("height", with(&|s| s.height = u64::MAX), Offered::Reject),
        ("no chunks", with(&|s| s.chunks = 0), Offered::Reject),
        ("too many", with(&|s| s.chunks = u32::MAX), Offered::Reject),
        ("one more", with(&|s| s.chunks += 1), Offered::Reject),
        ("metadata", with(&|s| s.metadata = vec![9; 40].into()), Offered::Reject),
        ("no metadata", with(&|s| s.metadata = Vec::new().into()), Offered::Reject),
        ("hash", with(&|s| s.hash = vec![1].into()), Offered::Reject),
    ] {
        assert_eq!(offer(&app, &snapshot, &hash), want, "{name}");
    }
    assert_eq!(offer(&app, &good, &hash[..31]), Offered::Reject);
    let nothing = pb::RequestOfferSnapshot::default();
    assert_eq!(app.offer_snapshot(nothing).result, i32::from(Offered::Reject));
    is_empty(&app);

    // Chunks that are damaged, in another order, twice.
    assert_eq!(offer(&app, &good, &hash), Offered::Accept);
    let bad = |index: usize, chunk: &[u8], sender: &str| {
        let blamed = if sender.is_empty() { vec![] } else { vec![sender.to_owned()] };
        let refetch = vec![u32::try_from(index).unwrap()];
        assert_eq!(apply(&app, index, chunk, sender), (Applied::Retry, refetch, blamed));
    };
    bad(0, &chunks[1], "liar");
    bad(0, &[], "");
    bad(0, &chunks[0][1..], "short");
    bad(0, &vec![0; 20_000_000], "long");
    accepted(&app, &chunks[..1]);
    assert_eq!(apply(&app, 2, &chunks[2], "early"), (Applied::Retry, vec![1], vec![]), "nobody's fault");
    assert_eq!(apply(&app, 9_999, &[], "far"), (Applied::Retry, vec![1], vec![]));
    assert_eq!(apply(&app, 0, &chunks[0], "twice"), (Applied::Accept, vec![], vec![]));
    bad(1, &[chunks[1].as_slice(), &[0]].concat(), "liar");
    is_empty(&app);

    // A peer whose whole snapshot is forged: its chunks have the hashes that it says, its state has not the chain's.
    let forged = |chunks: &[Vec<u8>], height| {
        let hashes = chunks.iter().map(Sha256::digest).flat_map(|h| [&[0x0a, 32][..], &h].concat());
        let hash = Sha256::digest(chunks.concat()).to_vec().into();
        let count = u32::try_from(chunks.len()).unwrap();
        pb::Snapshot { height, format: 1, chunks: count, hash, metadata: hashes.collect::<Vec<u8>>().into() }
    };
    assert_eq!(forged(&chunks, 40), good, "the forger knows the form");
    let last = chunks.len() - 1;
    let mut one_coin = chunks.clone();
    *one_coin[last].last_mut().unwrap() ^= 1;
    let mut short = chunks.clone();
    short[last].pop();
    let mut more = chunks.clone();
    more[last].push(0);
    for (name, chunks) in [
        ("one bit", one_coin),
        ("short", short),
        ("more", more),
        ("no end", chunks[..last].to_vec()),
        ("another height", earlier_chunks.clone()),
        ("garbage", vec![vec![0xff; 4_000]; 3]),
    ] {
        assert_eq!(offer(&app, &forged(&chunks, 40), &hash), Offered::Accept, "{name}");
        let answers: Vec<_> = chunks.iter().enumerate().map(|(i, c)| apply(&app, i, c, "forger").0).collect();
        let rejected = answers.iter().position(|a| *a != Applied::Accept).unwrap();
        assert_eq!(answers[rejected], Applied::RejectSnapshot, "{name}");
        assert!(answers[rejected + 1..].iter().all(|a| *a == Applied::Abort), "{name}: over");
        is_empty(&app);
    }
    // The right state under another app hash than the light client's.
    assert_eq!(offer(&app, &good, &app_hash(&net, 41)), Offered::Accept);
    assert_eq!(apply(&app, 0, &chunks[0], "peer").0, Applied::RejectSnapshot);
    is_empty(&app);

    // An offer takes the place of the one before, and a good one is still taken.
    assert_eq!(offer(&app, &earlier, &app_hash(&net, 20)), Offered::Accept);
    accepted(&app, &earlier_chunks[..2]);
    assert_eq!(offer(&app, &good, &hash), Offered::Accept);
    accepted(&app, &chunks);
    assert_eq!(info(&app), (40, hash.clone()));
    // CometBFT lost it, or was killed before it knew: a state without blocks is replaced, one with blocks is not.
    assert_eq!(offer(&app, &earlier, &app_hash(&net, 20)), Offered::Accept);
    is_empty(&app);
    accepted(&app, &earlier_chunks);
    follow(&net, &app, 20);
    assert_eq!(offer(&app, &good, &hash), Offered::Abort);
    assert_eq!(info(&app), (45, app_hash(&net, 45)));
}

/// THREATS 1, number 19: killed in a restore, at each chunk.
#[test]
fn a_restore_that_was_killed_begins_anew() {
    let net = chain(25);
    let (snapshot, chunks) = fetched(net.app(0).unwrap(), 20);
    let hash = app_hash(&net, 20);
    let dir = tempfile::tempdir().unwrap();
    let app = open(&config(dir.path()));
    assert_eq!(offer(&app, &snapshot, &hash), Offered::Accept);
    for taken in 0..chunks.len() {
        // The disk as the killed process leaves it.
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("db")).unwrap();
        for file in fs::read_dir(dir.path().join("db")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join("db").join(file.file_name())).unwrap();
        }
        let again = open(&config(copy.path()));
        is_empty(&again);
        assert_eq!(again.store().cleared_restore(), Some(20));
        if taken % 2 == 0 {
            assert_eq!(offer(&again, &snapshot, &hash), Offered::Accept);
            accepted(&again, &chunks);
            follow(&net, &again, 20);
        }
        assert_eq!(apply(&app, taken, &chunks[taken], "peer").0, Applied::Accept);
    }
    follow(&net, &app, 20);
}

/// A state of another chain, whose app hash is right for it.
#[test]
fn a_state_of_another_chain_is_not_ours() {
    let net = chain(20);
    let (snapshot, chunks) = fetched(net.app(0).unwrap(), 20);
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.genesis = Some(("other-1".to_owned(), 1));
    let app = open(&config);
    assert_eq!(offer(&app, &snapshot, &app_hash(&net, 20)), Offered::Accept);
    let last = chunks.len() - 1;
    accepted(&app, &chunks[..last]);
    assert_eq!(apply(&app, last, &chunks[last], "peer").0, Applied::Abort);
    is_empty(&app);
}

/// Blocks that who joins needs are kept, as in the SDK.
#[test]
fn blocks_after_the_oldest_snapshot_are_kept() {
    let net = chain(3);
    let dir = tempfile::tempdir().unwrap();
    for (name, keep_blocks, interval, keep_snapshots, want) in [
        ("all", 0, 1, 1, 0),
        ("no snapshots", 1, 0, 2, 2),
        ("one snapshot", 1, 2, 1, 1),
        ("more than there are", 1, 2, 5, 0),
        ("all snapshots, which the SDK takes for none", 1, 2, 0, 2),
    ] {
        let mut config = config(&dir.path().join(name));
        fs::create_dir(dir.path().join(name)).unwrap();
        config.min_retain_blocks = keep_blocks;
        (config.snapshots.interval, config.snapshots.keep_recent) = (interval, keep_snapshots);
        let app = open(&config);
        app.init_chain(net.init().clone());
        let mut retain = 0;
        for block in &net.blocks {
            app.finalize_block(block.request.clone());
            retain = app.commit().retain_height;
        }
        assert_eq!(retain, want, "{name}");
    }
}
