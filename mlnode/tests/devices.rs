//! Several devices behind one service: they share a generation, and one that fails loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use geodesic_challenge::{Network, Scored, Shape};
use geodesic_mlnode::engine::{Challenge, Engine, EngineError, NonceId};
use geodesic_mlnode::{Config, CpuEngine, Handle, ServeError, serve_on, shape_message};
use geodesic_proto::geodesic::mlnode::v1 as pb;
use pb::ml_node_client::MlNodeClient;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;

const KEY: [u8; 32] = [5; 32];
const PARTICIPANT: [u8; 20] = [6; 20];

/// How a device ends.
#[derive(Clone, Copy)]
enum End {
    Error,
    Panic,
}

/// The processor as one device of several: it keeps what it computed, and may fail at a call.
struct Device {
    engine: CpuEngine,
    name: &'static str,
    /// Nonces in the order computed, over all devices.
    computed: Computed,
    /// The first call waits here, so that all devices take part.
    start: Arc<Barrier>,
    calls: AtomicUsize,
    fails: Option<(usize, End)>,
}

impl Engine for Device {
    fn device(&self) -> String {
        self.name.into()
    }
    fn load(&mut self, challenge: &Challenge) -> Result<bool, EngineError> {
        self.engine.load(challenge)
    }
    fn loaded(&self) -> Option<&Challenge> {
        self.engine.loaded()
    }
    fn batch(&self, shape: &Shape) -> usize {
        self.engine.batch(shape)
    }
    fn score(
        &mut self,
        challenge: &Challenge,
        ids: &[NonceId],
        keep: bool,
    ) -> Result<Vec<Scored>, EngineError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call == 0 {
            self.start.wait();
        }
        match self.fails {
            Some((at, End::Error)) if at == call => {
                return Err(EngineError::Device("it fell off the bus".into()));
            }
            Some((at, End::Panic)) if at == call => panic!("a device that panics, as this test wants"),
            _ => {}
        }
        let scored = self.engine.score(challenge, ids, keep)?;
        self.computed.lock().unwrap().extend(ids.iter().map(|id| (self.name, id.nonce)));
        Ok(scored)
    }
    fn product(&self, a: &[i32], w: &[i8], k: usize) -> Result<Vec<i32>, EngineError> {
        self.engine.product(a, w, k)
    }
}

/// Name, nonces a batch, and the call at which the device fails.
type Part = (&'static str, usize, Option<(usize, End)>);
type Computed = Arc<Mutex<Vec<(&'static str, u64)>>>;

/// A service of these devices, the first `together` calls of which wait for one another.
async fn start(together: usize, devices: &[Part]) -> (Handle, MlNodeClient<Channel>, Computed) {
    let (computed, start) = (Computed::default(), Arc::new(Barrier::new(together)));
    let engines = devices.iter().map(|(name, batch, fails)| {
        let device = Device {
            engine: CpuEngine::new(1, Some(*batch), 256 << 20),
            name,
            computed: computed.clone(),
            start: start.clone(),
            calls: AtomicUsize::new(0),
            fails: *fails,
        };
        Box::new(device) as Box<dyn Engine>
    });
    let handle = serve_on(Config::default(), engines.collect()).await.unwrap();
    let client = MlNodeClient::connect(format!("http://{}", handle.addr())).await.unwrap();
    (handle, client, computed)
}

fn challenge() -> pb::Challenge {
    let shape = Shape::by_name("micro").unwrap();
    pb::Challenge {
        profile: pb::Profile::Exact.into(),
        shape: Some(shape_message(&shape)),
        epoch_key: KEY.to_vec(),
        float_shape: None,
    }
}

fn generate(start_nonce: u64, end_nonce: u64) -> pb::GenerateRequest {
    pb::GenerateRequest {
        challenge: Some(challenge()),
        participant: PARTICIPANT.to_vec(),
        node_id: 3,
        start_nonce,
        end_nonce: Some(end_nonce),
    }
}

fn reference(nonces: std::ops::Range<u64>) -> Vec<pb::Leaf> {
    let network = Network::new(Shape::by_name("micro").unwrap(), KEY);
    let leaf = |n| network.score(&PARTICIPANT, 3, n).leaf;
    nonces
        .map(leaf)
        .map(|l| pb::Leaf { nonce: l.nonce, distance: l.distance.0, logits_hash: l.logits_hash.to_vec() })
        .collect()
}

async fn leaves(client: &mut MlNodeClient<Channel>, nonces: std::ops::Range<u64>) -> Vec<pb::Leaf> {
    let stream = client.generate(generate(nonces.start, nonces.end)).await.unwrap().into_inner();
    let batches: Vec<_> = stream.map(Result::unwrap).collect().await;
    batches.into_iter().flat_map(|batch| batch.leaves).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_share_a_generation_without_gap_or_double_work() {
    // They differ in speed and batch, so results come out of order.
    let (_handle, mut client, computed) = start(3, &[("a", 3, None), ("b", 7, None), ("c", 1, None)]).await;
    assert_eq!(leaves(&mut client, 50..250).await, reference(50..250));
    let mut computed = computed.lock().unwrap().clone();
    for name in ["a", "b", "c"] {
        assert!(computed.iter().any(|(by, _)| *by == name), "{name} took no part");
    }
    computed.sort_unstable_by_key(|(_, nonce)| *nonce);
    let nonces: Vec<u64> = computed.into_iter().map(|(_, nonce)| nonce).collect();
    assert_eq!(nonces, (50..250).collect::<Vec<_>>(), "every nonce is computed once");
    let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.device.as_str(), status.nonces, status.next_nonce), ("a; b; c", 200, 250));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_range_of_a_device_that_fails_is_redone_in_its_place() {
    for (at, end) in [(0, End::Error), (1, End::Error), (2, End::Panic)] {
        let (_handle, mut client, computed) =
            start(2, &[("good", 5, None), ("bad", 8, Some((at, end)))]).await;
        assert_eq!(leaves(&mut client, 0..200).await, reference(0..200), "failure at call {at}");
        let mut nonces: Vec<u64> = computed.lock().unwrap().iter().map(|(_, nonce)| *nonce).collect();
        nonces.sort_unstable();
        assert_eq!(nonces, (0..200).collect::<Vec<_>>());
        let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
        let why = match end {
            End::Error => "it fell off the bus",
            End::Panic => "the engine panicked",
        };
        assert!(status.device.starts_with("good; bad (out of service: "), "{}", status.device);
        assert!(status.device.contains(why), "{}", status.device);
        // The node goes on with what is left.
        assert_eq!(leaves(&mut client, 200..230).await, reference(200..230));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recompute_on_a_device_that_fails_is_answered_by_another() {
    let (_handle, mut client, _) = start(1, &[("bad", 5, Some((0, End::Error))), ("good", 5, None)]).await;
    let nonce = |nonce| pb::NonceId { participant: PARTICIPANT.to_vec(), node_id: 3, nonce };
    let request = pb::RecomputeRequest {
        challenge: Some(challenge()),
        nonces: (0..20).map(nonce).collect(),
        auditor: vec![],
        include_logits: false,
    };
    let want: Vec<u64> = reference(0..20).into_iter().map(|leaf| leaf.distance).collect();
    // Whichever device is asked first, in the end the bad one was.
    loop {
        let results = client.recompute(request.clone()).await.unwrap().into_inner().results;
        assert_eq!(results.into_iter().map(|r| r.distance).collect::<Vec<_>>(), want);
        let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
        if status.device == "bad (out of service: it fell off the bus); good" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_device_callers_get_the_reason_and_the_service_ends_with_it() {
    let fails = Some((1, End::Error));
    let (handle, mut client, _) = start(2, &[("a", 4, fails), ("b", 4, fails)]).await;
    let mut stream = client.generate(generate(0, 100)).await.unwrap().into_inner();
    let mut seen = Vec::new();
    let status = loop {
        match stream.next().await.unwrap() {
            Ok(batch) => seen.extend(batch.leaves),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::Unavailable);
    let reason = "no device is in service, restart the node: a (out of service: it fell off the bus); \
                  b (out of service: it fell off the bus)";
    assert_eq!(status.message(), reason);
    assert_eq!(seen, reference(0..8), "what was computed before is sent, without a gap");
    let again = client.generate(generate(0, 1)).await;
    assert!(again.is_err(), "nothing is taken any more");
    drop((stream, client));
    let ended = handle.wait().await;
    assert!(matches!(&ended, Err(ServeError::Stranded(why)) if why == reason), "{ended:?}");
}
