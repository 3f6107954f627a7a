#![doc = include_str!("../README.md")]

pub mod abci;
mod app;
mod beacon;
mod block;
mod config;
mod connection;
mod convert;
mod deliver;
pub mod export;
#[cfg(feature = "faults")]
pub mod faults;
mod foreign;
mod genesis;
pub mod grpc;
mod info;
mod mempool;
pub mod metrics;
pub mod node;
mod penalties;
mod proposal;
pub mod query;
pub mod rest;
pub mod router;
mod services;
pub mod state_sync;
pub mod tx;
mod wiring;

pub use app::App;
pub use config::{AppConfig, SnapshotConfig};
pub use wiring::WIRING;
