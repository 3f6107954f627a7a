//! What is wrong with an argument, or with a nonce.

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A value is out of its range, or of the wrong kind.
    #[error("{name} is {got}, expected {expected}")]
    Value {
        /// What.
        name: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        expected: String,
    },
    /// More memory is needed than may be used.
    #[error("shape needs {need} bytes of memory, at most {limit} may be used (--max-memory-mib)")]
    Memory {
        /// Bytes needed.
        need: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A nonce whose logits hold NaN or infinity, or are all zero: it has no distance.
    #[error("logits have no direction: {0}")]
    NoDirection(&'static str),
    /// A thread that computed ended early.
    #[error("a compute thread panicked")]
    Thread,
}

impl Error {
    pub(crate) fn value(name: &'static str, got: impl ToString, expected: impl ToString) -> Self {
        Self::Value { name, got: got.to_string(), expected: expected.to_string() }
    }

    /// An error unless `got` is `expected`.
    pub(crate) fn unless_equal<T: PartialEq + std::fmt::Debug>(
        name: &'static str,
        got: &T,
        expected: &T,
    ) -> Result<(), Self> {
        if got == expected {
            return Ok(());
        }
        Err(Self::value(name, format!("{got:?}"), format!("{expected:?}")))
    }
}
