//! `mlnode`: serves challenge compute over gRPC.
fn main() {}
