//! Profile `pow2-f16` on a chain: challenges by epoch key, leaves of nonces.
use geodesic_challenge::{Address, Distance, FloatShape, Hash, Leaf, Scored, logits_hash};

use super::engine::{self, Engine};
use super::error::Error;
use super::seeds::InputType;
use super::selftest::selftest;
use super::shape::Shape;
use crate::engine::{EngineError, NonceId};

/// Weights kept: those of an epoch being audited and of the next one being generated.
const ENGINES_MAX: usize = 2;

/// Which weights: a shape and the key of an epoch, whose hex is the block hash of the published scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatChallenge {
    /// Shape of the network.
    pub shape: FloatShape,
    /// Key of the epoch.
    pub epoch_key: Hash,
}

/// The public key in the seeds of a participant's node: hex participant, `/`, number of the node.
pub fn public_key(participant: &Address, node_id: u32) -> String {
    format!("{}/{node_id}", hex::encode(participant))
}

/// A distance in units of 2^-32, rounded to f32 first; 2^33, the farthest point, for a nonce that has none.
///
/// # Errors
/// Anything but [`Error::NoDirection`].
pub fn units(distance: Result<f64, Error>) -> Result<Distance, Error> {
    const ONE: f64 = 4_294_967_296.0;
    match distance {
        Ok(distance) => Ok(Distance((f64::from(distance as f32) * ONE).round() as u64).min(Distance::MAX)),
        Err(Error::NoDirection(_)) => Ok(Distance::MAX),
        Err(error) => Err(error),
    }
}

/// Engine of profile `pow2-f16` for the challenges of a chain.
#[derive(Debug)]
pub struct FloatEngine {
    threads: usize,
    batch: Option<usize>,
    max_memory: u64,
    tested: bool,
    /// Most recently used last.
    engines: Vec<(FloatChallenge, Engine)>,
}

fn failed(error: Error) -> EngineError {
    match error {
        Error::Memory { need, limit } => EngineError::Memory { need, limit },
        error => EngineError::Device(error.to_string()),
    }
}

impl FloatEngine {
    /// An engine with `threads` threads that may use `max_memory` bytes; `batch` nonces a call, or as many as suit the shape.
    pub fn new(threads: usize, batch: Option<usize>, max_memory: u64) -> Self {
        Self { threads: threads.max(1), batch, max_memory, tested: false, engines: Vec::new() }
    }

    /// Makes the weights of `challenge` ready; true if they were already. Before the first weights it passes its self-test.
    ///
    /// # Errors
    /// [`EngineError::Memory`] before anything is allocated; [`EngineError::Device`] if the self-test fails.
    pub fn load(&mut self, challenge: &FloatChallenge) -> Result<bool, EngineError> {
        if let Some(at) = self.engines.iter().position(|(c, _)| c == challenge) {
            let used = self.engines.remove(at);
            self.engines.push(used);
            return Ok(true);
        }
        if !self.tested {
            selftest(self.threads).map_err(failed)?;
            self.tested = true;
        }
        let shape = Shape::from(challenge.shape);
        let held = |engines: &[(FloatChallenge, Engine)]| -> u64 {
            engines.iter().map(|(_, e)| e.model().shape().weight_bytes()).fold(0, u64::saturating_add)
        };
        let need =
            shape.weight_bytes().saturating_add(shape.nonce_bytes().saturating_mul(self.threads as u64));
        while !self.engines.is_empty()
            && (self.engines.len() >= ENGINES_MAX
                || held(&self.engines).saturating_add(need) > self.max_memory)
        {
            self.engines.remove(0);
        }
        let left = self.max_memory.saturating_sub(held(&self.engines));
        let hash = hex::encode(challenge.epoch_key);
        let engine = Engine::new(shape, &hash, self.threads, left, &mut |_| ()).map_err(failed)?;
        self.engines.push((*challenge, engine));
        Ok(false)
    }

    /// Nonces that one call of [`FloatEngine::score`] computes well; 1 before the challenge is loaded.
    pub fn batch(&self, challenge: &FloatChallenge) -> usize {
        let loaded = self.engines.iter().find(|(c, _)| c == challenge);
        loaded.map_or(1, |(_, engine)| self.batch.unwrap_or_else(|| engine.batch()))
    }

    /// Scores nonces, in order. Loads the challenge if need be; logits, which are the bits of their f32, are empty unless
    /// `keep_logits`. A nonce without a distance has the farthest there is.
    ///
    /// # Errors
    /// As [`FloatEngine::load`].
    pub fn score(
        &mut self,
        challenge: &FloatChallenge,
        ids: &[NonceId],
        keep_logits: bool,
    ) -> Result<Vec<Scored>, EngineError> {
        self.load(challenge)?;
        let Some((_, engine)) = self.engines.last() else { return Ok(Vec::new()) };
        let mut all = Vec::with_capacity(ids.len());
        for of_node in ids.chunk_by(|a, b| (a.participant, a.node_id) == (b.participant, b.node_id)) {
            let Some(first) = of_node.first() else { continue };
            let key = public_key(&first.participant, first.node_id);
            let nonces: Vec<u64> = of_node.iter().map(|id| id.nonce).collect();
            for scored in engine.score(&key, &nonces, InputType::F16).map_err(failed)? {
                all.push(leaf(scored, keep_logits).map_err(failed)?);
            }
        }
        Ok(all)
    }
}

fn leaf(scored: engine::Scored, keep_logits: bool) -> Result<Scored, Error> {
    let bits: Vec<i32> = scored.logits.iter().map(|x| x.to_bits().cast_signed()).collect();
    let leaf =
        Leaf { nonce: scored.nonce, distance: units(scored.distance)?, logits_hash: logits_hash(&bits) };
    Ok(Scored { leaf, logits: if keep_logits { bits } else { Vec::new() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_rounded_to_f32_and_then_to_units() {
        let of = |distance| units(distance).map(|d| d.0);
        for (name, distance, want) in [
            ("zero", Ok(0.0), 0),
            ("one", Ok(1.0), 1 << 32),
            ("two", Ok(2.0), 1 << 33),
            ("a hair above two", Ok(2.000_000_1), 1 << 33),
            ("the nearest f32 of 1.3 is 10905190 / 2^23", Ok(1.3), 10_905_190 << 9),
            ("no direction", Err(Error::NoDirection("NaN or infinity")), 1 << 33),
        ] {
            assert_eq!(of(distance), Ok(want), "{name}");
        }
        assert_eq!(of(Err(Error::Thread)), Err(Error::Thread));
    }

    #[test]
    fn a_nonce_without_direction_is_a_leaf_that_is_no_hit() {
        let logits = vec![f32::NAN, 1.0];
        let distance = Err(Error::NoDirection("NaN or infinity"));
        let scored = leaf(engine::Scored { nonce: 3, logits: logits.clone(), distance }, true).unwrap();
        assert_eq!((scored.leaf.nonce, scored.leaf.distance), (3, Distance::MAX));
        let bytes: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(geodesic_challenge::logits_bytes(&scored.logits), bytes, "little-endian f32");
    }

    #[test]
    fn the_public_key_names_participant_and_node() {
        assert_eq!(public_key(&[0xab; 20], 7), format!("{}/7", "ab".repeat(20)));
    }
}
