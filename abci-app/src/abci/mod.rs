//! ABCI 2.0 (CometBFT v0.38) over a socket: our own server for a [`tendermint_abci::Application`], a small client
//! and a checker of the order of calls.
//!
//! Wire: each message is `uvarint(length) | protobuf Request or Response`; replies come in the order of the requests
//! and are due when the peer asks `Flush`. Source: CometBFT's `abci/client/socket_client.go` and `libs/protoio`.
//!
//! Differs from `tendermint_abci::Server`: unix sockets; `TCP_NODELAY` and one write per `Flush` (there a call over TCP
//! costs 42 to 46 ms); frames are bounded and decoded once; a panic ends the process (there it leaves a poisoned lock).

pub mod client;
mod dispatch;
mod fatal;
mod frame;
pub mod grammar;
mod net;
mod server;

pub use fatal::{EXIT_CODE, Fatal, Halted};
pub use frame::{FrameError, Framed};
pub use net::{Address, BindError, Stream};
pub use server::{Limits, Server, ServerHandle};
