//! What a device must do: hold the weights of a challenge and score nonces, bit by bit as the reference does.
use geodesic_challenge::{Address, Hash, Scored, Shape};

/// Which weights: a shape and the key of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Shape of the network.
    pub shape: Shape,
    /// Key of the epoch.
    pub epoch_key: Hash,
}

/// One nonce of one node of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceId {
    /// The participant.
    pub participant: Address,
    /// Its number of the node.
    pub node_id: u32,
    /// The nonce.
    pub nonce: u64,
}

/// Why an engine gives no result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The shape needs more memory than the engine may use.
    #[error("shape needs {need} bytes of memory, at most {limit} may be used (--max-memory-mib)")]
    Memory {
        /// Bytes needed.
        need: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The device failed.
    #[error("device failed: {0}")]
    Device(String),
}

/// A device that computes the challenge.
pub trait Engine: Send {
    /// The device, in words.
    fn device(&self) -> String;

    /// Makes the weights of `challenge` ready; true if they were already.
    ///
    /// # Errors
    /// [`EngineError::Memory`] before anything is allocated; [`EngineError::Device`].
    fn load(&mut self, challenge: &Challenge) -> Result<bool, EngineError>;

    /// Challenge loaded last.
    fn loaded(&self) -> Option<&Challenge>;

    /// Nonces that one call of [`Engine::score`] computes well for `shape`.
    fn batch(&self, shape: &Shape) -> usize;

    /// Scores nonces, in order. Loads the challenge if need be; logits are empty unless `keep_logits`.
    ///
    /// # Errors
    /// As [`Engine::load`].
    fn score(
        &mut self,
        challenge: &Challenge,
        ids: &[NonceId],
        keep_logits: bool,
    ) -> Result<Vec<Scored>, EngineError>;

    /// `a W^T` by the kernel that [`Engine::score`] uses, for rows of `k` values: the self-test multiplies extremes.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn product(&self, a: &[i32], w: &[i8], k: usize) -> Result<Vec<i32>, EngineError>;
}
