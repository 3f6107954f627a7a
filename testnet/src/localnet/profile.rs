//! What a local network computes.

/// Profile of the challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Profile {
    /// Integers, the same bits on every device
    #[default]
    Exact,
    /// The published PoW 2.0 scheme in floats, for comparison (docs/challenge.md)
    #[value(name = "pow2-f16")]
    Pow2F16,
}

/// What differs from the default genesis: the shape; honest devices within 2^-16, one bad hit in 2000, one honest prover in ten
/// million called invalid; samples enough to see a tenth of fakes.
const POW2_F16: [&str; 6] = [
    "pow.shape",
    r#"{"name":"local","judge_blocks":"2","pow2_f16":{}}"#,
    "pow.params.pow2_f16",
    r#"{"eps":"65536","p0":{"num":1,"den":2000},"alpha":{"num":1,"den":10000000}}"#,
    "pow.params.samples_per_prover",
    "384",
];

impl Profile {
    /// Paths and values for `geod genesis set`.
    pub fn settings(self) -> Vec<String> {
        match self {
            Self::Exact => Vec::new(),
            Self::Pow2F16 => POW2_F16.map(str::to_owned).into(),
        }
    }
}
