//! The chain: ABCI server and handlers, ante chain, router, wiring and gRPC.
