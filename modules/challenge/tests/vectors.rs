//! Every number of `fixtures/exact.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
use geodesic_challenge::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/exact.json")).unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

fn ints(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect()
}

fn shape(value: &Value) -> Shape {
    let n = |name: &str| u32::try_from(number(&value[name])).unwrap();
    Shape::try_new(ShapeParams {
        dim: n("dim"),
        layers: n("layers"),
        heads: n("heads"),
        ffn: n("ffn"),
        vocab: n("vocab"),
        seq: n("seq"),
        amax: n("amax"),
        wbits: n("wbits"),
        shift_q: n("shift_q"),
        shift_o: n("shift_o"),
        shift_d: n("shift_d"),
        shift_s: n("shift_s"),
        shift_m: n("shift_m"),
    })
    .unwrap()
}

fn first16<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
    values.iter().take(16).map(|x| (*x).into()).collect()
}

fn sha_i32(values: impl Iterator<Item = i32>) -> [u8; 32] {
    Sha256::digest(values.flat_map(i32::to_le_bytes).collect::<Vec<u8>>()).into()
}

#[test]
fn tables_and_stream() {
    let all = fixture();
    assert_eq!(LUT.map(i64::from).to_vec(), ints(&all["lut"]));
    assert_eq!(COS_QUARTER.map(i64::from).to_vec(), ints(&all["cos1024"]));
    let philox = &all["philox"];
    let stream = Stream::new(&bytes(&philox["key_hash"]));
    let words: Vec<i64> =
        stream.words(u32::try_from(number(&philox["sub"])).unwrap()).take(8).map(i64::from).collect();
    assert_eq!(words, ints(&philox["first8"]));
}

#[test]
fn built_in_shapes_have_the_hashes_of_the_vectors() {
    for case in fixture()["cases"].as_array().unwrap() {
        let shape = shape(&case["shape"]);
        assert_eq!(shape.hash(), bytes(&case["shape"]["shape_hash"]));
        let name = case["shape_name"].as_str().unwrap();
        assert_eq!(shape.name(), Some(name).filter(|n| ["micro", "local"].contains(n)));
        assert_eq!(Shape::by_name(name), shape.name().map(|_| shape));
    }
}

#[test]
fn keys_inputs_and_weights() {
    for case in fixture()["cases"].as_array().unwrap() {
        let (shape, detail) = (shape(&case["shape"]), &case["detail_first_nonce"]);
        let key: Hash = bytes(&case["epoch_key"]);
        let chain = case["chain_id"].as_str().unwrap();
        let epoch = number(&case["epoch"]);
        assert_eq!(epoch_key(chain, epoch, &bytes(&case["beacon"]), &shape.hash()).unwrap(), key);

        let node = u32::try_from(number(&case["node_id"])).unwrap();
        let hash = nonce_hash(&key, &bytes(&case["participant"]), node, number(&case["first_nonce"]));
        assert_eq!(hash, bytes(&detail["nonce_hash"]));

        let h = input(&shape, &hash);
        assert_eq!(first16(&h), ints(&detail["input_first16"]));
        assert_eq!(sha_i32(h.into_iter()), bytes(&detail["input_sha256_i32le"]));
        let p = permutation(&shape, &hash);
        assert_eq!(first16(&p), ints(&detail["permutation_first16"]));
        let p = p.into_iter().map(|x| i32::try_from(x).unwrap());
        assert_eq!(sha_i32(p), bytes(&detail["permutation_sha256_i32le"]));
        assert_eq!(first16(&target(&shape, &key)), ints(&detail["target_first16"]));

        let weights = Weights::new(shape, &key);
        let digest = |m| -> [u8; 32] {
            Sha256::digest(weights.matrix(m).into_iter().map(i8::cast_unsigned).collect::<Vec<u8>>()).into()
        };
        for (name, matrix) in ["q", "k", "v", "o", "g", "u", "dn"].into_iter().zip(Matrix::of_layer(0)) {
            assert_eq!(digest(matrix), bytes(&detail["weights"][name]), "{name}");
        }
        assert_eq!(digest(Matrix::Head), bytes(&detail["head"]));
        assert_eq!(first16(&weights.matrix(Matrix::Q(0))), ints(&detail["q_row0_first16"]));
    }
}

#[test]
fn logits_distances_leaves_and_commitments() {
    for case in fixture()["cases"].as_array().unwrap() {
        let (shape, key) = (shape(&case["shape"]), bytes(&case["epoch_key"]));
        let network = Network::new(shape, key);
        let r_target = RTarget(number(&case["r_target_2p32"]));
        let node = u32::try_from(number(&case["node_id"])).unwrap();
        let first = number(&case["first_nonce"]);
        let mut tree = MerkleSum::new(r_target);
        for (i, want) in case["leaves"].as_array().unwrap().iter().enumerate() {
            let nonce = number(&want["nonce"]);
            assert_eq!(nonce, first + i as u64);
            let scored = network.score(&bytes(&case["participant"]), node, nonce);
            assert_eq!(scored.leaf.distance, Distance(number(&want["distance_2p32"])));
            assert_eq!(scored.leaf.logits_hash, bytes(&want["logits_sha256"]));
            assert_eq!(scored.leaf.hash(), bytes(&want["leaf"]));
            if i == 0 {
                assert_eq!(first16(&scored.logits), ints(&case["detail_first_nonce"]["logits_first16"]));
            }
            tree.append(&scored.leaf);
        }
        let commitment = &case["commitment"];
        let want = Commitment {
            count: number(&commitment["count"]),
            hits: number(&commitment["hits"]),
            root: bytes(&commitment["root"]),
        };
        assert_eq!(tree.commitment(want.count), Ok(want));
    }
}

#[test]
fn weights_held_or_not_give_the_same_logits() {
    let (shape, key) = (Shape::by_name("micro").unwrap(), [3; 32]);
    let hash = nonce_hash(&key, &[1; 20], 2, 3);
    assert_eq!(Network::new(shape, key).logits(&hash), Network::on_the_fly(shape, key).logits(&hash));
}

#[test]
fn a_tile_is_a_cut_of_its_matrix() {
    let shape = Shape::by_name("micro").unwrap();
    let weights = Weights::new(shape, &[9; 32]);
    let whole = weights.matrix(Matrix::Down(1));
    let tile = weights.tile(Matrix::Down(1), (3, 17), (5, 33)).unwrap();
    for (i, row) in tile.chunks(33).enumerate() {
        let at = (3 + i) * 160 + 17;
        assert_eq!(row, &whole[at..at + 33]);
    }
    assert_eq!(weights.tile(Matrix::Down(1), (0, 0), (65, 1)), None);
    assert_eq!(weights.tile(Matrix::Down(1), (usize::MAX, 0), (2, 1)), None);
    assert!(whole.iter().all(|w| w % 2 != 0), "weights are odd");
}

#[test]
fn a_chain_id_must_fit_its_length_byte() {
    assert!(epoch_key(&"x".repeat(255), 0, &[0; 32], &[0; 32]).is_ok());
    assert_eq!(epoch_key(&"x".repeat(256), 0, &[0; 32], &[0; 32]), Err(ChainIdTooLong(256)));
}
