//! RocksDB with IAVL-compatible trees, versions, proofs and pruning.
