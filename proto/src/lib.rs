//! Rust types and the descriptor pool of the Cosmos and Geodesic interfaces.
