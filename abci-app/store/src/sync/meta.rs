//! What a snapshot is called and what its chunks hash to, as the Cosmos SDK encodes it.

use prost::Message;

use super::format::HEIGHT_MAX;
use crate::codec::to_u64;
use crate::error::{Error, Result};
use crate::hash::{Hash, sha256};

/// Bytes of each chunk but the last, as in the SDK. Part of the format: nodes that cut otherwise make other snapshots.
pub const CHUNK_BYTES: usize = 10_000_000;

/// Longest chunk that is taken; CometBFT sends none above 16 MB.
pub const CHUNK_MAX: usize = 16_000_000;

/// Most chunks of a snapshot, which is CometBFT's own bound.
pub const CHUNKS_MAX: u32 = 100_000;

/// Longest metadata: what CometBFT sends in a message.
pub(crate) const METADATA_MAX: usize = 4_000_000;

/// `cosmos.store.snapshots.v1.Metadata`
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(bytes = "vec", repeated, tag = "1")]
    chunk_hashes: Vec<Vec<u8>>,
}

/// `cosmos.store.snapshots.v1.Snapshot`
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(uint64, tag = "1")]
    height: u64,
    #[prost(uint32, tag = "2")]
    format: u32,
    #[prost(uint32, tag = "3")]
    chunks: u32,
    #[prost(bytes = "vec", tag = "4")]
    hash: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Height of the state.
    pub height: u64,
    /// Format of the bytes.
    pub format: u32,
    /// SHA-256 of all bytes.
    pub hash: Hash,
    /// SHA-256 of each chunk.
    pub chunk_hashes: Vec<Hash>,
}

fn hash_of(what: &str, bytes: &[u8]) -> Result<Hash> {
    bytes.try_into().map_err(|_| Error::Snapshot(format!("{what} has {} bytes, not 32", bytes.len())))
}

impl Meta {
    /// Number of chunks.
    pub fn chunks(&self) -> u32 {
        u32::try_from(self.chunk_hashes.len()).unwrap_or(u32::MAX)
    }

    /// Whether `bytes` are the chunk of this index.
    pub fn is_chunk(&self, index: u32, bytes: &[u8]) -> bool {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.chunk_hashes.get(index).is_some_and(|hash| sha256(bytes) == *hash)
    }

    /// The metadata that travels with a snapshot of CometBFT's: the hashes of the chunks.
    pub fn metadata(&self) -> Vec<u8> {
        self.wire().metadata.unwrap_or_default().encode_to_vec()
    }

    /// A snapshot as CometBFT names it.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if the numbers are out of bounds or the metadata does not fit them.
    pub fn from_parts(height: u64, format: u32, chunks: u32, hash: &[u8], metadata: &[u8]) -> Result<Self> {
        if height == 0 || height > HEIGHT_MAX {
            return Err(Error::Snapshot(format!("height {height}, heights are 1 to {HEIGHT_MAX}")));
        }
        if chunks == 0 || chunks > CHUNKS_MAX {
            return Err(Error::Snapshot(format!("{chunks} chunks, 1 to {CHUNKS_MAX} are allowed")));
        }
        if metadata.len() > METADATA_MAX {
            let len = metadata.len();
            return Err(Error::Snapshot(format!(
                "{len} bytes of metadata, at most {METADATA_MAX} are allowed"
            )));
        }
        let decoded = Metadata::decode(metadata);
        let Ok(Metadata { chunk_hashes: hashes }) = decoded else {
            return Err(Error::Snapshot("its metadata does not decode".to_owned()));
        };
        if to_u64(hashes.len()) != u64::from(chunks) {
            return Err(Error::Snapshot(format!("hashes of {} chunks for {chunks} chunks", hashes.len())));
        }
        let chunk_hashes = hashes.iter().map(|h| hash_of("the hash of a chunk", h)).collect::<Result<_>>()?;
        Ok(Self { height, format, hash: hash_of("its hash", hash)?, chunk_hashes })
    }

    fn wire(&self) -> Wire {
        let chunk_hashes = self.chunk_hashes.iter().map(|hash| hash.to_vec()).collect();
        Wire {
            height: self.height,
            format: self.format,
            chunks: self.chunks(),
            hash: self.hash.to_vec(),
            metadata: Some(Metadata { chunk_hashes }),
        }
    }

    /// All of it, as it stands on disk and in archives.
    pub fn encode(&self) -> Vec<u8> {
        self.wire().encode_to_vec()
    }

    /// What [`Meta::encode`] wrote.
    ///
    /// # Errors
    /// As [`Meta::from_parts`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > METADATA_MAX.saturating_add(1024) {
            return Err(Error::Snapshot(format!("its description has {} bytes", bytes.len())));
        }
        let wire = Wire::decode(bytes);
        let wire = wire.map_err(|_| Error::Snapshot("its description does not decode".to_owned()))?;
        let metadata = wire.metadata.unwrap_or_default().encode_to_vec();
        Self::from_parts(wire.height, wire.format, wire.chunks, &wire.hash, &metadata)
    }
}
