//! Profile `pow2-f16` over real gRPC connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use geodesic_challenge::{FloatShape, Shape};
use geodesic_mlnode::pow2::{Engine, InputType, public_key, units};
use geodesic_mlnode::{Config, Handle, float_shape_message, serve, shape_message};
use geodesic_proto::geodesic::mlnode::v1 as pb;
use pb::ml_node_client::MlNodeClient;
use sha2::{Digest, Sha256};
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Status};

const KEY: [u8; 32] = [5; 32];
const PARTICIPANT: [u8; 20] = [6; 20];
/// What 1e-6 is in units of 2^-32, rounded up: two f32 implementations agree so far.
const CLOSE: u64 = 4295;

async fn start(max_memory: u64) -> (Handle, MlNodeClient<Channel>) {
    let config = Config { threads: 2, batch: Some(8), max_memory: Some(max_memory), ..Config::default() };
    let handle = serve(config).await.unwrap();
    let client = MlNodeClient::connect(format!("http://{}", handle.addr())).await.unwrap();
    (handle, client)
}

fn challenge(name: &str) -> pb::Challenge {
    pb::Challenge {
        profile: pb::Profile::Pow2F16.into(),
        shape: None,
        epoch_key: KEY.to_vec(),
        float_shape: Some(float_shape_message(&FloatShape::by_name(name).unwrap())),
    }
}

fn generate(challenge: pb::Challenge) -> pb::GenerateRequest {
    pb::GenerateRequest {
        challenge: Some(challenge),
        participant: PARTICIPANT.to_vec(),
        node_id: 3,
        start_nonce: 100,
        end_nonce: Some(130),
    }
}

fn recompute(challenge: pb::Challenge, nonces: &[(u32, u64)]) -> pb::RecomputeRequest {
    let id = |(node_id, nonce): &(u32, u64)| pb::NonceId {
        participant: PARTICIPANT.to_vec(),
        node_id: *node_id,
        nonce: *nonce,
    };
    pb::RecomputeRequest {
        challenge: Some(challenge),
        nonces: nonces.iter().map(id).collect(),
        auditor: vec![],
        include_logits: true,
    }
}

#[tokio::test]
async fn what_is_generated_is_what_is_recomputed_and_what_the_seeds_give() {
    let (_handle, mut client) = start(256 << 20).await;
    let batches = client.generate(generate(challenge("tiny"))).await.unwrap().into_inner();
    let batches: Vec<_> = batches.map(Result::unwrap).collect().await;
    let leaves: Vec<pb::Leaf> = batches.into_iter().flat_map(|batch| batch.leaves).collect();
    assert_eq!(leaves.iter().map(|l| l.nonce).collect::<Vec<_>>(), (100..130).collect::<Vec<_>>());

    // Nodes mixed, so that the public key changes within a request, and batches cut elsewhere.
    let ids: Vec<(u32, u64)> = (100..130).map(|n| (3, n)).chain([(4, 100), (3, 100)]).collect();
    let answer = client.recompute(recompute(challenge("tiny"), &ids)).await.unwrap().into_inner();
    let again = &answer.results;
    for (leaf, again) in leaves.iter().zip(again) {
        assert!(leaf.distance.abs_diff(again.distance) <= CLOSE, "{leaf:?} {}", again.distance);
        assert_eq!(
            again.logits_hash,
            Sha256::digest(&again.logits).to_vec(),
            "of the logits as they are sent"
        );
        assert_eq!(again.logits.len(), 128 * 4);
    }
    assert!(again[30].distance.abs_diff(again[31].distance) > CLOSE, "another node, other nonces");
    assert!(again[31].distance.abs_diff(leaves[0].distance) <= CLOSE);

    // The published scheme's own interface, with the strings that the design lays down.
    let shape = geodesic_mlnode::pow2::Shape::by_name("tiny").unwrap();
    let engine = Engine::new(shape, &hex::encode(KEY), 1, u64::MAX, &mut |_| ()).unwrap();
    let key = public_key(&PARTICIPANT, 3);
    assert_eq!(key, "0606060606060606060606060606060606060606/3");
    for (leaf, scored) in
        leaves.iter().zip(engine.score(&key, &(100..130).collect::<Vec<_>>(), InputType::F16).unwrap())
    {
        assert!(leaf.distance.abs_diff(units(scored.distance).unwrap().0) <= CLOSE);
    }
    let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.profiles, [pb::Profile::Exact, pb::Profile::Pow2F16].map(i32::from));
    assert_eq!((status.next_nonce, status.epoch_key), (130, KEY.to_vec()));
}

#[tokio::test]
async fn one_node_serves_both_profiles_and_keeps_their_weights() {
    let (_handle, mut client) = start(256 << 20).await;
    let exact = pb::Challenge {
        profile: pb::Profile::Exact.into(),
        shape: Some(shape_message(&Shape::by_name("micro").unwrap())),
        float_shape: None,
        ..challenge("tiny")
    };
    for already_loaded in [false, true] {
        for challenge in [exact.clone(), challenge("tiny"), challenge("local")] {
            let request = pb::InitRequest { challenge: Some(challenge) };
            let answer = client.init(request).await.unwrap().into_inner();
            assert_eq!(answer.already_loaded, already_loaded);
        }
    }
}

fn refused<T>(code: Code, text: &str, answer: Result<T, Status>) {
    let status = answer.err().expect(text);
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(text), "{} does not say: {text}", status.message());
}

#[tokio::test]
async fn bad_profiles_and_shapes_are_named_before_anything_is_allocated() {
    let (_handle, mut client) = start(256 << 20).await;
    let with = |change: fn(&mut pb::Challenge)| {
        let mut challenge = challenge("tiny");
        change(&mut challenge);
        challenge
    };
    let shaped = |change: fn(&mut pb::FloatShape)| {
        let mut challenge = challenge("tiny");
        change(challenge.float_shape.as_mut().unwrap());
        challenge
    };
    for (text, challenge) in [
        ("challenge.profile is 9, must be 1 (exact) or 2 (pow2-f16)", with(|c| c.profile = 9)),
        ("float_shape is missing, profile pow2-f16 needs it", with(|c| c.float_shape = None)),
        ("shape is missing, profile exact needs it", with(|c| c.profile = 1)),
        (
            "has shape and float_shape, must have one",
            with(|c| c.shape = Some(shape_message(&Shape::by_name("micro").unwrap()))),
        ),
        ("epoch_key has 31 bytes, must have 32", with(|c| c.epoch_key = vec![0; 31])),
        ("dim is 4294967295, must be between 2 and 65536", shaped(|s| s.dim = u32::MAX)),
        ("layers is 0, must be between 1 and 1024", shaped(|s| s.layers = 0)),
        ("heads 3 must divide dim 64 into even parts", shaped(|s| s.heads = 3)),
        ("kv_heads 3 must divide heads 4", shaped(|s| s.kv_heads = 3)),
        ("vocab is 63, must be between 64 and 65536", shaped(|s| s.vocab = 63)),
        ("norm_eps is 0, must be between 1", shaped(|s| s.norm_eps = 0)),
        ("rope_theta is 0, must be between 1", shaped(|s| s.rope_theta = 0)),
    ] {
        refused(Code::InvalidArgument, text, client.generate(generate(challenge.clone())).await);
        refused(Code::InvalidArgument, text, client.recompute(recompute(challenge, &[(3, 0)])).await);
    }
    let tagged = pb::RecomputeRequest { auditor: vec![1; 20], ..recompute(challenge("tiny"), &[(3, 0)]) };
    refused(Code::InvalidArgument, "profile pow2-f16 has no tags", client.recompute(tagged).await);
    let many = recompute(challenge("3b"), &[(3, 0); 128]);
    refused(Code::ResourceExhausted, "4196352 bytes, at most 4194304", client.recompute(many).await);

    // Valid, and more than this node may use.
    let large = challenge("3b");
    let init = pb::InitRequest { challenge: Some(large) };
    refused(Code::FailedPrecondition, "bytes of memory, at most 268435456", client.init(init).await);
    // And it goes on.
    let answer = client.recompute(recompute(challenge("tiny"), &[(3, 0)])).await.unwrap().into_inner();
    assert_eq!(answer.results.len(), 1);
}
