//! Leaves between agents: what auditors ask of provers, over mutual TLS with pinned keys ([`crate::tls`]).
//!
//! The server gives exactly the leaves that an auditor drew, and nothing to anybody else: the caller shows the VRF output
//! that selects its samples, with a proof, or names an output that a verdict has made public.

pub mod client;
pub mod limits;
pub mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use geodesic_challenge::{Address, Hash, Leaf, Path, Position, RTarget};

pub use client::{Checked, FetchError, Served, Wrong, check, fetch};
pub use limits::Limits;
pub use server::serve;

use crate::duties::{Draw, Prover};

/// Most samples in one request.
pub const POSITIONS_MAX: usize = 256;
/// Most bytes of a request: 256 numbers of 5 bytes, and less than 300 bytes of the rest.
pub const REQUEST_MAX: usize = 4 << 10;
/// Most bytes of an answer: 256 openings with 64 siblings of some 50 bytes each.
pub const RESPONSE_MAX: usize = 1 << 20;
/// Most bytes of the headers of a request or an answer.
pub(crate) const HEADERS_MAX: u32 = 8 << 10;

/// A validator with power at X.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auditor {
    /// Its power.
    pub power: u64,
    /// Its VRF key, 32 bytes; empty if it has none.
    pub vrf_key: Vec<u8>,
    /// Hash of its agent's certificate key; `None` if it has no agent.
    pub certificate: Option<Hash>,
}

/// What the chain says about an epoch after its draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The draw.
    pub draw: Draw,
    /// The participant that this agent serves, with its commitment; no nodes if it has none.
    pub prover: Prover,
    /// Distance below which a nonce is a hit.
    pub r_target: RTarget,
    /// Everyone with power at X.
    pub auditors: BTreeMap<Address, Auditor>,
}

/// Where the server takes its answers from. Called on threads that may block.
pub trait Source: Send + Sync + 'static {
    /// What is known of an epoch; `None` before its draw is known here, or after it was forgotten.
    fn drawn(&self, epoch: u64) -> Option<Arc<Drawn>>;

    /// The VRF output in the auditor's verdict on chain; `None` while there is no verdict.
    fn published_output(&self, epoch: u64, auditor: &Address) -> Option<[u8; 64]>;

    /// The leaf at a position among the first `count` leaves of a node, with its path.
    ///
    /// # Errors
    /// Whatever keeps it from being read; peers are not told what.
    fn leaf(&self, epoch: u64, node_id: u32, count: u64, position: Position) -> crate::Result<(Leaf, Path)>;
}
