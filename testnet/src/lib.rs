//! Local networks, the in-process chain driver, fixtures and end-to-end tests.

pub mod driver;
pub mod faults;
pub mod localnet;
