//! Vectors of profile `pow2-f16`.
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Fields, Progress, VectorsError, format_error, list};
use crate::pow2::{Engine, InputType, Place, Shape, ShapeParams, name_hash, turns};

/// What a case follows from.
pub struct Case {
    /// Shape of the network.
    pub shape: Shape,
    /// Block hash.
    pub block_hash: String,
    /// Public key.
    pub public_key: String,
    /// Nonces.
    pub nonces: Vec<u64>,
}

fn result_name(kind: InputType) -> &'static str {
    match kind {
        InputType::F32 => "input_f64_to_f32",
        InputType::F16 => "input_f64_to_f16_to_f32",
    }
}

fn bits<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<String> {
    values.into_iter().map(|x| format!("{:08x}", x.to_bits())).collect()
}

/// Width of the feed-forward part as the published code derives it, rounding down at each step.
fn hidden(dim: u32, multiplier: f64, multiple: u32) -> u32 {
    let two_thirds = u64::from(dim) * 8 / 3;
    let wanted = (multiplier * two_thirds as f64) as u64;
    let multiple = u64::from(multiple.max(1));
    u32::try_from(wanted.div_ceil(multiple).saturating_mul(multiple)).unwrap_or(u32::MAX)
}

fn shape_of(case: &Fields<'_>) -> Result<Shape, VectorsError> {
    let at = format!("{}params.", case.at);
    let params = Fields { value: case.get("params")?, at: &at };
    if params.value.get("use_scaled_rope").is_some_and(|scaled| scaled != &Value::Bool(false)) {
        return Err(format_error(format!("{at}use_scaled_rope"), "true", "false"));
    }
    let dim = params.u32("dim")?;
    let hidden = match params.value.get("ffn_dim_multiplier") {
        Some(_) => hidden(dim, params.f64("ffn_dim_multiplier")?, params.u32("multiple_of")?),
        None => case.u32("hidden_dim")?,
    };
    Ok(Shape::try_new(ShapeParams {
        dim,
        layers: params.u32("n_layers")?,
        heads: params.u32("n_heads")?,
        kv_heads: params.u32("n_kv_heads")?,
        hidden,
        vocab: params.u32("vocab_size")?,
        seq: params.u32("seq_len")?,
        norm_eps: params.f64("norm_eps")? as f32,
        rope_theta: params.f64("rope_theta")? as f32,
    })?)
}

fn params_value(shape: &Shape) -> Value {
    json!({
        "dim": shape.dim, "n_layers": shape.layers, "n_heads": shape.heads, "n_kv_heads": shape.kv_heads,
        "vocab_size": shape.vocab, "norm_eps": shape.norm_eps, "rope_theta": shape.rope_theta,
        "use_scaled_rope": false, "seq_len": shape.seq,
    })
}

fn weights_value(engine: &Engine, hash: &str) -> Vec<Value> {
    let (model, weights) = (engine.model(), engine.model().weights());
    let value = |parameter: crate::pow2::Parameter| {
        let size = parameter.rows * parameter.columns;
        let dims = if parameter.rows == 1 {
            vec![parameter.columns]
        } else {
            vec![parameter.rows, parameter.columns]
        };
        let (start, shift) = match weights.place(&parameter.name, size) {
            Place::Slice(start) => (Some(start), None),
            Place::Tiled(shift) => (None, Some(shift)),
        };
        let values = weights.values(&parameter);
        let mut digest = Sha256::new();
        values.iter().for_each(|x| digest.update(x.to_le_bytes()));
        json!({
            "name": parameter.name,
            "shape": dims,
            "name_hash": name_hash(hash, &parameter.name),
            "start_idx": start,
            "shift": shift,
            "first4_f32_bits": bits(values.iter().take(4)),
            "last2_f32_bits": bits(values.iter().skip(size.saturating_sub(2))),
            "sha256_f32_le": hex::encode(digest.finalize()),
        })
    };
    model.shape().parameters().into_iter().map(value).collect()
}

impl Case {
    fn read(fields: &Fields<'_>) -> Result<Self, VectorsError> {
        let at = format!("{}nonces", fields.at);
        let nonces = list(fields.get("nonces")?, &at)?.iter().enumerate().map(|(i, nonce)| {
            nonce
                .as_u64()
                .ok_or_else(|| format_error(format!("{at}[{i}]"), nonce, "a whole number below 2^64"))
        });
        let nonces: Vec<u64> = nonces.collect::<Result<_, _>>()?;
        if nonces.is_empty() {
            return Err(format_error(at, "empty", "at least one nonce"));
        }
        let results = fields.read("results", "an object", Value::as_object)?;
        // Distances are what a check is about; the rest may be left out.
        for (name, value) in results {
            Fields { value, at: &format!("{}results.{name}.", fields.at) }.get("dist")?;
        }
        if results.is_empty() {
            return Err(format_error(format!("{}results", fields.at), "empty", "at least one result"));
        }
        Ok(Self {
            shape: shape_of(fields)?,
            block_hash: fields.text("block_hash")?.to_owned(),
            public_key: fields.text("public_key")?.to_owned(),
            nonces,
        })
    }

    /// All values of the case.
    ///
    /// # Errors
    /// [`VectorsError::Pow2`].
    pub fn compute(
        &self,
        threads: usize,
        max_memory: u64,
        progress: &mut Progress<'_>,
    ) -> Result<Value, VectorsError> {
        let shape = self.shape;
        let drawn = &mut |done| progress("weights", done, shape.pool());
        let engine = Engine::new(shape, &self.block_hash, threads, max_memory, drawn)?;
        let mut results = Map::new();
        for kind in [InputType::F32, InputType::F16] {
            let value = self.results(&engine, kind, progress)?;
            results.insert(result_name(kind).into(), value);
        }
        Ok(json!({
            "block_hash": self.block_hash,
            "public_key": self.public_key,
            "params": params_value(&shape),
            "hidden_dim": shape.hidden,
            "total_params": shape.total(),
            "pool_size": shape.pool(),
            "pool_fraction": 0.05,
            "weights": weights_value(&engine, &self.block_hash),
            "freqs_cis_pos1": turns(&shape, 1).concat(),
            "nonces": self.nonces,
            "results": results,
        }))
    }

    fn results(
        &self,
        engine: &Engine,
        kind: InputType,
        progress: &mut Progress<'_>,
    ) -> Result<Value, VectorsError> {
        let (mut distances, mut logits) = (Vec::new(), Vec::new());
        for batch in self.nonces.chunks(engine.batch()) {
            for scored in engine.score(&self.public_key, batch, kind)? {
                distances.push(scored.distance?);
                if distances.len() == 1 {
                    logits = scored.logits;
                }
            }
            progress("nonces", distances.len() as u64, self.nonces.len() as u64);
        }
        let first = self.nonces.first().copied().unwrap_or(0);
        let input = engine.inputs(&self.public_key, &[first], kind);
        let norm = logits.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        Ok(json!({
            "input0_first8_f32_bits": bits(input.iter().take(8)),
            "logits0_first16": logits.iter().take(16).collect::<Vec<_>>(),
            "logits0_l2": norm,
            "dist": distances,
        }))
    }
}

/// What the case of these fields should hold, and its number of nonces.
pub(super) fn recompute(
    fields: &Fields<'_>,
    threads: usize,
    max_memory: u64,
    progress: &mut Progress<'_>,
) -> Result<(Value, usize), VectorsError> {
    let case = Case::read(fields)?;
    let mut value = case.compute(threads, max_memory, progress)?;
    // Fields that the shape was read from; distances of f64 arithmetic are met within the same tolerance.
    if let (Some(params), Some(given)) =
        (value.get_mut("params").and_then(Value::as_object_mut), fields.get("params")?.as_object())
    {
        for name in ["ffn_dim_multiplier", "multiple_of", "norm_eps", "rope_theta"] {
            given.get(name).map(|value| params.insert(name.into(), value.clone()));
        }
    }
    if let Some(results) = value.get_mut("results").and_then(Value::as_object_mut) {
        for result in results.values_mut().filter_map(Value::as_object_mut) {
            result.get("dist").cloned().map(|dist| result.insert("dist_float64_forward".into(), dist));
        }
    }
    Ok((value, case.nonces.len()))
}
