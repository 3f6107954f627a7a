#![doc = include_str!("../README.md")]

pub mod account_key;
pub mod address;
pub mod armor;
pub mod aux_signer;
pub mod coins;
pub mod files;
pub mod grpc;
pub mod key;
pub mod keyring;
pub mod prompt;
mod query;
pub mod rpc;
pub mod sender;
pub mod sign_doc;
pub mod signers;
pub mod signing;
pub mod tx;
pub mod verify;
pub mod vrf;

pub use query::{Account, NoAccount, TxResult};
