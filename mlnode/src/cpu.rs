//! The CPU engine: candle tensors, a batch split over threads, each of which runs the whole network for its share.
use candle_core::{Device, Tensor};
use geodesic_challenge::{Leaf, Scored, Shape, distance, logits_hash, nonce_hash, permutation};

use crate::engine::{Challenge, Engine, EngineError, NonceId};
use crate::kernels::matmul;
use crate::model::Model;

/// Weights kept: those of an epoch being audited and of the next one being generated.
const MODELS_MAX: usize = 2;
/// Rows of a product that one thread works on: enough for the GEMM, few enough for the cache.
const ROWS: usize = 512;

/// Engine on the processor's cores.
pub struct CpuEngine {
    threads: usize,
    batch: Option<usize>,
    max_memory: u64,
    device: Device,
    /// Most recently used last.
    models: Vec<(Challenge, Model)>,
}

impl CpuEngine {
    /// An engine with `threads` threads that may use `max_memory` bytes for weights and activations; `batch` nonces a
    /// call, or as many as suit the shape.
    pub fn new(threads: usize, batch: Option<usize>, max_memory: u64) -> Self {
        Self { threads: threads.max(1), batch, max_memory, device: Device::Cpu, models: Vec::new() }
    }

    fn weight_bytes(shape: &Shape) -> u64 {
        // f32, and what a layer's tensors themselves take.
        shape.weights().saturating_mul(4).saturating_add(u64::from(shape.layers) * 4096)
    }

    /// Bytes that one nonce needs while it is computed, an upper bound.
    fn nonce_bytes(shape: &Shape) -> u64 {
        let [d, f, v, t] = [shape.dim, shape.ffn, shape.vocab, shape.seq].map(u64::from);
        // h twice, a, q, k, v, o, a branch; gate, up and their product; logits, permutation.
        4 * (t * (8 * d + 3 * f) + 4 * v)
    }

    /// Nonces that one thread takes at a time.
    fn share(&self, shape: &Shape) -> usize {
        let rows = (ROWS / shape.seq as usize).max(1);
        let left = self.max_memory.saturating_sub(Self::weight_bytes(shape));
        let fitting = left / Self::nonce_bytes(shape).saturating_mul(self.threads as u64).max(1);
        let wanted = self.batch.map_or(rows, |batch| batch.div_ceil(self.threads));
        wanted.min(usize::try_from(fitting).unwrap_or(usize::MAX)).max(1)
    }

    fn check(&self, shape: &Shape) -> Result<(), EngineError> {
        let working = Self::nonce_bytes(shape).saturating_mul(self.threads as u64);
        let need = Self::weight_bytes(shape).saturating_add(working);
        if need > self.max_memory {
            return Err(EngineError::Memory { need, limit: self.max_memory });
        }
        Ok(())
    }

    /// Drops the weights used least recently until those of `shape` fit beside the rest.
    fn make_room(&mut self, shape: &Shape) {
        let working = Self::nonce_bytes(shape).saturating_mul(self.threads as u64);
        let need = Self::weight_bytes(shape).saturating_add(working);
        let held = |models: &[(Challenge, Model)]| -> u64 {
            models.iter().map(|(c, _)| Self::weight_bytes(&c.shape)).fold(0, u64::saturating_add)
        };
        while !self.models.is_empty()
            && (self.models.len() >= MODELS_MAX || held(&self.models).saturating_add(need) > self.max_memory)
        {
            self.models.remove(0);
        }
    }
}

fn score_one(challenge: &Challenge, model: &Model, id: &NonceId, logits: Vec<i32>, keep: bool) -> Scored {
    let hash = nonce_hash(&challenge.epoch_key, &id.participant, id.node_id, id.nonce);
    let distance = distance(&logits, &permutation(&challenge.shape, &hash), &model.target);
    let leaf = Leaf { nonce: id.nonce, distance, logits_hash: logits_hash(&logits) };
    Scored { leaf, logits: if keep { logits } else { Vec::new() } }
}

fn score_share(
    challenge: &Challenge,
    model: &Model,
    ids: &[NonceId],
    keep: bool,
) -> Result<Vec<Scored>, EngineError> {
    let hashes: Vec<_> = ids
        .iter()
        .map(|id| nonce_hash(&challenge.epoch_key, &id.participant, id.node_id, id.nonce))
        .collect();
    let logits = model.logits(&hashes)?;
    Ok(ids.iter().zip(logits).map(|(id, l)| score_one(challenge, model, id, l, keep)).collect())
}

impl Engine for CpuEngine {
    fn device(&self) -> String {
        format!("CPU, {} thread{}, f32 GEMM", self.threads, if self.threads == 1 { "" } else { "s" })
    }

    fn load(&mut self, challenge: &Challenge) -> Result<bool, EngineError> {
        self.check(&challenge.shape)?;
        if let Some(at) = self.models.iter().position(|(held, _)| held == challenge) {
            let model = self.models.remove(at);
            self.models.push(model);
            return Ok(true);
        }
        self.make_room(&challenge.shape);
        let model = Model::new(challenge.shape, &challenge.epoch_key, &self.device, self.threads)?;
        self.models.push((*challenge, model));
        Ok(false)
    }

    fn loaded(&self) -> Option<&Challenge> {
        self.models.last().map(|(challenge, _)| challenge)
    }

    fn batch(&self, shape: &Shape) -> usize {
        self.share(shape) * self.threads
    }

    fn score(
        &mut self,
        challenge: &Challenge,
        ids: &[NonceId],
        keep_logits: bool,
    ) -> Result<Vec<Scored>, EngineError> {
        self.load(challenge)?;
        let Some((_, model)) = self.models.last() else { return Ok(Vec::new()) };
        let share = self.share(&challenge.shape);
        let mut scored = Vec::with_capacity(ids.len());
        for batch in ids.chunks(share * self.threads) {
            // Even shares, so that no thread waits for another.
            let part = batch.len().div_ceil(self.threads).max(1);
            let results: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = batch
                    .chunks(part)
                    .map(|ids| scope.spawn(move || score_share(challenge, model, ids, keep_logits)))
                    .collect();
                threads.into_iter().map(|t| t.join()).collect()
            });
            for result in results {
                let result = result.map_err(|_| EngineError::Device("a compute thread panicked".into()))?;
                scored.extend(result?);
            }
        }
        Ok(scored)
    }

    fn product(&self, a: &[i32], w: &[i8], k: usize) -> Result<Vec<i32>, EngineError> {
        let tensor = |values: Vec<f32>| {
            let rows = values.len() / k.max(1);
            Tensor::from_vec(values, (rows, k), &self.device)
        };
        let a = tensor(a.iter().map(|x| *x as f32).collect())?;
        let w = tensor(w.iter().map(|x| f32::from(*x)).collect())?;
        let product = matmul(&a, &w)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(product.into_iter().map(|x| x as i32).collect())
    }
}
