//! A network of applications in one process, without CometBFT: the driver plays its part.
//!
//! [`Net`] makes blocks the way CometBFT 0.38 does: a proposer prepares, all others process, everyone extends its vote and
//! looks at the others' extensions, then all execute and commit, and their answers must be equal to the last byte. It
//! keeps validator sets by the rule that updates of height H hold from H + 2, and refuses what CometBFT would refuse.
//! Applications are dropped and opened again from their disks at chosen points, and caught up as CometBFT's handshake
//! does it.
//!
//! [`Guild`] is the operators on such a network: a synchronous model of the agent, with honest and cheating habits.

mod fork;
mod genesis;
mod guild;
mod invariants;
mod keys;
mod mempool;
mod net;
mod node;
mod sets;

pub use genesis::{Spec, create_validator, genesis_request, micro};
pub use guild::{Guild, Habits, Sent, Serves};
pub use invariants::{check, exported};
pub use keys::{Operator, PREFIX, Wallet};
pub use mempool::GAS;
pub use net::{Block, DENOM, Net, Point, Vote};
pub use sets::{Member, Set, apply};
