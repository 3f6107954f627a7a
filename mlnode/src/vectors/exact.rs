//! Vectors of profile `exact`.
use geodesic_challenge::{
    Address, COS_QUARTER, Hash, LUT, Matrix, MerkleSum, RTarget, Scored, Shape, ShapeParams, Stream, Weights,
    epoch_key, input, nonce_hash, permutation, target,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Fields, Progress, VectorsError, format_error, list};
use crate::engine::{Challenge, Engine, EngineError, NonceId};

/// What a case follows from.
pub struct Case {
    /// Shape of the network.
    pub shape: Shape,
    /// Chain id.
    pub chain_id: String,
    /// Epoch.
    pub epoch: u64,
    /// Beacon of the epoch.
    pub beacon: Hash,
    /// Participant.
    pub participant: Address,
    /// Its node.
    pub node_id: u32,
    /// First nonce of consecutive ones.
    pub first_nonce: u64,
    /// Distance below which a nonce is a hit, in units of 2^-32.
    pub r_target: u64,
    /// Leaves computed.
    pub leaves: usize,
    /// Leaves committed to.
    pub count: u64,
}

/// Scores nonces: the reference when vectors are written, an engine when they are checked.
pub type Score<'a> = dyn FnMut(&Challenge, &[NonceId]) -> Result<Vec<Scored>, EngineError> + 'a;

fn hexed(values: impl IntoIterator<Item = u8>) -> String {
    hex::encode(Sha256::digest(values.into_iter().collect::<Vec<u8>>()))
}

fn hexed_i32(values: impl IntoIterator<Item = i32>) -> String {
    hexed(values.into_iter().flat_map(i32::to_le_bytes))
}

/// What follows from a document outside its cases.
pub(super) fn tables(document: &Value) -> Result<Value, VectorsError> {
    let mut all = json!({ "lut": LUT.to_vec(), "cos1024": COS_QUARTER.to_vec() });
    if let Some(philox) = document.get("philox") {
        let fields = Fields { value: philox, at: "philox." };
        let (key, sub): (Hash, u32) = (fields.bytes("key_hash")?, fields.u32("sub")?);
        let words: Vec<u32> = Stream::new(&key).words(sub).take(8).collect();
        let philox = json!({ "key_hash": hex::encode(key), "sub": sub, "first8": words });
        if let Some(all) = all.as_object_mut() {
            all.insert("philox".into(), philox);
        }
    }
    Ok(all)
}

fn shape_of(fields: &Fields<'_>) -> Result<Shape, VectorsError> {
    let params = ShapeParams {
        dim: fields.u32("dim")?,
        layers: fields.u32("layers")?,
        heads: fields.u32("heads")?,
        ffn: fields.u32("ffn")?,
        vocab: fields.u32("vocab")?,
        seq: fields.u32("seq")?,
        amax: fields.u32("amax")?,
        wbits: fields.u32("wbits")?,
        shift_q: fields.u32("shift_q")?,
        shift_o: fields.u32("shift_o")?,
        shift_d: fields.u32("shift_d")?,
        shift_s: fields.u32("shift_s")?,
        shift_m: fields.u32("shift_m")?,
    };
    Shape::try_new(params).map_err(|e| format_error(fields.at.trim_end_matches('.'), e, "a valid shape"))
}

fn shape_value(shape: &Shape) -> Value {
    json!({
        "dim": shape.dim, "layers": shape.layers, "heads": shape.heads, "ffn": shape.ffn, "vocab": shape.vocab,
        "seq": shape.seq, "amax": shape.amax, "wbits": shape.wbits, "shift_q": shape.shift_q,
        "shift_o": shape.shift_o, "shift_d": shape.shift_d, "shift_s": shape.shift_s, "shift_m": shape.shift_m,
        "shape_hash": hex::encode(shape.hash()),
    })
}

impl Case {
    fn read(fields: &Fields<'_>) -> Result<Self, VectorsError> {
        let shape_at = format!("{}shape.", fields.at);
        let leaves_at = format!("{}leaves", fields.at);
        let leaves = list(fields.get("leaves")?, &leaves_at)?;
        // Distances are what a check is about; the rest may be left out.
        for (i, value) in leaves.iter().enumerate() {
            Fields { value, at: &format!("{leaves_at}[{i}].") }.u64("distance_2p32")?;
        }
        let leaves = leaves.len();
        if leaves == 0 {
            return Err(format_error(leaves_at, "empty", "at least one leaf"));
        }
        let count = match fields.value.get("commitment") {
            Some(value) => Fields { value, at: &format!("{}commitment.", fields.at) }.u64("count")?,
            None => leaves as u64,
        };
        let case = Self {
            shape: shape_of(&Fields { value: fields.get("shape")?, at: &shape_at })?,
            chain_id: fields.text("chain_id")?.to_owned(),
            epoch: fields.u64("epoch")?,
            beacon: fields.bytes("beacon")?,
            participant: fields.bytes("participant")?,
            node_id: fields.u32("node_id")?,
            first_nonce: fields.u64("first_nonce")?,
            r_target: fields.u64("r_target_2p32")?,
            leaves,
            count,
        };
        if case.first_nonce.checked_add(leaves as u64 - 1).is_none() {
            let expected = format!("at most 2^64 - {leaves}");
            return Err(format_error(format!("{}first_nonce", fields.at), case.first_nonce, expected));
        }
        Ok(case)
    }

    /// All values of the case.
    ///
    /// # Errors
    /// As `score`; [`VectorsError::Format`] for a chain id that is too long, or a count above the leaves.
    pub fn compute(&self, score: &mut Score<'_>, progress: &mut Progress<'_>) -> Result<Value, VectorsError> {
        let shape_hash = self.shape.hash();
        let key = epoch_key(&self.chain_id, self.epoch, &self.beacon, &shape_hash)
            .map_err(|e| format_error("chain_id", e, "at most 255 bytes"))?;
        let challenge = Challenge { shape: self.shape, epoch_key: key };
        let mut tree = MerkleSum::new(RTarget(self.r_target));
        let (mut leaves, mut first_logits) = (Vec::new(), Vec::new());
        for i in 0..self.leaves as u64 {
            let nonce = self.first_nonce + i;
            let id = NonceId { participant: self.participant, node_id: self.node_id, nonce };
            for scored in score(&challenge, &[id])? {
                let leaf = &scored.leaf;
                leaves.push(json!({
                    "nonce": nonce,
                    "distance_2p32": leaf.distance.0,
                    "logits_sha256": hex::encode(leaf.logits_hash),
                    "leaf": hex::encode(leaf.hash()),
                }));
                tree.append(leaf);
                if i == 0 {
                    first_logits = scored.logits;
                }
            }
            progress("nonces", i + 1, self.leaves as u64);
        }
        let commitment = tree
            .commitment(self.count)
            .map_err(|e| format_error("commitment.count", e, format!("1 to {}", self.leaves)))?;
        Ok(json!({
            "shape": shape_value(&self.shape),
            "shape_name": self.shape.name().unwrap_or("custom"),
            "chain_id": self.chain_id,
            "epoch": self.epoch,
            "beacon": hex::encode(self.beacon),
            "participant": hex::encode(self.participant),
            "node_id": self.node_id,
            "first_nonce": self.first_nonce,
            "r_target_2p32": self.r_target,
            "epoch_key": hex::encode(key),
            "commitment": {
                "count": commitment.count, "hits": commitment.hits, "root": hex::encode(commitment.root),
            },
            "leaves": leaves,
            "detail_first_nonce": self.detail(&key, &first_logits),
        }))
    }

    fn detail(&self, key: &Hash, logits: &[i32]) -> Value {
        let shape = &self.shape;
        let hash = nonce_hash(key, &self.participant, self.node_id, self.first_nonce);
        let (input, permutation, target) =
            (input(shape, &hash), permutation(shape, &hash), target(shape, key));
        let weights = Weights::new(*shape, key);
        let digest = |m| hexed(weights.matrix(m).into_iter().map(i8::cast_unsigned));
        let [q, k, v, o, g, u, dn] = Matrix::of_layer(0).map(digest);
        json!({
            "nonce_hash": hex::encode(hash),
            "input_first16": input.iter().take(16).collect::<Vec<_>>(),
            "input_sha256_i32le": hexed_i32(input.iter().copied()),
            "logits_first16": logits.iter().take(16).collect::<Vec<_>>(),
            "permutation_first16": permutation.iter().take(16).collect::<Vec<_>>(),
            "permutation_sha256_i32le": hexed(permutation.iter().flat_map(|x| x.to_le_bytes())),
            "target_first16": target.iter().take(16).collect::<Vec<_>>(),
            "weights": { "q": q, "k": k, "v": v, "o": o, "g": g, "u": u, "dn": dn },
            "head": digest(Matrix::Head),
            "q_row0_first16": weights.matrix(Matrix::Q(0)).iter().take(16).collect::<Vec<_>>(),
        })
    }
}

/// What the case of these fields should hold, by `engine`, and its number of nonces.
pub(super) fn recompute(
    fields: &Fields<'_>,
    engine: &mut dyn Engine,
    progress: &mut Progress<'_>,
) -> Result<(Value, usize), VectorsError> {
    let case = Case::read(fields)?;
    let mut score = |challenge: &Challenge, ids: &[NonceId]| engine.score(challenge, ids, true);
    Ok((case.compute(&mut score, progress)?, case.leaves))
}

/// A document of one case, as `fixtures/exact.json`.
///
/// # Errors
/// As [`Case::compute`].
pub fn document(
    case: &Case,
    score: &mut Score<'_>,
    progress: &mut Progress<'_>,
) -> Result<Value, VectorsError> {
    Ok(json!({
        "about": "exact profile, version 1",
        "lut": LUT.to_vec(),
        "cos1024": COS_QUARTER.to_vec(),
        "cases": [case.compute(score, progress)?],
    }))
}
