//! The CPU engine: shares of a batch go to threads, each of which runs the whole network for its share.
use std::sync::Mutex;

use geodesic_challenge::{Leaf, Scored, Shape, logits_hash, nonce_hash};

use crate::engine::{Challenge, Engine, EngineError, NonceId};
use crate::kernels::{Kernel, KernelError, product_of};
use crate::model::{Model, Workspace};
use crate::simd::Level;

/// Weights kept: those of an epoch being audited and of the next one being generated.
const MODELS_MAX: usize = 2;
/// Rows of a product that one thread works on: enough for the kernel, few enough for the cache.
const ROWS: usize = 512;
/// Shares a thread in a batch, so that a thread that is held up takes fewer of them, and the products they should not
/// exceed together, so that a batch stays short.
const SHARES_MAX: u64 = 8;
const PRODUCTS_MAX: u64 = 20_000_000_000;

/// Engine on the processor's cores.
pub struct CpuEngine {
    kernel: Kernel,
    level: Level,
    threads: usize,
    batch: Option<usize>,
    max_memory: u64,
    /// Most recently used last.
    models: Vec<(Challenge, Model)>,
    /// One a thread.
    workspaces: Vec<Workspace>,
}

impl CpuEngine {
    /// An engine with `threads` threads that may use `max_memory` bytes for weights and activations; `batch` nonces a
    /// call, or as many as suit the shape. Its kernel is the fastest that the processor has.
    pub fn new(threads: usize, batch: Option<usize>, max_memory: u64) -> Self {
        let threads = threads.max(1);
        Self {
            kernel: Kernel::best(),
            level: Level::best(),
            threads,
            batch,
            max_memory,
            models: Vec::new(),
            workspaces: (0..threads).map(|_| Workspace::default()).collect(),
        }
    }

    /// The engine with this kernel instead.
    ///
    /// # Errors
    /// [`KernelError`] if the processor lacks its instructions.
    pub fn with_kernel(mut self, kernel: Kernel) -> Result<Self, KernelError> {
        kernel.check()?;
        self.models.clear();
        self.kernel = kernel;
        Ok(self)
    }

    /// Its kernel.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Bytes that the weights of a shape and a batch of nonces take, an upper bound.
    pub fn memory(&self, shape: &Shape) -> u64 {
        let working = self.nonces_bytes(shape).saturating_mul(self.share(shape) as u64);
        self.weight_bytes(shape).saturating_add(working)
    }

    fn weight_bytes(&self, shape: &Shape) -> u64 {
        Model::bytes(shape, self.kernel)
    }

    /// Bytes that one nonce on every thread needs while it is computed.
    fn nonces_bytes(&self, shape: &Shape) -> u64 {
        Model::nonce_bytes(shape, self.kernel).saturating_mul(self.threads as u64)
    }

    /// Nonces that one thread takes at a time.
    fn share(&self, shape: &Shape) -> usize {
        let rows = (ROWS / shape.seq as usize).max(1);
        let left = self.max_memory.saturating_sub(self.weight_bytes(shape));
        let fitting = left / self.nonces_bytes(shape).max(1);
        let wanted = self.batch.map_or(rows, |batch| batch.div_ceil(self.threads).min(rows));
        wanted.min(usize::try_from(fitting).unwrap_or(usize::MAX)).max(1)
    }

    fn check(&self, shape: &Shape) -> Result<(), EngineError> {
        let need = self.weight_bytes(shape).saturating_add(self.nonces_bytes(shape));
        if need > self.max_memory {
            return Err(EngineError::Memory { need, limit: self.max_memory });
        }
        Ok(())
    }

    /// Drops the weights used least recently until those of `shape` fit beside the rest.
    fn make_room(&mut self, shape: &Shape) {
        let need = self.weight_bytes(shape).saturating_add(self.nonces_bytes(shape));
        let held = |engine: &Self| -> u64 {
            engine.models.iter().map(|(c, _)| engine.weight_bytes(&c.shape)).fold(0, u64::saturating_add)
        };
        while !self.models.is_empty()
            && (self.models.len() >= MODELS_MAX || held(self).saturating_add(need) > self.max_memory)
        {
            self.models.remove(0);
        }
    }
}

fn score_share(
    challenge: &Challenge,
    model: &Model,
    workspace: &mut Workspace,
    ids: &[NonceId],
    scored: &mut [Option<Scored>],
    keep: bool,
) {
    let hash = |id: &NonceId| nonce_hash(&challenge.epoch_key, &id.participant, id.node_id, id.nonce);
    let hashes: Vec<_> = ids.iter().map(hash).collect();
    model.score(&hashes, workspace, |index, distance, logits| {
        let (Some(id), Some(scored)) = (ids.get(index), scored.get_mut(index)) else { return };
        let leaf = Leaf { nonce: id.nonce, distance, logits_hash: logits_hash(logits) };
        *scored = Some(Scored { leaf, logits: if keep { logits.to_vec() } else { Vec::new() } });
    });
}

impl Engine for CpuEngine {
    fn device(&self) -> String {
        let plural = if self.threads == 1 { "" } else { "s" };
        format!("CPU, {} thread{plural}, {}", self.threads, self.kernel)
    }

    fn load(&mut self, challenge: &Challenge) -> Result<bool, EngineError> {
        self.check(&challenge.shape)?;
        if let Some(at) = self.models.iter().position(|(held, _)| held == challenge) {
            let model = self.models.remove(at);
            self.models.push(model);
            return Ok(true);
        }
        self.make_room(&challenge.shape);
        let model =
            Model::new(challenge.shape, &challenge.epoch_key, (self.kernel, self.level), self.threads);
        self.models.push((*challenge, model));
        Ok(false)
    }

    fn loaded(&self) -> Option<&Challenge> {
        self.models.last().map(|(challenge, _)| challenge)
    }

    fn batch(&self, shape: &Shape) -> usize {
        let share = self.share(shape);
        let products = shape.products().saturating_mul(share as u64).max(1);
        // A batch that was asked for is kept.
        let shares = self.batch.map_or((PRODUCTS_MAX / products).clamp(1, SHARES_MAX), |_| 1);
        self.batch.unwrap_or(0).max(share * self.threads * shares as usize)
    }

    fn score(
        &mut self,
        challenge: &Challenge,
        ids: &[NonceId],
        keep_logits: bool,
    ) -> Result<Vec<Scored>, EngineError> {
        self.load(challenge)?;
        let Some((_, model)) = self.models.last() else { return Ok(Vec::new()) };
        // Even shares, so that no thread waits long for another.
        let shares = ids.len().div_ceil(self.share(&challenge.shape)).next_multiple_of(self.threads);
        let share = ids.len().div_ceil(shares.max(1)).max(1);
        let mut scored: Vec<Option<Scored>> = vec![None; ids.len()];
        let work = Mutex::new(ids.chunks(share).zip(scored.chunks_mut(share)));
        let next = || work.lock().ok().and_then(|mut work| work.next());
        let run = |workspace: &mut Workspace| {
            while let Some((ids, scored)) = next() {
                score_share(challenge, model, workspace, ids, scored, keep_logits);
            }
        };
        // The caller's thread works too.
        let (own, others) = self.workspaces.split_first_mut().unzip();
        let has_failed = std::thread::scope(|scope| {
            let others = others.into_iter().flatten().take(ids.len().div_ceil(share).saturating_sub(1));
            let threads: Vec<_> = others.map(|workspace| scope.spawn(|| run(workspace))).collect();
            own.into_iter().for_each(&run);
            threads.into_iter().map(|thread| thread.join().is_err()).fold(false, |a, b| a | b)
        });
        if has_failed {
            return Err(EngineError::Device("a compute thread panicked".into()));
        }
        scored
            .into_iter()
            .map(|s| s.ok_or_else(|| EngineError::Device("a nonce was left out".into())))
            .collect()
    }

    fn product(&self, a: &[i32], w: &[i8], k: usize) -> Result<Vec<i32>, EngineError> {
        Ok(product_of((self.kernel, self.level), a, w, k))
    }
}
