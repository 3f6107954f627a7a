//! Scores nonces: inputs, network, distance, over threads.
use super::error::Error;
use super::model::Model;
use super::seeds::{InputType, check_seed, input, permutation, target};
use super::shape::Shape;
use super::weights::Weights;

/// Rows of a product that one thread works on.
const ROWS: usize = 512;

/// A nonce computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The nonce.
    pub nonce: u64,
    /// Its logits, `[V]`, not permuted.
    pub logits: Vec<f32>,
    /// Its distance, unless the logits have no direction.
    pub distance: Result<f64, Error>,
}

/// Engine of profile `pow2-f16` on the processor's cores.
#[derive(Debug)]
pub struct Engine {
    hash: String,
    model: Model,
    target: Vec<f64>,
    threads: usize,
    share: usize,
}

/// Distance of permuted, normalised logits to the target: `|x / |x| - t|`, `x[i] = logits[permutation[i]]`, in f64.
///
/// # Errors
/// [`Error::Value`] if the lengths differ or the permutation leaves the logits; [`Error::NoDirection`] on NaN, infinity or zero.
pub fn distance(logits: &[f32], permutation: &[u32], target: &[f64]) -> Result<f64, Error> {
    Error::unless_equal("length of logits", &logits.len(), &target.len())?;
    Error::unless_equal("length of permutation", &permutation.len(), &target.len())?;
    if logits.iter().any(|x| !x.is_finite()) {
        return Err(Error::NoDirection("NaN or infinity"));
    }
    let norm = logits.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm == 0.0 {
        return Err(Error::NoDirection("all are zero"));
    }
    let mut sum = 0.0;
    for (from, t) in permutation.iter().zip(target) {
        let Some(x) = logits.get(*from as usize) else {
            return Err(Error::value("permutation", from, format!("below {}", logits.len())));
        };
        let difference = f64::from(*x) / norm - t;
        sum += difference * difference;
    }
    Ok(sum.sqrt())
}

/// True if a claimed hit does not stand: it has no distance, or one above `r_target + eps`.
pub fn is_bad(distance: &Result<f64, Error>, r_target: f64, eps: f64) -> bool {
    !distance.as_ref().is_ok_and(|distance| *distance <= r_target + eps)
}

impl Engine {
    /// Draws the weights of a block hash; `done` is told of values drawn, of `shape.pool()`.
    ///
    /// # Errors
    /// [`Error::Memory`] before anything is allocated; [`Error::Value`] for a hash that is empty or too long.
    pub fn new(
        shape: Shape,
        hash: &str,
        threads: usize,
        max_memory: u64,
        done: &mut dyn FnMut(u64),
    ) -> Result<Self, Error> {
        check_seed("length of block hash", hash)?;
        let threads = threads.max(1);
        let left = max_memory.saturating_sub(shape.weight_bytes());
        let fitting = left / shape.nonce_bytes() / threads as u64;
        if fitting == 0 {
            let need =
                shape.weight_bytes().saturating_add(shape.nonce_bytes().saturating_mul(threads as u64));
            return Err(Error::Memory { need, limit: max_memory });
        }
        let wanted = (ROWS / shape.seq as usize).max(1);
        Ok(Self {
            hash: hash.to_owned(),
            model: Model::new(shape, Weights::new(&shape, hash, done)),
            target: target(hash, shape.vocab),
            threads,
            share: wanted.min(usize::try_from(fitting).unwrap_or(usize::MAX)),
        })
    }

    /// Device and threads, in words.
    pub fn device(&self) -> String {
        format!("CPU, {} thread{}, f32 GEMM", self.threads, if self.threads == 1 { "" } else { "s" })
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The target, of length 1.
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// Nonces that one call of [`Engine::score`] computes well.
    pub fn batch(&self) -> usize {
        self.share * self.threads
    }

    /// Input of nonces, `[nonces, T, d]`.
    pub fn inputs(&self, key: &str, nonces: &[u64], kind: InputType) -> Vec<f32> {
        let size = self.model.shape().input_len();
        nonces.iter().flat_map(|nonce| input(&self.hash, key, *nonce, size, kind)).collect()
    }

    /// Scores nonces of a public key, in order. A nonce whose logits have no direction fails alone.
    ///
    /// # Errors
    /// [`Error::Value`] for a key that is empty or too long.
    pub fn score(&self, key: &str, nonces: &[u64], kind: InputType) -> Result<Vec<Scored>, Error> {
        check_seed("length of public key", key)?;
        let mut scored = Vec::with_capacity(nonces.len());
        for batch in nonces.chunks(self.batch()) {
            // Even shares, so that no thread waits for another.
            let part = batch.len().div_ceil(self.threads).max(1);
            let results: Vec<_> = std::thread::scope(|scope| {
                let share = |nonces| scope.spawn(move || self.score_share(key, nonces, kind));
                let threads: Vec<_> = batch.chunks(part).map(share).collect();
                threads.into_iter().map(|thread| thread.join()).collect()
            });
            for result in results {
                scored.extend(result.map_err(|_| Error::Thread)??);
            }
        }
        Ok(scored)
    }

    fn score_share(&self, key: &str, nonces: &[u64], kind: InputType) -> Result<Vec<Scored>, Error> {
        let logits = self.model.logits(&self.inputs(key, nonces, kind))?;
        let vocab = self.model.shape().vocab;
        let score = |(nonce, logits): (&u64, &[f32])| Scored {
            nonce: *nonce,
            logits: logits.to_vec(),
            distance: distance(logits, &permutation(&self.hash, key, *nonce, vocab), &self.target),
        };
        Ok(nonces.iter().zip(logits.chunks_exact(vocab as usize)).map(score).collect())
    }
}
