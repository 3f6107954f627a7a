//! The descriptor pool, generated types and `Any`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use geodesic_proto::cosmos::bank::v1beta1::{MsgMultiSend, MsgSend};
use geodesic_proto::cosmos::tx::v1beta1::{SimulateRequest, TxBody};
use geodesic_proto::prost::{Message, Name};
use geodesic_proto::prost_types::{Any, FileDescriptorSet};
use geodesic_proto::{FILE_DESCRIPTOR_SET, any, pool, tendermint};

#[test]
fn reflection_bytes_hold_every_file_once_dependencies_first() {
    let mut seen = BTreeSet::new();
    for file in FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file {
        assert!(file.dependency.iter().all(|name| seen.contains(name)), "{}", file.name());
        assert!(seen.insert(file.name().to_owned()), "{}", file.name());
    }
    assert_eq!(pool().files().len(), seen.len());
    assert!(seen.len() >= 133);
}

#[test]
fn pool_keeps_services_bindings_and_options() {
    let bank = pool().get_service_by_name("cosmos.bank.v1beta1.Query").unwrap();
    let balance = bank.methods().find(|m| m.name() == "Balance").unwrap();
    let http = pool().get_extension_by_name("google.api.http").unwrap();
    assert!(balance.options().has_extension(&http));
    let send = pool().get_message_by_name("cosmos.bank.v1beta1.MsgSend").unwrap();
    let name = pool().get_extension_by_name("amino.name").unwrap();
    assert_eq!(send.options().get_extension(&name).as_str(), Some("cosmos-sdk/MsgSend"));
    assert!(pool().get_service_by_name("cosmos.gov.v1.Msg").is_some(), "packages without Rust are there too");
}

#[test]
fn types_carry_their_names() {
    assert_eq!(MsgSend::full_name(), "cosmos.bank.v1beta1.MsgSend");
    assert_eq!(any::type_url::<tendermint::types::Header>(), "/tendermint.types.Header");
    // The fields of 0.53, and the deprecated one that older clients send.
    let body = TxBody { unordered: true, timeout_timestamp: Some(Default::default()), ..TxBody::default() };
    assert_eq!(body.encode_to_vec(), [0x20, 1, 0x2a, 0]);
    #[allow(deprecated)]
    let request = SimulateRequest { tx: None, tx_bytes: vec![1] };
    assert_eq!(request.encode_to_vec(), [0x12, 1, 1]);
}

#[test]
fn any_returns_what_was_packed_and_nothing_else() {
    let send = MsgSend { from_address: "a".into(), ..MsgSend::default() };
    let packed = any::pack(&send);
    assert_eq!(packed.type_url, "/cosmos.bank.v1beta1.MsgSend");
    assert_eq!(any::unpack::<MsgSend>(&packed).unwrap(), send);
    let wrong = any::unpack::<MsgMultiSend>(&packed).unwrap_err().to_string();
    let want = "expected type url /cosmos.bank.v1beta1.MsgMultiSend, got \"/cosmos.bank.v1beta1.MsgSend\"";
    assert_eq!(wrong, want);
    let broken = Any { value: vec![0x0a], ..packed };
    assert!(matches!(any::unpack::<MsgSend>(&broken), Err(any::Error::Decode { .. })));
}
