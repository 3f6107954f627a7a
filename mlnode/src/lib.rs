//! Compute node: engines, queue and gRPC service.
