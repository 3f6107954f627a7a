//! Where bytes of a stranger enter. Each function takes any bytes and must return; what it asserts are laws that hold for all of
//! them. The fuzz targets and `abci-app/tests/hostile.rs` run the same functions.

use geodesic_app::router::{self, AppMsg};
use geodesic_app::tx::sign::{SignerData, sign_bytes};
use geodesic_app::tx::{self, TxMsg as _};
use geodesic_auth::PubKey;
use geodesic_challenge::{Commitment, Distance, Leaf, Node, Path, RTarget};
use geodesic_core::{Address, BlockInfo, Ctx, MemStore, State, StoreId};
use geodesic_proto::amino::MAX_BYTES;
use geodesic_proto::cosmos::tx::v1beta1::TxRaw;
use geodesic_proto::geodesic::seeds::v1::MsgBeacon;
use geodesic_proto::json::{Options, bytes_to_json, json_to_bytes};
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Any;
use geodesic_proto::strict::{self, Policy};
use geodesic_proto::{amino_json, pool};
use geodesic_store::sync::{Decoder, Meta};
use tendermint_proto::v0_38::abci::Request;

/// An entry by the name of its corpus.
pub(crate) type Entry = (&'static str, fn(&[u8]));

/// Every entry.
pub(crate) const ALL: [Entry; 9] = [
    ("transaction", transaction),
    ("strict_walker", strict_walker),
    ("amino", amino),
    ("amino_transaction", amino_transaction),
    ("abci_request", abci_request),
    ("commitment_proof", commitment_proof),
    ("vote_extension", vote_extension),
    ("json", json),
    ("snapshot", snapshot),
];

/// Bytes of a transaction: decoding, stateless checks, and the bytes to sign in every mode.
///
/// What is taken has one encoding (ADR-027), so nobody can make another transaction of it that means the same.
pub(crate) fn transaction(data: &[u8]) {
    let Ok((tx, messages)) = tx::decode::<AppMsg>(data, "cosmos") else { return };
    let raw = TxRaw {
        body_bytes: tx.body_bytes.clone(),
        auth_info_bytes: tx.auth_info_bytes.clone(),
        signatures: tx.raw_signatures.clone(),
    };
    assert_eq!(raw.encode_to_vec(), data, "a second encoding is taken");
    let _ = tx::validate_messages(&messages);
    let _ = (tx.signers(), tx.signatures(), tx.fee_payer(), tx::priority(&tx));
    let (address, key) = (Address::from([1; 20]), PubKey::Ed25519([1; 32]));
    for mode in 0..5 {
        let (pub_key, chain_id) = (&key, "chain-1");
        let signer = SignerData { address: &address, pub_key, chain_id, account_number: 1, sequence: 2 };
        let _ = sign_bytes(mode, signer, &tx);
    }
}

/// The name of a message on the first line, the rest behind it.
fn named(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.iter().position(|b| *b == b'\n')?;
    let (name, rest) = data.split_at(end);
    let name = std::str::from_utf8(name).ok()?;
    pool().get_message_by_name(name)?;
    Some((name, rest.get(1..)?))
}

/// A message's bytes through the walker that refuses unknown fields, and what it takes through the module of the message.
pub(crate) fn strict_walker(data: &[u8]) {
    let _ = strict::check_adr027(data);
    let Some((name, bytes)) = named(data) else { return };
    let strict = strict::reject_unknown_fields(bytes, name, Policy::Strict);
    let lenient = strict::reject_unknown_fields(bytes, name, Policy::AllowNonCritical);
    if strict.is_ok() {
        assert_eq!(strict, lenient, "stricter takes more");
        let any = Any { type_url: format!("/{name}"), value: bytes.to_vec() };
        if let Ok(message) = AppMsg::decode(&any) {
            let _ = (message.validate_basic(), message.signers("cosmos"), message.signers("geo"));
        }
        let _ = PubKey::from_any(&any).map(|key| (key.address(), key.to_any(), key.count()));
    }
}

/// A message's bytes as amino JSON, which must be JSON.
pub(crate) fn amino(data: &[u8]) {
    let Some((name, bytes)) = named(data) else { return };
    if let Ok(text) = amino_json::any(&Any { type_url: format!("/{name}"), value: bytes.to_vec() }) {
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    }
}

/// A transaction of amino, as binary and as JSON. What binary says in JSON reads back, and from then on both stay: before, a number
/// may be missing, and a text may be no UTF-8.
pub(crate) fn amino_transaction(data: &[u8]) {
    let codec = router::amino();
    let read = |json: &str| {
        let binary = codec.to_binary(json);
        binary.unwrap_or_else(|e| panic!("{json} is written, but not read: {e}"))
    };
    if let Ok(json) = codec.to_json(data)
        && json.len() <= MAX_BYTES
    {
        let binary = read(&json);
        let json = codec.to_json(&binary).unwrap_or_else(|e| panic!("{json} is read, but not written: {e}"));
        assert_eq!(read(&json), binary, "{json}");
    }
    if let Ok(json) = std::str::from_utf8(data)
        && let Ok(binary) = router::amino().to_binary(json)
    {
        let _ = router::amino().to_json(&binary);
    }
}

/// A frame of CometBFT's.
pub(crate) fn abci_request(data: &[u8]) {
    let mut framed = geodesic_app::abci::Framed::new(std::io::Cursor::new(data.to_vec()), 1 << 16);
    while let Ok(Some(frame)) = framed.read() {
        let _ = Request::decode(frame);
    }
}

/// A leaf with its path against a commitment: 8 bytes each of count, hits, target, nonce, distance and rank, then hashes.
pub(crate) fn commitment_proof(data: &[u8]) {
    let mut rest = data;
    let mut number = || {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        rest = tail;
        Some(u64::from_be_bytes(*head))
    };
    let numbers: Option<Vec<u64>> = (0..6).map(|_| number()).collect();
    let Some([count, hits, target, nonce, distance, rank]) = numbers.as_deref() else { return };
    let mut hashes = rest.as_chunks::<32>().0.iter();
    let (Some(root), Some(logits_hash)) = (hashes.next(), hashes.next()) else { return };
    let commitment = Commitment { count: *count, hits: *hits, root: *root };
    let leaf = Leaf { nonce: *nonce, distance: Distance(*distance), logits_hash: *logits_hash };
    let siblings = hashes.map(|hash| Node { hash: *hash, hits: u64::from(hash[0] & 1) }).collect();
    let (target, path) = (RTarget(*target), Path { siblings });
    let hit = geodesic_challenge::verify_hit_rank(&commitment, target, &leaf, &path, *rank);
    let member = geodesic_challenge::verify(&commitment, target, &leaf, &path);
    assert!(member.is_ok() || hit.is_err(), "a hit that is no leaf");
}

/// Key (32 bytes), then the vote extension of a validator; and the same bytes as the beacon of a proposer.
///
/// What a proposer makes of extensions is what others accept.
pub(crate) fn vote_extension(data: &[u8]) {
    let block = BlockInfo { chain_id: "chain-1".into(), height: 5, ..BlockInfo::default() };
    let ctx = Ctx::new(block, State::new(std::sync::Arc::new(MemStore::default())));
    let (key, extension) = data.split_at_checked(32).unwrap_or((data, &[]));
    // Two validators: one alone would go on without a proof.
    let set = geodesic_seeds::Proofs::from([([7; 20], (key.to_vec(), 10)), ([8; 20], (Vec::new(), 10))]);
    let made = geodesic_seeds::collect(&ctx, &set, &[(vec![7; 20], extension.to_vec())]);
    let made = made.unwrap_or_default();
    let accepted = geodesic_seeds::check_proofs(&ctx, &set, &made);
    assert_eq!(accepted.is_ok(), !made.proofs.is_empty(), "{accepted:?}");
    if let Ok(message) = MsgBeacon::decode(data) {
        let _ = geodesic_seeds::check_proofs(&ctx, &set, &message);
    }
}

/// JSON to a message. What is taken can be written, and reads back as the same bytes.
pub(crate) fn json(data: &[u8]) {
    let Some((name, text)) = named(data) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(bytes) = json_to_bytes(name, text, Options::default()) else { return };
    let written = bytes_to_json(name, &bytes, Options::default());
    let written = written.unwrap_or_else(|e| panic!("{name} {text} is read, but not written: {e}"));
    let again = json_to_bytes(name, &written, Options::default()).ok();
    assert_eq!(again, Some(bytes), "{name}: {text} is written as {written}");
}

/// A snapshot for state sync, or its description. It does not matter in which pieces a snapshot comes.
pub(crate) fn snapshot(data: &[u8]) {
    if let Ok(meta) = Meta::decode(data) {
        assert_eq!(Meta::decode(&meta.encode()), Ok(meta), "a description is written otherwise");
    }
    let read = |parts: &[&[u8]]| {
        let stores = [StoreId::tree("acc"), StoreId::tree("bank")];
        // Heights below 128 are one byte, the first.
        let mut decoder = Decoder::new(data.first().copied().unwrap_or_default().into(), None, &stores);
        let mut leaves = Vec::new();
        let fed = parts.iter().try_for_each(|part| {
            decoder.feed(part, &mut |store, key, value| {
                leaves.push((store, key.len(), value.len()));
                Ok(())
            })
        });
        (fed.map_err(|e| e.to_string()), leaves, decoder.is_complete(), decoder.app_hash())
    };
    let (head, tail) = data.split_at(data.len() / 2);
    assert_eq!(read(&[data]), read(&[head, tail]), "pieces matter");
}
