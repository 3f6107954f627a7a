//! Events of the module.

pub(crate) use geodesic_proto::geodesic::epochs::v1::EventEpochStarted;
