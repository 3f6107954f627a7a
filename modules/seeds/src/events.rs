//! Events of the module.

pub(crate) use geodesic_proto::geodesic::seeds::v1::EventVrfKeyRegistered;
