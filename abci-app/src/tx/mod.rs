//! A transaction from its bytes to the moment its messages run: decoding, sign bytes, signatures, fees, ante steps.
//!
//! Order of checks, gas, events, codes and texts are those of the Cosmos SDK 0.50 (`x/auth/tx`, `x/auth/ante`), those of
//! timeouts by the clock and of unordered transactions of the SDK 0.53.
//! Nothing here knows a module's messages: [`TxMsg`] decodes them, [`AntePorts`] moves the fee.

pub mod ante;
pub mod decode;
pub mod fee;
pub mod sign;
pub mod signature;
mod timeout;
pub mod verify;

pub use ante::{Ante, AntePorts, run};
pub use decode::{MAX_TX_BYTES, Tx, TxMsg, decode, validate_messages};
pub use fee::priority;
pub use verify::Verifier;
