//! The ABCI server over real sockets, with a small application behind it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod app;
mod cometbft;

use std::io::{ErrorKind, Read as _, Write as _};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use geodesic_app::abci::client::{AbciClient, ClientError};
use geodesic_app::abci::grammar::{Call, Recorder, check};
use geodesic_app::abci::{Address, BindError, EXIT_CODE, Fatal, Framed, Limits, Server};
use prost::Message as _;
use tendermint_proto::v0_38::abci::{
    Request, RequestCheckTx, RequestCommit, RequestEcho, RequestFinalizeBlock, RequestFlush, RequestInfo,
    RequestInitChain, RequestProcessProposal, RequestQuery, Response, request, response,
};

use crate::app::{App, Fixture, HANG};

fn tx(bytes: impl Into<Bytes>) -> RequestCheckTx {
    RequestCheckTx { tx: bytes.into(), r#type: 0 }
}

fn size_query(bytes: i64) -> request::Value {
    request::Value::Query(RequestQuery { path: "size".into(), height: bytes, ..Default::default() })
}

fn encode(value: request::Value) -> Vec<u8> {
    Request { value: Some(value) }.encode_length_delimited_to_vec()
}

fn decode(frame: Bytes) -> response::Value {
    Response::decode(frame).unwrap().value.unwrap()
}

#[test]
fn every_call_has_its_reply() {
    for (name, fixture) in Fixture::both() {
        let mut client = fixture.client();
        assert_eq!(client.echo(RequestEcho { message: "hi".into() }).unwrap().message, "hi", "{name}");
        client.init_chain(RequestInitChain::default()).unwrap();
        assert_eq!(client.check_tx(tx("a")).unwrap().data, "a");
        let block =
            RequestFinalizeBlock { height: 1, txs: vec!["a".into(), "b".into()], ..Default::default() };
        let reply = client.finalize_block(block).unwrap();
        assert_eq!((reply.tx_results.len(), &reply.app_hash[..]), (2, &1_i64.to_be_bytes()[..]));
        client.commit(RequestCommit {}).unwrap();
        client.prepare_proposal(Default::default()).unwrap();
        client.process_proposal(Default::default()).unwrap();
        client.extend_vote(Default::default()).unwrap();
        client.verify_vote_extension(Default::default()).unwrap();
        client.list_snapshots(Default::default()).unwrap();
        client.offer_snapshot(Default::default()).unwrap();
        client.load_snapshot_chunk(Default::default()).unwrap();
        client.apply_snapshot_chunk(Default::default()).unwrap();
        assert_eq!(client.info(RequestInfo::default()).unwrap().last_block_height, 1);
        for method in ["init_chain", "check_tx", "finalize_block", "commit", "info"] {
            assert_eq!(fixture.app.calls(method), 1, "{name}: {method}");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    for (name, fixture) in Fixture::both() {
        let mut client = fixture.client();
        // More than one window, and more than the server buffers.
        for i in 0..20_000_u32 {
            client.send(request::Value::CheckTx(tx(i.to_be_bytes().repeat(16)))).unwrap();
        }
        // A call between leaves their replies in place.
        client.echo(RequestEcho { message: "in between".into() }).unwrap();
        client.send(size_query(3_000_000)).unwrap();
        let mut replies = client.flush().unwrap().into_iter();
        for i in 0..20_000_u32 {
            let Some(response::Value::CheckTx(reply)) = replies.next() else {
                panic!("{name}: no reply {i}")
            };
            assert_eq!(reply.data[..4], i.to_be_bytes());
        }
        let Some(response::Value::Query(reply)) = replies.next() else { panic!("{name}: no query reply") };
        assert_eq!(reply.value.len(), 3_000_000);
        assert!(replies.next().is_none());
    }
}

#[test]
fn replies_wait_for_flush_but_not_without_bound() {
    let limits = Limits { write_through_bytes: 10_000, ..Limits::default() };
    let fixture = Fixture::unix(limits);
    let mut stream = fixture.raw();
    for i in 0..3_u8 {
        stream.write_all(&encode(request::Value::CheckTx(tx(vec![i])))).unwrap();
    }
    wait_for(|| fixture.app.calls("check_tx") == 3);
    stream.set_timeout(Some(Duration::from_millis(200))).unwrap();
    let early = stream.read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "a reply was written before Flush");
    stream.set_timeout(Some(HANG)).unwrap();
    stream.write_all(&encode(request::Value::Flush(RequestFlush {}))).unwrap();
    let mut replies = Framed::new(stream, 1 << 20);
    for i in 0..3_u8 {
        let response::Value::CheckTx(reply) = decode(replies.read().unwrap().unwrap()) else {
            panic!("order")
        };
        assert_eq!(reply.data, vec![i]);
    }
    assert!(matches!(decode(replies.read().unwrap().unwrap()), response::Value::Flush(_)));

    // Above the bound they come by themselves.
    let mut peer = Framed::new(fixture.raw(), 1 << 20);
    peer.push(&Request { value: Some(size_query(10_001)) }).unwrap();
    peer.flush().unwrap();
    assert!(matches!(decode(peer.read().unwrap().unwrap()), response::Value::Query(_)));
}

fn wait_for(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < HANG, "hangs");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_frame_may_come_in_pieces_and_frames_together() {
    for (name, fixture) in Fixture::both() {
        let mut stream = fixture.raw();
        let mut bytes = encode(request::Value::CheckTx(tx(vec![7; 300])));
        bytes.extend(encode(request::Value::CheckTx(tx("second"))));
        bytes.extend(encode(request::Value::Flush(RequestFlush {})));
        for byte in bytes {
            stream.write_all(&[byte]).unwrap();
        }
        let mut replies = Framed::new(stream, 1 << 20);
        for want in [vec![7; 300], b"second".to_vec()] {
            let response::Value::CheckTx(reply) = decode(replies.read().unwrap().unwrap()) else {
                panic!("{name}")
            };
            assert_eq!(reply.data, want);
        }
    }
}

#[test]
fn a_large_block_passes() {
    let fixture = Fixture::unix(Limits::default());
    let txs: Vec<Bytes> = (0..40_u8).map(|i| vec![i; 500_000].into()).collect();
    let block = RequestFinalizeBlock { height: 1, txs, ..Default::default() };
    let start = Instant::now();
    assert_eq!(fixture.client().finalize_block(block).unwrap().tx_results.len(), 40);
    println!("a block of 20 MB took {:?}", start.elapsed());
}

#[test]
fn a_hostile_peer_is_told_why_and_closed_and_others_are_served() {
    let limits = Limits { max_frame_bytes: 1000, ..Limits::default() };
    for fixture in [Fixture::unix(limits), Fixture::tcp(limits)] {
        let mut honest = fixture.client();
        for (bytes, want) in [
            (&[0][..], "frame of length 0"),
            (&[0xe9, 0x07, 1, 2, 3], "frame of 1001 bytes, at most 1000 are taken"),
            (&[0xff; 10], "frame length is not a varint of 64 bits"),
            (&[3, 0xff, 0xff, 0xff], "request does not decode"),
            // Field 7 was SetOption, gone since ABCI 0.17.
            (&[2, 0x3a, 0], "request names no method of ABCI 2.0"),
        ] {
            let mut stream = fixture.raw();
            stream.write_all(bytes).unwrap();
            let mut replies = Framed::new(stream, 1 << 20);
            let response::Value::Exception(reply) = decode(replies.read().unwrap().unwrap()) else {
                panic!("{want}")
            };
            assert!(reply.error.contains(want), "{} for {want}", reply.error);
            assert!(!matches!(replies.read(), Ok(Some(_))), "open after: {want}");
            honest.info(RequestInfo::default()).unwrap();
        }
        // A peer that leaves inside a frame.
        fixture.raw().write_all(&[100, 1, 2, 3]).unwrap();
        honest.info(RequestInfo::default()).unwrap();
        assert!(fixture.reasons.0.lock().unwrap().is_empty(), "bad input is no reason to halt");
    }
}

#[test]
fn the_client_reports_an_exception_as_an_error() {
    let fixture = Fixture::unix(Limits { max_frame_bytes: 1000, ..Limits::default() });
    let error = fixture.client().check_tx(tx(vec![0; 2000])).unwrap_err();
    assert!(matches!(&error, ClientError::Exception(text) if text.starts_with("frame of 20")), "{error}");
}

#[test]
fn four_connections_are_served_at_the_same_time() {
    for (_, fixture) in Fixture::both() {
        // Each handler waits for the three others, so a server that takes turns never ends this.
        let clients: Vec<_> = (0..4).map(|_| fixture.client()).collect();
        let calls =
            clients.into_iter().map(|mut c| thread::spawn(move || c.check_tx(tx("meet")).map(|_| ())));
        for call in calls.collect::<Vec<_>>() {
            call.join().unwrap().unwrap();
        }
    }
}

#[test]
fn connections_are_bounded_and_free_again_when_peers_leave() {
    let fixture = Fixture::unix(Limits { max_connections: 2, ..Limits::default() });
    let mut clients = [fixture.client(), fixture.client()];
    for client in &mut clients {
        client.info(RequestInfo::default()).unwrap();
    }
    assert!(fixture.client().info(RequestInfo::default()).is_err());
    drop(clients);
    wait_for(|| fixture.client().info(RequestInfo::default()).is_ok());
}

#[test]
fn a_panic_or_halt_in_a_handler_ends_the_server_without_a_reply() {
    for (bytes, want) in [("panic", "panic in an ABCI handler: lost my mind"), ("halt", "disk full")] {
        for (name, fixture) in Fixture::both() {
            let mut other = fixture.client();
            other.info(RequestInfo::default()).unwrap();
            let error = fixture.client().check_tx(tx(bytes)).unwrap_err();
            assert!(matches!(error, ClientError::Closed | ClientError::Frame(_)), "{name}: {error}");
            assert_eq!(fixture.reasons(), [want], "{name}");
            fixture.server.join();
            assert!(other.info(RequestInfo::default()).is_err());
        }
    }
}

#[test]
#[ignore = "the child of the next test: it ends its process"]
fn child_that_halts() {
    let dir = tempfile::tempdir().unwrap();
    let address = Address::Unix(dir.path().join("app.sock"));
    let app = App::new(Fatal::default());
    let server = Server::bind(&address, Limits::default()).unwrap().serve(app, Fatal::default()).unwrap();
    let _ = AbciClient::connect(server.local_addr()).unwrap().check_tx(tx("panic"));
    thread::sleep(HANG);
}

#[test]
fn by_default_a_panic_in_a_handler_ends_the_process() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_halts", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert_eq!(child.status.code(), Some(EXIT_CODE), "{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
fn shutdown_closes_connections_and_removes_the_socket() {
    let fixture = Fixture::unix(Limits::default());
    let path = fixture.dir.path().join("app.sock");
    let mut client = fixture.client();
    client.info(RequestInfo::default()).unwrap();
    let second = Server::bind(&Address::Unix(path.clone()), Limits::default());
    assert!(matches!(second, Err(BindError::InUse(_))), "two servers on one socket");
    fixture.server.shutdown();
    fixture.server.join();
    assert!(client.info(RequestInfo::default()).is_err());
    assert!(!path.exists());
}

#[test]
fn shutdown_does_not_wait_for_a_peer_that_does_not_read() {
    for (name, fixture) in Fixture::both() {
        let mut stream = fixture.raw();
        stream.write_all(&encode(size_query(50_000_000))).unwrap();
        wait_for(|| fixture.app.calls("query") == 1);
        let Fixture { server, .. } = fixture;
        let stopped = thread::spawn(move || drop(server));
        wait_for(|| stopped.is_finished());
        stopped.join().expect(name);
    }
}

#[test]
fn a_socket_left_by_a_dead_process_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let fixture = Fixture::start(&Address::Unix(path), dir, Limits::default());
    fixture.client().info(RequestInfo::default()).unwrap();
}

/// Prints what a call costs; a hang fails by the client's timeout.
#[test]
fn round_trips() {
    for (name, fixture) in Fixture::both() {
        let mut client = fixture.client();
        let mut times: Vec<_> = (0..1000)
            .map(|_| {
                let start = Instant::now();
                client.info(RequestInfo::default()).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort();
        assert_eq!(fixture.app.calls("info"), 1000);
        println!("Info over {name}: median {:?}, p99 {:?}", times[500], times[990]);
    }
}

#[test]
fn the_recorder_keeps_the_order_of_calls() {
    let app = Recorder::new(App::new(Fatal::with_action(|_| {})));
    let dir = tempfile::tempdir().unwrap();
    let address = Address::Unix(dir.path().join("app.sock"));
    let server = Server::bind(&address, Limits::default()).unwrap();
    let server = server.serve(app.clone(), Fatal::with_action(|_| {})).unwrap();
    let mut client = AbciClient::connect(server.local_addr()).unwrap();
    client.init_chain(RequestInitChain { initial_height: 1, ..Default::default() }).unwrap();
    client.info(RequestInfo::default()).unwrap();
    client.process_proposal(RequestProcessProposal { height: 1, ..Default::default() }).unwrap();
    client.finalize_block(RequestFinalizeBlock { height: 1, ..Default::default() }).unwrap();
    client.commit(RequestCommit {}).unwrap();
    let calls = [Call::InitChain(1), Call::ProcessProposal(1), Call::FinalizeBlock(1), Call::Commit];
    assert_eq!(app.calls(), calls);
    check(&app.calls()).unwrap();
}
