//! What a job computes, by its profile, and the device that computes it: `exact` by an [`Engine`], `pow2-f16` in floats.
use geodesic_challenge::{Hash, Scored};

use crate::engine::{self, Engine, EngineError, NonceId};
use crate::pow2::{FloatChallenge, FloatEngine, Shape};

/// Which weights: a profile, a shape of it, and the key of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Profile `exact`.
    Exact(engine::Challenge),
    /// Profile `pow2-f16`.
    Float(FloatChallenge),
}

impl Challenge {
    /// Key of the epoch.
    pub(crate) fn epoch_key(&self) -> Hash {
        match self {
            Self::Exact(c) => c.epoch_key,
            Self::Float(c) => c.epoch_key,
        }
    }

    /// Outputs of the network.
    pub(crate) fn vocab(&self) -> u32 {
        match self {
            Self::Exact(c) => c.shape.vocab,
            Self::Float(c) => c.shape.vocab,
        }
    }

    /// Weights of the network.
    pub(crate) fn weights(&self) -> u64 {
        match self {
            Self::Exact(c) => c.shape.weights(),
            Self::Float(c) => Shape::from(c.shape).total(),
        }
    }

    /// Name of the profile, and of the shape if it is built in.
    pub(crate) fn names(&self) -> (&'static str, &'static str) {
        let (profile, shape) = match self {
            Self::Exact(c) => ("exact", c.shape.name()),
            Self::Float(c) => ("pow2-f16", c.shape.name()),
        };
        (profile, shape.unwrap_or("custom"))
    }
}

/// An engine for each profile. A network has one profile, so only one of them holds weights.
pub(crate) struct Device {
    exact: Box<dyn Engine>,
    float: FloatEngine,
    loaded: Option<Challenge>,
}

impl Device {
    pub(crate) fn new(exact: Box<dyn Engine>, float: FloatEngine) -> Self {
        Self { exact, float, loaded: None }
    }

    /// See [`Engine::load`].
    pub(crate) fn load(&mut self, challenge: &Challenge) -> Result<bool, EngineError> {
        let already = match challenge {
            Challenge::Exact(c) => self.exact.load(c)?,
            Challenge::Float(c) => self.float.load(c)?,
        };
        self.loaded = Some(*challenge);
        Ok(already)
    }

    /// See [`Engine::loaded`].
    pub(crate) fn loaded(&self) -> Option<&Challenge> {
        self.loaded.as_ref()
    }

    /// See [`Engine::batch`].
    pub(crate) fn batch(&self, challenge: &Challenge) -> usize {
        match challenge {
            Challenge::Exact(c) => self.exact.batch(&c.shape),
            Challenge::Float(c) => self.float.batch(c),
        }
    }

    /// See [`Engine::score`]. Logits of profile `pow2-f16` are the bits of their f32, so that their bytes and hashes are
    /// made alike.
    pub(crate) fn score(
        &mut self,
        challenge: &Challenge,
        ids: &[NonceId],
        keep_logits: bool,
    ) -> Result<Vec<Scored>, EngineError> {
        match challenge {
            Challenge::Exact(c) => self.exact.score(c, ids, keep_logits),
            Challenge::Float(c) => self.float.score(c, ids, keep_logits),
        }
    }
}
