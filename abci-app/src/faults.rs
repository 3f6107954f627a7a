//! Deliberate misbehaviour of a node, for tests of the others: feature `faults`, never in a release.

use geodesic_core::address::hash20;

#[cfg(not(debug_assertions))]
compile_error!("the feature `faults` is for tests alone and is never built for a release");

/// In place of the proof, by height in turn: bytes that are no proof but as long as one, bytes that are no length of a proof,
/// more than a vote may carry, and nothing.
pub(crate) fn extension(height: u64, proof: Vec<u8>) -> Vec<u8> {
    let noise = hash20(&proof);
    let length = match height % 4 {
        0 => proof.len(),
        1 => 7,
        2 => geodesic_seeds::EXTENSION_MAX.saturating_add(1),
        _ => 0,
    };
    noise.into_iter().cycle().take(length).collect()
}
