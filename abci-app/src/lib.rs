//! The chain: ABCI server and handlers, ante chain, router, wiring and gRPC.

pub mod abci;
pub mod tx;
