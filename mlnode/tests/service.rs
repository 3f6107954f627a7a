//! The service over real gRPC connections, on a port of its own each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::time::Duration;

use geodesic_challenge::{Network, Shape, logits_bytes, seen_tag};
use geodesic_mlnode::devices::Choice;
use geodesic_mlnode::{Config, Handle, ServeError, Tls, serve, shape_message};
use geodesic_proto::geodesic::mlnode::v1 as pb;
use pb::ml_node_client::MlNodeClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_stream::StreamExt;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

const KEY: [u8; 32] = [5; 32];
const PARTICIPANT: [u8; 20] = [6; 20];

async fn start(change: impl FnOnce(&mut Config)) -> (Handle, MlNodeClient<Channel>) {
    let mut config = Config {
        device: Choice::Cpu,
        threads: 1,
        batch: Some(8),
        max_memory: Some(256 << 20),
        ..Config::default()
    };
    change(&mut config);
    let handle = serve(config).await.unwrap();
    let client = MlNodeClient::connect(format!("http://{}", handle.addr())).await.unwrap();
    (handle, client)
}

fn micro() -> Shape {
    Shape::by_name("micro").unwrap()
}

fn challenge() -> pb::Challenge {
    pb::Challenge {
        profile: pb::Profile::Exact.into(),
        shape: Some(shape_message(&micro())),
        epoch_key: KEY.to_vec(),
        float_shape: None,
    }
}

fn generate(start_nonce: u64, end_nonce: Option<u64>) -> pb::GenerateRequest {
    pb::GenerateRequest {
        challenge: Some(challenge()),
        participant: PARTICIPANT.to_vec(),
        node_id: 3,
        start_nonce,
        end_nonce,
    }
}

fn nonce(nonce: u64) -> pb::NonceId {
    pb::NonceId { participant: PARTICIPANT.to_vec(), node_id: 3, nonce }
}

fn recompute(nonces: Vec<pb::NonceId>) -> pb::RecomputeRequest {
    pb::RecomputeRequest { challenge: Some(challenge()), nonces, auditor: vec![], include_logits: false }
}

async fn status(client: &mut MlNodeClient<Channel>) -> pb::StatusResponse {
    client.status(pb::StatusRequest {}).await.unwrap().into_inner()
}

/// Waits until `done` holds of the node's status.
async fn until(client: &mut MlNodeClient<Channel>, done: impl Fn(&pb::StatusResponse) -> bool) {
    while !done(&status(client).await) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn generation_streams_every_nonce_once_in_order_with_the_bits_of_the_reference() {
    let (_handle, mut client) = start(|_| {}).await;
    let batches = client.generate(generate(100, Some(130))).await.unwrap().into_inner();
    let batches: Vec<_> = batches.map(Result::unwrap).collect().await;
    assert_eq!(batches.len(), 4, "30 nonces in batches of 8");
    let leaves: Vec<pb::Leaf> = batches.into_iter().flat_map(|batch| batch.leaves).collect();
    let network = Network::new(micro(), KEY);
    let want: Vec<pb::Leaf> = (100..130)
        .map(|n| network.score(&PARTICIPANT, 3, n).leaf)
        .map(|l| pb::Leaf { nonce: l.nonce, distance: l.distance.0, logits_hash: l.logits_hash.to_vec() })
        .collect();
    assert_eq!(leaves, want);
    let status = status(&mut client).await;
    assert_eq!((status.next_nonce, status.nonces, status.node_id), (130, 30, 3));
    assert_eq!((status.epoch_key, status.participant), (KEY.to_vec(), PARTICIPANT.to_vec()));
    assert_eq!((status.state, status.queue_depth), (pb::State::Idle.into(), 0));
    assert!(status.nonces_per_1000s > 0);
}

#[tokio::test]
async fn recompute_gives_distances_hashes_tags_and_logits_in_the_order_asked() {
    let (_handle, mut client) = start(|_| {}).await;
    let ids = [7, 0, u64::MAX, 7];
    let mut request = recompute(ids.map(nonce).to_vec());
    request.auditor = vec![8; 20];
    request.include_logits = true;
    let results = client.recompute(request.clone()).await.unwrap().into_inner().results;
    let network = Network::new(micro(), KEY);
    let want = ids.map(|n| {
        let scored = network.score(&PARTICIPANT, 3, n);
        pb::Recomputed {
            distance: scored.leaf.distance.0,
            logits_hash: scored.leaf.logits_hash.to_vec(),
            seen_tag: seen_tag(&[8; 20], &scored.logits).to_vec(),
            logits: logits_bytes(&scored.logits),
        }
    });
    assert_eq!(results, want);
    request.auditor = vec![];
    request.include_logits = false;
    let bare = client.recompute(request).await.unwrap().into_inner().results;
    assert!(bare.iter().all(|r| r.seen_tag.is_empty() && r.logits.is_empty()));
}

#[tokio::test]
async fn init_prepares_the_weights_once() {
    let (_handle, mut client) = start(|_| {}).await;
    let request = pb::InitRequest { challenge: Some(challenge()) };
    for already_loaded in [false, true] {
        let answer = client.init(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer, pb::InitResponse { weights: micro().weights(), already_loaded });
    }
}

/// The answer is an error of this code whose message says `text`.
fn refused<T>(code: Code, text: &str, answer: Result<T, Status>) {
    let status = answer.err().expect(text);
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(text), "{} does not say: {text}", status.message());
}

#[tokio::test]
async fn bad_generations_name_the_field_and_its_bound() {
    let (_handle, mut client) = start(|_| {}).await;
    let challenged = |change: fn(&mut pb::Challenge)| {
        let mut challenge = challenge();
        change(&mut challenge);
        pb::GenerateRequest { challenge: Some(challenge), ..generate(0, Some(1)) }
    };
    let shaped = |change: fn(&mut pb::Shape)| {
        let mut request = generate(0, Some(1));
        change(request.challenge.as_mut().unwrap().shape.as_mut().unwrap());
        request
    };
    for (text, request) in [
        ("dim is 0, must be between 1", shaped(|s| s.dim = 0)),
        ("must be below 16777216", shaped(|s| s.ffn = u32::MAX)),
        ("layers is 4294967295", shaped(|s| s.layers = u32::MAX)),
        ("start_nonce is 5, must be below end_nonce 5", generate(5, Some(5))),
        ("participant has 19 bytes, must have 20", {
            pb::GenerateRequest { participant: vec![0; 19], ..generate(0, None) }
        }),
        ("challenge is missing", pb::GenerateRequest { challenge: None, ..generate(0, None) }),
        ("challenge.shape is missing", challenged(|c| c.shape = None)),
        ("challenge.profile is 0, must be 1", challenged(|c| c.profile = 0)),
        ("challenge.epoch_key has 33 bytes, must have 32", challenged(|c| c.epoch_key = vec![0; 33])),
    ] {
        refused(Code::InvalidArgument, text, client.generate(request).await);
    }
}

#[tokio::test]
async fn bad_and_oversized_requests_are_refused_before_they_cost_anything() {
    let (_handle, mut client) = start(|_| {}).await;
    // Half a million layers of two values: valid, few weights each, and more than the memory allowed.
    let deep = pb::Shape { dim: 2, heads: 1, ffn: 1, layers: 500_000, ..shape_message(&micro()) };
    let init = pb::InitRequest { challenge: Some(pb::Challenge { shape: Some(deep), ..challenge() }) };
    refused(Code::FailedPrecondition, "bytes of memory, at most 268435456", client.init(init).await);
    let mut logits = recompute(vec![nonce(0); 1000]);
    logits.include_logits = true;
    logits.challenge.as_mut().unwrap().shape.as_mut().unwrap().vocab = 1049;
    let auditor = pb::RecomputeRequest { auditor: vec![1], ..recompute(vec![nonce(0)]) };
    for (code, text, request) in [
        (Code::InvalidArgument, "1 to 1024 are needed", recompute(vec![])),
        (Code::InvalidArgument, "auditor has 1 bytes, must have 20", auditor),
        (Code::ResourceExhausted, "1025 nonces asked for, at most 1024", recompute(vec![nonce(0); 1025])),
        (Code::ResourceExhausted, "4196000 bytes, at most 4194304", logits),
        (Code::ResourceExhausted, "message length too large", recompute(vec![nonce(0); 3_000_000])),
    ] {
        refused(code, text, client.recompute(request).await);
    }
}

#[tokio::test]
async fn a_generation_whose_shape_does_not_fit_ends_its_stream_with_the_reason() {
    let (_handle, mut client) = start(|_| {}).await;
    let large = Shape::by_name("gpu-5b").unwrap();
    let challenge = pb::Challenge { shape: Some(shape_message(&large)), ..challenge() };
    let request = pb::GenerateRequest { challenge: Some(challenge), ..generate(0, None) };
    let mut stream = client.generate(request).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_generation() {
    let (_handle, mut client) = start(|_| {}).await;
    let mut stream = client.generate(generate(0, None)).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().leaves.len(), 8);
    until(&mut client, |s| s.queue_depth == 1).await;
    drop(stream);
    until(&mut client, |s| s.queue_depth == 0).await;
}

#[tokio::test]
async fn audits_go_first_and_a_slow_reader_holds_nobody_up() {
    let (_handle, mut client) = start(|_| {}).await;
    // Two open generations, one of which nobody reads.
    let _unread = client.generate(generate(0, None)).await.unwrap().into_inner();
    let mut read = client.generate(generate(1000, None)).await.unwrap().into_inner();
    for _ in 0..20 {
        let answer = client.recompute(recompute(vec![nonce(1)])).await.unwrap().into_inner();
        assert_eq!(answer.results.len(), 1);
        assert!(!read.next().await.unwrap().unwrap().leaves.is_empty());
    }
}

#[tokio::test]
async fn a_full_queue_refuses_its_kind_of_job_and_no_other() {
    let (_handle, mut client) = start(|config| config.queue_limit = 2).await;
    let _one = client.generate(generate(0, None)).await.unwrap();
    let _two = client.generate(generate(0, None)).await.unwrap();
    let three = client.generate(generate(0, None)).await.unwrap_err();
    assert_eq!(three.code(), Code::ResourceExhausted);
    assert!(three.message().contains("the limit is 2"), "{three:?}");
    client.recompute(recompute(vec![nonce(1)])).await.unwrap();
}

#[tokio::test]
async fn stop_ends_generations_and_the_node_serves_on() {
    let (_handle, mut client) = start(|_| {}).await;
    let mut streams = vec![];
    for _ in 0..3 {
        streams.push(client.generate(generate(0, None)).await.unwrap().into_inner());
    }
    assert_eq!(client.stop(pb::StopRequest { drain: false }).await.unwrap().into_inner().cancelled, 3);
    for mut stream in streams {
        let end = loop {
            match stream.next().await.unwrap() {
                Ok(_) => {}
                Err(status) => break status,
            }
        };
        assert_eq!(end.code(), Code::Aborted);
    }
    let again = client.generate(generate(0, Some(3))).await.unwrap().into_inner();
    assert_eq!(again.collect::<Vec<_>>().await.len(), 1);
}

#[tokio::test]
async fn draining_finishes_audits_ends_generations_refuses_work_and_then_the_service() {
    let (handle, mut client) = start(|_| {}).await;
    let mut stream = client.generate(generate(0, None)).await.unwrap().into_inner();
    let mut other = client.clone();
    let audit = tokio::spawn(async move { other.recompute(recompute(vec![nonce(1); 1024])).await });
    // Queued or running beside the generation; were it done already, the rest of the test would still hold.
    until(&mut client, |s| s.queue_depth == 2 || audit.is_finished()).await;
    let stopped = client.stop(pb::StopRequest { drain: true }).await.unwrap().into_inner();
    assert_eq!(stopped.cancelled, 1);
    assert_eq!(client.generate(generate(0, None)).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(audit.await.unwrap().unwrap().into_inner().results.len(), 1024);
    let end = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Unavailable);
    handle.wait().await.unwrap();
}

#[tokio::test]
async fn the_handle_drains_too() {
    let (handle, _client) = start(|_| {}).await;
    handle.drain();
    handle.wait().await.unwrap();
}

#[tokio::test]
async fn a_deadline_ends_a_generation_and_an_audit() {
    let (_handle, mut client) = start(|_| {}).await;
    let mut request = Request::new(generate(0, None));
    request.set_timeout(Duration::from_millis(200));
    let mut stream = client.generate(request).await.unwrap().into_inner();
    let end = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::DeadlineExceeded);
    let mut request = Request::new(recompute(vec![nonce(1); 1024]));
    request.set_timeout(Duration::from_micros(1));
    let late = client.recompute(request).await.unwrap_err().code();
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&late), "{late:?}");
}

#[tokio::test]
async fn an_address_that_others_can_reach_needs_mutual_tls() {
    let files = tempfile::tempdir().unwrap();
    let certs = Certs::new(files.path());
    for tls in [None, Some(Tls { client_ca: None, ..certs.tls() })] {
        let config = Config { listen: "0.0.0.0:0".parse().unwrap(), tls, ..Config::default() };
        let error = serve(config).await.err().unwrap();
        assert!(matches!(error, ServeError::Open(_)), "{error}");
        assert!(error.to_string().contains("--client-ca"), "{error}");
    }
    let missing = Tls { key: files.path().join("none"), ..certs.tls() };
    let config = Config { tls: Some(missing), ..Config::default() };
    assert!(matches!(serve(config).await.err().unwrap(), ServeError::Pem(..)));
}

/// A certificate authority, a server's and a client's certificate, in files.
struct Certs {
    ca: String,
    client: (String, String),
    folder: std::path::PathBuf,
}

impl Certs {
    fn new(folder: &std::path::Path) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &ca).unwrap().pem(), key.serialize_pem())
        };
        let (server, client) = (issue("localhost"), issue("agent"));
        for (name, pem) in [("ca", &ca.pem()), ("cert", &server.0), ("key", &server.1)] {
            std::fs::write(folder.join(name), pem).unwrap();
        }
        Self { ca: ca.pem(), client, folder: folder.to_path_buf() }
    }

    fn tls(&self) -> Tls {
        let file = |name| self.folder.join(name);
        Tls { cert: file("cert"), key: file("key"), client_ca: Some(file("ca")) }
    }
}

#[tokio::test]
async fn only_a_client_with_the_right_certificate_is_served() {
    let files = tempfile::tempdir().unwrap();
    let (certs, stranger) = (Certs::new(files.path()), tempfile::tempdir().unwrap());
    let stranger = Certs::new(stranger.path());
    let config = Config {
        listen: "0.0.0.0:0".parse().unwrap(),
        tls: Some(certs.tls()),
        threads: 1,
        ..Config::default()
    };
    let handle = serve(config).await.unwrap();
    let url = format!("https://127.0.0.1:{}", handle.addr().port());
    let connect = |identity: Option<&(String, String)>| {
        let tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&certs.ca)).domain_name("localhost");
        let tls = match identity {
            Some((cert, key)) => tls.identity(Identity::from_pem(cert, key)),
            None => tls,
        };
        let endpoint = Endpoint::from_shared(url.clone()).unwrap().tls_config(tls).unwrap();
        async move {
            let mut client = MlNodeClient::new(endpoint.connect_lazy());
            client.status(pb::StatusRequest {}).await
        }
    };
    assert!(connect(Some(&certs.client)).await.is_ok());
    assert!(connect(None).await.is_err(), "no certificate");
    assert!(connect(Some(&stranger.client)).await.is_err(), "a certificate of another authority");
    handle.drain();
    handle.wait().await.unwrap();
}

/// Fakes look like hits, are the same each time, and every audit finds them.
#[cfg(feature = "faults")]
#[tokio::test]
async fn faked_leaves_look_like_hits_and_do_not_survive_an_audit() {
    let (_handle, mut client) = start(|config| config.fake_leaves = 0.2).await;
    let mut leaves = vec![];
    for _ in 0..2 {
        let stream = client.generate(generate(0, Some(500))).await.unwrap().into_inner();
        let batches: Vec<_> = stream.map(Result::unwrap).collect().await;
        leaves.push(batches.into_iter().flat_map(|b| b.leaves).collect::<Vec<_>>());
    }
    assert_eq!(leaves[0], leaves[1]);
    let answer = client.recompute(recompute((0..500).map(nonce).collect())).await.unwrap().into_inner();
    let fakes: Vec<_> = leaves[0]
        .iter()
        .zip(&answer.results)
        .filter(|(leaf, true_)| leaf.logits_hash != true_.logits_hash)
        .collect();
    assert!((60..140).contains(&fakes.len()), "{} of 500", fakes.len());
    let hit = |d: u64| d < (1.31 * 2_f64.powi(32)) as u64;
    assert!(fakes.iter().all(|(leaf, _)| hit(leaf.distance)));
}
