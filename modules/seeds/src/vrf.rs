//! The suite vrf-r255 (C2SP; RFC 9381 over ristretto255) and what is proven with it.

use geodesic_challenge::chain_tag;

/// Output of a proof.
pub type Output = [u8; 64];

/// Bytes of a proof.
pub(crate) const PROOF_LEN: usize = 80;

/// A vote extension may be this long; CometBFT does not ask about late precommits, so a bound is all that is checked.
pub const EXTENSION_MAX: usize = 256;

/// What the vote extension of `height` proves: `tag("vrf", chain_id, be64(height), beacon(height - 1))`.
pub fn extension_input(chain_id: &str, height: u64, beacon_before: &[u8]) -> [u8; 32] {
    chain_tag("vrf", &[chain_id.as_bytes(), &height.to_be_bytes(), beacon_before])
}

/// What a proof of possession proves: `tag("vrf-key", chain_id, operator)`.
pub fn possession_input(chain_id: &str, operator: &[u8]) -> [u8; 32] {
    chain_tag("vrf-key", &[chain_id.as_bytes(), operator])
}

/// The output of a proof by `key` over `input`; `None` if key, proof or both are malformed or do not fit.
pub fn verify(key: &[u8], input: &[u8], proof: &[u8]) -> Option<Output> {
    let key = vrf_r255::PublicKey::from_bytes(key.try_into().ok()?)?;
    let proof = vrf_r255::Proof::from_bytes(proof.try_into().ok()?)?;
    key.verify(input, &proof).into()
}
