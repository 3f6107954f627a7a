//! Events of the module.

pub(crate) use geodesic_proto::geodesic::difficulty::v1::EventTargetSet;
