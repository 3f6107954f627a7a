//! The engine on a device: which weights and buffers it holds, and batches of which the host hashes one while the device
//! computes the next.
use std::thread::available_parallelism;

use geodesic_challenge::{Distance, Hash, Leaf, Scored, Shape, nonce_hash};
use sha2::{Digest, Sha256};

use super::device::{Device, Fault, Product};
use super::network::{Model, SEED_BYTES, Work, seed};
use super::plan::{SLOTS, Sizes, padded};
use crate::engine::{Challenge, Engine, EngineError, NonceId};

/// Weights kept: those of an epoch being audited and of the next one being generated.
const MODELS_MAX: usize = 2;
/// Integers of the widest product that a batch aims at: large enough for the tensor cores, half a GiB.
const PRODUCT_TARGET: usize = 1 << 27;
/// Rows of a product, whatever its width.
const ROWS_MIN: usize = 2048;
const ROWS_MAX: usize = 65_536;
/// Nonces of a batch; they are a dimension of a grid, which has 16 bits.
const CAPACITY_MAX: usize = 32_768;
/// Bytes of logits that are worth a thread of their own to hash.
const HASH_PART: usize = 1 << 20;
/// Threads that hash; beyond, memory is what limits.
const HASH_THREADS_MAX: usize = 16;

/// An engine on one device.
pub(crate) struct Gpu<D: Device> {
    // Fields are dropped in this order: memory before its device.
    work: Option<(Sizes, Work<D>)>,
    /// Most recently used last.
    models: Vec<(Challenge, Sizes, Model<D::Memory>)>,
    batch: Option<usize>,
    max_memory: Option<u64>,
    device: D,
}

impl From<Fault> for EngineError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::OutOfMemory => Self::Device("out of memory".into()),
            Fault::Failed(reason) => Self::Device(reason),
        }
    }
}

impl<D: Device> Gpu<D> {
    /// An engine on `device` that computes `batch` nonces a call, or as many as suit the shape, and uses at most
    /// `max_memory` bytes, or what is free.
    pub(crate) fn on(device: D, batch: Option<usize>, max_memory: Option<u64>) -> Self {
        Self { work: None, models: Vec::new(), batch, max_memory, device }
    }

    /// Nonces of a batch, as far as memory does not matter.
    fn wanted(&self, sizes: &Sizes) -> usize {
        let widest = (3 * sizes.d).max(2 * sizes.f).max(1);
        let rows = (PRODUCT_TARGET / widest).clamp(ROWS_MIN, ROWS_MAX);
        let wanted = self.batch.map_or(rows / sizes.seq, |batch| batch.div_ceil(SLOTS));
        wanted.clamp(1, CAPACITY_MAX)
    }

    fn limit(&self) -> u64 {
        self.max_memory.unwrap_or(u64::MAX)
    }

    /// Bytes of the weights held.
    fn held(&self) -> u64 {
        self.models.iter().map(|(_, sizes, _)| sizes.weight_bytes()).fold(0, u64::saturating_add)
    }

    /// The error of a shape that does not fit, whatever is dropped.
    fn too_large(&self, sizes: &Sizes) -> EngineError {
        let need = sizes.weight_bytes().saturating_add(sizes.buffers(1).bytes());
        let limit = self.device.free_bytes().unwrap_or(0).min(self.limit());
        EngineError::Memory { need, limit }
    }

    /// Drops the weights used least recently; false if only those of `kept` are left.
    fn drop_oldest(&mut self, kept: usize) -> bool {
        let can = self.models.len() > kept;
        if can {
            self.models.remove(0);
        }
        can
    }

    /// Generates weights, dropping older ones and other buffers until they fit.
    fn model(&mut self, challenge: &Challenge, sizes: Sizes) -> Result<Model<D::Memory>, EngineError> {
        if self.work.as_ref().is_some_and(|(of, _)| *of != sizes) {
            self.work = None;
        }
        let need = sizes.weight_bytes().saturating_add(sizes.buffers(1).bytes());
        while self.models.len() >= MODELS_MAX || self.held().saturating_add(need) > self.limit() {
            if !self.drop_oldest(0) {
                return Err(self.too_large(&sizes));
            }
        }
        loop {
            match Model::new(&self.device, challenge.shape, sizes, &challenge.epoch_key) {
                Err(Fault::OutOfMemory) if self.drop_oldest(0) || self.work.take().is_some() => {}
                Err(Fault::OutOfMemory) => return Err(self.too_large(&sizes)),
                result => return Ok(result?),
            }
        }
    }

    /// Buffers for the weights loaded last, for batches of at most `capacity` nonces; halved until they fit.
    fn make_work(&mut self, sizes: Sizes, mut capacity: usize) -> Result<(), EngineError> {
        self.work = None;
        loop {
            let bytes = sizes.buffers(capacity).bytes();
            let is_over = self.held().saturating_add(bytes) > self.limit();
            let made =
                if is_over { Err(Fault::OutOfMemory) } else { Work::new(&self.device, &sizes, capacity) };
            match made {
                Err(Fault::OutOfMemory) if capacity > 1 => capacity /= 2,
                Err(Fault::OutOfMemory) if self.drop_oldest(1) => {}
                Err(Fault::OutOfMemory) => {
                    self.models.clear();
                    return Err(self.too_large(&sizes));
                }
                result => {
                    self.work = Some((sizes, result?));
                    return Ok(());
                }
            }
        }
    }

    /// Scores with the weights loaded last.
    fn run(&mut self, challenge: &Challenge, ids: &[NonceId], keep: bool) -> Result<Vec<Scored>, Fault> {
        let (Some((_, _, model)), Some((sizes, work))) = (self.models.last(), &mut self.work) else {
            return Err(Fault::Failed("no weights are loaded".into()));
        };
        let mut scored = Vec::with_capacity(ids.len());
        let mut before: Option<(usize, &[NonceId])> = None;
        let capacity = work.capacity;
        for (index, batch) in ids.chunks(capacity).enumerate() {
            let mut seeds = Vec::with_capacity(batch.len() * SEED_BYTES);
            for id in batch {
                let hash = nonce_hash(&challenge.epoch_key, &id.participant, id.node_id, id.nonce);
                seeds.extend_from_slice(seed(&hash));
            }
            let slot = index % SLOTS;
            model.start(&self.device, work, slot, &seeds)?;
            if let Some((slot, ids)) = before.replace((slot, batch)) {
                collect(&self.device, work, sizes, slot, ids, keep, &mut scored)?;
            }
        }
        if let Some((slot, ids)) = before {
            collect(&self.device, work, sizes, slot, ids, keep, &mut scored)?;
        }
        Ok(scored)
    }
}

/// Waits for the batch in `slot`, hashes its logits, and adds what it gives.
fn collect<D: Device>(
    device: &D,
    work: &Work<D>,
    sizes: &Sizes,
    slot: usize,
    ids: &[NonceId],
    keep: bool,
    scored: &mut Vec<Scored>,
) -> Result<(), Fault> {
    let (logits, distances) = work.landed(device, slot)?;
    let rows =
        logits.chunks_exact(4 * padded(sizes.vocab)).map(|row| row.get(..4 * sizes.vocab).unwrap_or(row));
    let rows: Vec<&[u8]> = rows.take(ids.len()).collect();
    let (distances, _) = distances.as_chunks();
    let hashes = hash(&rows);
    let all = ids.iter().zip(&rows).zip(distances).zip(hashes);
    scored.extend(all.map(|(((id, row), distance), logits_hash)| {
        let (values, _) = row.as_chunks();
        let logits = if keep { values.iter().map(|b| i32::from_le_bytes(*b)).collect() } else { Vec::new() };
        let distance = Distance(u64::from_le_bytes(*distance));
        Scored { leaf: Leaf { nonce: id.nonce, distance, logits_hash }, logits }
    }));
    Ok(())
}

/// SHA-256 of each row, which is little-endian as it comes from the device; over threads if there is much.
fn hash(rows: &[&[u8]]) -> Vec<Hash> {
    let each = |rows: &[&[u8]]| rows.iter().map(|row| Sha256::digest(row).into()).collect::<Vec<Hash>>();
    let bytes: usize = rows.iter().map(|row| row.len()).sum();
    let threads = available_parallelism().map_or(1, usize::from).min(HASH_THREADS_MAX).min(bytes / HASH_PART);
    if threads < 2 {
        return each(rows);
    }
    let part = rows.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let parts: Vec<_> = rows.chunks(part).map(|rows| (rows, scope.spawn(move || each(rows)))).collect();
        // A thread that panicked has hashed nothing; its part is done here.
        parts.into_iter().flat_map(|(rows, thread)| thread.join().unwrap_or_else(|_| each(rows))).collect()
    })
}

/// Rows of `k` values as bytes, padded with zeros to multiples of 16 both ways.
fn packed<T: Copy + TryInto<i8>>(values: &[T], k: usize) -> Result<Vec<u8>, EngineError> {
    let rows = values.len() / k.max(1);
    let mut bytes = vec![0; padded(rows) * padded(k)];
    for (out, row) in bytes.chunks_exact_mut(padded(k)).zip(values.chunks_exact(k)) {
        for (out, value) in out.iter_mut().zip(row) {
            let value: i8 =
                (*value).try_into().map_err(|_| EngineError::Device("a value exceeds int8".into()))?;
            *out = value.cast_unsigned();
        }
    }
    Ok(bytes)
}

impl<D: Device> Engine for Gpu<D> {
    fn device(&self) -> String {
        format!("{}, int8 tensor cores", self.device.name())
    }

    fn load(&mut self, challenge: &Challenge) -> Result<bool, EngineError> {
        let Some(sizes) = Sizes::new(&challenge.shape) else {
            return Err(EngineError::Memory { need: u64::MAX, limit: self.limit() });
        };
        let at = self.models.iter().position(|(held, _, _)| held == challenge);
        let model = match at {
            Some(at) => self.models.remove(at).2,
            None => self.model(challenge, sizes)?,
        };
        self.models.push((*challenge, sizes, model));
        if self.work.as_ref().is_none_or(|(of, _)| *of != sizes) {
            let wanted = self.wanted(&sizes);
            self.make_work(sizes, wanted)?;
        }
        Ok(at.is_some())
    }

    fn loaded(&self) -> Option<&Challenge> {
        self.models.last().map(|(challenge, _, _)| challenge)
    }

    /// As many as fill the slots, so that hashing one batch and computing the next fall together.
    fn batch(&self, shape: &Shape) -> usize {
        let Some(sizes) = Sizes::new(shape) else { return 1 };
        let held = self.work.as_ref().filter(|(of, _)| *of == sizes).map(|(_, work)| work.capacity);
        self.batch.unwrap_or(usize::MAX).min(SLOTS * held.unwrap_or_else(|| self.wanted(&sizes)))
    }

    fn score(
        &mut self,
        challenge: &Challenge,
        ids: &[NonceId],
        keep_logits: bool,
    ) -> Result<Vec<Scored>, EngineError> {
        loop {
            self.load(challenge)?;
            match (self.run(challenge, ids, keep_logits), &self.work) {
                // A library may need memory of its own at its first use.
                (Err(Fault::OutOfMemory), Some((sizes, work))) if work.capacity > 1 => {
                    let (sizes, half) = (*sizes, work.capacity / 2);
                    self.device.finish()?;
                    self.make_work(sizes, half)?;
                }
                (result, _) => return Ok(result?),
            }
        }
    }

    fn product(&self, a: &[i32], w: &[i8], k: usize) -> Result<Vec<i32>, EngineError> {
        let (rows, columns) = (a.len() / k.max(1), w.len() / k.max(1));
        let uploaded = |bytes: &[u8]| {
            let (mut memory, mut landing) =
                (self.device.alloc(bytes.len())?, self.device.landing(bytes.len())?);
            self.device.upload(bytes, &mut landing, &mut memory)?;
            self.device.landed(&landing)?;
            Ok::<_, Fault>(memory)
        };
        let (a, w) = (uploaded(&packed(a, k)?)?, uploaded(&packed(w, k)?)?);
        let (wide, high) = (padded(columns), padded(rows));
        let out = self.device.alloc(4 * wide * high)?;
        let (inner, first) = (padded(k), 0);
        self.device.product(&Product { a: &a, w: &w, first, out: &out, rows: high, columns: wide, inner })?;
        let mut landing = self.device.landing(4 * wide * high)?;
        self.device.download(&out, 4 * wide * high, &mut landing)?;
        let (values, _) = self.device.landed(&landing)?.as_chunks();
        let row =
            |row: &[[u8; 4]]| row.iter().take(columns).map(|b| i32::from_le_bytes(*b)).collect::<Vec<_>>();
        Ok(values.chunks_exact(wide).take(rows).flat_map(row).collect())
    }
}
