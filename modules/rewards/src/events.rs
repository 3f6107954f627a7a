//! Events of the module.

pub(crate) use geodesic_proto::geodesic::rewards::v1::{EventEpochSettled, EventRewardClaimed};
