//! Over real sockets and handshakes.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use geodesic_challenge::{Commitment, Distance, MerkleSum, Sample};
use geodesic_client::vrf::{VrfKey, audit_input};
use geodesic_proto::geodesic::agent::v1::leaves_server::Leaves;
use geodesic_proto::geodesic::agent::v1::{FetchRequest, FetchResponse};
use geodesic_proto::geodesic::pow::v1::Opening;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Response, Status};

use super::*;
use crate::duties::{a_i, leaf_pb, path_pb};
use crate::tls::{Identity, Pins};

const R: RTarget = RTarget(100);
const BEACON: Hash = [3; 32];
const PROVER: Address = [9; 20];
const AUDITOR: Address = [1; 20];
/// With a power of zero in the draw, so that it audits nobody.
const POWERLESS: Address = [2; 20];
const EPOCH: u64 = 5;
/// Drawn, without a commitment.
const EMPTY_EPOCH: u64 = 6;
const LONG: Duration = Duration::from_secs(30);

fn identity() -> Identity {
    Identity::create(tempfile::tempdir().unwrap().path()).unwrap()
}

fn vrf_key(seed: u8) -> VrfKey {
    let mut bytes = [seed; 32];
    bytes[31] = 0; // below the order of the group
    VrfKey::from_bytes(bytes).unwrap()
}

type Tree = (u32, MerkleSum, Vec<Leaf>);

fn trees() -> Vec<Tree> {
    let tree = |(node_id, count): (u32, u64)| {
        let mut tree = MerkleSum::new(R);
        let leaf =
            |nonce| Leaf { nonce, distance: Distance(nonce * 37 % 200), logits_hash: [node_id as u8; 32] };
        let leaves: Vec<Leaf> = (0..count).map(leaf).collect();
        leaves.iter().for_each(|l| tree.append(l));
        (node_id, tree, leaves)
    };
    [(1, 400), (4, 333)].map(tree).into()
}

/// What was committed to: less than was computed.
fn nodes(trees: &[Tree]) -> Vec<(u32, Commitment)> {
    trees.iter().map(|(id, tree, leaves)| (*id, tree.commitment(leaves.len() as u64 - 10).unwrap())).collect()
}

struct World {
    trees: Vec<Tree>,
    drawn: Arc<Drawn>,
    empty: Arc<Drawn>,
    published: BTreeMap<Address, [u8; 64]>,
    lost: BTreeSet<u32>,
}

impl Source for World {
    fn drawn(&self, epoch: u64) -> Option<Arc<Drawn>> {
        match epoch {
            EPOCH => Some(self.drawn.clone()),
            EMPTY_EPOCH => Some(self.empty.clone()),
            _ => None,
        }
    }

    fn published_output(&self, epoch: u64, auditor: &Address) -> Option<[u8; 64]> {
        (epoch == EPOCH).then(|| self.published.get(auditor).copied())?
    }

    fn leaf(&self, epoch: u64, node_id: u32, count: u64, position: Position) -> crate::Result<(Leaf, Path)> {
        assert_eq!(epoch, EPOCH);
        if self.lost.contains(&node_id) {
            return Err(crate::Error::Leaves("/home/secret/place".to_owned()));
        }
        let (_, tree, leaves) = self.trees.iter().find(|(id, _, _)| *id == node_id).unwrap();
        let index = match position {
            Position::Leaf(index) => index,
            Position::Hit(rank) => tree.kth_hit(count, rank).unwrap(),
        };
        Ok((leaves[index as usize], tree.path(count, index).unwrap()))
    }
}

struct Net {
    prover: Identity,
    auditor: Identity,
    other: Identity,
    world: World,
}

impl Net {
    fn new() -> Self {
        let (prover, auditor, other) = (identity(), identity(), identity());
        let trees = trees();
        let entry = |seed: u8, power, i: &Identity| Auditor {
            power,
            vrf_key: vrf_key(seed).public().to_vec(),
            certificate: Some(i.hash()),
        };
        let auditors = BTreeMap::from([
            (PROVER, entry(9, 10, &prover)),
            (AUDITOR, entry(1, 10, &auditor)),
            (POWERLESS, entry(2, 0, &other)),
        ]);
        let draw =
            Draw { beacon: BEACON, total_power: 20, committee_size: 16, samples: 22, hits_only: false };
        let drawn =
            Drawn { draw, prover: Prover { address: PROVER, nodes: nodes(&trees) }, r_target: R, auditors };
        let empty = Drawn { prover: Prover { address: PROVER, nodes: Vec::new() }, ..drawn.clone() };
        let (drawn, empty) = (Arc::new(drawn), Arc::new(empty));
        let world = World { trees, drawn, empty, published: BTreeMap::new(), lost: BTreeSet::new() };
        Self { prover, auditor, other, world }
    }

    fn pins(&self) -> Pins {
        Pins::new([self.prover.hash(), self.auditor.hash(), self.other.hash()])
    }

    /// The auditor's samples.
    fn samples(&self) -> Vec<Sample> {
        let (output, _) = vrf_key(1).evaluate(&audit_input(&BEACON, &AUDITOR));
        self.world.drawn.prover.samples(&a_i(&output), &self.world.drawn.draw)
    }

    /// The honest request of the auditor for all its samples.
    fn request(&self) -> FetchRequest {
        let positions = self.samples().iter().map(|s| s.k).collect();
        request(1, AUDITOR, positions)
    }

    /// A server of this world; it ends when the test does.
    async fn start(self, limits: Limits) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (drawn, samples, key) = (self.world.drawn.clone(), self.samples(), self.prover.hash());
        let (honest, pins) = (self.request(), self.pins());
        let (prover, world) = (self.prover, Arc::new(self.world));
        let shared = pins.clone();
        let task =
            tokio::spawn(
                async move { serve(listener, &prover, shared, world, limits, pending()).await.unwrap() },
            );
        Running { address, key, drawn, samples, honest, pins, auditor: self.auditor, other: self.other, task }
    }
}

struct Running {
    address: String,
    key: Hash,
    drawn: Arc<Drawn>,
    samples: Vec<Sample>,
    honest: FetchRequest,
    pins: Pins,
    auditor: Identity,
    other: Identity,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    async fn fetch(&self, who: &Identity, request: FetchRequest) -> Result<Vec<Served>, FetchError> {
        fetch(&format!("https://{}", self.address), self.key, who, request, LONG).await
    }
}

fn request(seed: u8, auditor: Address, positions: Vec<u32>) -> FetchRequest {
    let (output, proof) = vrf_key(seed).evaluate(&audit_input(&BEACON, &auditor));
    FetchRequest {
        epoch: EPOCH,
        auditor: auditor.to_vec(),
        vrf_output: output.to_vec(),
        vrf_proof: proof.to_vec(),
        positions,
    }
}

fn code(result: Result<Vec<Served>, FetchError>) -> Code {
    match result {
        Err(FetchError::Refused { code, .. }) => code,
        other => panic!("not refused by the server: {other:?}"),
    }
}

#[tokio::test]
async fn an_auditor_gets_its_samples_and_they_verify() {
    let net = Net::new().start(Limits::default()).await;
    assert_eq!(net.samples.len(), 22);
    let served = net.fetch(&net.auditor, net.honest.clone()).await.unwrap();
    let checked = check(&net.drawn.prover, R, &net.samples, served);
    let ks: Vec<u32> = checked.into_iter().map(|c| c.unwrap().k).collect();
    assert_eq!(ks, net.honest.positions);
    let some = FetchRequest { positions: vec![2, 5, 21], ..net.honest.clone() };
    let served = net.fetch(&net.auditor, some).await.unwrap();
    assert_eq!(served.iter().map(|s| s.k).collect::<Vec<_>>(), [2, 5, 21]);
}

#[tokio::test]
async fn what_is_not_a_duty_is_refused() {
    let net = Net::new().start(Limits::default()).await;
    let honest = &net.honest;
    let with = |change: &dyn Fn(&mut FetchRequest)| {
        let mut request = honest.clone();
        change(&mut request);
        request
    };
    let foreign = request(2, AUDITOR, vec![1]);
    for (name, who, request, want) in [
        (
            "a proof with one bit changed",
            &net.auditor,
            with(&|r| r.vrf_proof[40] ^= 1),
            Code::PermissionDenied,
        ),
        ("a proof by another key", &net.auditor, foreign, Code::PermissionDenied),
        (
            "another output than the proof's",
            &net.auditor,
            with(&|r| r.vrf_output[63] ^= 1),
            Code::PermissionDenied,
        ),
        ("a copied proof", &net.other, honest.clone(), Code::PermissionDenied),
        ("no proof before the verdict", &net.auditor, with(&|r| r.vrf_proof.clear()), Code::PermissionDenied),
        ("not a member", &net.other, request(2, POWERLESS, vec![1]), Code::PermissionDenied),
        ("no validator", &net.auditor, with(&|r| r.auditor = vec![7; 20]), Code::PermissionDenied),
        ("the prover itself", &net.other, request(9, PROVER, vec![1]), Code::PermissionDenied),
        ("an unknown epoch", &net.auditor, with(&|r| r.epoch = 99), Code::FailedPrecondition),
        ("no commitment", &net.auditor, with(&|r| r.epoch = EMPTY_EPOCH), Code::NotFound),
        (
            "a sample that was not drawn",
            &net.auditor,
            with(&|r| r.positions = vec![22]),
            Code::InvalidArgument,
        ),
        ("no position", &net.auditor, with(&|r| r.positions.clear()), Code::InvalidArgument),
        ("a position twice", &net.auditor, with(&|r| r.positions = vec![1, 1]), Code::InvalidArgument),
        ("descending", &net.auditor, with(&|r| r.positions = vec![2, 1]), Code::InvalidArgument),
        ("too many", &net.auditor, with(&|r| r.positions = (0..257).collect()), Code::InvalidArgument),
        ("a short address", &net.auditor, with(&|r| r.auditor = vec![1; 19]), Code::InvalidArgument),
        ("a long output", &net.auditor, with(&|r| r.vrf_output.push(0)), Code::InvalidArgument),
        ("a short proof", &net.auditor, with(&|r| r.vrf_proof.truncate(79)), Code::InvalidArgument),
    ] {
        assert_eq!(code(net.fetch(who, request).await), want, "{name}");
    }
}

#[tokio::test]
async fn a_published_output_is_open_to_every_peer_and_no_other_is() {
    let mut net = Net::new();
    let (output, _) = vrf_key(1).evaluate(&audit_input(&BEACON, &AUDITOR));
    net.world.published.insert(AUDITOR, output);
    let net = net.start(Limits::default()).await;
    let public = FetchRequest { vrf_proof: Vec::new(), ..net.honest.clone() };
    let served = net.fetch(&net.other, public.clone()).await.unwrap();
    assert!(check(&net.drawn.prover, R, &net.samples, served).iter().all(Result::is_ok));
    let mut other = public;
    other.vrf_output[0] ^= 1;
    assert_eq!(code(net.fetch(&net.other, other).await), Code::PermissionDenied);
}

#[tokio::test]
async fn only_the_registered_talk_and_only_to_the_registered() {
    let net = Net::new().start(Limits::default()).await;
    let url = format!("https://{}", net.address);
    let elsewhere = fetch(&url, [7; 32], &net.auditor, net.honest.clone(), LONG).await;
    assert!(matches!(elsewhere, Err(FetchError::Connect(_))), "{elsewhere:?}");
    let stranger = net.fetch(&identity(), net.honest.clone()).await;
    assert!(matches!(stranger, Err(FetchError::Connect(_) | FetchError::Refused { .. })), "{stranger:?}");
    let plain =
        fetch(&format!("http://{}", net.address), net.key, &net.auditor, net.honest.clone(), LONG).await;
    assert!(matches!(plain, Err(FetchError::Url(_))), "{plain:?}");
}

#[tokio::test]
async fn a_standing_connection_ends_with_the_registration() {
    let net = Net::new().start(Limits::default()).await;
    let mut client = client::connect(&net.address, net.auditor.client(net.key).unwrap()).await.unwrap();
    client.fetch(net.honest.clone()).await.unwrap();
    net.pins.replace(BTreeSet::new());
    assert_eq!(client.fetch(net.honest.clone()).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_peer_has_a_rate_of_its_own() {
    let hour = Duration::from_secs(3600);
    let net = Net::new().start(Limits { burst: 3, refill: hour, ..Limits::default() }).await;
    for _ in 0..3 {
        net.fetch(&net.auditor, net.honest.clone()).await.unwrap();
    }
    assert_eq!(code(net.fetch(&net.auditor, net.honest.clone()).await), Code::ResourceExhausted);
    let other = net.fetch(&net.other, request(2, POWERLESS, vec![1])).await;
    assert_eq!(code(other), Code::PermissionDenied, "another peer is heard");
}

#[tokio::test]
async fn oversized_requests_are_not_read() {
    let net = Net::new().start(Limits::default()).await;
    let client = client::connect(&net.address, net.auditor.client(net.key).unwrap()).await.unwrap();
    let mut client = client.max_encoding_message_size(usize::MAX);
    let big = FetchRequest { vrf_output: vec![0; 8 << 20], ..net.honest.clone() };
    let code = client.fetch(big).await.unwrap_err().code();
    assert!(matches!(code, Code::OutOfRange | Code::ResourceExhausted), "{code:?}");
    client.fetch(net.honest.clone()).await.unwrap();
}

#[tokio::test]
async fn the_largest_request_and_answer_fit_their_bounds() {
    use prost::Message;
    let positions = (u32::MAX - 255..=u32::MAX).collect::<Vec<_>>();
    let request = FetchRequest { epoch: u64::MAX, ..request(1, AUDITOR, positions.clone()) };
    assert!(request.encoded_len() <= REQUEST_MAX);
    let leaf = Leaf { nonce: u64::MAX, distance: Distance(u64::MAX), logits_hash: [1; 32] };
    let node = geodesic_challenge::Node { hash: [1; 32], hits: u64::MAX };
    let path = Path { siblings: vec![node; geodesic_challenge::DEPTH_MAX] };
    let opening = |k: u32| Opening { position: k, leaf: Some(leaf_pb(&leaf)), path: path_pb(&path) };
    let answer = FetchResponse { openings: positions.into_iter().map(opening).collect() };
    assert!(answer.encoded_len() <= RESPONSE_MAX, "{}", answer.encoded_len());
}

#[tokio::test]
async fn connections_are_bounded_for_each_peer() {
    let net = Net::new().start(Limits { connections_each: 1, ..Limits::default() }).await;
    let mut first = client::connect(&net.address, net.auditor.client(net.key).unwrap()).await.unwrap();
    first.fetch(net.honest.clone()).await.unwrap();
    assert!(net.fetch(&net.auditor, net.honest.clone()).await.is_err());
    assert_eq!(
        code(net.fetch(&net.other, net.honest.clone()).await),
        Code::PermissionDenied,
        "others are heard"
    );
    drop(first);
    assert!(eventually(&net).await, "the place is free again");
}

/// Whether the auditor is served at last: what it waits for needs other tasks to run.
async fn eventually(net: &Running) -> bool {
    for _ in 0..400 {
        if net.fetch(&net.auditor, net.honest.clone()).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

#[tokio::test]
async fn silent_handshakes_are_bounded_and_given_up() {
    let refill = Duration::ZERO;
    let limits = Limits { handshakes_each: 1, refill, handshake_timeout: LONG * 20, ..Limits::default() };
    let net = Net::new().start(limits).await;
    let silent = TcpStream::connect(&net.address).await.unwrap();
    assert!(net.fetch(&net.auditor, net.honest.clone()).await.is_err(), "the host's only place is taken");
    drop(silent);
    assert!(eventually(&net).await, "the place is free again");

    let limits = Limits { handshake_timeout: Duration::from_millis(200), ..limits };
    let net = Net::new().start(limits).await;
    let _silent = TcpStream::connect(&net.address).await.unwrap();
    assert!(eventually(&net).await, "the silent one was given up");
}

#[tokio::test]
async fn a_lost_leaf_is_an_error_that_tells_nothing_of_this_machine() {
    let mut net = Net::new();
    net.world.lost.extend([1, 4]);
    let net = net.start(Limits::default()).await;
    match net.fetch(&net.auditor, net.honest.clone()).await {
        Err(FetchError::Refused { code: Code::Internal, reason }) => {
            assert!(!reason.contains("secret"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

/// Answers with whatever it was given.
struct Liar(FetchResponse);

#[tonic::async_trait]
impl Leaves for Liar {
    async fn fetch(&self, _: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }
}

async fn lied_to(net: &Net, answer: FetchResponse, positions: Vec<u32>) -> Result<Vec<Served>, FetchError> {
    let (liar, pins) = (identity(), net.pins());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let request = FetchRequest { positions, ..net.request() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let serving = server::run(listener, &liar, pins, Liar(answer), Limits::default(), stopped);
    let fetching = async {
        let fetched = fetch(&url, liar.hash(), &net.auditor, request, LONG).await;
        drop(stop);
        fetched
    };
    let (served, fetched) = tokio::join!(serving, fetching);
    served.unwrap();
    fetched
}

#[tokio::test]
async fn answers_that_do_not_fit_the_request_are_refused() {
    let net = Net::new();
    let opening = |k: u32| {
        let (leaf, path) = net.world.leaf(EPOCH, 1, 390, Position::Leaf(u64::from(k))).unwrap();
        Opening { position: k, leaf: Some(leaf_pb(&leaf)), path: path_pb(&path) }
    };
    let sibling = opening(1).path[0].clone();
    let deep = Opening { path: vec![sibling.clone(); 65], ..opening(1) };
    let huge = Opening { path: vec![sibling; 40_000], ..opening(1) };
    for (name, openings) in [
        ("none", vec![]),
        ("one more", vec![opening(1), opening(3), opening(5)]),
        ("another order", vec![opening(3), opening(1)]),
        ("without a leaf", vec![opening(1), Opening { leaf: None, ..opening(3) }]),
        ("a path of 65", vec![deep, opening(3)]),
    ] {
        let got = lied_to(&net, FetchResponse { openings }, vec![1, 3]).await;
        assert!(matches!(got, Err(FetchError::Malformed(_))), "{name}: {got:?}");
    }
    let got = lied_to(&net, FetchResponse { openings: vec![huge] }, vec![1]).await;
    assert!(matches!(got, Err(FetchError::Refused { .. })), "above {RESPONSE_MAX} bytes: {got:?}");
    let fits = FetchResponse { openings: vec![opening(1), opening(3)] };
    assert_eq!(lied_to(&net, fits, vec![1, 3]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn committed_leaves_of_other_places_are_not_the_samples() {
    let net = Net::new();
    let samples = net.samples();
    for sample in &samples {
        let prover = &net.world.drawn.prover;
        let located = prover.locate(sample).unwrap();
        let count = prover.nodes[located.index].1.count;
        let (own, _) = net.world.leaf(EPOCH, located.node_id, count, located.position).unwrap();
        let beside = Position::Leaf((own.nonce + 1) % count);
        let (leaf, path) = net.world.leaf(EPOCH, located.node_id, count, beside).unwrap();
        let wrong = check(prover, R, &samples, vec![Served { k: sample.k, leaf, path: path.clone() }]);
        assert_eq!(wrong[0].as_ref().unwrap_err().k, sample.k);
        let unknown = check(prover, R, &samples, vec![Served { k: 99, leaf, path }]);
        assert!(unknown[0].is_err(), "no such sample");
    }
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_the_timeout_and_no_more() {
    let net = Net::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let short = Duration::from_millis(50);
    let got = fetch(&url, net.prover.hash(), &net.auditor, net.request(), short).await;
    assert!(matches!(got, Err(FetchError::Timeout(_))), "{got:?}");
}
