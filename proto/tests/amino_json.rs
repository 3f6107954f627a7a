//! Amino JSON against the Go SDK's own, for every message of `sign.json` (written by the Cosmos SDK 0.50.15).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use geodesic_proto::amino_json;
use geodesic_proto::prost_types::Any;
use serde_json::Value;

#[test]
fn every_message_reads_as_the_sdk_prints_it() {
    let vectors: Value = serde_json::from_str(include_str!("fixtures/sign.json")).unwrap();
    let messages = vectors["messages"].as_array().unwrap();
    assert!(messages.len() > 50);
    for message in messages {
        let type_url = message["type_url"].as_str().unwrap().to_owned();
        let value = BASE64_STANDARD.decode(message["value"].as_str().unwrap()).unwrap();
        let ours = amino_json::any(&Any { type_url: type_url.clone(), value }).unwrap();
        // The sign bytes hold the text of the one message between these two.
        let signed = message["amino_sign_bytes"].as_str().unwrap();
        let theirs = signed.split_once("\"msgs\":[").unwrap().1.rsplit_once("],\"sequence\"").unwrap().0;
        assert_eq!(ours, theirs, "{type_url}");
    }
}
