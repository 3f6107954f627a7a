//! The suite vrf-r255 (C2SP; RFC 9381 over ristretto255) and what is proven with it.

use sha2::{Digest, Sha256};

/// Output of a proof.
pub type Output = [u8; 64];

/// Bytes of a proof.
pub(crate) const PROOF_LEN: usize = 80;

/// A vote extension may be this long; CometBFT does not ask about late precommits, so a bound is all that is checked.
pub const EXTENSION_MAX: usize = 256;

/// `tag(name, x...) = SHA-256("geodesic/chain/1/" || name || 0x00 || x...)`.
pub(crate) fn tag(name: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"geodesic/chain/1/");
    hash.update(name.as_bytes());
    hash.update([0]);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// What the vote extension of `height` proves: `tag("vrf", chain_id, be64(height), beacon(height - 1))`.
pub fn extension_input(chain_id: &str, height: u64, beacon_before: &[u8]) -> [u8; 32] {
    tag("vrf", &[chain_id.as_bytes(), &height.to_be_bytes(), beacon_before])
}

/// What a proof of possession proves: `tag("vrf-key", chain_id, operator)`.
pub fn possession_input(chain_id: &str, operator: &[u8]) -> [u8; 32] {
    tag("vrf-key", &[chain_id.as_bytes(), operator])
}

/// The output of a proof by `key` over `input`; `None` if key, proof or both are malformed or do not fit.
pub fn verify(key: &[u8], input: &[u8], proof: &[u8]) -> Option<Output> {
    let key = vrf_r255::PublicKey::from_bytes(key.try_into().ok()?)?;
    let proof = vrf_r255::Proof::from_bytes(proof.try_into().ok()?)?;
    key.verify(input, &proof).into()
}
