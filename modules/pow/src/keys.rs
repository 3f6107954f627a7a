//! Every entry of the store `pow`. Records hold their own epoch and addresses, so that a query or an export gives them as
//! they are.

use geodesic_core::{Item, Map, Pb, StoreId};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::ports::Operator;

/// The module's store.
pub const STORE: StoreId = StoreId::tree("pow");

/// `0x00 -> Params`, in force from the next epoch.
pub static PARAMS: Item<pb::Params, Pb> = Item::new(STORE, &[0x00]);

/// `0x01 -> ShapeSetting`, with its numbers.
pub static SHAPE: Item<pb::ShapeSetting, Pb> = Item::new(STORE, &[0x01]);

/// `0x02 | operator:20 -> Participant`.
pub static PARTICIPANT: Map<Operator, pb::Participant, Pb> = Map::new(STORE, &[0x02]);

/// `0x10 | epoch:be64 -> Epoch`.
pub static EPOCH: Map<u64, pb::Epoch, Pb> = Map::new(STORE, &[0x10]);

/// `0x11 | epoch:be64 | operator:20 -> Commitment`.
pub static COMMITMENT: Map<(u64, Operator), pb::Commitment, Pb> = Map::new(STORE, &[0x11]);

/// `0x12 | epoch:be64 | operator:20 -> leaves:be64 | hits:be64`, of those that are audited.
pub static PROVER: Map<(u64, Operator), (u64, u64)> = Map::new(STORE, &[0x12]);

/// `0x13 | epoch:be64 | operator:20 -> Power`, at X.
pub static POWER: Map<(u64, Operator), pb::Power, Pb> = Map::new(STORE, &[0x13]);

/// `0x14 | epoch:be64 | prover:20 | auditor:20 -> Demand`.
pub static DEMAND: Map<(u64, Operator, Operator), pb::Demand, Pb> = Map::new(STORE, &[0x14]);

/// `0x15 | epoch:be64 | auditor:20 -> Verdict`.
pub static VERDICT: Map<(u64, Operator), pb::Verdict, Pb> = Map::new(STORE, &[0x15]);

/// `0x16 | epoch:be64 | auditor:20 | prover:20 -> Duty`.
pub static DUTY: Map<(u64, Operator, Operator), pb::Duty, Pb> = Map::new(STORE, &[0x16]);

/// `0x17 | epoch:be64 | case:be32 -> Case`.
pub static CASE: Map<(u64, u32), pb::Case, Pb> = Map::new(STORE, &[0x17]);

/// `0x18 | epoch:be64 -> be32`, cases so far.
pub static CASES: Map<u64, u32> = Map::new(STORE, &[0x18]);

/// `0x19 | epoch:be64 | subject -> case:be32`; the subject is `1 | prover:20 | node:be32 | nonce:be64` for a leaf and
/// `2 | auditor:20 | prover:20 | position:be32` for a tag.
pub static SUBJECT: Map<(u64, Vec<u8>), u32> = Map::new(STORE, &[0x19]);

/// `0x1a | epoch:be64 | case:be32 | accuser:20 -> Accusation`.
pub static ACCUSATION: Map<(u64, u32, Operator), pb::Accusation, Pb> = Map::new(STORE, &[0x1a]);

/// `0x1b | epoch:be64 | accuser:20 | kind:1 | accused:20 -> case:be32`: one accusation per kind, accuser and accused.
pub static ACCUSED: Map<(u64, Operator, u8, Operator), u32> = Map::new(STORE, &[0x1b]);

/// `0x1c | epoch:be64 | judge:20 -> Judgment`.
pub static JUDGMENT: Map<(u64, Operator), pb::Judgment, Pb> = Map::new(STORE, &[0x1c]);

/// `0x20 | epoch:be64 | operator:20 -> Weight`.
pub static WEIGHT: Map<(u64, Operator), pb::Weight, Pb> = Map::new(STORE, &[0x20]);
