//! REST, as the Cosmos SDK's API server: every path that the services' `google.api.http` annotations name, by the handlers
//! that answer ABCI and gRPC; gRPC-web on the same address.
//!
//! The reference is grpc-gateway v1.16 as the SDK 0.50 sets it up (`server/api`): its order of matching, its reading of query
//! strings, its codes and texts.

mod cors;
pub mod openapi;
mod params;
mod request;
mod response;
mod routes;
mod server;
mod service;
mod template;

use std::net::SocketAddr;
use std::time::Duration;

pub use routes::table;
pub use server::serve;

/// How the API server runs: `[api]` of `app.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether web pages from anywhere may ask (`enabled-unsafe-cors`).
    pub cors: bool,
    /// Whether `/swagger/openapi.json` is served.
    pub swagger: bool,
    /// Whether gRPC-web is answered too.
    pub grpc_web: bool,
    /// Connections at a time; more wait.
    pub max_open_connections: usize,
    /// Time for a request to arrive, and for a connection to stay silent.
    pub read_timeout: Duration,
    /// Time in which a client must take some of its answer.
    pub write_timeout: Duration,
    /// Largest body of a request.
    pub max_body_bytes: usize,
}

impl Settings {
    /// The SDK's defaults at an address. Its `rpc-write-timeout` of 0 means no bound there and 30 seconds here.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cors: false,
            swagger: false,
            grpc_web: false,
            max_open_connections: 1000,
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            max_body_bytes: 1_000_000,
        }
    }
}
