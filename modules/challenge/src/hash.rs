//! Tagged hashes: what separates one use of SHA-256 from every other.
use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];
/// The 20 bytes of an account.
pub type Address = [u8; 20];

/// Longest chain id, in bytes, that fits the length byte of [`epoch_key`].
pub const CHAIN_ID_MAX: usize = 255;

/// A chain id of more than [`CHAIN_ID_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainIdTooLong(
    /// Its length in bytes.
    pub usize,
);

impl std::fmt::Display for ChainIdTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "chain id has {} bytes, at most {CHAIN_ID_MAX} are allowed", self.0)
    }
}

impl std::error::Error for ChainIdTooLong {}

/// `SHA-256(prefix || name || 0x00 || parts...)`.
pub(crate) fn prefixed(prefix: &str, name: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(prefix);
    hasher.update(name);
    hasher.update([0]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// `SHA-256("geodesic/exact/1/" || name || 0x00 || parts...)`: hashes of the puzzle itself.
pub fn tag(name: &str, parts: &[&[u8]]) -> Hash {
    prefixed("geodesic/exact/1/", name, parts)
}

/// `SHA-256("geodesic/chain/1/" || name || 0x00 || parts...)`: hashes of the chain around the puzzle.
pub fn chain_tag(name: &str, parts: &[&[u8]]) -> Hash {
    prefixed("geodesic/chain/1/", name, parts)
}

/// First eight bytes of a hash, big-endian.
pub(crate) fn first_u64(hash: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Key of an epoch: `tag("epoch", u8(len chain_id) || chain_id || be64(epoch) || beacon || shape_hash)`.
///
/// # Errors
/// [`ChainIdTooLong`] above 255 bytes.
pub fn epoch_key(
    chain_id: &str,
    epoch: u64,
    beacon: &Hash,
    shape_hash: &Hash,
) -> Result<Hash, ChainIdTooLong> {
    let len = u8::try_from(chain_id.len()).map_err(|_| ChainIdTooLong(chain_id.len()))?;
    Ok(tag("epoch", &[&[len], chain_id.as_bytes(), &epoch.to_be_bytes(), beacon, shape_hash]))
}

/// Seed of a nonce: `tag("nonce", epoch_key || participant || be32(node_id) || be64(nonce))`.
pub fn nonce_hash(epoch_key: &Hash, participant: &Address, node_id: u32, nonce: u64) -> Hash {
    tag("nonce", &[epoch_key, participant, &node_id.to_be_bytes(), &nonce.to_be_bytes()])
}
