#![doc = include_str!("../README.md")]

pub mod address;
pub mod coin;
pub mod ctx;
pub mod dec;
pub mod error;
pub mod events;
pub mod fixed;
pub mod gas;
pub mod int;
pub mod item;
pub mod module;
pub mod page;
mod signed;
pub mod state;
pub mod store;

pub use address::Address;
pub use coin::{Coin, Coins, DecCoin, DecCoins};
pub use ctx::{BlockInfo, Ctx, ExecMode};
pub use dec::Dec;
pub use error::{AbciError, QueryError, Sdk, StateError, TxError};
pub use events::Event;
pub use int::{Int, Overflow};
pub use item::{Item, Map, Pb, Raw, Text};
pub use module::{GenesisError, Module};
pub use state::State;
pub use store::{MemStore, StoreId};
