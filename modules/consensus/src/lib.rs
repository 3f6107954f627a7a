//! Consensus parameters.
