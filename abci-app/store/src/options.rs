//! What an operator can set.

use crate::error::{Error, Result};

/// Which old heights stay readable; names and numbers as in the SDK's `app.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pruning {
    /// The last 362880 heights.
    #[default]
    Default,
    /// All heights.
    Nothing,
    /// The last 2 heights.
    Everything,
    /// The last `keep_recent` heights, looked after every `interval` heights.
    Custom {
        /// Heights kept besides the last one, at least 2.
        keep_recent: u64,
        /// Heights between two rounds, at least 10.
        interval: u64,
    },
}

impl Pruning {
    /// The setting named `strategy`; the numbers count for `custom` only.
    ///
    /// # Errors
    /// [`Error::Options`] on another name, or on numbers below their bound.
    pub fn parse(strategy: &str, keep_recent: u64, interval: u64) -> Result<Self> {
        let pruning = match strategy {
            "default" => Self::Default,
            "nothing" => Self::Nothing,
            "everything" => Self::Everything,
            "custom" => Self::Custom { keep_recent, interval },
            other => return Err(Error::Options(format!("pruning = {other:?}"))),
        };
        pruning.check()?;
        Ok(pruning)
    }

    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Custom { keep_recent: n @ ..2, .. } => {
                Err(Error::Options(format!("pruning-keep-recent = {n}, want at least 2")))
            }
            Self::Custom { interval: n @ ..10, .. } => {
                Err(Error::Options(format!("pruning-interval = {n}, want at least 10")))
            }
            _ => Ok(()),
        }
    }

    /// First height that may be read once `height` is committed, where a round is due.
    pub(crate) fn keep_from(self, height: u64) -> Option<u64> {
        let (keep_recent, interval) = match self {
            Self::Default => (362_880, 10),
            Self::Nothing => return None,
            Self::Everything => (2, 10),
            Self::Custom { keep_recent, interval } => (keep_recent, interval),
        };
        let due = height.checked_rem(interval) == Some(0);
        due.then(|| height.saturating_sub(keep_recent))
    }
}

/// Settings of a store. Memory is about the sum of the three sizes, the trees (130 bytes and a key an entry)
/// and `proof_nodes` times 60 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Heights kept.
    pub pruning: Pruning,
    /// Bytes of latest values in memory.
    pub cache_bytes: usize,
    /// Bytes of RocksDB's block cache.
    pub block_cache_bytes: usize,
    /// Bytes of RocksDB's write buffers.
    pub write_buffer_bytes: usize,
    /// Versions of the trees in memory, for proofs at recent heights; after a start it may be less at first.
    pub proof_versions: u64,
    /// Tree nodes kept only for those versions; above it the oldest go first.
    pub proof_nodes: usize,
    /// Tree writes after which a checkpoint begins, unless an eighth of all entries is more; a start replays these and
    /// those made while the checkpoint was written.
    pub checkpoint_writes: u64,
    /// Bytes of a checkpoint that one commit writes.
    pub checkpoint_bytes: usize,
    /// History entries that one commit prunes, besides as many as it makes.
    pub prune_entries: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pruning: Pruning::Default,
            cache_bytes: 64 << 20,
            block_cache_bytes: 32 << 20,
            write_buffer_bytes: 48 << 20,
            proof_versions: 100,
            proof_nodes: 1 << 20,
            checkpoint_writes: 100_000,
            checkpoint_bytes: 8 << 20,
            prune_entries: 10_000,
        }
    }
}

impl Options {
    /// Tree writes before the last height that a start replays height by height, so that proofs are there again; those
    /// before them only count for the tree that they lead to.
    pub(crate) fn replay_whole(&self) -> u64 {
        self.checkpoint_writes.div_euclid(4)
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.pruning.check()?;
        for (name, value) in [
            ("proof_versions", self.proof_versions),
            ("checkpoint_writes", self.checkpoint_writes),
            ("checkpoint_bytes", crate::codec::to_u64(self.checkpoint_bytes)),
            ("prune_entries", crate::codec::to_u64(self.prune_entries)),
        ] {
            if value == 0 {
                return Err(Error::Options(format!("{name} = 0, want at least 1")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pruning_settings_of_an_operator() {
        for (name, strategy, keep, interval, height, want) in [
            ("default keeps three weeks", "default", 0, 0, 400_000, Ok(Some(37_120))),
            ("between rounds", "default", 0, 0, 400_001, Ok(None)),
            ("nothing is pruned", "nothing", 0, 0, 400_000, Ok(None)),
            ("everything keeps two", "everything", 0, 0, 50, Ok(Some(48))),
            ("custom", "custom", 7, 25, 50, Ok(Some(43))),
            ("young chain", "custom", 70, 25, 50, Ok(Some(0))),
            ("too few", "custom", 1, 25, 50, Err("pruning-keep-recent = 1, want at least 2")),
            ("too often", "custom", 2, 9, 50, Err("pruning-interval = 9, want at least 10")),
            ("typo", "all", 2, 10, 50, Err("pruning = \"all\"")),
        ] {
            let got = Pruning::parse(strategy, keep, interval).map(|p| p.keep_from(height));
            assert_eq!(got, want.map_err(|text: &str| Error::Options(text.into())), "{name}");
        }
    }
}
