//! Transactions against vectors of the Cosmos SDK, against tables of its rules, and against hostile bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod ante;
mod aux_signers;
mod decode;
mod limits;
mod multisig;
mod simulate;
mod support;
mod unordered;
mod vectors;
