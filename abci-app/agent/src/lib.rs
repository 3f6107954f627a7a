#![doc = include_str!("../README.md")]

mod act;
pub mod agent;
mod chain;
pub mod cli;
pub mod config;
pub mod duties;
mod epoch;
mod error;
pub mod faults;
mod init;
pub mod journal;
mod known;
pub mod leaves;
pub mod metrics;
mod mlnode;
mod observe;
mod outbox;
pub mod peer;
pub mod plan;
mod source;
pub mod status;
pub mod tls;
mod work;

pub use error::{Error, Result};
